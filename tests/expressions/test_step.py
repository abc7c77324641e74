"""Steps: `name key=value key=value`, with the place of every part."""

from __future__ import annotations

from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archgraph.errors import SpecError
from archgraph.expressions import Argument, parse_expression, parse_step, parse_steps
from tests.expressions.support import anything, attempt, located, only, pointed


@pytest.mark.parametrize(
    ("text", "name", "arguments"),
    [
        ("conv", "conv", {}),
        ("max-pool kernel=3 stride=2", "max-pool", {"kernel": "3", "stride": "2"}),
        ("  conv   kernel=x.channels*2  ", "conv", {"kernel": "x.channels*2"}),
        ("<fuse>", "<fuse>", {}),
        ("<fuse> eps=1e-3", "<fuse>", {"eps": "1e-3"}),
        ("a_b-c key_1=a==b", "a_b-c", {"key_1": "a==b"}),
        ("resize mode=<mode>", "resize", {"mode": "<mode>"}),
    ],
)
def test_short_form(text: str, name: str, arguments: dict[str, str]) -> None:
    step = parse_step(text)
    assert step.use == name
    assert {a.key: a.text for a in step.arguments} == arguments
    assert step.when is None
    assert parse_step(step.text) == step
    assert str(step) == step.text == " ".join(text.split())
    for key, value in arguments.items():
        assert step.argument(key) == Argument(key, value)
    assert step.argument("nothing") is None


FORM = "write 'name key=value key=value', without spaces, commas or brackets in a value"


@pytest.mark.parametrize(
    ("text", "message", "spot"),
    [
        ("1conv", "'1conv' is not the name of a step", "1conv"),
        ("co.nv kernel=3", "'co.nv' is not the name of a step", "co.nv"),
        ("<a+1>", "'<a+1>' is not the name of a step", "<a+1>"),
        ("é", "'é' is not the name of a step", "é"),
        ("conv kernel", "'kernel' is not an argument", "kernel"),
        ("conv kernel=", "'kernel=' is not an argument", "kernel="),
        ("conv =3", "'=3' is not an argument", "=3"),
        ("conv kernel = 3", "'kernel' is not an argument", "kernel"),
        ("conv a-b=3", "'a-b=3' is not an argument", "a-b=3"),
        ("conv 1a=3", "'1a=3' is not an argument", "1a=3"),
        ("conv (kernel=3)", "'(kernel=3)' is not an argument", "(kernel=3)"),
        ("conv k=1 k=2", "'k' is given twice", "k=2"),
        ("conv k=a + b", "'+' is not an argument", "+"),
    ],
)
def test_mistakes(text: str, message: str, spot: str) -> None:
    with pytest.raises(SpecError) as caught:
        parse_step(text, located(text))
    found = only(caught.value)
    assert (found.code, found.message) == ("E306", message)
    assert pointed(found) == spot


@pytest.mark.parametrize("text", ["", "  ", "\n"])
def test_missing_step(text: str) -> None:
    with pytest.raises(SpecError) as caught:
        parse_step(text)
    found = only(caught.value)
    assert (found.code, found.message, found.hint) == ("E306", "a step is missing here", FORM)


def test_none_is_no_step() -> None:
    assert parse_steps("none") == parse_steps(" none ") == ()
    assert parse_steps("conv") == (parse_step("conv"),)
    assert parse_step("none").use == "none"


# --- places --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("conv kernel=3 stride=2", "stride"),
        ("conv kernel=3", "kernel"),
        ("conv kernel=kernel", "kernel"),
        ("conv stride=strid", "stride"),
        ("a a=a", "a"),
        ("conv ba=1 a=1", "a"),
        ("conv kernel=3  groups=3", "groups"),
        ("conv kernel=12 groups=1", "groups"),
    ],
)
def test_place_of_an_argument(text: str, key: str) -> None:
    """The place is that of the value, also where the same letters stand before it."""
    argument = parse_step(text, located(text)).argument(key)
    assert argument is not None
    assert argument.location is not None
    start = 6 + text.index(f" {key}=") + len(f" {key}=")
    assert argument.location.column == start
    assert argument.location.end_column == start + len(argument.text)


@pytest.mark.parametrize(
    ("text", "key", "spot"),
    [
        ("conv kernel=size+1 stride=2", "kernel", "size"),
        ("conv kernel=3 channels=2*size", "channels", "size"),
        ("conv size=size", "size", "size"),
        ("conv kernel=1/0", "kernel", "1/0"),
    ],
)
def test_mistake_inside_an_argument(text: str, key: str, spot: str) -> None:
    argument = parse_step(text, located(text)).argument(key)
    assert argument is not None
    with pytest.raises(SpecError) as caught:
        parse_expression(argument.text, argument.location).evaluate({})
    found = only(caught.value)
    assert pointed(found) == spot
    assert found.location is not None
    assert found.location.column == 6 + text.rindex(spot)


def test_place_of_a_step_in_a_longer_line() -> None:
    step = parse_step("max-pool kernel=3", located("  max-pool kernel=3 "))
    assert step.location is not None
    assert (step.location.column, step.location.end_column) == (8, 25)


values = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=8)
keys = st.from_regex(r"[a-z_][a-z0-9_]{0,5}", fullmatch=True)


@given(
    st.from_regex(r"[a-z]{1,4}(-[a-z]{1,3})?", fullmatch=True),
    st.lists(st.tuples(keys, values), max_size=4, unique_by=lambda pair: pair[0]),
)
def test_text_and_back(name: str, arguments: list[tuple[str, str]]) -> None:
    text = " ".join([name, *(f"{key}={value}" for key, value in arguments)])
    step = parse_step(text)
    assert step.text == text
    assert [(a.key, a.text) for a in step.arguments] == arguments


@given(anything)
def test_nothing_but_spec_errors(text: str) -> None:
    for where in (None, located(text)):
        found = attempt(partial(parse_step, text, where))
        if found is None:
            step = parse_step(text, where)
            assert parse_step(step.text) == step
        else:
            assert found.code == "E306"
