"""`archgraph variants`: what each variant of a family sets, beside what formulas give."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from archgraph.cli.highlight import dim
from archgraph.cli.options import (
    JsonOption,
    SearchOption,
    SetOption,
    SpecArgument,
    make_library,
    parse_settings,
)
from archgraph.cli.output import new_table, print_table, write

if TYPE_CHECKING:
    from rich.table import Table

    from archgraph.expressions import Scalar
    from archgraph.spec import Choice, Member

EXAMPLES = """
[bold]Examples[/]
  archgraph variants efficientdet
  archgraph variants efficientnet --json
  archgraph variants neck.yaml --set channels=64
"""
READING = "8 -> 7: the formula of the document gives 8, the row of the variant says 7 and wins."


def variants(
    spec: SpecArgument,
    settings: SetOption = None,
    search: SearchOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the variants of a spec: what formulas give, what each row says, and which won.

    Names that are the same in all variants are left out.
    """
    from archgraph.assemble import split_settings
    from archgraph.errors import SpecError
    from archgraph.spec import family

    library = make_library(search)
    document = library.document(*library.open(spec))
    arguments, _, faults = split_settings(parse_settings(settings))
    if faults:
        raise SpecError(faults)
    members = family(document, arguments)
    if as_json:
        write(json.dumps(as_data(document.name, members), indent=2) + "\n")
        return
    if not members:
        write(f"{document.name} has no variants\n")
        return
    print_table(variants_table(members))
    if any(choice.departs for member in members for choice in member.choices.values()):
        write(f"\n{READING}\n", dim)


COMMAND = variants


def variants_table(members: Sequence[Member]) -> Table:
    """A row per variant, a column per name in which variants differ, one for settings."""
    names = list(members[0].choices)
    settings = ["settings"] if any(member.settings for member in members) else []
    table = new_table("variant", *names, *settings)
    for member in members:
        cells = [_cell(choice) for choice in member.choices.values()]
        table.add_row(member.name, *cells, *([_flow(member.settings)] if settings else []))
    return table


def as_data(name: str, members: Sequence[Member]) -> dict[str, object]:
    """The same as plain data, for `--json`."""
    return {
        "name": name,
        "variants": [
            {
                "variant": member.name,
                "doc": member.doc,
                "values": {
                    key: {**asdict(choice), "departs": choice.departs}
                    for key, choice in member.choices.items()
                },
                "settings": dict(member.settings),
            }
            for member in members
        ],
    }


def _cell(choice: Choice) -> str:
    value = _text(choice.value)
    if not choice.departs:
        return value
    return f"{_text(choice.given)} -> {_after(value, _text(choice.given))}"


def _after(step: str, before: str) -> str:
    """A step, without its name where that has not changed."""
    name, _, rest = step.partition(" ")
    return rest if rest and before.partition(" ")[0] == name else step


def _text(value: Scalar | str | None) -> str:
    from archgraph.expressions import scalar_text

    if value is None:
        return "?"
    return value if isinstance(value, str) else scalar_text(value)


def _flow(settings: Mapping[str, object]) -> str:
    words = {key: str(v).lower() if isinstance(v, bool) else v for key, v in settings.items()}
    return ", ".join(f"{key}: {value}" for key, value in words.items())
