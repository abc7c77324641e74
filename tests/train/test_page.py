"""Pages: one file, nothing from outside, every text escaped, smaller of two forms of a picture."""

from __future__ import annotations

import base64
import io
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from archgraph.errors import InputOutputError
from archgraph.train.page import DASH, Bar, Page

HOSTILE = """<script>alert("1")</script> & '"><img src=x onerror=alert(1)> {{ 7 * 7 }}"""


class Reader(HTMLParser):
    """What a browser would see: tags, their attributes, and the text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words += data


def pixels(seed: int, *, noise: bool) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    if not noise:
        return np.full((40, 60, 3), 200, np.uint8)
    return np.random.default_rng(seed).integers(0, 256, (40, 60, 3), dtype=np.uint8)


def full_page(text: str) -> Page:
    page = Page(text)
    page.heading(text)
    page.text(text)
    page.table([text, "AP"], [[text, Bar(0.5, text)], [3, None]])
    page.figure("<svg><title>ours</title></svg>", text)
    page.image(pixels(0, noise=True), text)
    return page


def test_hostile_texts_are_shown_as_they_are() -> None:
    reader = Reader(full_page(HOSTILE).render())
    assert not reader.open
    tags = {tag for tag, _ in reader.tags}
    assert "script" not in tags
    assert [dict(a)["alt"] for t, a in reader.tags if t == "img"] == [HOSTILE]
    assert not any(name.startswith("on") for _, attributes in reader.tags for name in attributes)
    # title, first line, heading, paragraph, heading of a column, two cells, two captions
    assert reader.words.count(HOSTILE) == 9


def test_nothing_comes_from_outside() -> None:
    text = full_page("a report").render()
    sources = re.findall(r"""(?:src|href|url)\s*[=(]\s*["']?([^"')\s>]+)""", text)
    assert all(source.startswith(("data:image/", "#")) for source in sources) and sources
    assert "default-src 'none'" in text
    assert "http" not in text.replace("http-equiv", "")


def test_control_characters_are_made_visible() -> None:
    page = Page("a\x00b\x1b[31m")
    page.text("one\ntwo\x07")
    text = page.render()
    assert r"a\x00b\x1b[31m" in text and "one\ntwo\\x07" in text


def test_a_picture_is_stored_in_the_smaller_form() -> None:
    forms = {}
    for noise in (True, False):
        page = Page("pictures")
        page.image(pixels(1, noise=noise), "one")
        match = re.search(r'src="data:image/(\w+);base64,([^"]+)" width="60"', page.render())
        assert match is not None
        with Image.open(io.BytesIO(base64.b64decode(match[2]))) as image:
            assert image.size == (60, 40) and image.format == match[1].upper()
            if match[1] == "png":
                assert (np.asarray(image) == pixels(1, noise=noise)).all()
        forms[noise] = match[1]
    assert forms == {True: "jpeg", False: "png"}


def test_cells_say_numbers_as_a_person_reads_them() -> None:
    page = Page("numbers")
    page.table(["a"], [[1234567], [0.12345], [None], [float("nan")], [True], ["x"], [Bar(2, "y")]])
    cells = re.findall(r"<td[^>]*>(.*?)</td>", page.render(), re.DOTALL)
    assert cells[:6] == ["1,234,567", "0.123", DASH, DASH, "yes", "x"]
    assert 'width="100"' in cells[6] or 'width="100.0"' in cells[6]


def test_headings_of_numbers_stand_over_them() -> None:
    page = Page("numbers")
    page.table(["name", "AP"], [["cat", 0.5], ["dog", None]])
    assert '<th>name</th><th class="number">AP</th>' in page.render()


def test_a_long_page_lists_its_parts() -> None:
    page = Page("parts")
    for name in ("one", "two"):
        page.heading(name)
    assert "<nav>" not in page.render()
    page.heading("three")
    text = page.render()
    anchors = re.findall(r'href="#([\w-]+)"', text)
    assert anchors == re.findall(r'id="([\w-]+)"', text) == ["part-1", "part-2", "part-3"]


def test_rows_of_other_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="no table"):
        Page("x").table(["a", "b"], [["1"]])


def test_the_same_page_is_the_same_bytes_and_written_whole(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    path.write_text("before")
    full_page("twice").write(path)
    first = path.read_bytes()
    full_page("twice").write(path)
    assert path.read_bytes() == first
    assert list(tmp_path.iterdir()) == [path]


def test_a_page_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    with pytest.raises(InputOutputError) as caught:
        Page("x").write(tmp_path / "none" / "page.html")
    assert caught.value.diagnostics[0].code == "E020"
