"""What `bind` reports: mistakes that no later value can mend, once and in full."""

from __future__ import annotations

import pytest

from archgraph.errors import SpecError
from archgraph.expressions import Expression, Function, Names, Table, parse_expression
from tests.expressions.support import attempt, only

NAMES: Names = {
    "x": {"channels": 8},
    "ch": Table({3: 40, 4: 112}),
    "f": Function(("a",), parse_expression("1 / a"), {}),
    "word": "fast",
}


def bound(text: str) -> Expression:
    return parse_expression(text).bind(NAMES)


@pytest.mark.parametrize(
    ("text", "code", "message"),
    [
        ("x.chanels", "E302", "'x' has no 'chanels'"),
        ("ch(6)", "E302", "ch(6) has no value"),
        ("f(1, 2)", "E305", "f takes 1 argument, not 2"),
        ("min(1)", "E305", "min takes 2 to 8 arguments, not 1"),
        ("flor(1.5)", "E302", "unknown function 'flor'"),
        ("word", "E305", "'word' holds a step, not a number"),
        ("ch", "E305", "'ch' is read by calling it"),
    ],
)
def test_mistakes_are_the_same_beside_an_open_name(text: str, code: str, message: str) -> None:
    for whole in (text, f"{text} + n", f"n * ({text} - 2)"):
        with pytest.raises(SpecError) as caught:
            bound(whole)
        found = only(caught.value)
        assert (found.code, found.message) == (code, message)


def test_table_that_has_no_such_level() -> None:
    """A level that the table lacks is a mistake, never the value of another level."""
    expression = bound("ch(l)")
    assert expression.evaluate({"l": 3}) == 40
    assert expression.evaluate({"l": 4}) == 112
    assert attempt(lambda: expression.evaluate({"l": 6})) is not None


def test_calls_that_fail_and_are_never_reached() -> None:
    """However many there are: `n` decides first."""
    expression = bound("n > 0 or " + " or ".join(["f(0) > 1"] * 20))
    assert expression.evaluate({"n": 1}) is True
    failure = attempt(lambda: expression.evaluate({"n": 0}))
    assert failure is not None
    assert failure.code == "E303"


def test_many_calls() -> None:
    expression = bound(" + ".join(["f(n)"] * 25))
    assert expression.evaluate({"n": 2}) == 12.5
