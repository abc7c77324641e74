"""The definitions of the prelude as texts, so that torch is not imported to print them."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from functools import cache
from pathlib import Path


@cache
def definitions() -> Mapping[str, str]:
    """Every class and function of the prelude by name."""
    text = Path(__file__).with_name("prelude.py").read_text("utf-8")
    found: dict[str, str] = {}
    for node in ast.parse(text).body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            found[node.name] = "\n".join(text.splitlines()[node.lineno - 1 : node.end_lineno])
    return found
