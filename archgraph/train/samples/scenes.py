"""Scenes that are made and not photographed: a textured ground, and things put on it in order.

All randomness comes from the generator that is handed in, so a scene is a function of its seed.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import ClassVar

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image

from archgraph.errors import DataError, Diagnostic
from archgraph.train.records import ImageRecord, Objects, Pixels

Numbers = NDArray[np.float32]
Paint = Callable[[Numbers], Numbers]
# The parts of a data set, as the last of the seeds of its scenes: none shares a scene.
SPLITS = {"train": 0, "val": 1}
# What nobody could tell is not put on a scene, nor hidden so far later on.
LEAST_VISIBLE, LEAST_PIXELS = 0.4, 24
GROUND = -1


@dataclass
class Scene:
    """What is put on the ground, and what of it is still seen.

    Attributes:
        pixels: shape (height, width, 3), from 0 to 255; None where only the objects matter, which
            are told much faster.
        owner: which object each pixel shows, `GROUND` for none; shape (height, width).
        classes: of each object.
        whole: how many pixels each object has with nothing before it.
        seen: how many of them are seen.
    """

    pixels: Numbers | None
    owner: NDArray[np.int64]
    classes: list[int] = field(default_factory=list)
    whole: list[int] = field(default_factory=list)
    seen: list[int] = field(default_factory=list)

    def put(
        self, left: int, top: int, cover: Numbers, paint: Paint, kind: int | None = None
    ) -> bool:
        """Put something on top, unless it, or something below, could then not be told.

        Args:
            left: where it begins; it may reach over the edges.
            top: likewise.
            cover: how far each pixel hides what is below, from 0 to 1; shape (h, w).
            paint: what makes its colours, of shape (h, w, 3), from those of the scene.
            kind: its class; None for what is no object.
        """
        height, width = self.owner.shape
        rows = slice(max(0, -top), min(cover.shape[0], height - top))
        columns = slice(max(0, -left), min(cover.shape[1], width - left))
        whole = int((cover >= 0.5).sum())
        part = cover[rows, columns]
        solid = part >= 0.5
        count = int(solid.sum())
        if kind is not None and count < max(LEAST_VISIBLE * whole, LEAST_PIXELS):
            return False
        place = (
            slice(top + rows.start, top + rows.stop),
            slice(left + columns.start, left + columns.stop),
        )
        hidden = np.bincount(self.owner[place][solid] + 1, minlength=len(self.seen) + 1)[1:]
        left_over = np.array(self.seen, np.int64) - hidden
        least = np.maximum(LEAST_VISIBLE * np.array(self.whole), LEAST_PIXELS)
        if (left_over < least).any():
            return False
        self.seen = left_over.tolist()
        self.owner[place][solid] = GROUND if kind is None else len(self.classes)
        if self.pixels is not None:
            touched = part > 0
            below, over = self.pixels[place], part[touched][:, None]
            colours = paint(self.pixels)[rows, columns][touched]
            below[touched] += (colours - below[touched]) * over
        if kind is not None:
            self.classes.append(kind)
            self.whole.append(whole)
            self.seen.append(count)
        return True

    def objects(self) -> Objects:
        """The objects, each with the box around what is seen of it."""
        boxes = np.zeros((len(self.classes), 4))
        for number in range(len(self.classes)):
            mine = self.owner == number
            rows, columns = np.flatnonzero(mine.any(1)), np.flatnonzero(mine.any(0))
            boxes[number] = columns[0], rows[0], columns[-1] + 1, rows[-1] + 1
        return Objects(
            boxes,
            np.array(self.classes, np.int64),
            np.zeros(len(boxes), np.bool_),
            np.array(self.seen, np.float64),
            np.arange(len(boxes)),
        )

    def finished(self, rng: Generator) -> Pixels:
        """The image, with a camera's noise; black if it was not painted."""
        if self.pixels is None:
            return np.zeros((*self.owner.shape, 3), np.uint8)
        noise = rng.random(self.owner.shape, np.float32)[..., None] * 12 - 6
        pixels = (self.pixels + noise).clip(0, 255).astype(np.uint8)
        pixels.flags.writeable = False
        return pixels


def split_number(split: str) -> int:
    """Which part of a data set is meant.

    Raises:
        DataError: E520, there is no such part.
    """
    if split not in SPLITS:
        message = f"there is no part '{split}' of embedded scenes"
        raise DataError(Diagnostic("E520", message, None, f"parts: {', '.join(SPLITS)}"))
    return SPLITS[split]


# Seed, part and number of a scene.
Seeds = tuple[int, int, int]


@dataclass(frozen=True)
class Scenes(ABC):
    """A data set of scenes, each made when it is asked for; satisfies `Dataset`.

    Attributes:
        split: `train` or `val`; no scene is in both.
        count: how many scenes; 0 for as many as the split has by default.
        size: of a scene, in pixels, along both axes.
        seed: another one gives other scenes.
    """

    kind: ClassVar[str]
    counts: ClassVar[Mapping[str, int]]

    split: str = "train"
    count: int = 0
    size: int = 320
    seed: int = 0

    def __post_init__(self) -> None:
        split_number(self.split)

    @property
    def name(self) -> str:
        return f"{self.kind}:{self.split}"

    @property
    @abstractmethod
    def class_names(self) -> Sequence[str]: ...

    @staticmethod
    @abstractmethod
    def make(size: int, seeds: Seeds, brush: Generator | None) -> Scene:
        """A scene: where everything is comes from the seeds, what it looks like from the brush."""

    @property
    def category_ids(self) -> Sequence[int]:
        return range(1, len(self.class_names) + 1)

    def __len__(self) -> int:
        return self.count or self.counts[self.split]

    def record(self, index: int) -> ImageRecord:
        objects = _objects(type(self), self.size, self._seeds(index))
        name = f"{self.kind}/{self.split}/{index:06d}"
        return ImageRecord(index, name, None, self.size, self.size, objects)

    def pixels(self, index: int) -> Pixels:
        return _pixels(type(self), self.size, self._seeds(index))

    def _seeds(self, index: int) -> Seeds:
        if not 0 <= index < len(self):
            raise IndexError(f"scene {index} of {len(self)}")
        return self.seed, split_number(self.split), index


# A mosaic asks for the same scenes again, and so does whoever counts objects.
@lru_cache(maxsize=4096)
def _objects(kind: type[Scenes], size: int, seeds: Seeds) -> Objects:
    return kind.make(size, seeds, None).objects()


# Painting takes longer than keeping: scenes of a process, until they are so many bytes.
_MOST_KEPT = 1 << 27
_kept: dict[tuple[type[Scenes], int, Seeds], Pixels] = {}


def _pixels(kind: type[Scenes], size: int, seeds: Seeds) -> Pixels:
    found = _kept.get((kind, size, seeds))
    if found is not None:
        return found
    brush = np.random.default_rng((*seeds, 1))
    painted_scene = kind.make(size, seeds, brush).finished(brush)
    if (len(_kept) + 1) * painted_scene.nbytes <= _MOST_KEPT:
        _kept[kind, size, seeds] = painted_scene
    return painted_scene


def make_ground(rng: Generator | None, height: int, width: int) -> Scene:
    """A scene with nothing on it but a texture of muted colours and lines that mean nothing.

    Args:
        rng: of texture and lines; None for a scene that is not painted.
        height: in pixels.
        width: likewise.
    """
    if rng is None:
        return Scene(None, np.full((height, width), GROUND))
    # Nearly grey, so that colour says something too.
    colour = rng.uniform(60, 190) + rng.uniform(-20, 20, 3)
    pixels = blotches(rng, height, width, colour, 50, int(rng.integers(2, 6)))
    pixels += blotches(rng, height, width, np.full(3, 16.0), 32, int(rng.integers(10, 40))) - 16
    scene = Scene(pixels, np.full((height, width), GROUND))
    for _ in range(int(rng.integers(2, 8))):
        put_line(rng, scene)
    return scene


def put_line(rng: Generator, scene: Scene) -> None:
    """A thin straight line somewhere, which is no object."""
    height, width = scene.owner.shape
    reach = int(min(height, width) * rng.uniform(0.1, 0.35))
    thickness = rng.uniform(0.004, 0.012) * min(height, width)
    u, v = turned(2 * reach + 1, rng.uniform(0, np.pi))
    cover = soft(np.maximum(np.abs(u) - thickness, np.abs(v) - reach))
    left, top = int(rng.integers(-reach, width - reach)), int(rng.integers(-reach, height - reach))
    colours = np.broadcast_to(rng.uniform(0, 255, 3).astype(np.float32), (*cover.shape, 3))
    scene.put(left, top, cover, lambda _: colours)


def blotches(
    rng: Generator, height: int, width: int, colour: NDArray[np.float64], spread: float, cells: int
) -> Numbers:
    """Smooth noise around a colour; shape (height, width, 3)."""
    coarse = colour + rng.uniform(-spread / 2, spread / 2, (cells, cells, 3))
    small = Image.fromarray(coarse.clip(0, 255).astype(np.uint8))
    return np.asarray(small.resize((width, height), Image.Resampling.BILINEAR), np.float32)


def turned(side: int, angle: float) -> tuple[Numbers, Numbers]:
    """Coordinates of a square of pixels, from its centre, turned; each of shape (side, side)."""
    line = np.arange(side, dtype=np.float32) - (side - 1) / 2
    x, y = line[None, :], line[:, None]
    cosine, sine = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    return x * cosine + y * sine, y * cosine - x * sine


def soft(distance: Numbers) -> Numbers:
    """Cover from the signed distance to an outline in pixels, negative inside."""
    return (0.5 - distance).clip(0, 1)


def contrasting(rng: Generator, around: NDArray[np.float32]) -> NDArray[np.float64]:
    """Of a few random colours the one that differs most from another."""
    choices = rng.uniform(0, 255, (4, 3))
    best = np.abs(choices - around).max(axis=1).argmax()
    return np.array(choices[best])


def painted(rng: Generator, side: int, colour: NDArray[np.float64]) -> Numbers:
    """A pattern of a colour and its relatives: plain, striped, checked or blotched."""
    pattern = int(rng.integers(4))
    if pattern == 0:
        return blotches(rng, side, side, colour, 70, int(rng.integers(2, 6)))
    other = (colour + rng.uniform(-50, 50, 3)).astype(np.float32)
    plain = np.broadcast_to(colour.astype(np.float32), (side, side, 3))
    if pattern == 1:
        return plain
    u, v = turned(side, rng.uniform(0, np.pi))
    width = max(2.0, side * rng.uniform(0.06, 0.2))
    odd = np.floor(u / width) % 2 != 0
    if pattern == 2:
        odd = odd ^ (np.floor(v / width) % 2 != 0)
    return np.where(odd[..., None], other, plain)
