"""Texts as YAML: quoted only where the reader would take them for something else."""

from __future__ import annotations

import re

from archgraph.spec.scalar import UNREADABLE, plain_value

# What the reader's parser takes for the beginning or the end of something else.
_START = re.compile(r"[\s,\[\]{}#&*!|>'\"%@`]|[-?:](?:\s|\Z)|---|\.\.\.")
_INSIDE = re.compile(r"[\n\t]|\s#|:(?:\s|\Z)|\s\Z")
_START_IN_FLOW = re.compile(r"[?:]")
_INSIDE_IN_FLOW = re.compile(r"[,?\[\]{}]|:[,\[\]{}]")
_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t", "\r": "\\r"}


def text_of(text: str, *, flow: bool, key: bool = False) -> str:
    """A text on one line, plain if that reads back as the same text."""
    if _is_plain(text, flow=flow) and (_is_plain_key(text) if key else _is_plain_text(text)):
        return text
    if ('"' in text or "\\" in text) and not (re.search(r"['\n\r\t]|\s\s", text) or _odd(text)):
        return f"'{text}'"
    escaped = (_ESCAPES.get(c) or (_escape(c) if _odd(c) else c) for c in text)
    return f'"{"".join(escaped)}"'


def literal_lines(text: str) -> list[str] | None:
    """A text of several lines as a literal block: `|`, then its lines; None if it cannot be one."""
    lines = text.removesuffix("\n").split("\n")
    if len(lines) < 2 or _odd(text) or "\r" in text:
        return None
    if not lines[0].strip() or lines[0][0].isspace() or not lines[-1].strip():
        return None
    return ["|" if text.endswith("\n") else "|-", *lines]


def folded_lines(text: str, width: int) -> list[str] | None:
    """A long text as a folded block: `>-`, then lines up to `width`; None if it cannot be one."""
    words = text.split(" ")
    if not text or _odd(text) or any(not word or word != word.strip() for word in words):
        return None
    lines = [words[0]]
    for word in words[1:]:
        joined = f"{lines[-1]} {word}"
        if len(joined) > width:
            lines.append(word)
        else:
            lines[-1] = joined
    return [">-", *lines]


def _is_plain(text: str, *, flow: bool) -> bool:
    """Whether the parser reads the plain text as one scalar of this text."""
    if not text or _START.match(text) or _INSIDE.search(text) or _odd(text):
        return False
    if not flow:
        return True
    # the reader takes an open parenthesis for half of a text that YAML split at a comma
    split = _START_IN_FLOW.match(text) or _INSIDE_IN_FLOW.search(text)
    return not split and text.count("(") == text.count(")")


def _is_plain_text(text: str) -> bool:
    try:
        return plain_value(text) == text
    except OverflowError:
        return False


def _is_plain_key(text: str) -> bool:
    """The reader makes texts of keys: 3 is the key `3`, and so is 03."""
    try:
        value = plain_value(text)
    except OverflowError:
        return False
    return value is not None and text != "<<" and (type(value) is not int or str(value) == text)


def _odd(text: str) -> bool:
    return UNREADABLE.search(text) is not None


def _escape(character: str) -> str:
    number = ord(character)
    if number < 0x100:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"
