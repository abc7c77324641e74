"""A graph written out in another one, under the name of a node."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from archgraph.errors import Location
from archgraph.ir import Edge, Graph, Model, Node
from archgraph.ir.pyramid import Input


def inline(
    graph: Graph,
    part: Model,
    name: str,
    share: str,
    feeds: Mapping[str, str],
    where: Location | None,
) -> dict[str, str]:
    """Add the nodes of a part, each as `name.node`, fed with values of the graph.

    Args:
        graph: what grows; it keeps the settings of the part where they are not its own.
        part: a graph at stage PYRAMID whose edges are resolved.
        name: the name of the part in the graph.
        share: the name of its weights; by default that of the part.
        feeds: the value in the graph for every input of the part.
        where: the place where the part is used.

    Returns:
        The value in the graph for every node of the part.
    """
    module = share or name
    if (settings := part.graph.settings_at("")) != graph.settings_at(""):
        graph.inherited[name] = settings
    for path, scope in part.graph.scopes.items():
        inner = f"{name}.{path}" if path else name
        owner = f"{module}.{scope.module}" if scope.module else module
        moved = replace(scope, path=inner, module=owner)
        graph.scopes[inner] = moved if path else replace(moved, location=where)
    values = dict(feeds)
    for node in part.graph.order():
        if isinstance(node.op, Input):
            continue
        inner = f"{name}.{node.name}"
        edges = [
            Edge(values[edge.source], edge.name, edge.steps, edge.location)
            for edge in part.graph.inputs(node.name)
        ]
        around = f"{name}.{node.scope}" if node.scope else name
        graph.add(Node(inner, node.op, around, f"{module}.{node.weights}", node.location), edges)
        values[node.name] = inner
    return values
