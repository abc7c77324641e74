"""`archgraph list`: the names that a spec may use, and what each of them takes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from archgraph.cli.highlight import bold, dim
from archgraph.cli.options import JsonOption, SearchOption, make_library
from archgraph.cli.output import new_table, print_table, write
from archgraph.cli.vocabulary import BUILT_IN, Entry, entry_of, groups, vocabulary
from archgraph.errors import Diagnostic, SpecError, suggest

if TYPE_CHECKING:
    from archgraph.spec import Library

EXAMPLES = """
[bold]Examples[/]
  archgraph list
  archgraph list topologies
  archgraph list bifpn
  archgraph list max-pool --json
  archgraph list neck.yaml
"""


def list_names(
    what: Annotated[
        str,
        typer.Argument(
            metavar="GROUP|NAME",
            help="blocks, backbones, topologies, models, fusions, operators, passes, activations"
            " or settings; a name, for what it takes; or a file, for its documents.",
            show_default=False,
        ),
    ] = "",
    search: SearchOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the names that a spec may use, or tell all about one of them."""
    library = make_library(search)
    kinds = groups()
    if _is_file(what):
        found = list(_of_file(what, library))
        detailed = "#" in what
    else:
        known = list(vocabulary(library))
        found = [e for e in known if not what or kinds.get(what) == e.kind or e.name == what]
        detailed = bool(what) and what not in kinds
        if not found:
            names = {*kinds, *(entry.name for entry in known)}
            hint = suggest(what, names) or f"groups are {', '.join(kinds)}"
            raise SpecError(Diagnostic("E109", f"nothing is called '{what}'", None, hint))
    if as_json:
        write(json.dumps({"names": [entry.as_dict() for entry in found]}, indent=2) + "\n")
    elif detailed:
        _print_details(found)
    else:
        _print_groups(found, kinds)


COMMAND = list_names


def _is_file(what: str) -> bool:
    return Path(what.partition("#")[0]).suffix in (".yaml", ".yml")


def _of_file(reference: str, library: Library) -> Iterator[Entry]:
    """Every document of a file, or the one that the reference names."""
    file, name = library.open(reference)
    for each in [name] if "#" in reference else file.documents:
        yield entry_of(library, file, each)


def _print_groups(found: Sequence[Entry], kinds: Mapping[str, str]) -> None:
    shown = 0
    for group, kind in kinds.items():
        entries = [entry for entry in found if entry.kind == kind]
        if not entries:
            continue
        write("\n" if shown else "")
        write(f"{group}\n", bold)
        table = new_table("name", "from", "is")
        table.show_header = False
        for entry in entries:
            table.add_row(f"  {entry.name}", entry.origin, entry.doc)
        print_table(table)
        shown += 1


def _print_details(found: Sequence[Entry]) -> None:
    for index, entry in enumerate(found):
        write("\n" if index else "")
        write(f"{entry.name}: {entry.kind}\n", bold)
        write(f"  {entry.doc or '(it says nothing of itself)'}\n")
        base = f", extends {entry.extends}" if entry.extends else ""
        place = entry.origin if entry.origin == BUILT_IN else f"in {entry.origin}"
        write(f"  {place}{base}\n", dim)
        _print_parameters(entry)
        for title, lines in (
            ("inputs", entry.inputs),
            ("outputs", entry.outputs),
            ("passes", entry.passes),
            ("variants", [f"{name}: {row}" for name, row in entry.variants]),
        ):
            if lines:
                write(f"\n{title}\n", bold)
                write("".join(f"  {line}\n" for line in lines))


def _print_parameters(entry: Entry) -> None:
    if not entry.parameters:
        return
    write(f"\n{'value' if entry.kind == 'setting' else 'parameters'}\n", bold)
    table = new_table("name", "kind", "default")
    table.show_header = False
    for parameter in entry.parameters:
        kind = " | ".join(parameter.words) or parameter.kind
        table.add_row(f"  {parameter.name}", kind, parameter.default or "required")
    print_table(table)
