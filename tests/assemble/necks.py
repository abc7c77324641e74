"""Topologies of one node per level, and what they compile to."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from archgraph.assemble import assemble_topology
from archgraph.compiler import Compilation, compile_spec
from archgraph.ir import Model, Settings
from archgraph.ir.pyramid import Fuse
from archgraph.spec import Arguments, expand_topology
from tests.spec.written import DEFAULTS, HEAD, topology

NODES = "nodes:\n  - {for: l in lo..hi, name: out<l>, from: in<l>}\noutputs: out<l>\n"
T = TypeVar("T")


def neck(
    *, block: str = "none", node: str = "", head: str = "", defaults: str = "", more: str = ""
) -> str:
    """A topology of one node per level; `node` are more keys of it."""
    lines = DEFAULTS.replace("block: none", f"block: {block}") + defaults
    nodes = NODES.replace("from: in<l>", f"from: in<l>{node}")
    return HEAD + head + lines + nodes + more


def assembled(folder: Path, text: str, settings: Settings | None = None) -> Model:
    document, library = topology(folder, text)
    return assemble_topology(expand_topology(document, {}), library, settings or Settings())


def compiled(folder: Path, text: str, arguments: Arguments | None = None) -> Compilation:
    path = folder / "neck.yaml"
    path.write_text(text, "utf-8")
    return compile_spec(path.as_posix(), arguments)


def fuse(model: Model, name: str = "out3") -> Fuse:
    op = model.graph[name].op
    assert isinstance(op, Fuse)
    return op


def block_of(name: str) -> str:
    return f"---\nblock: {name}\nnodes: [{{name: act, use: relu}}]\n"


def operator(compilation: Compilation, name: str, kind: type[T]) -> T:
    op = compilation.operators.graph[name].op
    assert isinstance(op, kind)
    return op
