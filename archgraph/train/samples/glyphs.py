"""Scenes of handwritten digits, scaled and coloured: real strokes without a download.

The digits are scikit-learn's (Alpaydin and Kaynak, 1998), which come with the package.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import ClassVar

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image

from archgraph.errors import DataError, Diagnostic
from archgraph.train.samples.scenes import (
    SPLITS,
    Numbers,
    Scene,
    Scenes,
    Seeds,
    contrasting,
    make_ground,
    split_number,
)

# The height of a digit, by the side of the scene.
SMALLEST, LARGEST = 0.15, 0.45
MOST_OBJECTS, TRIES = 6, 6
# One written digit in so many is for `val`, the others for `train`.
HELD_OUT = 5
BRIGHTEST = 16


@dataclass(frozen=True)
class Glyphs(Scenes):
    """Scenes of digits; no written digit is in both parts."""

    kind = "glyphs"
    counts: ClassVar = {"train": 1000, "val": 100}

    size: int = 256

    def __post_init__(self) -> None:
        super().__post_init__()
        _digits()

    @property
    def class_names(self) -> Sequence[str]:
        return tuple("0123456789")

    @staticmethod
    def make(size: int, seeds: Seeds, brush: Generator | None) -> Scene:
        rng = np.random.default_rng(seeds)
        scene = make_ground(brush, size, size)
        mine = digits_of("val" if seeds[1] == SPLITS["val"] else "train")
        for _ in range(int(rng.integers(1, MOST_OBJECTS + 1))):
            number = int(mine[rng.integers(len(mine))])
            for _ in range(TRIES):
                if _put_digit(rng, brush or rng, scene, number):
                    break
        return scene


@cache
def _digits() -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """All written digits, shape (N, 8, 8), and which they are, shape (N,).

    Raises:
        DataError: E521, scikit-learn is not installed.
    """
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        hint = "pip install scikit-learn, or take 'shapes', which needs nothing"
        message = "'glyphs' are the digits of scikit-learn, which is not installed"
        raise DataError(Diagnostic("E521", message, None, hint)) from None
    found = load_digits()
    return found.images, np.array(found.target, np.int64)


def digits_of(split: str) -> NDArray[np.int64]:
    """Which of the written digits are for a part of the data; shape (N,)."""
    held_out = np.arange(len(_digits()[1])) % HELD_OUT == 0
    return np.flatnonzero(held_out if split_number(split) == SPLITS["val"] else ~held_out)


def _put_digit(rng: Generator, brush: Generator, scene: Scene, number: int) -> bool:
    images, kinds = _digits()
    side = scene.owner.shape[0]
    height = round(side * float(np.exp(rng.uniform(np.log(SMALLEST), np.log(LARGEST)))))
    width = round(height * rng.uniform(0.8, 1.1))
    cover = _enlarged(images[number], height, width)
    left, top = int(rng.integers(-width // 4, side)), int(rng.integers(-height // 4, side))
    middle = (min(max(top + height // 2, 0), side - 1), min(max(left + width // 2, 0), side - 1))

    def paint(pixels: Numbers) -> Numbers:
        colour = contrasting(brush, pixels[middle]).astype(np.float32)
        return np.broadcast_to(colour, (height, width, 3))

    return scene.put(left, top, cover, paint, int(kinds[number]))


def _enlarged(image: NDArray[np.float64], height: int, width: int) -> Numbers:
    """A written digit with edges as sharp as its size allows; shape (height, width)."""
    small = Image.fromarray(np.pad(image, 1).astype(np.float32))
    large = np.asarray(small.resize((width, height), Image.Resampling.BICUBIC)) / BRIGHTEST
    sharpness = max(2.0, height / 12)
    return ((large - 0.45) * sharpness + 0.5).clip(0, 1)
