"""`archgraph cost`: parameters, multiply-adds, elementwise operations and activation memory."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from archgraph.cli.highlight import bold, dim
from archgraph.cli.options import (
    ImageSizeOption,
    JsonOption,
    SearchOption,
    SetOption,
    SpecArgument,
    VariantOption,
    given_size,
    make_library,
    parse_settings,
    size_for,
)
from archgraph.cli.output import new_table, print_diagnostics, print_table, write
from archgraph.errors import Diagnostic, SpecError

if TYPE_CHECKING:
    from rich.table import Table

    from archgraph.analysis import Amount, Cost
    from archgraph.analysis.shapes import ImageSize
    from archgraph.ir import Graph
    from archgraph.spec import Arguments, Library

EXAMPLES = """
[bold]Examples[/]
  archgraph cost bifpn
  archgraph cost bifpn --set channels=64 --set cells=3 --image-size 512
  archgraph cost neck.yaml --image-size 512x640 --by node
  archgraph cost neck.yaml --by operator --json
  archgraph cost efficientdet --variant d0
  archgraph cost efficientdet --variants d0,d1
  archgraph cost yolov8-pafpn --variants all
"""
COUNTING = (
    "MACs: multiply-adds of convolutions and matrix products; FLOPs would be twice as many.",
    "Activations: the float32 results of all operators, without the inputs. One image.",
)


class By(StrEnum):
    """What one row of the table stands for."""

    SECTION = "section"
    LEVEL = "level"
    NODE = "node"
    CELL = "cell"
    OPERATOR = "operator"


@dataclass(frozen=True)
class Row:
    """One row: what it stands for, in columns of its own, and what that costs."""

    key: dict[str, int | str | ImageSize]
    amount: Amount


@dataclass(frozen=True)
class Member:
    """One variant of a spec, what its row says of it, and what it costs."""

    variant: str
    doc: str
    image_size: ImageSize
    amount: Amount


def cost(
    spec: SpecArgument,
    settings: SetOption = None,
    variant: VariantOption = "",
    search: SearchOption = None,
    image_size: ImageSizeOption = "",
    by: Annotated[
        By | None,
        typer.Option(
            "--by",
            help="What each row stands for. \\[default: section for a model, else level]",
            show_default=False,
        ),
    ] = None,
    variants: Annotated[
        str,
        typer.Option(
            "--variants",
            metavar="all|NAME,NAME",
            help="A row for each of these variants, with what the spec says of it.",
        ),
    ] = "",
    as_json: JsonOption = False,
) -> None:
    """Count what a spec costs for one image; torch is not needed."""
    from archgraph import analysis
    from archgraph.compiler import compile_spec

    arguments, size, library = (
        parse_settings(settings),
        given_size(image_size),
        make_library(search),
    )
    if variants:
        if variant or by:
            raise typer.BadParameter("it stands for all of a row", param_hint="--variants")
        _print_family(spec, family(spec, arguments, library, variants, size), as_json)
        return
    compilation = compile_spec(spec, arguments, library, variant)
    print_diagnostics(compilation.warnings, stderr=True)
    graph = compilation.operators.graph
    found = analysis.cost(graph, size_for(graph, size))
    by = by or default_grouping(graph)
    if as_json:
        write(json.dumps(as_data(compilation.name, found, by), indent=2) + "\n")
        return
    height, width = found.image_size
    write(f"{compilation.name} for an image of {height} x {width} pixels\n\n", bold)
    print_table(cost_table(found, by))
    _print_counting()


COMMAND = cost


def default_grouping(graph: Graph) -> By:
    """What reads an image has sections; a neck has levels."""
    reads_image = all(node.op.infer(()).level == 0 for node in graph.graph_inputs)
    return By.SECTION if reads_image else By.LEVEL


def family(
    spec: str, arguments: Arguments, library: Library, variants: str, size: ImageSize | None
) -> list[Member]:
    """What variants of a spec cost, each for the image that it is meant for, or for `size`.

    `variants` are names with commas between them, or `all`.

    Raises:
        SpecError: E109, there is no such variant, or none at all; and what `compile_spec` raises.
    """
    from archgraph import analysis
    from archgraph.compiler import compile_spec

    document = library.document(*library.open(spec))
    if not document.variants:
        message = f"'{document.name}' has no variants"
        raise SpecError(Diagnostic("E109", message, document.at(document.kind)))
    names = list(document.variants) if variants == "all" else variants.split(",")
    found: list[Member] = []
    warnings: dict[Diagnostic, None] = {}
    for name in names:
        compilation = compile_spec(spec, arguments, library, name)
        warnings |= dict.fromkeys(compilation.warnings)
        graph = compilation.operators.graph
        chosen = size_for(graph, size)
        doc = document.variants[name].doc.strip()
        found.append(Member(name, doc, chosen, analysis.cost(graph, chosen).total))
    print_diagnostics(warnings, stderr=True)
    return found


def _print_family(spec: str, members: Sequence[Member], as_json: bool) -> None:
    if as_json:
        rows = [
            {
                "variant": member.variant,
                "image_size": list(member.image_size),
                **asdict(member.amount),
                "doc": member.doc,
            }
            for member in members
        ]
        result = {"name": spec, "counting": " ".join(COUNTING), "variants": rows}
        write(json.dumps(result, indent=2) + "\n")
        return
    numbers = ("image", "parameters", "MACs", "elementwise", "activations")
    docs = ["doc"] if any(member.doc for member in members) else []
    table = new_table("variant", *numbers, *docs, right=numbers)
    for member in members:
        doc = [member.doc] if docs else []
        table.add_row(member.variant, _shown(member.image_size), *_amounts(member.amount), *doc)
    print_table(table)
    _print_counting()


def _print_counting() -> None:
    write("\n" + "".join(f"{line}\n" for line in COUNTING), dim)


def cost_table(found: Cost, by: By) -> Table:
    """The rows of a cost and their total, in units that a person can compare."""
    rows = list(_rows(found, by))
    numbers = ("parameters", "MACs", "elementwise", "activations")
    columns = list(rows[0].key) if rows else [by.value]
    table = new_table(*columns, *numbers, right=numbers)
    for row in rows:
        table.add_row(*(_shown(value) for value in row.key.values()), *_amounts(row.amount))
    table.add_section()
    table.add_row("total", *[""] * (len(columns) - 1), *_amounts(found.total), style="bold")
    return table


def as_data(name: str, found: Cost, by: By) -> dict[str, object]:
    """The same with exact numbers, for `--json`."""
    return {
        "name": name,
        "image_size": list(found.image_size),
        "counting": " ".join(COUNTING),
        "by": by.value,
        "rows": [{**row.key, **asdict(row.amount)} for row in _rows(found, by)],
        "total": asdict(found.total),
        "input_bytes": found.input_bytes,
    }


def human(number: int) -> str:
    """A number in three digits: `999`, `1.23K`, `45.6M`, `789G`; K is a thousand."""
    value, units = float(number), list("KMGT")
    unit = ""
    while value >= 999.5 and units:
        value, unit = value / 1000, units.pop(0)
    decimals = 0 if not unit or value >= 99.95 else 1 if value >= 9.995 else 2
    return f"{value:.{decimals}f}{unit}"


def _rows(found: Cost, by: By) -> Iterator[Row]:
    match by:
        case By.LEVEL:
            from archgraph.analysis import level_size
            from archgraph.ir import GLOBAL

            for level, amount in found.by_level.items():
                name = "global" if level == GLOBAL else level
                yield Row({"level": name, "size": level_size(found.image_size, level)}, amount)
        case By.SECTION:
            for name, amount in found.by_section.items():
                yield Row({"section": name}, amount)
        case By.NODE:
            yield from (Row({"node": name}, amount) for name, amount in found.by_node.items())
        case By.CELL:
            for name, amount in found.by_cell.items():
                yield Row({"cell": name}, amount)
        case By.OPERATOR:
            for operator in found.operators:
                key: dict[str, int | str | ImageSize] = {
                    "operator": operator.name,
                    "kind": operator.kind,
                    "result": str(operator.result),
                    "size": operator.size,
                }
                yield Row(key, operator.amount)


def _shown(value: int | str | ImageSize) -> str:
    if isinstance(value, tuple):
        return f"{value[0]} x {value[1]}"
    return str(value) or "(in no cell)"


def _amounts(amount: Amount) -> tuple[str, str, str, str]:
    return (
        human(amount.parameters),
        human(amount.macs),
        human(amount.elementwise),
        f"{human(amount.activation_bytes)}B",
    )
