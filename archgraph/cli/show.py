"""`archgraph show`: the text form of a graph at one of its stages."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from archgraph.cli.highlight import colour_graph
from archgraph.cli.options import (
    SearchOption,
    SetOption,
    SpecArgument,
    VariantOption,
    make_library,
    parse_settings,
)
from archgraph.cli.output import note, print_diagnostics, write

if TYPE_CHECKING:
    from archgraph.compiler import Compilation
    from archgraph.ir import Graph
    from archgraph.spec import Library
    from archgraph.spec.library import SpecFile

EXAMPLES = """
[bold]Examples[/]
  archgraph show bifpn
  archgraph show bifpn --set levels=3..6 --set cells=2
  archgraph show panet --stage written
  archgraph show neck.yaml --stage operators > neck.txt
"""


class GraphStage(StrEnum):
    """A graph on its way through the compiler."""

    WRITTEN = "written"
    PYRAMID = "pyramid"
    OPERATORS = "operators"


def show(
    spec: SpecArgument,
    settings: SetOption = None,
    variant: VariantOption = "",
    search: SearchOption = None,
    stage: Annotated[
        GraphStage,
        typer.Option(
            "--stage",
            help="As written; at pyramid, after its passes, with edges resolved; or as operators.",
        ),
    ] = GraphStage.PYRAMID,
) -> None:
    """Print the graph of a spec in its exact text form.

    Where each document was found stands on standard error.
    """
    from archgraph.compiler import compile_spec
    from archgraph.ir import print_graph

    library = make_library(search)
    compilation = compile_spec(spec, parse_settings(settings), library, variant)
    for line in origins(spec, compilation, library):
        note(line)
    print_diagnostics(compilation.warnings, stderr=True)
    write(print_graph(graph_at(compilation, stage)), colour_graph)


COMMAND = show


def graph_at(compilation: Compilation, stage: GraphStage) -> Graph:
    """The graph of a compilation at a stage."""
    match stage:
        case GraphStage.WRITTEN:
            return compilation.written.graph
        case GraphStage.PYRAMID:
            return compilation.pyramid.graph
        case GraphStage.OPERATORS:
            return compilation.operators.graph


def origins(spec: str, compilation: Compilation, library: Library) -> Iterator[str]:
    """A line for every document that took part: its kind, its name, and where it was found."""
    found = list(_topologies(spec, library))
    found += _blocks(compilation, library, [file for _, _, file in found])
    for kind, name, file in found:
        line = file.documents[name].place.at(kind).location.line
        origin = library.origin(file)
        yield f"# {kind} {name}: {file.display}:{line}{f' ({origin})' if origin else ''}"


def _topologies(spec: str, library: Library) -> Iterator[tuple[str, str, SpecFile]]:
    """The topology itself, and each that it extends."""
    chain: set[tuple[str, str]] = set()
    found: tuple[SpecFile, str] | None = library.open(spec)
    while found:
        file, name = found
        yield "topology", name, file
        chain.add((file.display, name))
        base = file.documents[name].data.get("extends")
        if not isinstance(base, str):
            return
        found = library.find(base, file.display, frozenset(chain))


def _blocks(
    compilation: Compilation, library: Library, files: list[SpecFile]
) -> Iterator[tuple[str, str, SpecFile]]:
    """Every block that a step names. `files` took part so far; blocks may name blocks."""
    near = list(files)
    for name, block in compilation.operators.blocks.items():
        places = [found for file in near if (found := library.find(name, file.display))]
        for file, _ in places:
            if block.location and file.display == block.location.file:
                yield "block", name, file
                near.append(file)
                break
