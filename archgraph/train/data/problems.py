"""What may be wrong with a dataset, counted by kind; the first of each kind are kept.

`KINDS` is the table of them. An error is refused, or left out where the user wants that; a warning
is neither.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from archgraph.errors import DataError, Diagnostic, Location, Severity, visible

Bad = Literal["refuse", "skip"]
# A million bad boxes must not fill the memory: so many of each kind are kept, the others counted.
MOST_KEPT = 100
# What an error shows of them.
PAGE, FIRST = 25, 5
# No one reads more of a value than this.
LONGEST_VALUE = 60


@dataclass(frozen=True)
class Kind:
    """One kind of problem.

    Attributes:
        code: of the diagnostic; W is a warning, which is not refused.
        what: what is wrong, in the plural.
        then: what becomes of it where it is not refused.
    """

    code: str
    what: str
    then: str

    @property
    def severity(self) -> Severity:
        return Severity.WARNING if self.code.startswith("W") else Severity.ERROR


_OUT, _IMAGE_OUT = "the object is left out", "the image is left out, with its objects"
KINDS: Mapping[str, Kind] = {
    "entry": Kind("E502", "entries that are not what the format says", "the entry is left out"),
    "field": Kind("E502", "fields that are missing or of a wrong type", "the entry is left out"),
    "unknown-image": Kind("E502", "objects on images that the file does not list", _OUT),
    "unknown-class": Kind("E502", "objects of classes that are not listed", _OUT),
    "repeated-image": Kind("E502", "images whose id is given twice", "the later one is left out"),
    "repeated-class": Kind("E502", "classes whose id is given twice", "the later one is left out"),
    "not-finite": Kind("E503", "boxes with NaN or infinity", _OUT),
    "inverted": Kind("E503", "boxes of negative size", _OUT),
    "outside": Kind("E503", "boxes wholly outside their image", _OUT),
    "not-normalised": Kind("E503", "boxes whose numbers are not shares of the image", _OUT),
    "path": Kind("E504", "names of files that lead out of the folder", _IMAGE_OUT),
    "no-image": Kind("E504", "images that are not there", _IMAGE_OUT),
    "image": Kind("E505", "images that cannot be read", _IMAGE_OUT),
    "size": Kind("E506", "images of another size than the file says", _IMAGE_OUT),
    "empty-box": Kind("W510", "boxes without width or height", _OUT),
    "clipped": Kind("W510", "boxes that reach more than a pixel beyond their image", "cut off"),
    "from-outline": Kind("W511", "objects with an outline and no box", "its box is taken"),
    "from-mask": Kind("W511", "objects with a mask and no box", "the box of its pixels is taken"),
    "repeated-box": Kind("W511", "objects given twice: same image, class and box", "both are kept"),
    "repeated-id": Kind("W511", "objects whose id is given twice", "both are kept"),
    "repeated-file": Kind("W511", "images listed twice, with two ids", "both are kept"),
    "repeated-name": Kind("W511", "classes of one name", "they stay apart"),
    "shared-image": Kind("W512", "images that a dataset before has too", "both have them"),
}


@dataclass(frozen=True)
class Problem:
    """One problem.

    Attributes:
        kind: a key of `KINDS`.
        file: where it is.
        entry: what of the file: `annotations[3]`, `line 7`, `object 2`; "" for all of it.
        said: what is wrong, on one line.
    """

    kind: str
    file: str
    entry: str
    said: str

    @property
    def message(self) -> str:
        where = ": ".join(visible(part) for part in (self.file, self.entry) if part)
        return f"{where}: {visible(self.said)}"

    def diagnostic(self) -> Diagnostic:
        kind = KINDS[self.kind]
        return Diagnostic(kind.code, self.message, severity=kind.severity)


@dataclass
class Problems:
    """What was found, in the order in which it was."""

    counts: dict[str, int] = field(default_factory=dict)
    kept: dict[str, list[Problem]] = field(default_factory=dict)

    def add(self, kind: str, file: object, entry: str, said: str) -> None:
        count = self.counts.get(kind, 0)
        self.counts[kind] = count + 1
        if count < MOST_KEPT:
            self.kept.setdefault(kind, []).append(Problem(kind, str(file), entry, said))

    def room_for(self, kind: str) -> bool:
        """Whether one more would be kept; otherwise only its number counts."""
        return self.counts.get(kind, 0) < MOST_KEPT

    def add_many(self, kind: str, count: int) -> None:
        """Count some that nobody will look at one by one."""
        if count:
            self.counts[kind] = self.counts.get(kind, 0) + count

    def groups(self) -> Iterator[tuple[Kind, int, list[Problem]]]:
        """Every kind that was found, with its number and the first of them; errors first."""
        for name, kind in KINDS.items():
            if self.counts.get(name):
                yield kind, self.counts[name], self.kept.get(name, [])

    def number(self, severity: Severity) -> int:
        return sum(n for kind, n, _ in self.groups() if kind.severity is severity)

    @property
    def errors(self) -> int:
        return self.number(Severity.ERROR)

    @property
    def warnings(self) -> int:
        return self.number(Severity.WARNING)

    def refuse(self, name: str) -> None:
        """End here if there are errors.

        Raises:
            DataError: the first of every kind, and how many there are.
        """
        if not self.errors:
            return
        shown = [
            problem.diagnostic()
            for kind, _, kept in self.groups()
            if kind.severity is Severity.ERROR
            for problem in kept[:FIRST]
        ][:PAGE]
        if more := self.errors - len(shown):
            what = f"{name}: {more:,} more, {self.errors:,} in all"
            shown.append(Diagnostic("E502", what, hint="archgraph data check lists them"))
        hint = f"`archgraph data check {name}` lists them; `--bad skip` leaves them out"
        last = shown[-1]
        shown[-1] = Diagnostic(last.code, last.message, last.location, hint)
        raise DataError(shown)


def failed(code: str, message: str, hint: str = "", location: Location | None = None) -> DataError:
    """The exception for one mistake that leaves nothing to skip."""
    return DataError(Diagnostic(code, message, location, hint))


def shown(value: Any) -> str:
    """A value of a file as a message quotes it: short, and on one line."""
    text = visible(repr(value) if not isinstance(value, int) else _integer(value))
    return text if len(text) <= LONGEST_VALUE else f"{text[: LONGEST_VALUE - 1]}…"


def _integer(value: int) -> str:
    # Python refuses to write integers of thousands of digits.
    return str(value) if abs(value) < 10**30 else "an integer of more than 30 digits"
