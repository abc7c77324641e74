"""PANet, pruned and given skips, is the published BiFPN: nodes, levels, order, input order."""

from __future__ import annotations

import re

import pytest

from archgraph.ir import Graph, print_graph
from archgraph.passes.pyramid.add_same_level_skips import AddSameLevelSkips
from archgraph.passes.pyramid.prune_single_input import PruneSingleInput
from tests.passes.support import Cell, after, cell, compiled, counts, run, written

RANGES = [(3, 7), (3, 6), (3, 8), (2, 6), (2, 7), (3, 5), (4, 5), (2, 9)]

# efficientdet.md section 3: level:[offsets]; the inputs are 0..L-1, node k is L + k.
PUBLISHED = {
    "3..7": "6:[3,4] 5:[2,5] 4:[1,6] 3:[0,7] 4:[1,7,8] 5:[2,6,9] 6:[3,5,10] 7:[4,11]",
    "3..8": "7:[4,5] 6:[3,6] 5:[2,7] 4:[1,8] 3:[0,9] 4:[1,9,10] 5:[2,8,11] 6:[3,7,12]"
    " 7:[4,6,13] 8:[5,14]",
    "2..7": "6:[4,5] 5:[3,6] 4:[2,7] 3:[1,8] 2:[0,9] 3:[1,9,10] 4:[2,8,11] 5:[3,7,12]"
    " 6:[4,6,13] 7:[5,14]",
}
PUBLISHED_PAN = {
    "3..7": "7:[4] 6:[3,5] 5:[2,6] 4:[1,7] 3:[0,8] 3:[9] 4:[8,10] 5:[7,11] 6:[6,12] 7:[5,13]",
    "3..8": "8:[5] 7:[4,6] 6:[3,7] 5:[2,8] 4:[1,9] 3:[0,10] 3:[11] 4:[10,12] 5:[9,13]"
    " 6:[8,14] 7:[7,15] 8:[6,16]",
}


def published(lo: int, hi: int) -> Cell:
    """The general formula of topologies.md, section 4."""
    nodes: Cell = {}
    for i in range(hi - 1, lo - 1, -1):
        nodes[f"td{i}"] = (i, (f"in{i}", f"in{hi}" if i + 1 == hi else f"td{i + 1}"))
    for i in range(lo + 1, hi):
        below = f"td{lo}" if i - 1 == lo else f"out{i - 1}"
        nodes[f"out{i}"] = (i, (f"in{i}", f"td{i}", below))
    below = f"out{hi - 1}" if hi - 1 > lo else f"td{lo}"
    nodes[f"out{hi}"] = (hi, (f"in{hi}", below))
    return nodes


def published_outputs(lo: int, hi: int) -> dict[str, str]:
    return {f"p{i}": f"td{i}" if i == lo else f"out{i}" for i in range(lo, hi + 1)}


def offsets(graph: Graph) -> list[tuple[int, list[int]]]:
    position = {node.name: i for i, node in enumerate(graph.graph_inputs)}
    for name in cell(graph):
        position[name] = len(position)
    return [(level, [position[s] for s in sources]) for level, sources in cell(graph).values()]


def listed(text: str) -> list[tuple[int, list[int]]]:
    found = re.findall(r"(\d+):\[([\d,]+)\]", text)
    return [(int(level), [int(i) for i in ids.split(",")]) for level, ids in found]


@pytest.mark.parametrize(("lo", "hi"), RANGES)
def test_derivation_gives_the_published_graph(lo: int, hi: int) -> None:
    panet = written("panet", levels=f"{lo}..{hi}")
    graph = after(panet, PruneSingleInput(), AddSameLevelSkips())
    assert list(cell(graph).items()) == list(published(lo, hi).items())
    assert list(graph.outputs.items()) == list(published_outputs(lo, hi).items())
    assert [node.name for node in graph.graph_inputs] == [f"in{i}" for i in range(lo, hi + 1)]


@pytest.mark.parametrize(("lo", "hi"), RANGES)
@pytest.mark.parametrize("cells", [1, 3])
def test_library_spec_gives_the_published_cells(lo: int, hi: int, cells: int) -> None:
    graph = compiled("bifpn", levels=f"{lo}..{hi}", cells=cells).pyramid.graph
    outputs = published_outputs(lo, hi)
    expected: Cell = {}
    for c in range(cells):
        for name, (level, sources) in published(lo, hi).items():
            feeds = {
                f"in{i}": f"cells.{c - 1}.{outputs[f'p{i}']}" if c else f"in{i}"
                for i in range(lo, hi + 1)
            }
            expected[f"cells.{c}.{name}"] = (
                level,
                tuple(feeds.get(source, f"cells.{c}.{source}") for source in sources),
            )
    assert list(cell(graph).items()) == list(expected.items())
    last = {label: f"cells.{cells - 1}.{name}" for label, name in outputs.items()}
    assert list(graph.outputs.items()) == list(last.items())


@pytest.mark.parametrize("levels", PUBLISHED)
def test_offsets_of_the_released_code(levels: str) -> None:
    graph = compiled("bifpn", levels=levels).pyramid.graph
    assert offsets(graph) == listed(PUBLISHED[levels])


@pytest.mark.parametrize("levels", PUBLISHED_PAN)
def test_offsets_of_the_released_unpruned_pan(levels: str) -> None:
    assert offsets(written("panet", levels=levels).graph) == listed(PUBLISHED_PAN[levels])


# topologies.md 1.4: levels, nodes, edges, removed, levels that get a skip
TABLE = [
    ("3..7", (10, 8, 8), (18, 16, 19), "td7 out3", "out4 out5 out6"),
    ("3..6", (8, 6, 6), (14, 12, 14), "td6 out3", "out4 out5"),
    ("3..8", (12, 10, 10), (22, 20, 24), "td8 out3", "out4 out5 out6 out7"),
    ("2..6", (10, 8, 8), (18, 16, 19), "td6 out2", "out3 out4 out5"),
    ("2..7", (12, 10, 10), (22, 20, 24), "td7 out2", "out3 out4 out5 out6"),
    ("3..5", (6, 4, 4), (10, 8, 9), "td5 out3", "out4"),
    ("4..5", (4, 2, 2), (6, 4, 4), "td5 out4", ""),
    ("5..5", (2, 0, 0), (2, 0, 0), "td5 out5", ""),
]


@pytest.mark.parametrize(("levels", "nodes", "edges", "removed", "skips"), TABLE)
def test_counts(
    levels: str, nodes: tuple[int, ...], edges: tuple[int, ...], removed: str, skips: str
) -> None:
    panet = written("panet", levels=levels)
    pruned, skipped = run(panet, PruneSingleInput(), AddSameLevelSkips())
    graphs = [panet.graph, pruned.after.graph, skipped.after.graph]
    assert [counts(graph) for graph in graphs] == list(zip(nodes, edges, strict=True))
    assert [line.split()[0] for line in pruned.log] == removed.split()
    assert [line.split()[0] for line in skipped.log] == skips.split()
    lo, hi = (int(part) for part in levels.split(".."))
    n = hi - lo + 1
    if n >= 2:
        assert nodes == (2 * n, 2 * (n - 1), 2 * (n - 1))
        assert edges == (4 * n - 2, 4 * n - 4, 5 * n - 6)


def test_log_in_the_words_of_the_spec() -> None:
    results = compiled("bifpn", levels="3..7", cells=2).results
    assert [result.name for result in results] == [
        "prune-single-input",
        "add-same-level-skips",
        "repeat-cells",
        "resolve-edges",
        "lower",
    ]
    assert results[0].log == (
        "td7 removed (1 input, same level): td6, out7 now read in7",
        "out3 removed (1 input, same level): out4 now reads td3; output p3 is now td3",
    )
    assert results[0].kept == ()
    assert results[0].rewrites == 2
    assert results[1].log == tuple(f"out{i} now also reads in{i}, first" for i in (4, 5, 6))
    assert results[2].log == (
        "8 nodes stacked into 2 cells; each level's output feeds its next input",
    )


def test_simplified_panet() -> None:
    """topologies.md 1.3: what stands between the two passes."""
    graph = after(written("panet", levels="3..7"), PruneSingleInput())
    assert cell(graph) == {
        "td6": (6, ("in6", "in7")),
        "td5": (5, ("in5", "td6")),
        "td4": (4, ("in4", "td5")),
        "td3": (3, ("in3", "td4")),
        "out4": (4, ("td4", "td3")),
        "out5": (5, ("td5", "out4")),
        "out6": (6, ("td6", "out5")),
        "out7": (7, ("in7", "out6")),
    }


def test_order_of_the_passes_matters() -> None:
    """topologies.md 1.5, item 1: skips first keep `out3`, which then has two inputs."""
    graph = after(written("panet", levels="3..7"), AddSameLevelSkips(), PruneSingleInput())
    nodes = cell(graph)
    assert len(nodes) == 9
    assert nodes["out3"] == (3, ("in3", "td3"))
    assert "td7" not in nodes


def test_both_passes_are_idempotent() -> None:
    panet = written("panet", levels="3..7")
    results = run(
        panet,
        *(PruneSingleInput(), PruneSingleInput()),
        *(AddSameLevelSkips(), AddSameLevelSkips()),
        PruneSingleInput(),
    )
    assert [result.rewrites for result in results] == [2, 0, 3, 0, 0]
    for again in (results[1], results[3], results[4]):
        assert again.before.graph == again.after.graph
        assert print_graph(again.before.graph) == print_graph(again.after.graph)


def test_one_level_is_the_identity() -> None:
    compilation = compiled("panet", levels="5..5")
    (result,) = run(compilation.written, PruneSingleInput())
    assert cell(result.after.graph) == {}
    assert result.after.graph.outputs == {"p5": "in5"}
    assert result.log == (
        "td5 removed (1 input, same level): out5 now reads in5",
        "out5 removed (1 input, same level): output p5 is now in5",
    )
    stacked = compiled("bifpn", levels="5..5", cells=3)
    assert cell(stacked.pyramid.graph) == {}
    assert stacked.operators.graph.outputs == {"p5": "in5"}
    assert [node.name for node in stacked.operators.graph] == ["in5"]


def test_one_level_of_raw_width_keeps_the_last_node() -> None:
    compilation = compiled("bifpn", levels="5..5", in_channels=40)
    pruned = compilation.results[0]
    assert pruned.log == ("td5 removed (1 input, same level): out5 now reads in5",)
    assert pruned.kept == ("out5 kept (output p5 would have 40 channels instead of 64)",)
    graph = compilation.pyramid.graph
    assert cell(graph) == {"cells.0.out5": (5, ("in5",))}
    assert graph.inputs("cells.0.out5")[0].steps.project
    operators = compilation.operators.graph
    assert operators.infer_types()[operators.outputs["p5"]].channels == 64
