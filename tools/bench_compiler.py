"""Whether the compiler stays linear: time per node of every stage, on ever larger graphs.

python tools/bench_compiler.py [--sizes 1000 10000 100000] [--repeats 3]

Two topologies: BiFPN in many cells, and a wide one, in which maps have many readers and nodes
read many maps. Medians of interleaved repeats, in microseconds of processor time per operator.

Promised: at the largest size a node takes at most 2 times as long as at the size before it, in
check, in every pass and in cost. Fails only at twice the promise, since other work may share the
machine.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from archgraph.analysis import cost
from archgraph.cli.main import collect_seldom
from archgraph.compiler import Compilation, arguments_from_python, compile_spec
from archgraph.ir import MAX_NODES, Model, parse_graph, print_graph, verify
from archgraph.passes import Pass, PassResult, base

PROMISED = 2.0
# A document has at most 10,000 values; what is larger has more cells.
MAX_COLUMNS = 700
Times = Mapping[str, float]


@dataclass(frozen=True)
class Case:
    """A topology of about so many operators."""

    name: str
    size: int
    reference: str
    cells: int

    def compiled(self) -> Compilation:
        """The whole way from text to operators."""
        return compile_spec(self.reference, arguments_from_python({"cells": self.cells}))


def wide_topology(columns: int) -> str:
    """A cell of many columns: every node reads its level's input, and one reads every column."""
    lines = [
        "topology: wide",
        "parameters: {levels: {levels: 3..5}, channels: 8, cells: 1}",
        "defaults:",
        "  node: {fuse: fast, block: act-separable-conv-norm}",
        "  edge:",
        "    up: resize mode=nearest",
        "    down: max-pool kernel=3 stride=2",
        "nodes:",
        "  - {for: l in hi downto lo, name: a<l>_0, from: [in<l>, {name: again, from: in<l>}]}",
    ]
    for i in range(1, columns):
        entries = f"in<l>, a<l>_{i - 1}, maybe a<l+1>_{i}"
        lines.append(f"  - {{for: l in hi downto lo, name: a<l>_{i}, from: [{entries}]}}")
    every = ", ".join(f"a<l>_{i}" for i in range(columns))
    lines.append(f"  - {{for: l in lo..hi, name: out<l>, from: [{every}, maybe out<l-1>]}}")
    lines.append("outputs: out<l>")
    passes = ["prune-single-input", "add-same-level-skips", "repeat-cells count=cells"]
    return "\n".join([*lines, f"passes: [{', '.join(passes)}]", ""])


def cases(size: int, folder: Path) -> list[Case]:
    """The topologies, as close to `size` operators as whole cells and columns come."""
    return [_filled("bifpn", size, "bifpn"), _filled("wide", size, _wide(size, folder))]


def _filled(name: str, size: int, reference: str) -> Case:
    one, two = (_operators(reference, cells) for cells in (1, 2))
    cells = 1 + (min(size, MAX_NODES - 1) - one) // (two - one)
    return Case(name, size, reference, max(cells, 1))


def _wide(size: int, folder: Path) -> str:
    """The file of a wide topology, two cells of which are about `size` operators."""
    few, many = (_operators(_written(folder, columns), 1) for columns in (10, 20))
    columns = 10 + 10 * (size // 2 - few) // (many - few)
    return _written(folder, min(max(columns, 1), MAX_COLUMNS))


def _written(folder: Path, columns: int) -> str:
    path = folder / f"wide-{columns}.yaml"
    path.write_text(wide_topology(columns), "utf-8")
    return str(path)


def _operators(reference: str, cells: int) -> int:
    return len(Case("", 0, reference, cells).compiled().operators.graph)


# --- timing ---------------------------------------------------------------------------------


@contextlib.contextmanager
def timed_passes(times: dict[str, float]) -> Iterator[None]:
    """While it is open, the time of every pass goes into `times`, verification included."""
    run_pass = base.run_pass

    def timed(step: Pass, model: Model) -> PassResult:
        start = time.process_time()
        done = run_pass(step, model)
        times[step.name] = time.process_time() - start
        return done

    base.run_pass = timed
    try:
        yield
    finally:
        base.run_pass = run_pass


def measure(case: Case) -> tuple[int, Times]:
    """The number of operators, and microseconds per operator of every stage."""
    times: dict[str, float] = {}

    def stage(name: str, run: Callable[[], object]) -> None:
        start = time.process_time()
        run()
        times[name] = time.process_time() - start

    start = time.process_time()
    with timed_passes(times):
        compilation = case.compiled()
    times = {"check": time.process_time() - start, **times}
    graph = compilation.operators.graph
    stage("verify", lambda: verify(graph))
    stage("cost", lambda: cost(graph, (512, 512)).by_node)
    stage("print", lambda: print_graph(graph))
    stage("parse", lambda: parse_graph(print_graph(graph)))
    return len(graph), {name: 1e6 * spent / len(graph) for name, spent in times.items()}


def medians(found: Sequence[Times]) -> Times:
    """The median of every stage."""
    return {name: statistics.median(times[name] for times in found) for name in found[0]}


def main() -> int:
    parser = argparse.ArgumentParser(description="Time the compiler per node of a graph.")
    parser.add_argument("--sizes", type=int, nargs="+", default=[1_000, 10_000, 100_000])
    parser.add_argument("--repeats", type=int, default=3, help="runs of each size (default: 3)")
    given = parser.parse_args()
    collect_seldom()  # as the command does
    sizes: list[int] = sorted(given.sizes)
    found: dict[tuple[str, int], list[Times]] = {}
    counts: dict[tuple[str, int], int] = {}
    with tempfile.TemporaryDirectory() as folder:
        every = [case for size in sizes for case in cases(size, Path(folder))]
        for _ in range(given.repeats):
            for case in every:
                key = case.name, case.size
                counts[key], times = measure(case)
                found.setdefault(key, []).append(times)
    worst = 0.0
    for name in dict.fromkeys(case.name for case in every):
        rows = {counts[name, size]: medians(found[name, size]) for size in sizes}
        worst = max(worst, _show(name, rows))
    print(f"largest ratio {worst:.2f}, promised at most {PROMISED}")
    return 1 if worst > 2 * PROMISED else 0


def _show(name: str, rows: Mapping[int, Times]) -> float:
    """Print one table; returns the largest ratio of its last two rows."""
    stages = list(next(iter(rows.values())))
    print(f"{name}: microseconds per operator")
    print(f"{'operators':>12}" + "".join(f"{stage:>22}" for stage in stages))
    for count, times in rows.items():
        print(f"{count:>12,}" + "".join(f"{times[stage]:>22.1f}" for stage in stages))
    if len(rows) < 2:
        return 0.0
    before, last = list(rows.values())[-2:]
    # What takes less than a microsecond per operator is noise.
    ratios = {stage: last[stage] / max(before[stage], 1.0) for stage in stages}
    print(f"{'ratio':>12}" + "".join(f"{ratios[stage]:>22.2f}" for stage in stages))
    return max(ratios.values())


if __name__ == "__main__":
    sys.exit(main())
