"""Shapes of expressions that generated files have: modules by path, names of edges, unpacking."""

from __future__ import annotations

import ast
import re

INITIAL = re.compile(
    r"(self(\.\w+)*|self\.get_submodule\('[\w.]+'\))\.apply\((he_normal|glorot_uniform|lecun_normal)\)"
    r"|nn\.init\.constant_\(self\.get_parameter\('[\w.]+\.bias'\), -?[\d.e+-]+\)"
)
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*\Z")


def of_self(node: ast.expr) -> bool:
    """Whether this is `self.a`, `self[0]`, `self.a[0].b` and so on."""
    return ast.unparse(node).startswith(("self.", "self["))


def is_names(node: ast.expr) -> bool:
    """Whether this is a tuple of names of the spec: the edges of a node, for its constructor."""
    parts = node.elts if isinstance(node, ast.Tuple) else []
    texts = [part.value for part in parts if isinstance(part, ast.Constant)]
    return (
        bool(parts)
        and len(texts) == len(parts)
        and all(isinstance(text, str) and NAME.match(text) is not None for text in texts)
    )


def unpacked(node: ast.stmt) -> set[str]:
    """The modules that `a, b = self.inputs.values()` hands out."""
    if not isinstance(node, ast.Assign) or not of_self(node.value):
        return set()
    if not ast.unparse(node.value).endswith(".values()"):
        return set()
    (target,) = node.targets
    names = target.elts if isinstance(target, ast.Tuple) else []
    return {name.id for name in names if isinstance(name, ast.Name)}


def is_initial(node: ast.stmt) -> bool:
    """Whether this says how weights start, in one of the two ways in which files say it."""
    return isinstance(node, ast.Expr) and INITIAL.fullmatch(ast.unparse(node)) is not None


def is_levels(node: ast.stmt) -> bool:
    """Whether this is `levels = ("p3", "p4")`, the keys of a mapping by level."""
    return isinstance(node, ast.Assign) and (
        [ast.unparse(target) for target in node.targets] == ["levels"] and is_names(node.value)
    )


def is_key(node: ast.expr) -> bool:
    """Whether this is the key of a level, as an argument."""
    value = node.value if isinstance(node, ast.Constant) else None
    return isinstance(value, str) and NAME.match(value) is not None


def is_fact(value: object) -> bool:
    """Whether this is a number, a tuple of them, or one of these by the name of an output."""
    if isinstance(value, dict):
        named = all(isinstance(name, str) and NAME.match(name) for name in value)
        return named and not any(isinstance(v, dict) or not is_fact(v) for v in value.values())
    numbers = value if isinstance(value, tuple) else (value,)
    return all(isinstance(number, int | float) for number in numbers)


def bound_names(function: ast.FunctionDef) -> tuple[set[str], set[str]]:
    """The names that a function binds; those of loops and arguments that may be modules."""
    said = {node.arg: node.annotation for node in ast.walk(function) if isinstance(node, ast.arg)}
    given = {name for name, kind in said.items() if kind and ast.unparse(kind) == "nn.Module"}
    names = [node for node in ast.walk(function) if isinstance(node, ast.Name)]
    stored = {node.id for node in names if isinstance(node.ctx, ast.Store)}
    loops = {
        name.id
        for node in ast.walk(function)
        if isinstance(node, ast.For | ast.comprehension)
        for name in ast.walk(node.target)
        if isinstance(name, ast.Name)
    }
    return said.keys() | stored, loops | given
