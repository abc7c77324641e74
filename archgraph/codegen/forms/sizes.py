"""How operators are written that change the size of a map without a window."""

from __future__ import annotations

from collections.abc import Sequence

from archgraph.codegen.forms.form import Form, Texts
from archgraph.expressions import Scalar
from archgraph.ir import FeatureType
from archgraph.ir.op import Op
from archgraph.ir.ops import AdaptivePool, GlobalPool, PixelShuffle, PixelUnshuffle, Resize


def _halvings(halvings: int) -> dict[str, Scalar]:
    return {"halvings": halvings} if halvings else {}


def _size(like: str, texts: Texts) -> str:
    """The size of a value, or what is left of it after the halvings."""
    halved = "halvings" in texts
    return f"halved_size({like}, {texts['halvings']})" if halved else f"{like}.shape[-2:]"


def resize(op: Op, inputs: Sequence[FeatureType]) -> Form:
    assert isinstance(op, Resize)
    corners = ", align_corners=False" if op.mode == "bilinear" else ""
    slots = _halvings(op.halvings)

    def call(operands: Sequence[str], texts: Texts) -> str:
        x, like = operands
        return f'F.interpolate({x}, size={_size(like, texts)}, mode="{op.mode}"{corners})'

    return Form(("resize", op.mode, bool(slots)), call, slots=slots)


def adaptive_pool(op: Op, inputs: Sequence[FeatureType]) -> Form:
    assert isinstance(op, AdaptivePool)
    function = "F.adaptive_avg_pool2d" if op.mode == "mean" else "adaptive_max_pool"
    slots = _halvings(op.halvings)

    def call(operands: Sequence[str], texts: Texts) -> str:
        x, like = operands
        return f"{function}({x}, {_size(like, texts)})"

    return Form(("adaptive-pool", op.mode, bool(slots)), call, slots=slots)


def crop(op: Op, inputs: Sequence[FeatureType]) -> Form:
    def call(operands: Sequence[str], _: Texts) -> str:
        x, like = operands
        return f"{x}[..., : {like}.shape[-2], : {like}.shape[-1]]"

    return Form(("crop",), call)


def global_pool(op: Op, inputs: Sequence[FeatureType]) -> Form:
    assert isinstance(op, GlobalPool)
    function = "mean" if op.mode == "mean" else "amax"
    return Form(
        ("global-pool", op.mode),
        lambda operands, _: f"{operands[0]}.{function}(dim=(2, 3), keepdim=True)",
    )


def pixel_shuffle(op: Op, inputs: Sequence[FeatureType]) -> Form:
    assert isinstance(op, PixelShuffle)
    return Form(
        ("pixel-shuffle",),
        lambda operands, texts: f"F.pixel_shuffle({operands[0]}, {texts['factor']})",
        slots={"factor": op.factor},
    )


def pixel_unshuffle(op: Op, inputs: Sequence[FeatureType]) -> Form:
    assert isinstance(op, PixelUnshuffle)
    return Form(
        ("pixel-unshuffle",),
        lambda operands, texts: f"F.pixel_unshuffle({operands[0]}, {texts['factor']})",
        slots={"factor": op.factor},
    )
