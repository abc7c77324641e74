"""How convolutions and poolings are written."""

from __future__ import annotations

from collections.abc import Sequence

from archgraph.codegen.forms.form import Constructed, Form, Texts, module_call, options
from archgraph.expressions import Scalar
from archgraph.ir import FeatureType
from archgraph.ir.op import Op
from archgraph.ir.ops import (
    AvgPool,
    Conv,
    ConvTranspose,
    DeformConv,
    MaxPool,
    Padding,
    symmetric_padding,
)


def conv(op: Op, inputs: Sequence[FeatureType]) -> Form:
    assert isinstance(op, Conv)
    extent = op.dilation * (op.kernel - 1) + 1
    derived = op.dilation == 1 and op.kernel % 2 == 1
    # At stride 1 and odd windows SAME is ordinary symmetric padding; one text can say both.
    either = op.padding == "same" and derived
    same = op.padding == "same" and (op.stride > 1 or extent % 2 == 0)
    padded = either or (not same and op.padding != "valid")
    slots: dict[str, Scalar] = {
        "in_channels": inputs[0].channels,
        "channels": op.channels,
        "kernel": op.kernel,
        "stride": op.stride,
        "dilation": op.dilation,
        "groups": op.groups,
        "bias": op.bias,
    }
    depthwise = op.groups == inputs[0].channels and op.groups > 1
    if padded and not derived:
        slots["padding"] = symmetric_padding(extent, op.stride)

    def module(texts: Texts) -> Constructed:
        is_same = texts["stride"] != "1" if either else same
        arguments = [texts["in_channels"], texts["channels"], texts["kernel"]]
        arguments += options(texts, stride="1")
        if padded and not is_same:
            padding = _half(texts["kernel"]) if derived else texts["padding"]
            arguments += [f"padding={padding}"] if padding != "0" else []
        arguments += options(texts, dilation="1", groups="1", bias="True")
        return Constructed("Conv2dSame" if is_same else "nn.Conv2d", tuple(arguments))

    channels = {"in_channels", "channels"} | ({"groups"} if depthwise else set())
    structure = ("conv", "either" if either else same, padded, derived, depthwise)
    return Form(structure, module_call, module, slots, frozenset(channels))


def _half(kernel: str) -> str:
    return str(int(kernel) // 2) if kernel.isdigit() else f"{kernel} // 2"


def conv_transpose(op: Op, inputs: Sequence[FeatureType]) -> Form:
    assert isinstance(op, ConvTranspose)
    # What the whole result has more than `stride` pixels for each of the map.
    spare = op.kernel - op.stride
    symmetric = op.padding == "symmetric"
    padding = (spare + 1) // 2 if symmetric else spare // 2
    slots: dict[str, Scalar] = {
        "in_channels": inputs[0].channels,
        "channels": op.channels,
        "kernel": op.kernel,
        "stride": op.stride,
        "padding": padding,
        "output_padding": 2 * padding - spare if symmetric else 0,
        "groups": op.groups,
    }
    depthwise = op.groups == inputs[0].channels and op.groups > 1
    odd = not symmetric and spare % 2 == 1

    def module(texts: Texts) -> Constructed:
        arguments = [texts["in_channels"], texts["channels"], texts["kernel"]]
        arguments += options(texts, stride="1", padding="0", output_padding="0", groups="1")
        arguments += [] if op.bias else ["bias=False"]
        return Constructed("nn.ConvTranspose2d", tuple(arguments))

    def call(operands: Sequence[str], texts: Texts) -> str:
        whole = module_call(operands, texts)
        return f"{whole}[..., :-1, :-1]" if odd else whole

    channels = {"in_channels", "channels"} | ({"groups"} if depthwise else set())
    structure = ("conv-transpose", odd, op.bias, depthwise)
    return Form(structure, call, module, slots, frozenset(channels))


def deform_conv(op: Op, inputs: Sequence[FeatureType]) -> Form:
    assert isinstance(op, DeformConv)
    same = _pads_apart(op.kernel, op.stride, op.padding)
    padded = not same and op.padding != "valid"
    slots: dict[str, Scalar] = {
        "in_channels": inputs[0].channels,
        "channels": op.channels,
        "kernel": op.kernel,
        "stride": op.stride,
        "groups": op.groups,
    }

    def module(texts: Texts) -> Constructed:
        arguments = [texts["in_channels"], texts["channels"], texts["kernel"]]
        arguments += options(texts, stride="1")
        padding = _half(texts["kernel"]) if padded else "0"
        arguments += [f"padding={padding}"] if padding != "0" else []
        arguments += options(texts, groups="1")
        arguments += [] if op.bias else ["bias=False"]
        arguments += [] if op.modulated else ["modulated=False"]
        return Constructed("DeformConv2d", tuple(arguments))

    def call(operands: Sequence[str], _: Texts) -> str:
        module, x = operands
        return f"{module}(pad_same({x}, {op.kernel}, {op.stride}))" if same else f"{module}({x})"

    # The slots of a module are known to its constructor only.
    window = (op.kernel, op.stride) if same else ()
    structure = ("deform-conv", same, padded, op.bias, op.modulated, *window)
    return Form(structure, call, module, slots, frozenset({"in_channels", "channels"}))


def max_pool(op: Op, inputs: Sequence[FeatureType]) -> Form:
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
    slots["padding"] = _padding(op.kernel, op.stride, op.padding)

    def call(operands: Sequence[str], texts: Texts) -> str:
        arguments = [operands[0], texts["kernel"], texts["stride"]]
        arguments += options(texts, padding="0")
        return f"F.max_pool2d({', '.join(arguments)})"

    return Form(("max-pool", "symmetric"), call, slots=slots)


def avg_pool(op: Op, inputs: Sequence[FeatureType]) -> Form:
    assert isinstance(op, AvgPool)
    slots: dict[str, Scalar] = {"kernel": op.kernel, "stride": op.stride}
    if _pads_apart(op.kernel, op.stride, op.padding):
        # As for max pooling: pad alike on both sides and drop the first window.
        even = op.stride == 1 and not op.count_padding

        def call_same(operands: Sequence[str], texts: Texts) -> str:
            window = f"{texts['kernel']}, {texts['stride']}"
            if op.count_padding:
                return f"F.avg_pool2d(pad_same({operands[0]}, {window}), {window})"
            if even:
                padding = f"padding={texts['kernel']} // 2, count_include_pad=False"
                return f"F.avg_pool2d({operands[0]}, {window}, {padding})[..., 1:, 1:]"
            return f"avg_pool_same({operands[0]}, {window})"

        return Form(("avg-pool", "same", op.count_padding, even), call_same, slots=slots)
    slots["padding"] = _padding(op.kernel, op.stride, op.padding)

    def call(operands: Sequence[str], texts: Texts) -> str:
        arguments = [operands[0], texts["kernel"], texts["stride"]]
        padding = options(texts, padding="0")
        padding += ["count_include_pad=False"] if padding and not op.count_padding else []
        return f"F.avg_pool2d({', '.join(arguments + padding)})"

    return Form(("avg-pool", "symmetric", op.count_padding), call, slots=slots)


def _pads_apart(kernel: int, stride: int, padding: Padding) -> bool:
    """Whether SAME padding depends on the size of the map or is not alike on both sides."""
    return padding == "same" and (stride > 1 or kernel % 2 == 0)


def _padding(kernel: int, stride: int, padding: Padding) -> int:
    return 0 if padding == "valid" else symmetric_padding(kernel, stride)
