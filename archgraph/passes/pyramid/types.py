"""The types of PYRAMID values: declared where they can be, else asked of the blocks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from archgraph.errors import SpecError
from archgraph.ir import Edge, FeatureType, Model, Node
from archgraph.ir.pyramid import Fuse, Input, Result, Use
from archgraph.passes.context import ROOT, Context
from archgraph.passes.fusion import fuse, keeps_channels
from archgraph.passes.infer import infer_results, scratch
from archgraph.passes.pyramid.edges import Carried, carry

# The types of a node's values: of one under the empty name, or of its results by name.
Types = Mapping[str, FeatureType]


class PyramidTypes:
    """Types by node name, worked out when asked for and remembered.

    Inputs, and fusions of operands with equal channels, say their type themselves. What `use`
    nodes, their results and other fusions give follows from what reaches them.

    Raises (when asked):
        SpecError: the block of a node does not fit what it is given.
    """

    def __init__(self, model: Model) -> None:
        self._model = model
        self._known: dict[str, Types] = {}
        self._carried: dict[str, list[Carried]] = {}
        self._failed: dict[str, SpecError] = {}

    def __getitem__(self, name: str) -> FeatureType:
        """The type of a node that has one value."""
        op = self._model.graph[name].op
        if not isinstance(op, Result):
            return self.all_of(name)[""]
        (edge,) = self._model.graph.inputs(name)
        return self.all_of(edge.source)[op.result]

    def all_of(self, name: str) -> Types:
        """The types of every value of a node."""
        # A stack rather than recursion: chains of `use` nodes may be long.
        stack = [name]
        while stack:
            current = stack[-1]
            if current in self._known:
                stack.pop()
                continue
            needs = self._needs(current)
            failed = next((each for each in needs if each in self._failed), None)
            waiting = [each for each in needs if each not in self._known]
            if failed:
                # What reads something that has no type has none either, for the same reason.
                self._failed[current] = self._failed[failed]
                raise self._failed[failed]
            if waiting:
                stack.extend(waiting)
            else:
                self._remember(stack.pop())
        return self._known[name]

    def _remember(self, name: str) -> None:
        try:
            self._carried[name], self._known[name] = self._given(name, self._sources(name))
        except SpecError as error:
            self._failed[name] = error
            raise

    def given(self, name: str, sources: Sequence[FeatureType]) -> Types:
        """The types that a node would have if it read values of these types."""
        return self._given(name, sources)[1]

    def carried(self, name: str) -> list[Carried]:
        """The operands of a `fuse` or `use` node on their way into it."""
        node = self._model.graph[name]
        if self._needs(name):
            self.all_of(name)
            return self._carried[name]
        assert isinstance(node.op, Fuse)
        edges = self._model.graph.inputs(name)
        return self._carry(node, node.op.level, [self[edge.source] for edge in edges])

    def _given(self, name: str, sources: Sequence[FeatureType]) -> tuple[list[Carried], Types]:
        node, model = self._model.graph[name], self._model
        if isinstance(node.op, Use):
            carried, results = self._carry_use(node, node.op, sources)
            if not node.op.results:
                results = {"": replace(results[""], level=node.op.level)}
            return carried, results
        if isinstance(node.op, Fuse) and not keeps_channels(node.op, model.blocks):
            carried = self._carry(node, node.op.level, sources)
            arriving = [FeatureType(node.op.level, each.result.channels) for each in carried]
            return carried, {"": fuse_type(node.op, arriving, model, node)}
        return [], {"": node.op.infer(())}

    # --- what a node reads -----------------------------------------------------------------

    def _needs(self, name: str) -> list[str]:
        """The nodes whose types that of a node follows from."""
        op, graph = self._model.graph[name].op, self._model.graph
        if isinstance(op, Input) or (
            isinstance(op, Fuse) and keeps_channels(op, self._model.blocks)
        ):
            return []
        return [self._owner(edge) for edge in graph.inputs(name)]

    def _owner(self, edge: Edge) -> str:
        """The node that has the value an edge reads: that of a result is its `use` node."""
        graph = self._model.graph
        if isinstance(graph[edge.source].op, Result):
            return graph.inputs(edge.source)[0].source
        return edge.source

    def _sources(self, name: str) -> list[FeatureType]:
        if not self._needs(name):
            return []
        return [self[edge.source] for edge in self._model.graph.inputs(name)]

    def _carry(self, node: Node, target: int, sources: Sequence[FeatureType]) -> list[Carried]:
        edges = self._model.graph.inputs(node.name)
        return [
            carry(self._model, node, edge, x, target if edge.steps.resample else None)
            for edge, x in zip(edges, sources, strict=True)
        ]

    # --- use nodes -------------------------------------------------------------------------

    def _carry_use(
        self, node: Node, op: Use, sources: Sequence[FeatureType]
    ) -> tuple[list[Carried], Types]:
        """The operands of a `use` node, and what its block makes of them.

        The block may change the level itself: then the operands are needed at another level.
        """
        edges = self._model.graph.inputs(node.name)
        pairs = list(zip(edges, sources, strict=True))
        if op.results:
            carried = [carry(self._model, node, edge, x, None) for edge, x in pairs]
            return carried, self._results(node, op, [each.result for each in carried])
        resampled = [x.level for edge, x in pairs if edge.steps.resample]
        if not resampled:
            carried = self._carry(node, op.level, sources)
            return carried, self._results(node, op, [each.result for each in carried])
        base = resampled[0]
        guessed = [self._guess(node, op, edge, x, base) for edge, x in pairs]
        results = self._results(node, op, guessed)
        target = op.level - (results[""].level - base)
        carried = self._carry(node, target, sources)
        arriving = [
            replace(
                each.result, level=each.target if each.target is not None else each.result.level
            )
            for each in carried
        ]
        if arriving != guessed:
            results = self._results(node, op, arriving)
        return carried, results

    def _guess(self, node: Node, op: Use, edge: Edge, x: FeatureType, base: int) -> FeatureType:
        """What arrives over an edge, at a level from which it is asked what the block does."""
        if not edge.steps.resample:
            return carry(self._model, node, edge, x, None).result
        try:
            result = carry(self._model, node, edge, x, op.level).result
        except SpecError:  # its steps may fit the level at which the node does need it
            result = carry(self._model, node, edge, x, None).result
        return FeatureType(base, result.channels)

    def _results(self, node: Node, op: Use, operands: Sequence[FeatureType]) -> Types:
        settings = self._model.graph.settings_at(node.scope).updated(op.settings)
        context = Context({"level": op.level}, settings, "", node.location, override=op.settings)
        names = [edge.name for edge in self._model.graph.inputs(node.name)]
        given = list(zip(names, operands, strict=True))
        return infer_results((*op.use, *op.block), given, self._model.blocks, context)


def fuse_type(op: Fuse, operands: Sequence[FeatureType], model: Model, node: Node) -> FeatureType:
    """What a fusion and the block after it make of operands of these types."""
    settings = model.graph.settings_at(node.scope).updated(op.settings)
    names = {"level": op.level, "channels": op.channels}
    context = Context(names, settings, "", node.location, override=op.settings)
    builder, values = scratch(operands, model.blocks, context)
    return builder.types[fuse(builder, op, values, ROOT.child("y"), context)]
