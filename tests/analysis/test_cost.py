from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

import archgraph
from archgraph.analysis import Amount, Cost, cost
from archgraph.analysis.cost import spec_node
from archgraph.analysis.work import WORK
from archgraph.compiler import arguments_from_python, compile_spec
from archgraph.ir import Edge, Graph, Node, Scope, Stage
from archgraph.ir.op import Op
from archgraph.ir.ops import (
    OPERATORS,
    Activation,
    Add,
    Affine,
    BatchNorm,
    Conv,
    MaxPool,
    Resize,
    WeightedSum,
)
from archgraph.ir.pyramid import Input

IMAGE_SIZES = [(512, 512), (500, 333)]
RAW = [40, 112, 320, 64, 64]


def graph_of(op: Op, *inputs: Input) -> Graph:
    """One operator, named `y`, that reads all inputs."""
    graph = Graph("single", Stage.OPERATORS)
    graph.scopes[""] = Scope("", "single")
    names = [f"x{i}" for i in range(len(inputs))]
    for name, given in zip(names, inputs, strict=True):
        graph.add(Node(name, given, "", name))
    graph.add(Node("y", op, "", "y"), [Edge(name, name) for name in names])
    graph.set_outputs({"y": "y"})
    return graph


def cost_of(spec: str, image_size: tuple[int, int] = (512, 512), **parameters: object) -> Cost:
    graph = compile_spec(spec, arguments_from_python(parameters)).operators.graph
    return cost(graph, image_size)


# --- one operator --------------------------------------------------------------------------

X = Input(level=3, channels=16)  # 63 x 42 = 2646 pixels of a 500 x 333 image
HIGH = Input(level=4, channels=16)  # 32 x 21 = 672 pixels


@pytest.mark.parametrize(
    ("op", "inputs", "parameters", "macs", "elementwise", "elements"),
    [
        (Conv(32, 3, bias=False), (X,), 4608, 4608 * 2646, 0, 32 * 2646),
        (Conv(32, 1), (X,), 512 + 32, 512 * 2646, 0, 32 * 2646),
        (Conv(16, 3, groups=16, bias=False), (X,), 144, 144 * 2646, 0, 16 * 2646),
        (Conv(8, 3, stride=2, groups=4), (X,), 288 + 8, 288 * 672, 0, 8 * 672),
        (Conv(8, 3, dilation=2, padding="same"), (X,), 1152 + 8, 1152 * 2646, 0, 8 * 2646),
        (BatchNorm(), (X,), 32, 0, 2 * 16 * 2646, 16 * 2646),
        (Activation("mish"), (X,), 0, 0, 16 * 2646, 16 * 2646),
        (MaxPool(3, 2), (X,), 0, 0, 8 * 16 * 672, 16 * 672),
        (MaxPool(1), (X,), 0, 0, 0, 16 * 2646),
        (Resize(), (HIGH, X), 0, 0, 0, 16 * 2646),
        (Resize("bilinear"), (HIGH, X), 0, 0, 9 * 16 * 2646, 16 * 2646),
        (Add(), (X, X, X), 0, 0, 2 * 16 * 2646, 16 * 2646),
        (Add(), (X,), 0, 0, 0, 16 * 2646),
        (Affine(0.5), (X,), 0, 0, 2 * 16 * 2646, 16 * 2646),
        (WeightedSum("none"), (X, X, X), 3, 0, 5 * 16 * 2646, 16 * 2646),
        (WeightedSum("softmax"), (X, X), 2, 0, 3 * 16 * 2646, 16 * 2646),
        (WeightedSum("fast"), (X, X, X), 3, 0, 8 * 16 * 2646, 16 * 2646),
    ],
    ids=str,
)
def test_one_operator(
    op: Op,
    inputs: tuple[Input, ...],
    parameters: int,
    macs: int,
    elementwise: int,
    elements: int,
) -> None:
    found = cost(graph_of(op, *inputs), (500, 333), dtype_bytes=2)
    assert found.total == Amount(parameters, macs, elementwise, 2 * elements)
    (operator,) = found.operators
    assert (operator.name, operator.kind, operator.node) == ("y", op.kind, "y")


def test_every_operator_has_a_row() -> None:
    missing = [kind for kind, op in OPERATORS.items() if op not in WORK]
    assert not missing, f"no row in archgraph.analysis.work.WORK for: {', '.join(missing)}"


def test_an_operator_without_a_row_is_named() -> None:
    @dataclass(frozen=True)
    class Fourier(Op):
        kind: ClassVar[str] = "fourier"

    with pytest.raises(TypeError, match="'fourier' has no row"):
        cost(graph_of(Fourier(), X), (64, 64))


def test_inputs_are_counted_apart() -> None:
    found = cost(graph_of(Resize(), HIGH, X), (500, 333))
    assert found.input_bytes == 4 * 16 * (672 + 2646)
    assert [operator.name for operator in found.operators] == ["y"]


def test_shared_weights_count_once() -> None:
    graph = graph_of(Conv(16, 3), X)
    graph.add(Node("z", Conv(16, 3), "", "y"), [Edge("y", "y")])
    found = cost(graph, (64, 64))
    assert [operator.amount.parameters for operator in found.operators] == [2320, 0]
    assert found.total.macs == 2 * 2304 * 64


def test_a_pyramid_is_refused() -> None:
    with pytest.raises(ValueError, match="lower it first"):
        cost(compile_spec("bifpn").pyramid.graph, (512, 512))


# --- the library against closed forms ------------------------------------------------------


def pixels(image_size: tuple[int, int], level: int) -> int:
    height, width = image_size
    for _ in range(level):
        height, width = (height + 1) // 2, (width + 1) // 2
    return height * width


def nodes(levels: list[int], width: int, image_size: tuple[int, int]) -> tuple[int, int]:
    """Parameters and multiply-adds of one separable node, with its norm, on each of `levels`."""
    weights = 9 * width + width**2
    macs = sum(weights * pixels(image_size, level) for level in levels)
    return len(levels) * (weights + 2 * width), macs


def bifpn(image_size: tuple[int, int]) -> tuple[int, int]:
    """Three cells of width 64 on levels 3 to 7, inputs of raw width (efficientdet.md 1.5)."""
    parameters, macs = nodes(3 * [6, 5, 4, 3, 4, 5, 6, 7], 64, image_size)
    parameters += 3 * (5 * 5 - 6)
    for level, width, readers in ((3, 40, 1), (4, 112, 2), (5, 320, 2)):
        parameters += readers * (width * 64 + 2 * 64)
        macs += readers * width * 64 * pixels(image_size, level)
    return parameters, macs


def panet(image_size: tuple[int, int]) -> tuple[int, int]:
    return nodes(2 * [3, 4, 5, 6, 7], 64, image_size)


def fpn_efficientdet(image_size: tuple[int, int]) -> tuple[int, int]:
    return nodes([3, 4, 5, 6], 24, image_size)


def fpn(image_size: tuple[int, int]) -> tuple[int, int]:
    parameters, macs = 0, 0
    for level, width in ((2, 64), (3, 128), (4, 256), (5, 512)):
        parameters += (width * 32 + 32) + (9 * 32 * 32 + 32)
        macs += (width * 32 + 9 * 32 * 32) * pixels(image_size, level)
    return parameters, macs


CASES: Mapping[str, tuple[Callable[[tuple[int, int]], tuple[int, int]], dict[str, object]]] = {
    "bifpn": (bifpn, {"channels": 64, "cells": 3, "in_channels": RAW}),
    "panet": (panet, {}),
    "fpn-efficientdet": (fpn_efficientdet, {"levels": range(3, 7), "channels": 24}),
    "fpn": (fpn, {"channels": 32, "in_channels": [64, 128, 256, 512]}),
}


@pytest.mark.parametrize("image_size", IMAGE_SIZES, ids=str)
@pytest.mark.parametrize("name", CASES)
def test_the_library_costs_what_its_formula_says(name: str, image_size: tuple[int, int]) -> None:
    formula, parameters = CASES[name]
    found = cost_of(name, image_size, **parameters).total
    assert (found.parameters, found.macs) == formula(image_size)


def test_the_published_parameters_of_efficientdet_d0() -> None:
    """efficientdet.md 1.5: 196,281 with the maker of P6, which is no part of the topology."""
    found = cost_of("bifpn", cells=3, in_channels=RAW, settings={"bias": True})
    assert found.total.parameters == 196_281 - (320 * 64 + 3 * 64)


@pytest.mark.parametrize("image_size", IMAGE_SIZES, ids=str)
@pytest.mark.parametrize("name", CASES)
def test_the_library_costs_what_torch_counts(name: str, image_size: tuple[int, int]) -> None:
    _, parameters = CASES[name]
    graph = compile_spec(name, arguments_from_python(parameters)).operators.graph
    module = archgraph.build(name, **parameters).eval()
    features: list[torch.Tensor] = []
    for node in graph.graph_inputs:
        assert isinstance(node.op, Input)
        height, width = image_size
        for _ in range(node.op.level):
            height, width = (height + 1) // 2, (width + 1) // 2
        features.append(torch.zeros(1, node.op.channels, height, width))
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        results = module(features)
    found = cost(graph, image_size)
    assert 2 * found.total.macs == counter.get_total_flops()
    assert found.total.parameters == sum(p.numel() for p in module.parameters())
    assert found.input_bytes == sum(x.nbytes for x in features)
    sizes = {operator.name: operator.amount.activation_bytes for operator in found.operators}
    assert [sizes[name] for name in graph.outputs.values()] == [y.nbytes for y in results]


# --- groups --------------------------------------------------------------------------------


def test_the_groups_add_up() -> None:
    found = cost_of("bifpn", cells=3, in_channels=RAW)
    for group in (found.by_level, found.by_node, found.by_cell):
        assert sum(group.values(), Amount()) == found.total
    assert list(found.by_level) == [3, 4, 5, 6, 7]
    assert list(found.by_cell) == ["cells.0", "cells.1", "cells.2"]
    assert found.by_cell["cells.1"] == found.by_cell["cells.2"]
    assert found.by_cell["cells.0"].parameters > found.by_cell["cells.1"].parameters
    names = [
        f"cells.{i}.{n}" for i in range(3) for n in "td6 td5 td4 td3 out4 out5 out6 out7".split()
    ]
    assert list(found.by_node) == names


def test_a_node_has_the_cost_of_its_edges_fusion_and_block() -> None:
    found = cost_of("bifpn", in_channels=RAW).by_node["cells.0.td5"]
    assert found.parameters == (320 * 64 + 128) + 2 + (576 + 4096 + 128)
    assert found.macs == (320 * 64 + 576 + 4096) * 256
    # project norm, weighted sum of two, activation, norm
    assert found.elementwise == (2 + 5 + 1 + 2) * 64 * 256
    # projection and its norm, upsampling, fusion, activation, two convolutions, norm
    assert found.activation_bytes == 8 * 64 * 256 * 4


def test_a_bare_operator_is_its_own_node() -> None:
    found = cost_of("fpn")
    assert list(found.by_cell) == [""]
    assert {"lat5", "m4", "p2"} <= set(found.by_node)
    assert len(found.by_node) == 4 + 3 + 4


CHAIN = """\
topology: chain
parameters: {levels: {levels: 3..4}, channels: 8}
passes: [repeat-cells count=2, repeat-cells count=3]
nodes:
  - {for: l in lo..hi, name: lat<l>, use: [conv-norm channels=8, relu, conv-norm-act channels=8], from: in<l>}
outputs: lat<l>
"""


def test_the_steps_of_a_chain_are_no_cells(tmp_path: Path) -> None:
    (tmp_path / "chain.yaml").write_text(CHAIN, "utf-8")
    found = cost_of(str(tmp_path / "chain.yaml"))
    cells = [f"cells.{i}.cells.{j}" for i in range(3) for j in range(2)]
    assert list(found.by_cell) == cells
    assert list(found.by_node) == [f"{cell}.lat{level}" for cell in cells for level in (3, 4)]
    assert len(found.operators) == 6 * 2 * 6


@pytest.mark.parametrize(
    ("name", "cells", "expected"),
    [
        ("lat5", set(), ("", "lat5")),
        ("lat5.0.conv", set(), ("", "lat5")),
        ("cells.0.td6.block.norm", {"cells.0"}, ("cells.0", "cells.0.td6")),
        ("cells.10.td6.fuse", {"cells.1", "cells.10"}, ("cells.10", "cells.10.td6")),
        (
            "cells.1.cells.0.a.fuse",
            {"cells.1", "cells.1.cells.0"},
            ("cells.1.cells.0", "cells.1.cells.0.a"),
        ),
    ],
)
def test_where_an_operator_belongs(name: str, cells: set[str], expected: tuple[str, str]) -> None:
    assert spec_node(name, cells) == expected


def test_bytes_follow_the_number_format() -> None:
    graph = compile_spec("fpn").operators.graph
    full, half = cost(graph, (512, 512)), cost(graph, (512, 512), dtype_bytes=2)
    assert full.input_bytes == 2 * half.input_bytes
    assert full.total == replace(half.total, activation_bytes=2 * half.total.activation_bytes)
