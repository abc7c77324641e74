"""Every operator: the type it gives, its weights, and what it refuses; all worked out by hand."""

from __future__ import annotations

from dataclasses import FrozenInstanceError

import pytest

from archgraph.errors import SpecError
from archgraph.expressions import parse_step
from archgraph.ir import FeatureType, Stage
from archgraph.ir.op import Op
from archgraph.ir.ops import (
    OPERATORS,
    PYRAMID,
    VOCABULARY,
    Activation,
    Add,
    Affine,
    BatchNorm,
    Conv,
    MaxPool,
    Padding,
    Resize,
    WeightedSum,
    symmetric_padding,
)
from archgraph.ir.pyramid import Fuse, Input, Result, Use
from archgraph.ir.signature import make_operator
from tests.operator_cases import CASES

X = FeatureType(3, 12)
COARSE = FeatureType(5, 12)
WIDE = FeatureType(3, 20)
SUM = parse_step("sum")
BUFFERS: dict[str, object] = {
    "running_mean": (12,),
    "running_var": (12,),
    "num_batches_tracked": (),
}

# operator, operands, type, parameters, buffers
TABLE: list[
    tuple[Op, tuple[FeatureType, ...], FeatureType, dict[str, object], dict[str, object]]
] = [
    (Input(4, 7), (), FeatureType(4, 7), {}, {}),
    (Fuse(6, 9, SUM), (X, COARSE), FeatureType(6, 9), {}, {}),
    (Conv(8), (X,), FeatureType(3, 8), {"weight": (8, 12, 1, 1), "bias": (8,)}, {}),
    (Conv(8, bias=False), (X,), FeatureType(3, 8), {"weight": (8, 12, 1, 1)}, {}),
    (
        Conv(12, kernel=3, groups=12, bias=False),
        (X,),
        FeatureType(3, 12),
        {"weight": (12, 1, 3, 3)},
        {},
    ),
    (
        Conv(8, kernel=5, groups=4),
        (X,),
        FeatureType(3, 8),
        {"weight": (8, 3, 5, 5), "bias": (8,)},
        {},
    ),
    (
        Conv(8, kernel=3, stride=2),
        (X,),
        FeatureType(4, 8),
        {"weight": (8, 12, 3, 3), "bias": (8,)},
        {},
    ),
    (
        Conv(8, kernel=3, dilation=2, bias=False),
        (X,),
        FeatureType(3, 8),
        {"weight": (8, 12, 3, 3)},
        {},
    ),
    (
        Conv(8, kernel=5, stride=4, bias=False, padding="same"),
        (X,),
        FeatureType(5, 8),
        {"weight": (8, 12, 5, 5)},
        {},
    ),
    (BatchNorm(), (X,), X, {"weight": (12,), "bias": (12,)}, BUFFERS),
    (Activation("silu"), (X,), X, {}, {}),
    (MaxPool(3, 2), (X,), FeatureType(4, 12), {}, {}),
    (MaxPool(3), (X,), X, {}, {}),
    (MaxPool(4, 4, "same"), (X,), FeatureType(5, 12), {}, {}),
    (Resize(), (COARSE, WIDE), FeatureType(3, 12), {}, {}),
    (Resize("bilinear"), (WIDE, COARSE), FeatureType(5, 20), {}, {}),
    (Add(), (X,), X, {}, {}),
    (Add(), (X, X, X), X, {}, {}),
    (Affine(0.5), (X,), X, {}, {}),
    (WeightedSum(), (X, X, X), X, {"weight": (3,)}, {}),
    (WeightedSum("softmax"), (X,), X, {"weight": (1,)}, {}),
]


@pytest.mark.parametrize(("op", "inputs", "result", "parameters", "buffers"), TABLE)
def test_table(
    op: Op,
    inputs: tuple[FeatureType, ...],
    result: FeatureType,
    parameters: dict[str, object],
    buffers: dict[str, object],
) -> None:
    assert op.infer(inputs) == result
    assert dict(op.parameters(inputs)) == parameters
    assert list(op.parameters(inputs)) == list(parameters)
    assert dict(op.buffers(inputs)) == buffers


def test_the_table_is_complete() -> None:
    covered = {type(row[0]) for row in TABLE} | {type(case.op) for case in CASES}
    assert covered == set(VOCABULARY.values()) - {Use, Result}


def test_vocabulary() -> None:
    for kind, op in VOCABULARY.items():
        assert op.kind == kind
        assert (Stage.OPERATORS in op.stages) == (kind in OPERATORS or kind == "input")
        assert (Stage.PYRAMID in op.stages) == (kind in PYRAMID or kind == "input")
        low, high = op.arity
        assert low <= (low if high is None else high)


def test_operators_are_values() -> None:
    assert Conv(8) == Conv(8, 1, 1, 1, 1, True, "symmetric")
    assert Conv(8) != Conv(8, padding="same")
    assert len({Conv(8), Conv(8), BatchNorm()}) == 2
    with pytest.raises(FrozenInstanceError):
        Conv(8).channels = 9  # type: ignore[misc]


def test_types() -> None:
    assert FeatureType(3, 64).stride == 8
    assert FeatureType(0, 3).stride == 1
    assert str(FeatureType(3, 64)) == "P3 x 64"


# --- the rule of ceil sizes ----------------------------------------------------------------


def window(extent: int, stride: int, padding: Padding) -> Op:
    return MaxPool(extent, stride, padding)


def is_ceil_everywhere(extent: int, stride: int) -> bool:
    """Whether PyTorch's size with symmetric padding is `ceil(n / stride)` for every n."""
    pad = symmetric_padding(extent, stride)
    return all((n + 2 * pad - extent) // stride + 1 == -(-n // stride) for n in range(1, 65))


@pytest.mark.parametrize("kernel", range(1, 8))
@pytest.mark.parametrize("stride", [1, 2, 4])
def test_symmetric_windows_are_accepted_iff_they_give_ceil_sizes(kernel: int, stride: int) -> None:
    fits = is_ceil_everywhere(kernel, stride)
    for op in (MaxPool(kernel, stride), Conv(8, kernel, stride)):
        if fits:
            assert op.infer([X]).level == 3 + stride.bit_length() - 1
        else:
            with pytest.raises(SpecError) as caught:
                op.infer([X])
            assert caught.value.diagnostics[0].code == "E213"


@pytest.mark.parametrize("kernel", range(1, 8))
@pytest.mark.parametrize("dilation", [1, 2, 3])
@pytest.mark.parametrize("stride", [1, 2, 4])
def test_dilation_widens_the_window(kernel: int, dilation: int, stride: int) -> None:
    extent = dilation * (kernel - 1) + 1
    op = Conv(8, kernel, stride, dilation)
    if is_ceil_everywhere(extent, stride):
        assert op.infer([X]).level == 3 + stride.bit_length() - 1
    else:
        with pytest.raises(SpecError, match="E213"):
            op.infer([X])


@pytest.mark.parametrize("kernel", range(1, 8))
@pytest.mark.parametrize("stride", [1, 2, 4, 8])
def test_same_padding_is_always_accepted(kernel: int, stride: int) -> None:
    """SAME pads whatever is missing, so its size is `ceil(n / stride)` by definition."""
    for op in (MaxPool(kernel, stride, "same"), Conv(8, kernel, stride, padding="same")):
        assert op.infer([X]).level == 3 + stride.bit_length() - 1


def test_known_windows() -> None:
    """What the library uses: 3/2 and 1/1 fit, 2/2 does not: n = 2 gives 2, not 1."""
    assert is_ceil_everywhere(3, 2)
    assert is_ceil_everywhere(1, 2)
    assert not is_ceil_everywhere(2, 2)
    assert [symmetric_padding(k, 1) for k in (1, 3, 5, 7)] == [0, 1, 2, 3]


# --- refusals ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("op", "inputs", "code", "message", "hint"),
    [
        (
            Add(),
            (X, WIDE, X),
            "E210",
            "operands of different channels are added: 12, 20, 12",
            "project the operands to one width: 'project: conv-norm' on the edge",
        ),
        (
            Add(),
            (X, COARSE),
            "E211",
            "operands of different levels are added: P3, P5",
            "bring them to one level: 'up' or 'down' on the edge, not 'resample: none'",
        ),
        (
            WeightedSum(),
            (X, WIDE),
            "E210",
            "operands of different channels are added: 12, 20",
            "project the operands to one width: 'project: conv-norm' on the edge",
        ),
        (
            WeightedSum(),
            (COARSE, X),
            "E211",
            "operands of different levels are added: P5, P3",
            "bring them to one level: 'up' or 'down' on the edge, not 'resample: none'",
        ),
        (
            Conv(8, groups=5),
            (X,),
            "E212",
            "12 input channels do not divide into 5 groups",
            "",
        ),
        (Conv(8, groups=12), (X,), "E212", "8 output channels do not divide into 12 groups", ""),
        (Conv(8, 3, 3), (X,), "E213", "stride 3 is not a power of two", ""),
        (MaxPool(5, 6, "same"), (X,), "E213", "stride 6 is not a power of two", ""),
        (
            MaxPool(2, 2),
            (X,),
            "E213",
            "a window of 2 with stride 2 and symmetric padding does not give ceil(size / stride)",
            "use an odd kernel, or 'padding: same'",
        ),
        (
            MaxPool(5, 4),
            (X,),
            "E213",
            "a window of 5 with stride 4 and symmetric padding does not give ceil(size / stride)",
            "use padding=same",
        ),
    ],
)
def test_refusals(
    op: Op, inputs: tuple[FeatureType, ...], code: str, message: str, hint: str
) -> None:
    with pytest.raises(SpecError) as caught:
        op.infer(inputs)
    (found,) = caught.value.diagnostics
    assert (found.code, found.message, found.hint) == (code, message, hint)
    assert found.location is None


@pytest.mark.parametrize(
    ("kind", "values", "code", "message"),
    [
        ("conv", {}, "E111", "'conv' needs 'channels'"),
        ("conv", {"channels": 8, "krnel": 3}, "E112", "'conv' has no argument 'krnel'"),
        (
            "conv",
            {"channels": 8.5},
            "E113",
            "'channels' of 'conv' is 8.5; expected a whole number of at least 1",
        ),
        (
            "conv",
            {"channels": 0},
            "E113",
            "'channels' of 'conv' is 0; expected a whole number of at least 1",
        ),
        ("conv", {"channels": True}, "E113", "'channels' of 'conv' is true; expected a number"),
        (
            "conv",
            {"channels": 8, "bias": 1},
            "E113",
            "'bias' of 'conv' is 1; expected true or false",
        ),
        (
            "resize",
            {"mode": "nearst"},
            "E113",
            "'mode' of 'resize' is nearst; expected one of nearest, bilinear",
        ),
        (
            "resize",
            {"mode": 1},
            "E113",
            "'mode' of 'resize' is 1; expected one of nearest, bilinear",
        ),
        ("batch-norm", {"eps": False}, "E113", "'eps' of 'batch-norm' is false; expected a number"),
    ],
)
def test_arguments_that_make_no_operator(
    kind: str, values: dict[str, int | float | str], code: str, message: str
) -> None:
    with pytest.raises(SpecError) as caught:
        make_operator(kind, values, None)
    (found,) = caught.value.diagnostics
    assert (found.code, found.message) == (code, message)


def test_arguments_become_the_types_of_the_fields() -> None:
    made = make_operator("conv", {"channels": 8.0, "kernel": 3, "padding": "same"}, None)
    assert made == Conv(8, 3, padding="same")
    assert isinstance(made, Conv)
    assert isinstance(made.channels, int)
    norm = make_operator("batch-norm", {"eps": 1}, None)
    assert isinstance(norm, BatchNorm)
    assert isinstance(norm.eps, float)
