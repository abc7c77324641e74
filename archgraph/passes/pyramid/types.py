"""The types of PYRAMID values: declared by inputs and fusions, instantiated for blocks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from archgraph.errors import Location
from archgraph.expressions import Value
from archgraph.ir import FeatureType, Model, Settings
from archgraph.ir.pyramid import Use
from archgraph.passes.context import Context
from archgraph.passes.infer import infer_chain


class PyramidTypes:
    """Types by node name, worked out when asked for and remembered.

    Raises (when asked):
        SpecError: the block of a `use` node does not fit what it is given.
    """

    def __init__(self, model: Model) -> None:
        self._model = model
        self._known: dict[str, FeatureType] = {}

    def __getitem__(self, name: str) -> FeatureType:
        if name not in self._known:
            # A stack rather than recursion: chains of `use` nodes may be long.
            stack = [name]
            while stack:
                waiting = self._needs(stack[-1])
                if waiting:
                    stack.extend(waiting)
                else:
                    known = stack.pop()
                    self._known[known] = self._infer(known)
        return self._known[name]

    def of_use(self, name: str, operands: list[FeatureType]) -> FeatureType:
        """The type that a `use` node would have if it read values of these types.

        Its edges bring them to one level, and project them where that is written.
        """
        graph = self._model.graph
        node = graph[name]
        assert isinstance(node.op, Use)
        context = use_context(node.op, graph.settings, node.location)
        arriving: list[tuple[str, FeatureType]] = []
        for edge, x in zip(graph.inputs(name), operands, strict=True):
            names = edge_names(x, x.channels, node.op.level, node.op.level)
            inner = replace(context, names=names, location=edge.location or node.location)
            project = edge.steps.project or ()
            x = infer_chain(project, [("", x)], self._model.blocks, inner)
            level = operands[0].level if edge.steps.resample else x.level
            arriving.append((edge.name, FeatureType(level, x.channels)))
        channels = use_type(node.op, arriving, self._model, node.location).channels
        return FeatureType(node.op.level, channels)

    def _needs(self, name: str) -> list[str]:
        if not isinstance(self._model.graph[name].op, Use):
            return []
        sources = (edge.source for edge in self._model.graph.inputs(name))
        return [source for source in sources if source not in self._known]

    def _infer(self, name: str) -> FeatureType:
        graph = self._model.graph
        node = graph[name]
        if not isinstance(node.op, Use):
            return node.op.infer(())
        return self.of_use(name, [self._known[edge.source] for edge in graph.inputs(name)])


def edge_names(x: FeatureType, channels: int, level: int, target: int) -> dict[str, Value]:
    """What the steps of an edge may name."""
    return {
        "x": {"channels": x.channels, "level": x.level},
        "channels": channels,
        "level": level,
        "distance": abs(x.level - target),
        "scale": 2 ** abs(x.level - target),
    }


def use_context(op: Use, settings: Settings, location: Location | None) -> Context:
    """What the steps of a `use` node see."""
    inherited = settings.updated(op.settings)
    return Context({"level": op.level}, inherited, "", location, override=op.settings)


def use_type(
    op: Use,
    operands: Sequence[tuple[str, FeatureType]],
    model: Model,
    location: Location | None,
) -> FeatureType:
    """What the steps of a `use` node make of operands of these names and types."""
    context = use_context(op, model.graph.settings, location)
    return infer_chain((*op.use, *op.block), operands, model.blocks, context)
