"""The summary of a spec: a row for each section, and for each value that a section hands on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from archgraph.cli.cost import human
from archgraph.cli.output import new_table

if TYPE_CHECKING:
    from rich.table import Table

    from archgraph.analysis import Cost, Section

HANDED_ON = "Rows: the values that a section hands on to others, or returns. One image."


def summary_table(parts: Sequence[Section], found: Cost) -> Table:
    """The sections with the shapes of what they hand on, and their total."""
    numbers = ("channels", "size", "parameters", "MACs")
    table = new_table("section", "level", *numbers, right=numbers)
    for part in parts:
        amounts = [human(part.amount.parameters), human(part.amount.macs)]
        first = [part.name, *(["", "", ""] if not part.leaving else [])]
        for leaving in part.leaving:
            height, width = leaving.size
            shape = [leaving.type.place, str(leaving.type.channels), f"{height} x {width}"]
            table.add_row(*first, *shape, *amounts)
            first, amounts = [""], ["", ""]
        if not part.leaving:
            table.add_row(*first, *amounts)
    table.add_section()
    total = found.total
    amounts = [human(total.parameters), human(total.macs)]
    table.add_row("total", "", "", "", *amounts, style="bold")
    return table


def as_data(name: str, parts: Sequence[Section], found: Cost) -> dict[str, object]:
    """The same with exact numbers, for `--json`."""
    return {
        "name": name,
        "image_size": list(found.image_size),
        "sections": [
            {
                "section": part.name,
                "outputs": [
                    {
                        "value": leaving.name,
                        "level": leaving.type.level,
                        "channels": leaving.type.channels,
                        "size": list(leaving.size),
                    }
                    for leaving in part.leaving
                ],
                **asdict(part.amount),
            }
            for part in parts
        ],
        "total": asdict(found.total),
    }
