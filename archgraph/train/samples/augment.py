"""Samples made out of samples: what a detector is trained on besides the images there are.

An augmentation is a frozen dataclass of its settings that is called with a sample, a generator
that all its randomness comes from, and a function that draws another sample of the data set.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol

import numpy as np
import torch
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image
from torch.nn import functional as F

from archgraph.detect import PixelScale
from archgraph.train.records import Pixels, Sample
from archgraph.train.samples.objects import clipped, joined, mirrored, moved

Interpolation = Literal["bilinear", "bicubic", "random", "plain"]
Size = tuple[int, int]
# Another sample of the data set, which a generator chooses.
Draw = Callable[[Generator], Sample]
RGB = tuple[int, int, int]
# ImageNet's mean colour, which is nothing once an image is normalised.
PADDING: RGB = (124, 116, 104)
# How red, green and blue count in the lightness of a colour (ITU-R BT.601).
LIGHTNESS = np.array([0.299, 0.587, 0.114], np.float32)


class Augmentation(Protocol):
    """Makes a sample of a sample; the one that is given stays as it is."""

    def __call__(self, sample: Sample, rng: Generator, draw: Draw, /) -> Sample: ...


def augmented(sample: Sample, steps: Sequence[Augmentation], rng: Generator, draw: Draw) -> Sample:
    """A sample after one augmentation after the other."""
    for step in steps:
        sample = step(sample, rng, draw)
    return sample


@dataclass(frozen=True)
class Flip:
    """Turned from left to right."""

    probability: float = 0.5

    def __call__(self, sample: Sample, rng: Generator, draw: Draw) -> Sample:
        if rng.random() >= self.probability:
            return sample
        objects = mirrored(sample.objects, sample.pixels.shape[1])
        return replace(sample, pixels=sample.pixels[:, ::-1], objects=objects)


@dataclass(frozen=True)
class Jitter:
    """Shrunk or enlarged at random, then cut where it is too large and padded where too small.

    The large scale jitter of EfficientDet: a scale of 1 is an image that just fits. What is larger
    than the size is cut at a random place; smaller images stand at the top left. Objects are cut
    with the image, and dropped where nothing of them is left.

    Attributes:
        size: height and width of the result.
        low: the smallest scale.
        high: the largest.
        interpolation: `bilinear` and `bicubic` are Pillow's, antialiased; `random` is either of
            the two, as in efficientdet-pytorch; `plain` is bilinear without antialiasing, as in
            google/automl.
        padding: the colour of what is no image: what the network sees as nothing.
    """

    size: Size
    low: float = 0.1
    high: float = 2.0
    interpolation: Interpolation = "bilinear"
    padding: RGB = PADDING

    def __call__(self, sample: Sample, rng: Generator, draw: Draw) -> Sample:
        height, width = sample.pixels.shape[:2]
        scale = rng.uniform(self.low, self.high)
        scale *= min(self.size[0] / height, self.size[1] / width)
        rows, columns = max(1, int(height * scale)), max(1, int(width * scale))
        down, right = rng.random(2)
        top = int(max(0, rows - self.size[0]) * down)
        left = int(max(0, columns - self.size[1]) * right)
        resized = _resized(sample.pixels, rows, columns, _chosen(self.interpolation, rng))
        part = resized[top : top + self.size[0], left : left + self.size[1]]
        canvas = _canvas(self.size, self.padding)
        canvas[: part.shape[0], : part.shape[1]] = part
        objects = moved(sample.objects, columns / width, rows / height, -left, -top)
        objects = clipped(objects, part.shape[1], part.shape[0])
        return replace(sample, pixels=canvas, objects=objects)


@dataclass(frozen=True)
class Mosaic:
    """Four images around a point, this one at the top left (Bochkovskiy et al., arXiv 2004.10934).

    Each covers its quarter and is cut there.

    Attributes:
        size: height and width of the result.
        probability: how often.
        least: which part of an object must be left for it to count.
        padding: as of `Jitter`.
    """

    size: Size
    probability: float = 1.0
    least: float = 0.2
    padding: RGB = PADDING

    def __call__(self, sample: Sample, rng: Generator, draw: Draw) -> Sample:
        if rng.random() >= self.probability:
            return sample
        height, width = self.size
        row = round(height * rng.uniform(0.3, 0.7))
        column = round(width * rng.uniform(0.3, 0.7))
        canvas = _canvas(self.size, self.padding)
        objects = None
        for number in range(4):
            each = sample if number == 0 else draw(rng)
            rows = slice(0, row) if number < 2 else slice(row, height)
            columns = slice(0, column) if number % 2 == 0 else slice(column, width)
            tile = _covering(each, rows.stop - rows.start, columns.stop - columns.start, rng)
            canvas[rows, columns] = tile.pixels
            high, wide = tile.pixels.shape[:2]
            found = clipped(tile.objects, wide, high, self.least)
            found = moved(found, 1, 1, columns.start, rows.start)
            objects = found if objects is None else joined(objects, found)
        return Sample(canvas, objects or sample.objects, sample.image_id)


@dataclass(frozen=True)
class Mixup:
    """Two images seen through one another, with the objects of both (Zhang et al., 1710.09412).

    Attributes:
        probability: how often.
        strength: of the beta distribution that the share of the other image comes from; the
            larger, the nearer to a half.
    """

    probability: float = 0.5
    strength: float = 8.0

    def __call__(self, sample: Sample, rng: Generator, draw: Draw) -> Sample:
        if rng.random() >= self.probability:
            return sample
        share = np.float32(rng.beta(self.strength, self.strength))
        other = _stretched(draw(rng), *sample.pixels.shape[:2])
        mixed = sample.pixels * (1 - share) + other.pixels * share
        objects = joined(sample.objects, other.objects)
        return replace(sample, pixels=np.rint(mixed).astype(np.uint8), objects=objects)


@dataclass(frozen=True)
class Colour:
    """Other light: brightness, contrast, saturation and hue, in this order.

    Attributes:
        brightness: colours are multiplied by up to one plus or minus this.
        contrast: their distance from the mean lightness, likewise.
        saturation: their distance from the grey that is as light, likewise.
        hue: how far colours are turned around the greys, as a part of a whole turn.
        probability: how often.
    """

    brightness: float = 0.25
    contrast: float = 0.25
    saturation: float = 0.4
    hue: float = 0.03
    probability: float = 0.8

    def __call__(self, sample: Sample, rng: Generator, draw: Draw) -> Sample:
        if rng.random() >= self.probability:
            return sample
        amounts = [self.brightness, self.contrast, self.saturation]
        brighter, steeper, richer = (1 + rng.uniform(-amount, amount) for amount in amounts)
        turn = rng.uniform(-self.hue, self.hue) * 2 * np.pi
        middle = float(sample.pixels.mean(axis=(0, 1)) @ LIGHTNESS) * brighter
        matrix = _colour_matrix(richer, turn) * np.float32(brighter * steeper)
        shift = np.float32(middle * (1 - steeper))
        changed = sample.pixels.astype(np.float32) @ matrix.T + shift
        return replace(sample, pixels=np.rint(changed).clip(0, 255).astype(np.uint8))


def padding_of(pixels: PixelScale) -> RGB:
    """The colour that is nothing once an image is normalised: the mean."""
    red, green, blue = (round(255 * each) for each in pixels.mean)
    return red, green, blue


def reference_steps(
    size: Size, padding: RGB = PADDING, low: float = 0.1, high: float = 2.0
) -> tuple[Augmentation, ...]:
    """What EfficientDet was trained with."""
    return (Flip(), Jitter(size, low, high, padding=padding))


def strong_steps(size: Size, padding: RGB = PADDING) -> tuple[Augmentation, ...]:
    """For small data sets: images of four, other light, seldom two through one another."""
    jitter = Jitter(size, 0.4, 1.6, padding=padding)
    return (Mosaic(size, 0.5, padding=padding), Flip(), jitter, Colour(), Mixup(0.1))


def _canvas(size: Size, padding: RGB) -> Pixels:
    canvas = np.empty((*size, 3), np.uint8)
    canvas[:] = padding
    return canvas


def _chosen(interpolation: Interpolation, rng: Generator) -> Interpolation:
    if interpolation != "random":
        return interpolation
    return "bilinear" if rng.random() < 0.5 else "bicubic"


def _resized(pixels: Pixels, rows: int, columns: int, interpolation: Interpolation) -> Pixels:
    if interpolation == "plain":
        image = torch.from_numpy(pixels.transpose(2, 0, 1).astype(np.float32))[None]
        plain = F.interpolate(image, (rows, columns), mode="bilinear", align_corners=False)[0]
        return plain.round().byte().permute(1, 2, 0).numpy()
    way = Image.Resampling.BICUBIC if interpolation == "bicubic" else Image.Resampling.BILINEAR
    image_of = Image.fromarray(np.ascontiguousarray(pixels))
    return np.asarray(image_of.resize((columns, rows), way))


def _stretched(sample: Sample, rows: int, columns: int) -> Sample:
    height, width = sample.pixels.shape[:2]
    pixels = _resized(sample.pixels, rows, columns, "bilinear")
    objects = moved(sample.objects, columns / width, rows / height, 0, 0)
    return replace(sample, pixels=pixels, objects=objects)


def _covering(sample: Sample, rows: int, columns: int, rng: Generator) -> Sample:
    """A random part of a sample that fills a place, at a scale that is just enough or more."""
    height, width = sample.pixels.shape[:2]
    scale = max(rows / height, columns / width) * rng.uniform(1, 1.5)
    large = _stretched(sample, max(rows, round(height * scale)), max(columns, round(width * scale)))
    top = int(rng.integers(large.pixels.shape[0] - rows + 1))
    left = int(rng.integers(large.pixels.shape[1] - columns + 1))
    pixels = large.pixels[top : top + rows, left : left + columns]
    return replace(sample, pixels=pixels, objects=moved(large.objects, 1, 1, -left, -top))


def _colour_matrix(richer: float, turn: float) -> NDArray[np.float32]:
    """What saturates and turns colours, greys staying as they are; shape (3, 3), float32."""
    # YIQ: lightness, and two axes that the hue turns in.
    there = np.array([LIGHTNESS, [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]])
    cosine, sine = richer * np.cos(turn), richer * np.sin(turn)
    between = np.array([[1, 0, 0], [0, cosine, -sine], [0, sine, cosine]])
    matrix = np.linalg.inv(there) @ between @ there
    return np.asarray(matrix, np.float32)
