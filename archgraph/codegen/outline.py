"""From a flat graph to the modules a person would write: one instance per block, grouped.

    graph -> module scopes -> instances (ordered items) -> classes (equal structure)

A scope that holds weights becomes a module; one that does not is written out in the module
around it. Instances whose items, wiring and children are equal share a class; the numbers in
which they differ, and their channel counts, become constructor parameters.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise

from archgraph.codegen.forms import Form, form_of
from archgraph.errors import CodegenError, Diagnostic, Location
from archgraph.ir import FeatureType, Graph, Node, Scope
from archgraph.ir.pyramid import Input


@dataclass
class Item:
    """One statement of a module: an operator, or the call of a child module.

    `path` is relative to the module; operands and results are names of graph values.
    """

    path: str
    form: Form | None
    child: str | None
    location: Location | None
    operands: list[str] = field(default_factory=list)
    results: list[str] = field(default_factory=list)

    @property
    def is_module(self) -> bool:
        """Whether the item holds weights, so that it is an attribute."""
        return self.child is not None or (self.form is not None and self.form.module is not None)

    @property
    def last_name(self) -> str:
        """The last segment of the path."""
        return self.path.rpartition(".")[2]


@dataclass
class Instance:
    """One module: what enters it under which names, its items, what leaves it."""

    scope: Scope
    items: list[Item] = field(default_factory=list)
    inputs: dict[str, str] = field(default_factory=dict)
    outputs: list[str] = field(default_factory=list)

    @property
    def roles(self) -> list[str]:
        """The first segments of its items' paths: `project`, `up` for what an edge does."""
        return list(dict.fromkeys(item.path.partition(".")[0] for item in self.items))

    def members(self, container: str) -> list[Item]:
        """The modules in a list or mapping: `cells.0`, `inputs.in5`."""
        found = [item for item in self.items if item.is_module]
        return [item for item in found if item.path.startswith(f"{container}.")]

    def is_list(self, container: str) -> bool:
        """Whether a container is a list: its modules are numbered from 0 without a gap."""
        keys = [item.path.split(".")[1] for item in self.members(container)]
        return keys == [str(i) for i in range(len(keys))]

    def references(self) -> dict[str, tuple[int, int]]:
        """Each value as (item, result); inputs count as item -1."""
        found = {value: (-1, i) for i, value in enumerate(self.inputs)}
        for i, item in enumerate(self.items):
            found.update({value: (i, j) for j, value in enumerate(item.results)})
        return found


@dataclass
class Outline:
    """All modules of a graph by scope path, children before parents, with value types."""

    graph: Graph
    types: Mapping[str, FeatureType]
    instances: dict[str, Instance]


def outline(graph: Graph) -> Outline:
    """Split a graph at stage OPERATORS into modules.

    Raises:
        CodegenError: E411, modules depend on each other in a circle.
    """
    return _Outliner(graph).run()


class _Outliner:
    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.types = graph.infer_types()
        self.nodes = graph.order()
        self.position = {node.name: i for i, node in enumerate(self.nodes)}
        self.parents = {path: self._parent(path) for path in graph.scopes if path}
        self.forms: dict[str, Form] = {}
        for node in self.nodes:
            if not isinstance(node.op, Input):
                operands = [self.types[e.source] for e in graph.inputs(node.name)]
                self.forms[node.name] = form_of(node.op, operands)
        self.modules = self._module_scopes()
        self.chains = {node.name: list(self._chain(node)) for node in self.nodes}

    def run(self) -> Outline:
        instances = {path: Instance(self.graph.scopes[path]) for path in self.modules}
        self._interfaces(instances)
        self._items(instances)
        deepest_first = sorted(instances, key=lambda path: -len(list(self._above(path))))
        return Outline(self.graph, self.types, {path: instances[path] for path in deepest_first})

    # --- which scopes are modules ----------------------------------------------------------

    def _parent(self, path: str) -> str:
        """The nearest scope around a scope; containers such as `cells` have no record."""
        while path:
            path = path.rpartition(".")[0]
            if path in self.graph.scopes:
                return path
        return ""

    def _above(self, path: str) -> Iterator[str]:
        """The scope itself and every scope around it, innermost first."""
        while path:
            yield path
            path = self.parents[path]
        yield ""

    def _module_scopes(self) -> dict[str, None]:
        """Scopes that hold weights somewhere, in graph order; the root always counts."""
        found: dict[str, None] = {"": None}
        for node in self.nodes:
            form = self.forms.get(node.name)
            if form and form.module:
                found.update(dict.fromkeys(reversed(list(self._above(node.scope)))))
        return {path: None for path in self.graph.scopes if path in found}

    def _chain(self, node: Node) -> Iterator[str]:
        """The modules a node stands in, innermost first."""
        return (path for path in self._above(node.scope) if path in self.modules)

    # --- what enters and leaves ------------------------------------------------------------

    def _interfaces(self, instances: dict[str, Instance]) -> None:
        leaving: dict[str, dict[str, None]] = {path: {} for path in instances}
        for node in self.nodes:
            for edge in self.graph.inputs(node.name):
                outside, inside = self.chains[edge.source], self.chains[node.name]
                for path in inside:
                    if path not in outside:
                        instances[path].inputs.setdefault(edge.source, edge.name)
                for path in outside:
                    if path not in inside:
                        leaving[path][edge.source] = None
        for value in self.graph.outputs.values():
            for path in self.chains[value]:
                if path:
                    leaving[path][value] = None
        for path, instance in instances.items():
            instance.outputs = sorted(leaving[path], key=self._output_order(instance.scope))
            instance.inputs = _declared_first(instance.inputs, instance.scope)
        root = instances[""]
        root.inputs = {node.name: node.name for node in self.graph.graph_inputs}
        root.outputs = list(self.graph.outputs.values())

    def _output_order(self, scope: Scope) -> Callable[[str], tuple[int, int]]:
        """Declared outputs first, in their order; then as computed."""
        prefix = f"{scope.path}." if scope.path else ""

        def key(value: str) -> tuple[int, int]:
            local = value.removeprefix(prefix).partition(".")[0]
            declared = scope.outputs.index(local) if local in scope.outputs else len(scope.outputs)
            return declared, self.position[value]

        return key

    # --- items -----------------------------------------------------------------------------

    def _items(self, instances: dict[str, Instance]) -> None:
        items: dict[str, dict[str, Item]] = {path: {} for path in instances}
        first: dict[str, int] = {}
        for i, node in enumerate(self.nodes):
            if isinstance(node.op, Input):
                continue
            chain = self.chains[node.name]
            here = chain[0]
            form = self.forms[node.name]
            path = _relative(node.weights if form.module else node.name, here)
            items[here][node.name] = Item(path, form, None, node.location, results=[node.name])
            first.setdefault(node.name, i)
            for child, around in pairwise(chain):
                if child not in items[around]:
                    location = self.graph.scopes[child].location
                    items[around][child] = Item(_relative(child, around), None, child, location)
                    first[child] = i
        for node in self.nodes:
            if not isinstance(node.op, Input):
                edges = self.graph.inputs(node.name)
                item = items[self.chains[node.name][0]][node.name]
                item.operands = [edge.source for edge in edges]
        for path, instance in instances.items():
            for child, item in items[path].items():
                if item.child is not None:
                    item.operands = list(instances[child].inputs)
                    item.results = list(instances[child].outputs)
            instance.items = _in_order(items[path], first, path)


def _relative(name: str, scope: str) -> str:
    return name.removeprefix(f"{scope}.") if scope else name


def _declared_first(inputs: dict[str, str], scope: Scope) -> dict[str, str]:
    """Inputs in the order in which the block declares them, others as first used.

    A block that declares as many names as it has inputs, but other ones, gives its own names:
    a block's `x` is whatever the node around it calls that value.
    """
    names = set(inputs.values())
    if len(scope.inputs) == len(inputs) and not names <= set(scope.inputs):
        return dict(zip(inputs, scope.inputs, strict=True))
    order = {name: i for i, name in enumerate(scope.inputs)}
    ranked = sorted(inputs.items(), key=lambda pair: order.get(pair[1], len(order)))
    taken: dict[str, str] = {}
    for value, name in ranked:
        unique = name
        while unique in taken.values():
            unique += "_"
        taken[value] = unique
    return taken


def _in_order(items: dict[str, Item], first: dict[str, int], path: str) -> list[Item]:
    """Items so that each comes after what it reads, otherwise as in the graph."""
    producer = {value: key for key, item in items.items() for value in item.results}
    waiting = {
        key: {producer[value] for value in item.operands if value in producer}
        for key, item in items.items()
    }
    readers: dict[str, list[str]] = {key: [] for key in items}
    for key, sources in waiting.items():
        for source in sources:
            readers[source].append(key)
    ready = [(first[key], key) for key, sources in waiting.items() if not sources]
    heapq.heapify(ready)
    ordered: list[Item] = []
    while ready:
        _, key = heapq.heappop(ready)
        ordered.append(items[key])
        for reader in readers[key]:
            waiting[reader].discard(key)
            if not waiting[reader]:
                heapq.heappush(ready, (first[reader], reader))
    if len(ordered) < len(items):
        message = f"modules inside '{path or 'the graph'}' depend on each other in a circle"
        raise CodegenError(Diagnostic("E411", message))
    return ordered
