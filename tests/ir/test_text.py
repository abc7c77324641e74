"""The text form: printed and parsed without loss, and placed errors for what is no text form."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from archgraph.compiler import Compilation, arguments_from_python, compile_spec
from archgraph.errors import TextError
from archgraph.expressions import parse_expression, parse_step
from archgraph.ir import Edge, Graph, Node, Scope, Settings, Stage, parse_graph, print_graph
from archgraph.ir.pyramid import Fuse, Input
from tests.ir.strategies import operators, pyramids

GOLDEN = """\
graph bifpn stage=pyramid
  settings {"act": "relu", "norm": "batch-norm eps=1e-5 momentum=0.1", "padding": "symmetric", "bias": false, "init": "torch"}
  scope <root> = bifpn(in3, in4) -> (td3, out4) {"levels": "3..4", "channels": 64, "fuse": "fast", "cells": 1, "in_channels": "[40, 64]"}  # specs/topologies/bifpn.yaml:3:11
  scope cells.0 = bifpn-cell(in3, in4) -> (td3, out4)  # specs/topologies/bifpn.yaml:3:11
  in3 = input {level=3, channels=40}  # specs/topologies/bifpn.yaml:3:1
  in4 = input {level=4, channels=64}  # specs/topologies/bifpn.yaml:3:1
  cells.0.td3 = fuse(in3 via {"project": ["conv-norm channels=64"]}, in4 via {"up": ["resize mode=nearest"]}) {level=3, channels=64, fusion=fast, block=act-separable-conv-norm}  # specs/topologies/panet.yaml:13:36
  cells.0.out4 = fuse(in4, cells.0.td3 via {"down": ["max-pool kernel=3 stride=2"]}) {level=4, channels=64, fusion=fast, block=act-separable-conv-norm}  # specs/topologies/panet.yaml:14:30
  return p3=cells.0.td3, p4=cells.0.out4
"""


def compiled(name: str, **parameters: object) -> Compilation:
    return compile_spec(name, arguments_from_python(parameters))


def assert_round_trip(graph: Graph) -> None:
    text = print_graph(graph)
    again = parse_graph(text)
    assert again == graph
    assert print_graph(again) == text


def fuse_graph(name: str = "n") -> Graph:
    """An input `in3`, a fusion `name` that reads it."""
    graph = Graph("g", Stage.PYRAMID)
    graph.scopes[""] = Scope("", "g")
    graph.add(Node("in3", Input(3, 8), "", "in3"))
    graph.add(Node(name, Fuse(3, 8, parse_step("sum")), "", name), [Edge("in3", "in3")])
    graph.set_outputs({"p3": name})
    return graph


def test_golden() -> None:
    graph = compiled("bifpn", levels="3..4", in_channels=[40, 64]).pyramid.graph
    assert print_graph(graph) == GOLDEN
    assert parse_graph(GOLDEN) == graph


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(pyramids())
def test_round_trip_of_pyramids(graph: Graph) -> None:
    assert_round_trip(graph)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(operators())
def test_round_trip_of_operators(graph: Graph) -> None:
    assert_round_trip(graph)


@settings(max_examples=25)
@given(
    st.sampled_from(["bifpn", "panet", "fpn", "fpn-efficientdet"]),
    st.integers(2, 5),
    st.integers(0, 3),
    st.integers(1, 300),
    st.integers(1, 300),
)
def test_round_trip_of_compiled_specs(
    name: str, lo: int, more: int, channels: int, first: int
) -> None:
    widths = [first + 8 * i for i in range(more + 1)]
    compilation = compiled(name, levels=f"{lo}..{lo + more}", channels=channels, in_channels=widths)
    graphs = [result.after.graph for result in compilation.results]
    for graph in [compilation.written.graph, *graphs]:
        assert_round_trip(graph)


def test_what_differs_prints_differently() -> None:
    """Equality and the text say the same."""
    graph = compiled("panet", levels="3..4").written.graph
    text = print_graph(graph)
    other = graph.copy()
    other.set_inputs("td3", [replace(e, name="x") for e in graph.inputs("td3")[:1]])
    assert print_graph(other) != text
    moved = graph.copy()
    moved.set_outputs(dict(reversed(list(graph.outputs.items()))))
    assert moved != graph
    assert print_graph(moved) != text


def test_types_are_shown_at_operators() -> None:
    text = print_graph(compiled("fpn", levels="3..4", channels=8).operators.graph)
    assert "lat4 = conv(in4) {channels=8} : P4 x 8  #" in text
    assert "m3.inputs.lat4.up = resize(lat4, lat3) : P3 x 8  #" in text


# --- graphs that are odd but allowed -------------------------------------------------------


@pytest.mark.parametrize("name", ["settings", "edges", "scope", "returned", "graph", "via"])
def test_nodes_may_have_the_words_of_the_form(name: str) -> None:
    assert_round_trip(fuse_graph(name))


@pytest.mark.parametrize("name", ["null-act", "true-block", "false", "NaN"])
def test_blocks_may_be_named_like_json(name: str) -> None:
    graph = fuse_graph()
    graph.replace_op("n", Fuse(3, 8, parse_step("sum"), (parse_step(name),)))
    assert_round_trip(graph)


def test_condition_of_a_setting() -> None:
    graph = fuse_graph()
    step = replace(parse_step("relu"), when=parse_expression("x.channels > 8"))
    graph.inherited[""] = Settings(act=step)
    assert_round_trip(graph)


def test_reader_that_stands_before_what_it_reads() -> None:
    graph = fuse_graph()
    graph.add(Node("in4", Input(4, 8), "", "in4"))
    graph.set_inputs("n", [Edge("in3", "in3"), Edge("in4", "in4")])
    assert_round_trip(graph)


def test_node_without_weights() -> None:
    graph = Graph("g", Stage.PYRAMID)
    graph.add(Node("in3", Input(3, 8)))
    assert_round_trip(graph)


# --- what is no text form ------------------------------------------------------------------

HEAD = "graph g stage=pyramid\n  in3 = input {level=3, channels=8}\n"
OPERATORS = "graph g stage=operators\n  in3 = input {level=3, channels=8}\n"


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("", None, "the text of a graph is empty"),
        ("\n \n", None, "the text of a graph is empty"),
        ("grph g", (1, 1), "expected 'graph'"),
        ("graph g", (1, 8), "expected 'stage='"),
        ("graph g stage=middle", (1, 21), "'middle' is not a valid Stage"),
        ("graph g stage=pyramid x", (1, 23), "unexpected text"),
        (HEAD + "  n fuse(in3)", (3, 5), "expected '='"),
        (HEAD + "  n = fuze(in3)", (3, 11), "'fuze' is not an operation"),
        (HEAD + "  n = fuse(in3", (3, 15), "unexpected text"),
        (HEAD + "  n = fuse(in3) {level=3, depth=2}", (3, 33), "'fuse' has no field 'depth'"),
        (HEAD + "  n = input {level=3, channels=8} x", (3, 35), "unexpected text"),
        (HEAD + "  n = input {level=3, channels=8} # here", (3, 35), "unexpected text"),
        (HEAD + "  return p3", (3, 12), "expected '='"),
    ],
)
def test_malformed_texts(text: str, place: tuple[int, int] | None, message: str) -> None:
    with pytest.raises(TextError) as caught:
        parse_graph(text)
    (found,) = caught.value.diagnostics
    assert found.code == "E402"
    assert found.message == message
    where = found.location
    assert (where and (where.line, where.column)) == place
    if where:
        assert where.text == text.splitlines()[where.line - 1]


@pytest.mark.parametrize(
    "line",
    [
        "  in3 = input {level=3, channels=8}",
        "  n = fuse(in9) {level=3, channels=8, fusion=sum}",
        "  return p3=in9",
        "  n = input {level=3}",
        "  n = fuse(in3) {level=3, channels=8, fusion=5}",
        '  n = fuse(in3 via {"up": [5]}) {level=3, channels=8, fusion=sum}',
        '  n = fuse(in3 via {"up": "a=b=c d"}) {level=3, channels=8, fusion=sum}',
        '  n = fuse(in3) {level=3, channels=8, fusion={"use": "sum", "when": "1 +"}}',
        "  n = fuse(in3 via []) {level=3, channels=8, fusion=sum}",
        "  n = input {level=high, channels=8}",
        "  n = input {level=3, channels=[8]}",
        "  n = fuse(in3) {level=3, channels=8, fusion=sum, pin=maybe}",
        "  settings []",
        '  settings {"act": 5}',
        '  settings {"colour": "red"}',
        "  edges []",
        "  edges nothing",
        "  settings " + "[" * 100_000,
    ],
)
def test_malformed_lines_are_placed(line: str) -> None:
    with pytest.raises(TextError) as caught:
        parse_graph(f"{HEAD}{line}\n")
    (found,) = caught.value.diagnostics
    assert found.location is not None
    assert found.location.line == 3


@pytest.mark.parametrize(
    "line",
    [
        "  n = conv(in3) {channels=8} : P3 x 9",
        "  n = conv(in3) {channels=8, groups=3} : P3 x 8",
        "  n = conv(in3) {channels=8, groups=0} : P3 x 8",
        "  n = conv(in3, in3) {channels=8} : P3 x 8",
        "  n = resize(in3) {mode=sharpest} : P3 x 8",
        "  n = resize(in3, in3) {mode=sharpest} : P3 x 8",
        "  n = add : P3 x 8",
    ],
)
def test_operators_that_do_not_fit_are_placed(line: str) -> None:
    with pytest.raises(TextError) as caught:
        parse_graph(f"{OPERATORS}{line}\n")
    (found,) = caught.value.diagnostics
    assert found.location is not None
    assert found.location.line == 3


TOKENS = [
    '"',
    *"{}[](),=:#0-5x",
    " ",
    "null",
    "NaN",
    "as ",
    "via ",
    "P3 x 4",
    "in3",
    "{}",
    "stride=0",
]


@st.composite
def damaged(draw: st.DrawFn) -> str:
    """The golden text with one part taken out, put in twice or replaced."""
    parts = re.findall(r"\w+|\s+|.", GOLDEN)
    at = draw(st.integers(0, len(parts) - 1))
    what = draw(st.sampled_from(["drop", "cut", *TOKENS]))
    if what == "cut":
        return "".join(parts[:at])
    parts[at] = "" if what == "drop" else what
    return "".join(parts)


@settings(max_examples=300)
@given(damaged() | st.text(max_size=60).map(lambda text: HEAD + text) | st.text(max_size=40))
@example(GOLDEN)
def test_nothing_but_text_errors(text: str) -> None:
    try:
        graph = parse_graph(text)
    except TextError:
        return
    assert_round_trip(graph)
