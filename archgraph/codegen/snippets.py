"""The definitions that files may carry, as texts, so that torch is not imported to print them."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from functools import cache
from pathlib import Path

# What plugins bring for operators of their own, by name.
ADDED: dict[str, str] = {}


def definitions() -> Mapping[str, str]:
    """Every class and function by name: those of the prelude, then those of plugins."""
    return {**_prelude(), **ADDED}


@cache
def _prelude() -> Mapping[str, str]:
    return definitions_in(Path(__file__).with_name("prelude.py").read_text("utf-8"))


def definitions_in(text: str) -> Mapping[str, str]:
    """The classes and functions of a Python file by name, each as it stands there."""
    lines = text.splitlines()
    return {
        node.name: "\n".join(lines[node.lineno - 1 : node.end_lineno])
        for node in ast.parse(text).body
        if isinstance(node, ast.ClassDef | ast.FunctionDef)
    }
