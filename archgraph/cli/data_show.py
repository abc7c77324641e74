"""`archgraph data show`: samples of a data set side by side, with their boxes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from archgraph.cli.data_check import CornersOption, IdsOption, SourceArgument
from archgraph.cli.options import BadOption, SeenSizeOption, check_output, given_size
from archgraph.cli.output import note, progress_bar
from archgraph.errors import DataError

EXAMPLES = """
[bold]Examples[/]
  archgraph data show coco:photos -o sheet.png
  archgraph data show shapes --augment -o augmented.png
  archgraph data show voc:photos --strong --seed 3 --image-size 640 -o sheet.png
"""


def show(
    source: SourceArgument,
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", metavar="FILE.png", help="Where to write.", show_default=False
        ),
    ],
    augment: Annotated[
        bool, typer.Option("--augment", help="Beside each image what training makes of it.")
    ] = False,
    strong: Annotated[
        bool, typer.Option("--strong", help="The same with mosaic, mixup and other light.")
    ] = False,
    count: Annotated[int, typer.Option("--count", min=1, max=400, help="How many samples.")] = 16,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Another one, other samples.")] = 0,
    size: SeenSizeOption = "512",
    ids: IdsOption = "dense",
    corners: CornersOption = "inclusive",
    bad: BadOption = "refuse",
) -> None:
    """Draw samples of a data set with their boxes, as they are or as training sees them."""
    check_output(output, ".png", "an image", stream=False)
    image_size = given_size(size) or (512, 512)
    with progress_bar(f"opening {source}") as told:
        from archgraph.train.data import open_dataset
        from archgraph.train.drawing import write_png
        from archgraph.train.samples.augment import reference_steps, strong_steps
        from archgraph.train.samples.contact import sample_sheet

        dataset = open_dataset(source, ids=ids, corners=corners, bad=bad, progress=told)
    left_out: list[DataError] = []
    steps = strong_steps(image_size) if strong else reference_steps(image_size)
    with progress_bar("drawing samples") as advance:
        pixels = sample_sheet(
            dataset,
            count,
            image_size,
            augment=steps if augment or strong else (),
            seed=seed,
            advance=advance,
            skipped=left_out.append if bad == "skip" else None,
        )
    for message in dict.fromkeys(str(error) for error in left_out):
        note(message)
    write_png(output, pixels)
    note(f"wrote {output} ({pixels.shape[1]} x {pixels.shape[0]} pixels)")


COMMAND = show
