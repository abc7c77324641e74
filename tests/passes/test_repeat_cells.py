"""What `repeat-cells` stacks, how it names it, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

from archgraph.errors import ArchgraphError, PassError, SpecError
from archgraph.ir import Model
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


def test_outputs_feed_inputs_by_level() -> None:
    graph = after(written("fpn-efficientdet", levels="3..5"), RepeatCells(2))
    assert cell(graph) == {
        "cells.0.td5": (5, ("in5",)),
        "cells.0.td4": (4, ("in4", "cells.0.td5")),
        "cells.0.td3": (3, ("in3", "cells.0.td4")),
        "cells.1.td5": (5, ("cells.0.td5",)),
        "cells.1.td4": (4, ("cells.0.td4", "cells.1.td5")),
        "cells.1.td3": (3, ("cells.0.td3", "cells.1.td4")),
    }
    assert graph.outputs == {f"p{i}": f"cells.1.td{i}" for i in (3, 4, 5)}


def test_names_inside_the_cell_stay() -> None:
    graph = after(written("panet", levels="3..5"), RepeatCells(2))
    one = after(written("panet", levels="3..5"), RepeatCells(1))
    for name in cell(one):
        second = name.replace("cells.0.", "cells.1.")
        assert edge_names(graph, second) == edge_names(graph, name) == edge_names(one, name)
        assert graph[second].op == graph[name].op
        assert graph[second].location == graph[name].location
    assert edge_names(graph, "cells.1.td4") == ("in4", "td5")


def test_each_cell_has_its_own_weights_and_scope() -> None:
    graph = after(written("panet", levels="3..5"), RepeatCells(3))
    nodes = [node for node in graph if node.name in cell(graph)]
    assert len({node.weights for node in nodes}) == len(nodes) == 18
    for node in nodes:
        prefix = node.name.rpartition(".")[0]
        assert (node.weights, node.scope) == (node.name, prefix)
    scope = graph.scopes["cells.1"]
    assert (scope.path, scope.block) == ("cells.1", "panet-cell")
    assert scope.inputs == ("in3", "in4", "in5")
    assert scope.outputs == ("out3", "out4", "out5")


def test_one_cell_is_a_cell_too() -> None:
    (result,) = run(written("panet", levels="4..5"), RepeatCells(1))
    assert list(cell(result.after.graph)) == [
        f"cells.0.{name}" for name in ("td5", "td4", "out4", "out5")
    ]
    assert result.log == ("4 nodes stacked into 1 cell; each level's output feeds its next input",)


def test_pruning_commutes_with_stacking() -> None:
    """Item 7 of topologies.md 1.5: the same 24 nodes and 48 edges either way."""
    panet = written("panet", levels="3..7")
    first = after(panet, PruneSingleInput(), RepeatCells(3))
    last = after(panet, RepeatCells(3), PruneSingleInput())
    assert counts(first) == counts(last) == (24, 48)
    assert cell(first) == cell(last)
    assert first.outputs == last.outputs
    for name in cell(first):
        assert edge_names(first, name) == edge_names(last, name)


def test_inputs_may_be_outputs() -> None:
    text = "inputs: in4:4 in5:5\nn | 4 | in4, in5\noutputs: 4=n 5=in5"
    graph = after(pyramid(text), RepeatCells(2))
    assert cell(graph) == {
        "cells.0.n": (4, ("in4", "in5")),
        "cells.1.n": (4, ("cells.0.n", "in5")),
    }
    assert graph.outputs == {"p4": "cells.1.n", "p5": "in5"}


def test_stacking_twice() -> None:
    graph = after(written("fpn-efficientdet", levels="4..5"), RepeatCells(2), RepeatCells(2))
    assert counts(graph)[0] == 8
    assert cell(graph)["cells.1.cells.0.td4"] == (
        4,
        ("cells.0.cells.1.td4", "cells.1.cells.0.td5"),
    )


def test_level_that_no_output_has() -> None:
    text = "inputs: in4:4 in5:5\nn | 4 | in4, in5\noutputs: 4=n"
    assert refusal(pyramid(text)) == (
        "E405",
        "no output of level 5 can feed input 'in5' of the next cell",
    )


def test_two_inputs_of_one_level() -> None:
    text = "inputs: a5:5 b5:5\nn | 5 | a5, b5\noutputs: 5=n"
    assert refusal(pyramid(text)) == (
        "E405",
        "inputs 'a5' and 'b5' share level 5; cells stack level by level",
    )


def refusal(model: Model) -> tuple[str, str]:
    with pytest.raises(PassError) as caught:
        run(model, RepeatCells(2))
    (found,) = caught.value.diagnostics
    return found.code, found.message


@pytest.mark.parametrize("cells", [0, -1, 1.5, True])
def test_count_is_a_whole_number(cells: object) -> None:
    with pytest.raises(SpecError) as caught:
        compiled("bifpn", levels="3..5", cells=cells)
    assert [found.code for found in caught.value.diagnostics] == ["E113"]


@pytest.mark.parametrize(
    ("passes", "code", "message"),
    [
        ("repeat-cells", "E111", "'repeat-cells' needs 'count'"),
        ("repeat-cells cuont=2", "E112", "'repeat-cells' has no argument 'cuont'"),
        ("prune-single-inptu", "E109", "'prune-single-inptu' is no pass"),
        ("lower", "E109", "'lower' is run by the compiler itself"),
        ("repeat-cells count=cels", "E302", "unknown name 'cels'"),
    ],
)
def test_wrong_pass_in_a_spec(tmp_path: Path, passes: str, code: str, message: str) -> None:
    text = f"passes: [{passes}]\nnodes: [{{name: n, level: 3, from: in3}}]\n"
    with pytest.raises(SpecError) as caught:
        compiled_text(tmp_path, text + "outputs: {3: n, 4: in4, 5: in5}\n")
    (found,) = caught.value.diagnostics
    assert (found.code, found.message) == (code, message)
    assert found.location is not None
    assert found.location.line == 9


def test_more_cells_than_a_graph_can_hold_are_refused() -> None:
    """A graph has at most 100,000 nodes; a number in a spec must not take unbounded time."""
    model = pyramid("inputs: in5:5\nn | 5 | in5\nm | 5 | n\noutputs: 5=m")
    with pytest.raises(ArchgraphError):
        run(model, RepeatCells(60_000))


def test_more_cells_of_nothing_are_refused_too() -> None:
    """One level is the identity: no node, but every cell has a record of its scope."""
    with pytest.raises(ArchgraphError):
        run(pyramid("inputs: in5:5\noutputs: 5=in5"), RepeatCells(100_001))
