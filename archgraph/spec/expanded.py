"""A topology as plain nodes: what `expand` makes and `assemble` reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from archgraph.errors import Diagnostic, Location
from archgraph.expressions import Names
from archgraph.spec.arguments import Bound
from archgraph.spec.documents import TopologyDocument
from archgraph.spec.models import EdgeModel, NodeModel


@dataclass(frozen=True)
class ExpandedEdge:
    """An operand: the value it reads, its own name and steps if the spec gave them."""

    source: str
    name: str | None
    model: EdgeModel | None
    location: Location | None


@dataclass(frozen=True)
class ExpandedNode:
    """A node with its operands. `level` is None where only the inputs can tell."""

    name: str
    level: int | None
    model: NodeModel
    edges: tuple[ExpandedEdge, ...]
    names: Names
    location: Location | None


@dataclass(frozen=True)
class ExpandedInput:
    """A feature map that the topology is given."""

    name: str
    level: int
    channels: int
    location: Location | None


@dataclass(frozen=True)
class ExpandedTopology:
    """A topology without parameters: what `assemble` makes a graph of.

    `faults` are the mistakes so far. With any the rest is only good for finding more of them.
    """

    document: TopologyDocument
    bound: Bound
    inputs: tuple[ExpandedInput, ...]
    nodes: tuple[ExpandedNode, ...]
    outputs: Mapping[int, tuple[str, Location | None]]
    faults: tuple[Diagnostic, ...]
