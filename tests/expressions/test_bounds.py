"""What expressions refuse: everything off the whitelist, and whatever could take long."""

from __future__ import annotations

import time
from functools import partial

import pytest
from hypothesis import given, settings

from archgraph.errors import Diagnostic, SpecError
from archgraph.expressions import Function, Names, Value, parse_expression
from archgraph.expressions.grammar import MAX_LENGTH
from tests.expressions.support import anything, attempt, located, only, pointed

NAMES: dict[str, Value] = {"a": 3, "b": 0, "x": {"channels": 8}}


def refused(text: str, names: Names | None = None, *, evaluate: bool = True) -> Diagnostic:
    """The mistake in `text`, which stands in a file."""

    def act() -> None:
        expression = parse_expression(text, located(text))
        if evaluate:
            expression.evaluate(NAMES if names is None else names)

    found = attempt(act)
    assert found is not None, f"'{text}' is accepted"
    return found


# --- whitelist -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message", "spot"),
    [
        ("x.channels.real", "a chain of attributes may not stand in an expression", None),
        ("(1).real", "a chain of attributes may not stand in an expression", None),
        ("min(1, 2).real", "a chain of attributes may not stand in an expression", None),
        ("1 + x.__class__", "'__' may not stand in a name", "x.__class__"),
        ("x.__init__()", "this call may not stand in an expression", "x.__init__()"),
        ("lambda: 1", "a lambda may not stand in an expression", "lambda: 1"),
        (
            "1 + 'a'",
            "a text in quotes may not stand in an expression; write it without them",
            "'a'",
        ),
        (
            '"a" * 9',
            "a text in quotes may not stand in an expression; write it without them",
            '"a"',
        ),
        ("b'a'", "only numbers may stand in an expression", "b'a'"),
        ("None", "only numbers may stand in an expression", "None"),
        ("...", "only numbers may stand in an expression", "..."),
        ("2j", "only numbers may stand in an expression", "2j"),
        ("a[0]", "brackets may not stand in an expression", "a[0]"),
        ("[1, 2]", "a list may not stand in an expression", "[1, 2]"),
        ("1, 2", "a comma may not stand in an expression", "1, 2"),
        ("{1: 2}", "braces may not stand in an expression", "{1: 2}"),
        ("a(1)(2)", "this call may not stand in an expression", "a(1)(2)"),
        ("min(a=1)", "this call may not stand in an expression", "min(a=1)"),
        ("min(*a)", "no '*' here", "min(*a)"),
        ("1 + (a is b)", "comparisons are < <= > >= == !=", "a is b"),
        ("a in b", "comparisons are < <= > >= == !=", "a in b"),
        ("1 + ~a", "operators are + - * / // % **", "~a"),
        ("a @ b", "operators are + - * / // % **", "a @ b"),
        ("a << 99", "operators are + - * / // % **", "a << 99"),
        ("a & b", "operators are + - * / // % **", "a & b"),
        ("a | b", "operators are + - * / // % **", "a | b"),
        ("a ^ b", "operators are + - * / // % **", "a ^ b"),
        ("1 + True", "write 'true', as in YAML", "True"),
        ("not False", "write 'false', as in YAML", "False"),
    ],
)
def test_what_is_not_on_the_whitelist(text: str, message: str, spot: str | None) -> None:
    found = refused(text, evaluate=False)
    assert (found.code, found.message) == ("E301", message)
    assert pointed(found) == (text if spot is None else spot)


@pytest.mark.parametrize(
    "text",
    [
        "(y := 1)",
        "[i for i in a]",
        "{i for i in a}",
        "sum(i for i in a)",
        "f'{a}'",
        "f'{a!r:>{b}}'",
        "await a",
        "(yield)",
        "a if b else lambda: 1",
        "{*a}",
        "{**a}",
        "a[1:2]",
        "-x.__dict__",
        "__import__('os')",
        "__import__('os').system('true')",
        "().__class__",
        "x.channels()",
    ],
)
def test_what_could_do_harm(text: str) -> None:
    assert refused(text, evaluate=False).code == "E301"


@pytest.mark.parametrize("text", ["__builtins__", "__name__", "open", "eval", "__import__(1)"])
def test_names_of_python_mean_nothing(text: str) -> None:
    assert refused(text).code == "E302"


@pytest.mark.parametrize(
    "text", ["é", "\uff58", "\uff58.channels", "a + \uff41", "x.\uff43hannels"]
)
def test_names_are_plain(text: str) -> None:
    """Also where Python would take the letters for plain ones."""
    assert refused(text, evaluate=False).code == "E301"


@pytest.mark.parametrize(
    ("text", "spot"),
    [
        ("", ""),
        ("1 +", "+"),
        ("a b", "a"),
        ("a = 1", "a"),
        ("a;b", ";"),
        ("(1", "("),
        ("1)", ")"),
        ("012", "0"),
        ("1 <> 2", "<"),
        ("import os", "i"),
        ("a\\", "\\"),
        ("yield", "y"),
        ("*a", "*"),
        ("$a", "$"),
        ("?", "?"),
    ],
)
def test_what_is_no_expression(text: str, spot: str) -> None:
    found = refused(text, evaluate=False)
    assert found.code == "E301"
    if not text:
        assert found.message == "an expression is missing here"
    else:
        assert found.message == f"'{text}' is not an expression"
        assert found.location is not None
        assert 6 <= found.location.column < 6 + len(text)


# --- bounds --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "spot"),
    [
        ("9**9**9", "9**9**9"),
        ("9**9**9**9**9", "9**9**9"),
        ("1 + 2**64", "2**64"),
        ("(-10)**13", "(-10)**13"),
        ("2.0**64", "2.0**64"),
        ("1e12 * 10", "1e12 * 10"),
        ("10**12 + 1", "10**12 + 1"),
        ("-10**12 - 1", "-10**12 - 1"),
        ("1.0**65", "1.0**65"),
        ("0.5**-64", "0.5**-64"),
        ("1e-12**-64", "1e-12**-64"),
        ("(1e6 * 1e6) * (1e6 * 1e6)", "(1e6 * 1e6) * (1e6 * 1e6)"),
        ("1 / 1e-13", "1 / 1e-13"),
        ("sqrt(-1)", "sqrt(-1)"),
        ("log2(0)", "log2(0)"),
        ("(-8)**0.5", "(-8)**0.5"),
        ("multiple(1e12, 1e-300)", "multiple(1e12, 1e-300)"),
    ],
)
def test_values_out_of_bounds(text: str, spot: str) -> None:
    started = time.perf_counter()
    found = refused(text)
    assert time.perf_counter() - started < 1
    assert found.code == "E304"
    assert spot.endswith(pointed(found).strip("("))


@pytest.mark.parametrize("text", ["10**12", "-10**12", "2**39", "1e12", "0**64", "1**64", "2**-64"])
def test_values_within_bounds(text: str) -> None:
    assert abs(parse_expression(text).evaluate({})) <= 1e12


@pytest.mark.parametrize("text", ["1e400", "1e13", "10000000000000", "1 - 1e13", "9" * 400])
def test_literals_out_of_bounds(text: str) -> None:
    found = refused(text, evaluate=False)
    assert found.message == "number out of bounds"
    assert not pointed(found).startswith("1 - ")


@pytest.mark.parametrize(
    ("text", "spot"),
    [
        ("1 / 0", "1 / 0"),
        ("2 * (a // b)", "a // b"),
        ("a % b", "a % b"),
        ("a % 0.0", "a % 0.0"),
        ("0 ** -1", "0 ** -1"),
        ("0.0 ** -0.5", "0.0 ** -0.5"),
        ("1 + a / (a - 3)", "a / (a - 3)"),
    ],
)
def test_division_by_zero(text: str, spot: str) -> None:
    found = refused(text)
    assert found.code == "E303"
    assert found.message.startswith("division by zero in '")
    assert pointed(found).strip("()") == spot.strip("()")


@pytest.mark.parametrize(
    "text",
    [
        "1" + " + 1" * 200,
        "a" * (MAX_LENGTH + 1),
        "1 +" * 160 + "1",
        "-" * 400 + "1",
        "min(" * 100 + "1" + ",1)" * 50,
        "(" * 300 + "1" + ")" * 300,
        "(" * 240 + "1" + ")" * 240,
        "not " * 124 + "(" * 2,
    ],
)
def test_too_long_too_large_too_deep(text: str) -> None:
    assert refused(text).code in ("E301", "E304")


@pytest.mark.parametrize(
    "text",
    [
        "-" * 148 + "1",
        "not " * 124 + "1",
        "(" * 150 + "1" + ")" * 150,
        "+".join("1" * 60),
        "1" + "**1" * 60,
        "1 if 1 else " * 30 + "1",
        "abs(" * 70 + "1" + ")" * 70,
    ],
)
def test_what_is_accepted_can_be_evaluated_and_bound(text: str) -> None:
    expression = parse_expression(text)
    expected = expression.evaluate({})
    open_ = parse_expression(text.replace("1", "y"))
    assert open_.bind({"z": 1}).evaluate({"y": 1}) == expected
    assert parse_expression(open_.text) == open_


def test_functions_that_call_each_other_are_bounded_in_depth() -> None:
    chain: dict[str, Value] = {"f0": Function(("a",), parse_expression("a"), {})}
    for i in range(1, 60):
        body = parse_expression(f"f{i - 1}(a)")
        chain[f"f{i}"] = Function(("a",), body, dict(chain))
    assert parse_expression("f20(3)").evaluate(chain) == 3
    found = refused("f59(3)", chain)
    assert (found.code, found.message) == ("E304", "calls are nested too deeply")


def doubling(levels: int) -> dict[str, Value]:
    """Functions of which each calls the one before twice."""
    chain: dict[str, Value] = {"f0": Function(("a",), parse_expression("a"), {})}
    for i in range(1, levels + 1):
        body = parse_expression(f"f{i - 1}(a) + f{i - 1}(a)")
        chain[f"f{i}"] = Function(("a",), body, dict(chain))
    return chain


def test_functions_that_double_are_bounded_in_number() -> None:
    """Thirty such lines of a spec would be a thousand million calls."""
    assert parse_expression("f5(1)").evaluate(doubling(5)) == 32
    assert refused("f16(1)", doubling(16)).code == "E304"


def test_what_is_bound_stays_an_expression() -> None:
    """Calls are written out, and the text is parsed again where it is used: it must be short."""
    try:
        bound = parse_expression("f10(y)").bind(doubling(10))
    except SpecError:
        return
    assert parse_expression(bound.text).evaluate({"y": 1}) == 1024


# --- places --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "spot"),
    [
        ("a + bb", "bb"),
        ("  a  + bb ", "bb"),
        ("min(a, floor(bb / 2))", "bb"),
        ("a if bb else 1", "bb"),
        ("1 < a < bb", "bb"),
        ("a * x.chanels", "x.chanels"),
        ("a + flor(1.5)", "flor(1.5)"),
        ("a + abs(1, 2)", "abs(1, 2)"),
        ("bb + bb", "bb"),
        ("-bb ** 2", "bb"),
    ],
)
def test_mistakes_are_placed_to_the_character(text: str, spot: str) -> None:
    found = refused(text)
    assert pointed(found) == spot
    assert found.location is not None
    assert found.location.column == 6 + text.index(spot)


def test_what_differs_from_its_source_is_placed_whole() -> None:
    """A quoted or folded text is not what stands in the file; then the whole value is marked."""
    where = located('"a +\\x20bb"')
    with pytest.raises(SpecError) as caught:
        parse_expression("a + bb", where).evaluate(NAMES)
    assert only(caught.value).location == where
    with pytest.raises(SpecError) as caught:
        parse_expression("a + bb").evaluate(NAMES)
    assert only(caught.value).location is None


@settings(max_examples=400)
@given(anything)
def test_nothing_but_spec_errors(text: str) -> None:
    for where in (None, located(text)):
        found = attempt(partial(parse_expression, text, where))
        if found is not None:
            assert found.code in ("E301", "E304")
            continue
        expression = parse_expression(text, where)
        assert parse_expression(expression.text) == expression
        for act in (expression.evaluate, expression.bind):
            found = attempt(partial(act, NAMES))
            assert found is None or found.code in ("E302", "E303", "E304", "E305")
