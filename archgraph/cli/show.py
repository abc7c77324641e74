"""`archgraph show`: the text form of a graph at one of its stages, or its summary."""

from __future__ import annotations

import json
from collections.abc import Iterator
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from archgraph.cli.highlight import bold, colour_graph, dim
from archgraph.cli.options import (
    ImageSizeOption,
    SearchOption,
    SetOption,
    SpecArgument,
    VariantOption,
    given_size,
    make_library,
    parse_settings,
    size_for,
)
from archgraph.cli.output import note, print_diagnostics, print_table, write
from archgraph.cli.summary import HANDED_ON, as_data, summary_table

if TYPE_CHECKING:
    from archgraph.analysis import ImageSize
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
  archgraph show efficientdet --variant d0 --summary
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
    summary: Annotated[
        bool,
        typer.Option(
            "--summary", help="Instead: what each section hands on, its parameters and MACs."
        ),
    ] = False,
    image_size: ImageSizeOption = "",
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the summary as one JSON object.")
    ] = False,
) -> None:
    """Print the graph of a spec in its exact text form, or a summary of its sections.

    Where each document was found stands on standard error.
    """
    from archgraph.compiler import compile_spec
    from archgraph.ir import print_graph

    size = given_size(image_size)
    library = make_library(search)
    compilation = compile_spec(spec, parse_settings(settings), library, variant)
    if not as_json:
        for line in origins(spec, compilation, library):
            note(line)
    print_diagnostics(compilation.warnings, stderr=True)
    if summary or as_json:
        _summarize(compilation, size, as_json)
    else:
        write(print_graph(graph_at(compilation, stage)), colour_graph)


COMMAND = show


def _summarize(compilation: Compilation, size: ImageSize | None, as_json: bool) -> None:
    from archgraph.analysis import cost, sections

    graph = compilation.operators.graph
    found = cost(graph, size_for(graph, size))
    parts = sections(graph, found)
    if as_json:
        write(json.dumps(as_data(compilation.name, parts, found), indent=2) + "\n")
        return
    height, width = found.image_size
    write(f"{compilation.name} for an image of {height} x {width} pixels\n\n", bold)
    print_table(summary_table(parts, found))
    write(f"\n{HANDED_ON}\n", dim)


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
    main = library.open(spec)
    found = list(_with_bases(main, library))
    for scope in compilation.written.graph.scopes.values():
        used = library.find(scope.block, main[0].display)
        if scope.path and used and _kind(*used) == "topology":
            found += _with_bases(used, library)
    found += _templates(compilation, library, [file for file, _ in found])
    once = {(file.display, name): file for file, name in found}
    for (_, name), file in once.items():
        kind, origin = _kind(file, name), library.origin(file)
        line = file.documents[name].place.at(kind).location.line
        yield f"# {kind} {name}: {file.display}:{line}{f' ({origin})' if origin else ''}"


def _kind(file: SpecFile, name: str) -> str:
    from archgraph.spec import kind_of

    return kind_of(file.documents[name])


def _with_bases(
    found: tuple[SpecFile, str] | None, library: Library
) -> Iterator[tuple[SpecFile, str]]:
    """A document, and each that it extends."""
    chain: set[tuple[str, str]] = set()
    while found:
        file, name = found
        yield found
        chain.add((file.display, name))
        base = file.documents[name].data.get("extends")
        if not isinstance(base, str):
            return
        found = library.find(base, file.display, frozenset(chain))


def _templates(
    compilation: Compilation, library: Library, files: list[SpecFile]
) -> Iterator[tuple[SpecFile, str]]:
    """Every block and backbone that a step names. `files` took part; blocks may name blocks."""
    near = list(files)
    for name, block in compilation.operators.blocks.items():
        places = [found for file in near if (found := library.find(name, file.display))]
        for file, _ in places:
            if block.location and file.display == block.location.file:
                yield file, name
                near.append(file)
                break
