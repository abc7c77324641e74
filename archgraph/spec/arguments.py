"""Values given from outside: from Python, or as `--set` texts."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from archgraph.errors import Diagnostic, Location, SpecError
from archgraph.spec.reader import Data, read_documents

# How messages call the place of a value from the command line.
OUTSIDE = "--set"
_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)?\Z")
_BREAK = re.compile(r"[\r\n]")


@dataclass(frozen=True)
class ArgumentValue:
    """A value given from outside, and where its text stands if it was text."""

    value: Data
    location: Location | None = None


Arguments = Mapping[str, ArgumentValue]


def parse_setting(text: str, option: str = OUTSIDE) -> tuple[str, ArgumentValue]:
    """`KEY=VALUE` of the command line; the value is a YAML scalar, a range, a list or a map.

    Args:
        text: what follows the option.
        option: which one it is.

    Raises:
        SpecError: E120, there is no `=`, or the value is no YAML.
    """
    key, equals, value = text.partition("=")
    key = key.strip()
    if not equals or not _KEY.match(key) or _BREAK.search(value):
        where = Location(option, 1, 1, len(text) + 1, text)
        example = " --set channels=64" if option == OUTSIDE else " --with lr=0.01"
        hint = f"write {option} KEY=VALUE, for example{example}"
        raise SpecError(Diagnostic("E120", f"'{text}' is not KEY=VALUE", where, hint))
    lead = "value: "
    shift = len(text) - len(value) - len(lead)
    try:
        raw = read_documents(lead + value, option)[0]
    except SpecError as error:
        moved = [
            replace(d, location=_shifted(d.location, shift, text, option))
            for d in error.diagnostics
        ]
        raise SpecError(moved) from None
    where = _shifted(raw.place.at("value").location, shift, text, option)
    return key, ArgumentValue(raw.data["value"], where)


def _shifted(where: Location | None, shift: int, text: str, option: str) -> Location:
    """A place in what was read, which has our own key before the value, as one in `text`."""
    start, end = (where.column, where.end_column) if where else (1, 1)
    start = max(start + shift, 1)
    return Location(option, 1, start, max(end + shift, start), text)


def python_argument(value: object) -> ArgumentValue:
    """A value given in Python.

    It is a number, text, a range of levels, numbers in a sequence, or numbers by level.

    Raises:
        TypeError: the value is none of these.
    """
    if isinstance(value, range):
        if value.step != 1 or not len(value):
            raise TypeError(f"levels must ascend one by one, not {value}")
        return ArgumentValue(f"{value[0]}..{value[-1]}")
    if isinstance(value, bool | int | float | str):
        return ArgumentValue(value)
    if isinstance(value, Mapping) and value and all(_is_entry(k, v) for k, v in value.items()):
        return ArgumentValue({str(key): number for key, number in value.items()})
    if isinstance(value, Sequence) and all(isinstance(v, int | float | str) for v in value):
        return ArgumentValue(list(value))
    raise TypeError(f"a parameter is a number, text, range, sequence or mapping, not {value!r}")


def _is_entry(key: object, value: object) -> bool:
    """Whether a mapping from levels to numbers may hold this."""
    whole = isinstance(key, int | str) and not isinstance(key, bool)
    return whole and isinstance(value, int | float | str)
