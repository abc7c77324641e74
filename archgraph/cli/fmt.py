"""`archgraph fmt`: specs in their canonical layout."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import typer

from archgraph.cli.highlight import colour_diff
from archgraph.cli.output import STANDARD_OUTPUT, count, note, print_diagnostics, write, write_file
from archgraph.errors import ArchgraphError, Diagnostic, InputOutputError

EXAMPLES = """
[bold]Examples[/]
  archgraph fmt neck.yaml
  archgraph fmt neck.yaml head.yaml --check
  archgraph fmt neck.yaml --diff
  archgraph fmt - < neck.yaml
"""


@dataclass
class _Tally:
    """What became of the files."""

    changed: int = 0
    unchanged: int = 0
    failed: list[ArchgraphError] = field(default_factory=list)

    @property
    def exit_code(self) -> int:
        return max((error.exit_code for error in self.failed), default=0)


def fmt(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE", help="Specs; - is standard input and output.", show_default=False
        ),
    ],
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; exit with 1 if a file would change.")
    ] = False,
    diff: Annotated[
        bool, typer.Option("--diff", help="The same, and print what would change.")
    ] = False,
) -> None:
    """Write specs in their canonical layout; comments stay, and so does what they say.

    A file with a mistake of YAML is left as it is. Other mistakes do not matter here.
    """
    tally = _Tally()
    for index, file in enumerate(files):
        try:
            _format(file, tally, check=check or diff, diff=diff)
        except ArchgraphError as error:
            write("\n" if index and tally.failed else "", stderr=True)
            print_diagnostics(error.diagnostics, stderr=True)
            tally.failed.append(error)
    note(", ".join(_summary(tally, dry=check or diff)))
    if tally.failed or (tally.changed and (check or diff)):
        raise typer.Exit(tally.exit_code or 1)


COMMAND = fmt


def _format(file: Path, tally: _Tally, *, check: bool, diff: bool) -> None:
    from archgraph.spec.format import format_spec

    before = _read(file)
    display = "<stdin>" if file == STANDARD_OUTPUT else file.as_posix()
    after = format_spec(before, display)
    changed = after.encode() != before
    tally.changed += changed
    tally.unchanged += not changed
    if diff and changed:
        write(_diff(before, after, display), colour_diff)
    elif file == STANDARD_OUTPUT and not check:
        write(after)
    elif changed and check:
        write(f"{display} would change\n")
    elif changed:
        write_file(file, after)
        write(f"{display} formatted\n")


def _read(file: Path) -> bytes:
    if file == STANDARD_OUTPUT:
        return sys.stdin.buffer.read()
    try:
        return file.read_bytes()
    except OSError as error:
        message = f"cannot read '{file.as_posix()}': {error.strerror or error}"
        raise InputOutputError(Diagnostic("E001", message)) from None


def _diff(before: bytes, after: str, display: str) -> str:
    lines = difflib.unified_diff(
        before.decode().splitlines(), after.splitlines(), display, display, lineterm=""
    )
    found = "".join(f"{line}\n" for line in lines)
    # line ends, or the last of them
    return found or f"{display}: only its line ends would change\n"


def _summary(tally: _Tally, *, dry: bool) -> Iterator[str]:
    """`1 file formatted`, `2 files unchanged`."""
    if tally.changed or not (tally.unchanged or tally.failed):
        yield f"{count(tally.changed, 'file')} {'would change' if dry else 'formatted'}"
    if tally.unchanged:
        yield f"{count(tally.unchanged, 'file')} unchanged"
    if tally.failed:
        yield f"{count(len(tally.failed), 'file')} with mistakes"
