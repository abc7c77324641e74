"""Anchors: the boxes that predictions are told from, on every pixel of every level."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

# Width and height of an anchor relative to a square one. Those that effdet, and google/automl
# until September 2020, have: 1.4 is close to the square root of 2.
ROUNDED_RATIOS = ((1.0, 1.0), (1.4, 0.7), (0.7, 1.4))
# Those that google/automl has since then, exactly of one area.
EXACT_RATIOS = ((1.0, 1.0), (math.sqrt(2), math.sqrt(0.5)), (math.sqrt(0.5), math.sqrt(2)))


@dataclass(frozen=True)
class Anchors:
    """Which anchors stand on a pixel (EfficientDet; efficientdet-pytorch, google/automl).

    Attributes:
        levels: of the maps that predict, ascending.
        scale: the side of a square anchor in strides; one number, or one for each level.
        octaves: sizes on each level, relative to the first.
        ratios: (width, height) relative to a square anchor; `ROUNDED_RATIOS` are those of the
            published weights, `EXACT_RATIOS` those of today's google/automl.
    """

    levels: tuple[int, ...] = (3, 4, 5, 6, 7)
    scale: float | tuple[float, ...] = 4.0
    octaves: tuple[float, ...] = (2**0, 2 ** (1 / 3), 2 ** (2 / 3))
    ratios: tuple[tuple[float, float], ...] = ROUNDED_RATIOS

    def __post_init__(self) -> None:
        if isinstance(self.scale, tuple) and len(self.scale) != len(self.levels):
            message = f"{len(self.scale)} scales of anchors for {len(self.levels)} levels"
            raise ValueError(f"{message}; give one number, or one for each level")

    @property
    def per_pixel(self) -> int:
        """How many anchors stand on one pixel."""
        return len(self.octaves) * len(self.ratios)

    @property
    def scales(self) -> tuple[float, ...]:
        """The scale of each level."""
        return self.scale if isinstance(self.scale, tuple) else (self.scale,) * len(self.levels)

    def xyxy(self, height: int, width: int) -> Tensor:
        """The anchors for an image of this size, in its pixels; they may reach over its edges.

        The stride of a level is the size of the image by that of its map, so it is no whole
        number where sizes do not divide. For the order see `anchor_boxes`.

        Returns:
            Shape (N, 4), float32.
        """
        return anchor_boxes(height, width, self.levels, self.scales, self.octaves, self.ratios)


def anchor_boxes(
    height: int,
    width: int,
    levels: Sequence[int],
    scales: Sequence[float],
    octaves: Sequence[float],
    ratios: Sequence[tuple[float, float]],
) -> Tensor:
    """The anchors of all levels for an image of this size: (N, 4), xyxy in its pixels.

    Level by level, each from top to bottom, a row from left to right; on a pixel all ratios of
    the first octave come first.
    """
    parts = []
    for level, scale in zip(levels, scales, strict=True):
        rows, columns = -(-height // 2**level), -(-width // 2**level)
        down, right = height / rows, width / columns
        y = (torch.arange(rows, dtype=torch.float64) + 0.5) * down
        x = (torch.arange(columns, dtype=torch.float64) + 0.5) * right
        half = torch.tensor(
            [
                (scale * right * octave * wide / 2, scale * down * octave * high / 2)
                for octave in octaves
                for wide, high in ratios
            ],
            dtype=torch.float64,
        )
        y_grid, x_grid = torch.meshgrid(y, x, indexing="ij")
        centre = torch.stack([x_grid, y_grid], dim=-1)[:, :, None]
        parts.append(torch.cat([centre - half, centre + half], dim=-1).reshape(-1, 4))
    return torch.cat(parts).float()
