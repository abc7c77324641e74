"""What expressions mean: Python's own `eval` decides, where Python has a say."""

from __future__ import annotations

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from archgraph.errors import SpecError
from archgraph.expressions import (
    Function,
    Names,
    Scalar,
    Table,
    parse_expression,
    parse_step,
    scalar_text,
)
from tests.expressions.support import (
    NAMES,
    PYTHON,
    Pair,
    attempt,
    nearest_multiple,
    only,
    outcome,
    pairs,
    texts,
)


def value(text: str, **names: object) -> Scalar:
    return parse_expression(text).evaluate(names)  # type: ignore[arg-type]


def function(parameters: str, body: str, **names: object) -> Function:
    return Function(tuple(parameters.split()), parse_expression(body), names)  # type: ignore[arg-type]


def is_python(text: str) -> bool:
    try:
        compile(text, "", "eval")
    except SyntaxError:
        return False
    return True


@settings(max_examples=250)
@given(pairs)
def test_values_are_those_of_python(pair: Pair) -> None:
    text, python = pair
    if not is_python(python):
        with pytest.raises(SpecError, match="E301"):
            parse_expression(text)
        return
    try:
        found = parse_expression(text).evaluate(NAMES)
    except SpecError as error:
        code = only(error).code
        assume(code != "E304")  # a bound, which Python has not
        assert code == "E303"
        with pytest.raises(ZeroDivisionError):
            eval(python, PYTHON)
    else:
        assert outcome(found) == outcome(eval(python, PYTHON))


@settings(max_examples=250)
@given(texts.filter(is_python), st.sets(st.sampled_from([*NAMES, "none"])))
def test_binding_first_changes_nothing(text: str, bound: set[str]) -> None:
    if attempt(lambda: parse_expression(text).evaluate(NAMES)) is None:
        check_binding(text, bound)


@pytest.mark.parametrize(
    "text",
    [
        "zero != 0 and 10 / zero > n",
        "n > 0 or 1 / zero > n",
        "1 / zero if n < 0 else 2",
        "3 if n > 0 else 1 / zero",
        "n < 0 < 1 / zero",
        "n if zero else n + 1",
        "n if zero + 1 else n / zero",
    ],
)
def test_binding_leaves_alone_what_is_never_evaluated(text: str) -> None:
    """`zero` is known, `n` is open: dividing by `zero` is no mistake, for nothing asks for it."""
    check_binding(text, {"zero"})


def test_binding_keeps_the_sign_of_zero() -> None:
    check_binding("(0 * -1.0) ** zero", set())


def check_binding(text: str, bound: set[str]) -> None:
    expression = parse_expression(text)
    expected = expression.evaluate(NAMES)
    first = {name: each for name, each in NAMES.items() if name in bound}
    rest = {name: each for name, each in NAMES.items() if name not in bound}
    partly = expression.bind(first)
    assert partly.names.isdisjoint(first)
    assert outcome(partly.evaluate(rest)) == outcome(expected)
    # the text says the same as the tree
    again = parse_expression(partly.text)
    assert again == partly
    assert outcome(again.evaluate(rest)) == outcome(expected)
    whole = expression.bind(NAMES)
    assert whole.constant is not None
    assert outcome(whole.constant) == outcome(expected)
    assert whole.text == scalar_text(expected)


@given(texts.filter(is_python))
def test_canonical_text(text: str) -> None:
    one = parse_expression(text)
    two = parse_expression(one.text)
    assert two == one
    assert two.text == one.text
    assert parse_expression(f"  {text} ").text == one.text


# --- semantics -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("7 / 2", 3.5),
        ("6 / 2", 3.0),
        ("-7 // 2", -4),
        ("7 // -2", -4),
        ("-7 % 3", 2),
        ("7.5 // 2", 3.0),
        ("2 ** 3 ** 2", 512),
        ("-2 ** 2", -4),
        ("2 ** -1", 0.5),
        ("10 ** 12", 10**12),
        ("not 0", True),
        ("not 3 == 3", False),
        ("1 < 2 < 3", True),
        ("3 > 2 > 2", False),
        ("1 == 1.0", True),
        ("true == 1", True),
        ("true", True),
        ("1_000", 1000),
        ("1 if 0 else 2", 2),
        ("1 if false else 2 if 0 else 3", 3),
        ("2 and 3", True),
        ("0 or 0.0", False),
        ("min(3, 1, 2) + max(1, 2)", 3),
        ("abs(-3)", 3),
        ("sqrt(16)", 4.0),
        ("log2(8)", 3.0),
        ("floor(-0.5)", -1),
        ("ceil(-0.5)", 0),
        ("floor(2.7) + ceil(2.1)", 5),
    ],
)
def test_operators_and_functions(text: str, expected: Scalar) -> None:
    assert outcome(value(text)) == outcome(expected)
    assert outcome(parse_expression(text).bind({}).evaluate({})) == outcome(expected)


@pytest.mark.parametrize(
    ("given_", "expected"),
    [(0.5, 0), (1.5, 2), (2.5, 2), (3.5, 4), (-0.5, 0), (-1.5, -2), (2.4999, 2), (2.5001, 3)],
)
def test_round_is_half_to_even(given_: float, expected: int) -> None:
    assert outcome(value("round(v)", v=given_)) == outcome(expected)


@pytest.mark.parametrize(
    ("number", "step", "expected"),
    [
        (100, 8, 104),  # a tie goes up
        (108, 8, 112),
        (99.9, 8, 96),
        (3, 8, 8),
        (0, 8, 8),
        (-20, 8, 8),
        (7, 1, 7),
        (0.5, 1, 1),
        (31.2, 8, 32),
    ],
)
def test_multiple(number: float, step: int, expected: int) -> None:
    assert outcome(value("multiple(v, s)", v=number, s=step)) == outcome(expected)
    assert nearest_multiple(number, step) == expected


@given(st.floats(0, 1e6), st.integers(1, 64))
def test_multiple_is_a_multiple(number: float, step: int) -> None:
    found = value("multiple(v, s)", v=number, s=step)
    assert found % step == 0
    assert found >= step
    assert abs(found - number) <= max(step / 2, step - number) + 1e-6


@pytest.mark.parametrize("step", [0.5, 2.5, 0.3])
def test_multiple_of_a_fraction(step: float) -> None:
    """It is the nearest multiple, at least the step itself; or it is refused."""
    try:
        found = value("multiple(0.1, s)", s=step)
    except SpecError:
        return
    assert found == step


def test_multiple_of_nothing() -> None:
    with pytest.raises(SpecError) as caught:
        value("multiple(3, 0)")
    found = only(caught.value)
    assert (found.code, found.message) == ("E304", "multiple(v, n) needs n > 0")


# --- names ---------------------------------------------------------------------------------


def test_names_that_are_read() -> None:
    expression = parse_expression("min(a, x.channels) + f(b) if true else c")
    assert expression.names == {"a", "x", "f", "b", "c"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [("3", 3), ("-3", -3), ("2.5", 2.5), ("true", True), ("a", None), ("1+1", None)],
)
def test_constants(text: str, expected: Scalar | None) -> None:
    found = parse_expression(text).constant
    assert type(found) is type(expected)
    assert found == expected


def test_functions() -> None:
    names: dict[str, object] = {"width": 2}
    names["filters"] = function("c", "multiple(c * width, 8)", width=2)
    names["both"] = function("a b", "filters(a) + filters(b)", filters=names["filters"])
    assert value("both(12, 3) * width", **names) == (24 + 8) * 2
    bound = parse_expression("both(y, 3)").bind(names)  # type: ignore[arg-type]
    assert bound.names == {"y"}
    assert bound.evaluate({"y": 12}) == 32
    assert parse_expression(bound.text).evaluate({"y": 12}) == 32


def test_parameters_hide_earlier_names() -> None:
    doubled = function("c", "2 * c", c=5)
    assert value("f(y)", f=doubled, y=100) == 200
    assert parse_expression("f(y)").bind({"f": doubled}).evaluate({"y": 100}) == 200


def test_arguments_are_put_in_whole() -> None:
    f = function("a b", "a - b ** 2 * -a")
    names: Names = {"f": f}
    bound = parse_expression("f(y - 1, -z)").bind(names)
    for y in (-3, 0, 2.5):
        for z in (-2, 0, 3):
            expected = (y - 1) - (-z) ** 2 * -(y - 1)
            assert bound.evaluate({"y": y, "z": z}) == expected
            assert parse_expression(bound.text).evaluate({"y": y, "z": z}) == expected


def test_tables() -> None:
    table = Table({3: 40, 4: 112, 5: 320})
    assert value("ch(4)", ch=table) == 112
    assert value("ch(l + 1)", ch=table, l=4) == 320
    with pytest.raises(SpecError) as caught:
        value("ch(6)", ch=table)
    found = only(caught.value)
    assert (found.code, found.message) == ("E302", "ch(6) has no value")
    assert found.hint == "ch has values for 3, 4, 5"


def test_bound_table_stands_on_its_own() -> None:
    """`bind` promises that known names are gone; a table read by an open name is known too."""
    bound = parse_expression("ch(l)").bind({"ch": Table({3: 40, 4: 112})})
    assert bound.evaluate({"l": 4}) == 112


@pytest.mark.parametrize(
    ("text", "code", "message", "hint"),
    [
        ("widht", "E302", "unknown name 'widht'", "did you mean 'width'?"),
        ("fun", "E305", "'fun' is read by calling it", "write fun(...)"),
        ("ch", "E305", "'ch' is read by calling it", "write ch(...)"),
        ("x", "E305", "'x' is no number", "write x.channels"),
        ("word", "E305", "'word' holds a step, not a number", "insert it into a word with <word>"),
        ("x.chanels", "E302", "'x' has no 'chanels'", "did you mean 'channels'?"),
        ("width.channels", "E302", "'width' has no 'channels'", ""),
        ("fun(1, 2)", "E305", "fun takes 1 argument, not 2", ""),
        ("min(1)", "E305", "min takes 2 to 8 arguments, not 1", ""),
        ("abs()", "E305", "abs takes 1 argument, not 0", ""),
        ("flor(1)", "E302", "unknown function 'flor'", "did you mean 'floor'?"),
        ("width(1)", "E302", "unknown function 'width'", ""),
    ],
)
def test_wrong_names(text: str, code: str, message: str, hint: str) -> None:
    names = {"width": 2, "fun": function("c", "c"), "ch": Table({3: 1}), "word": "fast"}
    with pytest.raises(SpecError) as caught:
        value(text, x={"channels": 3}, **names)
    found = only(caught.value)
    assert (found.code, found.message) == (code, message)
    assert found.hint == hint or (not hint and found.hint.startswith("functions"))


def test_steps_and_expressions_are_values() -> None:
    assert parse_step("conv kernel=3") == parse_step(" conv   kernel=3 ")
    assert parse_expression("1+2*x") == parse_expression(" 1 + (2 * x) ")
    assert len({parse_expression("a"), parse_expression("( a )")}) == 1
