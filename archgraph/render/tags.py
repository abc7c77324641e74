"""Pieces of SVG text: everything that comes from a spec is escaped, lengths are short."""

from __future__ import annotations

import re
from collections.abc import Mapping
from xml.sax.saxutils import escape

from archgraph.render import style
from archgraph.render.route import Point, number

_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

__all__ = ["escaped", "number", "short", "tag", "text_at"]


def text_at(text: str, at: Point, role: str) -> str:
    """A line of text whose base line begins at a point; its class says how it looks."""
    return f'<text x="{number(at[0])}" y="{number(at[1])}" class="{role}">{escaped(text)}</text>'


def tag(name: str, attributes: Mapping[str, str | float] | None = None, **more: str | float) -> str:
    """An element without content."""
    given = {**(attributes or {}), **more}
    texts = {key: v if isinstance(v, str) else number(v) for key, v in given.items()}
    pairs = " ".join(f'{key}="{escaped(text)}"' for key, text in texts.items())
    return f"<{name} {pairs}/>"


def escaped(text: str) -> str:
    """Text that is safe in elements and in quoted attributes; what XML cannot hold is replaced."""
    return escape(_NOT_XML.sub("\ufffd", text), {'"': "&quot;", "\n": "&#10;"})


def short(text: str, longest: int = style.LONGEST_NAME) -> str:
    """The text, cut where it is longer."""
    return text if len(text) <= longest else f"{text[: max(1, longest - 1)]}…"
