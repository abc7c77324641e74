"""What stands in one scope of a graph as a graph of its own."""

from __future__ import annotations

from dataclasses import replace

from archgraph.ir.graph import Graph, Node
from archgraph.ir.pyramid import Input


def hoisted(graph: Graph, prefix: str) -> Graph:
    """The graph with everything in the scope `prefix` moved out of it.

    Names, weights and scopes lose the prefix, and the scope becomes the root. Every node but the
    inputs stands in that scope.
    """
    other = Graph(graph.name, graph.stage)
    root = graph.scopes[""]
    for path, scope in graph.scopes.items():
        if path:
            inner, module = _inner(path, prefix), _inner(scope.module, prefix)
            other.scopes[inner] = replace(scope, path=inner, module=module)
    other.scopes[""] = replace(other.scopes[""], inputs=root.inputs, location=root.location)
    other.templates = dict(graph.templates)
    names: dict[str, str] = {}
    for node in graph:
        names[node.name] = node.name if isinstance(node.op, Input) else _inner(node.name, prefix)
    for node in graph:
        if isinstance(node.op, Input):
            other.add(node)
            continue
        around, weights = _inner(node.scope, prefix), _inner(node.weights, prefix)
        edges = [replace(edge, source=names[edge.source]) for edge in graph.inputs(node.name)]
        other.add(Node(names[node.name], node.op, around, weights, node.location), edges)
    other.set_outputs({label: names[value] for label, value in graph.outputs.items()})
    return other


def _inner(path: str, prefix: str) -> str:
    return "" if path == prefix else path.removeprefix(f"{prefix}.")
