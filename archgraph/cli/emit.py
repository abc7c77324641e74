"""`archgraph emit`: the PyTorch source of a spec."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from archgraph.cli.highlight import colour_python
from archgraph.cli.options import (
    AgnosticOption,
    NamesOption,
    NmsOption,
    OverlapOption,
    SearchOption,
    SetOption,
    SpecArgument,
    UsageError,
    VariantOption,
    check_output,
    make_library,
    parse_settings,
    read_names,
)
from archgraph.cli.output import STANDARD_OUTPUT, write_result
from archgraph.errors import Diagnostic

EXAMPLES = """
[bold]Examples[/]
  archgraph emit bifpn
  archgraph emit bifpn --set channels=64 --set cells=3 -o bifpn.py
  archgraph emit neck.yaml#top --set settings.act=silu > top.py
  archgraph emit efficientdet --variant d0 --with-postprocess -o detector.py
  archgraph emit d.yaml --with-postprocess --nms gaussian -o detector.py
"""


def emit(
    spec: SpecArgument,
    settings: SetOption = None,
    variant: VariantOption = "",
    search: SearchOption = None,
    with_postprocess: Annotated[
        bool,
        typer.Option(
            "--with-postprocess",
            help="Of a detector: add what stands around it, photographs in, boxes out.",
        ),
    ] = False,
    names: NamesOption = None,
    method: NmsOption = "hard",
    threshold: OverlapOption = 0.5,
    agnostic: AgnosticOption = False,
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", metavar="FILE.py", help="Where to write; - is standard output."
        ),
    ] = STANDARD_OUTPUT,
) -> None:
    """Print the PyTorch source of a spec: one file that imports torch and nothing of archgraph."""
    from archgraph.compiler import emit_detector, emit_source

    arguments = parse_settings(settings)
    check_output(output, ".py", "Python source")
    library = make_library(search)
    if with_postprocess:
        from archgraph.detect import PostprocessSettings

        way = PostprocessSettings(method=method, threshold=threshold, agnostic=agnostic)
        source = emit_detector(spec, arguments, library, variant, read_names(names), way)
    elif given := _of_boxes(names, method, threshold, agnostic):
        message = f"'{given}' is of use with '--with-postprocess' alone"
        raise UsageError(Diagnostic("E125", message, None, "give both, or neither"))
    else:
        source = emit_source(spec, arguments, library, variant)
    write_result(output, source.text, colour_python)


COMMAND = emit


def _of_boxes(names: Path | None, method: str, threshold: float, agnostic: bool) -> str:
    """The first option that says something of boxes, if there is one."""
    said = {
        "--names": names is not None,
        "--nms": method != "hard",
        "--iou": threshold != 0.5,
        "--agnostic": agnostic,
    }
    return next((option for option, given in said.items() if given), "")
