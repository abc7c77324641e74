"""`archgraph predict`: boxes on photographs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from archgraph.cli.detector import Named
from archgraph.cli.options import (
    SPEC_HELP,
    AgnosticOption,
    DeviceOption,
    NamesOption,
    NmsOption,
    OverlapOption,
    SearchOption,
    SetOption,
    VariantOption,
    read_names,
)
from archgraph.cli.output import count, note, print_diagnostics, progress, progress_bar

if TYPE_CHECKING:
    from archgraph.errors import DataError

EXAMPLES = """
[bold]Examples[/]
  archgraph predict efficientdet --variant d0 photos/ -o drawn/
  archgraph predict d.yaml --weights d.safetensors photos/ --min-score 0.5
  archgraph predict runs/d0 photos/
  archgraph predict efficientdet --variant d0 --names names.txt 1.jpg
"""


def predict(
    spec: Annotated[
        str,
        typer.Argument(
            metavar="SPEC|RUN", help=f"{SPEC_HELP} Or the folder of a run.", show_default=False
        ),
    ],
    photographs: Annotated[
        list[str],
        typer.Argument(
            metavar="PHOTOS...",
            help="Image files, folders, patterns in quotes, or - for a list of paths.",
            show_default=False,
        ),
    ],
    weights: Annotated[
        Path | None,
        typer.Option("--weights", metavar="FILE", help="What it has learned.", show_default=False),
    ] = None,
    settings: SetOption = None,
    variant: VariantOption = "",
    search: SearchOption = None,
    names: NamesOption = None,
    output: Annotated[
        Path,
        typer.Option("--output", "-o", metavar="DIR", help="Where drawings and results go."),
    ] = Path("drawn"),
    draw: Annotated[bool, typer.Option(help="Draw the boxes, or write results alone.")] = True,
    least: Annotated[
        float, typer.Option("--min-score", min=0, max=1, help="Boxes of lower scores are dropped.")
    ] = 0.3,
    most: Annotated[
        int, typer.Option("--max-boxes", min=1, help="How many boxes an image has at most.")
    ] = 100,
    method: NmsOption = "hard",
    threshold: OverlapOption = 0.5,
    agnostic: AgnosticOption = False,
    batch_size: Annotated[
        int, typer.Option("--batch-size", min=1, help="How many images are looked at together.")
    ] = 8,
    device: DeviceOption = "cpu",
    bad: Annotated[
        Literal["refuse", "skip"],
        typer.Option("--bad", help="What becomes of files that are no whole images."),
    ] = "refuse",
) -> None:
    """Find objects on photographs: drawings of the boxes, and a file of results beside them.

    Results are in COCO's format: boxes as left, top, width and height in pixels of the photograph.
    """
    named = Named(spec, settings, variant, search, weights, device)
    called = read_names(names)
    with progress("importing torch"):
        from archgraph.detect import PostprocessSettings
        from archgraph.train import predict as train

        chosen = PostprocessSettings(
            method=method, threshold=threshold, least=least, most=most, agnostic=agnostic
        )
        found = train.find_photographs(photographs, sys.stdin if "-" in photographs else ())
    detector = named.open(chosen, called)
    if named.untrained:
        note("no --weights: the detector has learned nothing, its boxes mean nothing")
    entries: list[dict[str, object]] = []
    done = 0
    left_out: list[DataError] = []
    try:
        with progress_bar("looking at photographs") as advance:
            for each in train.predict(
                detector, found, batch_size=batch_size, bad=bad, skipped=left_out.append
            ):
                if draw:
                    pixels = train.drawn(each, detector.class_names)
                    train.write_drawing(output, each.photograph, pixels)
                entries.extend(train.coco_results(each, detector))
                done += 1
                advance(done + len(left_out), len(found))
    finally:
        # What was found before an interruption is kept.
        if done:
            train.write_results(output / "predictions.json", entries)
    for error in left_out:
        print_diagnostics(error.diagnostics, stderr=True)
    boxes = "1 box" if len(entries) == 1 else f"{len(entries)} boxes"
    note(f"{boxes} on {count(done, 'image')}; wrote {output / 'predictions.json'}")
    if left_out:
        note(f"left out {count(len(left_out), 'file')}")


COMMAND = predict
