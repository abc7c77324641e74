"""`archgraph cost`: parameters, multiply-adds, elementwise operations and activation memory."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from archgraph.cli.highlight import bold, dim
from archgraph.cli.options import (
    JsonOption,
    SearchOption,
    SetOption,
    SpecArgument,
    UsageError,
    VariantOption,
    make_library,
    parse_settings,
)
from archgraph.cli.output import new_table, print_diagnostics, print_table, write
from archgraph.errors import SpecError

if TYPE_CHECKING:
    from rich.table import Table

    from archgraph.analysis import Amount, Cost
    from archgraph.analysis.shapes import ImageSize

EXAMPLES = """
[bold]Examples[/]
  archgraph cost bifpn
  archgraph cost bifpn --set channels=64 --set cells=3 --image-size 512
  archgraph cost neck.yaml --image-size 512x640 --by node
  archgraph cost neck.yaml --by operator --json
"""
COUNTING = (
    "MACs: multiply-adds of convolutions and matrix products; FLOPs would be twice as many.",
    "Activations: the float32 results of all operators, without the inputs. One image.",
)


class By(StrEnum):
    """What one row of the table stands for."""

    LEVEL = "level"
    NODE = "node"
    CELL = "cell"
    OPERATOR = "operator"


@dataclass(frozen=True)
class Row:
    """One row: what it stands for, in columns of its own, and what that costs."""

    key: dict[str, int | str | ImageSize]
    amount: Amount


def cost(
    spec: SpecArgument,
    settings: SetOption = None,
    variant: VariantOption = "",
    search: SearchOption = None,
    image_size: Annotated[
        str, typer.Option("--image-size", metavar="H[xW]", help="Pixels of the image.")
    ] = "512",
    by: Annotated[By, typer.Option("--by", help="What each row stands for.")] = By.LEVEL,
    as_json: JsonOption = False,
) -> None:
    """Count what a spec costs for one image; torch is not needed."""
    from archgraph import analysis
    from archgraph.compiler import compile_spec

    arguments = parse_settings(settings)
    try:
        size = analysis.parse_image_size(image_size)
    except SpecError as error:
        raise UsageError(error.diagnostics) from None
    compilation = compile_spec(spec, arguments, make_library(search), variant)
    print_diagnostics(compilation.warnings, stderr=True)
    found = analysis.cost(compilation.operators.graph, size)
    if as_json:
        write(json.dumps(as_data(compilation.name, found, by), indent=2) + "\n")
        return
    height, width = size
    write(f"{compilation.name} for an image of {height} x {width} pixels\n\n", bold)
    print_table(cost_table(found, by))
    write("\n" + "".join(f"{line}\n" for line in COUNTING), dim)


COMMAND = cost


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
