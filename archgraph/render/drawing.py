"""A pyramid as a figure shows it.

A node with several results is one node; if it gives one result for each level, as a backbone does,
it is a *stack*: one box around the levels. Nodes that a model has once on every level stand in a
section of that name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from archgraph.expressions import Step
from archgraph.ir import Edge, Graph, Node
from archgraph.ir.pyramid import Input, Result, Use

_OF_LEVEL = re.compile(r"p([0-9]+)")


@dataclass(frozen=True)
class Stack:
    """A node that gives a value for each level: its steps, and these values, finest first."""

    name: str
    steps: tuple[Step, ...]
    nodes: tuple[str, ...]


@dataclass(frozen=True)
class Drawing:
    """What is drawn: a graph without `result` nodes, and those of its nodes that are stacks."""

    graph: Graph
    stacks: tuple[Stack, ...] = ()


def drawing_of(graph: Graph) -> Drawing:
    """What a figure of a graph at PYRAMID shows.

    Who reads a result reads the node that has it; of a stack the value of that level.
    """
    results: dict[str, list[tuple[int | None, str]]] = {}
    for node in graph:
        if isinstance(node.op, Result):
            owner = graph.inputs(node.name)[0].source
            results.setdefault(owner, []).append((_level(node.op), node.name))
    stacks: dict[str, Stack] = {}
    for owner, found in results.items():
        op = graph[owner].op
        if isinstance(op, Use) and all(level is not None for level, _ in found):
            nodes = tuple(name for _, name in sorted(found, key=lambda each: each[0] or 0))
            stacks[owner] = Stack(owner, op.use, nodes)
    moved = {
        name: owner for owner, found in results.items() if owner not in stacks for _, name in found
    }
    drawn = Graph(graph.name, graph.stage, graph.inherited[""], graph.policy)
    drawn.scopes, drawn.templates = dict(graph.scopes), dict(graph.templates)
    for node in graph.order():
        for each, edges in _drawn(graph, node, stacks):
            read = [replace(edge, source=moved.get(edge.source, edge.source)) for edge in edges]
            drawn.add(each, read)
    drawn.set_outputs({label: moved.get(name, name) for label, name in graph.outputs.items()})
    return Drawing(drawn, tuple(stacks.values()))


def _drawn(
    graph: Graph, node: Node, stacks: Mapping[str, Stack]
) -> Iterator[tuple[Node, Sequence[Edge]]]:
    """What stands for a node: itself, nothing, or the values of a stack."""
    if node.name in stacks and isinstance(node.op, Use):
        edges: Sequence[Edge] = graph.inputs(node.name)
        for name in stacks[node.name].nodes:
            result = graph[name]
            level = _level(result.op) if isinstance(result.op, Result) else None
            op = replace(node.op, level=level or 0, results=())
            # The finest of them stands for all: what enters the box, enters it there.
            yield Node(name, op, node.name, location=node.location), edges
            edges = ()
    elif isinstance(node.op, Result):
        return
    elif isinstance(node.op, Input) or node.scope or "." not in node.name:
        yield node, graph.inputs(node.name)
    else:
        section = node.name.rpartition(".")[0]
        yield replace(node, scope=section), graph.inputs(node.name)


def _level(op: Result) -> int | None:
    found = _OF_LEVEL.fullmatch(op.result)
    return int(found[1]) if found else None
