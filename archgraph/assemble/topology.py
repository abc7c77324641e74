"""Topology documents as graphs at stage PYRAMID."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import ParamSpec, TypeVar

from archgraph.assemble.binding import (
    bind_step,
    check_step,
    insert_step,
    step_faults,
    with_defaults,
)
from archgraph.assemble.blocks import Blocks
from archgraph.errors import Diagnostic, SpecError, suggest
from archgraph.expressions import Names, Step
from archgraph.expressions.step import NONE
from archgraph.ir import Edge, EdgeSteps, Graph, Model, Node, Scope, Settings, Stage
from archgraph.ir.pyramid import Fuse, Input, Use
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
    NodeModel,
    TopologyDocument,
    certain,
    independent,
    steps_of,
    with_arguments,
)
from archgraph.spec.forms import Form

# Names that only an edge knows, so a policy keeps them open until `resolve-edges`.
EDGE_NAMES = frozenset({"x", "channels", "level", "distance", "scale"})
# Arguments that the steps of `fuse` nodes and of edges get from the node.
IMPLIED = ("channels",)
MAX_FAULTS = 100
_P = ParamSpec("_P")
_T = TypeVar("_T")


def assemble_topology(
    topology: ExpandedTopology, library: Library, settings: Settings = INHERIT
) -> Model:
    """The graph of a topology.

    Args:
        topology: the expanded document.
        library: where blocks are looked up.
        settings: what the user sets from outside; counts before the document's own.

    Raises:
        SpecError: every mistake in steps, blocks, settings and nodes, placed, after those of
            the topology itself.
    """
    return _Assembler(topology, library, settings).run()


class _Assembler:
    def __init__(self, topology: ExpandedTopology, library: Library, settings: Settings) -> None:
        self.topology = topology
        self.document = topology.document
        self.names = topology.bound.names
        head = self.document.at(self.document.kind)
        self.blocks = Blocks(library, head.file if head else None)
        self.faults: dict[Diagnostic, None] = {}  # a set that keeps its order
        self.blocks.check_defaults(self.document)
        own = self.blocks.settings(self.document.settings)
        inherited = ROOT_SETTINGS.updated(own).updated(self.blocks.inherited(settings))
        self.graph = Graph(self.document.name, Stage.PYRAMID, inherited, EdgeSteps())

    def run(self) -> Model:
        defaults = self.document.defaults.edge
        self.graph.policy = self._edge_steps(defaults, defaults, self.names)
        self._add_root_scope()
        for given in self.topology.inputs:
            op = Input(given.level, given.channels)
            self.graph.add(Node(given.name, op, "", given.name, given.location))
        for node in self.topology.nodes:
            if len(self.faults) > MAX_FAULTS:
                break
            self._add_node(node)
        faults = self._all_faults()
        if faults:
            raise SpecError(faults)
        levels = sorted(self.topology.outputs)
        self.graph.set_outputs({f"p{level}": self.topology.outputs[level][0] for level in levels})
        return Model(self.graph, self.blocks.known)

    def _all_faults(self) -> list[Diagnostic]:
        """What is wrong with the topology and here, without what follows from the former."""
        earlier, bound = self.topology.faults, self.topology.bound
        found = list(independent([*self.faults, *self.blocks.faults], bound.failed))
        if self.document.faults or bound.failed:
            found = certain(found)
        return [*earlier, *found]

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
        # A node whose level is not known was reported; its steps are checked all the same.
        level = node.level or 0
        model = node.model
        names = {**node.names, "level": level}
        settings = self.blocks.settings(model.settings)
        block = self._keep(self._block, model, names)
        edges = [self._keep(self._edge, edge, node) for edge in node.edges]
        op: Fuse | Use | None
        if model.use is not None:
            op = self._keep(self._use, node, level, names, block or (), settings)
        else:
            op = self._keep(self._fuse, node, level, names, block, settings)
        known = [edge for edge in edges if edge]
        self.graph.add(Node(node.name, op or Input(level, 1), "", node.name, node.location), known)

    def _keep(self, part: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T | None:
        """The result of one part of a node, or None after keeping what is wrong with it."""
        try:
            return part(*args, **kwargs)
        except SpecError as error:
            self.faults.update(dict.fromkeys(error.diagnostics))
            return None

    def _block(self, model: NodeModel, names: Names) -> tuple[Step, ...] | None:
        implied = () if model.use is not None else IMPLIED
        return self._steps(model.block, model, names, "block", implied=implied)

    def _use(
        self,
        node: ExpandedNode,
        level: int,
        names: Names,
        block: tuple[Step, ...],
        settings: Settings,
    ) -> Use:
        model = node.model
        for key, hint in (
            ("fuse", "a node either fuses its inputs or uses a block; delete one of the two"),
            ("pin", "passes never touch a node with 'use'; delete 'pin'"),
        ):
            if getattr(model, key):
                message = f"node '{node.name}' has 'use' and '{key}'"
                raise SpecError(Diagnostic("E119", message, model.key_at(key), hint))
        chain = steps_of(model.use, model, "use") or ()
        if model.with_:
            if len(chain) != 1:
                raise SpecError(_stray(model, "with", "it belongs to a single 'use'"))
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
        if model.with_:
            raise SpecError(
                _stray(model, "with", "it belongs to 'use'; write 'fuse: fast eps=0.1'")
            )
        if chain and len(chain) > 1:
            message = f"node '{node.name}' has {len(chain)} fusions"
            hint = "a node fuses once; what follows is its 'block'"
            raise SpecError(Diagnostic("E119", message, owner.at("fuse", 1), hint))
        if chain and chain[0].when:
            raise SpecError(_undecided("a fusion", chain[0], "give the node itself a 'when'"))
        if not chain:
            message = f"node '{node.name}' says neither 'fuse' nor 'use'"
            hint = "write 'fuse: sum' on the node or under defaults.node"
            raise SpecError(Diagnostic("E106", message, node.location, hint))
        fusion = self._keep(self._fusion, chain[0], names)
        if block is None and model.block is None:
            block = self._steps(defaults.block, defaults, names, "block", implied=IMPLIED)
        return Fuse(
            level,
            self._channels(node, names),
            fusion or Step("sum"),
            block or (),
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
        step = insert_step(step, names, self.topology.bound.places)
        kinds = fusion_kinds(step)
        if kinds is None:
            hint = suggest(step.use, FUSIONS, "fusions")
            message = f"there is no fusion '{step.use}'"
            raise SpecError(Diagnostic("E109", message, step.location, hint))
        check_step(step, kinds, {}, IMPLIED)
        return bind_step(step, kinds, names, frozenset())

    def _edge(self, edge: ExpandedEdge, node: ExpandedNode) -> Edge:
        name = edge.name or edge.source
        if edge.model is None:
            return Edge(edge.source, name, EdgeSteps(), edge.location)
        steps = self._edge_steps(edge.model, edge.model, node.names)
        if edge.model.resample:
            steps = replace(steps, resample=False)
        return Edge(edge.source, name, steps, edge.location)

    def _edge_steps(
        self, model: EdgeDefaults | EdgeModel, owner: Located, names: Names
    ) -> EdgeSteps:
        known = {name: value for name, value in names.items() if name not in EDGE_NAMES}

        def steps(key: str, form: Form | None) -> tuple[Step, ...] | None:
            return self._keep(self._steps, form, owner, known, key, EDGE_NAMES, IMPLIED)

        return EdgeSteps(
            steps("project", model.project), steps("up", model.up), steps("down", model.down)
        )

    def _steps(
        self,
        form: Form | None,
        owner: Located,
        names: Names,
        key: str,
        keep: frozenset[str] = frozenset({"x"}),
        implied: Iterable[str] = (),
    ) -> tuple[Step, ...] | None:
        chain = steps_of(form, owner, key)
        return None if chain is None else self._bound(chain, names, keep, implied)

    def _bound(
        self,
        chain: Sequence[Step],
        names: Names,
        keep: frozenset[str] = frozenset({"x"}),
        implied: Iterable[str] = (),
    ) -> tuple[Step, ...]:
        """Steps with the document's names filled in and their blocks looked up."""
        done: list[Step] = []
        found: list[Diagnostic] = []
        for step in chain:
            try:
                step = insert_step(step, names, self.topology.bound.places)
                if step.use == NONE:
                    continue
                step = self.blocks.resolve(with_defaults(step, self.document), ())
                kinds = argument_kinds(step, self.blocks.known)
                if kinds is not None:
                    found.extend(step_faults(step, kinds, self.blocks.known, implied))
                    step = self.blocks.with_words(bind_step(step, kinds, names, keep))
            except SpecError as error:
                found.extend(error.diagnostics)
            done.append(step)
        if found:
            raise SpecError(found)
        return tuple(done)


def _stray(model: NodeModel, key: str, hint: str) -> Diagnostic:
    return Diagnostic("E119", f"'{key}' has nothing to act on here", model.key_at(key), hint)


def _undecided(what: str, step: Step, hint: str) -> Diagnostic:
    """A condition where nothing would look at it."""
    where = step.when.location if step.when else step.location
    return Diagnostic("E119", f"{what} has no 'when'", where or step.location, hint)


def pass_steps(document: TopologyDocument) -> tuple[Step, ...]:
    """The passes that a document lists.

    Raises:
        SpecError: every entry that is no step.
    """
    steps: list[Step] = []
    found: list[Diagnostic] = []
    for i, form in enumerate(document.passes):
        try:
            chain = steps_of(form, document, "passes", i) or ()
            hint = "list the pass or leave it out"
            found.extend(_undecided("a pass", step, hint) for step in chain if step.when)
            steps.extend(chain)
        except SpecError as error:
            found.extend(error.diagnostics)
    if found:
        raise SpecError(found)
    return tuple(steps)


def dead_ends(graph: Graph) -> tuple[list[Node], list[Node]]:
    """Nodes that no output depends on, and inputs that nothing reads."""
    needed = graph.needed()
    left_out = [node for node in graph if node.name not in needed]
    inputs = [node for node in left_out if isinstance(node.op, Input)]
    return [node for node in left_out if not isinstance(node.op, Input)], inputs
