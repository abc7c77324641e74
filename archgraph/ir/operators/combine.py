"""Operators that make one map of several, and the one that takes a part of a map."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from archgraph.ir.op import FROM_ZERO, Op, Shape, refusal
from archgraph.ir.operators.rules import one_place, one_width
from archgraph.ir.types import FeatureType


@dataclass(frozen=True)
class _Several(Op):
    """An operator on any number of maps of one sort."""

    arity: ClassVar[tuple[int, int | None]] = (1, None)


@dataclass(frozen=True)
class _Broadcasting(_Several):
    """An elementwise operator; global maps and maps of one channel are repeated to fit."""

    verb: ClassVar[str]

    def infer(self, inputs: Sequence[FeatureType]) -> FeatureType:
        maps = [x for x in inputs if not x.is_global] or inputs
        one_place(maps, self.verb)
        widest = max(x.channels for x in inputs)
        if any(x.channels not in (1, widest) for x in inputs):
            one_width(inputs, self.verb)
        return FeatureType(maps[0].level, widest, maps[0].loose)


@dataclass(frozen=True)
class Add(_Broadcasting):
    """The sum of its operands, added from left to right."""

    kind: ClassVar[str] = "add"
    verb: ClassVar[str] = "added"


@dataclass(frozen=True)
class Multiply(_Broadcasting):
    """The product of its operands, multiplied from left to right."""

    kind: ClassVar[str] = "multiply"
    verb: ClassVar[str] = "multiplied"


@dataclass(frozen=True)
class Maximum(_Broadcasting):
    """The largest of its operands, element by element."""

    kind: ClassVar[str] = "maximum"
    verb: ClassVar[str] = "compared"


@dataclass(frozen=True)
class WeightedSum(_Several):
    """A sum with learned weights, initially 1: one per operand, or one per operand and channel.

    `none` is sum(w_i x_i); `softmax` takes softmax(w) over the operands; `fast` is
    sum(x_i relu(w_i) / (sum_j relu(w_j) + eps)), each term multiplied, then divided, then added
    (EfficientDet, section 3.3).
    """

    kind: ClassVar[str] = "weighted-sum"

    normalize: Literal["none", "fast", "softmax"] = "fast"
    eps: float = field(default=1e-4, metadata=FROM_ZERO)
    per: Literal["tensor", "channel"] = "tensor"

    def infer(self, inputs: Sequence[FeatureType]) -> FeatureType:
        one_place(inputs)
        one_width(inputs)
        return inputs[0]

    def parameters(self, inputs: Sequence[FeatureType]) -> Mapping[str, Shape]:
        count = len(inputs)
        return {"weight": (count, inputs[0].channels) if self.per == "channel" else (count,)}


@dataclass(frozen=True)
class Concat(_Several):
    """The channels of its operands, one after another."""

    kind: ClassVar[str] = "concat"

    def infer(self, inputs: Sequence[FeatureType]) -> FeatureType:
        one_place(inputs, "concatenated")
        first = inputs[0]
        return FeatureType(first.level, sum(x.channels for x in inputs), first.loose)


@dataclass(frozen=True)
class Slice(Op):
    """`channels` channels from channel `start` on."""

    kind: ClassVar[str] = "slice"

    channels: int
    start: int = field(default=0, metadata=FROM_ZERO)

    def infer(self, inputs: Sequence[FeatureType]) -> FeatureType:
        (x,) = inputs
        end = self.start + self.channels
        if end > x.channels:
            message = f"channels {self.start} to {end - 1} are taken of a map of {x.channels}"
            raise refusal("E218", message)
        return FeatureType(x.level, self.channels, x.loose)
