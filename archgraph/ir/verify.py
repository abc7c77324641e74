"""The rules of each stage: what every graph keeps, before and after every pass."""

from __future__ import annotations

import re
from collections import Counter

from archgraph.errors import ArchgraphError, Diagnostic, VerifyError
from archgraph.ir.graph import Graph, Node
from archgraph.ir.pyramid import Fuse, Input
from archgraph.ir.types import Stage

NODE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.([A-Za-z_][A-Za-z0-9_]*|[0-9]+))*\Z")


def verify(graph: Graph, after: str = "") -> None:
    """Check `graph` against the rules of its stage.

    Args:
        graph: the graph to check; it is not changed.
        after: the pass that made it, named in the message.

    Raises:
        VerifyError: every broken rule, each placed at the node that breaks it.
    """
    found: list[Diagnostic] = []
    suffix = f" (after pass '{after}')" if after else ""

    def report(message: str, node: Node | None = None) -> None:
        where = node.location if node else None
        found.append(Diagnostic("E401", f"graph '{graph.name}': {message}{suffix}", where))

    for node in graph:
        for message in _node_faults(graph, node):
            report(message, node)
    for path in graph.scopes:
        if path and path.rpartition(".")[0] not in graph.scopes and not _in_container(path, graph):
            report(f"scope '{path}' stands in no scope")
    if not graph.outputs:
        report("there are no outputs")
    if not found:
        try:
            if graph.stage is Stage.PYRAMID:
                graph.order()
            else:  # inferring types puts the nodes in order too
                for message in _shared_weight_faults(graph):
                    report(message)
        except ArchgraphError as error:
            for diagnostic in error.diagnostics:
                report(diagnostic.message)
    if found:
        raise VerifyError(found)


def _node_faults(graph: Graph, node: Node) -> list[str]:
    faults: list[str] = []
    inputs = graph.inputs(node.name)
    if not NODE_NAME.match(node.name):
        faults.append(f"'{node.name}' is not the name of a node")
    if graph.stage not in node.op.stages:
        faults.append(f"'{node.name}' is a {node.op.kind}, which {graph.stage.value} has not")
    low, high = node.op.arity
    if len(inputs) < low or (high is not None and len(inputs) > high):
        wanted = f"{low}" if low == high else f"{low} to {high}" if high else f"at least {low}"
        faults.append(f"'{node.name}' has {len(inputs)} operands; {node.op.kind} takes {wanted}")
    if node.scope not in graph.scopes:
        faults.append(f"'{node.name}' stands in scope '{node.scope}', which has no record")
    if graph.stage is Stage.PYRAMID:
        for name, count in Counter(edge.name for edge in inputs).items():
            if count > 1:
                faults.append(f"'{node.name}' has {count} edges named '{name}'")
    if isinstance(node.op, Input | Fuse) and node.op.channels < 1:
        faults.append(f"'{node.name}' has {node.op.channels} channels")
    return faults


def _in_container(path: str, graph: Graph) -> bool:
    """Whether `path` stands in a list or mapping (`cells.0`, `td5.inputs.in5`) of a scope."""
    container, _, last = path.rpartition(".")[0].rpartition(".")
    while last.isdecimal():  # a list in a list, as of a repeated step in a chain: `p4.use.1.0`
        container, _, last = container.rpartition(".")
    return bool(last) and container in graph.scopes


def _shared_weight_faults(graph: Graph) -> list[str]:
    """Nodes with one weight path must be the same operation on the same widths."""
    types = graph.infer_types()
    owners: dict[str, object] = {}
    faults: list[str] = []
    for node in graph:
        inputs = [types[edge.source] for edge in graph.inputs(node.name)]
        what = (node.op, node.op.parameters(inputs))
        if owners.setdefault(node.weights, what) != what:
            faults.append(f"'{node.name}' shares the weights '{node.weights}' of another operation")
    return faults
