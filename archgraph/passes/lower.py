"""From PYRAMID to OPERATORS: fusions, edges and blocks become operators."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import ClassVar

from archgraph.errors import ArchgraphError, Diagnostic, Location, SpecError, suggest
from archgraph.expressions import Step, Value
from archgraph.ir import Edge, FeatureType, Graph, Model, Node, Scope, Settings, Stage
from archgraph.ir.pyramid import Fuse, Input, Result, Use
from archgraph.passes.base import Pass, Rewrites
from archgraph.passes.context import Context, Path, Results, single
from archgraph.passes.fusion import fuse, keeps_channels
from archgraph.passes.instantiate import Builder
from archgraph.passes.pyramid.types import PyramidTypes


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
       is one, else the latest such value, of the cell itself if it has one, else an operand
       that came down to this level.
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
        self.types = PyramidTypes(model)
        self.entering = _entering(model.graph, self.types)
        # How many nodes have a set of weights, and what the first of them is made of.
        self.sharers = Counter(node.weights for node in model.graph)
        self.structures: dict[str, tuple[str, object]] = {}
        # The values of nodes that have several, by name.
        self.results: dict[str, Results] = {}

    def run(self) -> Model:
        self.graph.scopes.update(self.source.scopes)
        needed = self.source.needed()
        found: list[Diagnostic] = []
        for node in self.source.order():
            if node.name not in needed and not isinstance(node.op, Input):
                continue
            before = len(self.builder.types)
            try:
                self.values[node.name] = self._node(node)
                self._check_shared(node, before)
            except ArchgraphError as error:
                found.extend(error.diagnostics)
                self._stand_in(node)
            if self.values[node.name] in self.builder.types:  # else it has several values
                self._remember(node)
        outputs = self.source.outputs.items()
        found += [d for label, name in outputs for d in self._misplaced(label, name)]
        if found:
            raise SpecError(found)
        self.graph.set_outputs({label: self.values[name] for label, name in outputs})
        if self.graph.remove_unneeded():
            used = {node.scope for node in self.graph}
            prefixes = {path for scope in used for path in _around(scope)} | set(self.source.scopes)
            scopes = self.graph.scopes.items()
            self.graph.scopes = {path: scope for path, scope in scopes if path in prefixes}
        return Model(self.graph, self.builder.blocks)

    def _check_shared(self, node: Node, before: int) -> None:
        """Nodes with one set of weights are the same in structure.

        Raises:
            SpecError: E219, this one differs from an earlier one.
        """
        if self.sharers[node.weights] < 2:
            return
        types = self.builder.types
        made = list(islice(reversed(types), len(types) - before))[::-1]
        position = {name: i for i, name in enumerate(made)}
        own = f".{node.op.key}" if isinstance(node.op, Use) and node.op.key else ""
        structure = [
            (
                self.graph[name].weights.removesuffix(own),
                self.graph[name].op,
                [position.get(edge.source) for edge in self.graph.inputs(name)],
            )
            for name in made
        ]
        first, expected = self.structures.setdefault(node.weights, (node.name, structure))
        if structure != expected:
            message = f"'{node.name}' shares the weights '{node.weights}' of '{first}', but is not"
            hint = "what shares weights has equal operators, widths and conditions"
            raise SpecError(Diagnostic("E219", f"{message} the same", node.location, hint))

    def _remember(self, node: Node) -> None:
        """Let later `up` steps measure a node, unless its size is not that of its level."""
        x = self._type(node.name)
        if not x.loose:
            self.latest[node.scope, x.level] = self.latest_anywhere[x.level] = node.name

    def _misplaced(self, label: str, name: str) -> Iterator[Diagnostic]:
        """An output whose level only its block could tell, and that has another one."""
        node, level = self.source[name], self._type(name).level
        if isinstance(node.op, Result) and label.rpartition(".")[2] != f"p{level}":
            message = f"output '{label}' is '{name}', which is at level {level}"
            hint = f"name a value of its level, or the output by level {level}"
            yield Diagnostic("E115", message, node.location, hint)

    def _type(self, name: str) -> FeatureType:
        return self.builder.types[self.values[name]]

    def _stand_in(self, node: Node) -> None:
        """Let the nodes after a faulty one be checked too, without follow-up errors."""
        known = [self._known_type(edge.source) for edge in self.source.inputs(node.name)]
        kind = FeatureType(0, 1)
        if isinstance(node.op, Input | Fuse):
            kind = FeatureType(node.op.level, node.op.channels)
        elif known:
            level = node.op.level if isinstance(node.op, Use) else known[0].level
            kind = FeatureType(level, known[0].channels)
        name = f"{node.name}.faulty"
        self.builder.types[name] = kind
        self.graph.add(Node(name, Input(kind.level, kind.channels), "", name, node.location))
        self.values[node.name] = name
        if isinstance(node.op, Use):
            self.results[node.name] = dict.fromkeys(node.op.results, name)

    def _known_type(self, name: str) -> FeatureType:
        """The type of a value; of a node with several that of the first."""
        results = self.results.get(name)
        return self.builder.types[next(iter(results.values()))] if results else self._type(name)

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
            case Result():
                return self._result(node, node.op)
            case _:
                raise TypeError(f"{node.op.kind} is no PYRAMID operation")

    def _fuse(self, node: Node, op: Fuse) -> str:
        context = self._context(node, op.settings, {"level": op.level, "channels": op.channels})
        self._open_scope(node)
        operands = [value for _, value in self._operands(node, op.level, context)]
        value = fuse(self.builder, op, operands, Path(node.name, node.weights), context)
        result = self.builder.types[value]
        channels = op.channels
        if not keeps_channels(op, self.builder.blocks):
            channels = result.channels  # they are what the block says
        if result != FeatureType(op.level, channels):
            message = (
                f"node '{node.name}' is P{op.level} x {channels}, but its block gives {result}"
            )
            where = op.block[-1].location if op.block else None
            hint = "a block after a fusion keeps level and width; a 'use' node may change them"
            raise SpecError(Diagnostic("E214", message, where or node.location, hint))
        self._close_scope(node.name, value)
        return value

    def _chain(self, steps: Sequence[Step], value: str, path: Path, context: Context) -> str:
        """What a chain of steps makes of one value, which is one value again."""
        if not steps:
            return value
        results = self.builder.chain(steps, [("", value)], path, context)
        return single(results, steps[-1], context)

    def _use(self, node: Node, op: Use) -> str:
        """Build a `use` node; returns its value, or its name if it has several."""
        context = self._context(node, op.settings, {"level": op.level})
        context = replace(context, own=op.own, key=op.key)
        edges = self._edges(node)
        bare = not op.block and not any(_has_steps(edge) for edge in edges)
        # A chain on one level of a pyramid is an instance of its own, as a block would be.
        bare = bare and (len(op.use) == 1 or not _on_pyramid(node))
        if not bare:
            self._open_scope(node)
        operands = self._operands(node, self._target(node, op), context)
        here = Path(node.name, node.weights)
        outer = replace(context, scope=node.scope) if bare else context
        results = self.builder.chain(op.use, operands, here if bare else here.child("use"), outer)
        if op.key and node.name in self.graph.scopes:
            scope = self.graph.scopes[node.name]
            self.graph.scopes[node.name] = replace(scope, key=op.key)
        if op.results:
            self.results[node.name] = results
            if not bare:
                self._close_scope(node.name, *results.values())
            return node.name
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

    def _result(self, node: Node, op: Result) -> str:
        (edge,) = self._edges(node)
        results = self.results[edge.source]
        if op.result in results:
            return results[op.result]
        message = f"'{edge.source}' gives no '{op.result}': what it names does not exist"
        hint = suggest(op.result, results, "it gives")
        raise SpecError(Diagnostic("E102", message, node.location, hint))

    def _edges(self, node: Node) -> tuple[Edge, ...]:
        return self.source.inputs(node.name)

    def _operands(self, node: Node, level: int, context: Context) -> list[tuple[str, str]]:
        """What a node reads, by the names of its edges, each value brought to `level`."""
        edges = self._edges(node)
        carried: dict[str, str] = {}
        # Where nothing else has the level, an operand that came down to it is measured.
        measured = self._like(node, level) is not None
        for edge in edges if measured else sorted(edges, key=lambda edge: bool(edge.steps.up)):
            carried[edge.name] = self._edge(node, edge, level, context, carried)
        return [(edge.name, carried[edge.name]) for edge in edges]

    def _edge(
        self, node: Node, edge: Edge, level: int, context: Context, carried: Mapping[str, str]
    ) -> str:
        """The operand that an edge hands to its node; `carried` are those that it has already."""
        x = self.values[edge.source]
        here = Path(node.name, node.weights).child("inputs").child(edge.name)
        path = here.call
        steps = edge.steps
        if not _has_steps(edge):
            return x
        where = edge.location or node.location
        context = replace(context, scope=path, location=where)
        names = ("x", "like") if steps.up else ("x",)
        self.graph.scopes[path] = Scope(path, "edge", (), names, (), where, module=here.module)
        x = self._chain(steps.project or (), x, here.child("project"), context)
        if steps.down:
            x = self._chain(steps.down, x, here.child("down"), context)
        if steps.up:
            alias, target = self._measured(node, level, carried, where)
            aliases = {target: alias, **context.aliases}
            context = replace(context, like=target, aliases=aliases)
            x = self._chain(steps.up, x, here.child("up"), context)
        self._close_scope(path, x)
        return x

    def _target(self, node: Node, op: Use) -> int:
        """The level at which a `use` node takes its operands: its block may have a stride."""
        if not any(edge.steps.up for edge in self._edges(node)):
            return op.level
        targets = [each.target for each in self.types.carried(node.name)]
        return next((target for target in targets if target is not None), op.level)

    def _measured(
        self, node: Node, level: int, carried: Mapping[str, str], where: Location | None
    ) -> tuple[str, str]:
        """The value whose size an `up` step takes, after the name under which the node knows it.

        Raises:
            SpecError: E203, there is none of this level.
        """
        like = self._like(node, level)
        if like is not None:
            return self.source[like].local_name, self.values[like]
        for name, value in carried.items():
            if self.builder.types[value].level == level and not self.builder.types[value].loose:
                return name, value
        message = f"nothing of level {level} exists yet whose size 'up' could take"
        raise SpecError(Diagnostic("E203", message, where))

    def _like(self, node: Node, level: int) -> str | None:
        """A PYRAMID node of the target level whose size an `up` step can take."""
        for edge in self._edges(node):
            x = self._type(edge.source)
            if x.level == level and not x.loose:
                return edge.source
        here = (node.scope, level)
        entering = self.entering.get(here)
        nearest = self.latest.get(here) or (entering if entering in self.values else None)
        return nearest or self.latest_anywhere.get(level)

    def _context(self, node: Node, settings: Settings, names: dict[str, Value]) -> Context:
        merged = self.source.settings_at(node.scope).updated(settings)
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
        name = node.name.split(".")[-2] if _on_pyramid(node) else node.local_name
        kind = re.sub(r"\d+", "", name).strip("_") or "node"
        names = tuple(edge.name for edge in self._edges(node))
        scope = Scope(node.name, kind, (), names, (), node.location, module=node.weights)
        self.graph.scopes[node.name] = scope

    def _close_scope(self, path: str, *values: str) -> None:
        scope = self.graph.scopes[path]
        local = (value.removeprefix(f"{path}.").partition(".")[0] for value in values)
        self.graph.scopes[path] = replace(scope, outputs=tuple(local))


def _around(path: str) -> list[str]:
    """The path and every path around it: `a.b.c`, `a.b`, `a`."""
    parts = path.split(".")
    return [".".join(parts[:i]) for i in range(len(parts), 0, -1)]


def _on_pyramid(node: Node) -> bool:
    """Whether this is a node of a model on one level: `classes.p3`, which stands in no scope."""
    return not node.scope and "." in node.name


def _has_steps(edge: Edge) -> bool:
    """Whether anything happens on an edge."""
    return bool(edge.steps.project or edge.steps.up or edge.steps.down)


def _entering(graph: Graph, types: PyramidTypes) -> dict[tuple[str, int], str]:
    """By scope and level, the first value that comes into the scope from outside."""
    found: dict[tuple[str, int], str] = {}
    for node in graph:
        for edge in graph.inputs(node.name):
            source = graph[edge.source]
            if source.scope == node.scope or isinstance(node.op, Result):
                continue
            op = source.op
            level = op.level if isinstance(op, Input | Fuse | Use) else types[source.name].level
            found.setdefault((node.scope, level), edge.source)
    return found
