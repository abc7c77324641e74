"""What becomes of edges when `prune-single-input` removes a node: topologies.md 1.5."""

from __future__ import annotations

from pathlib import Path

from archgraph.passes.pyramid.prune_single_input import PruneSingleInput
from tests.passes.support import after, cell, compiled, edge_names, pruned_text, pyramid, written


def test_parallel_edges_that_have_nothing_to_do_with_it_stay(tmp_path: Path) -> None:
    """`in4` is read twice on purpose: pruning `td5` is no reason to drop one of the two."""
    nodes = """\
  - {name: td5, level: 5, from: in5}
  - {name: td4, level: 4, from: [{name: a, from: in4}, {name: b, from: in4}, td5]}
outputs: {3: in3, 4: td4, 5: in5}
"""
    graph = pruned_text(tmp_path, nodes).after.graph
    assert cell(graph) == {"td4": (4, ("in4", "in4", "in5"))}
    assert edge_names(graph, "td4") == ("a", "b", "in5")


def test_use_nodes_keep_every_operand(tmp_path: Path) -> None:
    """The operands of a `use` node are fixed: `add` of a value and itself is twice the value."""
    nodes = """\
  - {name: td5, level: 5, from: in5}
  - {name: twice, use: add, from: [in5, td5]}
outputs: {3: in3, 4: in4, 5: twice}
"""
    graph = pruned_text(tmp_path, nodes).after.graph
    assert cell(graph) == {"twice": (5, ("in5", "in5"))}


def test_the_first_of_two_equal_operands_is_kept() -> None:
    graph = after(
        pyramid("""
            inputs: in5:5 in6:6
            a | 5 | in5
            b | 5 | a, in6, in5
            outputs: 5=b 6=in6
        """),
        PruneSingleInput(),
    )
    assert cell(graph) == {"b": (5, ("in5", "in6"))}
    assert edge_names(graph, "b") == ("in5", "in6")


def test_moved_edges_take_the_name_of_what_they_read_now() -> None:
    graph = after(written("panet", levels="3..7"), PruneSingleInput())
    assert edge_names(graph, "td6") == ("in6", "in7")
    assert edge_names(graph, "out7") == ("in7", "out6")
    assert edge_names(graph, "out4") == ("td4", "td3")


def test_given_edge_names_stay(tmp_path: Path) -> None:
    nodes = """\
  - {name: td5, level: 5, from: {name: top, from: in5}}
  - {name: td4, level: 4, from: [in4, {name: coarse, from: td5}]}
  - {name: td3, level: 3, from: [in3, td4, td5]}
outputs: {3: td3, 4: td4, 5: in5}
"""
    graph = pruned_text(tmp_path, nodes).after.graph
    assert cell(graph)["td4"] == (4, ("in4", "in5"))
    assert edge_names(graph, "td4") == ("in4", "coarse")
    # what was named after the node takes the name under which the node read its input
    assert edge_names(graph, "td3") == ("in3", "td4", "top")


def test_a_name_that_is_taken_is_not_taken_twice(tmp_path: Path) -> None:
    nodes = """\
  - {name: td5, level: 5, from: in5}
  - {name: td4, level: 4, from: [{name: in5, from: in4}, td5]}
outputs: {3: in3, 4: td4, 5: in5}
"""
    graph = pruned_text(tmp_path, nodes).after.graph
    assert cell(graph)["td4"] == (4, ("in4", "in5"))
    assert edge_names(graph, "td4") == ("in5", "td5")


def test_moved_edges_keep_their_own_steps(tmp_path: Path) -> None:
    nodes = """\
  - {name: td5, level: 5, from: in5}
  - {name: td4, level: 4, from: [in4, {from: td5, up: resize mode=bilinear}]}
  - {name: td3, level: 3, from: [in3, {from: td5, project: none}, td4]}
outputs: {3: td3, 4: td4, 5: in5}
"""
    graph = pruned_text(tmp_path, nodes).after.graph
    (_, moved) = graph.inputs("td4")
    assert moved.source == "in5"
    assert moved.steps.up is not None
    assert [step.text for step in moved.steps.up] == ["resize mode=bilinear"]
    assert graph.inputs("td3")[1].steps.project == ()


def test_the_same_value_read_in_two_ways_stays_two_operands(tmp_path: Path) -> None:
    nodes = """\
  - {name: td5, level: 5, from: in5}
  - {name: td4, level: 4, from: [in5, {from: td5, up: resize mode=bilinear}]}
outputs: {3: in3, 4: td4, 5: in5}
"""
    graph = pruned_text(tmp_path, nodes).after.graph
    assert cell(graph)["td4"] == (4, ("in5", "in5"))
    assert edge_names(graph, "td4") == ("in5", "td5")


def test_edge_with_steps_of_its_own_keeps_the_node(tmp_path: Path) -> None:
    """Item 8: a parameterised edge is neither dropped nor copied to every reader."""
    nodes = """\
  - {name: td5, level: 5, from: {from: in5, project: conv-norm}}
  - {name: td4, level: 4, from: [in4, td5]}
outputs: {3: in3, 4: td4, 5: td5}
"""
    result = pruned_text(tmp_path, nodes)
    assert result.log == ()
    assert result.kept == ("td5 kept (its edge from in5 carries steps of its own)",)


def test_every_moved_edge_gets_its_own_projection() -> None:
    """Item 8: each edge owns its projection; from the second cell on there is none."""
    graph = compiled("bifpn", levels="3..5", cells=2, in_channels=[40, 112, 320]).operators.graph
    projections = [node.name for node in graph if node.name.endswith(".project.conv")]
    assert projections == [
        "cells.0.td4.inputs.in4.project.conv",
        "cells.0.td4.inputs.in5.project.conv",
        "cells.0.td3.inputs.in3.project.conv",
        "cells.0.out4.inputs.in4.project.conv",
        "cells.0.out5.inputs.in5.project.conv",
    ]
    reads = [graph.inputs(name)[0].source for name in projections]
    assert reads == ["in4", "in5", "in3", "in4", "in5"]
