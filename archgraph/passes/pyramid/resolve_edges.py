"""Turn edge policies into concrete steps, once the other PYRAMID passes are done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from archgraph.errors import ArchgraphError, Diagnostic, SpecError
from archgraph.expressions import Step
from archgraph.ir import Edge, FeatureType, Model, Node, Stage
from archgraph.ir.pyramid import Fuse, Use
from archgraph.ir.types import GLOBAL
from archgraph.passes.base import Pass, Rewrites
from archgraph.passes.fusion import keeps_channels
from archgraph.passes.pyramid.edges import Carried
from archgraph.passes.pyramid.types import PyramidTypes


@dataclass(frozen=True)
class ResolveEdges(Pass):
    """Give every edge the steps that the policy means for it; last pass of PYRAMID.

        edges {"project": [{"use": "conv-norm", "when": "x.channels != channels"}], ...}
        td5 = fuse(in5, td6)   ->   td5 = fuse(in5 via {"project": ["conv-norm channels=64"]},
                                               td6 via {"up": ["resize mode=nearest"]})

    1. `project` runs first, at the source's size; the policy's applies to `fuse` nodes only,
       because a `use` node takes its inputs as they are. What an edge says itself counts before
       the policy. A step that takes `channels` and was not given any gets the node's.
    2. `up` or `down` then carries the source's level to the node's, and must reach it exactly.
       A `use` node whose block has a stride makes that change itself.
    3. `resample: none` hands a value on at its own size.
    """

    name: ClassVar[str] = "resolve-edges"
    stage: ClassVar[Stage] = Stage.PYRAMID

    def rewrite(self, model: Model) -> Rewrites:
        graph = model.graph
        if graph.policy is None:
            return Rewrites(model)
        types = PyramidTypes(model)
        found: list[Diagnostic] = []
        resolved: dict[str, list[Edge]] = {}
        for node in graph.order():
            if not isinstance(node.op, Fuse | Use):
                continue
            try:
                edges = graph.inputs(node.name)
                carried = types.carried(node.name)
                for edge, each in zip(edges, carried, strict=True):
                    _check_levels(node, edge, each, types[edge.source])
                if isinstance(node.op, Fuse) and keeps_channels(node.op, model.blocks):
                    _check_channels(node, node.op, edges, carried)
            except ArchgraphError as error:
                found.extend(error.diagnostics)
            else:
                both = zip(edges, carried, strict=True)
                resolved[node.name] = [replace(edge, steps=each.steps) for edge, each in both]
        if found:
            raise SpecError(found)
        # Only now: types were asked of edges that still said what the spec says.
        for name, settled in resolved.items():
            graph.set_inputs(name, settled)
        graph.policy = None
        lines = (_line(name, edge) for name, settled in resolved.items() for edge in settled)
        return Rewrites(model, tuple(line for line in lines if line))


def _check_levels(node: Node, edge: Edge, carried: Carried, x: FeatureType) -> None:
    """The steps of an edge must end where the node needs them.

    Raises:
        SpecError: E202, at another level.
    """
    if carried.arrives:
        return
    role, steps = carried.role, carried.steps.up or carried.steps.down
    message = (
        f"'{edge.source}' is at level {x.level}; node '{node.name}' needs level {carried.target}"
    )
    op, target = node.op, carried.target
    if isinstance(op, Use) and target is not None and target < 0:
        raise SpecError(_too_coarse(node, op, edge, x.level, op.level - target))
    if steps:
        chain = ", ".join(step.text for step in steps)
        message += f", and '{role}: {chain}' reaches level {carried.result.level}"
        place, here = steps[0].location, edge.location or node.location
        if place and here and place.file != here.file:
            message += f" ({place.file}:{place.line})"
        hint = f"'distance' and 'scale' are known in '{role}', e.g. stride=scale"
    else:
        message += f", and the edge says nothing about '{role}'"
        example = "resize" if role == "up" else "max-pool kernel=3 stride=2"
        hint = f"write '{role}: {example}' on the edge or in defaults.edge"
        if isinstance(op, Use) and target is not None and x.level == op.level > target:
            hint = (
                f"its steps make the map coarser: say 'level: {2 * x.level - target}' on the node"
            )
    raise SpecError(Diagnostic("E202", message, edge.location or node.location, hint))


def _too_coarse(node: Node, op: Use, edge: Edge, level: int, steps: int) -> Diagnostic:
    """A node whose steps end at no level that it could have."""
    where = edge.location or node.location
    if level + steps >= GLOBAL:
        message = f"node '{node.name}' makes a single pixel, which has no level"
        hint = "do this in a block, which puts the pixel on a map again"
        return Diagnostic("E202", message, where, hint)
    message = f"node '{node.name}' makes its input {2**steps} times coarser"
    hint = "say at which 'level:' that is"
    return Diagnostic("E202", f"{message}, so it is never at level {op.level}", where, hint)


def _check_channels(
    node: Node, op: Fuse, edges: Sequence[Edge], carried: Sequence[Carried]
) -> None:
    """Operands of a fusion have the node's channels, unless the fusion takes any.

    Raises:
        SpecError: E210, one has others.
    """
    widths = {e.name: each.result.channels for e, each in zip(edges, carried, strict=True)}
    odd = [edge for edge in edges if widths[edge.name] != op.channels]
    if not odd:
        return
    shown = ", ".join(f"{name} has {width}" for name, width in widths.items())
    message = (
        f"channels differ under '{op.fusion.use}': node '{node.name}' has {op.channels}, {shown}"
    )
    hint = (
        f"add 'project: conv-norm' to the edge from '{odd[0].name}', or set 'project' in"
        " defaults.edge"
    )
    raise SpecError(Diagnostic("E210", message, odd[0].location or node.location, hint))


def _line(name: str, edge: Edge) -> str:
    """What an edge does, for the log; nothing where it does nothing."""
    parts = []
    for role in ("project", "up", "down"):
        chain: tuple[Step, ...] | None = getattr(edge.steps, role)
        if chain:
            parts.append(f"{role} {', '.join(step.text for step in chain)}")
    return f"{edge.source} -> {name}: {'; '.join(parts)}" if parts else ""
