"""`archgraph passes`: what each pass did, in the names of the spec."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from archgraph.cli.highlight import bold, colour_diff
from archgraph.cli.options import (
    SearchOption,
    SetOption,
    SpecArgument,
    VariantOption,
    make_library,
    parse_settings,
)
from archgraph.cli.output import count, new_table, print_diagnostics, print_table, write
from archgraph.errors import ArchgraphError

if TYPE_CHECKING:
    from rich.table import Table

    from archgraph.ir import Graph, Model
    from archgraph.passes import Pass, PassResult

EXAMPLES = """
[bold]Examples[/]
  archgraph passes bifpn
  archgraph passes bifpn --explain
  archgraph passes bifpn --set cells=3 --set levels=2..6 --explain | less
"""


def passes(
    spec: SpecArgument,
    settings: SetOption = None,
    variant: VariantOption = "",
    search: SearchOption = None,
    explain: Annotated[
        bool, typer.Option("--explain", help="Print every rewrite, and a diff for each pass.")
    ] = False,
) -> None:
    """List the passes of a spec and what each of them did.

    The last two, resolve-edges and lower, are run by the compiler itself.
    """
    from archgraph.compiler import compile_spec

    compilation = compile_spec(spec, parse_settings(settings), make_library(search), variant)
    print_diagnostics(compilation.warnings, stderr=True)
    print_table(passes_table(compilation.results))
    if explain:
        for result in compilation.results:
            write("\n")
            print_log(result)
            write(diff(result), colour_diff)


COMMAND = passes


def passes_table(results: Sequence[PassResult]) -> Table:
    """A row per pass: its rewrites; nodes, edges and parameters before and after.

    Nodes are counted without the inputs of the graph. Passes of another topology of a model, and
    those of the model itself, begin with another graph.
    """
    numbers = ("rewrites", "nodes", "edges", "parameters")
    table = new_table("pass", *numbers, right=numbers)
    part, parameters = None, None
    for result in results:
        before, after = result.before.graph, result.after.graph
        owner = result.name.rpartition(": ")[0]
        first = parameters if owner == part else _parameters(result.before)
        part, parameters = owner, _parameters(result.after)
        table.add_row(
            result.name,
            str(result.rewrites) if before.stage is after.stage else "-",
            _change(_nodes(before), _nodes(after)),
            _change(_edges(before), _edges(after)),
            _change(first, parameters),
        )
    return table


def print_log(result: PassResult) -> None:
    """The log of one pass: a heading, a line per rewrite, then what it left and why.

    Where the stage changes nothing is rewritten: then how many operators of each kind there are.
    """
    from archgraph.ir.pyramid import Input

    before, after = result.before.graph, result.after.graph
    if before.stage is not after.stage:
        write(
            f"{result.name}: {count(_nodes(before), 'node')} to {_nodes(after)} operators\n", bold
        )
        kinds = Counter(node.op.kind for node in after if not isinstance(node.op, Input))
        write("".join(f"  {number:>5} {kind}\n" for kind, number in kinds.most_common()))
        return
    nodes = f"nodes {_change(_nodes(before), _nodes(after))}"
    edges = f"edges {_change(_edges(before), _edges(after))}"
    write(f"{result.name}: {count(result.rewrites, 'rewrite')}, {nodes}, {edges}\n", bold)
    write("".join(f"  {line}\n" for line in (*result.log, *result.kept)))


def diff(result: PassResult) -> str:
    """What a pass changed in the text form, as a unified diff; nothing where the stage changes.

    Places are left out: no pass changes them, and they make lines long.
    """
    before, after = result.before.graph, result.after.graph
    if before.stage is not after.stage:
        return ""
    lines = difflib.unified_diff(_lines(before), _lines(after), "before", "after", n=1, lineterm="")
    return "".join(f"  {line}\n" for line in lines)


def _lines(graph: Graph) -> list[str]:
    from archgraph.ir import print_graph

    return [line.partition("  # ")[0] for line in print_graph(graph).splitlines()]


def _nodes(graph: Graph) -> int:
    return len(graph) - len(graph.graph_inputs)


def _edges(graph: Graph) -> int:
    return sum(len(graph.inputs(node.name)) for node in graph)


def _parameters(model: Model) -> int | None:
    """How many a module of this graph would have; None if it cannot be lowered as it stands."""
    from archgraph.analysis import cost
    from archgraph.ir import Stage
    from archgraph.passes import Lower, ResolveEdges, run_pipeline

    steps: list[Pass] = []
    if model.graph.stage is Stage.PYRAMID:
        steps = [*([ResolveEdges()] if model.graph.policy is not None else []), Lower()]
    try:
        graph = run_pipeline(steps, model)[-1].after.graph if steps else model.graph
    except ArchgraphError:
        return None
    # parameters are the same for every size of image
    return cost(graph, (512, 512)).total.parameters


def _change(before: int | None, after: int | None) -> str:
    first, then = ("?" if number is None else f"{number:,}" for number in (before, after))
    return then if first == then else f"{first} -> {then}"
