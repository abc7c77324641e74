"""`archgraph draw`: a figure of a graph; rows are levels, columns are steps."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from archgraph.cli.options import (
    SearchOption,
    SetOption,
    SpecArgument,
    VariantOption,
    check_output,
    make_library,
    parse_settings,
)
from archgraph.cli.output import print_diagnostics, write_result
from archgraph.cli.show import GraphStage, graph_at

EXAMPLES = """
[bold]Examples[/]
  archgraph draw bifpn
  archgraph draw bifpn --set cells=3 -o figures/bifpn.svg
  archgraph draw panet --stage written -o panet.svg
  archgraph draw bifpn -o - | gzip > bifpn.svgz
"""


class DrawnStage(StrEnum):
    """The graphs that have levels and columns to draw."""

    WRITTEN = "written"
    PYRAMID = "pyramid"


def draw(
    spec: SpecArgument,
    settings: SetOption = None,
    variant: VariantOption = "",
    search: SearchOption = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE.svg",
            help="Where to write; - is standard output. \\[default: NAME.svg]",
            show_default=False,
        ),
    ] = None,
    stage: Annotated[
        DrawnStage, typer.Option("--stage", help="As written, or after its passes.")
    ] = DrawnStage.PYRAMID,
) -> None:
    """Draw a spec as SVG: a row for each level, a column for each step."""
    from archgraph.compiler import compile_spec
    from archgraph.render import draw_svg

    arguments = parse_settings(settings)
    if output is not None:
        check_output(output, ".svg", "a figure")
    compilation = compile_spec(spec, arguments, make_library(search), variant)
    print_diagnostics(compilation.warnings, stderr=True)
    title = f"{compilation.name} {variant}".rstrip()
    figure = draw_svg(graph_at(compilation, GraphStage(stage)), title)
    write_result(output or Path(f"{compilation.name}.svg"), figure)


COMMAND = draw
