"""Models: pyramids made from pyramids, in one graph."""

from __future__ import annotations

from pathlib import Path

import pytest

from archgraph.compiler import Compilation, arguments_from_python, check_spec, compile_spec
from archgraph.errors import SpecError
from archgraph.ir import Graph, print_graph
from archgraph.ir.ops import Activation, BatchNorm, Conv
from archgraph.ir.pyramid import Fuse, Use
from archgraph.ir.text_parser import parse_graph

BACKBONE = """
---
backbone: tiny
parameters: {width: 8}
variants: {wide: {width: 12}}
settings: {act: silu}
nodes:
  - {name: stem, use: conv-norm-act channels=width kernel=3 stride=2}
  - {name: s2, use: conv-norm-act channels=2*width kernel=3 stride=2}
  - {name: s3, use: conv-norm-act channels=2*width kernel=3 stride=2}
  - {name: s4, use: conv-norm-act channels=3*width kernel=3 stride=2}
outputs: {2: s2, 3: s3, 4: s4}
---
block: weigh
inputs: [x, gate]
nodes:
  - {name: scaled, use: multiply, from: [x, gate]}
  - {name: conv, use: conv-norm-act channels=x.channels}
---
topology: pair
parameters: {levels: {levels: 2..3}, channels: 16}
defaults: {node: {fuse: sum, block: none}, edge: {down: max-pool kernel=3 stride=2}}
inputs: [{name: fine, level: 2}, {name: coarse, level: 3}]
nodes:
  - {name: low, level: 3, from: [coarse, fine]}
outputs: {3: low}
"""


def compiled(tmp_path: Path, nodes: str, outputs: str, more: str = "", **given: object) -> Graph:
    return whole(tmp_path, nodes, outputs, more, **given).operators.graph


def whole(tmp_path: Path, nodes: str, outputs: str, more: str = "", **given: object) -> Compilation:
    path = tmp_path / "spec.yaml"
    text = f"model: m\n{more}nodes:\n{nodes}\noutputs: {outputs}\n{BACKBONE}"
    path.write_text(text, "utf-8")
    return compile_spec(str(path), arguments_from_python(given))


def test_a_backbone_gives_its_levels(tmp_path: Path) -> None:
    made = whole(tmp_path, "  - {name: body, use: tiny}", "body")
    pyramid = made.pyramid.graph
    assert [node.name for node in pyramid] == ["image", "body", "body.p2", "body.p3", "body.p4"]
    types = made.operators.graph.infer_types()
    outputs = made.operators.graph.outputs
    assert {label: str(types[name]) for label, name in outputs.items()} == {
        "p2": "P2 x 16",
        "p3": "P3 x 16",
        "p4": "P4 x 24",
    }


def test_what_nothing_reads_is_no_result(tmp_path: Path) -> None:
    nodes = "  - {name: body, use: tiny}\n  - {name: neck, use: bifpn levels=3..4 channels=16}"
    names = {node.name for node in whole(tmp_path, nodes, "neck").pyramid.graph}
    assert "body.p3" in names
    assert "body.p2" not in names


def test_a_topology_stands_under_its_node(tmp_path: Path) -> None:
    nodes = "  - {name: body, use: tiny}\n  - {name: neck, use: bifpn levels=2..4 channels=16}"
    made = whole(tmp_path, nodes, "neck")
    alone = compile_spec(
        "bifpn",
        arguments_from_python({"levels": "2..4", "channels": 16, "in_channels": [16, 16, 24]}),
    )
    expected = {f"neck.{node.name}" for node in alone.operators.graph if node.op.kind != "input"}
    found = {node.name for node in made.operators.graph if node.name.startswith("neck.")}
    assert found == expected
    assert [r.name for r in made.results] == [
        *(f"neck: {r.name}" for r in alone.results[:-1]),
        "lower",
    ]


def test_passes_of_a_node_come_after_those_of_the_topology(tmp_path: Path) -> None:
    nodes = (
        "  - {name: body, use: tiny}\n  - {name: neck, use: panet levels=3..4 channels=16,"
        " passes: [prune-single-input, repeat-cells count=n]}"
    )
    graph = compiled(tmp_path, nodes, "neck", "parameters: {n: 2}\n")
    scopes = [path for path in graph.scopes if path.startswith("neck.cells.")]
    assert {path.split(".")[2] for path in scopes} == {"0", "1"}


def test_a_shared_block_with_norms_of_its_own(tmp_path: Path) -> None:
    nodes = (
        "  - {name: body, use: tiny}\n  - {name: neck, use: bifpn levels=2..4 channels=16}\n"
        "  - {name: heads, use: conv-norm-act channels=4, share: levels, own: [norm]}"
    )
    graph = compiled(tmp_path, nodes, "heads")
    convs = [n for n in graph if isinstance(n.op, Conv) and n.name.startswith("heads.")]
    norms = [n for n in graph if isinstance(n.op, BatchNorm) and n.name.startswith("heads.")]
    assert {node.weights for node in convs} == {"heads.conv"}
    assert [node.weights for node in norms] == ["heads.norm.p2", "heads.norm.p3", "heads.norm.p4"]
    calls = [graph.scopes[f"heads.p{level}"] for level in (2, 3, 4)]
    assert [(call.module, call.key) for call in calls] == [
        ("heads", "p2"),
        ("heads", "p3"),
        ("heads", "p4"),
    ]
    assert parse_graph(print_graph(graph)) == graph


def test_without_share_every_level_has_weights(tmp_path: Path) -> None:
    nodes = "  - {name: body, use: tiny}\n  - {name: heads, use: conv channels=4}"
    graph = compiled(tmp_path, nodes, "heads")
    assert [graph[name].weights for name in graph.outputs.values()] == [
        "heads.p2",
        "heads.p3",
        "heads.p4",
    ]


def test_a_list_of_steps_stands_on_every_level(tmp_path: Path) -> None:
    nodes = (
        "  - {name: body, use: tiny}\n"
        "  - {name: same, use: conv channels=4}\n"
        "  - {name: smooth, use: [conv-norm-act channels=4, relu], share: levels, own: [norm]}"
    )
    graph = compiled(tmp_path, nodes, "smooth")
    scope = graph.scopes["smooth.p3"]
    assert (scope.block, scope.module, scope.key) == ("smooth", "smooth", "p3")
    assert graph["smooth.p3.use.0.conv"].weights == "smooth.use.0.conv"
    assert graph["smooth.p3.use.0.norm"].weights == "smooth.use.0.norm.p3"
    assert graph.outputs["p3"] == "smooth.p3.use.1"


def test_nodes_share_the_weights_of_a_topology(tmp_path: Path) -> None:
    nodes = (
        "  - {name: body, use: tiny}\n  - {name: first, use: bifpn levels=2..4 channels=16}\n"
        "  - {name: neck, use: bifpn levels=2..4 channels=16}\n"
        "  - {name: again, use: bifpn levels=2..4 channels=16, share: neck}"
    )
    graph = compiled(tmp_path, nodes, "again")
    convs = [node for node in graph if isinstance(node.op, Conv)]
    owned = {node.weights.partition(".")[0] for node in convs if node.name.startswith("again")}
    assert owned == {"neck"}


def test_weights_that_differ_are_not_shared(tmp_path: Path) -> None:
    nodes = (
        "  - {name: body, use: tiny}\n  - {name: neck, use: bifpn levels=2..4 channels=16}\n"
        "  - {name: again, use: bifpn levels=2..4 channels=16 fuse=sum, share: neck}\n"
        "  - {name: twice, use: bifpn levels=2..4 channels=12, share: neck}"
    )
    with pytest.raises(SpecError) as caught:
        whole(tmp_path, nodes, "twice")
    assert {found.code for found in caught.value.diagnostics} == {"E219"}


def test_pyramids_are_fused_level_by_level(tmp_path: Path) -> None:
    nodes = (
        "  - {name: body, use: tiny}\n  - {name: one, use: conv channels=4}\n"
        "  - {name: two, use: conv channels=4, from: body}\n"
        "  - {name: both, fuse: fast eps=0.1, from: [one, two]}"
    )
    graph = whole(tmp_path, nodes, "both").pyramid.graph
    fused = [node for node in graph if isinstance(node.op, Fuse)]
    assert [node.name for node in fused] == ["both.p2", "both.p3", "both.p4"]
    assert [edge.source for edge in graph.inputs("both.p3")] == ["one.p3", "two.p3"]


def test_named_inputs_of_a_block_and_of_a_topology(tmp_path: Path) -> None:
    nodes = (
        "  - {name: body, use: tiny}\n  - {name: gate, use: conv channels=1}\n"
        "  - {name: heads, use: weigh, from: {gate: gate, x: body}}\n"
        "  - {name: low, use: pair channels=16, from: {fine: heads, coarse: body}}"
    )
    graph = whole(tmp_path, nodes, "low").pyramid.graph
    assert [edge.source for edge in graph.inputs("heads.p2")] == ["body.p2", "gate.p2"]
    assert [edge.source for edge in graph.inputs("low.low")] == ["body.p3", "heads.p2"]


def test_settings_are_inherited_and_overridden(tmp_path: Path) -> None:
    """A backbone keeps its own activation, other parts have the model's, a node may differ."""
    nodes = (
        "  - {name: body, use: tiny}\n"
        "  - {name: neck, use: bifpn levels=2..4 channels=16}\n"
        "  - {name: heads, use: conv-norm-act channels=4, settings: {act: relu6}}"
    )
    graph = compiled(tmp_path, nodes, "heads", "settings: {act: hard-swish, init: lecun-normal}\n")
    functions = {
        (node.name.partition(".")[0], node.op.function)
        for node in graph
        if isinstance(node.op, Activation)
    }
    assert functions == {("body", "silu"), ("neck", "hard-swish"), ("heads", "relu6")}
    assert {node.op.init for node in graph if isinstance(node.op, Conv)} == {"lecun-normal"}


def test_a_variant_of_a_backbone_by_parameter(tmp_path: Path) -> None:
    nodes = "  - {name: body, use: <backbone>}"
    more = "parameters: {size: 1, backbone: {step: tiny width=8*<size>}}\n"
    graph = compiled(tmp_path, nodes, "body", more, size=2)
    assert graph.infer_types()[graph.outputs["p2"]].channels == 32
    graph = compiled(tmp_path, nodes, "body", more, backbone="tiny variant=wide")
    assert graph.infer_types()[graph.outputs["p2"]].channels == 24


def test_a_node_may_be_left_out(tmp_path: Path) -> None:
    nodes = (
        "  - {name: body, use: tiny}\n  - {name: more, use: conv channels=4, when: extra}\n"
        "  - {name: heads, use: conv channels=2, from: more else body}"
    )
    more = "parameters: {extra: false}\n"
    without = whole(tmp_path, nodes, "heads", more).pyramid.graph
    assert [edge.source for edge in without.inputs("heads.p2")] == ["body.p2"]
    along = whole(tmp_path, nodes, "heads", more, extra=True).pyramid.graph
    assert [edge.source for edge in along.inputs("heads.p2")] == ["more.p2"]


def test_channels_of_the_image(tmp_path: Path) -> None:
    graph = compiled(tmp_path, "  - {name: body, use: tiny}", "body", in_channels=4)
    assert graph.infer_types()["image"].channels == 4


def test_a_level_may_come_from_a_stride(tmp_path: Path) -> None:
    """What a block makes of every level stands where its stride leads."""
    nodes = (
        "  - {name: stem, use: conv-norm-act channels=8 kernel=3 stride=2}\n"
        "  - {name: body, use: conv channels=4}"
    )
    made = whole(tmp_path, nodes, "body")
    assert list(made.operators.graph.outputs) == ["p1"]
    assert isinstance(made.pyramid.graph["stem.p1"].op, Use)


# --- backbones on their own -----------------------------------------------------------------------


def test_a_backbone_stands_on_its_own(tmp_path: Path) -> None:
    """Its weights are named as in the spec, without the name of a node around it."""
    graph = compile_spec("resnet", variant="r18").operators.graph
    assert [node.name for node in graph.graph_inputs] == ["image"]
    assert "stage1.0.conv1.conv" in graph
    assert graph["stage1.0.conv1.conv"].weights == "stage1.0.conv1.conv"
    assert graph.scopes["stage1.0"].block == "residual-basic"
    assert list(graph.outputs) == ["p1", "p2", "p3", "p4", "p5"]
    assert parse_graph(print_graph(graph)) == graph


def test_a_backbone_may_need_what_only_a_model_gives(tmp_path: Path) -> None:
    path = tmp_path / "spec.yaml"
    path.write_text(
        "backbone: b\nparameters: {width: required}\nnodes:\n"
        "  - {name: stem, use: conv channels=width stride=2}\noutputs: {1: stem}\n",
        "utf-8",
    )
    assert check_spec(str(path)) == []


def test_levels_of_a_backbone_are_checked(tmp_path: Path) -> None:
    path = tmp_path / "spec.yaml"
    path.write_text(
        "backbone: b\nnodes:\n  - {name: stem, use: conv channels=8 stride=2}\noutputs: {2: stem}\n",
        "utf-8",
    )
    (found,) = check_spec(str(path))
    assert found.code == "E115"
