"""What blocks can say: loops, named inputs and results, repetition, sharing, variants."""

from __future__ import annotations

from pathlib import Path

import pytest

from archgraph.compiler import check_spec
from archgraph.ir import Graph
from archgraph.ir.ops import Activation, Add, Conv
from tests.assemble.necks import compiled, neck
from tests.spec.written import told


def built(folder: Path, blocks: str, use: str = "thing") -> Graph:
    """The operators of one level whose block is `thing`, without the levels around it."""
    return compiled(folder, neck(block=use, more=f"---\n{blocks}")).operators.graph


def inside(graph: Graph, node: str = "out3") -> dict[str, list[str]]:
    """What every operator of a node's block reads, by names inside the block."""
    prefix = f"{node}.block."
    return {
        n.name.removeprefix(prefix): [
            edge.source.removeprefix(prefix) for edge in graph.inputs(n.name)
        ]
        for n in graph
        if n.name.startswith(prefix)
    }


def wrong(folder: Path, blocks: str, use: str = "thing") -> list[str]:
    path = folder / "neck.yaml"
    path.write_text(neck(block=use, more=f"---\n{blocks}"), "utf-8")
    return told(check_spec(path.as_posix()))


# --- loops -----------------------------------------------------------------------------------

C2F = """block: thing
parameters: {depth: 2}
nodes:
  - {name: start, use: relu}
  - {for: i in 0..depth-1, name: m<i>, use: silu, from: m<i-1> else start}
  - {name: all, use: add, from: [start, {for: i in 0..depth-1, from: m<i>}]}
"""


@pytest.mark.parametrize("depth", [0, 1, 3])
def test_a_loop_makes_a_node_for_every_round(tmp_path: Path, depth: int) -> None:
    found = inside(built(tmp_path, C2F, f"thing depth={depth}"))
    steps = [f"m{i}" for i in range(depth)]
    assert list(found) == ["start", *steps, "all"]
    assert [found[name] for name in steps] == [[name] for name in ["start", *steps][:depth]]
    assert found["all"] == ["start", *steps]


def test_groups_repeat_their_nodes_together_and_nest(tmp_path: Path) -> None:
    found = inside(
        built(
            tmp_path,
            "block: thing\n"
            "nodes:\n"
            "  - for: i in 1..2\n"
            "    nodes:\n"
            "      - {name: a<i>, use: relu}\n"
            "      - {for: j in 3 downto 2, when: j > i, name: b<i>_<j>, use: silu, from: a<i>}\n"
            "  - {when: 1 > 2, nodes: [{name: never, use: relu}]}\n"
            "outputs: b2_3\n",
        )
    )
    # What no output needs is left out of the network.
    assert list(found.items())[-2:] == [("a2", ["b1_2"]), ("b2_3", ["a2"])]
    assert "never" not in found
    assert found["b1_2"] == ["a1"]


@pytest.mark.slow
def test_rounds_are_bounded(tmp_path: Path) -> None:
    loops = (
        "{for: i in 1..9999, nodes: [{for: j in 1..9999, when: j < 0, name: a<i>_<j>, use: relu}]}"
    )
    found = wrong(tmp_path, f"block: thing\nnodes:\n  - {loops}\n")
    assert [text.split()[0] for text in found] == ["E304"]


# --- inputs and results ----------------------------------------------------------------------

GATE = """block: gate
inputs: [gate, gated]
nodes:
  - {name: weight, use: conv channels=gated.channels, from: gate}
  - {name: sum, use: add, from: [gated, weight]}
---
block: parts
outputs: {left: a, right: b.more}
nodes:
  - {name: a, use: relu}
  - {name: b, use: inner}
---
block: inner
outputs: {less: a, more: b}
nodes:
  - {name: a, use: silu}
  - {name: b, use: gelu}
---
block: thing
nodes:
  - {name: p, use: parts}
  - {name: g, use: gate, from: {gated: p.left, gate: p.right}}
"""


def test_inputs_are_named_and_results_read_by_name(tmp_path: Path) -> None:
    graph = built(tmp_path, GATE)
    assert inside(graph) == {
        "p.a": ["out3.inputs.in3"] if "out3.inputs.in3" in graph else ["out3.fuse"],
        "p.b.a": ["p.a"],
        "p.b.b": ["p.b.a"],
        "g.weight": ["p.b.b"],
        "g.sum": ["p.a", "g.weight"],
    }
    scope = graph.scopes["out3.block.g"]
    assert (scope.inputs, scope.outputs) == (("gate", "gated"), ("sum",))
    assert graph.scopes["out3.block.p"].outputs == ("a", "b.more")


def test_a_variadic_block_counts_what_it_is_given(tmp_path: Path) -> None:
    graph = built(
        tmp_path,
        "block: mean\n"
        "inputs: [many x]\n"
        "nodes:\n"
        "  - {name: sum, use: add, from: [{for: i in 0..x.count-1, from: x<i>}]}\n"
        "  - {name: mean, use: affine factor=1/x.count}\n"
        "---\n"
        "block: thing\n"
        "nodes:\n"
        "  - {name: a, use: relu}\n"
        "  - {name: b, use: silu}\n"
        "  - {name: m, use: mean, from: [a, b, x]}\n",
    )
    found = inside(graph)
    assert found["m.sum"][:2] == ["a", "b"]
    assert len(found["m.sum"]) == 3
    assert graph["out3.block.m.mean"].op.factor == pytest.approx(1 / 3)  # type: ignore[attr-defined]
    assert graph.scopes["out3.block.m"].inputs == ("x0", "x1", "x2")


def test_x_is_the_input_of_the_block_for_every_node(tmp_path: Path) -> None:
    graph = built(
        tmp_path,
        "block: thing\n"
        "nodes:\n"
        "  - {name: widen, use: conv channels=x.channels*4}\n"
        "  - {name: back, use: conv channels=x.channels}\n",
    )
    widths = [node.op.channels for node in graph if isinstance(node.op, Conv)]
    assert widths[:2] == [256, 64]


# --- repetition and sharing ------------------------------------------------------------------


def test_repeat_numbers_its_elements_and_first_differs(tmp_path: Path) -> None:
    graph = built(
        tmp_path,
        "block: thing\n"
        "parameters: {n: 3}\n"
        "nodes:\n"
        "  - {name: deep, repeat: n, use: conv channels=64 kernel=3, first: {kernel: 1}}\n"
        "  - {name: gone, repeat: n - 3, use: relu}\n"
        "  - {name: more, repeat: 2, use: affine factor=unit/units}\n",
    )
    found = inside(graph)
    assert list(found) == ["deep.0", "deep.1", "deep.2", "more.0", "more.1"]
    assert found["more.0"] == ["deep.2"]
    kernels = [n.op.kernel for n in graph if isinstance(n.op, Conv) and "out3.block" in n.name]
    assert kernels == [1, 3, 3]
    factors = [graph[f"out3.block.more.{i}"].op.factor for i in (0, 1)]  # type: ignore[attr-defined]
    assert factors == [3 / 5, 4 / 5]  # units are counted over the whole block


def test_shared_weights_have_one_path(tmp_path: Path) -> None:
    graph = built(
        tmp_path,
        "block: thing\n"
        "nodes:\n"
        "  - {name: a, use: inner, share: tower}\n"
        "  - {name: b, use: inner, share: tower}\n"
        "---\n"
        "block: inner\n"
        "nodes: [{name: c, use: conv channels=64}, {name: d, use: relu}]\n",
    )
    assert graph["out3.block.a.c"].weights == graph["out3.block.b.c"].weights
    assert graph["out3.block.b.c"].weights == "out3.block.tower.c"
    assert graph.scopes["out3.block.b"].module == "out3.block.tower"
    assert isinstance(graph["out3.block.b.d"].op, Activation)


# --- variants --------------------------------------------------------------------------------

VARIANTS = """block: thing
parameters: {kernel: 1, act: {step: relu}}
let: {width: x.channels}
settings: {bias: true}
variants:
  wide: {kernel: 3, width: 2 * x.channels, act: silu, settings: {bias: false}}
nodes:
  - {name: conv, use: conv channels=width kernel=kernel bias=settings.bias}
  - {name: act, use: <act>}
  - {name: back, use: conv channels=x.channels}
"""


def test_a_variant_overrides_parameters_values_and_settings(tmp_path: Path) -> None:
    def conv(use: str) -> Conv:
        op = built(tmp_path, VARIANTS, use)["out3.block.conv"].op
        assert isinstance(op, Conv)
        return op

    assert conv("thing") == Conv(64, 1)
    assert conv("thing variant=wide") == Conv(128, 3, bias=False)
    # What the use says counts before the row.
    assert conv("thing variant=wide kernel=5") == Conv(128, 5, bias=False)
    (found,) = wrong(tmp_path, VARIANTS, "thing variant=wid")
    assert found.startswith("E123")


# --- templates -------------------------------------------------------------------------------


def test_templates_say_what_the_block_says_with_let_written_out(tmp_path: Path) -> None:
    graph = built(
        tmp_path,
        "block: thing\n"
        "parameters: {channels: 64, ratio: 0.5, act: {step: relu}}\n"
        "let: {hidden: floor(channels * ratio), twice(c): 2 * c}\n"
        "nodes:\n"
        "  - {name: a, use: conv channels=twice(hidden), when: hidden > 1}\n"
        "  - {name: tower, use: conv channels=channels, repeat: hidden // 16}\n"
        "  - {name: c, use: add, from: [x, tower]}\n",
    )
    template = graph.templates["thing"]
    assert template.defaults == (("channels", "64"), ("ratio", "0.5"), ("act", "relu"))
    assert dict(template.expressions) == {
        "a.when": "floor(channels * ratio) > 1",
        "a.channels": "2 * floor(channels * ratio)",
        "tower.repeat": "floor(channels * ratio) // 16",
        "tower.channels": "channels",
    }
    assert isinstance(graph["out3.block.c"].op, Add)
