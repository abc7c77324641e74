from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archgraph.compiler import arguments_from_python, compile_spec
from archgraph.expressions import parse_step
from archgraph.ir import Edge, Graph, Node, Scope, Stage
from archgraph.ir.pyramid import Fuse, Input
from archgraph.render import EdgeKind, Layout, lay_out
from archgraph.render.layout import Frame, Place

SUM = parse_step("sum")


def layout_of(spec: str, **parameters: object) -> Layout:
    return lay_out(compile_spec(spec, arguments_from_python(parameters)).pyramid.graph)


def picture(layout: Layout) -> list[str]:
    """The grid as text: one line per level, `.` where nothing stands."""
    names = {place: name.removeprefix("cells.") for name, place in layout.places.items()}
    return [
        " ".join(names.get(Place(column, row), ".") for column in range(layout.columns))
        for row in range(len(layout.levels))
    ]


def pyramid(nodes: dict[str, tuple[int, list[str]]], scopes: dict[str, str] | None = None) -> Graph:
    """A graph from `name: (level, operands)`; nodes without operands are inputs."""
    scopes = scopes or {}
    graph = Graph("test", Stage.PYRAMID)
    for path in ["", *scopes.values()]:
        graph.scopes[path] = Scope(path, "test")
    for name, (level, operands) in nodes.items():
        op = Fuse(level, 8, SUM) if operands else Input(level, 8)
        edges = [Edge(operand, f"e{i}") for i, operand in enumerate(operands)]
        graph.add(Node(name, op, scopes.get(name, ""), name), edges)
    graph.set_outputs({"last": list(nodes)[-1]})
    return graph


def kinds(layout: Layout) -> dict[tuple[str, str], EdgeKind]:
    return {(link.source, link.target): link.kind for link in layout.links}


# --- the library ---------------------------------------------------------------------------


def test_a_stack_stands_above_its_image() -> None:
    nodes = {"image": (0, []), "b3": (3, ["image"]), "b4": (4, ["image"]), "n4": (4, ["b4", "b3"])}
    graph = pyramid(nodes, {"b3": "b", "b4": "b"})
    assert picture(lay_out(graph, [("b3", "b4")])) == ["b4 n4", "b3 .", "image ."]


def test_a_stack_that_reads_others_has_a_column_of_its_own() -> None:
    nodes = {"in3": (3, []), "a3": (3, ["in3"]), "b3": (3, ["a3"]), "b4": (4, ["a3"])}
    graph = pyramid(nodes, {"b3": "b", "b4": "b"})
    assert picture(lay_out(graph, [("b3", "b4")])) == [". . b4", "in3 a3 b3"]


def test_what_passes_a_whole_section_is_no_skip() -> None:
    nodes = {"in3": (3, []), "a3": (3, ["in3"]), "b3": (3, ["in3"]), "c3": (3, ["b3", "in3"])}
    graph = pyramid(nodes, {"a3": "a", "b3": "b", "c3": "b"})
    found = kinds(lay_out(graph))
    assert found["in3", "b3"] is EdgeKind.SAME_LEVEL
    assert found["in3", "c3"] is EdgeKind.SKIP


def test_bifpn_stands_as_in_the_paper() -> None:
    layout = layout_of("bifpn")
    assert layout.levels == (7, 6, 5, 4, 3)
    assert picture(layout) == [
        "in7 . 0.out7",
        "in6 0.td6 0.out6",
        "in5 0.td5 0.out5",
        "in4 0.td4 0.out4",
        "in3 . 0.td3",
    ]
    assert layout.places["cells.0.td5"] == Place(column=1, row=2)
    assert layout.places["cells.0.td3"] == Place(column=2, row=4)
    assert layout.frames == (Frame("cells.0", 1, 2),)
    assert layout.outputs[4] == [("p3", "cells.0.td3")]


def test_the_edges_of_bifpn_are_of_the_kinds_of_the_paper() -> None:
    found = kinds(layout_of("bifpn"))
    cell = "cells.0."
    assert found["in7", f"{cell}td6"] is EdgeKind.TOP_DOWN
    assert found[f"{cell}td4", f"{cell}td3"] is EdgeKind.TOP_DOWN
    assert found[f"{cell}td3", f"{cell}out4"] is EdgeKind.BOTTOM_UP
    assert found["in6", f"{cell}td6"] is EdgeKind.SAME_LEVEL
    assert found["in7", f"{cell}out7"] is EdgeKind.SAME_LEVEL  # passes over nothing
    skips = [pair for pair, kind in found.items() if kind is EdgeKind.SKIP]
    assert skips == [(f"in{level}", f"{cell}out{level}") for level in (4, 5, 6)]


def test_each_cell_takes_two_columns() -> None:
    layout = layout_of("bifpn", cells=3)
    assert layout.columns == 7
    assert layout.frames == tuple(Frame(f"cells.{i}", 2 * i + 1, 2 * i + 2) for i in range(3))
    assert picture(layout)[1] == "in6 0.td6 0.out6 1.td6 1.out6 2.td6 2.out6"
    assert picture(layout)[4] == "in3 . 0.td3 . 1.td3 . 2.td3"


@pytest.mark.parametrize(("low", "high"), [(3, 6), (3, 8), (2, 6), (2, 9), (3, 5)])
def test_bifpn_looks_the_same_on_any_levels(low: int, high: int) -> None:
    layout = layout_of("bifpn", levels=range(low, high + 1))
    inner = [f"in{level} 0.td{level} 0.out{level}" for level in range(high - 1, low, -1)]
    assert picture(layout) == [f"in{high} . 0.out{high}", *inner, f"in{low} . 0.td{low}"]


def test_two_levels_share_a_column() -> None:
    layout = layout_of("bifpn", levels="4..5", cells=2)
    assert picture(layout) == ["in5 0.out5 1.out5", "in4 0.td4 1.td4"]


def test_panet() -> None:
    rows = [f"in{level} td{level} out{level}" for level in (7, 6, 5, 4, 3)]
    assert picture(layout_of("panet")) == rows
    written = lay_out(compile_spec("bifpn").written.graph)
    assert picture(written) == rows


def test_fpn_has_its_results_in_one_column() -> None:
    assert picture(layout_of("fpn")) == [
        "in5 lat5 . p5",
        "in4 lat4 m4 p4",
        "in3 lat3 m3 p3",
        "in2 lat2 m2 p2",
    ]


def test_fpn_of_efficientdet_is_one_sweep() -> None:
    assert picture(layout_of("fpn-efficientdet")) == [f"in{i} td{i}" for i in (7, 6, 5, 4, 3)]


@pytest.mark.parametrize(
    ("spec", "row"), [("panet", "in3 td3 out3"), ("fpn", "in3 lat3 p3"), ("bifpn", "in3")]
)
def test_one_level(spec: str, row: str) -> None:
    assert picture(layout_of(spec, levels="3..3")) == [row]


# --- rules ---------------------------------------------------------------------------------


def test_an_edge_over_two_levels_may_stay_in_its_sweep() -> None:
    graph = pyramid(
        {
            **{f"in{level}": (level, []) for level in (6, 5, 4)},
            "a6": (6, ["in6"]),
            "a5": (5, ["in5", "a6"]),
            "a4": (4, ["in4", "a5", "a6"]),
        }
    )
    assert picture(lay_out(graph)) == ["in6 a6", "in5 a5", "in4 a4"]


def test_an_edge_leaves_its_sweep_where_a_node_stands_between() -> None:
    graph = pyramid({"in5": (5, []), "a5": (5, ["in5"]), "b4": (4, ["a5"]), "c3": (3, ["a5"])})
    assert picture(lay_out(graph)) == ["in5 a5 .", ". b4 .", ". . c3"]


def test_the_turn_of_two_sweeps_stands_in_the_second() -> None:
    nodes = {"in5": (5, []), "a5": (5, ["in5"]), "b4": (4, ["a5"]), "c5": (5, ["b4"])}
    assert picture(lay_out(pyramid(nodes))) == ["in5 a5 c5", ". . b4"]
    back = {"in5": (5, []), "a5": (5, ["in5"]), "b3": (3, ["a5"]), "c4": (4, ["b3"])}
    assert picture(lay_out(pyramid(back))) == ["in5 a5 .", ". . c4", ". . b3"]


def test_a_turn_stays_where_another_reader_would_not_follow_it() -> None:
    nodes = {"in5": (5, []), "a5": (5, ["in5"]), "b4": (4, ["a5"]), "c5": (5, ["b4"])}
    same_row = pyramid({**nodes, "d4": (4, ["b4"])})
    assert picture(lay_out(same_row)) == ["in5 a5 c5", ". b4 d4"]
    same_column = pyramid({**nodes, "e6": (6, ["b4"])})
    assert picture(lay_out(same_column)) == [". . e6", "in5 a5 c5", ". b4 ."]


def test_levels_without_nodes_have_no_row() -> None:
    layout = lay_out(pyramid({"in9": (9, []), "in2": (2, []), "a": (2, ["in9", "in2"])}))
    assert layout.levels == (9, 2)
    assert layout.places["a"] == Place(1, 1)


def test_two_inputs_of_one_level_stand_side_by_side() -> None:
    layout = lay_out(pyramid({"x": (3, []), "y": (3, []), "z": (4, []), "s": (4, ["z", "x", "y"])}))
    assert picture(layout) == ["z . s", "x y ."]


def test_an_operand_that_is_read_twice_is_two_edges() -> None:
    layout = lay_out(pyramid({"x": (3, []), "twice": (3, ["x", "x"])}))
    assert [link.kind for link in layout.links] == 2 * [EdgeKind.SAME_LEVEL]


def test_mixed_cells_have_no_frame() -> None:
    nodes = {"x": (3, []), "a": (3, ["x"]), "b": (4, ["x"]), "c": (3, ["a"]), "d": (4, ["b"])}
    scopes = {"a": "one", "c": "one", "b": "two", "d": "two"}
    ordered = lay_out(pyramid({k: nodes[k] for k in "xacbd"}, scopes))
    assert ordered.frames == (Frame("one", 1, 2), Frame("two", 3, 4))
    mixed = lay_out(pyramid({**nodes, "e": (3, ["d", "c"])}, {**scopes, "e": "one"}))
    assert [frame.path for frame in mixed.frames] == []


def test_graphs_of_operators_are_refused() -> None:
    with pytest.raises(ValueError, match="draw its pyramid"):
        lay_out(compile_spec("fpn").operators.graph)


def test_a_graph_without_nodes_has_a_layout() -> None:
    assert lay_out(Graph("empty", Stage.PYRAMID)).places == {}


# --- any graph -----------------------------------------------------------------------------


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    """Pyramids of any wiring: many inputs on a level, twins, nodes of cells in any order."""
    count = draw(st.integers(1, 5))
    levels = st.integers(2, 6)
    nodes: dict[str, tuple[int, list[str]]] = {f"in{i}": (draw(levels), []) for i in range(count)}
    scopes: dict[str, str] = {}
    for i in range(draw(st.integers(0, 25))):
        known = list(nodes)
        recent = st.sampled_from(known[-8:])
        nodes[f"n{i}"] = (draw(levels), draw(st.lists(recent, min_size=1, max_size=4)))
        scopes[f"n{i}"] = draw(st.sampled_from(["", "cells.0", "cells.1", "cells.0.inner"]))
    return pyramid(nodes, scopes)


@given(graphs())
def test_no_two_nodes_share_a_place_and_no_edge_goes_back(graph: Graph) -> None:
    layout = lay_out(graph)
    assert len(layout.places) == len(graph)
    assert len(set(layout.places.values())) == len(graph)
    assert {place.column for place in layout.places.values()} == set(range(layout.columns))
    assert len(layout.links) == sum(len(graph.inputs(node.name)) for node in graph)
    for link in layout.links:
        assert (link.start, link.end) == (layout.places[link.source], layout.places[link.target])
        assert link.start.column <= link.end.column
        assert link.start.column < link.end.column or link.start.row != link.end.row
        same = link.kind in (EdgeKind.SAME_LEVEL, EdgeKind.SKIP)
        assert same == (link.start.row == link.end.row)
    for frame in layout.frames:
        for node in graph:
            inside = frame.first <= layout.places[node.name].column <= frame.last
            assert inside == (node.scope == frame.path)
