"""How several maps become one, and how a part of one is taken."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

from archgraph.codegen.forms.form import Constructed, Form, Texts, module_call, options
from archgraph.expressions import Scalar
from archgraph.ir import FeatureType
from archgraph.ir.op import Op
from archgraph.ir.ops import Slice, WeightedSum

FUSION_CLASSES: dict[str, str] = {
    "fast": "FastFusion",
    "softmax": "SoftmaxFusion",
    "none": "UnboundedFusion",
}


def add(op: Op, inputs: Sequence[FeatureType]) -> Form:
    return Form(("add", len(inputs)), lambda operands, _: " + ".join(operands))


def multiply(op: Op, inputs: Sequence[FeatureType]) -> Form:
    return Form(("multiply", len(inputs)), lambda operands, _: " * ".join(operands))


def maximum(op: Op, inputs: Sequence[FeatureType]) -> Form:
    return Form(
        ("maximum", len(inputs)),
        lambda operands, _: reduce(lambda a, b: f"torch.maximum({a}, {b})", operands),
    )


def weighted_sum(op: Op, inputs: Sequence[FeatureType]) -> Form:
    assert isinstance(op, WeightedSum)
    by_channel = op.per == "channel"
    slots: dict[str, Scalar] = {"channels": inputs[0].channels} if by_channel else {}
    if op.normalize == "fast":
        slots["eps"] = op.eps
    count = len(inputs)
    target = ("Channel" if by_channel else "") + FUSION_CLASSES[op.normalize]

    def module(texts: Texts) -> Constructed:
        given = [str(count), *([texts["channels"]] if by_channel else [])]
        given += options(texts, eps=repr(1e-4)) if "eps" in texts else []
        return Constructed(target, tuple(given))

    structure = ("weighted-sum", op.normalize, op.per, count)
    return Form(structure, module_call, module, slots, frozenset({"channels"} & set(slots)))


def concat(op: Op, inputs: Sequence[FeatureType]) -> Form:
    def call(operands: Sequence[str], _: Texts) -> str:
        if len(operands) == 1:
            return operands[0]
        return f"torch.cat([{', '.join(operands)}], dim=1)"

    return Form(("concat", len(inputs)), call)


def slice_(op: Op, inputs: Sequence[FeatureType]) -> Form:
    assert isinstance(op, Slice)
    return Form(
        ("slice",),
        lambda operands, texts: f"{operands[0]}.narrow(1, {texts['start']}, {texts['channels']})",
        slots={"start": op.start, "channels": op.channels},
        channels=frozenset({"channels"}),
    )
