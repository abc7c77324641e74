"""`archgraph check`: every mistake of a spec, with its place."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from archgraph.cli.highlight import bold
from archgraph.cli.options import (
    SPEC_HELP,
    JsonOption,
    SearchOption,
    SetOption,
    VariantOption,
    make_library,
    parse_settings,
)
from archgraph.cli.output import count, print_diagnostics, write
from archgraph.cli.watch import dependencies, watch
from archgraph.errors import Diagnostic, InputOutputError, Severity

if TYPE_CHECKING:
    from archgraph.spec import Arguments, Library

EXAMPLES = """
[bold]Examples[/]
  archgraph check bifpn
  archgraph check specs/topologies/*.yaml --strict
  archgraph check neck.yaml --set levels=3..5 --set in_channels=\\[40,80,192]
  archgraph check neck.yaml --json
  archgraph check neck.yaml --watch
"""


@dataclass(frozen=True)
class _Report:
    """What was found in one spec."""

    reference: str
    diagnostics: tuple[Diagnostic, ...]
    documents: int = 0
    unreadable: bool = False

    @property
    def errors(self) -> int:
        return sum(d.severity is Severity.ERROR for d in self.diagnostics)

    @property
    def warnings(self) -> int:
        return len(self.diagnostics) - self.errors

    @property
    def summary(self) -> str:
        """`bifpn.yaml: ok, 2 documents` or `neck.yaml: 3 errors, 1 warning`."""
        parts = [count(self.errors, "error")] if self.errors else ["ok"]
        if not self.errors and self.documents > 1:
            parts.append(count(self.documents, "document"))
        if self.warnings:
            parts.append(count(self.warnings, "warning"))
        return f"{self.reference}: {', '.join(parts)}"


def check(
    specs: Annotated[list[str], typer.Argument(metavar="SPEC", help=SPEC_HELP, show_default=False)],
    settings: SetOption = None,
    variant: VariantOption = "",
    search: SearchOption = None,
    as_json: JsonOption = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="Let a warning fail the check too.")
    ] = False,
    watching: Annotated[
        bool, typer.Option("--watch", help="Check again whenever a file changes.")
    ] = False,
) -> None:
    """Find every mistake of a spec, down to its operators; torch is not needed.

    A file is checked whole, with every variant. Mistakes are the result: they go to standard
    output.
    """
    arguments = parse_settings(settings)
    if watching:
        if as_json:
            raise typer.BadParameter("--json prints one result, not many", param_hint="--watch")
        watch(lambda: _check_again(specs, arguments, make_library(search), variant))
        return
    library = make_library(search)
    reports = [_check_one(reference, arguments, library, variant) for reference in specs]
    if as_json:
        _print_json(reports)
    else:
        _print_reports(reports)
    if any(report.unreadable for report in reports):
        raise typer.Exit(InputOutputError.exit_code)
    if any(report.errors or (strict and report.warnings) for report in reports):
        raise typer.Exit(1)


COMMAND = check


def _check_again(
    specs: Sequence[str], arguments: Arguments, library: Library, variant: str
) -> set[Path]:
    """Check and print once; what the result depends on comes out."""
    _print_reports([_check_one(reference, arguments, library, variant) for reference in specs])
    return dependencies(specs, library)


def _check_one(reference: str, arguments: Arguments, library: Library, variant: str) -> _Report:
    from archgraph.compiler import check_spec

    try:
        found = check_spec(reference, arguments, library, variant)
    except InputOutputError as error:
        return _Report(reference, error.diagnostics, unreadable=True)
    if any(diagnostic.severity is Severity.ERROR for diagnostic in found):
        return _Report(reference, tuple(found))
    file, _ = library.open(reference)
    whole = reference.endswith((".yaml", ".yml"))
    return _Report(reference, tuple(found), len(file.documents) if whole else 1)


def _print_reports(reports: Sequence[_Report]) -> None:
    for report in reports:
        print_diagnostics(report.diagnostics)
        if report.diagnostics:
            write("\n")
        write(f"{report.summary}\n", bold)


def _print_json(reports: Sequence[_Report]) -> None:
    # two specs may share a file, and with it a mistake
    found = list(dict.fromkeys(d for report in reports for d in report.diagnostics))
    errors = sum(d.severity is Severity.ERROR for d in found)
    result = {
        "diagnostics": [d.as_dict() for d in sorted(found, key=Diagnostic.sort_key)],
        "errors": errors,
        "warnings": len(found) - errors,
    }
    write(json.dumps(result, indent=2) + "\n")
