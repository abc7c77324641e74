"""Graphs: edits that refuse, operands in order, one execution order, copies that stand alone."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from archgraph.errors import Location, VerifyError
from archgraph.expressions import parse_step
from archgraph.ir import Edge, EdgeSteps, FeatureType, Graph, Node, Scope, Settings, Stage
from archgraph.ir.ops import Activation, Add, Conv
from archgraph.ir.pyramid import Fuse, Input


def node(name: str, operation: str = "add") -> Node:
    op = (
        Input(3, 8) if operation == "input" else Add() if operation == "add" else Activation("relu")
    )
    return Node(name, op, "", name)


def diamond() -> Graph:
    """A graph `x -> a, b -> c`, output c."""
    graph = Graph("g", Stage.OPERATORS)
    graph.scopes[""] = Scope("", "g")
    graph.add(node("x", "input"))
    graph.add(node("a"), [Edge("x", "x")])
    graph.add(node("b"), [Edge("x", "x")])
    graph.add(node("c"), [Edge("a", "a"), Edge("b", "b")])
    graph.set_outputs({"p3": "c"})
    return graph


def names(graph: Graph) -> list[str]:
    return [node.name for node in graph.order()]


def refusal(error: pytest.ExceptionInfo[VerifyError]) -> str:
    (found,) = error.value.diagnostics
    assert found.code == "E401"
    return found.message


def test_reading() -> None:
    graph = diamond()
    assert len(graph) == 4
    assert "a" in graph
    assert "z" not in graph
    assert graph["a"].name == "a"
    assert [edge.source for edge in graph.inputs("c")] == ["a", "b"]
    assert graph.inputs("x") == ()
    assert graph.users("x") == [("a", 0), ("b", 0)]
    assert graph.users("b") == [("c", 1)]
    assert graph.outputs == {"p3": "c"}
    assert [n.name for n in graph.graph_inputs] == ["x"]
    assert graph.infer_types() == dict.fromkeys(["x", "a", "b", "c"], FeatureType(3, 8))


# --- edits that refuse ---------------------------------------------------------------------


def test_adding_a_name_twice() -> None:
    graph = diamond()
    with pytest.raises(VerifyError) as caught:
        graph.add(node("a"), [Edge("x", "x")])
    assert refusal(caught) == "graph 'g': 'a' is in the graph already"
    assert graph == diamond()


def test_adding_a_reader_of_nothing() -> None:
    graph = diamond()
    place = Location("t.yaml", 3, 4)
    with pytest.raises(VerifyError) as caught:
        graph.add(Node("d", Add(), "", "d", place), [Edge("a", "a"), Edge("z", "z")])
    assert refusal(caught) == "graph 'g': 'd' reads 'z', which is not there"
    assert caught.value.diagnostics[0].location == place
    assert graph == diamond()


def test_node_that_would_read_itself() -> None:
    graph = diamond()
    with pytest.raises(VerifyError):
        graph.add(node("d"), [Edge("d", "d")])
    assert "d" not in graph


def test_operands_that_are_not_there() -> None:
    graph = diamond()
    with pytest.raises(VerifyError) as caught:
        graph.set_inputs("c", [Edge("x", "x"), Edge("z", "z")])
    assert refusal(caught) == "graph 'g': 'c' reads 'z', which is not there"
    assert graph == diamond()


def test_outputs_that_are_not_there() -> None:
    graph = diamond()
    with pytest.raises(VerifyError) as caught:
        graph.set_outputs({"p3": "a", "p4": "z"})
    assert refusal(caught) == "graph 'g': output 'p4' reads 'z', which is not in the graph"
    assert graph == diamond()


@pytest.mark.parametrize(
    ("name", "readers"), [("x", "a, b"), ("a", "c"), ("c", "output 'p3'"), ("b", "c")]
)
def test_removing_what_is_read(name: str, readers: str) -> None:
    graph = diamond()
    with pytest.raises(VerifyError) as caught:
        graph.remove(name)
    assert refusal(caught) == f"graph 'g': '{name}' is still read by {readers}"
    assert graph == diamond()


def test_removing() -> None:
    graph = diamond()
    graph.set_inputs("c", [Edge("a", "a")])
    graph.remove("b")
    assert names(graph) == ["x", "a", "c"]
    assert graph.users("x") == [("a", 0)]


def test_graphs_cannot_be_hashed() -> None:
    with pytest.raises(TypeError):
        hash(diamond())
    assert diamond() != "g"


# --- operands ------------------------------------------------------------------------------


def test_a_value_twice() -> None:
    """`x + x` is two operands; so are parallel edges with steps of their own."""
    graph = diamond()
    first = Edge("x", "x")
    second = Edge("x", "again", EdgeSteps(project=(parse_step("relu"),)))
    graph.add(node("twice"), [first, Edge("a", "a"), second])
    assert graph.inputs("twice") == (first, Edge("a", "a"), second)
    assert graph.users("x") == [("a", 0), ("b", 0), ("twice", 0), ("twice", 2)]
    assert names(graph)[-1] == "twice"
    graph.set_inputs("twice", [first, first])
    assert graph.inputs("twice") == (first, first)
    assert graph.users("a") == [("c", 0)]


def test_users_stand_in_the_order_of_the_readers() -> None:
    """Also after an edit; the log of `prune-single-input` names readers in this order."""
    graph = diamond()
    graph.set_inputs("a", [Edge("x", "x"), Edge("x", "y")])
    assert graph.users("x") == [("a", 0), ("a", 1), ("b", 0)]


def test_more_than_nine_operands_stay_in_order() -> None:
    graph = diamond()
    sources = [f"n{i}" for i in range(25)]
    for name in sources:
        graph.add(node(name, "input"))
    random.Random(1).shuffle(sources)
    graph.add(node("sum"), [Edge(name, name) for name in sources])
    assert [edge.source for edge in graph.inputs("sum")] == sources


def test_another_operation() -> None:
    graph = diamond()
    graph.replace_op("c", Activation("silu"))
    assert graph["c"].op == Activation("silu")
    assert graph["c"].weights == "c"
    assert [edge.source for edge in graph.inputs("c")] == ["a", "b"]
    assert graph != diamond()


# --- order ---------------------------------------------------------------------------------


def test_order_is_that_of_insertion() -> None:
    graph = Graph("g", Stage.OPERATORS)
    for name in ("z", "y", "x"):
        graph.add(node(name, "input"))
    for name, source in (("m", "x"), ("a", "z"), ("k", "m")):
        graph.add(node(name), [Edge(source, source)])
    assert names(graph) == ["z", "y", "x", "m", "a", "k"]


def test_order_puts_operands_first() -> None:
    graph = diamond()
    graph.add(node("late", "input"))
    graph.set_inputs("a", [Edge("late", "late")])
    assert names(graph) == ["x", "b", "late", "a", "c"]
    assert [n.name for n in graph] == ["x", "a", "b", "c", "late"]


def test_cycles_have_no_order() -> None:
    graph = diamond()
    graph.set_inputs("a", [Edge("c", "c")])
    with pytest.raises(VerifyError) as caught:
        graph.order()
    assert refusal(caught) == "graph 'g' has a cycle through 'a'"


def test_long_chains_have_an_order() -> None:
    graph = Graph("g", Stage.OPERATORS)
    graph.add(node("n0", "input"))
    for i in range(1, 3000):
        graph.add(node(f"n{i}"), [Edge(f"n{i - 1}", "x")])
    assert names(graph) == [f"n{i}" for i in range(3000)]


# --- equality and copies -------------------------------------------------------------------


def test_copy_is_equal_and_stands_alone() -> None:
    graph = diamond()
    graph.scopes["inner"] = Scope("inner", "b")
    edits: list[Callable[[Graph], object]] = [
        lambda g: g.add(node("d"), [Edge("c", "c")]),
        lambda g: g.set_inputs("c", [Edge("b", "b"), Edge("a", "a")]),
        lambda g: g.set_outputs({"p3": "a"}),
        lambda g: g.replace_op("a", Activation("relu")),
        lambda g: g.scopes.pop("inner"),
        lambda g: setattr(g, "policy", EdgeSteps()),
        lambda g: g.inherited.update({"": Settings(bias=True)}),
    ]
    for edit in edits:
        copy = graph.copy()
        assert copy == graph
        edit(copy)
        assert copy != graph
        assert graph.copy() == graph
        assert "d" not in graph
        assert [edge.source for edge in graph.inputs("c")] == ["a", "b"]
        assert graph.outputs == {"p3": "c"}
        assert graph["a"].op == Add()
    # and the other way round
    copy = graph.copy()
    graph.replace_op("a", Activation("relu"))
    graph.set_outputs({})
    assert copy["a"].op == Add()
    assert copy.outputs == {"p3": "c"}


def test_order_counts_for_equality() -> None:
    one, other = Graph("g", Stage.PYRAMID), Graph("g", Stage.PYRAMID)
    inputs = [Node(name, Input(level, 8), "", name) for name, level in (("a", 3), ("b", 4))]
    for graph, nodes in ((one, inputs), (other, inputs[::-1])):
        for each in nodes:
            graph.add(each)
    assert one != other
    fuse = Node("n", Fuse(3, 8, parse_step("sum")), "", "n")
    for graph in (one, other):
        graph.add(fuse, [Edge("a", "a"), Edge("b", "b")])
    swapped = one.copy()
    swapped.set_inputs("n", [Edge("b", "b"), Edge("a", "a")])
    assert swapped != one


def test_outputs_given_out_are_no_door() -> None:
    graph = diamond()
    outputs = dict(graph.outputs)
    outputs["p4"] = "a"
    assert graph.outputs == {"p3": "c"}


def test_types_need_no_recursion() -> None:
    graph = Graph("g", Stage.OPERATORS)
    graph.add(node("n0", "input"))
    for i in range(1, 20):
        graph.add(Node(f"n{i}", Conv(8, 3, 2), "", f"n{i}"), [Edge(f"n{i - 1}", "x")])
    assert graph.infer_types()["n19"] == FeatureType(3 + 19, 8)
