"""Topology documents as graphs at stage PYRAMID."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar

from archgraph.assemble.blocks import Blocks, file_of
from archgraph.assemble.node_ops import NodeOps, refuse_extras
from archgraph.assemble.steps import IMPLIED, StepReader
from archgraph.errors import Diagnostic, Location, SpecError, suggest
from archgraph.expressions import Step
from archgraph.ir import Edge, EdgeSteps, Graph, Model, Node, Scope, Settings, Stage
from archgraph.ir.pyramid import Fuse, Input, Result, Use
from archgraph.ir.settings import INHERIT, ROOT_SETTINGS
from archgraph.spec import (
    ExpandedEdge,
    ExpandedNode,
    ExpandedTopology,
    Library,
    ModelNodeModel,
    TopologyDocument,
    certain,
    independent,
    level_unknown,
    steps_of,
)

MAX_FAULTS = 100
_P = ParamSpec("_P")
_T = TypeVar("_T")


def assemble_topology(
    topology: ExpandedTopology,
    library: Library,
    settings: Settings = INHERIT,
    base: Settings = ROOT_SETTINGS,
    blocks: Blocks | None = None,
) -> Model:
    """The graph of a topology.

    Args:
        topology: the expanded document.
        library: where blocks are looked up.
        settings: what the user sets from outside; counts before the document's own and those of
            its variant.
        base: what the document inherits.
        blocks: those that are known already, where the topology is part of a model.

    Raises:
        SpecError: every mistake in steps, blocks, settings and nodes, placed, after those of
            the topology itself.
    """
    blocks = blocks or Blocks(library, file_of(topology.document))
    return _Assembler(topology, settings, base, blocks).run()


class _Assembler:
    def __init__(
        self, topology: ExpandedTopology, settings: Settings, base: Settings, blocks: Blocks
    ) -> None:
        self.topology = topology
        self.document = topology.document
        self.blocks = blocks
        self.steps = StepReader(self.blocks, self.document, topology.bound.places)
        self.ops = NodeOps(self.document, self.steps, self._keep)
        self.faults: dict[Diagnostic, None] = {}  # a set that keeps its order
        # Results that are read, by node; and of each node those that its block has.
        self.read = _results_read(topology)
        self.results: dict[str, tuple[str, ...]] = {}
        self.blocks.check_defaults(self.document)
        inherited = base
        for model in (self.document.settings, topology.row.settings):
            inherited = inherited.updated(self.blocks.settings(model))
        inherited = inherited.updated(self.blocks.inherited(settings))
        self.graph = Graph(self.document.name, Stage.PYRAMID, inherited, EdgeSteps())

    def run(self) -> Model:
        defaults, names = self.document.defaults.edge, self.topology.bound.names
        self.graph.policy = self._keep(self.steps.edge_steps, defaults, names) or EdgeSteps()
        self._check_node_defaults()
        self._add_root_scope()
        for given in self.topology.inputs:
            op = Input(given.level, given.channels)
            self.graph.add(Node(given.name, op, "", given.name, given.location))
            self.results[given.name] = ()
        for node in self.topology.nodes:
            if len(self.faults) > MAX_FAULTS:
                break
            self._add_node(node)
        levels = sorted(self.topology.outputs)
        outputs: dict[str, str] = {}
        for level in levels:
            name, where = self.topology.outputs[level]
            self._keep(self._check_result, name, where, "")
            outputs[f"p{level}"] = name
        if faults := self._all_faults():
            raise SpecError(faults)
        self.graph.set_outputs(outputs)
        return Model(self.graph, self.blocks.known)

    def _check_node_defaults(self) -> None:
        """A default that no node uses is looked at too, as far as can be told without one."""
        defaults, names = self.document.defaults.node, self.topology.bound.names
        apart = Blocks(self.blocks.library, self.blocks.home)  # not among those that are used
        steps = StepReader(apart, self.document, self.topology.bound.places)
        try:
            steps.read(defaults.block, defaults, names, "block", implied=IMPLIED)
        except SpecError as error:
            self.faults.update(dict.fromkeys(certain(error.diagnostics)))

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
            tuple(name for _, (name, _) in sorted(self.topology.outputs.items())),
            self.document.at(self.document.kind),
            self.document.doc.strip(),
        )

    def _keep(self, part: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T | None:
        """The result of one part of a node, or None after keeping what is wrong with it."""
        try:
            return part(*args, **kwargs)
        except SpecError as error:
            self.faults.update(dict.fromkeys(error.diagnostics))
            return None

    # --- nodes -----------------------------------------------------------------------------

    def _add_node(self, node: ExpandedNode) -> None:
        # A node whose level is not known was reported; its steps are checked all the same.
        level = self._level(node)
        names = {**node.names, "level": level}
        edges = [self._keep(self._edge, edge, node) for edge in node.edges]
        op: Fuse | Use | None
        if node.model.use is not None:
            op = self._keep(self.ops.use, node, level, names)
        else:
            op = self._keep(self.ops.fuse, node, level, names)
        # A result of a faulty node is not there, which is no mistake of who reads it.
        known = [edge for edge in edges if edge and edge.source in self.graph]
        weights = node.share or node.name
        stand_in = op or Input(level, 1)
        self.graph.add(Node(node.name, stand_in, "", weights, node.location), known)
        if isinstance(op, Use) and op.results:
            self._keep(self._check_sizes, node)
            self._add_results(node, op)
        elif op is not None and all(edges) and node.level is None and not node.faulty:
            sources = [edge.source for edge in node.edges]
            self.faults[level_unknown(node.name, sources, node.location)] = None
        if op is not None:  # of a faulty one nothing is known
            self.results[node.name] = op.results if isinstance(op, Use) else ()

    def _level(self, node: ExpandedNode) -> int:
        """The level of a node; where it has none of its own, where it stands in a figure."""
        if node.level is not None:
            return node.level
        for edge in node.edges:
            owner = edge.source.partition(".")[0]
            op = self.graph[owner].op if owner in self.graph else None
            if isinstance(op, Input | Fuse | Use):
                return op.level
        return 0

    def _add_results(self, node: ExpandedNode, op: Use) -> None:
        """A node for every result that is read, right after the node itself."""
        for result in op.results:
            if result in self.read.get(node.name, ()):
                name = f"{node.name}.{result}"
                edge = Edge(node.name, node.name)
                self.graph.add(Node(name, Result(result), "", name, node.location), [edge])

    def _check_sizes(self, node: ExpandedNode) -> None:
        """A block with several results takes its operands as they are."""
        for edge in node.edges:
            for key in ("up", "down", "resample"):
                if edge.model and getattr(edge.model, key) is not None:
                    message = f"'{node.name}' has several results and takes its inputs as they are"
                    hint = f"delete '{key}'; its block resizes what it has to"
                    raise SpecError(Diagnostic("E119", message, edge.model.key_at(key), hint))

    def _edge(self, edge: ExpandedEdge, node: ExpandedNode) -> Edge:
        self._check_result(edge.source, edge.location, node.name)
        name = edge.name or edge.source.replace(".", "_")
        steps = self.steps.edge_steps(edge.model, edge.names) if edge.model else EdgeSteps()
        return Edge(edge.source, name, steps, edge.location)

    def _check_result(self, source: str, where: Location | None, reader: str) -> None:
        """What is read is one value: a node with one, or one of the results of a node.

        Raises:
            SpecError: E102, there is no such result; E220, it is not said which.
        """
        owner, _, result = source.partition(".")
        if owner not in self.results:
            return
        results = self.results[owner]
        spot = where.find(source) if where else None
        reads = f"node '{reader}' reads" if reader else "an output is"
        if not results and result:
            message = f"{reads} '{source}', but '{owner}' has one result"
            raise SpecError(Diagnostic("E102", message, spot, f"write '{owner}'"))
        if results and not result:
            message = f"'{owner}' has the results {', '.join(results)}; say which"
            raise SpecError(Diagnostic("E220", message, spot, f"write '{owner}.{results[0]}'"))
        if result and result not in results:
            message = f"{reads} '{source}', but '{owner}' has no result '{result}'"
            raise SpecError(Diagnostic("E102", message, spot, suggest(result, results, "it has")))


def _results_read(topology: ExpandedTopology) -> dict[str, set[str]]:
    """The results that nodes and outputs read, by the node that has them."""
    found: dict[str, set[str]] = {}
    names = [edge.source for node in topology.nodes for edge in node.edges]
    for name in [*names, *(name for name, _ in topology.outputs.values())]:
        owner, dot, result = name.partition(".")
        if dot:
            found.setdefault(owner, set()).add(result)
    return found


def pass_steps(document: TopologyDocument | ModelNodeModel) -> tuple[Step, ...]:
    """The passes that a document, or a node of a model, lists.

    Raises:
        SpecError: every entry that is no step.
    """
    steps: list[Step] = []
    found: list[Diagnostic] = []
    for i, form in enumerate(document.passes):
        try:
            chain = steps_of(form, document, "passes", i) or ()
            for step in chain:
                refuse_extras("a pass", step, "list the pass or leave it out")
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
    others = [node for node in left_out if not isinstance(node.op, Input | Result)]
    return others, inputs
