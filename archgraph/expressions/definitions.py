"""Values and functions of `let` written out in the expressions that use them."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Any

from archgraph.expressions.expression import Expression
from archgraph.expressions.grammar import MAX_LENGTH

# Parts of an expression beyond which it is no help to a reader any more.
MAX_PARTS = 120


class _TooLong(Exception):
    """Written out, the expression would not be worth reading."""


class Definitions:
    """Definitions in the order in which they stand; each sees those before it."""

    def __init__(self) -> None:
        self._values: dict[str, ast.expr | None] = {}
        self._functions: dict[str, tuple[tuple[str, ...], ast.expr] | None] = {}

    def add(self, name: str, parameters: tuple[str, ...] | None, body: Expression) -> None:
        """Add a value, or a function when it has parameters."""
        tree = self._written_out(body.tree, dict.fromkeys(parameters or ()))
        if parameters is None:
            self._values[name] = tree
        else:
            self._functions[name] = None if tree is None else (parameters, tree)

    def written_out(self, expression: Expression) -> str | None:
        """The text of `expression` without the defined names; None where it gets too long."""
        tree = self._written_out(expression.tree, {})
        text = "" if tree is None else ast.unparse(tree)
        return text if text and len(text) <= MAX_LENGTH else None

    def _written_out(self, tree: ast.expr, bound: Mapping[str, ast.expr | None]) -> ast.expr | None:
        try:
            return _Writer(self._values, self._functions, bound).visit(tree)
        except _TooLong:
            return None


class _Writer:
    """Copies a tree, replacing names as it goes; counts parts, so that no text explodes."""

    def __init__(
        self,
        values: Mapping[str, ast.expr | None],
        functions: Mapping[str, tuple[tuple[str, ...], ast.expr] | None],
        bound: Mapping[str, ast.expr | None],
    ) -> None:
        self.values = values
        self.functions = functions
        self.bound = bound
        self.parts = 0

    def visit(self, node: ast.expr) -> ast.expr:
        self.parts += 1
        if self.parts > MAX_PARTS:
            raise _TooLong
        if isinstance(node, ast.Name):
            return self._name(node)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            return self._call(node, node.func)
        if isinstance(node, ast.Attribute):
            return node
        fields: dict[str, Any] = {}
        for name, value in ast.iter_fields(node):
            if isinstance(value, ast.expr):
                fields[name] = self.visit(value)
            elif isinstance(value, list):
                fields[name] = [self.visit(v) if isinstance(v, ast.expr) else v for v in value]
            else:
                fields[name] = value
        copy: ast.expr = type(node)(**fields)
        return copy

    def _name(self, node: ast.Name) -> ast.expr:
        if node.id in self.bound:
            return self.bound[node.id] or node
        if node.id not in self.values:
            return node
        value = self.values[node.id]
        if value is None:
            raise _TooLong
        self.parts += sum(1 for part in ast.walk(value) if isinstance(part, ast.expr))
        return value

    def _call(self, node: ast.Call, function: ast.Name) -> ast.expr:
        arguments = [self.visit(argument) for argument in node.args]
        if function.id not in self.functions:
            return ast.Call(function, arguments, [])
        found = self.functions[function.id]
        if found is None or len(found[0]) != len(arguments):
            raise _TooLong
        inner = _Writer({}, {}, dict(zip(found[0], arguments, strict=True)))
        inner.parts = self.parts
        tree = inner.visit(found[1])
        self.parts = inner.parts
        return tree
