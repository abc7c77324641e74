"""Where `add-same-level-skips` adds an edge, and where it does not: topologies.md 1.3 to 1.6."""

from __future__ import annotations

from pathlib import Path

import pytest

from archgraph.errors import PassError
from archgraph.ir import Model
from archgraph.passes.pyramid.add_same_level_skips import AddSameLevelSkips
from archgraph.passes.pyramid.prune_single_input import PruneSingleInput
from archgraph.passes.pyramid.repeat_cells import RepeatCells
from tests.passes.support import (
    after,
    cell,
    compiled,
    compiled_text,
    counts,
    edge_names,
    pyramid,
    run,
    written,
)


def skipped(model: Model) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Log and kept lines of one run; a second one must find nothing."""
    first, again = run(model, AddSameLevelSkips(), AddSameLevelSkips())
    assert again.rewrites == 0
    assert again.after.graph == first.after.graph
    return first.log, first.kept


def test_the_skip_is_the_first_operand() -> None:
    graph = after(written("panet", levels="3..5"), PruneSingleInput(), AddSameLevelSkips())
    assert cell(graph)["out4"] == (4, ("in4", "td4", "td3"))
    assert edge_names(graph, "out4") == ("in4", "td4", "td3")
    skip = graph.inputs("out4")[0]
    assert not skip.steps.written
    assert skip.location == graph["out4"].location


def test_skips_of_every_level_where_nothing_is_pruned() -> None:
    log, kept = skipped(written("panet", levels="3..5"))
    assert log == tuple(f"out{i} now also reads in{i}, first" for i in (3, 4, 5))
    assert kept == ()


QUFPN = """
inputs: in3:3 in4:4 in5:5 in6:6 in7:7
p1_6 | 6 | in6, in7
p1_5 | 5 | in5, p1_6
p1_4 | 4 | in4, p1_5
p1_3 | 3 | in3, p1_4
p2_4 | 4 | in4, p1_4, p1_3
p2_5 | 5 | in5, p1_5, p2_4
p2_6 | 6 | in6, p1_6, p2_5
p2_7 | 7 | in7, p2_6
p3_4 | 4 | in4, in3
p3_5 | 5 | in5, p3_4
p3_6 | 6 | in6, p3_5
p3_7 | 7 | in7, p3_6
p4_6 | 6 | in6, p3_6, p3_7
p4_5 | 5 | in5, p3_5, p4_6
p4_4 | 4 | in4, p3_4, p4_5
p4_3 | 3 | in3, p4_4
q3 | 3 | p1_3, p4_3
q4 | 4 | p2_4, p4_4
q5 | 5 | p2_5, p4_5
q6 | 6 | p2_6, p4_6
q7 | 7 | p2_7, p3_7
outputs: 3=q3 4=q4 5=q5 6=q6 7=q7
"""
NASFPN = """
inputs: in3:3 in4:4 in5:5 in6:6 in7:7
m0 | 4 | in4, in6
m1 | 4 | in4, m0
m2 | 3 | in3, m1
m3 | 4 | m1, m2
m4 | 5 | m2, m3, in5
m5 | 7 | m1, m4, in7
m6 | 6 | m4, m5
outputs: 3=m2 4=m3 5=m4 6=m6 7=m5
"""
YOLO = """
inputs: c3:3 c4:4 c5:5
t4 | 4 | c5, c4
t3 | 3 | t4, c3
o4 | 4 | t3, t4
o5 | 5 | o4, c5
outputs: 3=t3 4=o4 5=o5
"""
ASFF = """
inputs: in3:3 in4:4 in5:5
f5 | 5 | in5, in4, in3
f4 | 4 | in5, in4, in3
f3 | 3 | in5, in4, in3
outputs: 3=f3 4=f4 5=f5
"""


@pytest.mark.parametrize(
    ("text", "added"),
    [
        (QUFPN, "in3->q3 in4->q4 in5->q5 in6->q6 in7->q7"),
        (NASFPN, "in4->m3 in6->m6"),
        (YOLO, "c4->o4"),
        (ASFF, ""),
    ],
    ids=["qufpn", "nasfpn", "yolo", "asff"],
)
def test_other_topologies(text: str, added: str) -> None:
    """Rows of topologies.md 1.6; nothing of them is pruned first."""
    pruned, result = run(pyramid(text), PruneSingleInput(), AddSameLevelSkips())
    assert pruned.rewrites == 0
    edges = [edge.split("->") for edge in added.split()]
    assert result.log == tuple(f"{new} now also reads {old}, first" for old, new in edges)
    for old, new in edges:
        assert result.after.graph.inputs(new)[0].source == old


def test_fpn_needs_no_skips() -> None:
    log, kept = skipped(written("fpn-efficientdet", levels="3..7"))
    assert log == kept == ()


def test_pinned_output_stays() -> None:
    log, kept = skipped(
        pyramid("""
            inputs: in4:4 in5:5
            td4 | 4 | in4, in5
            out4 | 4 | td4, in5 | pin
            out5 | 5 | out4
            outputs: 4=out4 5=out5
        """)
    )
    assert kept == ("out4 kept (pinned)",)
    assert log == ("out5 now also reads in5, first",)


def test_outputs_that_are_inputs_or_blocks_stay() -> None:
    log, kept = skipped(written("fpn", levels="3..5"))
    assert log == kept == ()
    log, kept = skipped(pyramid("inputs: in4:4 in5:5\nn | 4 | in4, in5\noutputs: 4=n 5=in5"))
    assert log == kept == ()


def test_output_of_a_level_without_input_stays() -> None:
    """Item 9: the original of a level is an input of the graph, nothing else."""
    log, _ = skipped(
        pyramid("""
            inputs: in5:5
            p6 | 6 | in5
            q6 | 6 | p6, in5
            outputs: 5=in5 6=q6
        """)
    )
    assert log == ()


def test_node_that_is_two_outputs_gets_one_skip() -> None:
    model = pyramid("inputs: in4:4 in5:5\na | 4 | in4, in5\nb | 4 | a, in5\noutputs: 4=b")
    graph = model.graph.copy()
    graph.set_outputs({"p4": "b", "again": "b"})
    log, _ = skipped(Model(graph))
    assert log == ("b now also reads in4, first",)


def test_original_under_a_given_name_is_there_already(tmp_path: Path) -> None:
    nodes = """\
passes: [add-same-level-skips]
nodes:
  - {name: td4, level: 4, from: [in4, in5]}
  - {name: out4, level: 4, from: [td4, {name: skip, from: in4}]}
outputs: {3: in3, 4: out4, 5: in5}
"""
    result = compiled_text(tmp_path, nodes).results[0]
    assert result.log == result.kept == ()


def test_two_inputs_of_one_level_are_refused() -> None:
    model = pyramid("inputs: a5:5 b5:5\nn | 5 | a5, b5\noutputs: 5=n")
    with pytest.raises(PassError) as caught:
        run(model, AddSameLevelSkips())
    (found,) = caught.value.diagnostics
    assert found.code == "E404"
    assert found.message == (
        "inputs 'a5' and 'b5' share level 5, so 'add-same-level-skips' cannot tell which is the"
        " original"
    )


def test_skips_are_per_cell() -> None:
    """Item 7: pruning commutes with stacking, skips do not (57 edges against 53)."""
    panet = written("panet", levels="3..7")
    published = after(panet, PruneSingleInput(), AddSameLevelSkips(), RepeatCells(3))
    assert counts(published) == (24, 57)
    late = after(panet, PruneSingleInput(), RepeatCells(3), AddSameLevelSkips())
    assert counts(late) == (24, 53)
    assert cell(late)["cells.2.td3"][1] == ("in3", "cells.1.td3", "cells.2.td4")
    # all of them after stacking: the same nodes as pruning first
    pruned_late = after(panet, RepeatCells(3), PruneSingleInput(), AddSameLevelSkips())
    assert cell(pruned_late) == cell(late)


def test_skips_after_stacking_reach_the_last_cell_only() -> None:
    result = run(
        written("panet", levels="3..7"), PruneSingleInput(), RepeatCells(3), AddSameLevelSkips()
    )[-1]
    assert result.log == (
        "cells.2.td3 now also reads in3, first",
        *(f"cells.2.out{i} now also reads in{i}, first" for i in (4, 5, 6, 7)),
    )


def test_skips_in_the_first_cell_have_projections_of_their_own() -> None:
    """topologies.md 25, trap 5, and section 4: `in4` and `in5` are projected twice."""
    graph = compiled("bifpn", levels="3..6", cells=2, in_channels=[40, 112, 320, 88])
    projected = [
        (edge.source, node.name)
        for node in graph.pyramid.graph
        for edge in graph.pyramid.graph.inputs(node.name)
        if edge.steps.project
    ]
    assert projected == [
        ("in5", "cells.0.td5"),
        ("in6", "cells.0.td5"),
        ("in4", "cells.0.td4"),
        ("in3", "cells.0.td3"),
        ("in4", "cells.0.out4"),
        ("in5", "cells.0.out5"),
        ("in6", "cells.0.out6"),
    ]
