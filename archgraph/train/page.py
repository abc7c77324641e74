"""Reports: one HTML file that needs nothing beside it and runs nothing.

Every text is escaped; only figures, which are ours, are written as they are.
"""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

from jinja2 import Environment, StrictUndefined, Template
from PIL import Image

from archgraph.errors import visible
from archgraph.train.records import Pixels
from archgraph.weights.files import replace_file

DASH = "\N{EN DASH}"
# Where a picture of a report is a photograph, nobody sees the difference to more.
JPEG_QUALITY = 85


@dataclass(frozen=True)
class Bar:
    """A cell with a bar behind its text.

    Attributes:
        share: how long the bar is, from 0 to 1.
        text: what stands in the cell.
    """

    share: float
    text: str


# None is a value that there is none of: a dash.
Cell = str | int | float | Bar | None


@dataclass(frozen=True)
class _Shown:
    """A cell as the template takes it; `share` is in hundredths, None where there is no bar."""

    text: str
    right: bool = False
    share: float | None = None


@dataclass(frozen=True)
class _Part:
    """What stands below what; each kind has some of the fields."""

    kind: Literal["heading", "text", "table", "figure", "image"]
    text: str = ""
    headings: Sequence[str] = ()
    right: Sequence[bool] = ()
    rows: Sequence[Sequence[_Shown]] = ()
    svg: str = ""
    source: str = ""
    width: int = 0
    height: int = 0
    caption: str = ""


class Page:
    """A page that grows from top to bottom.

    Args:
        title: of the page; its first line and the name of its window.
    """

    def __init__(self, title: str) -> None:
        self._title = title
        self._parts: list[_Part] = []

    def heading(self, text: str) -> None:
        """Begin a part; the page lists its parts at its top where there are three or more."""
        self._parts.append(_Part("heading", text=_said(text)))

    def text(self, text: str) -> None:
        """A paragraph; line breaks are kept."""
        self._parts.append(_Part("text", text=_said(text)))

    def table(self, headings: Sequence[str], rows: Sequence[Sequence[Cell]]) -> None:
        """A table. Numbers stand at the right: integers whole, others with three decimals.

        Args:
            headings: one for each column; none for a table without.
            rows: as many cells each as there are columns.

        Raises:
            ValueError: a row has more or fewer cells than the others, or than there are headings.
        """
        lengths = {len(row) for row in rows} | ({len(headings)} if headings else set())
        if len(lengths) > 1:
            raise ValueError(f"rows of {sorted(lengths)} cells are no table")
        shown = [[_shown(cell) for cell in row] for row in rows]
        right = [
            any(row[i].right for row in shown) and all(row[i].right for row in shown)
            for i in range(len(headings))
        ]
        part = _Part("table", headings=[_said(h) for h in headings], right=right, rows=shown)
        self._parts.append(part)

    def figure(self, svg: str, caption: str = "") -> None:
        """A figure; the text of its SVG is trusted."""
        self._parts.append(_Part("figure", svg=svg, caption=_said(caption)))

    def image(self, pixels: Pixels, caption: str = "") -> None:
        """A picture, inside the page: as PNG or as JPEG, whichever is smaller."""
        height, width = pixels.shape[:2]
        self._parts.append(
            _Part(
                "image",
                source=_data_uri(pixels),
                width=width,
                height=height,
                caption=_said(caption),
            )
        )

    def render(self) -> str:
        """The text of the file."""
        headings = [part.text for part in self._parts if part.kind == "heading"]
        return _template().render(title=_said(self._title), headings=headings, parts=self._parts)

    def write(self, path: Path) -> None:
        """Replace a file by the page, in one step.

        Raises:
            InputOutputError: E020, it cannot be written; it is unchanged.
        """
        replace_file(path, self.render().encode())


@cache
def _template() -> Template:
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, keep_trailing_newline=True
    )
    text = files("archgraph.train").joinpath("page.html").read_text("utf-8")
    return environment.from_string(text)


def _said(text: str) -> str:
    """A text whose control characters are visible, but for the ends of its lines."""
    return "\n".join(visible(line) for line in text.splitlines())


def _shown(cell: Cell) -> _Shown:
    match cell:
        case None:
            return _Shown(DASH, right=True)
        case Bar(share, text):
            share = min(max(share, 0), 1) if math.isfinite(share) else 0
            return _Shown(_said(text), right=True, share=round(100 * share, 2))
        case bool():
            return _Shown("yes" if cell else "no")
        case int():
            return _Shown(f"{cell:,}", right=True)
        case float():
            return _Shown(f"{cell:,.3f}" if math.isfinite(cell) else DASH, right=True)
        case _:
            return _Shown(_said(cell))


def _data_uri(pixels: Pixels) -> str:
    image = Image.fromarray(pixels)
    options: tuple[tuple[str, dict[str, Any]], ...] = (
        ("png", {"optimize": True}),
        ("jpeg", {"quality": JPEG_QUALITY, "optimize": True}),
    )
    stored = {kind: _stored(image, kind, keywords) for kind, keywords in options}
    kind = min(stored, key=lambda kind: len(stored[kind]))
    return f"data:image/{kind};base64,{base64.b64encode(stored[kind]).decode()}"


def _stored(image: Image.Image, kind: str, keywords: dict[str, Any]) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **keywords)
    return buffer.getvalue()
