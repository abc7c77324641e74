"""Named inputs, results, repetition and shared weights of the nodes of a topology."""

from __future__ import annotations

from pathlib import Path

import pytest

from archgraph.ir import Graph, parse_graph, print_graph
from archgraph.ir.pyramid import Fuse, Result, Use
from archgraph.passes import run_pass
from archgraph.passes.pyramid.prune_single_input import PruneSingleInput
from archgraph.passes.pyramid.repeat_cells import RepeatCells
from archgraph.passes.pyramid.types import PyramidTypes
from archgraph.render import draw_svg
from tests.assemble.necks import assembled, compiled
from tests.spec.written import DEFAULTS, HEAD, mistakes, told

BLOCKS = """---
block: gate
inputs: [gate, gated]
nodes:
  - {name: weight, use: conv channels=gated.channels, from: gate}
  - {name: total, use: add, from: [gated, weight]}
---
block: gather
inputs: [fine, coarse]
outputs: {large: total, small: pooled}
nodes:
  - {name: down, use: max-pool kernel=3 stride=2, from: fine}
  - {name: total, use: concat, from: [down, coarse]}
  - {name: pooled, use: conv channels=64 kernel=3 stride=2}
---
block: widest
inputs: [many x]
nodes:
  - {name: joined, use: concat, from: {for: i in 0..x.count-1, from: x<i>}}
"""


def neck(nodes: str, outputs: str = "{3: in3}", head: str = "") -> str:
    lines = "".join(f"  - {line}\n" for line in nodes.strip().splitlines())
    return f"{HEAD}{head}{DEFAULTS}nodes:\n{lines}outputs: {outputs}\n{BLOCKS}"


def read(graph: Graph, name: str) -> list[tuple[str, str]]:
    """The operands of a node: the name of each edge and what it reads."""
    return [(edge.name, edge.source) for edge in graph.inputs(name)]


# --- named inputs ----------------------------------------------------------------------------


def test_edges_are_called_like_the_inputs_they_are_for(tmp_path: Path) -> None:
    nodes = "{name: a, level: 4, use: gate, from: {gated: {from: in3, project: relu}, gate: maybe no else in5}}"
    found = compiled(tmp_path, neck(nodes, "{4: a}"))
    assert read(found.written.graph, "a") == [("gated", "in3"), ("gate", "in5")]
    graph = found.operators.graph
    assert "a.inputs.gated.project" in graph and "a.inputs.gate.up" in graph
    # by name, whatever the order in which they are written
    (edge,) = graph.inputs("a.use.weight")
    assert edge.source == "a.inputs.gate.up"


def test_an_input_keeps_its_size_if_it_is_asked_to(tmp_path: Path) -> None:
    nodes = "{name: a, level: 3, use: resize, from: {x: {from: in5, resample: none}, like: in3}}"
    graph = compiled(tmp_path, neck(nodes, "{3: a}")).operators.graph
    assert [edge.source for edge in graph.inputs("a")] == ["in5", "in3"]


def test_the_inputs_of_a_strided_block_are_brought_below_its_level(tmp_path: Path) -> None:
    nodes = "{name: a, level: 4, use: conv channels=8 kernel=3 stride=2, from: in5}"
    graph = compiled(tmp_path, neck(nodes, "{4: a}")).operators.graph
    assert [edge.source for edge in graph.inputs("a.inputs.in5.up")] == ["in5", "in3"]


def test_a_pruned_node_takes_no_input_name_with_it(tmp_path: Path) -> None:
    nodes = """{name: gate, level: 4, from: in4}
{name: other, level: 4, from: in4}
{name: a, level: 4, use: gate, from: {gate: gate, gated: other}}"""
    model = assembled(tmp_path, neck(nodes, "{4: a}"))
    result = run_pass(PruneSingleInput(), model)
    assert read(result.after.graph, "a") == [("gate", "in4"), ("gated", "in4")]


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        (
            "use: gate, from: {gate: in3, gatd: in4}",
            "E112 7:54 'gate' has no input 'gatd'",
        ),
        ("use: gate, from: {gate: in3}", "E215 7:36 'gate' reads 'gated', which is not given"),
        ("use: gate, from: in3", "E215 7:36 'gate' reads 'gated', which is not given"),
        ("use: gate, from: [in3, in4]", "E215 7:36 'gate' has 2 inputs that differ"),
        ("use: add, from: {x: in3}", "E215 7:35 'add' takes any number of inputs, which have no"),
        ("use: relu, from: {gate: in3}", "E112 7:43 'relu' has no input 'gate'"),
        (
            "use: gate, from: {gate: in3, gated: {name: b, from: in3}}",
            "E119 7:62 'name' cannot stand here: the edge is called 'gated', like the input",
        ),
        (
            "use: gate, from: {gate: in3, gated: {for: i in 1..2, from: in3}}",
            "E119 7:62 'for' cannot stand here: an input of a block reads one value",
        ),
        (
            "fuse: sum, from: {gate: in3, gated: in4}",
            "E119 7:42 node 'a' fuses any number of inputs, so they have no names of their own",
        ),
        (
            "fuse: sum, from: {up: resize, form: in4}",
            "E106 7:42 node 'a' has an edge that does not say what it reads",
        ),
        ("use: gate, from: {gate: inn3, gated: in4}", "E102 7:49 node 'a' reads 'inn3', which"),
        ("use: gate, from: {gate: [in3], gated: in4}", "E107 7:49 'gate' is a list; expected"),
    ],
)
def test_mistakes_in_named_inputs(node: str, expected: str, tmp_path: Path) -> None:
    found = told(mistakes(tmp_path, neck(f"{{name: a, level: 4, {node}}}", "{4: a}")))
    errors = [line for line in found if line.startswith("E")]
    assert len(errors) == 1 and errors[0].startswith(expected), found


# --- results ---------------------------------------------------------------------------------

GATHER = """{name: all, use: gather, from: {fine: in3, coarse: {from: in4, project: conv channels=32}}}
{name: p4, level: 4, fuse: widest, from: [all.large, {from: all.small, project: relu}, in4]}"""


def test_a_node_for_every_result_that_is_read(tmp_path: Path) -> None:
    graph = assembled(tmp_path, neck(GATHER, "{4: p4, 5: all.small}")).graph
    assert [node.name for node in graph][3:] == ["all", "all.large", "all.small", "p4"]
    op = graph["all"].op
    assert isinstance(op, Use) and op.results == ("large", "small") and op.level == 3
    assert isinstance(graph["all.small"].op, Result)
    assert read(graph, "p4") == [
        ("all_large", "all.large"),
        ("all_small", "all.small"),
        ("in4", "in4"),
    ]
    assert parse_graph(print_graph(graph)) == graph
    graph = assembled(tmp_path, neck(GATHER.splitlines()[0], "{5: all.small}")).graph
    assert "all.large" not in graph


def test_types_of_results_follow_from_the_block(tmp_path: Path) -> None:
    found = compiled(tmp_path, neck(GATHER, "{4: p4, 5: all.small}"))
    types = PyramidTypes(found.written)
    assert str(types["all.large"]) == "P4 x 96"
    assert str(types["all.small"]) == "P5 x 64"
    assert str(types["p4"]) == "P4 x 224"
    lowered = found.operators.graph
    assert lowered.outputs == {"p4": "p4.fuse.joined", "p5": "all.use.pooled"}
    assert [edge.source for edge in lowered.inputs("p4.inputs.all_small.up")] == [
        "p4.inputs.all_small.project",
        "all.use.total",
    ]


def test_results_go_through_every_pass(tmp_path: Path) -> None:
    nodes = """{for: l in lo..hi, name: t<l>, from: in<l>}
{name: all, use: gather, from: {fine: t3, coarse: t4}}
{name: a, level: 5, from: [all.small]}
{name: p5, level: 5, from: [a, t5]}"""
    more = "passes: [prune-single-input, add-same-level-skips, repeat-cells count=2]\n"
    text = neck(nodes, "{3: t3, 4: t4, 5: p5}").replace(
        "---\nblock: gate", f"{more}---\nblock: gate"
    )
    graph = compiled(tmp_path, text).pyramid.graph
    assert read(graph, "cells.1.all") == [("fine", "in3"), ("coarse", "in4")]
    assert read(graph, "cells.1.p5") == [("all_small", "cells.1.all.small"), ("in5", "cells.0.p5")]


def test_a_result_may_be_the_output_of_a_cell(tmp_path: Path) -> None:
    text = neck(GATHER, "{3: in3, 4: p4, 5: all.small}")
    text = text.replace("fuse: widest,", "block: conv,").replace(
        "{from: all.small, project: relu}", "in4"
    )
    text = text.replace(
        "from: [all.large, in4, in4]", "from: [{from: all.large, project: conv channels=64}, in4]"
    )
    model = assembled(tmp_path, text)
    graph = run_pass(RepeatCells(2), model).after.graph
    assert graph.outputs["p5"] == "cells.1.all.small"
    names = [edge.name for edge in graph.inputs("cells.1.all")]
    assert names == ["fine", "coarse"]


def test_a_part_of_a_split_is_a_result(tmp_path: Path) -> None:
    nodes = "{name: parts, use: split kept=24 deep=40, from: in3}"
    found = compiled(tmp_path, neck(nodes, "{3: parts.deep}"))
    types = found.operators.graph.infer_types()
    assert [str(types[name]) for name in found.operators.graph.outputs.values()] == ["P3 x 40"]


def test_a_figure_shows_a_node_with_results_once(tmp_path: Path) -> None:
    graph = assembled(tmp_path, neck(GATHER, "{4: p4, 5: all.small}")).graph
    figure = draw_svg(graph)
    assert "all.small" not in figure.replace("all.small</title>", "")
    assert print_graph(graph) == print_graph(
        assembled(tmp_path, neck(GATHER, "{4: p4, 5: all.small}")).graph
    )


@pytest.mark.parametrize(
    ("nodes", "outputs", "expected"),
    [
        (
            "{name: all, use: gather, from: {fine: in3, coarse: in4}}\n{name: p, level: 4, from: all}",
            "{4: p}",
            "E220 8:31 'all' has the results large, small; say which",
        ),
        (
            "{name: all, use: gather, from: {fine: in3, coarse: in4}}\n"
            "{name: p, level: 4, from: all.larg}",
            "{4: p}",
            "E102 8:31 node 'p' reads 'all.larg', but 'all' has no result 'larg'",
        ),
        (
            "{name: p, level: 4, from: in4.large}",
            "{4: p}",
            "E102 7:31 node 'p' reads 'in4.large', but 'in4' has one result",
        ),
        (
            "{name: p, level: 4, from: in4}",
            "{4: p.x}",
            "E102 8:14 an output is 'p.x', but 'p' has one result",
        ),
        (
            "{name: all, use: gather, from: {fine: in3, coarse: in4}}\n{name: p, from: all.large}",
            "{4: p}",
            "E201 8:12 the level of node 'p' is not known: that of 'all.large' follows from its",
        ),
        (
            "{name: all, use: gather, from: {fine: in3, coarse: in4}}\n"
            "{name: p, use: relu, from: all.large}",
            "{4: p}",
            "E201 8:12 the level of node 'p' is not known: that of 'all.large' follows from its",
        ),
        (
            "{name: all, use: gather, from: {fine: in3, coarse: in4}}",
            "{3: all.small}",
            "E115 7:12 output 'p3' is 'all.small', which is at level 5",
        ),
        (
            "{name: all, use: gather, from: {fine: in3, coarse: {from: in4, up: resize}}}",
            "{5: all.small}",
            "E119 7:68 'all' has several results and takes its inputs as they are",
        ),
        (
            "{name: all, use: gather, from: {fine: in3, coarse: in4}, block: relu}",
            "{5: all.small}",
            "E119 7:62 'gather' has several results, and stands beside other steps",
        ),
        (
            "{name: all, use: gather, from: {fine: in3, coarse: in5}}",
            "{5: all.small}",
            "E211 7:12 operands of different levels",
        ),
        (
            "{name: a, use: add, from: [in3, in4]}\n{name: b, from: a}",
            "{3: b}",
            "E201 7:12 the level of node 'a' is not known: its inputs differ",
        ),
    ],
)
def test_mistakes_with_results(nodes: str, outputs: str, expected: str, tmp_path: Path) -> None:
    found = told(mistakes(tmp_path, neck(nodes, outputs)))
    errors = [line for line in found if line.startswith("E")]
    assert len(errors) == 1 and errors[0].startswith(expected), found


# --- repetition ------------------------------------------------------------------------------


def test_a_use_node_repeats_its_step(tmp_path: Path) -> None:
    nodes = "{for: l in 3..4, name: a<l>, use: conv channels=8, repeat: l - 2, first: {kernel: l}, from: in<l>}"
    text = neck(nodes.replace("kernel: l", "kernel: 2*l-3"), "a<l> else in<l>")
    graph = compiled(tmp_path, text).operators.graph
    names = [node.name for node in graph if node.name.startswith("a")]
    assert names == ["a3.0", "a4.0", "a4.1"]
    kernels = [getattr(graph[name].op, "kernel", 0) for name in names]
    assert kernels == [3, 5, 1]


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        ("use: [conv channels=8, relu], repeat: 2", "E119 7:66 'repeat' has nothing to act on"),
        ("use: conv channels=8, first: {kernel: 3}", "E119 7:58 'first' has nothing to act on"),
        ("use: conv channels=8, repeat: 2, first: {krnel: 3}", "E112 7:77 'conv' has no argument"),
        ("use: conv channels=8, repeat: z", "E302 7:66 unknown name 'z'"),
        ("use: conv channels=8, repeat: 1.5", "E113 7:66 'repeat' is 1.5; expected a whole"),
        ("fuse: sum, repeat: 2", "E119 7:47 'repeat' has nothing to act on here"),
        ("fuse: {use: sum, repeat: 2}", "E119 7:61 a fusion has no 'repeat'"),
        ("fuse: {use: sum, share: s}", "E119 7:48 a fusion has no 'share'"),
    ],
)
def test_mistakes_in_repetition(node: str, expected: str, tmp_path: Path) -> None:
    found = told(mistakes(tmp_path, neck(f"{{name: a, from: in3, level: 3, {node}}}", "{3: a}")))
    errors = [line for line in found if line.startswith("E")]
    assert len(errors) == 1 and errors[0].startswith(expected), found


# --- shared weights --------------------------------------------------------------------------


def weights(graph: Graph, part: str) -> list[str]:
    return sorted({node.weights for node in graph if part in node.name})


def test_nodes_share_weights_by_name(tmp_path: Path) -> None:
    nodes = "{for: l in lo..hi, name: a<l>, use: conv-norm channels=8, share: 'head<l // 4>', from: in<l>}"
    graph = compiled(tmp_path, neck(nodes, "a<l>")).operators.graph
    assert weights(graph, "conv") == ["head0.conv", "head1.conv"]
    assert graph["a4.conv"].weights == graph["a5.conv"].weights


def test_cells_have_shared_weights_of_their_own(tmp_path: Path) -> None:
    nodes = "{for: l in lo..hi, name: a<l>, use: conv-norm channels=64, share: head, from: in<l>}"
    text = neck(nodes, "a<l>").replace(
        "---\nblock: gate", "passes: [repeat-cells count=2]\n---\nblock: gate"
    )
    graph = compiled(tmp_path, text).operators.graph
    assert weights(graph, "conv") == ["cells.0.head.conv", "cells.1.head.conv"]


def test_edges_share_weights_by_name(tmp_path: Path) -> None:
    policy = "project: {use: conv-norm, share: side<level>}, up: resize"
    nodes = "{for: l in lo..hi, name: a<l>, from: in<l>}\n{for: l in lo..hi, name: b<l>, from: [in<l>, a<l>]}"
    text = neck(nodes, "b<l>").replace("up: resize", policy)
    graph = compiled(tmp_path, text).operators.graph
    assert weights(graph, "conv") == ["side3.conv", "side4.conv", "side5.conv"]


@pytest.mark.parametrize(
    ("nodes", "code"),
    [
        (
            "{name: a, use: conv-norm channels=8, from: in3, share: s}\n"
            "{name: b, use: conv-norm-act channels=8, from: a, share: s}",
            "E219",
        ),
        (
            "{name: a, use: conv channels=8, from: in3, share: s}\n"
            "{name: b, use: conv channels=8, from: a, share: s}",
            "E219",
        ),
        ("{name: b, use: conv channels=8, from: in3, share: 5}", "E107"),
        ("{name: b, use: conv channels=8, from: in3, share: a-b}", "E105"),
        ("{name: b, use: conv channels=8, from: in3, share: a.b}", "E105"),
        ("{name: b, use: conv channels=8, from: in3, share: s<z>}", "E302"),
        ("{name: b, level: 3, from: {from: in3, project: {use: conv, share: a b}}}", "E105"),
        ("{name: b, level: 3, from: {from: in3, project: {use: conv, share: x<z>}}}", "E302"),
        ("{name: b, level: 3, from: {from: in3, project: {use: conv, share: 1<level>}}}", "E105"),
    ],
)
def test_mistakes_in_sharing(nodes: str, code: str, tmp_path: Path) -> None:
    found = mistakes(tmp_path, neck(nodes, "{3: b}"))
    assert [d.code for d in found if d.code.startswith("E")] == [code]


# --- fusions ---------------------------------------------------------------------------------


def test_a_block_of_many_values_is_a_fusion(tmp_path: Path) -> None:
    nodes = "{name: a, level: 4, fuse: widest, from: [in3, in4, in5], block: none}"
    found = compiled(tmp_path, neck(nodes, "{4: a}"))
    op = found.written.graph["a"].op
    assert isinstance(op, Fuse) and op.fusion.use == "widest"
    assert str(PyramidTypes(found.written)["a"]) == "P4 x 192"
    assert found.operators.graph.outputs == {"p4": "a.fuse.joined"}


def test_a_block_after_it_makes_the_channels(tmp_path: Path) -> None:
    nodes = "{name: a, level: 4, fuse: concat, from: [in3, in4], block: conv-norm}"
    found = compiled(tmp_path, neck(nodes, "{4: a}"))
    assert str(PyramidTypes(found.written)["a"]) == "P4 x 64"


def test_what_is_concatenated_twice_stays_twice(tmp_path: Path) -> None:
    nodes = "{name: a, level: 4, from: in4}\n{name: b, level: 4, fuse: concat, from: [a, in4]}"
    model = assembled(tmp_path, neck(nodes, "{4: b}"))
    result = run_pass(PruneSingleInput(), model)
    assert read(result.after.graph, "b") == [("a", "in4"), ("in4", "in4")]


def test_a_node_whose_removal_would_widen_a_concatenation_is_kept(tmp_path: Path) -> None:
    head = "inputs: [{name: in3, level: 3}, {name: in4, level: 4}]\n"
    nodes = """{name: a, level: 4, from: {from: in4}, fuse: widest, block: conv-norm channels=8}
{name: b, level: 4, fuse: concat, from: [a, in4], block: none}"""
    model = assembled(tmp_path, neck(nodes, "{4: b}", head))
    result = run_pass(PruneSingleInput(), model)
    assert result.kept == ("a kept (b would read 64 channels instead of 8)",)
