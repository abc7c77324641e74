"""Topologies of the library have the nodes, levels and inputs, in order, of what was published."""

from __future__ import annotations

import re
from typing import Any

import pytest

from archgraph.analysis import cost
from archgraph.compiler import Compilation, arguments_from_python, compile_spec
from archgraph.ir import Graph
from archgraph.ir.ops import Conv
from archgraph.ir.pyramid import Fuse, Input, Use
from archgraph.spec import Library

# name | level | inputs in order; what a fusion and a block are is not told.
PUBLISHED = {
    "fpn-retinanet": """
        lat5 | 5 | in5
        lat4 | 4 | in4
        lat3 | 3 | in3
        m4 | 4 | lat4, lat5
        m3 | 3 | lat3, m4
        p5 | 5 | lat5
        p4 | 4 | m4
        p3 | 3 | m3
        p6 | 6 | in5
        p7 | 7 | p6
        outputs: 3=p3 4=p4 5=p5 6=p6 7=p7""",
    "qufpn": """
        p1_6 | 6 | in6, in7
        p1_5 | 5 | in5, p1_6
        p1_4 | 4 | in4, p1_5
        p1_3 | 3 | in3, p1_4
        p2_4 | 4 | in4, p1_4, p1_3
        p2_5 | 5 | in5, p1_5, p2_4
        p2_6 | 6 | in6, p1_6, p2_5
        p2_7 | 7 | in7, p2_6
        p3_4 | 4 | in4, in3
        p3_5 | 5 | in5, p3_4
        p3_6 | 6 | in6, p3_5
        p3_7 | 7 | in7, p3_6
        p4_6 | 6 | in6, p3_6, p3_7
        p4_5 | 5 | in5, p3_5, p4_6
        p4_4 | 4 | in4, p3_4, p4_5
        p4_3 | 3 | in3, p4_4
        q3 | 3 | p1_3, p4_3
        q4 | 4 | p2_4, p4_4
        q5 | 5 | p2_5, p4_5
        q6 | 6 | p2_6, p4_6
        q7 | 7 | p2_7, p3_7
        outputs: 3=q3 4=q4 5=q5 6=q6 7=q7""",
    "fpg pathways=2": """
        g1_7 | 7 | in6, in7, in7
        g2_6 | 6 | in5, in6, g1_7, in6
        g2_7 | 7 | g2_6, g1_7, in7
        p3 | 3 | in3
        p4 | 4 | in4
        p5 | 5 | in5
        p6 | 6 | g2_6
        p7 | 7 | g2_7
        outputs: 3=p3 4=p4 5=p5 6=p6 7=p7""",
    "gfpn levels=3..5 columns=3": """
        k0_5 | 5 | in5, in4
        k0_4 | 4 | in4, k0_5, in5, in3
        k0_3 | 3 | in3, k0_4, in4
        k1_3 | 3 | k0_3, k0_4
        k1_4 | 4 | k0_4, k1_3, k0_5, k0_3
        k1_5 | 5 | k0_5, k1_4, k0_4
        k2_5 | 5 | k1_5, k0_5, k1_4
        k2_4 | 4 | k1_4, k0_4, k2_5, k1_5, k1_3
        k2_3 | 3 | k1_3, k0_3, k2_4, k1_4
        p3 | 3 | k2_3
        p4 | 4 | k2_4
        p5 | 5 | k2_5
        outputs: 3=p3 4=p4 5=p5""",
    "nas-fpn": """
        m0 | 4 | in6, in4
        m1 | 4 | in4, m0
        m2 | 3 | in3, m1
        m3 | 4 | m1, m2
        g4 | 5 | m3, m2
        m4 | 5 | g4, in5
        g5 | 7 | m4, m1
        m5 | 7 | g5, in7
        m6 | 6 | m5, m4
        outputs: 3=m2 4=m3 5=m4 6=m6 7=m5""",
    "yolov8-pafpn": """
        t4 | 4 | in5, in4
        t3 | 3 | t4, in3
        o4 | 4 | t3, t4
        o5 | 5 | o4, in5
        outputs: 3=t3 4=o4 5=o5""",
    "spinenet-49": """
        b2 | 2 | b0, b1
        b3 | 4 | b0, b1
        b4 | 3 | b2, b3
        b5 | 4 | b2, b4
        b6 | 6 | b3, b5
        b7 | 4 | b3, b5
        b8 | 5 | b6, b7
        b9 | 7 | b6, b8
        b10 | 5 | b8, b9
        b11 | 5 | b8, b10
        b12 | 4 | b5, b10
        b13 | 3 | b4, b10
        s14 | 5 | b7, b12
        b14 | 5 | s14, b11
        b15 | 7 | b5, b14
        b16 | 6 | b12, b14
        e3 | 3 | b13
        e4 | 4 | b12
        e5 | 5 | b14
        e6 | 6 | b16
        e7 | 7 | b15
        outputs: 3=e3 4=e4 5=e5 6=e6 7=e7""",
}


def compiled(text: str, variant: str = "", **parameters: object) -> Compilation:
    """`name key=value ...`, as in the table."""
    name, *settings = text.split()
    given = dict(setting.split("=") for setting in settings)
    return compile_spec(name, arguments_from_python({**given, **parameters}), variant=variant)


def listed(graph: Graph) -> list[str]:
    """A graph in the notation of the table."""
    lines: list[str] = []
    for node in graph:
        if isinstance(node.op, Fuse | Use):
            sources = ", ".join(edge.source for edge in graph.inputs(node.name))
            lines.append(f"{node.name} | {node.op.level} | {sources}")
    outputs = [f"{label[1:]}={name}" for label, name in graph.outputs.items()]
    return [*lines, f"outputs: {' '.join(outputs)}"]


@pytest.mark.parametrize("name", PUBLISHED)
def test_nodes_are_those_that_were_published(name: str) -> None:
    expected = [line.strip() for line in PUBLISHED[name].strip().splitlines()]
    assert listed(compiled(name).written.graph) == expected


@pytest.mark.parametrize(
    ("name", "nodes"),
    [
        ("gfpn", 70),  # GiraffeDet-D7
        ("gfpn columns=21", 110),  # D11
        ("fpg", 35 + 5),
        ("qufpn levels=3..4", 6),
        ("qufpn levels=2..6", 21),
        ("fpn-retinanet levels=2..5", 4 + 3 + 4 + 2),
    ],
)
def test_how_many_nodes_there_are(name: str, nodes: int) -> None:
    graph = compiled(name).written.graph
    assert sum(isinstance(node.op, Fuse | Use) for node in graph) == nodes


def test_links_of_gfpn_are_powers_of_two() -> None:
    graph = compiled("gfpn levels=3..4 columns=21").written.graph
    sources = [edge.source for edge in graph.inputs("k20_4")]
    assert sources == ["k19_4", "k18_4", "k16_4", "k12_4", "k4_4", "k19_3"]


def test_p6_is_made_of_what_the_spec_says() -> None:
    assert listed(compiled("fpn-retinanet source=p").written.graph)[8] == "p6 | 6 | p5"


def test_nothing_of_the_published_fpn_is_pruned() -> None:
    from archgraph.passes import run_pass
    from archgraph.passes.pyramid.prune_single_input import PruneSingleInput

    assert run_pass(PruneSingleInput(), compiled("fpn-retinanet").written).rewrites == 0


# topologies.md, section 8.4
WIDTHS = {
    "n": (64, 128, 256),
    "s": (128, 256, 512),
    "m": (192, 384, 576),
    "l": (256, 512, 512),
    "x": (320, 640, 640),
}


@pytest.mark.parametrize("variant", WIDTHS)
def test_widths_and_depths_of_yolov8(variant: str) -> None:
    graph = compiled("yolov8-pafpn", variant).operators.graph
    types = graph.infer_types()
    assert tuple(types[name].channels for name in graph.outputs.values()) == WIDTHS[variant]
    inputs = [node.op for node in graph.graph_inputs]
    assert tuple(op.channels for op in inputs if isinstance(op, Input)) == WIDTHS[variant]
    repeated = {node.name for node in graph if re.match(r"t4\.block\.m\d+\.cv1\.conv", node.name)}
    assert len(repeated) == {"n": 1, "s": 1, "m": 2}.get(variant, 3)


def test_parameters_of_yolov8() -> None:
    """The neck of YOLOv8n as Ultralytics counts it: modules 12, 15, 16, 18, 19 and 21."""
    found = cost(compiled("yolov8-pafpn", "n").operators.graph, (640, 640)).total.parameters
    assert found == 148_224 + 37_248 + 36_992 + 123_648 + 147_712 + 493_056


def test_what_stands_under_concat_keeps_its_channels() -> None:
    given = compiled("gfpn levels=3..5 columns=3", in_channels=[16, 32, 64], channels=24)
    graph = given.operators.graph
    conv = graph["k0_4.block.reduce"].op
    assert isinstance(conv, Conv) and conv.channels == 24
    (concat,) = graph.inputs("k0_4.block.reduce")
    assert graph.infer_types()[concat.source].channels == 32 + 24 + 64 + 16


def test_cells_of_nas_fpn() -> None:
    graph = compiled("nas-fpn channels=8 cells=2").pyramid.graph
    assert [(e.name, e.source) for e in graph.inputs("cells.1.m0")] == [
        ("gate", "cells.0.m6"),
        ("gated", "cells.0.m3"),
    ]


def test_sizes_that_halve_oddly_fit_in_every_topology() -> None:
    torch = pytest.importorskip("torch")
    from archgraph import build

    small = {"channels": 8, "in_channels": 8}
    names = ["fpn-retinanet", "qufpn", "fpg", "gfpn", "nas-fpn", "spinenet-49"]
    more = {"gfpn": {"columns": 3}, "nas-fpn": {"cells": 1}, "fpg": {"pathways": 2}}
    for name in names:
        module: Any = build(name, **small, **more.get(name, {})).eval()
        size = [(-(-200 // 2**level), -(-150 // 2**level)) for level in range(10)]
        features = [torch.randn(1, 8, *size[level]) for level in module.in_levels]
        outputs = module(features)
        assert [tuple(y.shape[2:]) for y in outputs] == [size[level] for level in module.levels]


def test_every_document_of_the_library_says_what_it_is() -> None:
    library = Library()
    for name in library.names():
        assert library.document(*library.open(name)).doc, name
