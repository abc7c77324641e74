"""`archgraph eval`: what a detector is worth on annotated images."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from archgraph import __version__
from archgraph.cli.detector import Named
from archgraph.cli.options import (
    AgnosticOption,
    BadOption,
    DeviceOption,
    JsonOption,
    NmsOption,
    OverlapOption,
    SearchOption,
    SetOption,
    UsageError,
    VariantOption,
    check_output,
    make_library,
)
from archgraph.cli.output import (
    count,
    new_table,
    note,
    print_table,
    printable,
    progress,
    progress_bar,
    write,
)
from archgraph.errors import Diagnostic, InputOutputError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from archgraph.train.evaluate import Detect, Evaluation, EvaluationSettings
    from archgraph.train.records import Dataset

EXAMPLES = """
[bold]Examples[/]
  archgraph eval d.yaml --weights d.safetensors --data coco:photos
  archgraph eval d.yaml --weights d.pth --data voc:set --report eval.html
  archgraph eval runs/d0
  archgraph eval --from results.json --data coco:photos
"""
# How boxes are thinned out: method, overlap, whether classes are told apart.
Way = tuple[Literal["hard", "gaussian", "linear"], float, bool]
USUAL: Way = ("hard", 0.5, False)
FIGURES = ("AP", "AP50", "AP75", "small", "medium", "large", "AR", "score", "F1")


def evaluate(
    spec: Annotated[
        str,
        typer.Argument(
            metavar="SPEC|RUN",
            help="The detector, as of 'emit', or the folder of a run; none with --from.",
            show_default=False,
        ),
    ] = "",
    settings: SetOption = None,
    variant: VariantOption = "",
    search: SearchOption = None,
    weights: Annotated[
        Path | None,
        typer.Option("--weights", metavar="FILE", help="Its weights.", show_default=False),
    ] = None,
    data: Annotated[
        str,
        typer.Option(
            "--data",
            metavar="SOURCE",
            help="Annotated images: coco:DIR, yolo:DIR, voc:DIR or shapes. \\[default: those that "
            "a run was evaluated on]",
            show_default=False,
        ),
    ] = "",
    results_from: Annotated[
        Path | None,
        typer.Option(
            "--from",
            metavar="FILE.json",
            help="Evaluate a file of COCO's results instead of a detector.",
            show_default=False,
        ),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(
            "--report", metavar="FILE.html", help="Write a report, with curves and images."
        ),
    ] = None,
    results: Annotated[
        Path | None,
        typer.Option(
            "--results",
            metavar="FILE.json",
            help="Write COCO's results; a run that is interrupted then goes on where it stopped.",
        ),
    ] = None,
    batch_size: Annotated[
        int, typer.Option("--batch-size", min=1, help="Images that are looked at together.")
    ] = 8,
    workers: Annotated[
        int, typer.Option("--workers", min=0, max=64, help="Threads that read images.")
    ] = 2,
    limit: Annotated[
        int | None,
        typer.Option("--limit", metavar="N", min=1, help="Only the first N images."),
    ] = None,
    least_score: Annotated[
        float,
        typer.Option(
            "--min-score",
            min=0,
            max=1,
            help="Of detections in the confusion matrix and in mistakes; COCO's numbers have all.",
        ),
    ] = 0.3,
    evaluator: Annotated[
        str,
        typer.Option(
            "--evaluator", metavar="NAME", help="auto, hotcoco, faster-coco-eval or pycocotools."
        ),
    ] = "auto",
    method: NmsOption = "hard",
    threshold: OverlapOption = 0.5,
    agnostic: AgnosticOption = False,
    bad: BadOption = "refuse",
    device: DeviceOption = "cpu",
    as_json: JsonOption = False,
) -> None:
    """Evaluate a detector: COCO's numbers, classes, curves, what is taken for what.

    The numbers are those of pycocotools, whichever evaluator computes them.
    """
    named = Named(spec, settings, variant, search, weights, device)
    if named.run is not None:
        data = data or _data_of(named.run)
    elif spec and not data:
        # A run that is not there is said to be so, before images are asked for.
        make_library(search).open(spec)
    way = (method, threshold, agnostic)
    _check_usage(spec, weights, data, results_from, results, way)
    for path, suffix, what in ((report, ".html", "a report"), (results, ".json", "results")):
        if path is not None:
            _check_file(path, suffix, what)
    from archgraph.train.data import open_dataset
    from archgraph.train.evaluate import EvaluationSettings, check_evaluator

    check_evaluator(evaluator)
    with progress_bar(f"reading {data}") as told:
        dataset = open_dataset(data, bad=bad, progress=told)
    chosen = EvaluationSettings(least_score=least_score)
    if results_from is not None:
        found = _of_results(dataset, results_from, limit, evaluator, chosen)
        run: Mapping[str, str] = {"results": str(results_from)}
    else:
        detect, run = _detector(named, way, dataset)
        plan = _Plan(batch_size, workers, limit, bad, results)
        found = _of_detector(detect, dataset, plan, run, evaluator, chosen)
    if as_json:
        write(f"{json.dumps(found.as_dict(), indent=2)}\n")
    else:
        _print(found)
    if results is not None:
        note(f"wrote {results} ({count(sum(map(len, found.found.values())), 'detection')})")
    if report is not None:
        _write_report(report, found, dataset, run)


COMMAND = evaluate


def _check_usage(
    spec: str,
    weights: Path | None,
    data: str,
    results_from: Path | None,
    results: Path | None,
    way: Way,
) -> None:
    """Refuse options that say too much or too little.

    Raises:
        UsageError: E125.
    """
    if not data:
        raise _unusable("there are no images to evaluate on", "give --data coco:DIR, or shapes")
    if results_from is None and not spec:
        raise _unusable("there is nothing to evaluate", "give a SPEC, or --from results.json")
    if results_from is not None and (spec or weights or results or way != USUAL):
        what = "a SPEC" if spec else "'--weights'" if weights else "'--results'"
        if way != USUAL:
            what = "how boxes are thinned out"
        raise _unusable(f"'--from' and {what} say different things", "give one of them")


def _unusable(message: str, hint: str) -> UsageError:
    return UsageError(Diagnostic("E125", message, None, hint))


def _check_file(path: Path, suffix: str, what: str) -> None:
    """Refuse a file that could not be written, before the work of hours.

    Raises:
        UsageError: E122, its name does not say what it holds.
        InputOutputError: E020, there is no such folder.
    """
    check_output(path, suffix, what, stream=False)
    if not path.resolve().parent.is_dir():
        message = f"cannot write '{path}': there is no folder '{path.parent}'"
        raise InputOutputError(Diagnostic("E020", message))


@dataclass(frozen=True)
class _Plan:
    """How images are looked at, see `train.evaluate.evaluate`."""

    batch_size: int
    workers: int
    limit: int | None
    bad: Literal["refuse", "skip"]
    results: Path | None


def _of_results(
    dataset: Dataset,
    path: Path,
    limit: int | None,
    evaluator: str,
    settings: EvaluationSettings,
) -> Evaluation:
    from archgraph.train.evaluate import evaluate_detections, read_results

    with progress(f"reading {path}"):
        found = read_results(path, dataset.category_ids)
    with progress("evaluating"):
        return evaluate_detections(
            dataset, found, limit=limit, evaluator=evaluator, settings=settings
        )


def _data_of(folder: Path) -> str:
    from archgraph.train.fit import RunFolder

    return RunFolder(folder).facts.val


def _detector(named: Named, way: Way, dataset: Dataset) -> tuple[Detect, Mapping[str, str]]:
    """A detector that tells classes as the set does, and which one it is."""
    from archgraph.detect import PostprocessSettings
    from archgraph.train.evaluate import map_classes

    method, threshold, agnostic = way
    detector = named.open(
        PostprocessSettings(method=method, threshold=threshold, agnostic=agnostic)
    )
    classes = map_classes(detector.class_names, dataset.class_names)
    if classes.note:
        note(f"note: {classes.note}")
    if named.untrained:
        note("note: without --weights the detector has its initial weights, which find nothing")
    run = dict(named.facts())
    if way != USUAL:
        run["suppression"] = f"{method} {threshold:g}{' agnostic' if agnostic else ''}"
    return classes.applied(detector.detect), run


def _of_detector(
    detect: Detect,
    dataset: Dataset,
    plan: _Plan,
    run: Mapping[str, str],
    evaluator: str,
    settings: EvaluationSettings,
) -> Evaluation:
    from archgraph.train.evaluate import evaluate

    with progress_bar(f"evaluating on {dataset.name}") as told:
        try:
            return evaluate(
                detect,
                dataset,
                batch_size=plan.batch_size,
                workers=plan.workers,
                progress=told,
                limit=plan.limit,
                bad=plan.bad,
                evaluator=evaluator,
                settings=settings,
                results=plan.results,
                run=run,
            )
        except KeyboardInterrupt:
            if plan.results is not None:
                note(f"the same command goes on from {plan.results}.partial")
            raise


def _print(found: Evaluation) -> None:
    """COCO's table as pycocotools words it, a row for each class, and what was looked at."""
    from archgraph.train.evaluate import coco_rows

    for row in coco_rows(found.numbers):
        write(f"{row}\n")
    shown = [one for one in found.classes if one.name or one.objects or one.detections]
    if shown:
        write("\n")
        table = new_table(
            "class", "objects", "found", *FIGURES, right=("objects", "found", *FIGURES)
        )
        for one in shown:
            numbers = one.numbers
            figures = (
                *(numbers.ap, numbers.ap50, numbers.ap75),
                *(numbers.ap_small, numbers.ap_medium, numbers.ap_large, numbers.ar100),
                *((one.best.score, one.best.f1) if one.best else (-1, -1)),
            )
            cells = ["-" if value < 0 else f"{value:.3f}" for value in figures]
            name = printable(one.name) or f"({one.category_id})"
            table.add_row(name, f"{one.objects:,}", f"{one.detections:,}", *cells)
        print_table(table)
    objects = sum(one.objects for one in found.classes)
    looked = f"{count(len(found.images), 'image')}, {count(objects, 'object')}"
    note(f"{found.dataset}: {looked}, by {found.evaluator}")
    for diagnostic in found.skipped:
        note(f"left out: {diagnostic.message}")


def _write_report(path: Path, found: Evaluation, dataset: Dataset, run: Mapping[str, str]) -> None:
    from archgraph.train.evaluate.report import write_report

    with progress(f"writing {path}"):
        title = f"{run.get('model') or run['results']} on {dataset.name}"
        write_report(path, found, dataset, title, {**run, "archgraph": __version__})
    note(f"wrote {path}")
