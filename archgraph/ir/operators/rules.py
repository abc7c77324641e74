"""What several operators demand of their operands."""

from __future__ import annotations

from collections.abc import Sequence

from archgraph.ir.op import refusal
from archgraph.ir.types import GLOBAL, FeatureType


def exact(kind: str, inputs: Sequence[FeatureType]) -> None:
    """Refuse loose maps, where the size of a map matters."""
    for x in inputs:
        if x.loose:
            raise refusal(
                "E216",
                f"'{kind}' reads a map ({x}) that may be one row larger than its level",
                "end with 'crop' or 'resize' what doubles exactly",
            )


def spatial(kind: str, inputs: Sequence[FeatureType]) -> None:
    """Refuse global maps, where an operation needs more than one pixel."""
    for x in inputs:
        if x.is_global:
            raise refusal(
                "E217",
                f"'{kind}' has no meaning on a global map ({x}), which is a single pixel",
                "a 1x1 convolution, a norm, an activation, 'multiply' and 'resize' have one",
            )


def divide(channels: int, groups: int, what: str = "channels") -> None:
    """Refuse groups that do not divide the channels."""
    if channels % groups:
        raise refusal("E212", f"{channels} {what} do not divide into {groups} groups")


def halvings(factor: int, what: str = "stride") -> int:
    """How many halvings a stride or factor stands for: its logarithm."""
    if factor & (factor - 1):
        raise refusal("E213", f"{what} {factor} is not a power of two")
    return factor.bit_length() - 1


def coarser(level: int, steps: int) -> int:
    """The level `steps` above `level`; it is never that of a global map by accident."""
    if level < GLOBAL <= level + steps:
        raise refusal("E213", f"a map of P{level} cannot be made {2**steps} times coarser")
    return level + steps


def doubled(kind: str, x: FeatureType, steps: int, channels: int) -> FeatureType:
    """The type after `steps` exact doublings."""
    if steps == 0:
        return FeatureType(x.level, channels, x.loose)
    spatial(kind, [x])
    if x.level < steps:
        raise refusal("E213", f"'{kind}' would make a map of {x.place} finer than the image")
    return FeatureType(x.level - steps, channels, x.loose + steps)


def one_place(inputs: Sequence[FeatureType], verb: str = "added") -> None:
    """Refuse operands of different levels, or of sizes that may differ on one level."""
    first = inputs[0]
    if any(x.level != first.level for x in inputs):
        levels = ", ".join(x.place for x in inputs)
        hint = "bring them to one level: 'up' or 'down' on the edge, not 'resample: none'"
        raise refusal("E211", f"operands of different levels are {verb}: {levels}", hint)
    if any(x.loose != first.loose for x in inputs):
        sizes = ", ".join(str(x) for x in inputs)
        hint = "end with 'crop' or 'resize' what doubles exactly"
        message = f"operands of which one may be one row larger than its level are {verb}: {sizes}"
        raise refusal("E216", message, hint)


def one_width(inputs: Sequence[FeatureType], verb: str = "added") -> None:
    """Refuse operands of different channels."""
    if any(x.channels != inputs[0].channels for x in inputs):
        widths = ", ".join(str(x.channels) for x in inputs)
        hint = "project the operands to one width: 'project: conv-norm' on the edge"
        raise refusal("E210", f"operands of different channels are {verb}: {widths}", hint)
