"""Photographs and training samples as effdet's loader makes them, and ours beside them."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, cast
from unittest.mock import patch

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from archgraph.detect import PixelScale
from archgraph.train.records import Floats, Objects, Pixels, Sample
from archgraph.train.samples.augment import Augmentation, Flip, Jitter, augmented
from archgraph.train.samples.resize import fit_pixels

Found = Mapping[str, float]
# Height and width of photographs, of which some do not divide and some are enlarged.
PHOTOS = [(200, 256), (256, 170), (97, 333), (427, 640), (480, 640), (31, 53), (256, 256)]


def photograph(height: int, width: int) -> Pixels:
    """Blots of many sizes with noise."""
    rng = np.random.default_rng(height * width)
    blots = Image.fromarray(rng.integers(0, 256, (7, 9, 3), np.uint8)).resize((width, height))
    noise = rng.integers(-20, 21, (height, width, 3))
    return np.clip(np.asarray(blots) + noise, 0, 255).astype(np.uint8)


def boxes_yxyx(rng: np.random.Generator, size: Sequence[int], count: int) -> Floats:
    """Boxes of all sizes, some of them over the edges; shape (count, 4)."""
    sides = np.exp(rng.uniform(0, np.log(max(size)), (count, 2)))
    middles = rng.uniform(0, 1, (count, 2)) * size
    return np.concatenate([middles - sides / 2, middles + sides / 2], axis=1)


# --- effdet's loader ---------------------------------------------------------------------------


@contextmanager
def taken_for_a_gpu() -> Iterator[None]:
    """Copies to a GPU stay where they are."""
    with (
        patch.object(Tensor, "cuda", lambda tensor, **_: tensor),
        patch("torch.cuda.Stream"),
        patch("torch.cuda.current_stream"),
        patch("torch.cuda.stream", lambda _: nullcontext()),
    ):
        yield


@dataclass
class Photographs:
    """A data set as effdet's loader reads it, which gives it its transform."""

    photos: Sequence[Pixels]
    transform: Any = None

    def __len__(self) -> int:
        return len(self.photos)

    def __getitem__(self, index: int) -> Any:
        height, width = self.photos[index].shape[:2]
        box = np.array([[0, 0, height, width]], np.float32)
        target = {"img_size": (width, height), "bbox": box, "cls": np.ones(1, np.int64)}
        return self.transform(Image.fromarray(self.photos[index]), target)


def loaded(photos: Sequence[Pixels], size: tuple[int, int], normal: PixelScale) -> Any:
    """What effdet's loader makes of photographs: images, and what it says of them."""
    from effdet.data.loader import create_loader

    with taken_for_a_gpu():
        loader = create_loader(
            Photographs(photos),
            size,
            len(photos),
            mean=normal.mean,
            std=normal.std,
            num_workers=0,
        )
        return next(iter(loader))


def compare_loading(size: tuple[int, int], normal: PixelScale) -> Found:
    """Photographs as both networks see them: pixels, scale."""
    photos = [photograph(*each) for each in PHOTOS]
    images, said = loaded(photos, size, normal)
    fitted = [fit_pixels(each, size, "effdet", normal) for each in photos]
    scales = torch.tensor([each.scale for each in fitted])
    return {
        "pixels": float((torch.stack([each.image for each in fitted]) - images).abs().max()),
        "scale": float((scales - said["img_scale"]).abs().max()),
    }


# --- training samples --------------------------------------------------------------------------


class Script:
    """Random numbers that both programs are given, each for the same thing."""

    def __init__(self, seed: int) -> None:
        self.units = iter(np.random.default_rng(seed).random(10).tolist())

    def random(self, count: int | None = None) -> Any:
        if count is None:
            return next(self.units)
        return np.array([next(self.units) for _ in range(count)])

    def uniform(self, low: float, high: float) -> float:
        return float(low + (high - low) * self.random())

    def choice(self, options: Sequence[Any]) -> Any:
        return options[int(self.random() * len(options))]


def compare_training_sample(photo: tuple[int, int], size: tuple[int, int], seed: int) -> Found:
    """One photograph with objects, turned, scaled and cut at random: pixels, boxes."""
    from effdet.data.transforms import transforms_coco_train

    pixels = photograph(*photo)
    boxes = boxes_yxyx(np.random.default_rng(seed), photo, 20)
    boxes = boxes.clip(0, [*photo, *photo])
    classes = np.arange(len(boxes))
    with patch("effdet.data.transforms.random", Script(seed)):
        wanted, said = transforms_coco_train(size, use_prefetcher=True)(
            Image.fromarray(pixels), {"bbox": boxes.copy(), "cls": classes}
        )
    areas, none = np.ones(len(boxes)), np.zeros(len(boxes), np.bool_)
    objects = Objects(boxes[:, [1, 0, 3, 2]], classes, none, areas, classes)
    steps: list[Augmentation] = [Flip(), Jitter(size, interpolation="random")]
    found = augmented(
        Sample(pixels, objects, 0), steps, cast(Any, Script(seed)), lambda _: sys.exit("drawn")
    )
    kept = dict(zip(found.objects.classes.tolist(), found.objects.boxes_xyxy, strict=True))
    expected = dict(zip(said["cls"].tolist(), said["bbox"][:, [1, 0, 3, 2]], strict=True))
    away = [float(np.abs(kept[kind] - expected[kind]).max()) for kind in kept.keys() & expected]
    # Of a sliver at an edge less than a pixel may be left to one alone.
    alone = [{**kept, **expected}[kind] for kind in kept.keys() ^ expected.keys()]
    return {
        "pixels": float(np.abs(wanted.astype(int) - found.pixels.transpose(2, 0, 1)).max()),
        "boxes": max(away, default=0.0),
        "objects": float(sum((box[2:] - box[:2]).min() >= 1 for box in alone)),
    }
