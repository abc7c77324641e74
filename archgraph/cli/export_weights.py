"""`archgraph export-weights`: weights of ours under other people's names."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from archgraph.cli.import_weights import (
    FileArgument,
    ModelOption,
    check_weights_output,
    compile_network,
    say,
)
from archgraph.cli.options import SearchOption, SetOption, VariantOption
from archgraph.cli.output import progress

EXAMPLES = """
[bold]Examples[/]
  archgraph export-weights d0.safetensors --model d0.yaml --as timm -o b0.pth
  archgraph export-weights d.safetensors --model d.yaml --as effdet -o d.pth
"""


class Names(StrEnum):
    """Whose names the file gets; the keys of `archgraph.weights.SCHEMES`."""

    EFFDET = "effdet"
    EFFDET_LEVEL_FIRST = "effdet-level-first"
    TIMM = "timm"
    EFFICIENTNET_PYTORCH = "efficientnet-pytorch"
    ARCHGRAPH = "archgraph"
    ARCHGRAPH_BACKBONE = "archgraph-backbone"


def export_weights(
    file: FileArgument,
    model: ModelOption,
    names: Annotated[
        Names,
        typer.Option(
            "--as",
            help="Whose names; timm, efficientnet-pytorch and archgraph-backbone: of a backbone "
            "alone.",
        ),
    ],
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", metavar="FILE", help="Where to write: .pth, .pt or .safetensors."
        ),
    ],
    settings: SetOption = None,
    variant: VariantOption = "",
    search: SearchOption = None,
) -> None:
    """Write weights of a spec as a state dict that another project loads.

    effdet-level-first is for networks whose heads keep their norms by level.
    """
    check_weights_output(output, (".pth", ".pt", ".safetensors"))
    network = compile_network(model, settings, variant, search)
    with progress(f"reading {file}"):
        from archgraph import weights

        found = weights.export_weights(file, network, output, names.value)
    say(output, found)


COMMAND = export_weights
