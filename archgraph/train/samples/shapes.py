"""Scenes of textured shapes that hide one another: a data set to try a detector on.

Nothing is read: every scene is made when it is first asked for, in a few milliseconds, and is the
same one every time, in every process and in every order.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.random import Generator

from archgraph.train.samples.scenes import (
    Numbers,
    Scene,
    Scenes,
    Seeds,
    contrasting,
    make_ground,
    painted,
    put_line,
    soft,
    turned,
)

# How far a shape reaches from its centre, by the side of the scene.
SMALLEST, LARGEST = 0.06, 0.25
MOST_OBJECTS, TRIES = 8, 6
# How far a shape is turned at most, either way: 20 degrees.
TURN = np.pi / 9
# One scene in so many has no object at all.
EMPTY = 32


def _disc(u: Numbers, v: Numbers) -> Numbers:
    return np.asarray(np.hypot(u, v) - 1)


def _ring(u: Numbers, v: Numbers) -> Numbers:
    return np.abs(np.hypot(u, v) - np.float32(0.75)) - np.float32(0.25)


def _square(u: Numbers, v: Numbers) -> Numbers:
    return np.maximum(np.abs(u), np.abs(v)) - np.float32(0.75)


def _triangle(u: Numbers, v: Numbers) -> Numbers:
    slope = np.float32(np.sqrt(0.75))
    return np.maximum(np.maximum(v, slope * u - v / 2), -slope * u - v / 2) - np.float32(0.5)


def _cross(u: Numbers, v: Numbers) -> Numbers:
    u, v, half = np.abs(u), np.abs(v), np.float32(0.3)
    return np.asarray(np.minimum(np.maximum(u - 1, v - half), np.maximum(v - 1, u - half)))


def _star(u: Numbers, v: Numbers) -> Numbers:
    """Five points: one half of one of them stands for all ten halves."""
    turn = np.float32(2 * np.pi / 5)
    angle = np.abs((np.arctan2(v, u) + turn / 2) % turn - turn / 2)
    far = np.hypot(u, v)
    inner = 0.42 * np.array([np.cos(turn / 2), np.sin(turn / 2)])
    edge = inner - [1, 0]
    normal = (np.array([edge[1], -edge[0]]) / np.hypot(*edge)).astype(np.float32)
    return np.asarray((far * np.cos(angle) - 1) * normal[0] + far * np.sin(angle) * normal[1])


# The signed distance of a shape that reaches 1 from its centre, negative inside.
OUTLINES: Mapping[str, Callable[[Numbers, Numbers], Numbers]] = {
    "disc": _disc,
    "square": _square,
    "triangle": _triangle,
    "ring": _ring,
    "star": _star,
    "cross": _cross,
}


@dataclass(frozen=True)
class Shapes(Scenes):
    """Scenes of shapes that hide one another."""

    kind = "shapes"
    counts: ClassVar = {"train": 2000, "val": 200}

    @property
    def class_names(self) -> Sequence[str]:
        return tuple(OUTLINES)

    @staticmethod
    def make(size: int, seeds: Seeds, brush: Generator | None) -> Scene:
        rng = np.random.default_rng(seeds)
        scene = make_ground(brush, size, size)
        wanted = 0 if rng.integers(EMPTY) == 0 else int(rng.integers(1, MOST_OBJECTS + 1))
        for _ in range(wanted):
            kind = int(rng.integers(len(OUTLINES)))
            for _ in range(TRIES):
                if _put_shape(rng, brush or rng, scene, kind):
                    break
        put_line(rng, scene)
        return scene


def _put_shape(rng: Generator, brush: Generator, scene: Scene, kind: int) -> bool:
    side = scene.owner.shape[0]
    reach = side * np.exp(rng.uniform(np.log(SMALLEST), np.log(LARGEST)))
    x, y = rng.uniform(0, side, 2)
    extent = int(np.ceil(reach * 1.2)) * 2 + 1
    u, v = turned(extent, rng.uniform(-TURN, TURN))
    wide, high = (np.float32(reach * rng.uniform(0.85, 1.15)) for _ in range(2))
    outline = tuple(OUTLINES.values())[kind]
    cover = soft(outline(u / wide, v / high) * np.float32(reach))

    def paint(pixels: Numbers) -> Numbers:
        return painted(brush, extent, contrasting(brush, pixels[int(y), int(x)]))

    return scene.put(int(x) - extent // 2, int(y) - extent // 2, cover, paint, kind)
