"""Printed texts made wrong, one small change each, as a bug of the printer would make them."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from functools import partial
from typing import TypeVar

T = TypeVar("T")
Change = Callable[[], object]


def mutants(text: str, every: int = 1) -> Iterator[tuple[str, str]]:
    """Small changes of a file, all or every so many: what each is, and the changed file."""
    count = len(list(_changes(ast.parse(text))))
    for i in range(0, count, every):
        tree = ast.parse(text)
        what, change = list(_changes(tree))[i]
        change()
        yield what, ast.unparse(ast.fix_missing_locations(tree))


def _changes(tree: ast.Module) -> Iterator[tuple[str, Change]]:
    """Ways to change a tree, each with its line; nothing is changed until one is called."""
    for node in ast.walk(tree):
        line = getattr(node, "lineno", 0)
        for what, change in _changes_of(node):
            yield f"line {line}: {what}", change


def _changes_of(node: ast.AST) -> Iterator[tuple[str, Change]]:
    match node:
        case ast.Call():
            yield from _of_call(node)
        case ast.FunctionDef():
            yield from _of_body(node)
        case ast.Constant(value=bool(flag)):
            yield "a flag is changed", partial(setattr, node, "value", not flag)
        case ast.Constant(value=int(number) | float(number)):
            yield "a number is changed", partial(setattr, node, "value", number + 1)
        case ast.Constant(value=str(text)) if "\n" not in text and len(text) < 12:
            yield "a text is changed", partial(setattr, node, "value", "bilinear")
        case ast.BinOp(op=operator):
            yield "operands are swapped", partial(_swap, node, "left", "right")
            other = ast.Sub() if isinstance(operator, ast.Add) else ast.Add()
            yield "an operator is changed", partial(setattr, node, "op", other)
        case ast.IfExp():
            yield "branches are swapped", partial(_swap, node, "body", "orelse")
        case ast.Return(value=ast.Tuple(elts=results) | ast.List(elts=results)):
            yield "a return is reordered", results.reverse
            yield "a result is dropped", results.pop
        case ast.Assign(targets=[ast.Attribute(attr=name) as target]):
            yield "an attribute is renamed", partial(setattr, target, "attr", f"{name}_other")
        case ast.Attribute(value=ast.Name(id="F"), attr=name):
            function = "gelu" if name == "relu" else "relu"
            yield "another function is called", partial(setattr, node, "attr", function)
        case ast.For(iter=values):
            rest = ast.Subscript(values, ast.Slice(ast.Constant(1)), ast.Load())
            yield "a loop begins later", partial(setattr, node, "iter", rest)
        case ast.arguments(args=[_, _, _, *_], defaults=[]):
            yield "parameters are swapped", partial(_swap_items, node.args, 1)


def _of_call(node: ast.Call) -> Iterator[tuple[str, Change]]:
    for i in range(len(node.args) - 1):
        yield "arguments are swapped", partial(_swap_items, node.args, i)
    for i in range(len(node.keywords)):
        yield "a keyword is dropped", partial(node.keywords.pop, i)
    if len(node.args) > 1:
        yield "an argument is repeated", partial(node.args.__setitem__, 1, node.args[0])


def _of_body(node: ast.FunctionDef) -> Iterator[tuple[str, Change]]:
    for i, statement in enumerate(node.body):
        if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
            continue
        yield "a statement is dropped", partial(node.body.__setitem__, i, ast.Pass())
        if i + 1 < len(node.body):
            yield "statements are swapped", partial(_swap_items, node.body, i)
        if isinstance(statement, ast.Assign):
            yield "a statement is repeated", partial(node.body.insert, i, statement)


def _swap(node: ast.AST, one: str, two: str) -> None:
    first, second = getattr(node, one), getattr(node, two)
    setattr(node, one, second)
    setattr(node, two, first)


def _swap_items(items: list[T], i: int) -> None:
    items[i], items[i + 1] = items[i + 1], items[i]
