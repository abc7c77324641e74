"""Samples of a data set side by side, with their boxes, as a person looks through them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from PIL import Image

from archgraph.train.drawing import draw_boxes, sheet
from archgraph.train.records import Dataset, Pixels, Sample
from archgraph.train.samples.augment import Augmentation, augmented
from archgraph.train.samples.objects import moved

COLUMNS = 4


def sample_sheet(
    dataset: Dataset,
    count: int,
    image_size: tuple[int, int],
    *,
    augment: Sequence[Augmentation] = (),
    seed: int = 0,
    advance: Callable[[int, int], None] | None = None,
) -> Pixels:
    """Random samples with boxes and names of classes, crowds with a `*`.

    With augmentations a row is an image as it is and what three epochs make of it.

    Args:
        dataset: where images come from.
        count: how many samples; fewer if there are fewer images.
        image_size: height and width that none is larger than.
        augment: what becomes of samples.
        seed: of the choice and of the augmentations.
        advance: is told how many samples are done, of how many.

    Raises:
        DataError: an image cannot be read.
    """
    each = COLUMNS if augment else 1
    wanted = min(len(dataset), -(-count // each))
    chosen = np.random.default_rng(seed).permutation(len(dataset))[:wanted]
    whole = min(count, wanted * each)
    tiles: list[Pixels] = []
    captions: list[str] = []
    for index in np.sort(chosen).tolist():
        record = dataset.record(index)
        sample = Sample(dataset.pixels(index), record.objects, record.image_id)
        for epoch in range(min(each, whole - len(tiles))):
            made, caption = sample, record.name
            if epoch:
                rng = np.random.default_rng((seed, epoch, index))
                made = augmented(sample, augment, rng, lambda g: _drawn(dataset, g))
                caption = f"epoch {epoch}"
            tiles.append(_tile(made, dataset.class_names, image_size))
            captions.append(caption)
            if advance is not None:
                advance(len(tiles), whole)
    return sheet(tiles, COLUMNS, captions)


def _drawn(dataset: Dataset, rng: np.random.Generator) -> Sample:
    index = int(rng.integers(len(dataset)))
    record = dataset.record(index)
    return Sample(dataset.pixels(index), record.objects, record.image_id)


def _tile(sample: Sample, class_names: Sequence[str], image_size: tuple[int, int]) -> Pixels:
    sample = _shrunk(sample, image_size)
    objects = sample.objects
    labels = [
        class_names[kind] + ("*" if crowd else "")
        for kind, crowd in zip(objects.classes.tolist(), objects.crowds.tolist(), strict=True)
    ]
    return draw_boxes(sample.pixels, objects.boxes_xyxy, labels, objects.classes.tolist())


def _shrunk(sample: Sample, image_size: tuple[int, int]) -> Sample:
    """A sample that is no larger than this."""
    height, width = sample.pixels.shape[:2]
    scale = min(image_size[0] / height, image_size[1] / width)
    if scale >= 1:
        return sample
    rows, columns = max(1, round(height * scale)), max(1, round(width * scale))
    small = Image.fromarray(np.ascontiguousarray(sample.pixels)).resize((columns, rows))
    objects = moved(sample.objects, columns / width, rows / height, 0, 0)
    return replace(sample, pixels=np.asarray(small), objects=objects)
