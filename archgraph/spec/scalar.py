"""Plain scalars of YAML 1.2's core schema, and characters that no spec may hold."""

from __future__ import annotations

import re

_WORDS: dict[str, bool | None] = dict.fromkeys(["", "~", "null", "Null", "NULL"])
_WORDS |= {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INT = re.compile(r"[-+]?[0-9]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(?:inf|nan)", re.IGNORECASE)
# U+0085, U+2028 and U+2029 are refused too: text in YAML 1.2, but line breaks in PyYAML.
UNREADABLE = re.compile(
    "[^\t\n\r\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
)


def plain_value(text: str) -> bool | int | float | str | None:
    """What a plain (unquoted) scalar is.

    Raises:
        OverflowError: it is a number that is not finite.
    """
    # Checked on the float: Python refuses to read an integer of 5,000 digits.
    if _FLOAT.fullmatch(text) and abs(float(text)) != float("inf"):
        return int(text) if _INT.fullmatch(text) else float(text)
    if _FLOAT.fullmatch(text) or _NOT_FINITE.fullmatch(text):
        raise OverflowError(text)
    return _WORDS.get(text, text)
