"""A topology as plain nodes: what `expand` makes and `assemble` reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from archgraph.errors import Diagnostic, Location
from archgraph.expressions import Names
from archgraph.spec.documents import TopologyDocument
from archgraph.spec.models import EdgeModel, NodeModel, VariantModel
from archgraph.spec.parameters import Bound


@dataclass(frozen=True)
class ExpandedEdge:
    """An operand: the value it reads (`node`, or `node.result`), its own name and steps if any.

    `port` is the input of the block that it is for, where the spec says so; `port_place` is
    where. `names` are those its steps may use.
    """

    source: str
    name: str | None
    model: EdgeModel | None
    names: Names
    location: Location | None
    port: str = ""
    port_place: Location | None = None


@dataclass(frozen=True)
class ExpandedNode:
    """A node with its operands.

    `level` is None where only the inputs can tell; of a `faulty` node that was reported.
    `share` is the name of its weights, if it was given one.
    """

    name: str
    level: int | None
    model: NodeModel
    edges: tuple[ExpandedEdge, ...]
    names: Names
    location: Location | None
    share: str = ""
    faulty: bool = False


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

    `row` is the chosen variant. `faults` are the mistakes so far. With any the rest is only good
    for finding more of them.
    """

    document: TopologyDocument
    bound: Bound
    row: VariantModel
    inputs: tuple[ExpandedInput, ...]
    nodes: tuple[ExpandedNode, ...]
    outputs: Mapping[int, tuple[str, Location | None]]
    faults: tuple[Diagnostic, ...]
