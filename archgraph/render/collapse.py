"""A pyramid as a figure shows it: a node with several results is one node."""

from __future__ import annotations

from dataclasses import replace

from archgraph.ir import Graph, Stage
from archgraph.ir.pyramid import Result


def collapsed(graph: Graph) -> Graph:
    """The graph without `result` nodes: who reads one reads the node that has it."""
    owners = {
        node.name: graph.inputs(node.name)[0].source
        for node in graph
        if isinstance(node.op, Result) and graph.stage is Stage.PYRAMID
    }
    if not owners:
        return graph
    drawn = graph.copy()
    for node in graph:
        edges = graph.inputs(node.name)
        if node.name not in owners and any(edge.source in owners for edge in edges):
            moved = [replace(e, source=owners.get(e.source, e.source)) for e in edges]
            drawn.set_inputs(node.name, moved)
    outputs = graph.outputs.items()
    drawn.set_outputs({label: owners.get(name, name) for label, name in outputs})
    for name in owners:
        drawn.remove(name)
    return drawn
