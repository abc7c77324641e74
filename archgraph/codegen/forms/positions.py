"""How operators are written in which positions of a map see one another."""

from __future__ import annotations

from collections.abc import Sequence

from archgraph.codegen.forms.form import Form, Texts
from archgraph.ir import FeatureType
from archgraph.ir.op import Op
from archgraph.ir.ops import Attention, PositionEmbedding, Reassemble


def attention(op: Op, inputs: Sequence[FeatureType]) -> Form:
    assert isinstance(op, Attention)
    return Form(
        ("attention",),
        lambda operands, texts: f"attend_positions({', '.join(operands)}, {texts['heads']})",
        slots={"heads": op.heads},
    )


def position_embedding(op: Op, inputs: Sequence[FeatureType]) -> Form:
    assert isinstance(op, PositionEmbedding)
    return Form(
        ("position-embedding",),
        lambda operands, texts: f"sine_positions({operands[0]}, {texts['temperature']})",
        slots={"temperature": op.temperature},
    )


def reassemble(op: Op, inputs: Sequence[FeatureType]) -> Form:
    assert isinstance(op, Reassemble)

    def call(operands: Sequence[str], texts: Texts) -> str:
        x, weights = operands
        numbers = f"{texts['kernel']}, {texts['factor']}, {texts['groups']}"
        return f"reassemble_windows({x}, {weights}, {numbers})"

    slots = {"kernel": op.kernel, "factor": op.factor, "groups": op.groups}
    return Form(("reassemble",), call, slots=slots)
