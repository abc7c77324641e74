"""Operators, a fusion and a pass for archgraph; importing this module registers them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import archgraph
from archgraph.plugins import (
    Constructed,
    FeatureType,
    Form,
    Fuse,
    Model,
    Op,
    Pass,
    Rewrites,
    Shape,
    Site,
    Stage,
    Texts,
    module_call,
    refusal,
)


def shuffle_form(op: ChannelShuffle, _: Sequence[FeatureType]) -> Form:
    def call(operands: Sequence[str], texts: Texts) -> str:
        return f"torch.channel_shuffle({operands[0]}, {texts['groups']})"

    return Form((), call, slots={"groups": op.groups})


@archgraph.operator(form=shuffle_form, work=lambda op, site: (0, 0), mark="mix")
@dataclass(frozen=True)
class ChannelShuffle(Op):
    """Interleaves groups of channels (ShuffleNet)."""

    kind: ClassVar[str] = "channel-shuffle"

    groups: int

    def infer(self, inputs: Sequence[FeatureType]) -> FeatureType:
        (x,) = inputs
        if x.channels % self.groups:
            message = f"{x.channels} channels do not divide into {self.groups} groups"
            raise refusal("E212", message)
        return x


def gate_form(op: SpatialGate, _: Sequence[FeatureType]) -> Form:
    def module(texts: Texts) -> Constructed:
        return Constructed("SpatialGate", (texts["kernel"],))

    return Form((), module_call, module, {"kernel": op.kernel})


def gate_work(op: SpatialGate, site: Site) -> tuple[int, int]:
    # mean and maximum over the channels, a convolution of the two, a sigmoid, the products
    pixels = site.pixels()
    return 2 * op.kernel**2 * pixels, 3 * site.elements + pixels


@archgraph.operator(
    form=gate_form, work=gate_work, definitions=Path(__file__).with_name("layers.py")
)
@dataclass(frozen=True)
class SpatialGate(Op):
    """Weighs every pixel by what its channels show (CBAM)."""

    kind: ClassVar[str] = "spatial-gate"

    kernel: int = 7

    def infer(self, inputs: Sequence[FeatureType]) -> FeatureType:
        if self.kernel % 2 == 0:
            raise refusal("E213", f"'kernel' of 'spatial-gate' is {self.kernel}", "an odd number")
        return inputs[0]

    def parameters(self, inputs: Sequence[FeatureType]) -> Mapping[str, Shape]:
        return {"conv.weight": (1, 2, self.kernel, self.kernel)}


def soft_form(op: SoftMaximum, _: Sequence[FeatureType]) -> Form:
    def call(operands: Sequence[str], texts: Texts) -> str:
        return f"_soft_maximum([{', '.join(operands)}], {texts['sharpness']})"

    return Form((), call, slots={"sharpness": op.sharpness})


def soft_work(op: SoftMaximum, site: Site) -> tuple[int, int]:
    return 0, (3 * len(site.operands) + 1) * site.elements


@archgraph.operator(
    form=soft_form, work=soft_work, definitions=Path(__file__).with_name("layers.py")
)
@dataclass(frozen=True)
class SoftMaximum(Op):
    """A smooth maximum of maps: the logarithm of the sum of their exponentials."""

    kind: ClassVar[str] = "soft-maximum"
    arity: ClassVar[tuple[int, int | None]] = (1, None)

    sharpness: float = 1.0

    def infer(self, inputs: Sequence[FeatureType]) -> FeatureType:
        if any(x != inputs[0] for x in inputs):
            raise refusal("E210", f"'soft-maximum' reads {', '.join(map(str, inputs))}")
        return inputs[0]


archgraph.fusion("smooth", "soft-maximum sharpness=4")


@archgraph.topology_pass
@dataclass(frozen=True)
class LimitOperands(Pass):
    """Keep the first `most` operands of every `fuse` node."""

    name: ClassVar[str] = "limit-operands"
    stage: ClassVar[Stage] = Stage.PYRAMID

    most: int = 2

    def rewrite(self, model: Model) -> Rewrites:
        graph = model.graph
        log: list[str] = []
        for node in graph.order():
            edges = graph.inputs(node.name)
            if isinstance(node.op, Fuse) and len(edges) > self.most:
                graph.set_inputs(node.name, edges[: self.most])
                gone = ", ".join(edge.name for edge in edges[self.most :])
                log.append(f"{node.name} no longer reads {gone}")
        return Rewrites(model, tuple(log))
