"""Reports of runs: of one, and of several side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from archgraph.analysis import cost
from archgraph.train.axes import Point
from archgraph.train.curves import line_chart
from archgraph.train.evaluate import Evaluation
from archgraph.train.evaluate.report import add_numbers
from archgraph.train.fit.folder import METRICS, REPORT, SAMPLES, RunFolder
from archgraph.train.fit.metrics import read_metrics
from archgraph.train.fit.pictures import FOUND, LEARNED
from archgraph.train.fit.recipes import RECIPES
from archgraph.train.fit.settings import TrainSettings
from archgraph.train.fit.watch import GIB, duration
from archgraph.train.page import Bar, Cell, Page

NUMBERS = {"AP": "ap", "AP50": "ap50", "AP75": "ap75"}


@dataclass(frozen=True)
class Run:
    """A run, and what it has measured so far."""

    name: str
    folder: RunFolder

    @cached_property
    def lines(self) -> Sequence[Mapping[str, Any]]:
        """Of its measurements."""
        return read_metrics(self.folder.path / METRICS)

    def curve(self, kind: str, key: str, along: str = "epoch", factor: float = 1.0) -> list[Point]:
        """One of its numbers along another."""
        return [
            (line[along] * factor, line[key])
            for line in self.lines
            if line["kind"] == kind and line.get(key) is not None
        ]

    @property
    def best(self) -> Mapping[str, Any] | None:
        """Its best evaluation."""
        known = [x for x in self.lines if x["kind"] == "eval" and x.get("ap") is not None]
        return max(known, key=lambda line: (line["ap"], -line["step"]), default=None)

    @property
    def last(self) -> Mapping[str, Any] | None:
        """The last line about steps."""
        return next((line for line in reversed(self.lines) if line["kind"] == "train"), None)


def write_run_report(folder: RunFolder, last: Evaluation | None = None) -> None:
    """Replace the report of a run.

    Args:
        folder: of the run.
        last: its last evaluation, if it is at hand.

    Raises:
        InputOutputError: E020, it cannot be written; E001, a file of the run cannot be read.
    """
    run = Run(folder.path.name, folder)
    page = Page(f"{folder.path.name}: {folder.facts.model} on {folder.facts.train}")
    _summary(page, run)
    _learning(page, [run])
    _pictures(page, folder)
    if last is not None:
        add_numbers(page, last)
    _settings(page, folder.settings)
    _facts(page, folder)
    page.write(folder.path / REPORT)


def write_comparison(runs: Sequence[Run], path: Path) -> None:
    """Replace a file by a report on several runs.

    Raises:
        InputOutputError: E020, it cannot be written; E001, a file of a run cannot be read.
    """
    page = Page("Runs side by side" if len(runs) > 1 else runs[0].name)
    page.heading("Results")
    rows = [row for _, row in sorted(((_order(run), _row(run)) for run in runs), key=_first)]
    page.table(COLUMNS, rows)
    _learning(page, runs)
    different = differences([run.folder.settings for run in runs])
    if different:
        page.heading("Settings that differ")
        names = [run.name for run in runs]
        page.table(["", *names], [[key, *values] for key, values in different.items()])
    page.write(path)


COLUMNS = (
    *("run", "model", "data", "parameters", "MACs", "AP", "AP50", "AP75"),
    *("best at", "epochs", "time", "images/s", "memory"),
)


def table_of(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """What a comparison tells of each run, as plain data."""
    return [_measured(run) for run in runs]


def differences(settings: Sequence[TrainSettings]) -> dict[str, list[str]]:
    """Settings that not all runs share, with their values."""
    listed = [asdict(each) for each in settings]
    return {
        key: [_text(each[key]) for each in listed]
        for key in listed[0]
        if any(each[key] != listed[0][key] for each in listed)
    }


def _measured(run: Run) -> dict[str, Any]:
    folder, best, last = run.folder, run.best, run.last
    whole = cost(folder.graph, folder.facts.image_size).total
    found: dict[str, Any] = {
        "run": run.name,
        "model": folder.facts.model,
        "data": folder.facts.train,
        "parameters": whole.parameters,
        "macs": whole.macs,
    }
    found |= {key: best[key] if best else None for key in (*NUMBERS.values(), "epoch", "step")}
    found["epochs"] = last["epoch"] if last else 0.0
    found["seconds"] = last["seconds"] if last else 0.0
    found["images_per_second"] = _mean(run, "images_per_second")
    found["memory"] = last["memory"] if last else 0
    return found


def large_number(count: int) -> str:
    """`1.18 M` or `2.5 G`."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if count >= size:
            return f"{count / size:.3g} {letter}"
    return str(count)


def _mean(run: Run, key: str) -> float | None:
    values = [value for _, value in run.curve("train", key)]
    return float(np.median(values)) if values else None


def _row(run: Run) -> list[Cell]:
    found = _measured(run)
    ap: Cell = None if found["ap"] is None else Bar(found["ap"], f"{found['ap']:.3f}")
    speed = found["images_per_second"]
    return [
        *(found["run"], found["model"], found["data"], found["parameters"]),
        large_number(found["macs"]),
        *(ap, found["ap50"], found["ap75"]),
        None if found["epoch"] is None else f"{found['epoch']:.1f}",
        f"{found['epochs']:.1f}",
        duration(found["seconds"]),
        None if speed is None else f"{speed:.1f}",
        f"{found['memory'] / GIB:.1f} GiB",
    ]


def _order(run: Run) -> float:
    best = run.best
    return -best["ap"] if best else 1.0


def _first(pair: tuple[float, list[Cell]]) -> float:
    return pair[0]


def _summary(page: Page, run: Run) -> None:
    best, last, settings = run.best, run.last, run.folder.settings
    done = "nothing was learned yet"
    if last is not None:
        done = f"{last['step']:,} steps ({last['epoch']:.1f} epochs) in {duration(last['seconds'])}"
    text = f"{done}; recipe {settings.recipe}."
    if best is not None:
        text += (
            f"\nThe best evaluation was after step {best['step']:,}: AP {best['ap']:.3f}, "
            f"AP50 {best['ap50']:.3f}, AP75 {best['ap75']:.3f}."
        )
    page.text(text)
    page.table([], [[name, cell] for name, cell in zip(COLUMNS, _row(run), strict=True)][3:])


def _learning(page: Page, runs: Sequence[Run]) -> None:
    """Curves over the epochs; of several runs the same number of each in one figure."""
    page.heading("Learning")
    if len(runs) == 1:
        run = runs[0]
        scores = {name: run.curve("eval", key) for name, key in NUMBERS.items()}
        _figure(page, scores, "epoch", "precision", "Evaluations.", (0.0, 1.0))
        weight = run.folder.settings.box_weight
        losses = {
            "total": run.curve("train", "total"),
            "classes": run.curve("train", "classes"),
            f"boxes, times {weight:g}": [(x, y * weight) for x, y in run.curve("train", "boxes")],
        }
        _figure(page, losses, "epoch", "loss", "The loss, a mean of several steps.")
        _figure(page, {"": run.curve("train", "rate")}, "epoch", "learning rate", "")
        _figure(
            page, {"": run.curve("train", "norm")}, "epoch", "gradient, before it is clipped", ""
        )
        return
    for name, key in list(NUMBERS.items())[:2]:
        curves = {run.name: run.curve("eval", key) for run in runs}
        _figure(page, curves, "epoch", name, f"{name} by epoch.")
    by_time = {run.name: run.curve("eval", "ap", "seconds", 1 / 60) for run in runs}
    _figure(page, by_time, "minutes of training", "AP", "AP by time.")
    losses = {run.name: run.curve("train", "total") for run in runs}
    _figure(page, losses, "epoch", "loss", "The loss, a mean of several steps.")


def _figure(
    page: Page,
    curves: Mapping[str, Sequence[Point]],
    x_label: str,
    y_label: str,
    caption: str,
    y_range: tuple[float, float] | None = None,
) -> None:
    if any(curves.values()):
        page.figure(line_chart(curves, x_label, y_label, y_range=y_range), caption)


def _pictures(page: Page, folder: RunFolder) -> None:
    captions = {
        FOUND: "Images of the evaluation: what is there, and what the last evaluation found.",
        LEARNED: "Images of the first step as the network sees them.",
    }
    there = {name: folder.path / SAMPLES / name for name in captions}
    if any(path.is_file() for path in there.values()):
        page.heading("Samples")
    for name, path in there.items():
        if path.is_file():
            with Image.open(path) as image:
                page.image(np.asarray(image.convert("RGB")), captions[name])


def _settings(page: Page, settings: TrainSettings) -> None:
    page.heading("Settings")
    known = RECIPES.get(settings.recipe)
    origin = asdict(known.settings) if known else {}
    if known:
        page.text(f"Recipe {settings.recipe}: {known.source}. A star marks what differs from it.")
    rows: list[list[Cell]] = [
        [f"{key} *" if key in origin and origin[key] != value else key, _text(value)]
        for key, value in asdict(settings).items()
        if key != "recipe"
    ]
    page.table(["setting", "value"], rows)


def _facts(page: Page, folder: RunFolder) -> None:
    page.heading("How it was made")
    facts = folder.facts
    rows = {
        "images to learn from": f"{facts.train} (sha256 {facts.digests[0][:16]})",
        "images to evaluate on": facts.val or None,
        "classes": ", ".join(facts.class_names),
        "image size": "x".join(map(str, facts.image_size)),
        "weights it began with": facts.weights or "initial ones",
        **facts.versions,
    }
    page.table([], [[name, value] for name, value in rows.items()])


def _text(value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join(map(_text, value)) or "none"
    return f"{value:g}" if isinstance(value, float) else str(value).lower()
