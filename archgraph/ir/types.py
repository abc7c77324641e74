"""What flows along an edge, and the two stages of a graph."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Stage(Enum):
    """PYRAMID says what is fused with what; OPERATORS says how it is computed."""

    PYRAMID = "pyramid"
    OPERATORS = "operators"


@dataclass(frozen=True)
class FeatureType:
    """A feature map of one level: its stride to the image is `2**level`, its size follows.

    Sizes are never part of a type: level l of an image of S pixels has `ceil(S / 2**l)`.
    """

    level: int
    channels: int

    @property
    def stride(self) -> int:
        """Pixels of the image per pixel of the feature map, along each axis."""
        return int(2**self.level)

    def __str__(self) -> str:
        return f"P{self.level} x {self.channels}"
