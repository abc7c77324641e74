"""docs/operators.md: an example of every operator, as the code itself tells it.

`--update-goldens` writes what stands after the marker.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from archgraph.analysis import level_size, map_size
from archgraph.analysis.work import WORK, Site
from archgraph.codegen.forms import form_of, literals
from archgraph.ir import GLOBAL, Edge, FeatureType, Graph, Node, Stage, print_graph
from archgraph.ir.op import Op
from archgraph.ir.ops import (
    OPERATORS,
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

DOCUMENT = Path(__file__).resolve().parents[1] / "docs" / "operators.md"
MARKER = "<!-- what follows is written by tests/test_operator_docs.py -->\n"
IMAGE = (512, 512)

P3, P4, P5 = (FeatureType(level, 64) for level in (3, 4, 5))
POOLED = FeatureType(GLOBAL, 64)
LOOSE = FeatureType(3, 64, 1)
WINDOWS = FeatureType(3, 25, 1)

EXAMPLES: list[tuple[Op, dict[str, FeatureType]]] = [
    (Conv(128, 3, 2, bias=False), {"x": P3}),
    (ConvTranspose(64), {"x": P4}),
    (DeformConv(64), {"x": P3}),
    (MaxPool(3, 2), {"x": P3}),
    (AvgPool(3, 2, "same"), {"x": P3}),
    (BatchNorm(1e-3, 0.01), {"x": P3}),
    (GroupNorm(32), {"x": P3}),
    (LayerNorm(1e-6), {"x": P3}),
    (Activation("leaky-relu", 0.1), {"x": P3}),
    (Softmax(4), {"x": P3}),
    (Affine(0.5, 1.0), {"x": P3}),
    (Scale("channel", 1e-6), {"x": P3}),
    (DropPath(0.2), {"x": P3}),
    (DropBlock(0.1), {"x": P3}),
    (Resize("bilinear"), {"x": P4, "like": P3}),
    (AdaptivePool("mean", 1), {"x": P3, "like": P4}),
    (GlobalPool(), {"x": P3}),
    (Crop(), {"x": LOOSE, "like": P3}),
    (PixelShuffle(), {"x": P4}),
    (PixelUnshuffle(), {"x": P3}),
    (Add(), {"a": P3, "b": P3, "c": P3}),
    (Multiply(), {"x": P3, "gate": POOLED}),
    (Maximum(), {"a": P3, "b": P3}),
    (WeightedSum(), {"a": P3, "b": P3, "c": P3}),
    (Concat(), {"a": P3, "b": P3}),
    (Slice(32, 32), {"x": P3}),
    (Attention(8), {"query": P5, "key": P5, "value": P5}),
    (PositionEmbedding(), {"x": P5}),
    (Reassemble(), {"x": P4, "weights": WINDOWS}),
]


def chapter() -> str:
    """All that is generated."""
    return "\n".join(section(op, operands) for op, operands in EXAMPLES)


def section(op: Op, operands: dict[str, FeatureType]) -> str:
    shown = [*lines(op, operands)]
    doc = inspect.cleandoc(op.__doc__ or "")
    return "\n".join([f"## {op.kind}", "", doc, "", "```text", *shown, "```", ""])


def lines(op: Op, operands: dict[str, FeatureType]) -> Iterator[str]:
    """Text form, torch, weights and costs of an example."""
    yield from text_form(op, operands)
    yield ""
    inputs = list(operands.values())
    form = form_of(op, inputs)
    names = list(operands)
    if form.module:
        yield f"self.y = {form.module(literals(form))}"
        names = ["self.y", *names]
    yield f"y = {form.call(names, literals(form))}"
    weights = {**op.parameters(inputs), **op.buffers(inputs)}
    yield ""
    if weights:
        yield "tensors: " + ", ".join(f"{k} {list(v)}" for k, v in weights.items())
    yield cost_line(op, inputs)


def text_form(op: Op, operands: dict[str, FeatureType]) -> Iterator[str]:
    graph = Graph("example", Stage.OPERATORS)
    for name, x in operands.items():
        made = Input(x.level, x.channels)
        if x.loose:  # inputs never are, so show what gives the same type
            graph.add(Node(f"{name}_before", Input(x.level + 1, 4 * x.channels)))
            graph.add(Node(name, PixelShuffle()), [Edge(f"{name}_before", "x")])
        else:
            graph.add(Node(name, made))
    graph.add(Node("y", op), [Edge(name, name) for name in operands])
    graph.set_outputs({"y": "y"})
    for line in print_graph(graph).splitlines():
        shown = line.strip()
        if re.match(rf"({'|'.join(operands)}|y) = ", shown):
            yield re.sub(r"^(\w+) = (?:input|pixel-shuffle\(\w+ as x\)).* : ", r"\1 : ", shown)


def cost_line(op: Op, inputs: Sequence[FeatureType]) -> str:
    result = op.infer(inputs)
    sizes = [map_size(IMAGE, x) for x in inputs]
    macs, elementwise = WORK[type(op)](op, Site(inputs, sizes, result, map_size(IMAGE, result)))
    return f"{IMAGE[0]} x {IMAGE[1]} pixels: {macs:,} multiply-adds, {elementwise:,} elementwise"


def test_examples_are_in_the_order_of_the_table() -> None:
    assert [op.kind for op, _ in EXAMPLES] == list(OPERATORS)
    assert level_size(IMAGE, 3) == (64, 64)


def test_the_document_is_what_the_code_says(update_goldens: bool) -> None:
    head, marker, _ = DOCUMENT.read_text("utf-8").partition(MARKER)
    assert marker
    wanted = f"{head}{MARKER}\n{chapter()}"
    if update_goldens:
        DOCUMENT.write_text(wanted, "utf-8")
    assert DOCUMENT.read_text("utf-8") == wanted, "run pytest with --update-goldens"
