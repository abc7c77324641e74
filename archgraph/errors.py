"""Places, diagnostics and the exceptions of archgraph. Imports nothing of ours.

Every mistake of a user ends as a `Diagnostic` with a place inside an `ArchgraphError`; any
other exception that leaves the public API is a bug.

    ArchgraphError
    ├── SpecError       a spec is wrong: reading, structure, names, expressions, graph rules
    ├── PassError       a pass cannot do what it was asked to do
    ├── TextError       the text form of a graph does not parse
    ├── VerifyError     a graph breaks its own rules (after a pass: the pass is at fault)
    ├── CodegenError    a graph cannot be printed as source
    ├── WeightsError    a file of weights cannot be used, or does not fit
    ├── DataError       images or annotations cannot be used
    └── InputOutputError  a file cannot be read or written
"""

from __future__ import annotations

import difflib
import traceback
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import ClassVar

# How many characters of a source line an excerpt shows, and of a message a reader gets.
EXCERPT, LONGEST = 200, 1000
# A word longer than this is no misspelt name.
LONGEST_NAME = 200


class Severity(Enum):
    """How much a diagnostic matters: an error stops the compiler, a warning does not."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, order=True)
class Location:
    """A place in a file. Lines and columns count from 1; columns count characters.

    `text` is the source line, kept so that an error can show it long after the file was read;
    it and the end of the span do not take part in comparisons.
    """

    file: str
    line: int
    column: int
    end_column: int = field(default=0, compare=False)
    text: str = field(default="", compare=False, repr=False)

    def __str__(self) -> str:
        return f"{visible(self.file)}:{self.line}:{self.column}"

    def seen_from(self, other: Location | None) -> str:
        """Its line, with the file where that is another one: `on line 7`, `in specs/a.yaml:7`."""
        near = other is None or other.file == self.file
        return f"on line {self.line}" if near else f"in {visible(self.file)}:{self.line}"

    def narrowed(self, offset: int, length: int) -> Location:
        """The part of this span that starts `offset` characters in, `length` characters long."""
        start = self.column + offset
        return Location(self.file, self.line, start, start + max(length, 1), self.text)

    def find(self, part: str) -> Location:
        """The first place of `part` inside this span, or the whole span where it is not there.

        Quotes, escapes and line breaks make a value differ from its text; then the whole
        span is the honest answer.
        """
        offset = self.text.find(part, self.column - 1) if part else -1
        if offset < 0 or offset + len(part) >= max(self.end_column, self.column + 1):
            return self
        return self.narrowed(offset - self.column + 1, len(part))

    def within(self, whole: str, offset: int, length: int) -> Location:
        """The part of `whole`, whose text this span holds; the span itself where it does not."""
        found = self.find(whole)
        exact = self.text[found.column - 1 : found.end_column - 1] == whole
        return found.narrowed(offset, length) if exact else self


@dataclass(frozen=True)
class Diagnostic:
    """One mistake: its code, where it is, what is wrong, and what to do about it.

    Messages quote what users write. They stay one line of visible characters, and short.
    """

    code: str
    message: str
    location: Location | None = None
    hint: str = ""
    severity: Severity = Severity.ERROR

    def __post_init__(self) -> None:
        object.__setattr__(self, "message", _shortened(visible(self.message)))
        object.__setattr__(self, "hint", _shortened(visible(self.hint)))

    def __str__(self) -> str:
        return self.render()

    def render(self) -> str:
        """The diagnostic as a compiler prints it: place, message, the line with carets, hint."""
        place = f"{self.location}: " if self.location else ""
        lines = [f"{place}{self.severity.value}[{self.code}]: {self.message}"]
        if self.location and self.location.text.strip():
            lines += _excerpt(self.location)
        if self.hint:
            lines.append(f"  help: {self.hint}")
        return "\n".join(lines)

    def as_dict(self) -> dict[str, str | int | None]:
        """The diagnostic as plain data, for `--json`."""
        where = self.location
        return {
            "code": self.code,
            "severity": self.severity.value,
            "message": self.message,
            "hint": self.hint or None,
            "file": where.file if where else None,
            "line": where.line if where else None,
            "column": where.column if where else None,
            "end_column": max(where.end_column, where.column + 1) if where else None,
        }

    def sort_key(self) -> tuple[str, int, int, str, str]:
        """Files by name, then by place: the order in which a reader meets the mistakes."""
        where = self.location
        if where is None:
            return ("", 0, 0, self.code, self.message)
        return (where.file, where.line, where.column, self.code, self.message)


def visible(text: str) -> str:
    """The text with everything escaped that a terminal would not show as it is."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _shortened(text: str) -> str:
    """The text without its middle, if it is longer than anybody reads."""
    cut = LONGEST // 3
    return text if len(text) <= LONGEST else f"{text[: 2 * cut]} ... {text[-cut:]}"


def _excerpt(location: Location) -> list[str]:
    """The source line and a line of carets under the span, tabs kept so that both line up."""
    number = str(location.line)
    # One character for one, so that the carets stand where they should.
    text = "".join(
        c if c.isprintable() or c == "\t" else "\N{REPLACEMENT CHARACTER}"
        for c in location.text.rstrip()
    )
    start = location.column - 1
    end = max(location.end_column - 1, start + 1)
    end = max(min(end, len(text)), start + 1)
    if len(text) > EXCERPT:
        # A window of a very long line, so that a thousand mistakes in it stay readable.
        first = max(start - EXCERPT // 2, 0)
        end = min(end, start + EXCERPT // 2)
        text = text[first : first + EXCERPT]
        start, end = start - first, end - first
    lead = "".join("\t" if c == "\t" else " " for c in text[:start].ljust(start))
    return [
        f"  {number} | {text}",
        f"  {' ' * len(number)} | {lead}{'^' * (end - start)}",
    ]


class ArchgraphError(Exception):
    """The root of every exception that a user's input can cause.

    Args:
        diagnostics: what is wrong; at least one. They are kept sorted by place.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, diagnostics: Diagnostic | Iterable[Diagnostic]) -> None:
        found = [diagnostics] if isinstance(diagnostics, Diagnostic) else list(diagnostics)
        self.diagnostics: tuple[Diagnostic, ...] = tuple(
            sorted(dict.fromkeys(found), key=Diagnostic.sort_key)
        )
        super().__init__("\n".join(d.render() for d in self.diagnostics))

    def __reduce__(self) -> tuple[type[ArchgraphError], tuple[tuple[Diagnostic, ...]]]:
        return (type(self), (self.diagnostics,))


class SpecError(ArchgraphError):
    """A spec is wrong; holds every mistake that was found."""


class PassError(ArchgraphError):
    """A pass cannot do what it was asked to do on this graph."""


class TextError(ArchgraphError):
    """The text form of a graph does not parse."""


class VerifyError(ArchgraphError):
    """A graph breaks the rules of its stage."""


class CodegenError(ArchgraphError):
    """A graph cannot be printed as source."""


class WeightsError(ArchgraphError):
    """A file of weights cannot be used, or does not fit; nothing was loaded or written."""


class DataError(ArchgraphError):
    """Images or annotations cannot be used."""


class InputOutputError(ArchgraphError):
    """A file cannot be read or written."""

    exit_code: ClassVar[int] = 3


def failure_of(error: BaseException) -> str:
    """What somebody else's code raised, and where, on one line."""
    said = " ".join(f"{type(error).__name__}: {error}".split())
    frames = traceback.extract_tb(error.__traceback__)
    return f"{said} ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else said


def nearest(word: str, candidates: Iterable[str]) -> str | None:
    """The candidate that `word` was probably meant to be, or None.

    >>> nearest("td55", ["td5", "out5", "in5"])
    'td5'
    """
    if len(word) > LONGEST_NAME:
        return None  # nobody meant a name by this, and comparing it takes long
    matches = difflib.get_close_matches(word, sorted(set(candidates)), n=1, cutoff=0.6)
    return matches[0] if matches else None


def suggest(word: str, candidates: Iterable[str], what: str = "known") -> str:
    """A hint for an unknown name: the nearest candidate, else the (short) list of candidates."""
    known = sorted(set(candidates))
    match = nearest(word, known)
    if match:
        return f"did you mean '{match}'?"
    if known and len(known) <= 24:
        return f"{what}: {', '.join(known)}"
    return ""


def listing(words: Sequence[str]) -> str:
    """Words as prose: `a`, `a and b`, `a, b and c`."""
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} and {words[-1]}"
