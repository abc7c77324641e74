"""Topology documents as graphs at stage PYRAMID."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from archgraph.assemble.binding import bind_step, insert_step, with_defaults
from archgraph.assemble.blocks import Blocks
from archgraph.assemble.settings import settings_of
from archgraph.errors import Diagnostic, SpecError, suggest
from archgraph.expressions import Names, Step, expand_template, parse_step
from archgraph.ir import Edge, EdgeSteps, Graph, Model, Node, Scope, Settings, Stage
from archgraph.ir.ops import Fuse, Input, Use
from archgraph.ir.settings import INHERIT, ROOT_SETTINGS
from archgraph.ir.signature import FUSIONS, argument_kinds, fusion_kinds
from archgraph.spec import (
    EdgeDefaults,
    EdgeModel,
    ExpandedEdge,
    ExpandedNode,
    ExpandedTopology,
    Library,
    Located,
    SettingsModel,
    steps_of,
    with_arguments,
)
from archgraph.spec.forms import Form

# Names that only an edge knows, so a policy keeps them open until `resolve-edges`.
EDGE_NAMES = frozenset({"x", "channels", "level", "distance", "scale"})


@dataclass(frozen=True)
class Assembly:
    """A model at PYRAMID, the passes its document lists, and the names they may use."""

    model: Model
    passes: tuple[Step, ...]
    names: Names


def assemble_topology(
    topology: ExpandedTopology, library: Library, settings: Settings = INHERIT
) -> Assembly:
    """The graph of a topology.

    Args:
        topology: the expanded document.
        library: where blocks are looked up.
        settings: what the user sets from outside; counts before the document's own.

    Raises:
        SpecError: every mistake in steps, blocks, settings and nodes, placed.
    """
    return _Assembler(topology, library, settings).run()


class _Assembler:
    def __init__(self, topology: ExpandedTopology, library: Library, settings: Settings) -> None:
        self.topology = topology
        self.document = topology.document
        self.names = topology.bound.names
        self.blocks = Blocks(library)
        self.faults: list[Diagnostic] = []
        own = self._try_settings(self.document.settings)
        inherited = ROOT_SETTINGS.updated(own).updated(settings)
        self.blocks.need(step for step in (inherited.act, inherited.norm) if step)
        self.graph = Graph(self.document.name, Stage.PYRAMID, inherited, EdgeSteps())

    def run(self) -> Assembly:
        self.graph.policy = self._try_policy()
        self._add_root_scope()
        for given in self.topology.inputs:
            op = Input(given.level, given.channels)
            self.graph.add(Node(given.name, op, "", given.name, given.location))
        for node in self.topology.nodes:
            try:
                self._add_node(node)
            except SpecError as error:
                self.faults.extend(error.diagnostics)
                stand_in = Input(node.level or 0, 1)
                self.graph.add(Node(node.name, stand_in, "", node.name, node.location))
        faults = [*self.faults, *self.blocks.faults]
        if faults:
            raise SpecError(faults)
        levels = sorted(self.topology.outputs)
        self.graph.set_outputs({f"p{level}": self.topology.outputs[level][0] for level in levels})
        passes = tuple(
            step
            for i, form in enumerate(self.document.passes)
            for step in steps_of(form, self.document, "passes", i) or ()
        )
        return Assembly(Model(self.graph, self.blocks.known), passes, self.names)

    def _add_root_scope(self) -> None:
        self.graph.scopes[""] = Scope(
            "",
            self.document.name,
            self.topology.bound.shown,
            tuple(given.name for given in self.topology.inputs),
            tuple(name for name, _ in self.topology.outputs.values()),
            self.document.at(self.document.kind),
            self.document.doc,
        )

    def _add_node(self, node: ExpandedNode) -> None:
        level = node.level
        if level is None:
            hint = "say 'level:' on the node, or name the loop variable 'l'"
            message = f"the level of node '{node.name}' is not known"
            raise SpecError(Diagnostic("E201", message, node.location, hint))
        model = node.model
        names = {**node.names, "level": level}
        settings = self._try_settings(model.settings, names)
        block = self._steps(model.block, model, names, "block")
        edges = [self._edge(edge, node) for edge in node.edges]
        op: Fuse | Use
        if model.use is not None:
            op = self._use(node, level, names, block or (), settings)
        else:
            op = self._fuse(node, level, names, block, settings)
        self.graph.add(Node(node.name, op, "", node.name, node.location), edges)

    def _use(
        self,
        node: ExpandedNode,
        level: int,
        names: Names,
        block: tuple[Step, ...],
        settings: Settings,
    ) -> Use:
        model = node.model
        for key, reason in (
            ("fuse", "either fuses or uses"),
            ("pin", "is never touched by passes"),
        ):
            if getattr(model, key):
                message = f"node '{node.name}' has 'use' and '{key}'; a node {reason}"
                raise SpecError(Diagnostic("E119", message, model.key_at(key)))
        chain = steps_of(model.use, model, "use") or ()
        if model.with_ and len(chain) == 1:
            chain = (with_arguments(chain[0], model.with_, model),)
        if not chain:
            message = f"node '{node.name}' uses nothing"
            raise SpecError(Diagnostic("E106", message, model.at("use")))
        return Use(level, self._bound(chain, names), block, settings)

    def _fuse(
        self,
        node: ExpandedNode,
        level: int,
        names: Names,
        block: tuple[Step, ...] | None,
        settings: Settings,
    ) -> Fuse:
        model, defaults = node.model, self.document.defaults.node
        owner: Located = model if model.fuse is not None else defaults
        form = model.fuse if model.fuse is not None else defaults.fuse
        chain = steps_of(form, owner, "fuse")
        if not chain:
            message = f"node '{node.name}' says neither 'fuse' nor 'use'"
            hint = "write 'fuse: sum' on the node or under defaults.node"
            raise SpecError(Diagnostic("E106", message, node.location, hint))
        if block is None:
            block = self._steps(defaults.block, defaults, names, "block") or ()
        return Fuse(
            level,
            self._channels(node, names),
            self._fusion(chain[0], names),
            block,
            settings,
            model.pin,
        )

    def _channels(self, node: ExpandedNode, names: Names) -> int:
        channels = names.get("channels")
        if isinstance(channels, bool) or not isinstance(channels, int):
            message = f"the channels of node '{node.name}' are not known"
            raise SpecError(Diagnostic("E113", message, node.location))
        return channels

    def _fusion(self, step: Step, names: Names) -> Step:
        text = expand_template(step.text, names, step.location)
        if text != step.text:
            step = replace(parse_step(text), location=step.location)
        kinds = fusion_kinds(step)
        if kinds is None:
            hint = suggest(step.use, FUSIONS, "fusions")
            raise SpecError(
                Diagnostic("E109", f"there is no fusion '{step.use}'", step.location, hint)
            )
        return bind_step(step, kinds, names, frozenset())

    def _edge(self, edge: ExpandedEdge, node: ExpandedNode) -> Edge:
        name = edge.name or edge.source
        if edge.model is None:
            return Edge(edge.source, name, EdgeSteps(), edge.location)
        steps = self._edge_steps(edge.model, edge.model, node.names)
        if edge.model.resample:
            steps = replace(steps, resample=False)
        return Edge(edge.source, name, steps, edge.location)

    def _try_policy(self) -> EdgeSteps:
        defaults = self.document.defaults.edge
        try:
            return self._edge_steps(defaults, defaults, self.names)
        except SpecError as error:
            self.faults.extend(error.diagnostics)
            return EdgeSteps()

    def _edge_steps(
        self, model: EdgeDefaults | EdgeModel, owner: Located, names: Names
    ) -> EdgeSteps:
        known = {name: value for name, value in names.items() if name not in EDGE_NAMES}
        project = self._steps(model.project, owner, known, "project", EDGE_NAMES)
        up = self._steps(model.up, owner, known, "up", EDGE_NAMES)
        down = self._steps(model.down, owner, known, "down", EDGE_NAMES)
        return EdgeSteps(project, up, down)

    def _steps(
        self,
        form: Form | None,
        owner: Located,
        names: Names,
        key: str,
        keep: frozenset[str] = frozenset({"x"}),
    ) -> tuple[Step, ...] | None:
        chain = steps_of(form, owner, key)
        return None if chain is None else self._bound(chain, names, keep)

    def _bound(
        self, chain: Sequence[Step], names: Names, keep: frozenset[str] = frozenset({"x"})
    ) -> tuple[Step, ...]:
        """Steps with the document's names filled in and their blocks looked up."""
        done: list[Step] = []
        for step in chain:
            step = with_defaults(insert_step(step, names), self.document)
            step = self.blocks.resolve(step, ())
            kinds = argument_kinds(step, self.blocks.known)
            if kinds is not None:
                step = bind_step(step, kinds, names, keep)
            done.append(step)
        return tuple(done)

    def _try_settings(self, model: SettingsModel, names: Names | None = None) -> Settings:
        try:
            settings = settings_of(model)
        except SpecError as error:
            self.faults.extend(error.diagnostics)
            return Settings()
        steps = [step for step in (settings.act, settings.norm) if step]
        self.blocks.need(steps)
        return settings


def dead_ends(graph: Graph) -> tuple[list[Node], list[Node]]:
    """Nodes that no output depends on, and inputs that nothing reads."""
    needed: set[str] = set()
    waiting = list(graph.outputs.values())
    while waiting:
        name = waiting.pop()
        if name not in needed:
            needed.add(name)
            waiting.extend(edge.source for edge in graph.inputs(name))
    left_out = [node for node in graph if node.name not in needed]
    inputs = [node for node in left_out if isinstance(node.op, Input)]
    return [node for node in left_out if not isinstance(node.op, Input)], inputs
