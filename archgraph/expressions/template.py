"""Texts that stand for names: templates `td<l+1>`, entries `maybe a else b`, `l in lo..hi`."""

from __future__ import annotations

import keyword
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from archgraph.errors import Diagnostic, Location, SpecError
from archgraph.expressions.expression import (
    Expression,
    Names,
    scalar_text,
)
from archgraph.expressions.grammar import CONSTANTS
from archgraph.expressions.parser import parse_expression

MAX_RANGE = 10_000
HOLE = re.compile(r"<([^<>]*)>")
LOOP = re.compile(r"\s*([A-Za-z_][A-Za-z0-9_]*)\s+in\s+(.*)\Z", re.DOTALL)
UP = re.compile(r"((?:(?!\.\.).)*)\.\.((?:(?!\.\.).)*)", re.DOTALL)
DOWN = re.compile(r"((?:(?!\sdownto\s).)*)\sdownto\s((?:(?!\sdownto\s).)*)", re.DOTALL)
_RANGE_HINT = "ranges are 'lo..hi', which ascends, and 'hi downto lo', which descends"


def could_be(template: str, name: str) -> bool:
    """Whether a template could have become this name: holes in names hold whole numbers."""
    parts = HOLE.split(template)[::2]  # HOLE has a group, so every second part is a hole's inside
    return bool(re.fullmatch(r"\d+".join(map(re.escape, parts)), name))


def expand_template(text: str, names: Names, location: Location | None = None) -> str:
    """Insert the values of `<expression>` holes; a parameter that holds a step inserts its text.

    Raises:
        SpecError: an unknown name or a failing expression; E307 for a hole that is not closed.
    """
    if "<" not in text and ">" not in text:
        return text

    def fill(match: re.Match[str]) -> str:
        word = names.get(match[1].strip())
        if isinstance(word, str):
            return word
        spot = location.within(text, match.start(1), len(match[1])) if location else None
        expression = parse_expression(match[1], spot)
        value = expression.evaluate(names)
        if isinstance(value, float) and value == int(value):
            value = int(value)
        return scalar_text(value)

    filled = HOLE.sub(fill, text)
    if "<" in filled or ">" in filled:
        hint = "a hole is '<expression>'; a comparison cannot stand inside one"
        raise SpecError(
            Diagnostic("E307", f"'{text}' has a hole that is not closed", location, hint)
        )
    return filled


@dataclass(frozen=True)
class Entry:
    """An entry of `from` before names are looked up: the first of `candidates` that exists.

    With `optional` (`maybe`) the entry is left out when none exists.
    """

    candidates: tuple[str, ...]
    optional: bool


def parse_entry(text: str, location: Location | None = None) -> Entry:
    """Parse `name`, `maybe name`, `a else b`, `maybe a else b`; names may hold templates.

    Raises:
        SpecError: E308, anything else.
    """
    if re.search(r"[<>]", HOLE.sub("", text)):
        hint = "a hole is '<expression>'"
        message = f"'{text}' has a hole that is not closed"
        raise SpecError(Diagnostic("E307", message, location, hint))
    # Spaces inside a hole belong to its expression, not to the entry.
    words = re.findall(r"(?:<[^<>]*>|[^\s<])+", text)
    optional = bool(words) and words[0] == "maybe"
    rest = words[1:] if optional else words
    names, separators = rest[0::2], rest[1::2]
    if len(rest) % 2 == 0 or any(word != "else" for word in separators):
        hint = "entries are 'name', 'maybe name', 'name else other'"
        raise SpecError(Diagnostic("E308", f"'{text}' is not an entry of 'from'", location, hint))
    return Entry(tuple(names), optional)


@dataclass(frozen=True)
class Loop:
    """`variable in lo..hi` or `variable in hi downto lo`; both may be empty."""

    variable: str
    start: Expression
    stop: Expression
    descending: bool
    location: Location | None = field(default=None, compare=False, repr=False)

    def values(self, names: Names) -> Sequence[int]:
        """The values of the variable, in order.

        Raises:
            SpecError: a bound is no whole number, or the range is longer than 10,000.
        """
        start, stop = (_whole(bound, names) for bound in (self.start, self.stop))
        values = range(start, stop - 1, -1) if self.descending else range(start, stop + 1)
        if len(values) > MAX_RANGE:
            message = f"a range of {len(values):,} values; at most {MAX_RANGE:,}"
            raise SpecError(Diagnostic("E304", message, self.location))
        return values


def parse_range(text: str, location: Location | None = None) -> tuple[Expression, Expression, bool]:
    """Parse `lo..hi` or `hi downto lo` into start, stop and whether it descends."""
    match = DOWN.fullmatch(text) or UP.fullmatch(text)
    if not match or not match[1].strip() or not match[2].strip():
        raise SpecError(Diagnostic("E309", f"'{text}' is not a range", location, _RANGE_HINT))
    start, stop = (
        parse_expression(
            match[i], location.within(text, match.start(i), len(match[i])) if location else None
        )
        for i in (1, 2)
    )
    descending = match.re is DOWN
    first, last = start.constant, stop.constant
    if not isinstance(first, int) or not isinstance(last, int):
        return start, stop, descending
    if first < last if descending else first > last:
        fix = f"{first}..{last}" if descending else f"{first} downto {last}"
        message = f"the range '{text}' is empty"
        raise SpecError(Diagnostic("E309", message, location, f"write '{fix}'. {_RANGE_HINT}"))
    return start, stop, descending


def parse_loop(text: str, location: Location | None = None) -> Loop:
    """Parse the text of a `for`.

    Raises:
        SpecError: E309, the text is not `variable in range`.
    """
    match = LOOP.match(text)
    if not match:
        message = f"'{text}' is not a loop"
        raise SpecError(Diagnostic("E309", message, location, "write 'for: l in lo..hi'"))
    if keyword.iskeyword(match[1]) or match[1] in CONSTANTS:
        spot = location.within(text, match.start(1), len(match[1])) if location else None
        message = f"'{match[1]}' cannot be the variable of a loop"
        raise SpecError(Diagnostic("E309", message, spot, "choose another name"))
    place = location.within(text, match.start(2), len(match[2])) if location else None
    start, stop, descending = parse_range(match[2], place)
    return Loop(match[1], start, stop, descending, location)


def _whole(bound: Expression, names: Names) -> int:
    value = bound.evaluate(names)
    if isinstance(value, bool) or value != int(value):
        message = f"'{bound.text}' is {scalar_text(value)}; a range needs whole numbers"
        raise bound.error("E305", message)
    return int(value)
