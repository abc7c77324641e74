"""Templates `td<l+1>`, entries `maybe a else b`, loops `l in lo..hi`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archgraph.errors import Diagnostic, Location, SpecError
from archgraph.expressions import Entry, Names, expand_template, parse_entry, parse_loop
from tests.expressions.support import anything, attempt, located, only, pointed, soups

NAMES: Names = {"l": 4, "lo": 3, "hi": 7, "half": 2.5, "fuse": "fast eps=1e-3", "b": True}


def fault(action: Callable[..., object], text: str, *rest: object) -> Diagnostic:
    with pytest.raises(SpecError) as caught:
        action(text, *rest, located(text))
    return only(caught.value)


# --- templates -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("td6", "td6"),
        ("", ""),
        ("td<l>", "td4"),
        ("td<l+1>", "td5"),
        ("td< l + 1 >", "td5"),
        ("<l>_<lo>..<hi - 1>", "4_3..6"),
        ("<8 / 2>", "4"),
        ("<half>", "2.5"),
        ("<b>", "true"),
        ("<fuse>", "fast eps=1e-3"),
        ("a < fuse >", "a fast eps=1e-3"),
        ("<-l>", "-4"),
    ],
)
def test_holes(text: str, expected: str) -> None:
    assert expand_template(text, NAMES) == expected


@pytest.mark.parametrize("text", ["td<l", "td l>", "<", ">", "<<l>>", "a<b", "<l<2>", "<l>>"])
def test_holes_that_are_not_closed(text: str) -> None:
    found = fault(expand_template, text, NAMES)
    assert found.code == "E307"
    assert found.message == f"'{text}' has a hole that is not closed"
    assert pointed(found) == text


@pytest.mark.parametrize(
    ("text", "code", "spot", "column"),
    [
        ("td<ll>", "E302", "ll", 3),
        ("in<n>", "E302", "n", 3),
        ("hill<i>", "E302", "i", 5),
        ("td<l + nn>", "E302", "nn", 7),
        ("<l><m>", "E302", "m", 4),
        ("td<l / 0>", "E303", "l / 0", 3),
        ("td<fuse + 1>", "E305", "fuse", 3),
        ("td<'a'>", "E301", "'a'", 3),
    ],
)
def test_mistakes_in_holes(text: str, code: str, spot: str, column: int) -> None:
    found = fault(expand_template, text, NAMES)
    assert found.code == code
    assert pointed(found) == spot
    assert found.location is not None
    assert found.location.column == 6 + column


def test_empty_hole() -> None:
    assert fault(expand_template, "td<>", NAMES).message == "an expression is missing here"


# --- entries -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "candidates", "optional"),
    [
        ("td6", "td6", False),
        ("  td6 ", "td6", False),
        ("maybe td6", "td6", True),
        ("a else b", "a b", False),
        ("a  else  b else c", "a b c", False),
        ("maybe a else b", "a b", True),
        ("maybe td<l+1>", "td<l+1>", True),
        ("maybelline", "maybelline", False),
        ("elsewhere else b", "elsewhere b", False),
        ("node.l4", "node.l4", False),
    ],
)
def test_entries(text: str, candidates: str, optional: bool) -> None:
    assert parse_entry(text) == Entry(tuple(candidates.split()), optional)


def test_blanks_and_else_inside_holes() -> None:
    entry = parse_entry("maybe td<l + 1 if l == 3 else l> else m< lo > else <fuse>x")
    assert entry == Entry(("td<l + 1 if l == 3 else l>", "m< lo >", "<fuse>x"), True)


@pytest.mark.parametrize(
    "text",
    ["", " ", "maybe", "a b", "a else", "else b", "maybe maybe a", "a, b", "a or b"],
)
def test_what_is_no_entry(text: str) -> None:
    found = fault(parse_entry, text)
    assert found.code == "E308"
    assert found.message == f"'{text}' is not an entry of 'from'"
    assert found.hint == "entries are 'name', 'maybe name', 'name else other'"


@pytest.mark.parametrize("text", ["td5<", "<td5", "td5 <", "a else <b", "<"])
def test_hole_without_end_in_an_entry(text: str) -> None:
    """Nothing of the text is dropped: refused here, or where the template is filled."""
    assert attempt(lambda: filled_entry(text, None)) is not None


def filled_entry(text: str, where: Location | None) -> list[str]:
    return [expand_template(name, NAMES) for name in parse_entry(text, where).candidates]


# --- loops ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("l in 3..5", [3, 4, 5]),
        ("l in 5 downto 3", [5, 4, 3]),
        ("l in lo..hi", [3, 4, 5, 6, 7]),
        ("l in hi downto lo", [7, 6, 5, 4, 3]),
        ("l in lo + 1 .. hi - 1", [4, 5, 6]),
        ("l in hi-1 downto lo+1", [6, 5, 4]),
        ("  i   in  3 .. 3 ", [3]),
        ("l in 3 downto 3", [3]),
        ("l in hi..lo", []),
        ("l in lo downto hi", []),
        ("l in lo+2..lo+1", []),
        ("l in -1..1", [-1, 0, 1]),
        ("l in 6/2..4", [3, 4]),
        ("l in lo..(hi if hi > 3 else 3)", [3, 4, 5, 6, 7]),
    ],
)
def test_loops(text: str, values: list[int]) -> None:
    loop = parse_loop(text)
    assert list(loop.values(NAMES)) == values
    assert all(type(value) is int for value in loop.values(NAMES))
    assert loop.variable == text.split(maxsplit=1)[0]


@pytest.mark.parametrize(
    ("text", "fix"),
    [
        ("7..3", "7 downto 3"),
        ("3 downto 7", "3..7"),
        ("0..-1", "0 downto -1"),
        ("4 .. 3", "4 downto 3"),
    ],
)
def test_literal_ranges_that_are_empty(text: str, fix: str) -> None:
    found = fault(parse_loop, f"l in {text}")
    assert (found.code, found.message) == ("E309", f"the range '{text}' is empty")
    assert found.hint == (
        f"write '{fix}'. ranges are 'lo..hi', which ascends, and 'hi downto lo', which descends"
    )
    assert pointed(found) == text


@pytest.mark.parametrize(
    ("text", "message", "spot"),
    [
        ("3..7", "'3..7' is not a loop", "3..7"),
        ("l in", "'l in' is not a loop", "l in"),
        ("l 3..7", "'l 3..7' is not a loop", "l 3..7"),
        ("1l in 3..7", "'1l in 3..7' is not a loop", "1l in 3..7"),
        ("l in 3", "'3' is not a range", "3"),
        ("l in 3..", "'3..' is not a range", "3.."),
        ("l in ..", "'..' is not a range", ".."),
        ("l in 3..4..5", "'3..4..5' is not a range", "3..4..5"),
        ("l in 3 to 5", "'3 to 5' is not a range", "3 to 5"),
        ("l in 5 downto 4 downto 3", "'5 downto 4 downto 3' is not a range", None),
    ],
)
def test_what_is_no_loop(text: str, message: str, spot: str | None) -> None:
    found = fault(parse_loop, text)
    assert (found.code, found.message) == ("E309", message)
    assert pointed(found) == (spot or text.removeprefix("l in "))


@pytest.mark.parametrize(
    ("text", "code", "spot", "column"),
    [
        ("l in half..5", "E305", "half", 5),
        ("l in 3..b", "E305", "b", 8),
        ("l in 3..0/0", "E303", "0/0", 8),
        ("l in n..hi", "E302", "n", 5),
        ("l in hi..h", "E302", "h", 9),
        ("l in hi downto i", "E302", "i", 15),
        ("l in lo..10**5", "E304", None, 0),
        ("l in -10**11..10**11", "E304", None, 0),
    ],
)
def test_mistakes_in_ranges(text: str, code: str, spot: str | None, column: int) -> None:
    with pytest.raises(SpecError) as caught:
        parse_loop(text, located(text)).values(NAMES)
    found = only(caught.value)
    assert found.code == code
    assert pointed(found) == (spot or text)
    assert found.location is not None
    assert found.location.column == 6 + column


def test_range_that_is_too_long() -> None:
    assert len(parse_loop("l in 1..10000").values({})) == 10_000
    with pytest.raises(SpecError) as caught:
        parse_loop("l in 0..10000").values({})
    found = only(caught.value)
    assert (found.code, found.message) == ("E304", "a range of 10,001 values; at most 10,000")


# --- anything ------------------------------------------------------------------------------

endings = st.sampled_from(["", "maybe ", "l in ", "td<", " else b", "..7", " downto 3"])


@settings(max_examples=200)
@given(st.builds(str.__add__, endings, anything) | st.builds(str.__add__, soups, endings))
def test_nothing_but_spec_errors(text: str) -> None:
    for where in (None, located(text)):
        for act in (
            partial(expand_template, text, NAMES, where),
            partial(filled_entry, text, where),
            partial(lambda place: parse_loop(text, place).values(NAMES), where),
        ):
            found = attempt(act)
            assert found is None or found.code.startswith("E30")
