"""Operators that change the size of a map without sliding a window over it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from archgraph.ir.op import FROM_ZERO, Op, refusal
from archgraph.ir.operators.rules import coarser, doubled, exact, halvings, one_place, spatial
from archgraph.ir.types import GLOBAL, FeatureType

PoolMode = Literal["mean", "max"]


@dataclass(frozen=True)
class _Measuring(Op):
    """An operator whose second operand is only measured."""

    arity: ClassVar[tuple[int, int | None]] = (2, 2)
    ports: ClassVar[tuple[str, ...]] = ("x", "like")

    def _target(self, like: FeatureType, steps: int = 0) -> int:
        """The level that `like` has, ceil-halved `steps` times."""
        spatial(self.kind, [like])
        exact(self.kind, [like])
        return coarser(like.level, steps)


@dataclass(frozen=True)
class Resize(_Measuring):
    """Resampling of the first operand to the size of the second, ceil-halved `halvings` times.

    `nearest` is `floor(i * in / out)`; `bilinear` has half-pixel centres (align_corners false).
    """

    kind: ClassVar[str] = "resize"

    mode: Literal["nearest", "bilinear"] = "nearest"
    halvings: int = field(default=0, metadata=FROM_ZERO)

    def infer(self, inputs: Sequence[FeatureType]) -> FeatureType:
        x, like = inputs
        return FeatureType(self._target(like, self.halvings), x.channels)


@dataclass(frozen=True)
class AdaptivePool(_Measuring):
    """Pooling of the first operand to the size of the second, ceil-halved `halvings` times."""

    kind: ClassVar[str] = "adaptive-pool"

    mode: PoolMode = "mean"
    halvings: int = field(default=0, metadata=FROM_ZERO)

    def infer(self, inputs: Sequence[FeatureType]) -> FeatureType:
        x, like = inputs
        spatial(self.kind, [x])
        target = self._target(like, self.halvings)
        if target < x.level:
            message = f"'{self.kind}' cannot make P{target} of {x.place}: pooling makes no pixels"
            raise refusal("E211", message, "use 'resize'")
        return FeatureType(target, x.channels)


@dataclass(frozen=True)
class Crop(_Measuring):
    """The top left part of the first operand that is as large as the second."""

    kind: ClassVar[str] = "crop"

    def infer(self, inputs: Sequence[FeatureType]) -> FeatureType:
        x, like = inputs
        target = self._target(like)
        one_place([FeatureType(x.level, x.channels), like], "cropped to one another")
        return FeatureType(target, x.channels)


@dataclass(frozen=True)
class GlobalPool(Op):
    """The mean or the maximum of each channel: a single pixel."""

    kind: ClassVar[str] = "global-pool"

    mode: PoolMode = "mean"

    def infer(self, inputs: Sequence[FeatureType]) -> FeatureType:
        spatial(self.kind, inputs)
        exact(self.kind, inputs)
        return FeatureType(GLOBAL, inputs[0].channels)


@dataclass(frozen=True)
class PixelShuffle(Op):
    """Blocks of `factor` x `factor` pixels made of channels; exactly larger, so it is loose."""

    kind: ClassVar[str] = "pixel-shuffle"

    factor: int = 2

    def infer(self, inputs: Sequence[FeatureType]) -> FeatureType:
        (x,) = inputs
        area = self.factor**2
        steps = halvings(self.factor, "factor")
        if x.channels % area:
            message = f"'{self.kind}' takes a multiple of {area} channels, not {x.channels}"
            raise refusal("E212", message)
        return doubled(self.kind, x, steps, x.channels // area)


@dataclass(frozen=True)
class PixelUnshuffle(Op):
    """Channels made of blocks of `factor` x `factor` pixels, which must fit into the map."""

    kind: ClassVar[str] = "pixel-unshuffle"

    factor: int = 2

    def infer(self, inputs: Sequence[FeatureType]) -> FeatureType:
        (x,) = inputs
        steps = halvings(self.factor, "factor")
        if steps:
            spatial(self.kind, [x])
            exact(self.kind, [x])
        return FeatureType(coarser(x.level, steps), x.channels * self.factor**2, x.loose)

    def size_multiple(self, inputs: Sequence[FeatureType]) -> int:
        return self.factor
