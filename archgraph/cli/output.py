"""Streams and files: colour on a terminal, plain text in a pipe, files whole or not at all."""

from __future__ import annotations

import os
import shutil
import sys
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, TextIO

from archgraph.cli.highlight import colour_diagnostic, dim
from archgraph.errors import Diagnostic, InputOutputError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

STANDARD_OUTPUT = Path("-")
# Nothing is wrapped or cut by us: a pipe has no width, and a terminal wraps by itself.
_WIDTH = 100_000
# Where nobody sees a bar, a line says as often that something still goes on.
QUIET_SECONDS = 30.0


def is_terminal(stream: TextIO) -> bool:
    """Whether a person reads this stream, or asked for colour with FORCE_COLOR."""
    return stream.isatty() or bool(os.environ.get("FORCE_COLOR"))


def make_console(*, stderr: bool = False) -> Console:
    """A console that prints what it is given: no markup, no emoji, no guessed highlights.

    Whether there is colour is decided by rich: never in a pipe, nor with NO_COLOR.
    """
    from rich.console import Console

    return Console(stderr=stderr, markup=False, emoji=False, highlight=False, width=_WIDTH)


def write(text: str, colour: Callable[[str], Text] | None = None, *, stderr: bool = False) -> None:
    """Write text as it is, never wrapped; on a terminal as `colour` shows it.

    Control characters are written as escapes: a spec must not drive the terminal.
    """
    stream = sys.stderr if stderr else sys.stdout
    text = printable(text)
    if colour is not None and is_terminal(stream):
        make_console(stderr=stderr).print(colour(text), soft_wrap=True, end="")
    else:
        stream.write(text)


def note(text: str) -> None:
    """A remark beside the result: one line on standard error."""
    write(f"{text}\n", dim, stderr=True)


def print_diagnostics(diagnostics: Iterable[Diagnostic], *, stderr: bool = False) -> None:
    """Diagnostics as a compiler prints them, a blank line between."""
    for index, diagnostic in enumerate(diagnostics):
        gap = "\n" if index else ""
        write(f"{gap}{diagnostic.render()}\n", colour_diagnostic, stderr=stderr)


def progress(message: str) -> AbstractContextManager[object]:
    """A message on standard error while something takes long; on a terminal only."""
    from rich.console import Console

    return Console(stderr=True).status(message) if sys.stderr.isatty() else nullcontext()


@contextmanager
def progress_bar(
    message: str, clock: Callable[[], float] = monotonic
) -> Iterator[Callable[[int, int], None]]:
    """A bar on standard error while something takes long; in a pipe a line now and then.

    Args:
        message: what takes long.
        clock: seconds.

    Returns:
        What moves the bar: a function of how much is done and of how much there is.
    """
    if not sys.stderr.isatty():
        yield _lines_now_and_then(message, clock)
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    from rich.progress import TimeRemainingColumn as Remaining

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn())
    console = Console(stderr=True)
    with Progress(*columns, Remaining(), console=console, transient=True) as bar:
        task = bar.add_task(printable(message), total=None)
        yield lambda done, whole: bar.update(task, completed=done, total=whole)


def _lines_now_and_then(message: str, clock: Callable[[], float]) -> Callable[[int, int], None]:
    last = clock()

    def told(done: int, whole: int) -> None:
        nonlocal last
        if clock() - last >= QUIET_SECONDS and done < whole:
            last = clock()
            note(f"{message}: {done:,} of {whole:,}")

    return told


def new_table(*columns: str, right: Iterable[str] = ()) -> Table:
    """A table without lines; the columns named in `right` are aligned to the right."""
    from rich.table import Table

    numbers = set(right)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, justify="right" if column in numbers else "left", no_wrap=True)
    return table


def print_table(table: Table) -> None:
    """Print a table; in a pipe without the blanks that end its lines."""
    console = make_console()
    if is_terminal(sys.stdout):
        console.print(table)
        return
    with console.capture() as capture:
        console.print(table)
    for line in capture.get().splitlines():
        sys.stdout.write(f"{line.rstrip()}\n")


def write_file(path: Path, text: str) -> None:
    """Replace a file by `text` in one step: it holds all of it, or what it held before.

    Raises:
        InputOutputError: E020, the file cannot be written; it is unchanged.
    """
    target = path.resolve()
    if target.is_dir():
        raise _cannot_write(path, "it is a folder")
    if target.exists() and not target.is_file():
        raise _cannot_write(path, "it is no ordinary file; '-o -' writes to standard output")
    if not target.parent.is_dir():
        raise _cannot_write(path, f"there is no folder '{path.parent}'")
    if target.exists() and not os.access(target, os.W_OK):
        raise _cannot_write(path, "it is read-only")
    temporary = target.with_name(f".{target.name}.{os.urandom(4).hex()}.tmp")
    try:
        try:
            with temporary.open("x", encoding="utf-8", newline="\n") as file:
                file.write(text)
            if target.exists():
                shutil.copymode(target, temporary)
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise _cannot_write(path, error.strerror or str(error)) from None


def write_result(output: Path, text: str, colour: Callable[[str], Text] | None = None) -> None:
    """Write to a file and say so on standard error, or to standard output if `output` is `-`."""
    if output == STANDARD_OUTPUT:
        write(text, colour)
    else:
        write_file(output, text)
        note(f"wrote {output} ({count(text.count(chr(10)), 'line')})")


def count(number: int, noun: str) -> str:
    """A number and its noun: `1 error`, `3 errors`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def printable(text: str) -> str:
    """`text` with every control character but tab and line feed as an escape."""
    if text.isprintable():
        return text
    return "".join(
        character if character in "\n\t" or not _is_control(character) else _escape(character)
        for character in text
    )


def _is_control(character: str) -> bool:
    return unicodedata.category(character) in ("Cc", "Cf", "Cs")


def _escape(character: str) -> str:
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")


def _cannot_write(path: Path, why: str) -> InputOutputError:
    return InputOutputError(Diagnostic("E020", f"cannot write '{path}': {why}"))
