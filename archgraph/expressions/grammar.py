"""The whitelist behind expressions: which nodes of Python's grammar, operators and functions."""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Iterable

from archgraph.errors import suggest

Scalar = bool | int | float

MAX_LENGTH = 500
MAX_NODES = 100
MAX_EXPONENT = 64
MAX_VALUE = 1e12
MAX_DEPTH = 32
MAX_CALLS = 10_000
OUT_OF_BOUNDS = "number out of bounds"
COMMA = "a comma may not stand in an expression"
# What to do about an objection.
HINTS = {
    OUT_OF_BOUNDS: f"values stay within {MAX_VALUE:g}",
    COMMA: "in 'name key=value key=value' spaces separate the arguments",
}
CONSTANTS = {"true": True, "false": False}


def _multiple(value: float, step: float) -> float:
    if step <= 0:
        raise ValueError("multiple(v, n) needs n > 0")
    return max(step, math.floor(value / step + 0.5) * step)


def _power(base: float, exponent: float) -> float:
    if abs(exponent) > MAX_EXPONENT or abs(base) > MAX_VALUE:
        raise OverflowError
    result: float | complex = base**exponent
    if isinstance(result, complex):
        raise ValueError("the root of a negative number is not real")
    return result


def _sqrt(value: float) -> float:
    if value < 0:
        raise ValueError(f"the root of {value:g} is not real")
    return math.sqrt(value)


def _log2(value: float) -> float:
    if value <= 0:
        raise ValueError(f"the logarithm of {value:g} is no number")
    return math.log2(value)


BUILTINS: dict[str, tuple[int, int, Callable[..., Scalar]]] = {
    "min": (2, 8, min),
    "max": (2, 8, max),
    "abs": (1, 1, abs),
    "round": (1, 1, round),
    "floor": (1, 1, math.floor),
    "ceil": (1, 1, math.ceil),
    "sqrt": (1, 1, _sqrt),
    "log2": (1, 1, _log2),
    "multiple": (2, 2, _multiple),
}


def unknown_hint(name: str, known: Iterable[str]) -> str:
    """What to do about a name that nothing defines."""
    if name == "l":
        return "'l' is known inside a loop: 'for: l in lo..hi'"
    return suggest(name, known, "names here")


BINARY: dict[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: _power,
}
UNARY: dict[type[ast.unaryop], Callable[[float], float]] = {
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
    ast.Not: operator.not_,
}
COMPARE: dict[type[ast.cmpop], Callable[[float, float], bool]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}


def objection(node: ast.AST) -> str:
    """Why `node` may not stand in an expression, or an empty string."""
    match node:
        case ast.Constant(value=bool()):
            return f"write '{str(node.value).lower()}', as in YAML"
        case ast.Constant(value=int() | float()):
            value = node.value
            within = isinstance(value, int | float) and abs(value) <= MAX_VALUE
            return "" if within else OUT_OF_BOUNDS
        case ast.Constant(value=str()):
            return "a text in quotes may not stand in an expression; write it without them"
        case ast.Constant():
            return "only numbers may stand in an expression"
        case ast.Name():
            return "" if node.id.isascii() else f"'{node.id}' is not a plain name"
        case ast.Attribute(value=ast.Name()):
            return "'__' may not stand in a name" if node.attr.startswith("__") else ""
        case ast.Call(func=ast.Name(), keywords=[]):
            return "" if not any(isinstance(a, ast.Starred) for a in node.args) else "no '*' here"
        case ast.Compare():
            if any(type(o) not in COMPARE for o in node.ops):
                return "comparisons are < <= > >= == !="
            return ""
        case ast.BinOp():
            return "" if type(node.op) in BINARY else "operators are + - * / // % **"
        case ast.UnaryOp():
            return "" if type(node.op) in UNARY else "operators are + - * / // % **"
        case ast.BoolOp() | ast.IfExp() | ast.expr_context() | ast.boolop():
            return ""
        case ast.operator() | ast.unaryop() | ast.cmpop():
            return ""
        case _:
            return f"{_noun(node)} may not stand in an expression"


def _noun(node: ast.AST) -> str:
    nouns = {"Attribute": "a chain of attributes", "Subscript": "brackets", "Call": "this call"}
    nouns |= {"Lambda": "a lambda", "List": "a list", "Dict": "braces", "Tuple": "a comma"}
    return nouns.get(type(node).__name__, f"a {type(node).__name__.lower()}")
