"""`archgraph emit`: the PyTorch source of a spec."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from archgraph.cli.highlight import colour_python
from archgraph.cli.options import (
    SearchOption,
    SetOption,
    SpecArgument,
    VariantOption,
    check_output,
    make_library,
    parse_settings,
)
from archgraph.cli.output import STANDARD_OUTPUT, write_result

EXAMPLES = """
[bold]Examples[/]
  archgraph emit bifpn
  archgraph emit bifpn --set channels=64 --set cells=3 -o bifpn.py
  archgraph emit neck.yaml#top --set settings.act=silu > top.py
"""


def emit(
    spec: SpecArgument,
    settings: SetOption = None,
    variant: VariantOption = "",
    search: SearchOption = None,
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", metavar="FILE.py", help="Where to write; - is standard output."
        ),
    ] = STANDARD_OUTPUT,
) -> None:
    """Print the PyTorch source of a spec: one file that imports torch and nothing of archgraph."""
    from archgraph.compiler import emit_source

    arguments = parse_settings(settings)
    check_output(output, ".py", "Python source")
    source = emit_source(spec, arguments, make_library(search), variant)
    write_result(output, source.text, colour_python)


COMMAND = emit
