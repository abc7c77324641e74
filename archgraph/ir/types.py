"""What flows along an edge, and the two stages of a graph."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

# One past the coarsest level: ceil(S / 2**GLOBAL) is 1 for every image there is.
GLOBAL = 32


class Stage(Enum):
    """PYRAMID says what is fused with what; OPERATORS says how it is computed."""

    PYRAMID = "pyramid"
    OPERATORS = "operators"


@dataclass(frozen=True)
class FeatureType:
    """A feature map of one level: its stride to the image is `2**level`, its size follows.

    Sizes are never part of a type: level l of an image of S pixels has `ceil(S / 2**l)`, so a
    map at level `GLOBAL` is a single pixel. A `loose` map was made by doubling a map exactly,
    `loose` times: it has `2**loose` times the pixels of a map of level `level + loose`, which may
    be more than its own level says; only `crop` and `resize` make it fit again.
    """

    level: int
    channels: int
    loose: int = 0

    @property
    def stride(self) -> int:
        """Pixels of the image per pixel of the feature map, along each axis."""
        return int(2**self.level)

    @property
    def is_global(self) -> bool:
        """Whether the map is a single pixel, whatever the image."""
        return self.level == GLOBAL

    @property
    def place(self) -> str:
        """The level as people write it: `P3`, or `global`."""
        return "global" if self.is_global else f"P{self.level}"

    def __str__(self) -> str:
        times = f" {self.loose}" if self.loose > 1 else ""
        return f"{self.place} x {self.channels}{f' loose{times}' if self.loose else ''}"
