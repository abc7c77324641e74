"""Every topology of the library, as its reader would have it: source that is kept and edited."""

from __future__ import annotations

import ast
import builtins
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import pytest
from ruff import find_ruff_bin  # type: ignore[import-untyped]

from archgraph.compiler import arguments_from_python, emit_source
from archgraph.spec import Library
from tests.codegen.golden_vectors import TF
from tests.codegen.printed import CONFIG

RAW = [40, 112, 320, 64, 64]
FUSIONS = ("sum", "average", "max", "concat", "softmax", "fast", "unbounded", "fast per=channel")
MOST_ARGUMENTS = 8


@dataclass(frozen=True)
class Row:
    """A topology with arguments, or in a variant."""

    spec: str
    options: Mapping[str, object] = field(default_factory=dict, hash=False)
    variant: str = ""

    def __str__(self) -> str:
        shown = (f"{key}={value}" for key, value in self.options.items() if key != "settings")
        return "-".join([self.spec, *shown, self.variant]).rstrip("-").replace(" ", "")


def topologies() -> Iterator[str]:
    """The topologies of the library."""
    library = Library()
    for name in sorted(library.names()):
        if library.document(*library.open(name)).kind == "topology":
            yield name


DEFAULTS = [Row(name) for name in topologies()]
OTHERS = [
    *(Row(name, {"levels": "2..6"}) for name in ("bifpn", "panet", "fpn", "qufpn", "fpg")),
    *(Row(name, {"in_channels": RAW, "cells": 3}) for name in ("bifpn", "qufpn")),
    *(Row("bifpn", {"cells": 2, "fuse": fuse}) for fuse in FUSIONS),
    *(Row("panet", {"fuse": fuse, "in_channels": RAW}) for fuse in FUSIONS),
    Row("bifpn", {"cells": 3, "in_channels": RAW, "settings": TF}),
    Row("fpn-efficientdet", {"levels": "3..5", "in_channels": RAW[:3], "channels": 16}),
    Row("fpn-retinanet", {"source": "p", "in_channels": [512, 1024, 2048]}),
    Row("spinenet-49", {"channels": 128}),
    Row("gfpn", {"columns": 4}),
    *(Row("yolov8-pafpn", {}, variant) for variant in "nsmlx"),
]
ROWS = [*DEFAULTS, *(pytest.param(row, marks=pytest.mark.slow) for row in OTHERS)]
rows = pytest.mark.parametrize("row", ROWS, ids=str)


@cache
def text_of(row: Row) -> str:
    """The source of a row, emitted once."""
    return emit_source(row.spec, arguments_from_python(row.options), variant=row.variant).text


def functions(text: str) -> Iterator[tuple[str, ast.FunctionDef]]:
    """Every method with the name of its class."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ClassDef):
            yield from ((node.name, f) for f in node.body if isinstance(f, ast.FunctionDef))


def hidden(text: str) -> set[str]:
    """Names of variables and arguments that Python has built in, and letters like digits."""
    names: set[str] = set()
    for _, function in functions(text):
        names.update(a.arg for a in ast.walk(function) if isinstance(a, ast.arg))
        stored = (n for n in ast.walk(function) if isinstance(n, ast.Name))
        names.update(n.id for n in stored if isinstance(n.ctx, ast.Store))
    return names & {*dir(builtins), "l", "O", "I"} - {"_"}


@rows
def test_no_class_takes_many_arguments(row: Row) -> None:
    for name, function in functions(text_of(row)):
        if function.name == "__init__":
            count = len([*function.args.args, *function.args.kwonlyargs]) - 1
            assert count <= MOST_ARGUMENTS, name


@rows
def test_no_name_hides_another(row: Row) -> None:
    assert hidden(text_of(row)) == set()


@rows
def test_a_class_has_a_name_that_tells_something(row: Row) -> None:
    classes = [n.name for n in ast.parse(text_of(row)).body if isinstance(n, ast.ClassDef)]
    assert len(set(classes)) == len(classes)
    assert [name for name in classes if len(name) == 1] == []


def files(folder: Path, some: list[Row]) -> None:
    """Write the sources of the rows into a folder."""
    for i, row in enumerate(some):
        (folder / f"network{i}.py").write_text(text_of(row), "utf-8")


def done(*command: str, cwd: Path) -> str:
    """What a tool says against the files of a folder."""
    run = subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd)
    return run.stdout + run.stderr if run.returncode else ""


def test_the_formatter_and_the_linter_leave_every_topology_unchanged(tmp_path: Path) -> None:
    files(tmp_path, DEFAULTS)
    ruff = find_ruff_bin()
    assert not done(ruff, "format", "--diff", "--config", str(CONFIG), str(tmp_path), cwd=tmp_path)
    chosen = ["--isolated", "--select", "E4,E7,E9,F,A,I,B"]
    assert not done(ruff, "check", *chosen, str(tmp_path), cwd=tmp_path)


@pytest.mark.slow
def test_the_tools_accept_every_row(tmp_path: Path) -> None:
    files(tmp_path, [*DEFAULTS, *OTHERS])
    ruff = find_ruff_bin()
    assert not done(ruff, "format", "--diff", "--config", str(CONFIG), str(tmp_path), cwd=tmp_path)
    chosen = ["--isolated", "--select", "E4,E7,E9,F,A,I,B"]
    assert not done(ruff, "check", *chosen, str(tmp_path), cwd=tmp_path)
    mypy = [sys.executable, "-m", "mypy", "--strict", "--config-file=", "."]
    assert not done(*mypy, cwd=tmp_path)
