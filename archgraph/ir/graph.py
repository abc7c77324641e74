"""The graph: nodes, ordered operands, outputs, and the scopes they came from.

A networkx `MultiDiGraph` is inside; the operand position is the edge key, so `x + x` and
parallel edges are natural. Edit methods refuse what would leave an edge without an end.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import networkx as nx

from archgraph.errors import Diagnostic, Location, VerifyError
from archgraph.expressions import Scalar, Step
from archgraph.ir.op import Op
from archgraph.ir.pyramid import Input
from archgraph.ir.settings import INHERIT, Settings
from archgraph.ir.types import FeatureType, Stage

# No graph of a spec is larger; a number in a spec must not take unbounded time.
MAX_NODES = 100_000


@dataclass(frozen=True)
class EdgeSteps:
    """What happens on an edge: `project` at the source's size, then `up` or `down`.

    On an edge, None means "as the graph's policy says" and an empty chain means "nothing".
    `resample=False` hands the source on at its own size.
    """

    project: tuple[Step, ...] | None = None
    up: tuple[Step, ...] | None = None
    down: tuple[Step, ...] | None = None
    resample: bool = True

    @property
    def written(self) -> bool:
        """Whether anything was written on the edge itself."""
        return self != EdgeSteps()


@dataclass(frozen=True)
class Edge:
    """One operand of a node: its source, its name inside the node, and its steps."""

    source: str
    name: str
    steps: EdgeSteps = EdgeSteps()
    location: Location | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class Node:
    """A named operation.

    `name` is unique and dotted; `scope` is the path of the block instance it belongs to;
    `weights` is the module path, the prefix of its tensors in the state dict, by default the
    name; `location` is the place in the YAML and survives every pass.
    """

    name: str
    op: Op
    scope: str = ""
    weights: str = ""
    location: Location | None = None

    def __post_init__(self) -> None:
        if not self.weights:
            object.__setattr__(self, "weights", self.name)

    @property
    def local_name(self) -> str:
        """The last segment of the name."""
        return self.name.rpartition(".")[2]


@dataclass(frozen=True)
class Scope:
    """What an instance of a block was in the spec: for the printer, figures and errors.

    `path` is the call path; `module` the module path, where its weights live, which another
    scope may share; by default the two are equal. `key` tells the calls of a shared module apart:
    what has weights of its own in each call has it as the last segment of its module path; only
    the outermost scope of a call says it. `inputs` and `outputs` are the names that the
    block itself uses for what enters and leaves; `arguments` are its parameters, in declared
    order, evaluated; `location` is where it is used. What all instances of a block have in
    common is the graph's template of that name.
    """

    path: str
    block: str
    arguments: tuple[tuple[str, Scalar | str], ...] = ()
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    location: Location | None = None
    doc: str = field(default="", compare=False)
    module: str = ""
    key: str = ""

    def __post_init__(self) -> None:
        if not self.module:
            object.__setattr__(self, "module", self.path)


@dataclass(frozen=True)
class Template:
    """What a block says of all its instances: hints for the printer, never facts of the graph.

    `defaults` are its parameters in declared order, each with the text of its default (None:
    required). `expressions` are the texts of what its nodes say, over its parameters, inputs
    (`x.channels`) and settings, values and functions of `let` written out: an argument under
    `node.argument`, a condition under `node.when`, a count under `node.repeat`.
    """

    block: str
    defaults: tuple[tuple[str, str | None], ...] = ()
    expressions: tuple[tuple[str, str], ...] = ()


class Graph:
    """Nodes in execution order with their operands, at one stage.

    Attributes:
        name: the document it was made from.
        stage: which vocabulary it uses.
        inherited: what blocks inherit, by the scope that they stand in; at PYRAMID only.
        policy: what edges that say nothing do; None once `resolve-edges` has run.
        scopes: block instances by path; `""` is the whole graph.
        templates: what the blocks of the scopes say, by block name.
    """

    def __init__(
        self,
        name: str,
        stage: Stage,
        settings: Settings = INHERIT,
        policy: EdgeSteps | None = None,
    ) -> None:
        self.name = name
        self.stage = stage
        self.inherited: dict[str, Settings] = {"": settings}
        self.policy = policy
        self.scopes: dict[str, Scope] = {}
        self.templates: dict[str, Template] = {}
        self._graph: nx.MultiDiGraph[str] = nx.MultiDiGraph()
        self._outputs: dict[str, str] = {}
        self._positions: dict[str, int] = {}

    # --- reading ---------------------------------------------------------------------------

    def __contains__(self, name: object) -> bool:
        return name in self._graph

    def __len__(self) -> int:
        return len(self._graph)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Graph):
            return NotImplemented
        return self._content() == other._content()

    __hash__ = None  # type: ignore[assignment]

    def _content(self) -> tuple[object, ...]:
        nodes = [(node, self.inputs(node.name)) for node in self]
        settings = list(self.inherited.items())
        heads = (self.name, self.stage, settings, self.policy, list(self._outputs.items()))
        records = (list(self.templates.items()), list(self.scopes.items()))
        return (*heads, *records, nodes)

    def __iter__(self) -> Iterator[Node]:
        """Nodes in the order in which they were added."""
        for _, data in self._graph.nodes(data=True):
            node: Node = data["node"]
            yield node

    def __getitem__(self, name: str) -> Node:
        node: Node = self._graph.nodes[name]["node"]
        return node

    def inputs(self, name: str) -> tuple[Edge, ...]:
        """The operands of a node, in order."""
        found: dict[int, Edge] = {
            position: data["edge"]
            for _, _, position, data in self._graph.in_edges(name, keys=True, data=True)
        }
        return tuple(found[position] for position in sorted(found))

    def users(self, name: str) -> list[tuple[str, int]]:
        """Who reads a node, and as which operand, in the order of the readers."""
        found = [(user, position) for _, user, position in self._graph.out_edges(name, keys=True)]
        return sorted(found, key=lambda use: (self._positions[use[0]], use[1]))

    @property
    def outputs(self) -> Mapping[str, str]:
        """The graph's results in order: label to node."""
        return dict(self._outputs)

    @property
    def graph_inputs(self) -> list[Node]:
        """The input nodes, in order."""
        return [node for node in self if isinstance(node.op, Input)]

    def order(self) -> list[Node]:
        """Nodes in execution order: every node after its operands, otherwise as added.

        Raises:
            VerifyError: the graph has a cycle.
        """
        index = {name: i for i, name in enumerate(self._graph)}
        names = list(self._graph)
        waiting = {name: self._graph.in_degree(name) for name in names}
        ready = [index[name] for name, degree in waiting.items() if not degree]
        heapq.heapify(ready)
        ordered: list[Node] = []
        while ready:
            name = names[heapq.heappop(ready)]
            ordered.append(self[name])
            for _, user, _ in self._graph.out_edges(name, keys=True):
                waiting[user] -= 1
                if not waiting[user]:
                    heapq.heappush(ready, index[user])
        if len(ordered) < len(names):
            stuck = [name for name, degree in waiting.items() if degree]
            message = f"graph '{self.name}' has a cycle through '{stuck[0]}'"
            raise VerifyError(Diagnostic("E401", message, self[stuck[0]].location))
        return ordered

    def needed(self) -> set[str]:
        """The nodes that an output depends on."""
        found: set[str] = set()
        waiting = list(self._outputs.values())
        while waiting:
            name = waiting.pop()
            if name not in found:
                found.add(name)
                waiting.extend(self._graph.predecessors(name))
        return found

    def infer_types(self) -> dict[str, FeatureType]:
        """The type of every node that its op can tell; needs stage OPERATORS."""
        types: dict[str, FeatureType] = {}
        for node in self.order():
            types[node.name] = node.op.infer([types[e.source] for e in self.inputs(node.name)])
        return types

    def settings_at(self, scope: str) -> Settings:
        """What blocks inherit that stand in a scope: its own settings, or those around it."""
        while scope and scope not in self.inherited:
            scope = scope.rpartition(".")[0]
        return self.inherited.get(scope, INHERIT)

    # --- editing ---------------------------------------------------------------------------

    def add(self, node: Node, inputs: Sequence[Edge] = ()) -> None:
        """Add a node after all others; its operands must be there.

        Raises:
            VerifyError: the name is taken, or an operand does not exist.
        """
        if node.name in self._graph:
            raise self._error(f"'{node.name}' is in the graph already", node.location)
        self._check_sources(node.name, inputs, node.location)
        self._graph.add_node(node.name, node=node)
        self._positions[node.name] = next(reversed(self._positions.values()), -1) + 1
        self._connect(node.name, inputs)

    def set_inputs(self, name: str, inputs: Sequence[Edge]) -> None:
        """Replace the operands of a node."""
        self._check_sources(name, inputs, self[name].location)
        old = list(self._graph.in_edges(name, keys=True))
        self._graph.remove_edges_from(old)
        self._connect(name, inputs)

    def replace_op(self, name: str, op: Op) -> None:
        """Give a node another operation; operands and readers stay."""
        self._graph.nodes[name]["node"] = replace(self[name], op=op)

    def set_outputs(self, outputs: Mapping[str, str]) -> None:
        """Replace the results: label to node, in order."""
        for label, name in outputs.items():
            if name not in self._graph:
                raise self._error(f"output '{label}' reads '{name}', which is not in the graph")
        self._outputs = dict(outputs)

    def remove(self, name: str) -> None:
        """Remove a node that nothing reads.

        Raises:
            VerifyError: a node or an output still reads it; the graph is unchanged.
        """
        readers = [user for user, _ in self.users(name)]
        readers += [f"output '{label}'" for label, node in self._outputs.items() if node == name]
        if readers:
            raise self._error(f"'{name}' is still read by {', '.join(readers)}")
        self._graph.remove_node(name)
        del self._positions[name]

    def remove_unneeded(self) -> list[str]:
        """Remove what no output depends on, inputs excepted; the names, in reverse order."""
        needed = self.needed()
        unneeded = [
            node.name
            for node in reversed(self.order())
            if node.name not in needed and not isinstance(node.op, Input)
        ]
        for name in unneeded:
            self.remove(name)
        return unneeded

    def copy(self) -> Graph:
        """A graph that can be edited without touching this one; nodes and edges are shared."""
        other = Graph(self.name, self.stage, policy=self.policy)
        other.inherited = dict(self.inherited)
        other.scopes = dict(self.scopes)
        other.templates = dict(self.templates)
        other._graph = self._graph.copy()
        other._outputs = dict(self._outputs)
        other._positions = dict(self._positions)
        return other

    def _connect(self, name: str, inputs: Sequence[Edge]) -> None:
        for position, edge in enumerate(inputs):
            self._graph.add_edge(edge.source, name, key=position, edge=edge)

    def _check_sources(self, name: str, inputs: Sequence[Edge], location: Location | None) -> None:
        for edge in inputs:
            if edge.source not in self._graph:
                raise self._error(f"'{name}' reads '{edge.source}', which is not there", location)

    def _error(self, message: str, location: Location | None = None) -> VerifyError:
        return VerifyError(Diagnostic("E401", f"graph '{self.name}': {message}", location))
