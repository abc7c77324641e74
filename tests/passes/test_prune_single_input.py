"""What `prune-single-input` removes, moves and keeps: topologies.md 1.2, 1.5 and 1.6."""

from __future__ import annotations

from pathlib import Path

import pytest

from archgraph.ir import Edge, Model, parse_graph
from archgraph.ir.pyramid import Fuse, Use
from archgraph.passes.pyramid.repeat_cells import RepeatCells
from tests.passes.support import cell, prune, pruned_text, pyramid, run, written

# --- which nodes ---------------------------------------------------------------------------


def test_nodes_whose_one_input_is_of_another_level_stay() -> None:
    """Item 4: P6 and P7 are made by such nodes."""
    result = prune(
        pyramid("""
            inputs: in5:5
            p6 | 6 | in5
            p7 | 7 | p6
            outputs: 5=in5 6=p6 7=p7
        """)
    )
    assert result.rewrites == 0
    assert result.kept == ()
    assert list(cell(result.after.graph)) == ["p6", "p7"]


def test_only_the_node_of_the_same_level_goes() -> None:
    """HRFPN without its pins: only the output of the level of the concatenation collapses."""
    result = prune(
        pyramid("""
            inputs: c2:2 c3:3
            cat | 2 | c2, c3
            p2 | 2 | cat
            p3 | 3 | cat
            p4 | 4 | cat
            outputs: 2=p2 3=p3 4=p4
        """)
    )
    assert result.log == ("p2 removed (1 input, same level): output p2 is now cat",)
    assert result.after.graph.outputs == {"p2": "cat", "p3": "p3", "p4": "p4"}


def test_published_fpn_is_left_alone() -> None:
    """Its laterals and output convolutions are `use` nodes, one input each."""
    result = prune(written("fpn", levels="3..7"))
    assert result.rewrites == 0
    assert result.kept == ()
    assert len(cell(result.after.graph)) == 14


FPN_OF_FUSIONS = """
inputs: in3:3 in4:4 in5:5 in6:6 in7:7
lat7 | 7 | in7
lat6 | 6 | in6
lat5 | 5 | in5
lat4 | 4 | in4
lat3 | 3 | in3
td7 | 7 | lat7
td6 | 6 | lat6, td7
td5 | 5 | lat5, td6
td4 | 4 | lat4, td5
td3 | 3 | lat3, td4
p7 | 7 | td7
p6 | 6 | td6
p5 | 5 | td5
p4 | 4 | td4
p3 | 3 | td3
outputs: 3=p3 4=p4 5=p5 6=p6 7=p7
"""


def test_fpn_written_with_fusions_only_loses_eleven_of_fifteen() -> None:
    """Item 6, why laterals and outputs are `use` nodes."""
    model = pyramid(FPN_OF_FUSIONS)
    assert len(cell(model.graph)) == 15
    result = prune(model)
    assert result.rewrites == 11
    assert cell(result.after.graph) == {
        "td6": (6, ("in6", "in7")),
        "td5": (5, ("in5", "td6")),
        "td4": (4, ("in4", "td5")),
        "td3": (3, ("in3", "td4")),
    }
    assert result.after.graph.outputs == {
        **{f"p{level}": f"td{level}" for level in (3, 4, 5, 6)},
        "p7": "in7",
    }


def test_pinned_nodes_stay_and_the_log_says_so() -> None:
    lines = [
        f"{line} | pin" if line.startswith(("lat", "p")) else line
        for line in FPN_OF_FUSIONS.splitlines()
    ]
    result = prune(pyramid("\n".join(lines)))
    assert [line.split()[0] for line in result.log] == ["td7"]
    names = [*(f"lat{i}" for i in (7, 6, 5, 4, 3)), *(f"p{i}" for i in (7, 6, 5, 4, 3))]
    assert result.kept == tuple(f"{name} kept (pinned)" for name in names)


@pytest.mark.parametrize(
    ("text", "removed"),
    [
        # rows of topologies.md 1.6
        ("fpn", "td7"),
        ("fcfpn", "td7 out3"),
        ("nasfpn", ""),
        ("yolo", ""),
        ("panet-as-published", "td7"),
        ("bfp", "r"),
    ],
)
def test_other_topologies(text: str, removed: str) -> None:
    result = prune(pyramid(OTHERS[text]))
    assert [line.split()[0] for line in result.log] == removed.split()


OTHERS = {
    "fpn": """
        inputs: in3:3 in4:4 in5:5 in6:6 in7:7
        td7 | 7 | in7
        td6 | 6 | in6, td7
        td5 | 5 | in5, td6
        td4 | 4 | in4, td5
        td3 | 3 | in3, td4
        outputs: 3=td3 4=td4 5=td5 6=td6 7=td7
    """,
    "fcfpn": """
        inputs: in3:3 in4:4 in5:5 in6:6 in7:7
        td7 | 7 | in7
        td6 | 6 | in6, in7
        td5 | 5 | in5, in6, in7
        td4 | 4 | in4, in5, in6, in7
        td3 | 3 | in3, in4, in5, in6, in7
        out3 | 3 | td3
        out4 | 4 | td3, td4
        out5 | 5 | td3, td4, td5
        out6 | 6 | td3, td4, td5, td6
        out7 | 7 | td3, td4, td5, td6, td7
        outputs: 3=out3 4=out4 5=out5 6=out6 7=out7
    """,
    "nasfpn": """
        inputs: in3:3 in4:4 in5:5 in6:6 in7:7
        m0 | 4 | in4, in6
        m1 | 4 | in4, m0
        m2 | 3 | in3, m1
        m3 | 4 | m1, m2
        m4 | 5 | m2, m3, in5
        m5 | 7 | m1, m4, in7
        m6 | 6 | m4, m5
        outputs: 3=m2 4=m3 5=m4 6=m6 7=m5
    """,
    "yolo": """
        inputs: c3:3 c4:4 c5:5
        t4 | 4 | c5, c4
        t3 | 3 | t4, c3
        o4 | 4 | t3, t4
        o5 | 5 | o4, c5
        outputs: 3=t3 4=o4 5=o5
    """,
    "panet-as-published": """
        inputs: in3:3 in4:4 in5:5 in6:6 in7:7
        td7 | 7 | in7
        td6 | 6 | in6, td7
        td5 | 5 | in5, td6
        td4 | 4 | in4, td5
        td3 | 3 | in3, td4
        out4 | 4 | td4, td3
        out5 | 5 | td5, out4
        out6 | 6 | td6, out5
        out7 | 7 | td7, out6
        outputs: 3=td3 4=out4 5=out5 6=out6 7=out7
    """,
    "bfp": """
        inputs: p2:2 p3:3 p4:4
        g | 3 | p2, p3, p4
        r | 3 | g
        o2 | 2 | p2, r
        o3 | 3 | p3, r
        o4 | 4 | p4, r
        outputs: 2=o2 3=o3 4=o4
    """,
}


def test_repeated_fpn_never_processes_its_top_level() -> None:
    """topologies.md 1.6: three stacked cells lose their `td7` each."""
    (stacked,) = run(written("fpn-efficientdet", levels="3..7"), RepeatCells(3))
    result = prune(stacked.after)
    assert result.log == (
        "cells.0.td7 removed (1 input, same level): cells.0.td6, cells.1.td7 now read in7",
        "cells.1.td7 removed (1 input, same level): cells.1.td6, cells.2.td7 now read in7",
        "cells.2.td7 removed (1 input, same level): cells.2.td6 now reads in7;"
        " output p7 is now in7",
    )
    assert len(cell(result.after.graph)) == 12


# --- fixpoint and duplicates ---------------------------------------------------------------


def test_duplicates_that_arise_are_dropped_and_pruning_goes_on() -> None:
    """Item 3: `b` had two inputs, which became one, so `b` goes as well."""
    result = prune(
        pyramid("""
            inputs: in5:5
            a | 5 | in5
            b | 5 | in5, a
            c | 6 | b
            outputs: 5=b 6=c
        """)
    )
    assert result.log == (
        "a removed (1 input, same level): b now reads in5;"
        " b had it already, so one operand is dropped",
        "b removed (1 input, same level): c now reads in5; output p5 is now in5",
    )
    assert cell(result.after.graph) == {"c": (6, ("in5",))}


def test_fixpoint_does_not_depend_on_the_order_of_the_nodes() -> None:
    """`b` is looked at before `a`, and again when it has lost an operand."""
    model = pyramid("inputs: in5:5\nb | 5 | in5\na | 5 | in5\noutputs: 5=b")
    model.graph.set_inputs("b", [Edge("in5", "in5"), Edge("a", "a")])
    result = prune(model)
    assert [line.split()[0] for line in result.log] == ["a", "b"]
    assert result.after.graph.outputs == {"p5": "in5"}


def test_a_chain_collapses() -> None:
    names = ["in5", *(f"n{i}" for i in range(200))]
    lines = [f"{name} | 5 | {names[i]}" for i, name in enumerate(names[1:])]
    text = "\n".join(["inputs: in5:5", *lines, "outputs: 5=n199"])
    result = prune(pyramid(text))
    assert result.rewrites == 200
    assert result.after.graph.outputs == {"p5": "in5"}


# --- outputs and channels ------------------------------------------------------------------


def test_outputs_move() -> None:
    result = prune(pyramid(OTHERS["fpn"]))
    assert result.log == (
        "td7 removed (1 input, same level): td6 now reads in7; output p7 is now in7",
    )
    assert result.after.graph.outputs["p7"] == "in7"


def test_output_whose_channels_would_change_stays() -> None:
    """Item 5: the raw input has another width, so the node must go on projecting it."""
    widths = [40, 112, 320, 64, 96]
    result = prune(written("fpn-efficientdet", levels="3..7", in_channels=widths))
    assert result.log == ()
    assert result.kept == ("td7 kept (output p7 would have 96 channels instead of 64)",)


def test_output_behind_a_use_node_keeps_its_channels(tmp_path: Path) -> None:
    """Item 5 again, one node on: `r5` has the channels of what it reads."""
    nodes = """\
  - {name: td5, level: 5, from: in5}
  - {name: r5, use: relu, from: td5}
outputs: {3: in3, 4: in4, 5: r5}
"""
    result = pruned_text(tmp_path, nodes, in_channels=[64, 64, 320])
    assert cell(result.after.graph) == {"td5": (5, ("in5",)), "r5": (5, ("td5",))}


def test_reader_that_does_not_project_keeps_its_channels(tmp_path: Path) -> None:
    """A valid spec stays valid: `td4` could not take the raw `in5`."""
    nodes = """\
  - {name: td5, level: 5, from: in5}
  - {name: td4, level: 4, from: [in4, {from: td5, project: none}]}
outputs: {3: in3, 4: td4, 5: in5}
"""
    result = pruned_text(tmp_path, nodes, in_channels=[64, 64, 320])
    assert cell(result.after.graph)["td4"] == (4, ("in4", "td5"))


def test_use_nodes_read_on_from_what_took_the_place(tmp_path: Path) -> None:
    nodes = """\
  - {name: td5, level: 5, from: in5}
  - {name: r5, use: conv kernel=3 channels=64, from: td5}
outputs: {3: in3, 4: in4, 5: r5}
"""
    result = pruned_text(tmp_path, nodes)
    assert cell(result.after.graph) == {"r5": (5, ("in5",))}
    ops = [node.op for node in result.after.graph]
    assert any(isinstance(op, Use) for op in ops)
    assert not any(isinstance(op, Fuse) for op in ops)


def test_node_that_nothing_reads() -> None:
    result = prune(
        pyramid("""
            inputs: in5:5
            lost | 5 | in5
            outputs: 5=in5
        """)
    )
    assert result.log == ("lost removed (1 input, same level)",)


def test_one_node_may_be_two_outputs() -> None:
    text = """\
graph g stage=pyramid
  scope <root> = g(in5) -> (a)
  in5 = input {level=5, channels=8}
  a = fuse(in5) {level=5, channels=8, fusion=sum}
  return p5=a, again=a
"""
    result = prune(Model(parse_graph(text)))
    assert result.log == ("a removed (1 input, same level): output p5, again are now in5",)
    assert list(result.after.graph.outputs.items()) == [("p5", "in5"), ("again", "in5")]
