"""Every operator on operands that it takes: what the tests of all rooms go through."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from archgraph.ir import GLOBAL, Edge, FeatureType, Graph, Node, Scope, Stage
from archgraph.ir.op import Op
from archgraph.ir.ops import (
    Activation,
    AdaptivePool,
    Add,
    Affine,
    Attention,
    AvgPool,
    BatchNorm,
    Concat,
    Conv,
    ConvTranspose,
    Crop,
    DeformConv,
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
    Scale,
    Slice,
    Softmax,
    WeightedSum,
)
from archgraph.ir.pyramid import Input

X = FeatureType(1, 8)
COARSE = FeatureType(2, 8)
FINE = FeatureType(0, 8)
WIDE = FeatureType(1, 12)
ONE = FeatureType(1, 1)
POOLED = FeatureType(GLOBAL, 8)


@dataclass(frozen=True)
class Case:
    """An operator and the types of its operands; loose ones are made by `loosen`."""

    op: Op
    inputs: tuple[FeatureType, ...]

    def __str__(self) -> str:
        return f"{self.op}({', '.join(map(str, self.inputs))})"

    @property
    def result(self) -> FeatureType:
        return self.op.infer(self.inputs)


def cases(inputs: Sequence[FeatureType], *operators: Op) -> list[Case]:
    return [Case(op, tuple(inputs)) for op in operators]


CASES: list[Case] = [
    *cases(
        [X],
        Conv(6),
        Conv(6, 3, bias=False),
        Conv(6, 3, 2),
        Conv(8, 5, groups=8),
        Conv(6, 3, dilation=2, groups=2),
        Conv(6, 4, padding="same"),
        Conv(6, 5, 4, padding="same"),
        Conv(6, 2, 2, padding="valid"),
        Conv(6, 3, 4, padding="valid"),
        ConvTranspose(6),
        ConvTranspose(6, 3, groups=2),
        ConvTranspose(6, 3, padding="same", bias=False),
        ConvTranspose(8, 4, groups=8),
        ConvTranspose(6, 3, 1),
        ConvTranspose(6, 4, 1, padding="same"),
        DeformConv(6),
        DeformConv(6, 3, 2, bias=False, modulated=False),
        DeformConv(6, 5, groups=2),
        DeformConv(6, 3, 2, padding="same"),
        DeformConv(6, 2, 2, padding="valid"),
        MaxPool(3, 2),
        MaxPool(3),
        MaxPool(2, padding="same"),
        MaxPool(3, 2, "same"),
        MaxPool(4, 4, "same"),
        MaxPool(2, 2, "valid"),
        AvgPool(3, 2),
        AvgPool(3, count_padding=True),
        AvgPool(3, 2, "same"),
        AvgPool(2, 1, "same", count_padding=True),
        AvgPool(4, 1, "same"),
        AvgPool(5, 4, "same", count_padding=True),
        AvgPool(2, 2, "valid"),
        BatchNorm(),
        BatchNorm(1e-3, 0.01),
        GroupNorm(2),
        GroupNorm(4, 1e-3),
        LayerNorm(),
        LayerNorm(1e-6),
        *(
            Activation(name)
            for name in ("relu", "relu6", "silu", "sigmoid", "hard-sigmoid", "hard-swish")
        ),
        *(Activation(name) for name in ("leaky-relu", "gelu", "mish", "tanh")),
        Activation("leaky-relu", 0.2),
        Softmax(),
        Softmax(4),
        Affine(0.5),
        Affine(2.0, -1.0),
        Scale(),
        Scale("channel", 1e-6),
        DropPath(0.2),
        DropBlock(0.2),
        DropBlock(0.1, 3),
        GlobalPool(),
        GlobalPool("max"),
        PixelShuffle(),
        PixelUnshuffle(),
        PixelUnshuffle(4),
        Add(),
        Slice(3),
        Slice(5, 3),
        PositionEmbedding(),
        PositionEmbedding(20.0),
    ),
    *cases([POOLED], Conv(6), BatchNorm(), GroupNorm(2), Activation("silu"), Softmax()),
    *cases(
        [FeatureType(1, 6, 1)],
        Conv(4, 3),
        BatchNorm(),
        MaxPool(3),
        AvgPool(3),
        Activation("relu"),
        ConvTranspose(4),
        DeformConv(4),
    ),
    *cases([FeatureType(2, 32)], PixelShuffle(4)),
    *cases([COARSE, X], Resize(), Resize("bilinear")),
    *cases([X, COARSE], Resize("bilinear")),
    *cases([FINE, X], Resize("nearest", 1), Resize("bilinear", 2)),
    *cases([FINE, X], AdaptivePool(), AdaptivePool("max"), AdaptivePool("mean", 2)),
    *cases([POOLED, X], Resize(), Resize("bilinear")),
    *cases([FeatureType(1, 8, 1), X], Crop(), Resize()),
    *cases([FeatureType(1, 8, 2), WIDE], Crop()),
    *cases([X, X, X], Add(), Multiply(), Maximum(), WeightedSum(), Concat()),
    *cases([X, X], WeightedSum("softmax"), WeightedSum("none"), WeightedSum(eps=1e-3)),
    *cases([X, X], *(WeightedSum(name, per="channel") for name in ("fast", "softmax", "none"))),
    *cases([X], WeightedSum(), Concat(), Multiply(), Maximum()),
    *cases([X, POOLED], Add(), Multiply(), Maximum()),
    *cases([POOLED, X, ONE], Multiply()),
    *cases([ONE, POOLED], Multiply(), Add()),
    *cases([POOLED, POOLED], Add(), Concat()),
    *cases([X, WIDE], Concat()),
    *cases([X, X, WIDE], Attention(), Attention(4), Attention(2, 4)),
    *cases([X, COARSE, FeatureType(2, 6)], Attention(2)),
    *cases([POOLED, X, X], Attention(4)),
    *cases([X, FeatureType(0, 25, 1)], Reassemble()),
    *cases([X, FeatureType(0, 36, 1)], Reassemble(3, 2, 4)),
    *cases([X, FeatureType(1, 9)], Reassemble(3, 1)),
]
IDS = [str(case) for case in CASES]


def graph_of(case: Case) -> Graph:
    """The operator as a graph, named `y`; what makes a loose operand is a pixel-shuffle."""
    graph = Graph("single", Stage.OPERATORS)
    graph.scopes[""] = Scope("", "single")
    names: list[str] = []
    for i, x in enumerate(case.inputs):
        source, channels = f"x{i}", x.channels * 4**x.loose
        graph.add(Node(source, Input(x.level + x.loose, channels)))
        if x.loose:
            shuffle = PixelShuffle(2**x.loose)
            graph.add(Node(f"loose{i}", shuffle), [Edge(source, source)])
            source = f"loose{i}"
        names.append(source)
    graph.add(Node("y", case.op), [Edge(name, name) for name in names])
    graph.set_outputs({"y": "y"})
    return graph
