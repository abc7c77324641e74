"""How norms, activations, factors and dropping are written."""

from __future__ import annotations

from collections.abc import Sequence

from archgraph.codegen.forms.form import Constructed, Form, Texts, module_call, options
from archgraph.expressions import Scalar
from archgraph.ir import FeatureType
from archgraph.ir.op import Op
from archgraph.ir.ops import (
    Activation,
    Affine,
    BatchNorm,
    DropBlock,
    DropPath,
    GroupNorm,
    LayerNorm,
    Scale,
    Softmax,
)

CHANNELS = frozenset({"channels"})
ACTIVATIONS: dict[str, str] = {
    "relu": "F.relu",
    "relu6": "F.relu6",
    "leaky-relu": "F.leaky_relu",
    "silu": "F.silu",
    "sigmoid": "torch.sigmoid",
    "hard-sigmoid": "F.hardsigmoid",
    "hard-swish": "F.hardswish",
    "gelu": "F.gelu",
    "mish": "F.mish",
    "tanh": "torch.tanh",
}


def batch_norm(op: Op, inputs: Sequence[FeatureType]) -> Form:
    assert isinstance(op, BatchNorm)
    slots: dict[str, Scalar] = {
        "channels": inputs[0].channels,
        "eps": op.eps,
        "momentum": op.momentum,
    }

    def module(texts: Texts) -> Constructed:
        given = options(texts, eps=repr(1e-5), momentum=repr(0.1))
        return Constructed("nn.BatchNorm2d", (texts["channels"], *given))

    return Form(("batch-norm",), module_call, module, slots, CHANNELS)


def group_norm(op: Op, inputs: Sequence[FeatureType]) -> Form:
    assert isinstance(op, GroupNorm)
    slots: dict[str, Scalar] = {
        "groups": op.groups,
        "channels": inputs[0].channels,
        "eps": op.eps,
    }

    def module(texts: Texts) -> Constructed:
        given = options(texts, eps=repr(1e-5))
        return Constructed("nn.GroupNorm", (texts["groups"], texts["channels"], *given))

    return Form(("group-norm",), module_call, module, slots, CHANNELS)


def layer_norm(op: Op, inputs: Sequence[FeatureType]) -> Form:
    assert isinstance(op, LayerNorm)
    slots: dict[str, Scalar] = {"channels": inputs[0].channels, "eps": op.eps}

    def module(texts: Texts) -> Constructed:
        given = options(texts, eps=repr(1e-5))
        return Constructed("LayerNorm2d", (texts["channels"], *given))

    return Form(("layer-norm",), module_call, module, slots, CHANNELS)


def activation(op: Op, inputs: Sequence[FeatureType]) -> Form:
    assert isinstance(op, Activation)
    function = ACTIVATIONS[op.function]
    slots: dict[str, Scalar] = {"slope": op.slope} if op.function == "leaky-relu" else {}

    def call(operands: Sequence[str], texts: Texts) -> str:
        slope = [text for text in texts.values() if text != repr(0.01)]
        return f"{function}({', '.join([operands[0], *slope])})"

    return Form(("activation", op.function), call, slots=slots)


def softmax(op: Op, inputs: Sequence[FeatureType]) -> Form:
    assert isinstance(op, Softmax)
    if op.groups == 1:
        return Form(("softmax", 1), lambda operands, _: f"F.softmax({operands[0]}, dim=1)")
    return Form(
        ("softmax",),
        lambda operands, texts: f"grouped_softmax({operands[0]}, {texts['groups']})",
        slots={"groups": op.groups},
    )


def affine(op: Op, inputs: Sequence[FeatureType]) -> Form:
    assert isinstance(op, Affine)
    slots: dict[str, Scalar] = {"factor": op.factor, "offset": op.offset}

    def call(operands: Sequence[str], texts: Texts) -> str:
        text = f"{operands[0]} * {texts['factor']}" if texts["factor"] != "1.0" else operands[0]
        return text if texts["offset"] == "0.0" else f"{text} + {texts['offset']}"

    return Form(("affine",), call, slots=slots)


def scale(op: Op, inputs: Sequence[FeatureType]) -> Form:
    assert isinstance(op, Scale)
    slots: dict[str, Scalar] = {"init": op.init}
    if op.per == "channel":
        slots = {"channels": inputs[0].channels, **slots}

    def module(texts: Texts) -> Constructed:
        given = [texts["channels"]] if "channels" in texts else []
        return Constructed("Scale", (*given, *options(texts, init="1.0")))

    return Form(("scale", op.per), module_call, module, slots, CHANNELS & set(slots))


def drop_path(op: Op, inputs: Sequence[FeatureType]) -> Form:
    assert isinstance(op, DropPath)

    def module(texts: Texts) -> Constructed:
        return Constructed("DropPath", (texts["rate"],))

    return Form(("drop-path",), module_call, module, {"rate": op.rate})


def drop_block(op: Op, inputs: Sequence[FeatureType]) -> Form:
    assert isinstance(op, DropBlock)

    def module(texts: Texts) -> Constructed:
        return Constructed("DropBlock", (texts["rate"], *options(texts, size="7")))

    return Form(("drop-block",), module_call, module, {"rate": op.rate, "size": op.size})
