"""The one table that knows how each operator is written in torch.

The printer writes these texts into files; the interpreter evaluates the same texts node by
node. Meaning is written once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from archgraph.expressions import Scalar
from archgraph.ir import FeatureType
from archgraph.ir.op import Op
from archgraph.ir.ops import (
    Activation,
    Add,
    Affine,
    BatchNorm,
    Conv,
    MaxPool,
    Resize,
    WeightedSum,
    symmetric_padding,
)

Texts = Mapping[str, str]


@dataclass(frozen=True)
class Constructed:
    """A constructor call: its target and its arguments, each a text."""

    target: str
    arguments: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.target}({', '.join(self.arguments)})"


@dataclass(frozen=True)
class Form:
    """How one operator is written.

    Attributes:
        slots: the numbers it is written with, by name; a printer may write a parameter instead.
        channels: which slots are channel counts.
        structure: everything else that its text depends on.
        module: from slot texts to the constructor of its module; None for a function.
        call: from operand texts and slot texts to an expression; `self` of a module comes first.
    """

    structure: tuple[object, ...]
    call: Callable[[Sequence[str], Texts], str]
    module: Callable[[Texts], Constructed] | None = None
    slots: Mapping[str, Scalar] = field(default_factory=dict)
    channels: frozenset[str] = frozenset()


def form_of(op: Op, inputs: Sequence[FeatureType]) -> Form:
    """The form of an operator on operands of these types."""
    return FORMS[type(op)](op, inputs)


def literals(form: Form) -> Texts:
    """The slots of a form as literals."""
    return {name: repr(value) for name, value in form.slots.items()}


def _module_call(operands: Sequence[str], _: Texts) -> str:
    return f"{operands[0]}({', '.join(operands[1:])})"


def _options(texts: Texts, **defaults: str) -> list[str]:
    """Keyword arguments for the slots that do not have their default."""
    return [f"{key}={texts[key]}" for key in defaults if texts[key] != defaults[key]]


# --- one function per operator -------------------------------------------------------------


def _conv(op: Op, inputs: Sequence[FeatureType]) -> Form:
    assert isinstance(op, Conv)
    extent = op.dilation * (op.kernel - 1) + 1
    # At stride 1 and odd windows SAME is ordinary symmetric padding.
    same = op.padding == "same" and (op.stride > 1 or extent % 2 == 0)
    slots: dict[str, Scalar] = {
        "in_channels": inputs[0].channels,
        "channels": op.channels,
        "kernel": op.kernel,
        "stride": op.stride,
        "dilation": op.dilation,
        "groups": op.groups,
    }
    depthwise = op.groups == inputs[0].channels and op.groups > 1
    derived = op.dilation == 1 and op.kernel % 2 == 1
    if not same and not derived:
        slots["padding"] = symmetric_padding(extent, op.stride)

    def module(texts: Texts) -> Constructed:
        arguments = [texts["in_channels"], texts["channels"], texts["kernel"]]
        arguments += _options(texts, stride="1")
        if not same:
            kernel = texts["kernel"]
            half = str(int(kernel) // 2) if kernel.isdigit() else f"{kernel} // 2"
            padding = half if derived else texts["padding"]
            arguments += [f"padding={padding}"] if padding != "0" else []
        arguments += _options(texts, dilation="1", groups="1")
        arguments += [] if op.bias else ["bias=False"]
        return Constructed("Conv2dSame" if same else "nn.Conv2d", tuple(arguments))

    channels = {"in_channels", "channels"} | ({"groups"} if depthwise else set())
    structure = ("conv", same, derived, op.bias, depthwise)
    return Form(structure, _module_call, module, slots, frozenset(channels))


def _batch_norm(op: Op, inputs: Sequence[FeatureType]) -> Form:
    assert isinstance(op, BatchNorm)
    slots: dict[str, Scalar] = {
        "channels": inputs[0].channels,
        "eps": op.eps,
        "momentum": op.momentum,
    }

    def module(texts: Texts) -> Constructed:
        options = _options(texts, eps=repr(1e-5), momentum=repr(0.1))
        return Constructed("nn.BatchNorm2d", (texts["channels"], *options))

    return Form(("batch-norm",), _module_call, module, slots, frozenset({"channels"}))


ACTIVATIONS: Mapping[str, str] = {
    "relu": "F.relu",
    "relu6": "F.relu6",
    "silu": "F.silu",
    "sigmoid": "torch.sigmoid",
    "hard-swish": "F.hardswish",
    "gelu": "F.gelu",
    "mish": "F.mish",
}


def _activation(op: Op, inputs: Sequence[FeatureType]) -> Form:
    assert isinstance(op, Activation)
    function = ACTIVATIONS[op.function]
    return Form(("activation", op.function), lambda operands, _: f"{function}({operands[0]})")


def _max_pool(op: Op, inputs: Sequence[FeatureType]) -> Form:
    assert isinstance(op, MaxPool)
    slots: dict[str, Scalar] = {"kernel": op.kernel, "stride": op.stride}
    if op.padding == "same" and op.stride == 1 and op.kernel % 2 == 0:
        # One pixel more on the right: pad alike on both sides and drop the first window.
        return Form(
            ("max-pool", "even"),
            lambda operands, texts: (
                f"F.max_pool2d({operands[0]}, {texts['kernel']}, 1,"
                f" padding={texts['kernel']} // 2)[..., 1:, 1:]"
            ),
            slots={"kernel": op.kernel},
        )
    if op.padding == "same":
        return Form(
            ("max-pool", "same"),
            lambda operands, texts: (
                f"max_pool_same({operands[0]}, {texts['kernel']}, {texts['stride']})"
            ),
            slots=slots,
        )
    slots["padding"] = symmetric_padding(op.kernel, op.stride)

    def call(operands: Sequence[str], texts: Texts) -> str:
        arguments = [operands[0], texts["kernel"], texts["stride"]]
        arguments += _options(texts, padding="0")
        return f"F.max_pool2d({', '.join(arguments)})"

    return Form(("max-pool", "symmetric"), call, slots=slots)


def _resize(op: Op, inputs: Sequence[FeatureType]) -> Form:
    assert isinstance(op, Resize)
    corners = ", align_corners=False" if op.mode == "bilinear" else ""

    def call(operands: Sequence[str], _: Texts) -> str:
        x, like = operands
        return f'F.interpolate({x}, size={like}.shape[-2:], mode="{op.mode}"{corners})'

    return Form(("resize", op.mode), call)


def _add(op: Op, inputs: Sequence[FeatureType]) -> Form:
    return Form(("add", len(inputs)), lambda operands, _: " + ".join(operands))


def _affine(op: Op, inputs: Sequence[FeatureType]) -> Form:
    assert isinstance(op, Affine)
    slots: dict[str, Scalar] = {"factor": op.factor, "offset": op.offset}

    def call(operands: Sequence[str], texts: Texts) -> str:
        text = f"{operands[0]} * {texts['factor']}" if texts["factor"] != "1.0" else operands[0]
        return text if texts["offset"] == "0.0" else f"{text} + {texts['offset']}"

    return Form(("affine",), call, slots=slots)


FUSION_CLASSES: Mapping[str, str] = {
    "fast": "FastFusion",
    "softmax": "SoftmaxFusion",
    "none": "UnboundedFusion",
}


def _weighted_sum(op: Op, inputs: Sequence[FeatureType]) -> Form:
    assert isinstance(op, WeightedSum)
    fast = op.normalize == "fast"
    slots: dict[str, Scalar] = {"eps": op.eps} if fast else {}
    count = len(inputs)

    def module(texts: Texts) -> Constructed:
        options = _options(texts, eps=repr(1e-4)) if fast else []
        return Constructed(FUSION_CLASSES[op.normalize], (str(count), *options))

    return Form(("weighted-sum", op.normalize, count), _module_call, module, slots)


FORMS: Mapping[type[Op], Callable[[Op, Sequence[FeatureType]], Form]] = {
    Conv: _conv,
    BatchNorm: _batch_norm,
    Activation: _activation,
    MaxPool: _max_pool,
    Resize: _resize,
    Add: _add,
    Affine: _affine,
    WeightedSum: _weighted_sum,
}
