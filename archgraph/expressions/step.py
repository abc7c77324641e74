"""Steps: the one way to name an operator, a block, a fusion or a pass with its arguments.

Short form `name key=value key=value` (no commas, brackets or spaces in a value); the long form
in YAML adds `when` and longer expressions. Argument values stay text here: whether a value is
an expression or a word depends on the parameter it is meant for, which the reader of the step
knows.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from archgraph.errors import Diagnostic, Location, SpecError
from archgraph.expressions.expression import Expression

NAME = re.compile(r"(?:[A-Za-z_][A-Za-z0-9_-]*|<[A-Za-z_][A-Za-z0-9_]*>)\Z")
KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
NONE = "none"


@dataclass(frozen=True)
class Argument:
    """One `key=value` of a step, with its place."""

    key: str
    text: str
    location: Location | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class Step:
    """A use of something by name.

    `when` is a condition and `repeat` a count, both decided where the step is applied; `first`
    are arguments of the first repetition only. `share` names the set of weights that the step
    has in common with others of that name.
    """

    use: str
    arguments: tuple[Argument, ...] = ()
    when: Expression | None = None
    location: Location | None = field(default=None, compare=False, repr=False)
    repeat: Expression | None = None
    first: tuple[Argument, ...] = ()
    share: str = ""

    @property
    def text(self) -> str:
        """The short form; condition, repetition and sharing are not part of it."""
        return " ".join([self.use, *(f"{a.key}={a.text}" for a in self.arguments)])

    def __str__(self) -> str:
        return f"{self.text} when {self.when.text}" if self.when else self.text

    @property
    def name_location(self) -> Location | None:
        """Where the name stands."""
        return self.location.find(self.use) if self.location else None

    def argument(self, key: str) -> Argument | None:
        """The argument called `key`, if it was given."""
        return next((a for a in self.arguments if a.key == key), None)


def parse_step(text: str, location: Location | None = None) -> Step:
    """Parse the short form of a step.

    Raises:
        SpecError: E306, the text is not `name key=value ...`.
    """
    place = location.find(text.strip()) if location else None
    words = list(re.finditer(r"\S+", text))
    if not words:
        raise SpecError(Diagnostic("E306", "a step is missing here", place, _FORM))

    def spot_of(offset: int, length: int) -> Location | None:
        return location.within(text, offset, length) if location else None

    name = words[0][0]
    if not NAME.match(name):
        spot = spot_of(words[0].start(), len(name))
        hint = BY_NAME if looks_like_path(name) else _FORM
        odd = next((c for c in name if not c.isascii()), "")
        if odd:
            hint = f"'{odd}' is U+{ord(odd):04X}; names are written with a to z, digits and '-'"
        raise SpecError(Diagnostic("E306", f"'{name}' is not the name of a step", spot, hint))
    arguments: list[Argument] = []
    for match in words[1:]:
        word = match[0]
        key, equals, value = word.partition("=")
        spot = spot_of(match.start(), len(word))
        if not equals or not value or not KEY.match(key):
            message = f"'{word}' is not an argument"
            raise SpecError(Diagnostic("E306", message, spot, f"arguments are key=value. {_FORM}"))
        if any(given.key == key for given in arguments):
            raise SpecError(Diagnostic("E306", f"'{key}' is given twice", spot))
        spot = spot_of(match.end() - len(value), len(value))
        arguments.append(Argument(key, value, spot))
    return Step(name, tuple(arguments), None, place)


def parse_steps(text: str, location: Location | None = None) -> tuple[Step, ...]:
    """Parse a place that takes a step or `none`: no steps, or one."""
    return () if text.strip() == NONE else (parse_step(text, location),)


def looks_like_path(name: str) -> bool:
    """Whether a name is probably meant to be that of a file."""
    return bool(re.search(r"[/\\#]|\.ya?ml\b", name))


BY_NAME = "specs are found by name, never by path: in the same file, beside it, or in the library"
_FORM = "write 'name key=value key=value', without spaces, commas or brackets in a value"
