"""Who may import whom: the table of design.md section 6, held against every file.

A row imports only rows below it; rooms of one row never import each other. Imports inside
functions count as much as those at the top; `if TYPE_CHECKING:` blocks do not count.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = "archgraph"
MAX_LINES = 400

ROWS: tuple[tuple[str, ...], ...] = (
    ("__main__",),
    ("cli",),
    ("__init__",),  # the public names
    ("train", "scaling"),
    ("compiler", "plugins"),
    ("stages",),
    ("assemble", "passes", "weights", "codegen", "export", "render", "importers", "entry_points"),
    ("analysis",),
    ("spec", "ir", "detect"),
    ("expressions",),
    ("errors",),
)
NARROWER: dict[str, frozenset[str]] = {"detect": frozenset({"errors"})}

# A package that is not the standard library's -> the rooms, or parts of rooms, that may import it.
THIRD_PARTY: dict[str, tuple[str, ...]] = {
    "torch": (
        "passes/operators",
        "weights",
        "codegen",
        "export",
        "detect",
        "compiler",
        "scaling",
        "train",
    ),
    "networkx": ("ir",),
    "graphviz": ("render",),
    "yaml": ("spec",),
    "pydantic": ("spec", "train"),
    "pydantic_core": ("spec",),
    "typer": ("cli",),
    "rich": ("cli",),
    "numpy": ("weights", "export", "detect", "train"),
    "PIL": ("train",),
    "safetensors": ("weights",),
    "torchvision": ("detect",),
    "jinja2": ("train",),
    "ijson": ("train",),
    "pycocotools": ("train",),
    "hotcoco": ("train",),
    "sklearn": ("train",),
}


def allowed_rooms() -> dict[str, frozenset[str]]:
    table: dict[str, frozenset[str]] = {}
    below: frozenset[str] = frozenset()
    for row in reversed(ROWS):
        table.update({room: NARROWER.get(room, below) for room in row})
        below |= frozenset(row)
    return table


ALLOWED = allowed_rooms()


@dataclass(frozen=True)
class Source:
    """One file: its path inside the package, its module name, its syntax tree."""

    path: str
    text: str

    @property
    def module(self) -> str:
        parts = [PACKAGE, *self.path.removesuffix(".py").split("/")]
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)

    @property
    def room(self) -> str:
        return self.path.split("/")[0].removesuffix(".py")

    @property
    def tree(self) -> ast.Module:
        return ast.parse(self.text, filename=self.path)


@dataclass(frozen=True)
class Import:
    """`import module` (no name) or `from module import name`."""

    line: int
    module: str
    name: str | None = None

    @property
    def room(self) -> str:
        """The room of ours that is imported; only for imports of the package."""
        parts = self.module.split(".")[1:] or ([self.name] if self.name in ALLOWED else [])
        return parts[0] if parts else "__init__"

    def target(self, modules: Mapping[str, object]) -> str:
        submodule = f"{self.module}.{self.name}"
        return submodule if submodule in modules else self.module


def running_nodes(node: ast.AST) -> Iterator[ast.AST]:
    """All nodes below, except what only a type checker reads."""
    for child in ast.iter_child_nodes(node):
        match child:
            case ast.If(test=ast.Name(id="TYPE_CHECKING") | ast.Attribute(attr="TYPE_CHECKING")):
                for other in child.orelse:
                    yield other
                    yield from running_nodes(other)
            case _:
                yield child
                yield from running_nodes(child)


def imports(source: Source) -> Iterator[Import]:
    package = source.module.split(".")
    if not source.path.endswith("__init__.py"):
        package = package[:-1]
    for node in running_nodes(source.tree):
        match node:
            case ast.Import(names=names):
                yield from (Import(node.lineno, alias.name) for alias in names)
            case ast.ImportFrom(module=module, names=names, level=level):
                base = package[: len(package) - level + 1] if level else []
                absolute = ".".join([*base, *([module] if module else [])])
                yield from (Import(node.lineno, absolute, alias.name) for alias in names)
            case ast.Call(
                func=ast.Name(id="import_module" | "__import__")
                | ast.Attribute(attr="import_module"),
                args=[ast.Constant(value=str(module)), *_],
            ):
                yield Import(node.lineno, module)


def third_party_complaint(source: Source, package: str) -> str | None:
    if package in sys.stdlib_module_names:
        return None
    if package not in THIRD_PARTY:
        return f"{package} is in no row of THIRD_PARTY"
    places = THIRD_PARTY[package]
    if any(source.path == f"{place}.py" or source.path.startswith(f"{place}/") for place in places):
        return None
    return f"only {', '.join(places)} may import {package}"


def import_complaints(source: Source) -> Iterator[str]:
    if source.room not in ALLOWED:
        yield f"{source.path}:1 is in no known room: add {source.room} to ROWS and to the design"
        return
    for found in imports(source):
        package = found.module.split(".")[0]
        if package != PACKAGE:
            complaint = third_party_complaint(source, package)
            if complaint is not None:
                yield f"{source.path}:{found.line} imports {package}: {complaint}"
        elif found.room != source.room and found.room not in ALLOWED[source.room]:
            may = ", ".join(sorted(ALLOWED[source.room])) or "nothing of ours"
            yield f"{source.path}:{found.line} imports {found.room}: {source.room} may import {may}"


def ring(sources: list[Source]) -> list[str]:
    """The modules of one import cycle, first and last the same; empty if there is none."""
    modules = {source.module: source for source in sources}
    graph = {
        name: {target for found in imports(source) if (target := found.target(modules)) != name}
        & modules.keys()
        for name, source in modules.items()
    }
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        # the sorter lists the imported first
        return [str(module) for module in reversed(error.args[1])]
    return []


def untyped_arguments(source: Source) -> Iterator[str]:
    tree = source.tree
    methods = {
        function
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
        for function in node.body
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        if "staticmethod" not in map(ast.unparse, function.decorator_list)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            given = node.args
            positional = [*given.posonlyargs, *given.args][1 if node in methods else 0 :]
            rest = [argument for argument in (given.vararg, given.kwarg) if argument is not None]
            for argument in [*positional, *given.kwonlyargs, *rest]:
                if argument.annotation is None:
                    yield f"{source.path}:{argument.lineno} {node.name}({argument.arg}) has no type"


@pytest.fixture(scope="module")
def sources() -> list[Source]:
    folder = ROOT / PACKAGE
    return [
        Source(path.relative_to(folder).as_posix(), path.read_text("utf-8"))
        for path in sorted(folder.rglob("*.py"))
    ]


def test_every_import_is_in_the_table(sources: list[Source]) -> None:
    assert {"errors", "__main__"} <= {source.room for source in sources}
    found = [complaint for source in sources for complaint in import_complaints(source)]
    assert not found, "\n".join(found)


def test_no_import_cycle(sources: list[Source]) -> None:
    found = ring(sources)
    assert not found, f"import cycle: {' -> '.join(found)}"


def test_every_argument_has_a_type(sources: list[Source]) -> None:
    found = [complaint for source in sources for complaint in untyped_arguments(source)]
    assert not found, "\n".join(found)


def test_no_file_is_too_long() -> None:
    lengths = {
        path.relative_to(ROOT).as_posix(): len(path.read_text("utf-8").splitlines())
        for folder in (PACKAGE, "tests", "tools")
        for path in sorted((ROOT / folder).rglob("*.py"))
    }
    found = [f"{path} has {n} lines of {MAX_LINES}" for path, n in lengths.items() if n > MAX_LINES]
    assert not found, "\n".join(found)


PASSES_MAY = "passes may import analysis, detect, errors, expressions, ir, spec"
TORCH_MAY = f"only {', '.join(THIRD_PARTY['torch'])} may import torch"


@pytest.mark.parametrize(
    ("path", "text", "complaint"),
    [
        ("passes/x.py", "\n\nimport archgraph.render.svg", f"x.py:3 imports render: {PASSES_MAY}"),
        ("passes/x.py", "from archgraph import codegen", f"x.py:1 imports codegen: {PASSES_MAY}"),
        ("passes/x.py", "from ..weights import init", f"x.py:1 imports weights: {PASSES_MAY}"),
        ("passes/x.py", "def f():\n  from archgraph.cli import a", "x.py:2 imports cli:"),
        ("passes/x.py", "from archgraph import build", "x.py:1 imports __init__:"),
        ("passes/x.py", "import_module('archgraph.compiler')", "x.py:1 imports compiler:"),
        ("detect/x.py", "import archgraph.expressions", "detect may import errors"),
        ("errors.py", "import archgraph.ir", "errors may import nothing of ours"),
        ("ir/x.py", "from archgraph.spec.models import A", "ir may import errors, expressions"),
        ("__init__.py", "from archgraph.cli import main", "__init__.py:1 imports cli:"),
        ("library.py", "import os", "library.py:1 is in no known room"),
        ("spec/x.py", "import archgraph.library", "x.py:1 imports library:"),
        ("passes/pyramid/x.py", "import torch.nn as nn", TORCH_MAY),
        ("passes/x.py", "def f():\n  from torch import nn", f"x.py:2 imports torch: {TORCH_MAY}"),
        ("ir/x.py", "import tomlkit", "tomlkit is in no row"),
        ("ir/x.py", "import yaml", "only spec may import yaml"),
        ("ir/x.py", "if TYPE_CHECKING:\n  pass\nelse:\n  import yaml", "x.py:4 imports yaml"),
        ("ir/x.py", "if not typing.TYPE_CHECKING:\n  import yaml", "x.py:2 imports yaml"),
    ],
)
def test_the_checker_sees_a_forbidden_import(path: str, text: str, complaint: str) -> None:
    (found,) = import_complaints(Source(path, text))
    assert complaint in found


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("passes/x.py", "from archgraph.ir import Graph\nfrom .base import Pass\nimport ast"),
        ("passes/operators/x.py", "import torch"),
        ("passes/operators.py", "import torch"),
        ("compiler.py", "def f():\n  from archgraph.codegen import emit\n  import torch"),
        ("ir/x.py", "if typing.TYPE_CHECKING:\n  import torch\n  import archgraph.cli"),
        ("__init__.py", "def build():\n  from archgraph.compiler import build"),
        ("__main__.py", "from archgraph.cli.main import run"),
        ("cli/main.py", "import typer\nfrom archgraph import build\nfrom archgraph import spec"),
    ],
)
def test_the_checker_lets_an_allowed_import_pass(path: str, text: str) -> None:
    assert list(import_complaints(Source(path, text))) == []


def test_the_checker_sees_a_ring() -> None:
    a = Source("ir/a.py", "from archgraph.ir import b")
    b = Source("ir/b.py", "def f():\n  from archgraph.ir.c import g")
    c = Source("ir/c.py", "from .a import g")
    package = Source("ir/__init__.py", "from archgraph.ir.a import g")
    assert ring([package, a, b]) == []
    found = ring([package, a, b, c])
    assert found[0] == found[-1]
    assert set(pairwise(found)) == {
        ("archgraph.ir.a", "archgraph.ir.b"),
        ("archgraph.ir.b", "archgraph.ir.c"),
        ("archgraph.ir.c", "archgraph.ir.a"),
    }


def test_the_checker_sees_an_untyped_argument() -> None:
    text = (
        "class A:\n  def f(self, a: int, *b, c=1, **d: int): ...\n  @staticmethod\n  def g(e): ..."
    )
    assert list(untyped_arguments(Source("ir/x.py", text))) == [
        "ir/x.py:2 f(c) has no type",
        "ir/x.py:2 f(b) has no type",
        "ir/x.py:4 g(e) has no type",
    ]
