"""Model documents as one graph at stage PYRAMID: pyramids made from pyramids.

A backbone becomes a `use` node with a result per level, a topology is written out under the name
of its node, a block stands once on every level.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from archgraph.assemble.blocks import Blocks, file_of
from archgraph.assemble.inline import inline
from archgraph.assemble.model_nodes import ModelNodes
from archgraph.assemble.topology import assemble_topology
from archgraph.errors import Diagnostic, SpecError
from archgraph.expressions import Scalar, Step
from archgraph.ir import Edge, FeatureType, Graph, Model, Node, Scope, Settings, Stage
from archgraph.ir.pyramid import Fuse, Input, Result, Use
from archgraph.ir.settings import INHERIT, ROOT_SETTINGS
from archgraph.spec import (
    IMAGE,
    Arguments,
    ExpandedModel,
    ExpandedModelNode,
    ExpandedTopology,
    Library,
    TopologyDocument,
    certain,
    expand_topology,
    independent,
)

# A pyramid: the value of each level.
Pyramid = Mapping[int, str]
LEVELS = "levels"
# What a model says of the images and boxes that it is meant for, be it under `let`.
MEANT_FOR = ("image_size", "anchor_scale")


@dataclass(frozen=True)
class Tools:
    """What the compiler lends, because rooms of one row do not know each other.

    Attributes:
        types_of: the types of every result of a node, by its name, in a graph that grows.
        infer: what a chain of steps makes of values of these types, by the names of its inputs.
        refine: runs the passes of a topology, with those that a model's node adds.
    """

    types_of: Callable[[Model], Callable[[str], Mapping[str, FeatureType]]]
    infer: Callable[
        [Sequence[Step], Sequence[tuple[str, FeatureType]], Model, Settings], FeatureType
    ]
    refine: Callable[[ExpandedTopology, Model, ExpandedModelNode, ExpandedModel], Model]


def assemble_model(
    model: ExpandedModel, library: Library, tools: Tools, settings: Settings = INHERIT
) -> Model:
    """The graph of a model, every topology in it after its passes, with its edges resolved.

    Args:
        model: the expanded document.
        library: where backbones, topologies and blocks are looked up.
        tools: what the compiler lends.
        settings: what the user sets from outside; counts before the document's own.

    Raises:
        SpecError: every mistake that was found, placed.
    """
    return _Assembler(model, library, tools, settings).run()


class _Assembler:
    def __init__(
        self, model: ExpandedModel, library: Library, tools: Tools, settings: Settings
    ) -> None:
        self.model = model
        self.document = model.document
        self.library = library
        self.tools = tools
        self.blocks = Blocks(library, file_of(model.document))
        self.faults: dict[Diagnostic, None] = {}  # a set that keeps its order
        self.blocks.check_defaults(self.document)
        inherited = ROOT_SETTINGS
        for each in (self.document.settings, model.row.settings):
            inherited = inherited.updated(self.blocks.settings(each))
        self.settings = inherited.updated(self.blocks.inherited(settings))
        self.graph = Graph(self.document.name, Stage.PYRAMID, self.settings)
        self.types_of = tools.types_of(Model(self.graph, self.blocks.known))
        self.nodes = ModelNodes(model, self.blocks)
        # What every node makes; of a faulty one nothing is known.
        self.pyramids: dict[str, Pyramid | None] = {}
        # Nodes whose weights are those of one level, shared by all.
        self.shared: set[str] = set()

    def run(self) -> Model:
        root = self.document.at(self.document.kind)
        shown, doc = self._shown(), self.document.doc.strip()
        self.graph.scopes[""] = Scope("", self.document.name, shown, (IMAGE,), (), root, doc)
        channels = self.model.bound.input_channels.get(0, 1)
        self.graph.add(Node(IMAGE, Input(0, channels), "", IMAGE, root))
        self.pyramids[IMAGE] = {0: IMAGE}
        for node in self.model.nodes:
            self.pyramids[node.name] = None
            try:
                self.pyramids[node.name] = self._node(node)
            except SpecError as error:
                self.faults.update(dict.fromkeys(error.diagnostics))
        self._set_outputs()
        if faults := self._all_faults():
            raise SpecError(faults)
        needed = self.graph.needed()
        for made in list(self.graph):
            unread = made.name not in needed and not self.graph.users(made.name)
            if isinstance(made.op, Result) and unread:
                self.graph.remove(made.name)
        return Model(self.graph, self.blocks.known)

    def _shown(self) -> tuple[tuple[str, Scalar | str], ...]:
        """The parameters, and what the model is meant for, if it says so."""
        shown = dict(self.model.bound.shown)
        for name in MEANT_FOR:
            value = self.model.bound.names.get(name)
            if isinstance(value, int | float):
                shown.setdefault(name, value)
        return tuple(shown.items())

    def _all_faults(self) -> list[Diagnostic]:
        bound = self.model.bound
        found = list(independent([*self.faults, *self.blocks.faults], bound.failed))
        if self.document.faults or bound.failed:
            found = certain(found)
        return [*self.model.faults, *found]

    def _set_outputs(self) -> None:
        listed = self.model.outputs
        outputs: dict[str, str] = {}
        for name, _ in listed:
            prefix = f"{name}." if len(listed) > 1 else ""
            for level, value in sorted((self.pyramids[name] or {}).items()):
                outputs[f"{prefix}p{level}"] = value
        self.graph.set_outputs(outputs)
        self.graph.scopes[""] = replace(
            self.graph.scopes[""], outputs=tuple(dict.fromkeys(outputs.values()))
        )

    # --- nodes -----------------------------------------------------------------------------

    def _node(self, node: ExpandedModelNode) -> Pyramid | None:
        """What a node makes; None if it or something that it reads is faulty."""
        self.nodes.check_keys(node)
        reads = {read.port: self.pyramids[read.source] for read in node.reads}
        if node.model.fuse is not None:
            fusion = self.nodes.fusion(node)
            read = [self.pyramids[each.source] for each in node.reads]
            known = [pyramid for pyramid in read if pyramid is not None]
            return self._fuse(node, fusion, known) if len(known) == len(read) else None
        steps = self.nodes.steps(node)
        document = self.nodes.document(steps)
        known_reads = {port: each for port, each in reads.items() if each is not None}
        complete = len(known_reads) == len(reads) and not node.faulty
        if isinstance(document, TopologyDocument):
            arguments = self.nodes.arguments(steps[0], document)
            return self._topology(node, document, steps[0], arguments, known_reads, complete)
        bound = self.nodes.bound(node, steps)
        if not complete:
            return None
        several = self.nodes.results(bound[-1])
        if several:
            return self._several(node, bound, known_reads, several)
        return self._levels(node, bound, known_reads)

    def _fuse(self, node: ExpandedModelNode, fusion: Step, read: Sequence[Pyramid]) -> Pyramid:
        first = read[0]
        for other, each in zip(read[1:], node.reads[1:], strict=True):
            if set(other) != set(first):
                raise SpecError(self.nodes.levels_differ(node, each, first, other))
        found: dict[int, str] = {}
        settings = self.blocks.settings(node.model.settings)
        for level in sorted(first):
            name = f"{node.name}.p{level}"
            channels = self._type(first[level]).channels
            op = Fuse(level, channels, fusion, (), settings)
            edges = [
                Edge(pyramid[level], each.source, location=each.location)
                for pyramid, each in zip(read, node.reads, strict=True)
            ]
            self.graph.add(Node(name, op, "", name, node.location), edges)
            found[level] = name
        return found

    def _type(self, value: str) -> FeatureType:
        owner = self.graph[value]
        if isinstance(owner.op, Result):
            (edge,) = self.graph.inputs(value)
            return self.types_of(edge.source)[owner.op.result]
        return self.types_of(value)[""]

    # --- blocks ----------------------------------------------------------------------------

    def _several(
        self,
        node: ExpandedModelNode,
        steps: tuple[Step, ...],
        reads: Mapping[str, Pyramid],
        results: tuple[str, ...],
    ) -> Pyramid:
        """A backbone, or another block that makes several values: one for each level."""
        ports = self.nodes.ports(node, steps[0], reads)
        edges = [
            Edge(self.nodes.one_value(node, pyramid), port, location=node.location)
            for port, pyramid in ports.items()
        ]
        settings = self.blocks.settings(node.model.settings)
        op = Use(0, steps, (), settings, results)
        weights = node.model.share or node.name
        self.graph.add(Node(node.name, op, "", weights, node.location), edges)
        types = self.types_of(node.name)
        found: dict[int, str] = {}
        for result in results:
            if result not in types:
                continue
            level = types[result].level
            if level in found:
                raise SpecError(self.nodes.same_level(node, level, result))
            if result[1:].isdigit() and int(result[1:]) != level:
                raise SpecError(self.nodes.wrong_level(node, steps[0], result, level))
            name = f"{node.name}.{result}"
            self.graph.add(
                Node(name, Result(result), "", name, node.location), [Edge(node.name, node.name)]
            )
            found[level] = name
        return found

    def _levels(
        self, node: ExpandedModelNode, steps: tuple[Step, ...], reads: Mapping[str, Pyramid]
    ) -> Pyramid:
        """A block on every level of what it reads, with weights of its own or shared ones."""
        ports = self.nodes.ports(node, steps[0], reads)
        first = next(iter(ports.values()))
        for port, pyramid in ports.items():
            if set(pyramid) != set(first):
                read = next((r for r in node.reads if r.port == port), node.reads[0])
                raise SpecError(self.nodes.levels_differ(node, read, first, pyramid))
        share = node.model.share
        once = share == LEVELS or share in self.shared
        if once:
            self.shared.add(node.name)
        owner = node.name if share in ("", LEVELS) else share
        settings = self.blocks.settings(node.model.settings)
        found: dict[int, str] = {}
        coarser = self._coarser(node, steps, {port: p[min(first)] for port, p in ports.items()})
        for level in sorted(first):
            key = f"p{level + coarser}"
            name = f"{node.name}.{key}"
            own = tuple(node.model.own)
            op = Use(level + coarser, steps, (), settings, (), own, key if once and own else "")
            edges = [Edge(pyramid[level], port) for port, pyramid in ports.items()]
            weights = owner if once else f"{owner}.{key}"
            self.graph.add(Node(name, op, "", weights, node.location), edges)
            found[level + coarser] = name
        return found

    def _coarser(
        self, node: ExpandedModelNode, steps: tuple[Step, ...], operands: Mapping[str, str]
    ) -> int:
        """By how many levels the steps make their input coarser."""
        settings = self.settings.updated(self.blocks.settings(node.model.settings))
        types = [(port, self._type(value)) for port, value in operands.items()]
        model = Model(self.graph, self.blocks.known)
        made = self.tools.infer(steps, types, model, settings)
        if made.is_global:
            raise SpecError(self.nodes.one_pixel(node))
        return made.level - types[0][1].level

    # --- topologies ------------------------------------------------------------------------

    def _topology(
        self,
        node: ExpandedModelNode,
        document: TopologyDocument,
        step: Step,
        arguments: Arguments,
        reads: Mapping[str, Pyramid],
        complete: bool,
    ) -> Pyramid | None:
        if not complete:
            return None
        row = self.nodes.variant(step, document)
        channels = {
            level: self._type(value).channels
            for pyramid in reads.values()
            for level, value in pyramid.items()
        }
        given = self.nodes.with_input_channels(arguments, channels)
        topology = expand_topology(document, given, row)
        feeds = self.nodes.feeds(node, step, topology, reads)
        sub = assemble_topology(
            topology,
            self.library,
            self.blocks.settings(node.model.settings),
            self.settings,
            self.blocks.at(file_of(document)),
        )
        sub = self.tools.refine(topology, sub, node, self.model)
        values = inline(self.graph, sub, node.name, node.model.share, feeds, node.location)
        return {int(label[1:]): values[name] for label, name in sub.graph.outputs.items()}
