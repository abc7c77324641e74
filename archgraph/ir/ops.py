"""The operators: everything a graph at stage OPERATORS may hold.

An op is a frozen dataclass; its fields are its meaning. `infer` gives the type of its result
and refuses what it cannot compute; `parameters` names its learned weights and their shapes,
`buffers` the running statistics that travel with them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from archgraph.ir.op import Op, Shape, refusal
from archgraph.ir.pyramid import Fuse, Input, Result, Use
from archgraph.ir.types import FeatureType

Padding = Literal["symmetric", "same"]
ActivationFunction = Literal["relu", "relu6", "silu", "sigmoid", "hard-swish", "gelu", "mish"]


@dataclass(frozen=True)
class Conv(Op):
    """A 2-d convolution; square kernel, the same stride and dilation along both axes."""

    kind: ClassVar[str] = "conv"

    channels: int
    kernel: int = 1
    stride: int = 1
    dilation: int = 1
    groups: int = 1
    bias: bool = True
    padding: Padding = "symmetric"

    def infer(self, inputs: Sequence[FeatureType]) -> FeatureType:
        (x,) = inputs
        for name, value in (("input", x.channels), ("output", self.channels)):
            if value % self.groups:
                raise refusal(
                    "E212", f"{value} {name} channels do not divide into {self.groups} groups"
                )
        extent = self.dilation * (self.kernel - 1) + 1
        return FeatureType(x.level + _halvings(extent, self.stride, self.padding), self.channels)

    def parameters(self, inputs: Sequence[FeatureType]) -> Mapping[str, Shape]:
        weight = (self.channels, inputs[0].channels // self.groups, self.kernel, self.kernel)
        return {"weight": weight, "bias": (self.channels,)} if self.bias else {"weight": weight}


@dataclass(frozen=True)
class BatchNorm(Op):
    """Batch normalisation over batch, height and width; `momentum` in PyTorch's sense."""

    kind: ClassVar[str] = "batch-norm"

    eps: float = 1e-5
    momentum: float = 0.1

    def parameters(self, inputs: Sequence[FeatureType]) -> Mapping[str, Shape]:
        return {"weight": (inputs[0].channels,), "bias": (inputs[0].channels,)}

    def buffers(self, inputs: Sequence[FeatureType]) -> Mapping[str, Shape]:
        channels = (inputs[0].channels,)
        return {"running_mean": channels, "running_var": channels, "num_batches_tracked": ()}


@dataclass(frozen=True)
class Activation(Op):
    """An elementwise function."""

    kind: ClassVar[str] = "activation"

    function: ActivationFunction


@dataclass(frozen=True)
class MaxPool(Op):
    """Max pooling; what lies outside the map never wins, whatever the padding."""

    kind: ClassVar[str] = "max-pool"

    kernel: int
    stride: int = 1
    padding: Padding = "symmetric"

    def infer(self, inputs: Sequence[FeatureType]) -> FeatureType:
        (x,) = inputs
        return FeatureType(x.level + _halvings(self.kernel, self.stride, self.padding), x.channels)


@dataclass(frozen=True)
class Resize(Op):
    """Resampling of the first operand to the size of the second, which is only measured.

    `nearest` is `floor(i * in / out)`; `bilinear` has half-pixel centres (align_corners false).
    """

    kind: ClassVar[str] = "resize"
    arity: ClassVar[tuple[int, int | None]] = (2, 2)
    ports: ClassVar[tuple[str, ...]] = ("x", "like")

    mode: Literal["nearest", "bilinear"] = "nearest"

    def infer(self, inputs: Sequence[FeatureType]) -> FeatureType:
        x, like = inputs
        return FeatureType(like.level, x.channels)


@dataclass(frozen=True)
class Add(Op):
    """The sum of its operands, added from left to right."""

    kind: ClassVar[str] = "add"
    arity: ClassVar[tuple[int, int | None]] = (1, None)

    def infer(self, inputs: Sequence[FeatureType]) -> FeatureType:
        return _equal(inputs)


@dataclass(frozen=True)
class Affine(Op):
    """`x * factor + offset` with constants that are part of the design, not learned."""

    kind: ClassVar[str] = "affine"

    factor: float = 1.0
    offset: float = 0.0


@dataclass(frozen=True)
class WeightedSum(Op):
    """A sum with one learned weight per operand, initially 1 (EfficientDet, section 3.3).

    `none` is sum(w_i x_i); `softmax` takes softmax(w); `fast` is
    sum(x_i relu(w_i) / (sum_j relu(w_j) + eps)), each term multiplied, then divided, then added.
    """

    kind: ClassVar[str] = "weighted-sum"
    arity: ClassVar[tuple[int, int | None]] = (1, None)

    normalize: Literal["none", "fast", "softmax"] = "fast"
    eps: float = 1e-4

    def infer(self, inputs: Sequence[FeatureType]) -> FeatureType:
        return _equal(inputs)

    def parameters(self, inputs: Sequence[FeatureType]) -> Mapping[str, Shape]:
        return {"weight": (len(inputs),)}


def _equal(inputs: Sequence[FeatureType]) -> FeatureType:
    first = inputs[0]
    if any(x.level != first.level for x in inputs):
        levels = ", ".join(f"P{x.level}" for x in inputs)
        raise refusal("E211", f"operands of different levels are added: {levels}")
    if any(x.channels != first.channels for x in inputs):
        widths = ", ".join(str(x.channels) for x in inputs)
        hint = "project the operands to one width: 'project: conv-norm' on the edge"
        raise refusal("E210", f"operands of different channels are added: {widths}", hint)
    return first


def _halvings(extent: int, stride: int, padding: Padding) -> int:
    """By how many levels a strided window lowers the resolution.

    The level sizes of a pyramid are `ceil(size / stride)` (EfficientDet's and TensorFlow's
    habit); a window that gives any other size at some input size is refused.
    """
    if stride & (stride - 1):
        raise refusal("E213", f"stride {stride} is not a power of two")
    if padding == "symmetric":
        # floor((n + 2p - extent) / stride) + 1 == ceil(n / stride) for all n, with the
        # symmetric p below, exactly when 2p - extent == -1.
        pad = (stride - 1 + extent - 1) // 2
        if 2 * pad - extent != -1:
            fix = "an odd kernel" if extent % 2 == 0 else "padding=same"
            raise refusal(
                "E213",
                f"a window of {extent} with stride {stride} and symmetric padding does not"
                " give ceil(size / stride)",
                f"use {fix}, or 'padding: same'" if extent % 2 == 0 else f"use {fix}",
            )
    return stride.bit_length() - 1


def symmetric_padding(extent: int, stride: int) -> int:
    """The padding on each side that `symmetric` means for a window of `extent` pixels."""
    return (stride - 1 + extent - 1) // 2


OPERATORS: Mapping[str, type[Op]] = {
    "conv": Conv,
    "batch-norm": BatchNorm,
    "activation": Activation,
    "max-pool": MaxPool,
    "resize": Resize,
    "add": Add,
    "affine": Affine,
    "weighted-sum": WeightedSum,
}
PYRAMID: Mapping[str, type[Op]] = {"input": Input, "fuse": Fuse, "use": Use, "result": Result}
VOCABULARY: Mapping[str, type[Op]] = {**PYRAMID, **OPERATORS}
