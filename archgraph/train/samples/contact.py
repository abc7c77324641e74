"""Samples of a data set side by side, with their boxes, as a person looks through them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import islice

import numpy as np
from PIL import Image

from archgraph.errors import DataError, Diagnostic
from archgraph.train.drawing import draw_boxes, sheet
from archgraph.train.records import Advance, Dataset, Pixels, Sample
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
    advance: Advance | None = None,
    skipped: Callable[[DataError], None] | None = None,
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
        skipped: is told of images that cannot be read, and others are taken; without it they are
            refused.

    Raises:
        DataError: an image cannot be read and is refused; E523 none can.
    """
    each = COLUMNS if augment else 1
    wanted = min(len(dataset), -(-count // each))
    whole = min(count, wanted * each)
    order = np.random.default_rng(seed).permutation(len(dataset)).tolist()
    found = list(islice(_readable(dataset, order, skipped), wanted))
    if not found:
        message = f"none of the {len(dataset)} images of {dataset.name} can be read"
        raise DataError(Diagnostic("E523", message))
    tiles: list[Pixels] = []
    captions: list[str] = []
    for index, name, sample in sorted(found, key=lambda one: one[0]):
        for epoch in range(min(each, whole - len(tiles))):
            made = sample
            if epoch:
                rng = np.random.default_rng((seed, epoch, index))
                made = augmented(sample, augment, rng, partial(_drawn, dataset, skipped))
            tiles.append(_tile(made, dataset.class_names, image_size))
            captions.append(f"epoch {epoch}" if epoch else name)
            if advance is not None:
                advance(len(tiles), whole)
    return sheet(tiles, COLUMNS, captions)


def _readable(
    dataset: Dataset, order: Iterable[int], skipped: Callable[[DataError], None] | None
) -> Iterator[tuple[int, str, Sample]]:
    """Number, name and content of the images in this order, of those that can be read."""
    for index in order:
        record = dataset.record(index)
        try:
            pixels = dataset.pixels(index)
        except DataError as error:
            if skipped is None:
                raise
            skipped(error)
            continue
        yield index, record.name, Sample(pixels, record.objects, record.image_id)


def _drawn(
    dataset: Dataset, skipped: Callable[[DataError], None] | None, rng: np.random.Generator
) -> Sample:
    """Another sample, for augmentations that need several; there is one, or none were drawn."""
    first, count = int(rng.integers(len(dataset))), len(dataset)
    order = ((first + step) % count for step in range(count))
    return next(_readable(dataset, order, skipped))[2]


def _tile(sample: Sample, class_names: Sequence[str], image_size: tuple[int, int]) -> Pixels:
    sample = _shrunk(sample, image_size)
    objects = sample.objects
    labels = [
        (class_names[kind] or f"class {kind}") + ("*" if crowd else "")
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
