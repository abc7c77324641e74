"""From a flat graph to modules: what each one holds, what it is given, what it does in order.

    graph -> kept scopes -> calls (ordered items) -> instances (one per module path)

Several calls of one module are one instance; they must do the same, else they are written out
where they stand. A module that another one uses is handed to it like any other value.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise

from archgraph.codegen.forms import Form, literals
from archgraph.codegen.scopes import ScopeTree, common
from archgraph.errors import CodegenError, Diagnostic, Location
from archgraph.ir import FeatureType, Graph, Scope
from archgraph.ir.pyramid import Input

# Marks a value that is a module: one that a scope calls, but that lives outside of it.
BORROWED = "@"


@dataclass
class Item:
    """One statement of a module: an operator, or the call of a child module.

    `path` is relative to the call, `module` is the path of the module that is called, relative
    to the module around it (empty for a function; the borrowed value if it lives elsewhere).
    Operands and results are names of graph values.
    """

    path: str
    form: Form | None
    child: str
    module: str
    location: Location | None
    operands: list[str] = field(default_factory=list)
    results: list[str] = field(default_factory=list)


@dataclass
class Attribute:
    """A module that an instance holds: an operator with weights, or a child instance."""

    path: str
    form: Form | None
    child: str
    location: Location | None
    local: str


@dataclass
class Instance:
    """One module: what it holds, what enters it under which names, its items, what leaves it.

    `attributes` are by path relative to the module, in the order of their first use. An instance
    without items only holds modules that others call.
    """

    module: str
    scope: Scope
    items: list[Item] = field(default_factory=list)
    inputs: dict[str, str] = field(default_factory=dict)
    outputs: list[str] = field(default_factory=list)
    attributes: dict[str, Attribute] = field(default_factory=dict)

    def own(self, borrowed: str) -> str:
        """The path of a module, relative to this one that holds it."""
        return _relative(borrowed.removeprefix(BORROWED), self.module)


@dataclass
class Outline:
    """All modules of a graph by module path, children before parents, with value types.

    `order` is where each module is first used.
    """

    graph: Graph
    types: Mapping[str, FeatureType]
    instances: dict[str, Instance]
    order: Mapping[str, int]


def outline(graph: Graph) -> Outline:
    """Split a graph at stage OPERATORS into modules.

    Raises:
        CodegenError: E412, a path of weights lies inside of another one.
    """
    tree = ScopeTree(graph)
    while True:
        tree.dissolve_circles()
        calls = _Calls(tree).run()
        different = _not_alike(calls)
        if not different:
            instances = _instances(tree, calls)
            order = {module: i for i, module in enumerate(instances)}
            deepest = sorted(instances, key=lambda m: -m.count(".") if m else 1)
            return Outline(graph, tree.types, {m: instances[m] for m in deepest}, order)
        tree.dissolve(different)


# --- calls ---------------------------------------------------------------------------------


class _Calls:
    """Works out the items of every kept scope, in order, and what enters and leaves it."""

    def __init__(self, tree: ScopeTree) -> None:
        self.tree = tree
        self.calls = {
            path: Instance(tree.scopes[path].module, tree.scopes[path])
            for path in tree.scopes
            if path in tree.kept
        }
        self.calls[""].module = ""

    def run(self) -> dict[str, Instance]:
        """The calls by call path."""
        entering, leaving = self._crossings()
        items = self._items()
        self._outputs(leaving)
        for path in sorted(self.calls, key=lambda path: -len(self.tree.chain_to(path))):
            for item in items[path].values():
                if item.child:
                    item.operands = list(self.calls[item.child].inputs)
                    item.results = self.calls[item.child].outputs
            self.calls[path].items = _in_order(items[path])
            self._inputs(path, entering[path])
        root = self.calls[""]
        root.inputs = {node.name: node.name for node in self.tree.graph.graph_inputs}
        root.outputs = list(self.tree.graph.outputs.values())
        return self.calls

    def _crossings(self) -> tuple[dict[str, dict[str, str]], dict[str, dict[str, None]]]:
        """What enters each scope, under the name of its first use, and what leaves it."""
        tree = self.tree
        entering: dict[str, dict[str, str]] = defaultdict(dict)
        leaving: dict[str, dict[str, None]] = defaultdict(dict)
        for node in tree.nodes:
            inside = tree.chain(node.name)
            for edge in tree.edges[node.name]:
                outside = tree.chain(edge.source)
                shared = common(inside, outside)
                for path in inside[shared:]:
                    entering[path].setdefault(edge.source, edge.name)
                for path in outside[shared:]:
                    leaving[path][edge.source] = None
        for value in tree.graph.outputs.values():
            for path in tree.chain(value)[1:]:
                leaving[path][value] = None
        return entering, leaving

    def _items(self) -> dict[str, dict[str, Item]]:
        """Every kept scope's items: its own operators, and calls of the scopes inside."""
        tree = self.tree
        items: dict[str, dict[str, Item]] = {path: {} for path in self.calls}
        for node in tree.nodes:
            if isinstance(node.op, Input):
                continue
            chain = tree.chain(node.name)
            for around, child in pairwise(chain):
                if child not in items[around]:
                    scope = tree.scopes[child]
                    module = self._reach(around, scope.module)
                    path = _relative(child, around)
                    items[around][child] = Item(path, None, child, module, scope.location)
            here, form = chain[-1], tree.forms[node.name]
            module = self._reach(here, node.weights) if form.module else ""
            path = _relative(node.name, here)
            operands = [edge.source for edge in tree.edges[node.name]]
            item = Item(path, form, "", module, node.location, operands, [node.name])
            items[here][node.name] = item
        return items

    def _reach(self, path: str, module: str) -> str:
        """How a scope names a module: relative to its own, or borrowed from a scope around it."""
        own = self.calls[path].module
        if not path or module.startswith(f"{own}."):
            return _relative(module, own)
        borrowed = BORROWED + module
        for around in reversed(self.tree.chain_to(path)):
            call = self.calls[around]
            if not around or module.startswith(f"{call.module}."):
                break
            call.inputs.setdefault(borrowed, module.rpartition(".")[2])
        return borrowed

    def _outputs(self, leaving: Mapping[str, Mapping[str, None]]) -> None:
        """Declared outputs first, in their order; then as computed."""
        for path, call in self.calls.items():
            declared = {name: i for i, name in enumerate(call.scope.outputs)}

            def rank(value: str, path: str = path, order: Mapping[str, int] = declared) -> object:
                local = _relative(value, path)
                found = order.get(local, order.get(local.partition(".")[0], len(order)))
                return found, self.tree.position[value]

            call.outputs = sorted(leaving.get(path, ()), key=rank)  # type: ignore[arg-type]

    def _inputs(self, path: str, entering: Mapping[str, str]) -> None:
        """Name what enters: as the edges say, or as the block declares; modules come last."""
        call = self.calls[path]
        borrowed = call.inputs
        used = {value: None for item in call.items for value in item.operands if value in entering}
        values = dict.fromkeys([*used, *entering])
        names = _declared_first({value: entering[value] for value in values}, call.scope)
        for value, name in borrowed.items():
            while name in names.values():
                name += "_"
            names[value] = name
        call.inputs = names


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
    seen: set[str] = set()
    for value, name in ranked:
        while name in seen:
            name += "_"
        seen.add(name)
        taken[value] = name
    return taken


def _in_order(items: dict[str, Item]) -> list[Item]:
    """Items so that each comes after what it reads, otherwise as in the graph."""
    keys = list(items)
    first = {key: i for i, key in enumerate(keys)}
    producer = {value: key for key, item in items.items() for value in item.results}
    waiting = {
        key: {producer[value] for value in item.operands if value in producer}
        for key, item in items.items()
    }
    readers: dict[str, list[str]] = {key: [] for key in items}
    for key, sources in waiting.items():
        for source in sources:
            readers[source].append(key)
    ready = [first[key] for key, sources in waiting.items() if not sources]
    heapq.heapify(ready)
    ordered: list[Item] = []
    while ready:
        key = keys[heapq.heappop(ready)]
        ordered.append(items[key])
        for reader in readers[key]:
            waiting[reader].discard(key)
            if not waiting[reader]:
                heapq.heappush(ready, first[reader])
    return ordered


# --- several calls of one module -----------------------------------------------------------


def _not_alike(calls: Mapping[str, Instance]) -> set[str]:
    """Calls of one module that do different things, so that it cannot be one module."""
    groups: dict[str, list[str]] = defaultdict(list)
    for path in calls:
        if path:
            groups[calls[path].module].append(path)
    different: set[str] = set()
    shared = {module for module, paths in groups.items() if len(paths) > 1}
    for module in shared:
        looks = [_look(calls[path], calls) for path in groups[module]]
        if any(look != looks[0] for look in looks):
            different.update(groups[module])
    return different


def _look(call: Instance, calls: Mapping[str, Instance]) -> tuple[object, ...]:
    """Everything about a call that another call of the same module must have too."""
    references: dict[str, object] = {value: (-1, i) for i, value in enumerate(call.inputs)}
    items: list[object] = []
    for i, item in enumerate(call.items):
        what: object = calls[item.child].module if item.child else None
        if item.form:
            what = (item.form.structure, tuple(item.form.slots.items()))
        operands = tuple(references.get(value) or call.own(value) for value in item.operands)
        items.append((what, item.module, operands, len(item.results)))
        references.update({value: (i, j) for j, value in enumerate(item.results)})
    outputs = tuple(references[value] for value in call.outputs)
    borrowed = tuple(value for value in call.inputs if value.startswith(BORROWED))
    return (call.scope.block, len(call.inputs), borrowed, tuple(items), outputs)


# --- instances -----------------------------------------------------------------------------


def _instances(tree: ScopeTree, calls: Mapping[str, Instance]) -> dict[str, Instance]:
    """One instance per module, with everything that it holds; children before parents."""
    instances: dict[str, Instance] = {}
    for call in calls.values():
        instances.setdefault(call.module, call)
    holders = _Holders(instances, {tree.scopes[p].module for p in tree.scopes if p not in calls})
    for call in calls.values():
        for item in call.items:
            own = f"{call.module}." if call.module else ""
            borrowed = item.module.startswith(BORROWED)
            module = item.module.removeprefix(BORROWED) if borrowed else own + item.module
            if item.module:
                child = calls[item.child].module if item.child else ""
                holders.add(module, Attribute("", item.form, child, item.location, item.path))
    holders.place()
    return instances


class _Holders:
    """Gives every module a place: in the instance around it, or in one made to hold it."""

    def __init__(self, instances: dict[str, Instance], dissolved: set[str]) -> None:
        self.instances = instances
        self.dissolved = dissolved
        self.found: dict[str, Attribute] = {}

    def add(self, module: str, attribute: Attribute) -> None:
        """Note a module that is called somewhere; the first call counts."""
        known = self.found.setdefault(module, attribute)
        if bool(known.child) != bool(attribute.child):
            raise _inside(module, module)
        if known.form and attribute.form and _text(known.form) != _text(attribute.form):
            message = f"two operators share the weights '{module}' but are not alike"
            raise CodegenError(Diagnostic("E412", message, attribute.location))

    def place(self) -> None:
        """Attach every module to an instance, making those that are only there to hold."""
        for module in [*self.found]:
            parts = module.split(".")
            for i in range(1, len(parts)):
                around = ".".join(parts[:i])
                if around in self.found and self.found[around].form:
                    raise _inside(module, around)
        for module in self._holding():
            if module not in self.instances:
                scope = Scope(module, module.rpartition(".")[2])
                self.instances[module] = Instance(module, scope)
                self.found[module] = Attribute("", None, module, None, "")
        for module, attribute in self.found.items():
            owner = self.owner(module)
            attribute.path = _relative(module, owner)
            self.instances[owner].attributes[attribute.path] = attribute

    def owner(self, module: str) -> str:
        """The innermost instance around a module."""
        while module:
            module = module.rpartition(".")[0]
            if module in self.instances:
                return module
        return ""

    def _holding(self) -> dict[str, None]:
        """Paths between an instance and its modules that are more than a list or a mapping."""
        found: dict[str, None] = {}
        inner: dict[str, set[str]] = defaultdict(set)
        for module in self.found:
            owner = self.owner(module)
            parts = _relative(module, owner).split(".")
            prefix = f"{owner}." if owner else ""
            paths = [prefix + ".".join(parts[: i + 1]) for i in range(len(parts))]
            for around, path in pairwise(paths):
                inner[around].add(path)
        for around, within in inner.items():
            numbered = all(path.rpartition(".")[2].isdigit() for path in within)
            nested = any(path in inner for path in within)
            if around in self.dissolved or (nested and not numbered):
                found[around] = None
            elif nested:
                found.update({path: None for path in within if path in inner})
        return found


def _text(form: Form) -> str:
    return str(form.module(literals(form))) if form.module else ""


def _inside(module: str, around: str) -> CodegenError:
    message = f"the weights '{module}' would lie inside of the module '{around}'"
    return CodegenError(Diagnostic("E412", message))
