"""Turn edge policies into concrete steps, once the other PYRAMID passes are done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from archgraph.errors import ArchgraphError, Diagnostic, Location, SpecError
from archgraph.expressions import Argument, Step
from archgraph.ir import Edge, EdgeSteps, FeatureType, Model, Node, Settings, Stage
from archgraph.ir.block import Block
from archgraph.ir.pyramid import Fuse, Use
from archgraph.ir.signature import (
    BUILTIN_NAMES,
    argument_kinds,
    fusion_keeps_channels,
    unknown_block,
)
from archgraph.passes.base import Pass, Rewrites
from archgraph.passes.instantiate import Context, concrete, infer_chain
from archgraph.passes.pyramid.types import PyramidTypes, edge_names, use_type


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
        log: list[str] = []
        for node in graph.order():
            if not isinstance(node.op, Fuse | Use):
                continue
            try:
                resolver = _Resolver(model, node, node.op, types, graph.policy)
                edges = [resolver.resolve(edge) for edge in graph.inputs(node.name)]
                graph.set_inputs(node.name, edges)
                resolver.check(edges)
            except ArchgraphError as error:
                found.extend(error.diagnostics)
            else:
                log += [_line(node, edge) for edge in edges if edge.steps.written]
        if found:
            raise SpecError(found)
        graph.policy = None
        return Rewrites(model, tuple(log))


class _Resolver:
    """Resolves the edges of one node."""

    def __init__(
        self, model: Model, node: Node, op: Fuse | Use, types: PyramidTypes, policy: EdgeSteps
    ) -> None:
        self.model = model
        self.node = node
        self.op = op
        self.types = types
        self.policy = policy
        self.settings: Settings = model.graph.settings.updated(op.settings)
        self.results: dict[str, FeatureType] = {}

    def resolve(self, edge: Edge) -> Edge:
        """The edge with concrete steps, or none."""
        where = edge.location or self.node.location
        x = self.types[edge.source]
        target = self._required_level(edge)
        written = edge.steps
        default = self.policy.project if isinstance(self.op, Fuse) else ()
        project = written.project if written.project is not None else default
        projected, x = self._chain(project or (), x, target, where)
        steps = EdgeSteps(project=projected or None)
        if written.resample and x.level != target:
            role = "up" if x.level > target else "down"
            chain: tuple[Step, ...] | None = getattr(written, role)
            chain = chain if chain is not None else getattr(self.policy, role)
            resampled, result = self._chain(chain or (), x, target, where)
            if result.level != target:
                raise self._unreachable(edge, role, resampled, result, target)
            x = result
            up, down = (resampled, None) if role == "up" else (None, resampled)
            steps = EdgeSteps(steps.project, up, down)
        self.results[edge.name] = x
        return replace(edge, steps=steps)

    def check(self, edges: Sequence[Edge]) -> None:
        """Operands of a fusion have the node's channels, unless the fusion takes any."""
        if not isinstance(self.op, Fuse) or not fusion_keeps_channels(self.op.fusion):
            return
        widths = {edge.name: self.results[edge.name].channels for edge in edges}
        odd = [edge for edge in edges if widths[edge.name] != self.op.channels]
        if not odd:
            return
        shown = ", ".join(f"{name} has {width}" for name, width in widths.items())
        message = (
            f"channels differ under '{self.op.fusion.use}': node '{self.node.name}' has"
            f" {self.op.channels}, {shown}"
        )
        hint = (
            f"add 'project: conv-norm' to the edge from '{odd[0].name}', or set 'project' in"
            " defaults.edge"
        )
        where = odd[0].location or self.node.location
        raise SpecError(Diagnostic("E210", message, where, hint))

    def _required_level(self, edge: Edge) -> int:
        """The level at which the node takes this operand."""
        if isinstance(self.op, Fuse) or not edge.steps.resample:
            return self.op.level
        x = self.types[edge.source]
        operands = [x] * len(self.model.graph.inputs(self.node.name))
        result = use_type(self.op, operands, self.model, self.node.location)
        return self.op.level - (result.level - x.level)

    def _chain(
        self, steps: Sequence[Step], x: FeatureType, target: int, where: Location | None
    ) -> tuple[tuple[Step, ...], FeatureType]:
        """Concrete steps and the type they give; steps whose condition is false are left out."""
        channels = self.op.channels if isinstance(self.op, Fuse) else x.channels
        like = FeatureType(target, channels)
        done: list[Step] = []
        for step in steps:
            names = edge_names(x, channels, self.op.level, target)
            names["settings"] = self.settings.attributes()
            if step.when and not step.when.evaluate(names):
                continue
            step = with_channels(
                concrete(step, names, self.model.blocks), channels, self.model.blocks
            )
            context = Context(names, self.settings, "", where, override=self.op.settings)
            x = infer_chain([step], [x], self.model.blocks, context, like)
            done.append(step)
        return tuple(done), x

    def _unreachable(
        self, edge: Edge, role: str, steps: Sequence[Step], result: FeatureType, target: int
    ) -> SpecError:
        x = self.types[edge.source]
        where = edge.location or self.node.location
        message = (
            f"'{edge.source}' is at level {x.level}; node '{self.node.name}' needs level {target}"
        )
        if steps:
            chain = ", ".join(step.text for step in steps)
            message += f", and '{role}: {chain}' reaches level {result.level}"
            hint = f"'distance' and 'scale' are known in '{role}', e.g. stride=scale"
        else:
            message += f", and the edge says nothing about '{role}'"
            example = "resize" if role == "up" else "max-pool kernel=3 stride=2"
            hint = f"write '{role}: {example}' on the edge or in defaults.edge"
            if isinstance(self.op, Use) and x.level == self.op.level > target:
                hint = f"its steps lower the level: say 'level: {2 * x.level - target}' on the node"
        return SpecError(Diagnostic("E202", message, where, hint))


def with_channels(step: Step, channels: int, blocks: Mapping[str, Block]) -> Step:
    """A step of a node, with the node's `channels` where it takes that and was given none."""
    kinds = argument_kinds(step, blocks)
    if kinds is None:
        raise SpecError(unknown_block(step.use, BUILTIN_NAMES | set(blocks), step.location))
    if "channels" not in kinds or step.argument("channels"):
        return step
    return replace(step, arguments=(Argument("channels", str(channels)), *step.arguments))


def _line(node: Node, edge: Edge) -> str:
    parts = []
    for role in ("project", "up", "down"):
        chain: tuple[Step, ...] | None = getattr(edge.steps, role)
        if chain:
            parts.append(f"{role} {', '.join(step.text for step in chain)}")
    return f"{edge.source} -> {node.name}: {'; '.join(parts)}"
