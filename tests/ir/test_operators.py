"""What operators give and refuse beyond single windows: loose maps, global maps, named operands."""

from __future__ import annotations

import pytest

from archgraph.errors import SpecError
from archgraph.expressions import parse_step
from archgraph.ir import GLOBAL, FeatureType
from archgraph.ir.op import Op
from archgraph.ir.ops import (
    OPERATORS,
    Activation,
    AdaptivePool,
    Add,
    Attention,
    AvgPool,
    Concat,
    Conv,
    ConvTranspose,
    Crop,
    DropBlock,
    DropPath,
    GlobalPool,
    GroupNorm,
    LayerNorm,
    Maximum,
    MaxPool,
    Multiply,
    PixelShuffle,
    PixelUnshuffle,
    PositionEmbedding,
    Reassemble,
    Resize,
    Slice,
    Softmax,
    WeightedSum,
)
from archgraph.ir.signature import (
    ALIASES,
    BUILTIN_NAMES,
    FUSIONS,
    alias_meaning,
    argument_kinds,
    fusion_kinds,
    make_operator,
    split_parts,
)

X = FeatureType(3, 16)
COARSE = FeatureType(4, 16)
LOOSE = FeatureType(3, 16, 1)
LOOSER = FeatureType(3, 16, 2)
POOLED = FeatureType(GLOBAL, 16)
GATE = FeatureType(3, 1)


@pytest.mark.parametrize(
    ("op", "inputs", "result"),
    [
        # what doubles exactly is loose, once for each doubling
        (ConvTranspose(8), [COARSE], FeatureType(3, 8, 1)),
        (ConvTranspose(8, 4, 4), [COARSE], FeatureType(2, 8, 2)),
        (ConvTranspose(8, 3, 1), [X], FeatureType(3, 8)),
        (ConvTranspose(8), [LOOSE], FeatureType(2, 8, 2)),
        (PixelShuffle(), [COARSE], FeatureType(3, 4, 1)),
        (PixelShuffle(4), [COARSE], FeatureType(2, 1, 2)),
        (Reassemble(), [COARSE, FeatureType(3, 25, 1)], FeatureType(3, 16, 1)),
        # ... and stays so where the size does not matter
        (Conv(8, 3), [LOOSE], FeatureType(3, 8, 1)),
        (MaxPool(3), [LOOSE], LOOSE),
        (GroupNorm(4), [LOOSE], LOOSE),
        (LayerNorm(), [LOOSER], LOOSER),
        (Activation("relu"), [LOOSE], LOOSE),
        (Softmax(), [LOOSE], LOOSE),
        (DropPath(0.1), [LOOSE], LOOSE),
        (Slice(4), [LOOSE], FeatureType(3, 4, 1)),
        # equally loose maps are equally large
        (Add(), [LOOSE, LOOSE], LOOSE),
        (Concat(), [LOOSE, LOOSE], FeatureType(3, 32, 1)),
        (WeightedSum(), [LOOSER, LOOSER], LOOSER),
        (Multiply(), [LOOSE, POOLED], LOOSE),
        # ... until it fits
        (Crop(), [LOOSE, X], X),
        (Crop(), [LOOSER, FeatureType(3, 5)], X),
        (Resize(), [LOOSE, X], X),
        (Resize(), [LOOSE, COARSE], COARSE),
        # single pixels
        (GlobalPool("max"), [X], POOLED),
        (Conv(4), [POOLED], FeatureType(GLOBAL, 4)),
        (GroupNorm(4), [POOLED], POOLED),
        (Activation("sigmoid"), [POOLED], POOLED),
        (Multiply(), [X, POOLED], X),
        (Multiply(), [POOLED, X], X),
        (Add(), [POOLED, POOLED], POOLED),
        (Add(), [POOLED, GATE], X),
        (Maximum(), [GATE, X, POOLED], X),
        (Concat(), [POOLED, POOLED], FeatureType(GLOBAL, 32)),
        (Resize(), [POOLED, X], X),
        (Slice(4, 12), [POOLED], FeatureType(GLOBAL, 4)),
        (Attention(2), [POOLED, X, X], POOLED),
        # sizes of other maps
        (Resize("nearest", 2), [COARSE, X], FeatureType(5, 16)),
        (AdaptivePool("max", 1), [X, COARSE], FeatureType(5, 16)),
        (AdaptivePool(), [X, X], X),
        # channels
        (PixelUnshuffle(), [X], FeatureType(4, 64)),
        (Attention(4, 4), [X, COARSE, FeatureType(4, 8)], FeatureType(3, 8)),
        (PositionEmbedding(), [X], X),
    ],
)
def test_types(op: Op, inputs: list[FeatureType], result: FeatureType) -> None:
    assert op.infer(inputs) == result


@pytest.mark.parametrize(
    ("op", "inputs", "code", "message"),
    [
        # loose maps: E216
        (Add(), [LOOSE, X], "E216", "operands of which one may be one row larger than its level"),
        (Concat(), [LOOSE, LOOSER], "E216", "are concatenated: P3 x 16 loose, P3 x 16 loose 2"),
        (WeightedSum(), [X, LOOSE], "E216", "operands of which one may be one row larger"),
        (Conv(8, 3, 2), [LOOSE], "E216", "'conv' reads a map (P3 x 16 loose) that may be one row"),
        (MaxPool(3, 2), [LOOSE], "E216", "'max-pool' reads a map"),
        (AvgPool(2, 2, "valid"), [LOOSE], "E216", "'avg-pool' reads a map"),
        (PixelUnshuffle(), [LOOSE], "E216", "'pixel-unshuffle' reads a map"),
        (GlobalPool(), [LOOSE], "E216", "'global-pool' reads a map"),
        (Resize(), [X, LOOSE], "E216", "'resize' reads a map"),
        (Crop(), [LOOSE, LOOSE], "E216", "'crop' reads a map"),
        (Attention(), [X, X, LOOSE], "E216", "'attention' reads a map"),
        (PositionEmbedding(), [LOOSE], "E216", "'position-embedding' reads a map"),
        (Reassemble(), [LOOSE, FeatureType(2, 25, 1)], "E216", "'reassemble' reads a map"),
        # single pixels: E217
        (Conv(8, 3), [POOLED], "E217", "'conv' has no meaning on a global map (global x 16)"),
        (Conv(8, 1, 2), [POOLED], "E217", "'conv' has no meaning on a global map"),
        (MaxPool(3), [POOLED], "E217", "'max-pool' has no meaning on a global map"),
        (ConvTranspose(8), [POOLED], "E217", "'conv-transpose' has no meaning on a global map"),
        (ConvTranspose(8, 3, 1), [POOLED], "E217", "'conv-transpose' has no meaning"),
        (PixelShuffle(), [POOLED], "E217", "'pixel-shuffle' has no meaning on a global map"),
        (PixelUnshuffle(), [POOLED], "E217", "'pixel-unshuffle' has no meaning on a global map"),
        (GlobalPool(), [POOLED], "E217", "'global-pool' has no meaning on a global map"),
        (Resize(), [X, POOLED], "E217", "'resize' has no meaning on a global map"),
        (AdaptivePool(), [POOLED, X], "E217", "'adaptive-pool' has no meaning on a global map"),
        (Crop(), [POOLED, POOLED], "E217", "'crop' has no meaning on a global map"),
        (Attention(), [X, POOLED, POOLED], "E217", "'attention' has no meaning on a global map"),
        (PositionEmbedding(), [POOLED], "E217", "'position-embedding' has no meaning"),
        (Reassemble(), [POOLED, X], "E217", "'reassemble' has no meaning on a global map"),
        # levels
        (Multiply(), [X, COARSE], "E211", "operands of different levels are multiplied: P3, P4"),
        (
            Concat(),
            [X, POOLED],
            "E211",
            "operands of different levels are concatenated: P3, global",
        ),
        (WeightedSum(), [X, POOLED], "E211", "operands of different levels are added: P3, global"),
        (Crop(), [COARSE, X], "E211", "operands of different levels are cropped to one another"),
        (AdaptivePool(), [COARSE, X], "E211", "'adaptive-pool' cannot make P3 of P4"),
        (Attention(), [X, X, COARSE], "E211", "different levels are used as key and value"),
        (ConvTranspose(8), [FeatureType(0, 16)], "E213", "would make a map of P0 finer than"),
        (PixelShuffle(), [FeatureType(0, 16)], "E213", "would make a map of P0 finer than"),
        (PixelShuffle(3), [FeatureType(3, 18)], "E213", "factor 3 is not a power of two"),
        (PixelUnshuffle(6), [X], "E213", "factor 6 is not a power of two"),
        (MaxPool(4, 4, "same"), [FeatureType(30, 8)], "E213", "P30 cannot be made 4 times coarser"),
        (Resize("nearest", 40), [X, X], "E213", "P3 cannot be made"),
        # channels
        (Multiply(), [X, FeatureType(GLOBAL, 8)], "E210", "channels are multiplied: 16, 8"),
        (Maximum(), [X, FeatureType(3, 2)], "E210", "channels are compared: 16, 2"),
        (WeightedSum(), [X, GATE], "E210", "operands of different channels are added: 16, 1"),
        (Attention(), [X, FeatureType(3, 8), X], "E210", "the query has 16 channels, the key 8"),
        (GroupNorm(5), [X], "E212", "16 channels do not divide into 5 groups"),
        (GroupNorm(), [X], "E212", "16 channels do not divide into 32 groups"),
        (Softmax(3), [X], "E212", "16 channels do not divide into 3 groups"),
        (ConvTranspose(8, groups=3), [X], "E212", "16 input channels do not divide into 3 groups"),
        (PixelShuffle(), [FeatureType(3, 6)], "E212", "takes a multiple of 4 channels, not 6"),
        (PositionEmbedding(), [FeatureType(3, 6)], "E212", "takes a multiple of 4 channels, not 6"),
        (Attention(3), [X, X, X], "E212", "16 channels of the query do not divide into 3 groups"),
        (
            Attention(2),
            [X, X, FeatureType(3, 5)],
            "E212",
            "5 channels of the value do not divide into 2 groups",
        ),
        (Slice(8, 12), [X], "E218", "channels 12 to 19 are taken of a map of 16"),
        (Attention(2, 4), [X, X, X], "E218", "2 heads of 4 key channels make 8, but the query"),
        (
            Reassemble(3),
            [COARSE, FeatureType(3, 9)],
            "E218",
            "takes weights of P3 x 9 loose, not P3 x 9",
        ),
        (
            Reassemble(3),
            [COARSE, FeatureType(3, 9, 2)],
            "E218",
            "takes weights of P3 x 9 loose, not P3 x 9 loose 2",
        ),
        (Reassemble(4), [COARSE, FeatureType(3, 16, 1)], "E113", "'kernel' of 'reassemble' is 4"),
        # numbers
        (DropPath(1.0), [X], "E113", "'rate' of 'drop-path' is 1.0; expected at least 0 and less"),
        (DropBlock(-0.1), [X], "E113", "'rate' of 'drop-block' is -0.1"),
        (DropBlock(0.1, 4), [X], "E113", "'size' of 'drop-block' is 4; expected an odd number"),
        (PositionEmbedding(0.0), [X], "E113", "'temperature' of 'position-embedding' is 0.0"),
    ],
)
def test_refusals(op: Op, inputs: list[FeatureType], code: str, message: str) -> None:
    with pytest.raises(SpecError) as caught:
        op.infer(inputs)
    (found,) = caught.value.diagnostics
    assert found.code == code
    assert message in found.message


def test_names_of_types() -> None:
    assert [str(x) for x in (X, LOOSE, LOOSER, POOLED)] == [
        "P3 x 16",
        "P3 x 16 loose",
        "P3 x 16 loose 2",
        "global x 16",
    ]


def test_operands_that_differ_have_names() -> None:
    named = {kind: op.ports for kind, op in OPERATORS.items() if op.ports}
    assert named == {
        "resize": ("x", "like"),
        "adaptive-pool": ("x", "like"),
        "crop": ("x", "like"),
        "attention": ("query", "key", "value"),
        "reassemble": ("x", "weights"),
    }
    for kind, op in OPERATORS.items():
        low, high = op.arity
        assert (low, high) == (len(op.ports) or 1, len(op.ports) or high), kind


# --- how steps name them ------------------------------------------------------------------------


def test_some_numbers_may_be_zero() -> None:
    assert make_operator("slice", {"channels": 4, "start": 0}, None) == Slice(4)
    assert make_operator("resize", {"halvings": 0}, None) == Resize()
    with pytest.raises(SpecError, match="expected a whole number of at least 0"):
        make_operator("slice", {"channels": 4, "start": -1}, None)
    with pytest.raises(SpecError, match="expected a whole number of at least 1"):
        make_operator("slice", {"channels": 0}, None)


def test_activations_are_steps() -> None:
    for name in ALIASES:
        assert make_operator(*_made(f"{name}"), None) == Activation(name)  # type: ignore[arg-type]
    assert alias_meaning(parse_step("leaky-relu slope=0.1")).text == (
        "activation function=leaky-relu slope=0.1"
    )
    assert argument_kinds(parse_step("leaky-relu"), {}) == {"slope": "number"}
    assert argument_kinds(parse_step("relu"), {}) == {}


def _made(text: str) -> tuple[str, dict[str, str]]:
    step = alias_meaning(parse_step(text))
    return step.use, {argument.key: argument.text for argument in step.arguments}


def test_fusions_leave_options_open() -> None:
    weighted = {"eps": "number", "per": "word"}
    expected: dict[str, object] = {name: {} for name in ("sum", "average", "max", "concat")}
    expected |= dict.fromkeys(("softmax", "fast", "unbounded"), weighted)
    assert {name: fusion_kinds(parse_step(name)) for name in FUSIONS} == expected
    for name in ("add", "multiply", "maximum", "concat"):
        assert fusion_kinds(parse_step(name)) == {}
    assert fusion_kinds(parse_step("weighted-sum")) == {"normalize": "word", **weighted}
    assert fusion_kinds(parse_step("conv")) is None


def test_a_split_is_one_slice_for_each_result() -> None:
    assert "split" in BUILTIN_NAMES
    assert split_parts({"kept": 4.0, "deep": 12}, 16, None) == {
        "kept": Slice(4, 0),
        "deep": Slice(12, 4),
    }
    for widths, channels, code, message in [
        ({}, 16, "E111", "'split' has no results"),
        ({"kept": 8, "deep": 4}, 16, "E218", "takes 8 + 4 = 12 channels of a value with 16"),
        ({"kept": 8, "deep": 0}, 8, "E113", "'deep' of 'split' is 0"),
        ({"kept": True}, 8, "E113", "'kept' of 'split' is true"),
    ]:
        with pytest.raises(SpecError) as caught:
            split_parts(widths, channels, None)  # type: ignore[arg-type]
        (found,) = caught.value.diagnostics
        assert (found.code, message in found.message) == (code, True)
