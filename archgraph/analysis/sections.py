"""The parts of a network: what each of them hands on, and what it costs."""

from __future__ import annotations

from dataclasses import dataclass

from archgraph.analysis.cost import Amount, Cost
from archgraph.analysis.shapes import ImageSize, map_size
from archgraph.ir import FeatureType, Graph


@dataclass(frozen=True)
class Leaving:
    """A value that leaves its section: who reads it is another section, or the caller.

    Attributes:
        name: the operator, such as `neck.cells.2.td3.block.norm`, or the input.
        type: its level and channels.
        size: its (height, width).
    """

    name: str
    type: FeatureType
    size: ImageSize


@dataclass(frozen=True)
class Section:
    """An input, or a part of a network: a node of a model, of a topology, or a cell."""

    name: str
    leaving: tuple[Leaving, ...]
    amount: Amount


def sections(graph: Graph, found: Cost) -> tuple[Section, ...]:
    """The parts of a network in execution order, what each hands on finest first.

    Args:
        graph: a graph at stage OPERATORS.
        found: what it costs.
    """
    owners = {operator.name: operator.section for operator in found.operators}
    owners |= {node.name: node.name for node in graph.graph_inputs}
    outside = dict.fromkeys(graph.outputs.values())
    for node in graph.order():
        for edge in graph.inputs(node.name):
            if owners[edge.source] != owners[node.name]:
                outside[edge.source] = None
    types = graph.infer_types()
    by_section: dict[str, list[Leaving]] = {}
    for name in (node.name for node in graph.order() if node.name in outside):
        leaving = Leaving(name, types[name], map_size(found.image_size, types[name]))
        by_section.setdefault(owners[name], []).append(leaving)
    amounts = {node.name: Amount() for node in graph.graph_inputs} | dict(found.by_section)
    return tuple(
        Section(name, tuple(sorted(by_section.get(name, ()), key=_level)), amount)
        for name, amount in amounts.items()
    )


def _level(leaving: Leaving) -> int:
    return leaving.type.level
