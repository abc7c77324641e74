"""What `resolve-edges` writes on edges: policies, own steps, names, strides, mistakes."""

from __future__ import annotations

from pathlib import Path

import pytest

from archgraph.errors import Diagnostic, SpecError
from archgraph.ir import EdgeSteps, Graph, Model, parse_graph
from archgraph.passes import ResolveEdges
from tests.passes.support import HEAD, compiled, compiled_text, run, written

OUT = "outputs: {3: a, 4: in4, 5: in5}\n"


def chains(steps: EdgeSteps) -> dict[str, list[str]]:
    """The chains of an edge that are there, as text."""
    found: dict[str, list[str]] = {}
    for role in ("project", "up", "down"):
        chain = getattr(steps, role)
        if chain is not None:
            found[role] = [str(step) for step in chain]
    return found


def resolved(graph: Graph, node: str) -> dict[str, dict[str, list[str]]]:
    return {edge.name: chains(edge.steps) for edge in graph.inputs(node)}


def edge_of(
    folder: Path, entry: str, head: str = HEAD, **parameters: object
) -> dict[str, list[str]]:
    """The chains of the one edge of a node `a` on level 3."""
    nodes = f"nodes:\n  - {{name: a, level: 3, from: [{entry}]}}\n{OUT}"
    graph = compiled_text(folder, nodes, head, **parameters).pyramid.graph
    (found,) = resolved(graph, "a").values()
    return found


def faults(folder: Path, nodes: str, head: str = HEAD, **parameters: object) -> list[Diagnostic]:
    with pytest.raises(SpecError) as caught:
        compiled_text(folder, nodes, head, **parameters)
    return list(caught.value.diagnostics)


def test_projection_stands_before_resampling() -> None:
    graph = compiled("panet", levels="3..5", in_channels=[40, 112, 320]).pyramid.graph
    assert resolved(graph, "td5") == {"in5": {"project": ["conv-norm channels=64"]}}
    assert resolved(graph, "td4") == {
        "in4": {"project": ["conv-norm channels=64"]},
        "td5": {"up": ["resize mode=nearest"]},
    }
    assert resolved(graph, "out4") == {
        "td4": {},
        "out3": {"down": ["max-pool kernel=3 stride=2"]},
    }
    operators = compiled("bifpn", levels="3..5", in_channels=[40, 112, 320]).operators.graph
    prefix = "cells.0.td4.inputs.in5"
    (up,) = [n for n in operators if n.name == f"{prefix}.up"]
    assert operators.inputs(up.name)[0].source == f"{prefix}.project.norm"
    types = operators.infer_types()
    assert types[f"{prefix}.project.norm"].level == 5
    assert types[up.name].level == 4


def test_log_and_second_run() -> None:
    panet = written("panet", levels="3..4", in_channels=[64, 80])
    first, again = run(panet, ResolveEdges(), ResolveEdges())
    assert first.log == (
        "in4 -> td4: project conv-norm channels=64",
        "td4 -> td3: up resize mode=nearest",
        "out3 -> out4: down max-pool kernel=3 stride=2",
    )
    assert first.after.graph.policy is None
    assert again.rewrites == 0
    assert again.after.graph == first.after.graph


def test_equal_levels_and_widths_need_nothing() -> None:
    graph = compiled("fpn-efficientdet", levels="5..5").pyramid.graph
    assert resolved(graph, "td5") == {"in5": {}}


def test_what_an_edge_says_counts_before_the_policy(tmp_path: Path) -> None:
    assert edge_of(tmp_path, "in4") == {"up": ["resize mode=nearest"]}
    assert edge_of(tmp_path, "{from: in4, up: resize mode=bilinear}") == {
        "up": ["resize mode=bilinear"]
    }
    own = "{from: in4, project: conv kernel=1 bias=true}"
    assert edge_of(tmp_path, own) == {
        "project": ["conv channels=64 kernel=1 bias=true"],
        "up": ["resize mode=nearest"],
    }
    # one role written, the others still follow the policy
    assert edge_of(tmp_path, "{from: in4, up: resize mode=bilinear}", in_channels=[64, 8, 64]) == {
        "project": ["conv-norm channels=64"],
        "up": ["resize mode=bilinear"],
    }


def test_none_on_an_edge_means_nothing(tmp_path: Path) -> None:
    head = HEAD.replace("{use: conv-norm, when: x.channels != channels}", "conv-norm")
    assert edge_of(tmp_path, "in3", head) == {"project": ["conv-norm channels=64"]}
    assert edge_of(tmp_path, "{from: in3, project: none}", head) == {}


def test_resample_none_hands_the_value_on_as_it_is(tmp_path: Path) -> None:
    entries = "{x: {from: in4, resample: none}, like: in3}"
    nodes = f"nodes:\n  - {{name: a, level: 3, use: resize, from: {entries}}}\n{OUT}"
    result = compiled_text(tmp_path, nodes)
    assert resolved(result.pyramid.graph, "a") == {"x": {}, "like": {}}
    graph = result.operators.graph
    assert [edge.source for edge in graph.inputs("a")] == ["in4", "in3"]
    assert graph.infer_types()["a"].level == 3


def test_resample_none_still_projects(tmp_path: Path) -> None:
    entry = "{from: in3, resample: none}"
    found = edge_of(tmp_path, entry, in_channels=[8, 64, 64])
    assert found == {"project": ["conv-norm channels=64"]}


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ("max-pool kernel=scale+1 stride=scale", "max-pool kernel=9 stride=8"),
        ("max-pool kernel=distance stride=2**distance", "max-pool kernel=3 stride=8"),
        ("max-pool kernel=level stride=2**(level-x.level)", "max-pool kernel=6 stride=8"),
        ("conv kernel=3 stride=scale channels=x.channels", "conv kernel=3 stride=8 channels=64"),
        ("conv kernel=3 stride=scale", "conv channels=64 kernel=3 stride=8"),
        (
            "conv kernel=3 stride=scale groups=channels",
            "conv channels=64 kernel=3 stride=8 groups=64",
        ),
    ],
)
def test_names_of_policies(tmp_path: Path, policy: str, expected: str) -> None:
    head = HEAD.replace("max-pool kernel=3 stride=2", f"{policy} padding=same")
    nodes = "nodes:\n  - {name: a, level: 6, from: in3}\n"
    outputs = "outputs: {3: in3, 4: in4, 5: in5, 6: a}\n"
    graph = compiled_text(tmp_path, nodes + outputs, head, levels="3..6").pyramid.graph
    assert resolved(graph, "a") == {"in3": {"down": [f"{expected} padding=same"]}}


def test_channels_of_a_projection_come_first_unless_given(tmp_path: Path) -> None:
    wide = [8, 64, 64]
    given = "{from: in3, project: conv-norm kernel=3 channels=channels}"
    assert edge_of(tmp_path, given, in_channels=wide) == {
        "project": ["conv-norm kernel=3 channels=64"]
    }
    assert edge_of(tmp_path, "{from: in3, project: conv-norm kernel=3}", in_channels=wide) == {
        "project": ["conv-norm channels=64 kernel=3"]
    }


def test_conditions_are_decided_edge_by_edge(tmp_path: Path) -> None:
    head = HEAD.replace("x.channels != channels", "x.level > level")
    nodes = f"nodes:\n  - {{name: a, level: 3, from: [in3, in4, in5]}}\n{OUT}"
    graph = compiled_text(tmp_path, nodes, head).pyramid.graph
    assert resolved(graph, "a") == {
        "in3": {},
        "in4": {"project": ["conv-norm channels=64"], "up": ["resize mode=nearest"]},
        "in5": {"project": ["conv-norm channels=64"], "up": ["resize mode=nearest"]},
    }


def test_argument_that_chooses_by_the_source(tmp_path: Path) -> None:
    """An expression that stays open until here: blanks in it are part of it."""
    entry = (
        "{from: in3, project: {use: conv-norm,"
        ' with: {channels: "x.channels if x.channels > 64 else 64"}}}'
    )
    assert edge_of(tmp_path, entry) == {"project": ["conv-norm channels=64"]}


def test_table_read_by_the_level_of_the_node(tmp_path: Path) -> None:
    entry = '{from: in3, project: {use: conv-norm, with: {channels: "in_channels(level)"}}}'
    assert edge_of(tmp_path, entry) == {"project": ["conv-norm channels=64"]}


def test_use_nodes_are_not_projected(tmp_path: Path) -> None:
    nodes = f"nodes:\n  - {{name: a, use: relu, from: in3}}\n{OUT}"
    always = HEAD.replace("{use: conv-norm, when: x.channels != channels}", "conv-norm")
    for head in (HEAD, always):
        graph = compiled_text(tmp_path, nodes, head, in_channels=[8, 64, 64]).pyramid.graph
        assert resolved(graph, "a") == {"in3": {}}


@pytest.mark.parametrize(
    ("source", "expected"),
    [("in4", {}), ("in3", {"down": ["max-pool kernel=3 stride=2"]})],
)
def test_strided_use_nodes_change_the_level_themselves(
    tmp_path: Path, source: str, expected: dict[str, list[str]]
) -> None:
    nodes = f"""\
nodes:
  - {{name: a, level: 5, use: conv kernel=3 stride=2 channels=8, from: {source}}}
outputs: {{3: in3, 4: in4, 5: a}}
"""
    result = compiled_text(tmp_path, nodes)
    assert resolved(result.pyramid.graph, "a") == {source: expected}
    graph = result.operators.graph
    assert graph.infer_types()[graph.outputs["p5"]].level == 5


def test_use_nodes_of_a_finer_level_are_resized(tmp_path: Path) -> None:
    nodes = f"nodes:\n  - {{name: a, level: 3, use: relu, from: in4}}\n{OUT}"
    graph = compiled_text(tmp_path, nodes).pyramid.graph
    assert resolved(graph, "a") == {"in4": {"up": ["resize mode=nearest"]}}


# --- mistakes ------------------------------------------------------------------------------


def test_level_that_the_steps_do_not_reach(tmp_path: Path) -> None:
    nodes = "nodes:\n  - {name: a, level: 5, from: in3}\noutputs: {3: in3, 4: in4, 5: a}\n"
    (found,) = faults(tmp_path, nodes)
    assert found.code == "E202"
    assert found.message == (
        "'in3' is at level 3; node 'a' needs level 5, and 'down: max-pool kernel=3 stride=2'"
        " reaches level 4"
    )
    assert found.location is not None
    assert (found.location.line, found.location.column) == (10, 31)
    assert "stride=scale" in found.hint


def test_level_that_no_step_reaches(tmp_path: Path) -> None:
    head = HEAD.replace("    up: resize mode=nearest\n", "")
    nodes = f"nodes:\n  - {{name: a, level: 3, from: [in3, in4]}}\n{OUT}"
    (found,) = faults(tmp_path, nodes, head)
    assert found.code == "E202"
    assert found.message == (
        "'in4' is at level 4; node 'a' needs level 3, and the edge says nothing about 'up'"
    )
    assert found.location is not None
    assert (found.location.line, found.location.column) == (9, 37)


def test_channels_that_differ(tmp_path: Path) -> None:
    head = HEAD.replace("    project: {use: conv-norm, when: x.channels != channels}\n", "")
    nodes = f"nodes:\n  - {{name: a, level: 3, from: [in3, in4]}}\n{OUT}"
    (found,) = faults(tmp_path, nodes, head, in_channels=[64, 80, 64])
    assert found.code == "E210"
    assert found.message == ("channels differ under 'sum': node 'a' has 64, in3 has 64, in4 has 80")
    assert found.location is not None
    assert (found.location.line, found.location.column) == (9, 37)
    assert found.hint == (
        "add 'project: conv-norm' to the edge from 'in4', or set 'project' in defaults.edge"
    )


def test_every_mistake_is_reported(tmp_path: Path) -> None:
    nodes = """\
nodes:
  - {name: a, level: 5, from: in3}
  - {name: b, level: 5, from: [a, in3]}
outputs: {3: in3, 4: in4, 5: b}
"""
    assert [(d.code, d.location.line if d.location else 0) for d in faults(tmp_path, nodes)] == [
        ("E202", 10),
        ("E202", 11),
    ]


def test_resize_outside_of_up(tmp_path: Path) -> None:
    head = HEAD.replace("max-pool kernel=3 stride=2", "resize mode=nearest")
    nodes = "nodes:\n  - {name: a, level: 5, from: in4}\noutputs: {3: in3, 4: in4, 5: a}\n"
    (found,) = faults(tmp_path, nodes, head)
    assert found.code == "E203"
    assert found.location is not None
    assert (found.location.line, found.location.column) == (8, 11)


def test_graph_without_policy_is_left_alone() -> None:
    text = """\
graph g stage=pyramid
  scope <root> = g(in3, in4) -> (a)
  in3 = input {level=3, channels=8}
  in4 = input {level=4, channels=8}
  a = fuse(in3, in4 via {"up": ["resize mode=nearest"]}) {level=3, channels=8, fusion=sum}
  return p3=a
"""
    model = Model(parse_graph(text))
    (result,) = run(model, ResolveEdges())
    assert result.after.graph == model.graph
