"""One broken graph for each rule, with its message."""

from __future__ import annotations

import pytest

from archgraph.errors import Location, VerifyError
from archgraph.expressions import parse_step
from archgraph.ir import Edge, Graph, Node, Scope, Stage, verify
from archgraph.ir.op import Op
from archgraph.ir.ops import Activation, Add, Conv, Resize
from archgraph.ir.pyramid import Fuse, Input, Use

PLACE = Location("t.yaml", 7, 3)


def graph(stage: Stage = Stage.OPERATORS) -> Graph:
    """A valid graph with the inputs a (P3 x 8) and b (P4 x 8), and the output a."""
    found = Graph("g", stage)
    found.scopes[""] = Scope("", "g")
    found.add(Node("a", Input(3, 8), "", "a"))
    found.add(Node("b", Input(4, 8), "", "b"))
    found.set_outputs({"p3": "a"})
    return found


def put(found: Graph, name: str, op: Op, *sources: str, scope: str = "", weights: str = "") -> None:
    """Add a node at `PLACE` whose edges have the names of their sources."""
    edges = [Edge(source, source) for source in sources]
    found.add(Node(name, op, scope, weights or name, PLACE), edges)


def faults(found: Graph, after: str = "") -> list[str]:
    with pytest.raises(VerifyError) as caught:
        verify(found, after)
    assert {d.code for d in caught.value.diagnostics} == {"E401"}
    return [d.message.removeprefix("graph 'g': ") for d in caught.value.diagnostics]


def test_valid_graphs() -> None:
    for stage in Stage:
        verify(graph(stage))


@pytest.mark.parametrize("name", ["1a", "a b", "a..b", "a.", ".a", "a-b", "é", "", "a.1b"])
def test_names(name: str) -> None:
    found = graph()
    put(found, name, Activation("relu"), "a", weights="w")
    assert f"'{name}' is not the name of a node" in faults(found)


def test_names_with_numbers_between_dots() -> None:
    found = graph()
    put(found, "cells.0.td6.block.1", Activation("relu"), "a")
    verify(found)


def test_stage() -> None:
    found = graph(Stage.PYRAMID)
    put(found, "n", Activation("relu"), "a")
    assert faults(found) == ["'n' is a activation, which pyramid has not"]
    found = graph()
    put(found, "n", Fuse(3, 8, parse_step("sum")), "a")
    put(found, "m", Use(3, (parse_step("relu"),)), "a")
    assert faults(found)[:2] == [
        "'m' is a use, which operators has not",
        "'n' is a fuse, which operators has not",
    ]


@pytest.mark.parametrize(
    ("op", "sources", "message"),
    [
        (Activation("relu"), "", "'n' has 0 operands; activation takes 1"),
        (Activation("relu"), "a b", "'n' has 2 operands; activation takes 1"),
        (Resize(), "a", "'n' has 1 operands; resize takes 2"),
        (Add(), "", "'n' has 0 operands; add takes at least 1"),
        (Input(3, 8), "a", "'n' has 1 operands; input takes 0"),
    ],
)
def test_arity(op: Op, sources: str, message: str) -> None:
    found = graph()
    put(found, "n", op, *sources.split())
    assert faults(found) == [message]


def test_arity_of_fusions() -> None:
    found = graph(Stage.PYRAMID)
    put(found, "n", Fuse(3, 8, parse_step("sum")))
    assert faults(found) == ["'n' has 0 operands; fuse takes at least 1"]


def test_scope_of_a_node() -> None:
    found = graph()
    put(found, "n.m", Activation("relu"), "a", scope="n")
    assert faults(found) == ["'n.m' stands in scope 'n', which has no record"]
    found.scopes["n"] = Scope("n", "block")
    verify(found)


def test_scope_of_a_scope() -> None:
    found = graph()
    found.scopes["x.y.z"] = Scope("x.y.z", "block")
    assert faults(found) == ["scope 'x.y.z' stands in no scope"]
    # a list or mapping of a scope needs no record: cells.0, td5.inputs.in5
    found.scopes["x"] = Scope("x", "block")
    verify(found)
    found.scopes["cells.0"] = Scope("cells.0", "cell")
    verify(found)


def test_outputs() -> None:
    found = graph()
    found.set_outputs({})
    assert faults(found) == ["there are no outputs"]


def test_edge_names() -> None:
    found = graph(Stage.PYRAMID)
    fuse = Fuse(3, 8, parse_step("sum"))
    found.add(Node("n", fuse, "", "n"), [Edge("a", "e"), Edge("b", "e"), Edge("a", "f")])
    assert faults(found) == ["'n' has 2 edges named 'e'"]
    # at OPERATORS an edge's name says only how the source is called
    found = graph()
    found.add(Node("n", Add(), "", "n"), [Edge("a", "e"), Edge("a", "e")])
    verify(found)


@pytest.mark.parametrize("channels", [0, -3])
def test_channels(channels: int) -> None:
    found = graph(Stage.PYRAMID)
    put(found, "n", Fuse(3, channels, parse_step("sum")), "a")
    found.add(Node("c", Input(3, channels), "", "c"))
    assert faults(found) == [f"'c' has {channels} channels", f"'n' has {channels} channels"]


def test_shared_weights() -> None:
    found = graph()
    put(found, "n", Conv(8), "a", weights="w")
    put(found, "m", Conv(8), "a", weights="w")
    verify(found)
    put(found, "k", Conv(9), "a", weights="w")
    assert faults(found) == ["'k' shares the weights 'w' of another operation"]


def test_shared_weights_have_one_shape() -> None:
    """The same convolution on 8 and on 9 channels has no weights in common."""
    found = graph()
    found.add(Node("c", Input(3, 9), "", "c"))
    put(found, "n", Conv(8), "a", weights="w")
    put(found, "m", Conv(8), "c", weights="w")
    assert faults(found)


def test_cycles() -> None:
    found = graph()
    put(found, "n", Add(), "a")
    put(found, "m", Add(), "n")
    found.set_inputs("n", [Edge("m", "m")])
    assert faults(found) == ["graph 'g' has a cycle through 'n'"]


@pytest.mark.parametrize(
    ("op", "sources", "message"),
    [
        (Add(), "a b", "operands of different levels are added: P3, P4"),
        (Conv(8, groups=3), "a", "8 input channels do not divide into 3 groups"),
        (Conv(8, kernel=3, stride=3), "a", "stride 3 is not a power of two"),
    ],
)
def test_types(op: Op, sources: str, message: str) -> None:
    found = graph()
    put(found, "n", op, *sources.split())
    assert faults(found) == [message]


def test_all_faults_at_once_with_their_places() -> None:
    found = graph()
    put(found, "n", Activation("relu"), "a", "b")
    put(found, "m", Resize(), "a")
    found.set_outputs({})
    with pytest.raises(VerifyError) as caught:
        verify(found)
    assert [d.location for d in caught.value.diagnostics] == [None, PLACE, PLACE]


def test_the_pass_is_named() -> None:
    found = graph()
    found.set_outputs({})
    assert faults(found, after="prune-single-input") == [
        "there are no outputs (after pass 'prune-single-input')"
    ]


def test_the_graph_is_not_changed() -> None:
    found = graph()
    put(found, "n", Add(), "a")
    copy = found.copy()
    verify(found)
    assert found == copy
