"""Specs written in tests, and what comes of them."""

from __future__ import annotations

from pathlib import Path

from archgraph.compiler import check_spec
from archgraph.errors import Diagnostic
from archgraph.spec import (
    Arguments,
    ArgumentValue,
    ExpandedNode,
    ExpandedTopology,
    Library,
    TopologyDocument,
    expand_topology,
    parse_setting,
    python_argument,
)

HEAD = """topology: neck
parameters: {levels: {levels: 3..5}, channels: 64}
"""
DEFAULTS = """defaults:
  node: {fuse: sum, block: none}
  edge: {up: resize, down: max-pool kernel=3 stride=2}
"""


def sets(*texts: str) -> Arguments:
    """Arguments as `--set` gives them."""
    return dict(parse_setting(text) for text in texts)


def given(**values: object) -> dict[str, ArgumentValue]:
    """Arguments as Python gives them."""
    return {name: python_argument(value) for name, value in values.items()}


def topology(folder: Path, text: str, name: str = "neck") -> tuple[TopologyDocument, Library]:
    """The topology of this name in a file of this text."""
    path = folder / "neck.yaml"
    path.write_text(text, "utf-8")
    library = Library()
    document = library.document(library.read(path), name)
    assert isinstance(document, TopologyDocument)
    return document, library


def expanded(folder: Path, text: str, arguments: Arguments | None = None) -> ExpandedTopology:
    """The topology `neck` of this text, expanded; it must be without faults."""
    found = expand_topology(topology(folder, text)[0], arguments or {})
    assert found.faults == (), "\n".join(d.render() for d in found.faults)
    return found


def wiring(nodes: ExpandedTopology | tuple[ExpandedNode, ...]) -> list[str]:
    """Nodes as `name@level <- sources`."""
    found = nodes.nodes if isinstance(nodes, ExpandedTopology) else nodes
    return [
        f"{node.name}@{node.level} <- {' '.join(edge.source for edge in node.edges)}"
        for node in found
    ]


def mistakes(folder: Path, text: str, arguments: Arguments | None = None) -> list[Diagnostic]:
    """What `check` says about a file `neck.yaml` of this text."""
    path = folder / "neck.yaml"
    path.write_text(text, "utf-8")
    return check_spec(path.as_posix(), arguments)


def told(found: list[Diagnostic]) -> list[str]:
    """Diagnostics as `code line:column message`."""
    return [
        f"{d.code} {d.location.line}:{d.location.column} {d.message}"
        if d.location
        else f"{d.code} {d.message}"
        for d in found
    ]


def pointed(diagnostic: Diagnostic) -> str:
    """The text under the carets."""
    where = diagnostic.location
    assert where is not None
    return where.text[where.column - 1 : where.end_column - 1]
