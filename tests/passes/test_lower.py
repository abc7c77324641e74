"""What `lower` makes of nodes, edges, fusions and blocks: names, wiring, types."""

from __future__ import annotations

from pathlib import Path

import pytest

from archgraph.errors import Diagnostic, PassError, SpecError
from archgraph.ir import FeatureType, Graph, Stage, verify
from archgraph.ir.op import Op
from archgraph.ir.ops import Activation, Add, Affine, Conv, MaxPool, Resize, WeightedSum
from archgraph.passes import Lower, run_pass
from tests.passes.support import HEAD, compiled, compiled_text

OUT = "outputs: {3: a, 4: in4, 5: in5}\n"


def lowered(folder: Path, nodes: str, head: str = HEAD, /, **parameters: object) -> Graph:
    graph = compiled_text(folder, f"nodes:\n{nodes}", head, **parameters).operators.graph
    assert graph.stage is Stage.OPERATORS
    verify(graph)
    return graph


def operands(graph: Graph) -> dict[str, tuple[str, ...]]:
    return {
        node.name: tuple(edge.source for edge in graph.inputs(node.name))
        for node in graph
        if graph.inputs(node.name)
    }


def faults(folder: Path, nodes: str, head: str = HEAD) -> list[Diagnostic]:
    with pytest.raises(SpecError) as caught:
        compiled_text(folder, f"nodes:\n{nodes}", head)
    return list(caught.value.diagnostics)


def test_names_of_one_node() -> None:
    graph = compiled("bifpn", levels="3..5").operators.graph
    found = {
        name: read for name, read in operands(graph).items() if name.startswith("cells.0.td4.")
    }
    node = "cells.0.td4"
    assert found == {
        f"{node}.inputs.in5.up": ("in5", "in4"),
        f"{node}.fuse": ("in4", f"{node}.inputs.in5.up"),
        f"{node}.block.act": (f"{node}.fuse",),
        f"{node}.block.depthwise": (f"{node}.block.act",),
        f"{node}.block.pointwise": (f"{node}.block.depthwise",),
        f"{node}.block.norm": (f"{node}.block.pointwise",),
    }
    ops: dict[str, Op] = {name: graph[name].op for name in found}
    assert ops[f"{node}.inputs.in5.up"] == Resize("nearest")
    assert ops[f"{node}.fuse"] == WeightedSum("fast", 1e-4)
    assert ops[f"{node}.block.act"] == Activation("relu")
    assert ops[f"{node}.block.depthwise"] == Conv(64, kernel=3, groups=64, bias=False)
    assert ops[f"{node}.block.pointwise"] == Conv(64, bias=False)


def test_names_of_a_projected_edge() -> None:
    graph = compiled("panet", levels="3..4", in_channels=[40, 80]).operators.graph
    found = [name for name in operands(graph) if name.startswith(("td4.", "out4."))]
    block = ["block.act", "block.depthwise", "block.pointwise", "block.norm"]
    assert found == [
        "td4.inputs.in4.project.conv",
        "td4.inputs.in4.project.norm",
        "td4.fuse",
        *(f"td4.{part}" for part in block),
        "out4.inputs.out3.down",
        "out4.fuse",
        *(f"out4.{part}" for part in block),
    ]
    assert graph["out4.inputs.out3.down"].op == MaxPool(3, 2)


def test_laterals_stand_at_their_own_names() -> None:
    graph = compiled("fpn", levels="3..5", channels=8, in_channels=[2, 3, 4]).operators.graph
    assert operands(graph) == {
        "lat5": ("in5",),
        "lat4": ("in4",),
        "lat3": ("in3",),
        "m4.inputs.lat5.up": ("lat5", "lat4"),
        "m4.fuse": ("lat4", "m4.inputs.lat5.up"),
        "m3.inputs.m4.up": ("m4.fuse", "lat3"),
        "m3.fuse": ("lat3", "m3.inputs.m4.up"),
        "p5": ("lat5",),
        "p4": ("m4.fuse",),
        "p3": ("m3.fuse",),
    }
    assert graph.outputs == {"p3": "p3", "p4": "p4", "p5": "p5"}


def test_use_of_a_block_of_several_nodes(tmp_path: Path) -> None:
    graph = lowered(tmp_path, f"  - {{name: a, use: conv-norm channels=8, from: in3}}\n{OUT}")
    assert list(operands(graph)) == ["a.conv", "a.norm"]
    assert graph.outputs["p3"] == "a.norm"
    assert graph.scopes["a"].block == "conv-norm"


def test_chains_are_numbered(tmp_path: Path) -> None:
    head = HEAD.replace("block: none", "block: [relu, conv, batch-norm]")
    graph = lowered(tmp_path, f"  - {{name: a, level: 3, from: [in3, in4]}}\n{OUT}", head)
    blocks = [name for name in operands(graph) if ".block." in name]
    assert blocks == ["a.block.0", "a.block.1", "a.block.2"]


def test_weights_and_locations() -> None:
    compilation = compiled("bifpn", levels="3..5", cells=2, in_channels=[40, 112, 320])
    graph = compilation.operators.graph
    for node in graph:
        assert node.weights == node.name
        assert node.location is not None
    assert {scope for scope in graph.scopes if scope.count(".") == 2} >= {
        "cells.0.td4",
        "cells.1.out5",
    }


def test_types_of_all_nodes() -> None:
    graph = compiled(
        "bifpn", levels="3..4", channels=8, in_channels=[2, 3], cells=1
    ).operators.graph
    types = graph.infer_types()
    block = ("block.act", "block.depthwise", "block.pointwise", "block.norm")
    td3, out4 = "cells.0.td3", "cells.0.out4"
    assert types == {
        "in3": FeatureType(3, 2),
        "in4": FeatureType(4, 3),
        f"{td3}.inputs.in3.project.conv": FeatureType(3, 8),
        f"{td3}.inputs.in3.project.norm": FeatureType(3, 8),
        f"{td3}.inputs.in4.project.conv": FeatureType(4, 8),
        f"{td3}.inputs.in4.project.norm": FeatureType(4, 8),
        f"{td3}.inputs.in4.up": FeatureType(3, 8),
        f"{td3}.fuse": FeatureType(3, 8),
        **{f"{td3}.{part}": FeatureType(3, 8) for part in block},
        f"{out4}.inputs.in4.project.conv": FeatureType(4, 8),
        f"{out4}.inputs.in4.project.norm": FeatureType(4, 8),
        f"{out4}.inputs.td3.down": FeatureType(4, 8),
        f"{out4}.fuse": FeatureType(4, 8),
        **{f"{out4}.{part}": FeatureType(4, 8) for part in block},
    }


@pytest.mark.parametrize(
    ("fusion", "expected"),
    [
        ("sum", [("a.fuse", Add())]),
        ("average", [("a.fuse.sum", Add()), ("a.fuse.mean", Affine(1 / 3, 0.0))]),
        ("softmax", [("a.fuse", WeightedSum("softmax"))]),
        ("fast", [("a.fuse", WeightedSum("fast", 1e-4))]),
        ("fast eps=1e-3", [("a.fuse", WeightedSum("fast", 1e-3))]),
        ("unbounded", [("a.fuse", WeightedSum("none"))]),
        ("weighted-sum normalize=none", [("a.fuse", WeightedSum("none"))]),
    ],
)
def test_fusions(tmp_path: Path, fusion: str, expected: list[tuple[str, Op]]) -> None:
    head = HEAD.replace("fuse: sum", f"fuse: {fusion}")
    nodes = f"  - {{name: a, level: 3, from: [in3, {{name: b, from: in3}}, in4]}}\n{OUT}"
    graph = lowered(tmp_path, nodes, head)
    found = [(node.name, node.op) for node in graph if node.name.startswith("a.fuse")]
    assert found == expected
    assert operands(graph)[expected[0][0]] == ("in3", "in3", "a.inputs.in4.up")


@pytest.mark.parametrize(
    ("fusion", "code"),
    [("smu", "E109"), ("softmax normalize=fast", "E112"), ("sum eps=1", "E112"), ("conv", "E109")],
)
def test_fusions_that_are_none(tmp_path: Path, fusion: str, code: str) -> None:
    head = HEAD.replace("fuse: sum", f"fuse: {fusion}")
    nodes = f"  - {{name: a, level: 3, from: [in3, in4]}}\n{OUT}"
    found = faults(tmp_path, nodes, head)
    assert [d.code for d in found] == [code]
    assert found[0].location is not None
    assert found[0].location.line == 4


# --- the size an `up` takes ----------------------------------------------------------------


def test_up_measures_an_operand_of_the_same_node(tmp_path: Path) -> None:
    nodes = """\
  - {name: b, level: 3, from: in3}
  - {name: a, level: 3, from: [in4, in5, in3]}
  - {name: c, level: 3, from: [a, b]}
outputs: {3: c, 4: in4, 5: in5}
"""
    graph = lowered(tmp_path, nodes)
    assert operands(graph)["a.inputs.in4.up"] == ("in4", "in3")
    assert operands(graph)["a.inputs.in5.up"] == ("in5", "in3")


def test_up_measures_the_latest_value_of_the_level(tmp_path: Path) -> None:
    nodes = """\
  - {name: b, level: 3, from: in3}
  - {name: a, level: 3, from: in4}
  - {name: c, level: 3, from: [a, b]}
outputs: {3: c, 4: in4, 5: in5}
"""
    assert operands(lowered(tmp_path, nodes))["a.inputs.in4.up"] == ("in4", "b.fuse")


def test_up_measures_nothing_outside_of_its_cell(tmp_path: Path) -> None:
    """The second cell knows of the first what enters it: the outputs."""
    text = """\
passes: [repeat-cells count=2]
nodes:
  - {name: up4, level: 4, from: in5}
  - {name: x4, level: 4, from: [in4, up4]}
  - {name: y4, level: 4, from: [in4, x4]}
  - {name: out5, level: 5, from: [in5, y4]}
outputs: {3: in3, 4: x4, 5: out5}
"""
    graph = compiled_text(tmp_path, text).operators.graph
    assert operands(graph)["cells.0.up4.inputs.in5.up"] == ("in5", "in4")
    assert operands(graph)["cells.1.up4.inputs.in5.up"] == ("cells.0.out5.fuse", "cells.0.x4.fuse")


def test_up_to_a_level_that_nothing_has_yet(tmp_path: Path) -> None:
    nodes = "  - {name: a, level: 2, from: in3}\n  - {name: b, level: 3, from: [in3, a]}\n"
    (found,) = faults(tmp_path, nodes + "outputs: {3: b, 4: in4, 5: in5}\n")
    assert found.code == "E203"
    assert found.message == "nothing of level 2 exists yet whose size 'up' could take"
    assert found.location is not None
    assert (found.location.line, found.location.column) == (10, 31)


# --- what is left out, and mistakes --------------------------------------------------------


def test_dead_nodes_are_left_out_and_inputs_stay(tmp_path: Path) -> None:
    nodes = """\
  - {name: lost, level: 4, from: [in4, in5]}
  - {name: more, level: 4, from: lost}
  - {name: a, level: 3, from: in3}
outputs: {3: a, 4: in4, 5: in3}
"""
    nodes = nodes.replace("5: in3", "5: in5")
    graph = lowered(tmp_path, nodes)
    assert [node.name for node in graph] == ["in3", "in4", "in5", "a.fuse"]


def test_block_that_changes_the_type(tmp_path: Path) -> None:
    head = HEAD.replace("block: none", "block: conv channels=7")
    (found,) = faults(tmp_path, f"  - {{name: a, level: 3, from: in3}}\n{OUT}", head)
    assert found.code == "E214"
    assert found.message == "node 'a' is P3 x 64, but its block gives P3 x 7"
    assert found.location is not None
    assert (found.location.line, found.location.column) == (4, 28)


def test_one_mistake_has_no_followers(tmp_path: Path) -> None:
    nodes = """\
  - {name: b, level: 3, from: in3, block: conv channels=7}
  - {name: c, level: 3, from: [b, in4]}
  - {name: a, level: 3, from: [c, b], block: conv channels=5}
"""
    found = faults(tmp_path, nodes + OUT)
    assert [(d.code, d.location.line if d.location else 0) for d in found] == [
        ("E214", 10),
        ("E214", 12),
    ]


@pytest.mark.parametrize("use", ["conv channels=8", "conv-norm channels=8", "relu"])
def test_operands_that_a_block_does_not_take(tmp_path: Path, use: str) -> None:
    """Two values for one input: a mistake with a place, whatever is used."""
    nodes = f"  - {{name: a, use: {use}, from: [in3, {{name: b, from: in3}}]}}\n{OUT}"
    (found,) = faults(tmp_path, nodes)
    assert found.location is not None
    assert found.location.line == 10


def test_node_of_a_block_without_any_input(tmp_path: Path) -> None:
    head = HEAD.replace("block: none", "block: empty")
    nodes = f"""\
  - {{name: a, level: 3, from: in3}}
{OUT}---
block: empty
nodes:
  - {{name: never, when: false, use: relu}}
  - {{name: act, use: relu, from: maybe never}}
"""
    (found,) = faults(tmp_path, nodes, head)
    assert found.location is not None


def test_condition_of_an_inherited_step(tmp_path: Path) -> None:
    """A step that stands for `act` keeps its condition: there is nothing left of it here."""
    head = HEAD.replace("block: none", "block: act") + "settings: {act: {use: relu, when: false}}\n"
    graph = lowered(tmp_path, f"  - {{name: a, level: 3, from: in3}}\n{OUT}", head)
    assert not any(isinstance(node.op, Activation) for node in graph)


def test_wrong_stage() -> None:
    compilation = compiled("panet", levels="4..5")
    with pytest.raises(PassError) as caught:
        run_pass(Lower(), compilation.operators)
    (found,) = caught.value.diagnostics
    assert found.code == "E403"
    assert found.message == "pass 'lower' works at stage pyramid; the graph is at operators"
