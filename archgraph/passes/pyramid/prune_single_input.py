"""Remove fusion nodes that fuse nothing (EfficientDet, section 3.2, first step)."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from typing import ClassVar

from archgraph.errors import SpecError, listing
from archgraph.ir import Edge, EdgeSteps, FeatureType, Graph, Model, Node, Stage
from archgraph.ir.pyramid import Fuse, Use
from archgraph.ir.signature import input_names
from archgraph.passes.base import Pass, Rewrites
from archgraph.passes.fusion import keeps_channels
from archgraph.passes.pyramid.types import PyramidTypes


@dataclass(frozen=True)
class PruneSingleInput(Pass):
    """Remove `fuse` nodes with one input of their own level, to a fixpoint.

        td7  = fuse(in7)                      (gone)
        td6  = fuse(in6, td7)           ->    td6  = fuse(in6, in7)
        out7 = fuse(td7, out6)                out7 = fuse(in7, out6)

    1. Readers and outputs move to the one input. An edge that was named after the removed node
       takes the name under which that node read its input.
    2. A reader that now reads one value twice in the same way keeps the first, unless each has
       channels of its own in the result (`concat`); a reader that is left with one input is
       looked at in turn.
    3. Kept, with the reason in the log: a node that is pinned; a node whose edge carries steps
       written on it; an output whose channels would change; a node whose readers do not project
       and would get other channels.

    Never touched: `use` nodes, and nodes whose one input is of another level (EfficientDet's
    own P6 and P7 are made by such nodes).
    """

    name: ClassVar[str] = "prune-single-input"
    stage: ClassVar[Stage] = Stage.PYRAMID

    def rewrite(self, model: Model) -> Rewrites:
        graph = model.graph
        types = PyramidTypes(model)
        log: list[str] = []
        kept: list[str] = []
        waiting = deque(node.name for node in graph if isinstance(node.op, Fuse))
        while waiting:
            name = waiting.popleft()
            if name not in graph or not _is_candidate(graph, name, types):
                continue
            reason = _reason_to_keep(model, name, types)
            if reason:
                kept.append(f"{name} kept ({reason})")
            else:
                text, shrunk = _remove(model, name)
                log.append(text)
                waiting.extend(shrunk)
        return Rewrites(model, tuple(log), tuple(dict.fromkeys(kept)))


def _is_candidate(graph: Graph, name: str, types: PyramidTypes) -> bool:
    node = graph[name]
    inputs = graph.inputs(name)
    if not isinstance(node.op, Fuse) or len(inputs) != 1:
        return False
    return types[inputs[0].source].level == node.op.level


def _reason_to_keep(model: Model, name: str, types: PyramidTypes) -> str:
    graph = model.graph
    node = graph[name]
    (edge,) = graph.inputs(name)
    if isinstance(node.op, Fuse) and node.op.pin:
        return "pinned"
    if edge.steps.written:
        return f"its edge from {edge.source} carries steps of its own"
    before, after = types[name].channels, types[edge.source].channels
    labels = [label for label, output in graph.outputs.items() if output == name]
    if labels and before != after:
        return f"output {listing(labels)} would have {after} channels instead of {before}"
    if before != after:
        for reader, position in graph.users(name):
            if not _adapts(model, reader, position, types, types[edge.source]):
                return f"{reader} would read {after} channels instead of {before}"
    return ""


def _adapts(
    model: Model, reader: str, position: int, types: PyramidTypes, given: FeatureType
) -> bool:
    """Whether a reader gives the same type when one operand has other channels."""
    graph, blocks = model.graph, model.blocks
    node = graph[reader]
    edges = graph.inputs(reader)
    if isinstance(node.op, Fuse) and keeps_channels(node.op, blocks):
        steps, policy = edges[position].steps, graph.policy
        project = steps.project if steps.project is not None else policy and policy.project
        return bool(project)
    operands = [types[edge.source] for edge in edges]
    operands[position] = given
    try:
        return types.given(reader, operands) == types.all_of(reader)
    except SpecError:
        return False


def _remove(model: Model, name: str) -> tuple[str, list[str]]:
    """Remove a node; returns the line of the log and the readers that lost an operand."""
    graph = model.graph
    (only,) = graph.inputs(name)
    readers = list(dict.fromkeys(user for user, _ in graph.users(name)))
    dropped: list[str] = []
    for reader in readers:
        before = graph.inputs(reader)
        after = _moved(model, reader, graph[name], only)
        graph.set_inputs(reader, after)
        if len(after) < len(before):
            dropped.append(reader)
    outputs = graph.outputs
    moved = [label for label, output in outputs.items() if output == name]
    graph.set_outputs({k: only.source if v == name else v for k, v in outputs.items()})
    graph.remove(name)
    root = graph.scopes[""]
    names = tuple(only.source if output == name else output for output in root.outputs)
    graph.scopes[""] = replace(root, outputs=names)
    text = f"{name} removed (1 input, same level)"
    effects = []
    if readers:
        verb = "reads" if len(readers) == 1 else "read"
        effects.append(f"{', '.join(readers)} now {verb} {only.source}")
    if dropped:
        effects.append(f"{', '.join(dropped)} had it already, so one operand is dropped")
    if moved:
        verb = "is" if len(moved) == 1 else "are"
        effects.append(f"output {', '.join(moved)} {verb} now {only.source}")
    return f"{text}: {'; '.join(effects)}" if effects else text, dropped


def _moved(model: Model, reader: str, gone: Node, only: Edge) -> list[Edge]:
    """The operands of a reader after `gone` has given way to the one value it read.

    An operand that thereby arises twice is kept once; what the spec wrote twice stays. The
    operands of a `use` node are fixed, and those of `concat` each have channels of their own,
    so they are never merged. An edge that is called like an input of a block keeps its name.
    """
    op, edges = model.graph[reader].op, model.graph.inputs(reader)
    fixed = input_names(op.use[0], model.blocks) if isinstance(op, Use) else ()
    moved: set[int] = set()
    result: list[Edge] = []
    for i, edge in enumerate(edges):
        if edge.source == gone.name:
            moved.add(i)
            given = edge.name != gone.local_name or edge.name in fixed
            edge = replace(edge, source=only.source, name=edge.name if given else only.name)
        result.append(edge)
    merge = isinstance(op, Fuse) and keeps_channels(op, model.blocks)
    return _with_names_of_their_own(_merged(result, moved) if merge else result, gone.local_name)


def _merged(edges: list[Edge], moved: set[int]) -> list[Edge]:
    """The operands without those that say what an earlier one says, if one of the two moved."""
    earlier: dict[tuple[str, EdgeSteps], bool] = {}  # whether one of them moved
    kept: list[Edge] = []
    for i, edge in enumerate(edges):
        said = (edge.source, edge.steps)
        known = earlier.get(said)
        if known is None or not (known or i in moved):
            kept.append(edge)
        earlier[said] = bool(known) or i in moved
    return kept


def _with_names_of_their_own(edges: list[Edge], local: str) -> list[Edge]:
    """Where a moved edge's new name is taken, it keeps the name of the removed node."""
    names: set[str] = set()
    result: list[Edge] = []
    for edge in edges:
        if edge.name in names:
            edge = replace(edge, name=local)
        names.add(edge.name)
        result.append(edge)
    return result
