"""Operators in which positions of a map see one another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from archgraph.ir.op import FROM_ZERO, Op, refusal
from archgraph.ir.operators.rules import divide, doubled, exact, halvings, one_place, spatial
from archgraph.ir.types import FeatureType


@dataclass(frozen=True)
class Attention(Op):
    """Scaled dot-product attention of the positions of `query` over those of `key`.

    Every head has its own part of the channels, and its products are divided by the root of
    their number. `key_channels` says how many each head has of query and key; 0 is what arrives.
    """

    kind: ClassVar[str] = "attention"
    arity: ClassVar[tuple[int, int | None]] = (3, 3)
    ports: ClassVar[tuple[str, ...]] = ("query", "key", "value")

    heads: int = 1
    key_channels: int = field(default=0, metadata=FROM_ZERO)

    def infer(self, inputs: Sequence[FeatureType]) -> FeatureType:
        query, key, value = inputs
        exact(self.kind, inputs)
        spatial(self.kind, [key, value])
        one_place([key, value], "used as key and value")
        if query.channels != key.channels:
            message = f"the query has {query.channels} channels, the key {key.channels}"
            raise refusal("E210", message, "project both to one width")
        divide(query.channels, self.heads, "channels of the query")
        divide(value.channels, self.heads, "channels of the value")
        wanted = self.heads * self.key_channels
        if wanted not in (0, query.channels):
            message = f"{self.heads} heads of {self.key_channels} key channels make {wanted}"
            raise refusal("E218", f"{message}, but the query has {query.channels}")
        return FeatureType(query.level, value.channels)


@dataclass(frozen=True)
class PositionEmbedding(Op):
    """Sines and cosines of the position, in a map like the operand, which is only measured.

    The four quarters of the channels hold sines and cosines of the column, then of the row, at
    frequencies that fall from 1 to almost `1 / temperature` (RT-DETR's AIFI).
    """

    kind: ClassVar[str] = "position-embedding"

    temperature: float = 10000.0

    def infer(self, inputs: Sequence[FeatureType]) -> FeatureType:
        (x,) = inputs
        spatial(self.kind, inputs)
        exact(self.kind, inputs)
        if x.channels % 4:
            message = f"'{self.kind}' takes a multiple of 4 channels, not {x.channels}"
            raise refusal("E212", message)
        if self.temperature <= 0:
            shown = f"'temperature' of '{self.kind}' is {self.temperature}"
            raise refusal("E113", f"{shown}; expected more than 0")
        return x


@dataclass(frozen=True)
class Reassemble(Op):
    """Upsampling by weighted windows (CARAFE): each new pixel has weights of its own.

    A new pixel is the sum over the `kernel` x `kernel` window around the old one that it lies in;
    zeros lie outside the map. `weights` has a channel per window pixel, row by row, for each of
    `groups` groups of channels, and `factor` times the pixels of `x`. The result is loose.
    """

    kind: ClassVar[str] = "reassemble"
    arity: ClassVar[tuple[int, int | None]] = (2, 2)
    ports: ClassVar[tuple[str, ...]] = ("x", "weights")

    kernel: int = 5
    factor: int = 2
    groups: int = 1

    def infer(self, inputs: Sequence[FeatureType]) -> FeatureType:
        x, weights = inputs
        steps = halvings(self.factor, "factor")
        spatial(self.kind, [x])
        exact(self.kind, [x])
        divide(x.channels, self.groups)
        if self.kernel % 2 == 0:
            shown = f"'kernel' of '{self.kind}' is {self.kernel}"
            raise refusal("E113", f"{shown}; expected an odd number")
        result = doubled(self.kind, x, steps, x.channels)
        wanted = FeatureType(result.level, self.groups * self.kernel**2, result.loose)
        if weights != wanted:
            message = f"'{self.kind}' of {x} takes weights of {wanted}, not {weights}"
            hint = f"make them of the same map, with 'pixel-shuffle factor={self.factor}'"
            raise refusal("E218", message, hint)
        return result
