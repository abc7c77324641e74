"""`archgraph explain`: what a diagnostic code means, with an example of the mistake."""

from __future__ import annotations

import json
import textwrap
from contextlib import chdir
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from archgraph.cli.explanations import Explanation, explanations
from archgraph.cli.highlight import bold, colour_diagnostic, colour_yaml, dim
from archgraph.cli.options import JsonOption, UsageError
from archgraph.cli.output import write
from archgraph.errors import Diagnostic, suggest

EXAMPLES = """
[bold]Examples[/]
  archgraph explain E102
  archgraph explain E102 --json
  archgraph explain
"""
EXAMPLE_FILE = "neck.yaml"
_WIDTH = 88


def explain(
    code: Annotated[
        str, typer.Argument(metavar="CODE", help="A code such as E102.", show_default=False)
    ] = "",
    as_json: JsonOption = False,
) -> None:
    """Explain a diagnostic code: what it means, an example, what to do; or list all codes."""
    known = explanations()
    if not code:
        _print_all(list(known.values()), as_json=as_json)
        return
    found = known.get(code.upper())
    if found is None:
        hint = suggest(code.upper(), known) or "'archgraph explain' lists all codes"
        raise UsageError(Diagnostic("E130", f"there is no code '{code}'", None, hint))
    if as_json:
        write(json.dumps({**found.as_dict(), "prints": shown(found) or None}, indent=2) + "\n")
    else:
        _print_one(found)


COMMAND = explain


def shown(explanation: Explanation) -> str:
    """What archgraph says about the example; an example is checked here and now."""
    from archgraph.compiler import check_spec

    if not explanation.example:
        return explanation.prints
    # in a folder of its own: names are looked up beside a file
    with TemporaryDirectory() as folder, chdir(folder):
        Path(EXAMPLE_FILE).write_text(explanation.example, "utf-8")
        found = check_spec(EXAMPLE_FILE)
    return "".join(f"{diagnostic.render()}\n" for diagnostic in found)


def _print_one(explanation: Explanation) -> None:
    write(f"{explanation.code}: {explanation.says}\n", bold)
    if explanation.more:
        write("\n" + textwrap.fill(explanation.more, _WIDTH) + "\n")
    write("\n" + textwrap.fill(f"What to do: {explanation.do}.", _WIDTH) + "\n")
    command = explanation.command or f"archgraph check {EXAMPLE_FILE}"
    if explanation.example:
        write(f"\nA {EXAMPLE_FILE} with this mistake:\n\n", dim)
        write(textwrap.indent(explanation.example, "  "), colour_yaml)
    if printed := shown(explanation):
        write(f"\n{command} prints:\n\n", dim)
        write(printed, colour_diagnostic)


def _print_all(every: list[Explanation], *, as_json: bool) -> None:
    if as_json:
        rows = [{"code": e.code, "section": e.section, "says": e.says, "do": e.do} for e in every]
        write(json.dumps({"codes": rows}, indent=2) + "\n")
        return
    for index, (section, group) in enumerate(groupby(every, lambda each: each.section)):
        write("\n" if index else "")
        write(f"{section}\n", bold)
        write("".join(f"  {each.code}  {each.says}\n" for each in group))
