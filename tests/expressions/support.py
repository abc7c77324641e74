"""Random expressions for hypothesis, each with what Python calls it; and texts with places."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from types import SimpleNamespace

from hypothesis import strategies as st

from archgraph.errors import Diagnostic, Location, SpecError
from archgraph.expressions import Names, Scalar

CHANNELS = 24
# What the random expressions may read.
NAMES: Names = {"n": 7, "m": -3, "zero": 0, "f": 0.25, "b": True, "x": {"channels": CHANNELS}}


def nearest_multiple(value: float, step: int) -> int:
    """The nearest multiple of `step`, ties up, at least `step`; exactly."""
    return max(step, math.floor(Fraction(value) / step + Fraction(1, 2)) * step)


PYTHON: dict[str, object] = {
    **{k: v for k, v in NAMES.items() if k != "x"},
    **{"x": SimpleNamespace(channels=CHANNELS), "true": True, "false": False, "bool": bool},
    **{"min": min, "max": max, "abs": abs, "round": round, "multiple": nearest_multiple},
    **{"floor": math.floor, "ceil": math.ceil, "sqrt": math.sqrt, "log2": math.log2},
    "__builtins__": {},
}

# The text of an expression, and what it is in Python. They differ in `and` and `or`, which
# give a truth value here and an operand there.
Pair = tuple[str, str]


def _same(text: str) -> Pair:
    return text, text


LEAVES = st.sampled_from(
    "0 1 2 3 8 13 100 0.5 2.5 1.0 1e-3 true false n m zero f b x.channels n m x.channels".split()
).map(_same)


def _grown(inner: st.SearchStrategy[Pair]) -> st.SearchStrategy[Pair]:
    def join(form: str, *parts: Pair) -> Pair:
        return form.format(*(p[0] for p in parts)), form.format(*(p[1] for p in parts))

    def both(form: str, *parts: Pair) -> Pair:
        ours, python = join(form, *parts)
        return ours, f"bool{python}"

    closed = inner.map(lambda pair: (f"({pair[0]})", f"({pair[1]})"))
    part = inner | closed
    arithmetic = [f"{{}} {op} {{}}" for op in "+ - * / // % **".split()]
    compare = [f"{{}} {op} {{}}" for op in "< <= > >= == !=".split()]
    one = ["-{}", "+{}", "not {}", "abs({})", "round({})", "floor({})", "ceil({})", "sqrt({})"]
    two = [*arithmetic, *arithmetic, *compare, "min({}, {})", "max({}, {})"]
    three = ["{} < {} <= {}", "{} == {} != {}", "{} if {} else {}", "max({}, {}, {})"]
    return st.one_of(
        st.builds(join, st.sampled_from([*one, "log2({})", "multiple({}, 8)"]), part),
        st.builds(join, st.sampled_from(two), part, part),
        st.builds(join, st.sampled_from(three), part, part, part),
        st.builds(both, st.sampled_from(["(({}) and ({}))", "(({}) or ({}))"]), part, part),
    )


pairs = st.recursive(LEAVES, _grown, max_leaves=8)
texts = pairs.map(lambda pair: pair[0])
# Texts that look like expressions and mostly are none.
soups = st.lists(
    st.sampled_from(
        "a n 1 2.5 x . ( ) , + - * / // % ** < <= == = := [ ] { } : ' \" not and or if else for in"
        " lambda True None is min max <l> .. downto maybe # \\ ; @ ~ & ! _ __ é \x00 \n\t 1e9".split(
            " "
        )
    ),
    max_size=12,
).flatmap(lambda words: st.sampled_from(["", " "]).map(lambda gap: gap.join(words)))
anything = soups | st.text(max_size=40) | texts


def located(text: str, before: str = "key: ") -> Location:
    """The place of `text` behind `before` on line 3 of a file."""
    start = len(before) + 1
    return Location("f.yaml", 3, start, start + len(text), before + text)


def pointed(found: Diagnostic) -> str:
    """The characters that the carets of a diagnostic stand under."""
    where = found.location
    assert where is not None
    assert where.line == 3
    return where.text[where.column - 1 : where.end_column - 1]


def only(error: SpecError) -> Diagnostic:
    (found,) = error.diagnostics
    return found


def attempt(action: Callable[[], object]) -> Diagnostic | None:
    """The mistake that `action` reports, or None; anything but a SpecError goes through."""
    try:
        action()
    except SpecError as error:
        return only(error)
    return None


def outcome(value: Scalar) -> tuple[type, Scalar]:
    """A value with its kind, so that 1, 1.0 and true differ."""
    return type(value), value
