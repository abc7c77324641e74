"""`archgraph anchors`: how well anchors suit a data set, and which would suit it better."""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from archgraph.cli.data_check import CornersOption, IdsOption, SourceArgument
from archgraph.cli.options import (
    BadOption,
    JsonOption,
    SeenSizeOption,
    UsageError,
    given_size,
)
from archgraph.cli.output import new_table, print_table, progress, progress_bar, write
from archgraph.errors import Diagnostic

if TYPE_CHECKING:
    from archgraph.detect import Anchors
    from archgraph.train.anchors import AnchorReport, Coverage

EXAMPLES = """
[bold]Examples[/]
  archgraph anchors coco:photos --image-size 512
  archgraph anchors voc:photos --image-size 256 --levels 3..6 --scale 3
  archgraph anchors yolo:photos --json
"""
_LEVELS = re.compile(r"(\d{1,2})\.\.(\d{1,2})")
HIGHEST = 12


def anchors(
    source: SourceArgument,
    size: SeenSizeOption = "512",
    levels: Annotated[
        str, typer.Option("--levels", metavar="LOW..HIGH", help="Of the maps that predict.")
    ] = "3..7",
    scale: Annotated[
        float, typer.Option("--scale", min=0.1, help="Side of a square anchor in strides.")
    ] = 4.0,
    clusters: Annotated[
        int, typer.Option("--clusters", min=1, max=50, help="How many typical sizes to look for.")
    ] = 9,
    ids: IdsOption = "dense",
    corners: CornersOption = "inclusive",
    bad: BadOption = "refuse",
    as_json: JsonOption = False,
) -> None:
    """Say how close anchors come to the objects of a data set, and which would come closer.

    An object whose best anchor overlaps it by less than 0.5 is told by that one alone (forced).
    Sizes are those that a detector sees: small below 32 x 32 pixels, large from 96 x 96 on.
    """
    image_size = given_size(size) or (512, 512)
    chosen = read_levels(levels)
    with progress_bar(f"opening {source}") as told:
        from archgraph.detect import Anchors
        from archgraph.train.anchors import population, report
        from archgraph.train.data import open_dataset

        dataset = open_dataset(source, ids=ids, corners=corners, bad=bad, progress=told)
    with progress_bar("reading annotations") as advance:
        objects = population(dataset, image_size, advance)
    with progress("comparing anchors"):
        looked_at = Anchors(chosen, scale)
        found = report(objects, dataset.class_names, looked_at, image_size, clusters)
    if as_json:
        write(f"{json.dumps(_as_data(found), indent=2, ensure_ascii=False)}\n")
    else:
        _print(found)


COMMAND = anchors


def read_levels(text: str) -> tuple[int, ...]:
    """The levels of `3..7`.

    Raises:
        UsageError: E120, the text is no range of levels.
    """
    found = _LEVELS.fullmatch(text)
    if found is None or not 0 < int(found[1]) <= int(found[2]) <= HIGHEST:
        hint = f"write the lowest and the highest, such as 3..7; at most {HIGHEST}"
        raise UsageError(Diagnostic("E120", f"'{text}' is no range of levels", None, hint))
    return tuple(range(int(found[1]), int(found[2]) + 1))


def python_of(chosen: Anchors) -> str:
    """Anchors as a person writes them."""
    octaves = ", ".join(f"{octave:.6g}" for octave in chosen.octaves)
    ratios = ", ".join(f"({wide:g}, {high:g})" for wide, high in chosen.ratios)
    return (
        f"Anchors(levels={chosen.levels}, scale={chosen.scale}, octaves=({octaves}), "
        f"ratios=({ratios}))"
    )


def _row(name: str, found: Coverage) -> list[str]:
    return [
        name,
        f"{found.objects:,}",
        f"{found.matched:.1%}",
        f"{found.close:.1%}",
        f"{found.mean:.3f}",
        f"{found.forced:,}",
    ]


def _print(found: AnchorReport) -> None:
    if not found.every.objects:
        write("there are no objects\n")
        return
    columns = ("objects", "iou 0.5", "iou 0.7", "mean", "forced")
    table = new_table("", *columns, right=columns)
    for name, each in (*found.by_class.items(), *found.by_size.items(), ("all", found.every)):
        table.add_row(*_row(name, each))
    if found.uniform_every is not None:
        table.add_row(*_row("all, with one scale", found.uniform_every))
    if found.suggested_every is not None:
        table.add_row(*_row("all, with those suggested", found.suggested_every))
    print_table(table)
    sizes = ", ".join(f"{wide:.0f}x{high:.0f}" for wide, high in found.clusters_wh)
    write(f"\ntypical sizes: {sizes}\n")
    write(f"  objects overlap the nearest of them by {found.clusters_mean:.3f} in the mean\n")
    if found.suggested is None:
        write("suggested: these anchors; others that were tried are no better\n")
    else:
        write(f"suggested: {python_of(found.suggested)}\n")


def _as_data(found: AnchorReport) -> dict[str, object]:
    return {
        "image_size": list(found.image_size),
        "anchors": asdict(found.anchors),
        "all": asdict(found.every),
        "classes": {name: asdict(each) for name, each in found.by_class.items()},
        "sizes": {name: asdict(each) for name, each in found.by_size.items()},
        "clusters": {
            "width_height": found.clusters_wh.round(1).tolist(),
            "mean": found.clusters_mean,
        },
        "suggested": asdict(found.suggested) if found.suggested else None,
        "suggested_all": asdict(found.suggested_every) if found.suggested_every else None,
        "uniform_all": asdict(found.uniform_every) if found.uniform_every else None,
    }
