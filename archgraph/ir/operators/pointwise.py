"""Operators that keep level and channels: norms, activations, factors, dropping."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from archgraph.ir.op import FROM_ZERO, Op, Shape, refusal
from archgraph.ir.operators.rules import divide
from archgraph.ir.types import FeatureType

ActivationFunction = Literal[
    "relu",
    "relu6",
    "leaky-relu",
    "silu",
    "sigmoid",
    "hard-sigmoid",
    "hard-swish",
    "gelu",
    "mish",
    "tanh",
]


@dataclass(frozen=True)
class _Norm(Op):
    """A norm with one learned factor and one learned offset per channel."""

    def parameters(self, inputs: Sequence[FeatureType]) -> Mapping[str, Shape]:
        return {"weight": (inputs[0].channels,), "bias": (inputs[0].channels,)}


@dataclass(frozen=True)
class BatchNorm(_Norm):
    """Batch normalisation over batch, height and width; `momentum` in PyTorch's sense."""

    kind: ClassVar[str] = "batch-norm"

    eps: float = field(default=1e-5, metadata=FROM_ZERO)
    momentum: float = field(default=0.1, metadata=FROM_ZERO)

    def buffers(self, inputs: Sequence[FeatureType]) -> Mapping[str, Shape]:
        channels = (inputs[0].channels,)
        return {"running_mean": channels, "running_var": channels, "num_batches_tracked": ()}


@dataclass(frozen=True)
class GroupNorm(_Norm):
    """Normalisation of each sample over the channels of a group, height and width."""

    kind: ClassVar[str] = "group-norm"

    groups: int = 32
    eps: float = field(default=1e-5, metadata=FROM_ZERO)

    def infer(self, inputs: Sequence[FeatureType]) -> FeatureType:
        divide(inputs[0].channels, self.groups)
        return inputs[0]


@dataclass(frozen=True)
class LayerNorm(_Norm):
    """Normalisation of each pixel over its channels."""

    kind: ClassVar[str] = "layer-norm"

    eps: float = field(default=1e-5, metadata=FROM_ZERO)


@dataclass(frozen=True)
class Activation(Op):
    """An elementwise function; only `leaky-relu` reads `slope`."""

    kind: ClassVar[str] = "activation"

    function: ActivationFunction
    slope: float = 0.01


@dataclass(frozen=True)
class Softmax(Op):
    """Softmax over the channels of each group, at every pixel."""

    kind: ClassVar[str] = "softmax"

    groups: int = 1

    def infer(self, inputs: Sequence[FeatureType]) -> FeatureType:
        divide(inputs[0].channels, self.groups)
        return inputs[0]


@dataclass(frozen=True)
class Affine(Op):
    """`x * factor + offset` with constants that are part of the design, not learned."""

    kind: ClassVar[str] = "affine"

    factor: float = 1.0
    offset: float = 0.0


@dataclass(frozen=True)
class Scale(Op):
    """Multiplication by one learned number, or by one per channel."""

    kind: ClassVar[str] = "scale"

    per: Literal["tensor", "channel"] = "tensor"
    init: float = 1.0

    def parameters(self, inputs: Sequence[FeatureType]) -> Mapping[str, Shape]:
        return {"weight": (inputs[0].channels if self.per == "channel" else 1,)}


@dataclass(frozen=True)
class DropPath(Op):
    """Stochastic depth: in training, a sample becomes zeros with probability `rate`."""

    kind: ClassVar[str] = "drop-path"

    rate: float

    def infer(self, inputs: Sequence[FeatureType]) -> FeatureType:
        _check_rate(self.kind, self.rate)
        return inputs[0]


@dataclass(frozen=True)
class DropBlock(Op):
    """In training, squares of `size` pixels become zeros, about `rate` of all pixels."""

    kind: ClassVar[str] = "drop-block"

    rate: float
    size: int = 7

    def infer(self, inputs: Sequence[FeatureType]) -> FeatureType:
        _check_rate(self.kind, self.rate)
        if self.size % 2 == 0:
            raise refusal("E113", f"'size' of '{self.kind}' is {self.size}; expected an odd number")
        return inputs[0]


def _check_rate(kind: str, rate: float) -> None:
    if not 0 <= rate < 1:
        message = f"'rate' of '{kind}' is {rate}; expected at least 0 and less than 1"
        raise refusal("E113", message)
