"""Expressions of a spec as Python: printed from their trees, and only where they are exact."""

from __future__ import annotations

import ast
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from copy import deepcopy
from functools import cache

from archgraph.errors import ArchgraphError
from archgraph.expressions import Expression, Names, Scalar, parse_expression

# Functions of the language as Python writes them; the others have the same name in both.
FUNCTIONS = {
    "floor": ast.Attribute(ast.Name("math"), "floor"),
    "ceil": ast.Attribute(ast.Name("math"), "ceil"),
    "sqrt": ast.Attribute(ast.Name("math"), "sqrt"),
    "log2": ast.Attribute(ast.Name("math"), "log2"),
}
SAME = frozenset({"min", "max", "abs", "round"})
CONSTANTS = {"true": "True", "false": "False"}
KNOWN = {"__builtins__": {}, "math": math, "min": min, "max": max, "abs": abs, "round": round}
KNOWN |= {"int": int}


def same(one: object, other: object) -> bool:
    """Equal, and of one type: `True` is not 1."""
    return type(one) is type(other) and one == other


def matches(found: Sequence[object], wanted: Sequence[object]) -> bool:
    """Whether values are those wanted; None is wanted where any value will do."""
    return all(w is None or same(f, w) for f, w in zip(found, wanted, strict=True))


@cache
def parsed(text: str) -> Expression | None:
    """The expression, if the text is one."""
    try:
        return parse_expression(text)
    except ArchgraphError:
        return None


def evaluated(expression: Expression, names: Names) -> Scalar | None:
    """The value of an expression, if it has one under these names."""
    try:
        return expression.evaluate(names)
    except ArchgraphError:
        return None


def python_text(expression: Expression, names: Mapping[str, str]) -> str:
    """The expression in Python, its names replaced: `x.channels` by `in_channels`.

    Args:
        expression: what the spec says.
        names: parameters of a constructor by what the spec calls them.

    Returns:
        The text, or an empty one if it says what Python does not know.
    """
    try:
        tree = _Python(names).visit(deepcopy(expression.tree))
    except KeyError:
        return ""
    if isinstance(tree, ast.BoolOp):  # `unparse` puts the last of three in brackets
        word = " and " if isinstance(tree.op, ast.And) else " or "
        loose = ast.BoolOp | ast.IfExp
        texts = [(ast.unparse(value), isinstance(value, loose)) for value in tree.values]
        return word.join(f"({text})" if is_loose else text for text, is_loose in texts)
    return ast.unparse(tree)


class _Python(ast.NodeTransformer):
    def __init__(self, names: Mapping[str, str]) -> None:
        self.names = names

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return ast.Name(CONSTANTS.get(node.id) or self.names[node.id])

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        return ast.Name(self.names[ast.unparse(node)])

    def visit_BoolOp(self, node: ast.BoolOp) -> ast.expr:
        """`a and b and c`, however it was put together."""
        values: list[ast.expr] = []
        for value in map(self.visit, node.values):
            same_word = isinstance(value, ast.BoolOp) and type(value.op) is type(node.op)
            values += value.values if same_word else [value]
        return ast.BoolOp(node.op, values)

    def visit_Call(self, node: ast.Call) -> ast.expr:
        assert isinstance(node.func, ast.Name)
        name = node.func.id
        function = FUNCTIONS.get(name) or ({name: ast.Name(name)}[name] if name in SAME else None)
        if name == "multiple":
            return self._multiple(node)
        if function is None:
            raise KeyError(name)
        return ast.Call(function, [self.visit(argument) for argument in node.args], [])

    def _multiple(self, node: ast.Call) -> ast.expr:
        """The nearest multiple of n, ties up, at least n."""
        value, step = (ast.unparse(self.visit(argument)) for argument in node.args)
        text = f"max({step}, math.floor(({value}) / ({step}) + 0.5) * ({step}))"
        return ast.parse(text, mode="eval").body


def run(text: str, rows: Sequence[Mapping[str, object]]) -> list[object]:
    """The values of a Python expression that `python_text` gave, for every row of names."""
    code = compile(text, "<formula>", "eval")
    found: list[object] = []
    for row in rows:
        try:
            found.append(eval(code, dict(KNOWN), dict(row)))
        except (ArithmeticError, ValueError, TypeError, NameError):
            found.append(None)
    return found


def is_atom(text: str) -> bool:
    """Whether a text can stand anywhere without brackets: a name, a number, a call."""
    if text.isidentifier():
        return True
    tree = ast.parse(text, mode="eval").body
    atoms = ast.Name | ast.Attribute | ast.Constant | ast.Call | ast.Subscript
    return isinstance(tree, atoms)


def words(text: str) -> set[str]:
    """The names that a Python expression reads."""
    return {node.id for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Name)}


def total(texts: Sequence[str]) -> str:
    """The sum of some texts, equal ones counted."""
    counts = Counter(texts)
    found: list[str] = []
    for text, count in counts.items():
        shown = text if is_atom(text) or count == 1 else f"({text})"
        found.append(shown if count == 1 else f"{count} * {shown}")
    return " + ".join(found)
