"""Operators with a sliding window: convolutions and poolings.

The level sizes of a pyramid are `ceil(size / stride)` (EfficientDet's and TensorFlow's habit). A
window keeps this rule for every size, or for multiples of a number that it adds to the model's
size multiple; any other window is refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from archgraph.ir.op import Op, Shape, refusal
from archgraph.ir.operators.rules import coarser, divide, doubled, exact, halvings, spatial
from archgraph.ir.types import FeatureType

Padding = Literal["symmetric", "same", "valid"]
TransposedPadding = Literal["symmetric", "same"]
Init = Literal["torch", "he-normal", "glorot-uniform", "lecun-normal"]


def symmetric_padding(extent: int, stride: int) -> int:
    """The padding on each side that `symmetric` means for a window of `extent` pixels."""
    return (stride - 1 + extent - 1) // 2


@dataclass(frozen=True)
class _Window(Op):
    """What convolutions and poolings have in common."""

    @property
    def window(self) -> tuple[int, int, Padding]:
        """How many pixels it spans, its stride, its padding."""
        raise NotImplementedError

    def size_multiple(self, inputs: Sequence[FeatureType]) -> int:
        extent, _, padding = self.window
        # `valid` drops what is left over at the end, unless a whole window fits in there.
        return 1 << (extent - 1).bit_length() if padding == "valid" else 1

    def _slide(self, x: FeatureType, channels: int) -> FeatureType:
        """The type of the result, once the sizes are proved."""
        extent, stride, padding = self.window
        steps = halvings(stride)
        if extent > 1 or stride > 1:
            spatial(self.kind, [x])
        if stride > 1:
            exact(self.kind, [x])
        shown = f"a window of {extent} with stride {stride} and {padding} padding"
        # floor((n + 2p - extent) / stride) + 1 == ceil(n / stride) for all n, with the
        # symmetric p, exactly when 2p - extent == -1.
        if padding == "symmetric" and 2 * symmetric_padding(extent, stride) - extent != -1:
            fix = "use an odd kernel, or 'padding: same'" if extent % 2 == 0 else "use padding=same"
            raise refusal("E213", f"{shown} does not give ceil(size / stride)", fix)
        if padding == "valid" and extent > stride:
            fix = "without padding a window is at most as wide as its stride"
            raise refusal("E213", f"{shown} never gives ceil(size / stride)", fix)
        return FeatureType(coarser(x.level, steps), channels, x.loose)


@dataclass(frozen=True)
class Conv(_Window):
    """A 2-d convolution; square kernel, the same stride and dilation along both axes.

    `init` is what its weights are drawn from before training (`torch`: what torch does itself);
    any other sets the bias to `bias_init`. What the network computes does not depend on them.
    """

    kind: ClassVar[str] = "conv"

    channels: int
    kernel: int = 1
    stride: int = 1
    dilation: int = 1
    groups: int = 1
    bias: bool = True
    padding: Padding = "symmetric"
    init: Init = "torch"
    bias_init: float = 0.0

    @property
    def window(self) -> tuple[int, int, Padding]:
        return self.dilation * (self.kernel - 1) + 1, self.stride, self.padding

    def infer(self, inputs: Sequence[FeatureType]) -> FeatureType:
        divide_both(inputs[0].channels, self.channels, self.groups)
        return self._slide(inputs[0], self.channels)

    def parameters(self, inputs: Sequence[FeatureType]) -> Mapping[str, Shape]:
        weight = (self.channels, inputs[0].channels // self.groups, self.kernel, self.kernel)
        return {"weight": weight, "bias": (self.channels,)} if self.bias else {"weight": weight}


@dataclass(frozen=True)
class DeformConv(_Window):
    """A convolution that samples where a convolution of its own tells it (Dai et al., 2017).

    `modulated` weighs every sample too (Zhu et al., 2019). The offsets start at 0, the weights of
    the samples at 1/2.
    """

    kind: ClassVar[str] = "deform-conv"

    channels: int
    kernel: int = 3
    stride: int = 1
    groups: int = 1
    bias: bool = True
    modulated: bool = True
    padding: Padding = "symmetric"

    @property
    def window(self) -> tuple[int, int, Padding]:
        return self.kernel, self.stride, self.padding

    def infer(self, inputs: Sequence[FeatureType]) -> FeatureType:
        divide_both(inputs[0].channels, self.channels, self.groups)
        return self._slide(inputs[0], self.channels)

    def parameters(self, inputs: Sequence[FeatureType]) -> Mapping[str, Shape]:
        taps = self.kernel**2
        told = (3 if self.modulated else 2) * taps
        width = inputs[0].channels
        return {
            "weight": (self.channels, width // self.groups, self.kernel, self.kernel),
            **({"bias": (self.channels,)} if self.bias else {}),
            "offset.weight": (told, width, self.kernel, self.kernel),
            "offset.bias": (told,),
        }


@dataclass(frozen=True)
class ConvTranspose(Op):
    """A transposed convolution whose result is exactly `stride` times as large, so it is loose.

    `symmetric` crops alike on both sides and fills up at the end, `same` crops the odd pixel at
    the end, as TensorFlow does.
    """

    kind: ClassVar[str] = "conv-transpose"

    channels: int
    kernel: int = 2
    stride: int = 2
    groups: int = 1
    bias: bool = True
    padding: TransposedPadding = "symmetric"

    def infer(self, inputs: Sequence[FeatureType]) -> FeatureType:
        (x,) = inputs
        divide_both(x.channels, self.channels, self.groups)
        steps = halvings(self.stride)
        shown = f"a transposed window of {self.kernel} with stride {self.stride}"
        if self.kernel < self.stride:
            raise refusal("E213", f"{shown} leaves gaps", f"use kernel={self.stride} or more")
        if self.kernel > 1:
            spatial(self.kind, [x])
        if self.padding == "symmetric" and self.stride == 1 and self.kernel % 2 == 0:
            fix = "use an odd kernel, or 'padding: same'"
            raise refusal("E213", f"{shown} and symmetric padding does not keep the size", fix)
        return doubled(self.kind, x, steps, self.channels)

    def parameters(self, inputs: Sequence[FeatureType]) -> Mapping[str, Shape]:
        weight = (inputs[0].channels, self.channels // self.groups, self.kernel, self.kernel)
        return {"weight": weight, "bias": (self.channels,)} if self.bias else {"weight": weight}


@dataclass(frozen=True)
class MaxPool(_Window):
    """Max pooling; what lies outside the map never wins, whatever the padding."""

    kind: ClassVar[str] = "max-pool"

    kernel: int
    stride: int = 1
    padding: Padding = "symmetric"

    @property
    def window(self) -> tuple[int, int, Padding]:
        return self.kernel, self.stride, self.padding

    def infer(self, inputs: Sequence[FeatureType]) -> FeatureType:
        return self._slide(inputs[0], inputs[0].channels)


@dataclass(frozen=True)
class AvgPool(_Window):
    """Average pooling; what lies outside the map counts as zeros, or by default not at all."""

    kind: ClassVar[str] = "avg-pool"

    kernel: int
    stride: int = 1
    padding: Padding = "symmetric"
    count_padding: bool = False

    @property
    def window(self) -> tuple[int, int, Padding]:
        return self.kernel, self.stride, self.padding

    def infer(self, inputs: Sequence[FeatureType]) -> FeatureType:
        return self._slide(inputs[0], inputs[0].channels)


def divide_both(input_channels: int, output_channels: int, groups: int) -> None:
    """Refuse groups that do not divide the channels on both sides of a convolution."""
    divide(input_channels, groups, "input channels")
    divide(output_channels, groups, "output channels")
