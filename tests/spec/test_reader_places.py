"""The reader: every value knows its file, line and columns, whichever parser read it."""

from __future__ import annotations

import pytest

from archgraph.spec.reader import read_documents
from tests.spec.reading import (
    VALUES,
    agreed,
    loader,  # noqa: F401  # a fixture for every test of this file
    marked,
)

SPANS = """\
é😀: {b: 'x y', c: "d"}   # comment
list:
  - plain text  # comment
  - b: [1,
        22]
anchor: &x here
block: |
  text
empty:
long: one
  two
tail: {k: [a, b]}
"""


@pytest.mark.parametrize(
    ("path", "line", "column", "span", "key"),
    [
        ((), 1, 1, "é😀: {b: 'x y', c: \"d\"}   # comment", None),
        (("é😀",), 1, 5, "{b: 'x y', c: \"d\"}", "é😀"),
        (("é😀", "b"), 1, 9, "'x y'", "b"),
        (("é😀", "c"), 1, 19, '"d"', "c"),
        (("list",), 3, 3, "- plain text  # comment", "list"),
        (("list", 0), 3, 5, "plain text", None),
        (("list", 1), 4, 5, "b: [1,", None),
        (("list", 1, "b"), 4, 8, "[1,", "b"),
        (("list", 1, "b", 1), 5, 9, "22", None),
        (("anchor",), 6, 12, "here", "anchor"),
        (("block",), 7, 8, "|", "block"),
        (("empty",), 9, 7, "", "empty"),
        (("long",), 10, 7, "one", "long"),
        (("tail",), 12, 7, "{k: [a, b]}", "tail"),
        (("tail", "k"), 12, 11, "[a, b]", "k"),
    ],
)
def test_place(path: tuple[str | int, ...], line: int, column: int, span: str, key: str) -> None:
    (document,) = read_documents(SPANS, "f.yaml")
    place = document.place.at(*path)
    where = place.location
    assert (where.file, where.line, where.column) == ("f.yaml", line, column)
    assert where.text == SPANS.split("\n")[line - 1]
    assert marked(where) == span
    assert where.end_column == column + len(span)
    assert (marked(place.key) if place.key else None) == key


def test_at_stops_where_the_path_leaves_the_tree() -> None:
    place = read_documents("a: [1, {b: 2}]", "f.yaml")[0].place
    assert place.at("a", 1, "zzz", "b") is place.children["a"].children[1]
    assert place.at("zzz") is place.at() is place


def test_one_line_block_mapping_ends_at_its_last_value() -> None:
    (document,) = read_documents("a:\n- b: 1 # c\n- - x   # d\n", "f.yaml")
    assert marked(document.place.at("a", 0).location) == "b: 1"
    assert marked(document.place.at("a", 1).location) == "- x"


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_line_ends(end: str) -> None:
    (document,) = read_documents(f"a: |{end}  x{end}b: 2{end}", "f.yaml")
    where = document.place.at("b").location
    assert (where.line, where.column, where.text) == (3, 4, "b: 2")


@pytest.mark.parametrize(
    "text",
    [
        SPANS,
        "? a\nb: c",
        "{é:  }",
        "a: [b:  ]",
        "a: {b:\n  # c\n  , c }",
        "a: &x\nb:  # c\n",
        *(f"a: {v[0]}\nb:" for v in VALUES),
    ],
)
def test_parsers_agree(text: str) -> None:
    if "\t" not in text:
        assert agreed(text)
