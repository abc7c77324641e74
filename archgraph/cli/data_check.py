"""`archgraph data check`: what is wrong with a dataset, and what it is made of."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from archgraph.cli.options import JsonOption, check_output
from archgraph.cli.output import (
    count,
    new_table,
    note,
    print_diagnostics,
    print_table,
    progress,
    progress_bar,
    write,
)
from archgraph.errors import DataError

if TYPE_CHECKING:
    from archgraph.train.data.check import Findings
    from archgraph.train.data.statistics import Statistics

EXAMPLES = """
[bold]Examples[/]
  archgraph data check coco:photos --report photos.html
  archgraph data check coco:photos/annotations/instances_val2017.json
  archgraph data check coco:photos:train2017 coco:photos:val2017
  archgraph data check yolo:photos/data.yaml:val --no-images
  archgraph data check voc:VOC2012:trainval --json
"""
# What a terminal shows; the report and --json have more.
FIRST, MOST_CLASSES = 5, 30
SOURCE_HELP = "coco:DIR, yolo:DIR, voc:DIR, folder:DIR, shapes or glyphs; a part is coco:DIR:val."
SourceArgument = Annotated[
    str, typer.Argument(metavar="DATASET", help=SOURCE_HELP, show_default=False)
]
SourcesArgument = Annotated[
    list[str], typer.Argument(metavar="DATASET...", help=SOURCE_HELP, show_default=False)
]
IdsOption = Annotated[
    Literal["dense", "coco", "automl"],
    typer.Option("--ids", help="How the ids of categories become classes."),
]
CornersOption = Annotated[
    Literal["inclusive", "shifted", "verbatim"],
    typer.Option("--corners", help="What the corners of Pascal VOC's boxes mean."),
]


def check(
    sources: SourcesArgument,
    report: Annotated[
        Path | None,
        typer.Option("--report", metavar="FILE.html", help="Write a page with charts and samples."),
    ] = None,
    as_json: JsonOption = False,
    images: Annotated[
        bool, typer.Option(help="Read every image whole, or only how large it is.")
    ] = True,
    ids: IdsOption = "dense",
    corners: CornersOption = "inclusive",
    bad: Annotated[
        Literal["refuse", "skip"],
        typer.Option("--bad", help="Whether errors fail the check, or are left out."),
    ] = "refuse",
) -> None:
    """Find what is wrong with datasets, with file and entry, and count what they are made of.

    Problems are the result: they go to standard output. Of a folder of COCO's every file of
    annotations is checked. Images that are in two are warned of.
    """
    if report is not None:
        check_output(report, ".html", "a report", stream=False)
    from archgraph.train.data import each_file
    from archgraph.train.data.check import check_dataset
    from archgraph.train.data.shared import report_shared

    found, failed = [], False
    sources = [file for source in sources for file in each_file(source)]
    for source in sources:
        try:
            with _stages(source) as told:
                one = check_dataset(source, ids=ids, corners=corners, images=images, told=told)
        except DataError as error:
            if len(sources) == 1:
                raise
            print_diagnostics(error.diagnostics, stderr=True)
            failed = True
            continue
        found.append(one)
    with progress("comparing images"):
        report_shared(found)
    if report is not None and found:
        from archgraph.train.data.report import make_report

        make_report(found).write(report)
        note(f"wrote {report}")
    if as_json:
        every = [one.as_dict() for one in found]
        write(f"{json.dumps(every[0] if len(sources) == 1 else every, indent=2)}\n")
    else:
        for place, one in enumerate(found):
            write("\n" if place else "")
            _print_findings(one)
    if failed or any(_is_bad(one, bad) for one in found):
        raise typer.Exit(1)


def _is_bad(found: Findings, bad: str) -> bool:
    return not found.statistics.images or (bad == "refuse" and found.problems.errors > 0)


COMMAND = check


@contextmanager
def _stages(source: str) -> Iterator[Callable[[str, int, int], None]]:
    """A bar for each thing that takes long, one after the other."""
    with ExitStack() as stack:
        current, move = "", None

        def told(what: str, done: int, whole: int) -> None:
            nonlocal current, move
            if what != current or move is None:
                stack.close()
                current, move = what, stack.enter_context(progress_bar(f"{source}: {what}"))
            move(done, whole)

        yield told


def _print_findings(found: Findings) -> None:
    statistics, problems = found.statistics, found.problems
    parts = [count(problems.errors, "error")] if problems.errors else ["ok"]
    if problems.warnings:
        parts.append(count(problems.warnings, "warning"))
    write(f"{found.dataset.name}: {', '.join(parts)}\n")
    for kind, number, kept in problems.groups():
        write(f"\n{kind.severity.value}[{kind.code}]: {kind.what}: {number:,} ({kind.then})\n")
        for one in kept[:FIRST]:
            write(f"  {one.message}\n")
        if number > FIRST:
            write(f"  and {number - min(len(kept), FIRST):,} more\n")
    write("\n")
    _print_numbers(statistics)


def _print_numbers(found: Statistics) -> None:
    small, medium, large = found.areas
    empty = f", {found.empty:,} without objects" if found.empty else ""
    sides = f"{_span(found.widths)} by {_span(found.heights)} pixels"
    write(f"{count(found.images, 'image')}{empty}; {sides}\n")
    crowds = f", {found.crowds:,} crowds or difficult" if found.crowds else ""
    sizes = f"{small:,} small, {medium:,} medium, {large:,} large"
    write(f"{count(found.objects, 'object')}{crowds}; {sizes}\n")
    named = [one for one in found.classes if one.name or one.objects]
    if not named:
        return
    table = new_table("class", "id", "objects", "images", right=("id", "objects", "images"))
    for one in sorted(named, key=lambda one: -one.objects)[:MOST_CLASSES]:
        table.add_row(one.name, str(one.category_id), f"{one.objects:,}", f"{one.images:,}")
    write("\n")
    print_table(table)
    if len(named) > MOST_CLASSES:
        write(f"and {len(named) - MOST_CLASSES:,} more with fewer objects\n")


def _span(ends: tuple[int, int]) -> str:
    low, high = ends
    return f"{low:,}" if low == high else f"{low:,}-{high:,}"
