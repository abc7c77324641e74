"""Every stage takes time in proportion to the graph: calls are counted, no clock is read.

Calls of functions, and the rounds of generators, are as many in every run. Of three graphs, each
twice as large as the one before, the second step up must cost twice what the first one costs;
what does not depend on the size cancels out.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import pytest

from archgraph.analysis import cost
from archgraph.compiler import Compilation, arguments_from_python, check_spec, compile_spec
from archgraph.ir import Graph, Model, parse_graph, print_graph, verify
from archgraph.passes import Lower, Pass, ResolveEdges, run_pass
from archgraph.passes.pyramid.add_same_level_skips import AddSameLevelSkips
from archgraph.passes.pyramid.prune_single_input import PruneSingleInput
from archgraph.passes.pyramid.repeat_cells import RepeatCells
from tools.bench_compiler import wide_topology

TOLERANCE = 0.01
SIZES = (6, 12, 24)
PASSES: Mapping[str, Pass] = {
    "prune-single-input": PruneSingleInput(),
    "add-same-level-skips": AddSameLevelSkips(),
    "repeat-cells": RepeatCells(2),
    "resolve-edges": ResolveEdges(),
    "lower": Lower(),
}


def calls(run: Callable[[], object]) -> int:
    """How many functions a run calls, those written in C included."""
    count = 0

    def profile(_: object, event: str, __: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(profile)
    try:
        run()
    finally:
        sys.setprofile(before)
    return count


def growth(runs: Sequence[Callable[[], object]]) -> float:
    """By how much more calls the second step up costs than the first; 2 where all is linear."""
    for run in runs:
        run()  # fills the caches
    small, middle, large = (calls(run) for run in runs)
    return (large - middle) / (middle - small)


def stacked(cells: int, _: Path) -> Compilation:
    return compile_spec("bifpn", arguments_from_python({"channels": 8, "cells": cells}))


def wide(columns: int, folder: Path) -> Compilation:
    """Maps with many readers, nodes that read many maps; `up` measures through a block."""
    text = wide_topology(columns).replace("up: resize mode=nearest", "up: project-up")
    block = "nodes: [{name: up, use: resize mode=nearest}, {name: act, use: relu}]"
    path = folder / f"wide-{columns}.yaml"
    path.write_text(f"{text}---\nblock: project-up\n{block}\n", "utf-8")
    return compile_spec(f"{path}#wide")


@pytest.fixture(scope="module", params=[stacked, pytest.param(wide, marks=pytest.mark.slow)])
def compilations(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> list[Compilation]:
    """One topology in three sizes."""
    folder = tmp_path_factory.mktemp("linear")
    return [request.param(size, folder) for size in SIZES]


@pytest.mark.parametrize("name", PASSES)
def test_passes_are_linear(compilations: list[Compilation], name: str) -> None:
    # Passes on the cell work on what the spec stacked: as many nodes as there are.
    found = [{result.name: result.before for result in each.results} for each in compilations]
    models = [before.get(name if name == "lower" else "resolve-edges") for before in found]
    runs = [partial(run_pass, PASSES[name], model) for model in models if model]
    assert growth(runs) <= 2 + TOLERANCE


def test_pruning_is_linear_in_what_one_node_reads(tmp_path: Path) -> None:
    """Every node goes but the last, which read all of them."""
    models: list[Model] = []
    for size in SIZES:
        path = tmp_path / f"fan-{size}.yaml"
        every = ", ".join(f"a{i}" for i in range(5 * size))
        path.write_text(
            "topology: fan\n"
            "parameters: {levels: {levels: 3..3}, channels: 8}\n"
            "defaults: {node: {fuse: sum, block: conv-norm}}\n"
            "nodes:\n"
            f"  - {{for: i in 0..{5 * size - 1}, level: 3, name: a<i>, from: in3}}\n"
            f"  - {{name: out3, level: 3, from: [{every}, {{name: again, from: in3}}]}}\n"
            "outputs: out3\n"
        )
        models.append(compile_spec(str(path)).written)
    done = run_pass(PruneSingleInput(), models[0])
    assert done.rewrites == 5 * SIZES[0] + 1
    runs = [partial(run_pass, PruneSingleInput(), model) for model in models]
    assert growth(runs) <= 2 + TOLERANCE


STAGES: Mapping[str, Callable[[Graph], object]] = {
    "verify": verify,
    "cost": lambda graph: cost(graph, (512, 512)).by_node,
    "print": print_graph,
    "parse": lambda graph: parse_graph(print_graph(graph)),
    "copy": Graph.copy,
}


@pytest.mark.parametrize("name", STAGES)
def test_stages_are_linear(compilations: list[Compilation], name: str) -> None:
    runs = [partial(STAGES[name], compilation.operators.graph) for compilation in compilations]
    assert growth(runs) <= 2 + TOLERANCE


def test_check_is_linear() -> None:
    """From the text to the last diagnostic."""
    arguments = [arguments_from_python({"cells": cells}) for cells in SIZES]
    assert growth([partial(check_spec, "bifpn", given) for given in arguments]) <= 2 + TOLERANCE


def test_what_is_not_linear_is_seen() -> None:
    def pairs(count: int) -> int:
        return sum(1 for i in range(count) for _ in range(i))

    def rounds(count: int) -> int:
        return sum(1 for _ in range(count))

    assert growth([partial(rounds, size) for size in SIZES]) == 2
    assert growth([partial(pairs, size) for size in SIZES]) > 3
