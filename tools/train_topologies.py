"""Table 5 of the EfficientDet paper in miniature: one small detector with one neck after another.

    python tools/train_topologies.py --output runs/topologies --figure topologies.svg

Backbone, heads, data, recipe and number of steps are the same for all; only the nodes of the neck
and what joins their inputs differ. The data are the embedded scenes, so nothing is downloaded. Each
run is `archgraph train` in a process of its own; the command goes on where it was stopped.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from archgraph.train.curves import spread_chart
from archgraph.train.fit import RunFolder
from archgraph.train.fit.report import Run, table_of

DETECTOR = ["efficientdet", "--variant", "nano", "--recipe", "small", "--data", "shapes:128"]
# The paper repeats the top-down network too; the library's stands alone.
REPEATED = """\
topology: repeated-fpn
extends: fpn-efficientdet
parameters: {cells: 1}
passes: [repeat-cells count=cells]
"""


@dataclass(frozen=True)
class Neck:
    """What the paper calls a neck, and what it is here."""

    name: str
    neck: str
    fuse: str


NECKS = (
    Neck("repeated FPN", "repeated-fpn", "sum"),
    Neck("repeated PANet", "stacked-panet", "sum"),
    Neck("BiFPN without weights", "bifpn", "sum"),
    Neck("BiFPN", "bifpn", "fast"),
)


def folder_of(output: Path, neck: Neck, seed: int) -> Path:
    return output / f"{neck.neck}-{neck.fuse}-{seed}"


def train(neck: Neck, seed: int, given: argparse.Namespace, search: str, threads: int) -> None:
    """One run, or what is left of it."""
    folder = folder_of(given.output, neck, seed)
    command = [sys.executable, "-m", "archgraph", "train"]
    if (folder / "run.json").is_file():
        command += ["--resume", str(folder)]
    else:
        command += [*DETECTOR, "--search", search, "--seed", str(seed), "-o", str(folder)]
        command += ["--set", f"neck={neck.neck}", "--set", f"fuse={neck.fuse}"]
        command += ["--epochs", str(given.epochs), "--workers", "0"]
        command += ["--with", f"eval_every={given.epochs / 3}"]
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    print(f"training {neck.name}, seed {seed}", flush=True)
    log = folder.with_suffix(".log")
    with log.open("w") as file:
        done = subprocess.run(command, env=environment, stderr=file, stdout=file, check=False)
    if done.returncode:
        raise SystemExit(f"{neck.name}, seed {seed}: see {log}")


def measured(output: Path, seeds: int) -> dict[str, list[dict[str, float]]]:
    """What every run came to: its last evaluation, and what its network costs."""
    found: dict[str, list[dict[str, float]]] = {}
    for neck in NECKS:
        runs = [Run(neck.name, RunFolder(folder_of(output, neck, seed))) for seed in range(seeds)]
        costs = table_of(runs)
        lasts = [[line for line in run.lines if line["kind"] == "eval"][-1] for run in runs]
        found[neck.name] = [
            {
                "ap": last["ap"],
                "ap50": last["ap50"],
                "parameters": c["parameters"],
                "macs": c["macs"],
            }
            for last, c in zip(lasts, costs, strict=True)
        ]
    return found


def table(found: Mapping[str, Sequence[Mapping[str, float]]]) -> Iterator[str]:
    """The results as a table, costs by those of the repeated FPN, as in the paper."""
    yield "| neck | AP | AP50 | parameters | multiply-adds |"
    yield "|---|---|---|---|---|"
    first = next(iter(found.values()))[0]
    for name, runs in found.items():
        cells = [f"{_spread([run[key] for run in runs])}" for key in ("ap", "ap50")]
        cells += [f"{runs[0][key] / first[key]:.2f}×" for key in ("parameters", "macs")]
        yield f"| {name} | {' | '.join(cells)} |"


def _spread(values: Sequence[float]) -> str:
    spread = statistics.stdev(values) if len(values) > 1 else 0.0
    return f"{statistics.fmean(values):.3f} ± {spread:.3f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--output", type=Path, required=True, help="the folder of the runs")
    parser.add_argument("--epochs", type=float, default=8.0)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--figure", type=Path, help="an SVG of the spread")
    given = parser.parse_args()
    given.output.mkdir(parents=True, exist_ok=True)
    threads = max(1, (os.cpu_count() or 1) // given.jobs)
    with tempfile.TemporaryDirectory() as search, ThreadPoolExecutor(given.jobs) as pool:
        (Path(search) / "repeated-fpn.yaml").write_text(REPEATED)
        # Seeds before necks, so that a part of the whole is a comparison already.
        waiting = [
            pool.submit(train, neck, seed, given, search, threads)
            for seed in range(given.seeds)
            for neck in NECKS
        ]
        for each in waiting:
            each.result()
    found = measured(given.output, given.seeds)
    print("\n".join(table(found)))
    print(json.dumps(found))
    if given.figure:
        rows = {name: [run["ap"] for run in runs] for name, runs in found.items()}
        given.figure.write_text(spread_chart(rows, "AP of each seed, mean and standard deviation"))


if __name__ == "__main__":
    main()
