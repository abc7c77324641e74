"""From PYRAMID to OPERATORS: fusions, edges and blocks become operators."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from archgraph.errors import ArchgraphError, Diagnostic, SpecError, suggest
from archgraph.expressions import Step, Value
from archgraph.ir import Edge, FeatureType, Graph, Model, Node, Scope, Settings, Stage
from archgraph.ir.ops import Add, Affine
from archgraph.ir.pyramid import Fuse, Input, Use
from archgraph.ir.signature import AVERAGE, FUSIONS, fusion_kinds, make_operator, unknown_argument
from archgraph.passes.base import Pass, Rewrites
from archgraph.passes.context import Context, Path, evaluate_argument, single
from archgraph.passes.instantiate import Builder
from archgraph.passes.pyramid.resolve_edges import with_channels


@dataclass(frozen=True)
class Lower(Pass):
    """Instantiate blocks, resampling, projections and fusions.

        td6 = fuse(in6, in7 via {"up": ["resize mode=nearest"]}) {fusion=fast, block=...}
          ->  td6.inputs.in7.up = resize(in7, in6)
              td6.fuse = weighted-sum(in6, td6.inputs.in7.up)
              td6.block.act = activation(td6.fuse) ...

    1. Names follow the spec: `<node>.inputs.<edge>`, `<node>.fuse`, `<node>.block`; a `use`
       node whose block needs no resampling stands at its own name.
    2. An `up` step measures a value of the target level: an operand of the same node if there
       is one, else the latest such value, of the cell itself if it has one.
    3. Nodes that no output needs are left out.
    """

    name: ClassVar[str] = "lower"
    stage: ClassVar[Stage] = Stage.PYRAMID

    def rewrite(self, model: Model) -> Rewrites:
        return Rewrites(_Lowering(model).run())


class _Lowering:
    """The state of one lowering: where each PYRAMID value went."""

    def __init__(self, model: Model) -> None:
        self.source = model.graph
        self.graph = Graph(model.graph.name, Stage.OPERATORS)
        self.builder = Builder(self.graph, model.blocks)
        self.values: dict[str, str] = {}
        self.latest: dict[tuple[str, int], str] = {}
        self.latest_anywhere: dict[int, str] = {}
        self.entering = _entering(model.graph)

    def run(self) -> Model:
        self.graph.scopes.update(self.source.scopes)
        needed = self.source.needed()
        found: list[Diagnostic] = []
        for node in self.source.order():
            if node.name not in needed and not isinstance(node.op, Input):
                continue
            try:
                self.values[node.name] = self._node(node)
            except ArchgraphError as error:
                found.extend(error.diagnostics)
                self._stand_in(node)
            level = self._type(node.name).level
            self.latest[node.scope, level] = self.latest_anywhere[level] = node.name
        if found:
            raise SpecError(found)
        outputs = self.source.outputs.items()
        self.graph.set_outputs({label: self.values[name] for label, name in outputs})
        if self.graph.remove_unneeded():
            used = {node.scope for node in self.graph}
            prefixes = {path for scope in used for path in _around(scope)} | set(self.source.scopes)
            scopes = self.graph.scopes.items()
            self.graph.scopes = {path: scope for path, scope in scopes if path in prefixes}
        return Model(self.graph, self.builder.blocks)

    def _type(self, name: str) -> FeatureType:
        return self.builder.types[self.values[name]]

    def _stand_in(self, node: Node) -> None:
        """Let the nodes after a faulty one be checked too, without follow-up errors."""
        assert isinstance(node.op, Input | Fuse | Use)
        known = [self._type(edge.source) for edge in self.source.inputs(node.name)]
        channels = node.op.channels if not isinstance(node.op, Use) else known[0].channels
        name = f"{node.name}.faulty"
        self.builder.types[name] = FeatureType(node.op.level, channels)
        self.graph.add(Node(name, Input(node.op.level, channels), "", name, node.location))
        self.values[node.name] = name

    def _node(self, node: Node) -> str:
        match node.op:
            case Input():
                self.graph.add(node)
                self.builder.types[node.name] = node.op.infer(())
                return node.name
            case Fuse():
                return self._fuse(node, node.op)
            case Use():
                return self._use(node, node.op)
            case _:
                raise TypeError(f"{node.op.kind} is no PYRAMID operation")

    def _fuse(self, node: Node, op: Fuse) -> str:
        context = self._context(node, op.settings, {"level": op.level, "channels": op.channels})
        self._open_scope(node)
        operands = [self._edge(node, edge, op.level, context) for edge in self._edges(node)]
        here = Path(node.name, node.weights)
        value = self._fusion(op.fusion, operands, here.child("fuse"), context)
        steps = [with_channels(step, op.channels, self.builder.blocks) for step in op.block]
        value = self._chain(steps, value, here.child("block"), context)
        result = self.builder.types[value]
        if result != FeatureType(op.level, op.channels):
            message = (
                f"node '{node.name}' is P{op.level} x {op.channels}, but its block gives {result}"
            )
            where = op.block[-1].location if op.block else None
            raise SpecError(Diagnostic("E214", message, where or node.location))
        self._close_scope(node.name, value)
        return value

    def _chain(self, steps: Sequence[Step], value: str, path: Path, context: Context) -> str:
        """What a chain of steps makes of one value, which is one value again."""
        if not steps:
            return value
        results = self.builder.chain(steps, [("", value)], path, context)
        return single(results, steps[-1], context)

    def _fusion(self, fusion: Step, operands: list[str], path: Path, context: Context) -> str:
        kinds = fusion_kinds(fusion)
        where = fusion.location or context.location
        if kinds is None:
            message = f"there is no fusion '{fusion.use}'"
            raise SpecError(
                Diagnostic("E109", message, where, suggest(fusion.use, FUSIONS, "fusions"))
            )
        for argument in fusion.arguments:
            if argument.key not in kinds:
                place = argument.location or where
                raise unknown_argument(fusion, argument.key, list(kinds), place)
        meaning = FUSIONS.get(fusion.use, Step(fusion.use))
        given = {a.key: evaluate_argument(a, kinds[a.key], context.names) for a in fusion.arguments}
        values = {**{a.key: a.text for a in meaning.arguments}, **given}
        if fusion.use != AVERAGE:
            return self.builder.add(
                path, make_operator(meaning.use, values, where), operands, context
            )
        inputs = tuple(f"x{i}" for i in range(len(operands)))
        scope = Scope(path.call, AVERAGE, (), inputs, ("mean",), module=path.module)
        self.graph.scopes[path.call] = scope
        inner = replace(context, scope=path.call)
        total = self.builder.add(path.child("sum"), Add(), operands, inner)
        return self.builder.add(path.child("mean"), Affine(1 / len(operands)), [total], inner)

    def _use(self, node: Node, op: Use) -> str:
        context = self._context(node, op.settings, {"level": op.level})
        edges = self._edges(node)
        bare = not op.block and not any(edge.steps.written for edge in edges)
        if not bare:
            self._open_scope(node)
        operands = [(edge.name, self._edge(node, edge, op.level, context)) for edge in edges]
        here = Path(node.name, node.weights)
        outer = replace(context, scope=node.scope) if bare else context
        results = self.builder.chain(op.use, operands, here if bare else here.child("use"), outer)
        value = single(results, op.use[-1], context)
        value = self._chain(op.block, value, here.child("block"), context)
        result = self.builder.types[value]
        if result.level != op.level:
            message = f"node '{node.name}' is at level {op.level}, but its block gives {result}"
            hint = "say 'level:' on the node, or change the stride of its block"
            raise SpecError(Diagnostic("E214", message, node.location, hint))
        if not bare:
            self._close_scope(node.name, value)
        return value

    def _edges(self, node: Node) -> tuple[Edge, ...]:
        return self.source.inputs(node.name)

    def _edge(self, node: Node, edge: Edge, level: int, context: Context) -> str:
        """The operand that an edge hands to its node."""
        x = self.values[edge.source]
        here = Path(node.name, node.weights).child("inputs").child(edge.name)
        path = here.call
        steps = edge.steps
        if not steps.written or not (steps.project or steps.up or steps.down):
            return x
        where = edge.location or node.location
        context = replace(context, scope=path, location=where)
        names = ("x", "like") if steps.up else ("x",)
        self.graph.scopes[path] = Scope(path, "edge", (), names, (), where, module=here.module)
        x = self._chain(steps.project or (), x, here.child("project"), context)
        if steps.down:
            x = self._chain(steps.down, x, here.child("down"), context)
        if steps.up:
            like = self._like(node, level)
            if like is None:
                message = f"nothing of level {level} exists yet whose size 'up' could take"
                raise SpecError(Diagnostic("E203", message, where))
            target = self.values[like]
            aliases = {target: self.source[like].local_name, **context.aliases}
            context = replace(context, like=target, aliases=aliases)
            x = self._chain(steps.up, x, here.child("up"), context)
        self._close_scope(path, x)
        return x

    def _like(self, node: Node, level: int) -> str | None:
        """A PYRAMID node of the target level whose size an `up` step can take."""
        for edge in self._edges(node):
            if self._type(edge.source).level == level:
                return edge.source
        here = (node.scope, level)
        entering = self.entering.get(here)
        nearest = self.latest.get(here) or (entering if entering in self.values else None)
        return nearest or self.latest_anywhere.get(level)

    def _context(self, node: Node, settings: Settings, names: dict[str, Value]) -> Context:
        merged = self.source.settings.updated(settings)
        edges = self.source.inputs(node.name)
        aliases = {self.values[edge.source]: edge.name for edge in reversed(edges)}
        return Context(
            names,
            merged,
            node.name,
            node.location,
            override=settings,
            aliases=aliases,
            owner=node.scope,
        )

    def _open_scope(self, node: Node) -> None:
        kind = re.sub(r"\d+", "", node.local_name).strip("_") or "node"
        names = tuple(edge.name for edge in self._edges(node))
        scope = Scope(node.name, kind, (), names, (), node.location, module=node.weights)
        self.graph.scopes[node.name] = scope

    def _close_scope(self, path: str, value: str) -> None:
        scope = self.graph.scopes[path]
        local = value.removeprefix(f"{path}.").partition(".")[0]
        self.graph.scopes[path] = replace(scope, outputs=(local,))


def _around(path: str) -> list[str]:
    """The path and every path around it: `a.b.c`, `a.b`, `a`."""
    parts = path.split(".")
    return [".".join(parts[:i]) for i in range(len(parts), 0, -1)]


def _entering(graph: Graph) -> dict[tuple[str, int], str]:
    """By scope and level, the first value that comes into the scope from outside."""
    found: dict[tuple[str, int], str] = {}
    for node in graph:
        for edge in graph.inputs(node.name):
            source = graph[edge.source]
            if source.scope != node.scope and isinstance(source.op, Input | Fuse | Use):
                found.setdefault((node.scope, source.op.level), edge.source)
    return found
