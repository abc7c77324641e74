"""`archgraph report`: runs side by side."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from archgraph.cli.options import JsonOption, check_output
from archgraph.cli.output import new_table, note, print_table, progress, write

if TYPE_CHECKING:
    from archgraph.train.fit.report import Run

EXAMPLES = """
[bold]Examples[/]
  archgraph report runs/*
  archgraph report runs/* -o runs.html
  archgraph report runs/d0 runs/d1 --json
"""
RIGHT = ("parameters", "MACs", "AP", "AP50", "AP75", "epochs", "time", "images/s")


def report(
    folders: Annotated[
        list[Path],
        typer.Argument(metavar="RUN...", help="Folders of runs.", show_default=False),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="FILE.html", help="Write a page with curves and settings."
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Compare runs: results, cost, curves, and the settings that differ."""
    if output is not None:
        check_output(output, ".html", "a report", stream=False)
    with progress("reading runs"):
        from archgraph.train.fit import RunFolder
        from archgraph.train.fit.report import Run, table_of, write_comparison

        names = _names(folders)
        runs = [Run(name, RunFolder(path)) for name, path in zip(names, folders, strict=True)]
        rows = table_of(runs)
    if as_json:
        write(f"{json.dumps(rows, indent=2)}\n")
    else:
        _print(runs)
    if output is not None:
        with progress(f"writing {output}"):
            write_comparison(runs, output)
        note(f"wrote {output}")


COMMAND = report


def _names(folders: Sequence[Path]) -> list[str]:
    """What runs are called: their folders, with as much of the path as tells them apart."""
    paths = [path.resolve() for path in folders]
    for parts in range(1, max(len(path.parts) for path in paths)):
        names = ["/".join(path.parts[-parts:]) for path in paths]
        if len(set(names)) == len(set(paths)):
            return names
    return [str(path) for path in paths]


def _print(runs: Sequence[Run]) -> None:
    from archgraph.train.fit.report import large_number, table_of
    from archgraph.train.fit.watch import duration

    table = new_table("run", "model", *RIGHT, right=RIGHT)
    for found in sorted(table_of(runs), key=lambda one: -(one["ap"] or 0.0)):
        scores = [
            "-" if found[key] is None else f"{found[key]:.3f}" for key in ("ap", "ap50", "ap75")
        ]
        speed = found["images_per_second"]
        table.add_row(
            *(found["run"], found["model"], f"{found['parameters']:,}"),
            large_number(found["macs"]),
            *scores,
            f"{found['epochs']:.1f}",
            duration(found["seconds"]),
            "-" if speed is None else f"{speed:.1f}",
        )
    print_table(table)
