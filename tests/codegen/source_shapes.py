"""Shapes of expressions that generated files have: modules by path, names of edges, unpacking."""

from __future__ import annotations

import ast
import re

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
