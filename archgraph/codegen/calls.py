"""What each kept scope does: its items in order, what it is given, what leaves it.

A module that a scope calls but that lives outside of it is handed in like any other value.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise

from archgraph.codegen.forms import Form
from archgraph.codegen.scopes import ScopeTree, common
from archgraph.errors import Location
from archgraph.ir import Node, Scope
from archgraph.ir.pyramid import Input

# All names of a value inside a scope, in the order of its uses.
Names = dict[str, None]
# Marks a value that is a module: one that a scope calls, but that lives outside of it.
BORROWED = "@"
# Marks the key that a module is told itself.
HANDED_ON = "*"


@dataclass
class Item:
    """One statement of a module: an operator, or the call of a child module.

    `path` is relative to the call, `module` is the path of the module that is called, relative
    to the module around it (empty for a function; the borrowed value if it lives elsewhere).
    Operands and results are names of graph values. Where a module has weights of its own in each
    call, `key` is the last segment of `module`, which is the key of the call. `told` is the key
    that a child is told because something in it asks for one: HANDED_ON if the module around it
    is told the same.
    """

    path: str
    form: Form | None
    child: str
    module: str
    location: Location | None
    operands: list[str] = field(default_factory=list)
    results: list[str] = field(default_factory=list)
    key: str = ""
    told: str = ""

    @property
    def shared(self) -> str:
        """The path of its module without the key: the same in all calls of the module around."""
        return self.module.removesuffix(f".{self.key}") if self.key else self.module


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

    @property
    def is_told(self) -> bool:
        """Whether it must be told a key: something inside has weights for each key."""
        return any(item.key or item.told == HANDED_ON for item in self.items)

    def own(self, borrowed: str) -> str:
        """The path of a module, relative to this one that holds it."""
        return relative(borrowed.removeprefix(BORROWED), self.module)


class Calls:
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
                    item.told = self._told(path, item.child)
            self.calls[path].items = _in_order(items[path])
            self._inputs(path, entering[path])
        root = self.calls[""]
        root.inputs = {node.name: node.name for node in self.tree.graph.graph_inputs}
        root.outputs = list(self.tree.graph.outputs.values())
        return self.calls

    def _crossings(self) -> tuple[dict[str, dict[str, Names]], dict[str, dict[str, None]]]:
        """What enters each scope, with all names it has inside, and what leaves it."""
        tree = self.tree
        entering: dict[str, dict[str, Names]] = defaultdict(lambda: defaultdict(dict))
        leaving: dict[str, dict[str, None]] = defaultdict(dict)
        for node in tree.nodes:
            inside = tree.chain(node.name)
            for edge in tree.edges[node.name]:
                outside = tree.chain(edge.source)
                shared = common(inside, outside)
                for path in inside[shared:]:
                    entering[path][edge.source][edge.name] = None
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
                    path = relative(child, around)
                    items[around][child] = Item(path, None, child, module, scope.location)
            here, form = chain[-1], tree.forms[node.name]
            module = self._reach(here, node.weights) if form.module else ""
            path = relative(node.name, here)
            operands = [edge.source for edge in tree.edges[node.name]]
            key = self._key(here, node, module)
            item = Item(path, form, "", module, node.location, operands, [node.name], key)
            items[here][node.name] = item
        return items

    def _key(self, here: str, node: Node, module: str) -> str:
        """The key that ends the path of a module, where the module around it is told that key."""
        key = self.tree.own_key(node)
        stem = module.removesuffix(f".{key}")
        alike = self.tree.keyed(here) == self.tree.keyed(node.scope)
        return key if key and alike and stem.isidentifier() else ""

    def _told(self, path: str, child: str) -> str:
        """The key that a child is told by the scope that calls it, if it asks for one."""
        if not self.calls[child].is_told:
            return ""
        keyed = self.tree.keyed(child)
        return HANDED_ON if keyed == self.tree.keyed(path) else self.tree.scopes[keyed].key

    def _reach(self, path: str, module: str) -> str:
        """How a scope names a module: relative to its own, or borrowed from a scope around it."""
        own = self.calls[path].module
        if not path or module.startswith(f"{own}."):
            return relative(module, own)
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
                local = relative(value, path)
                found = order.get(local, order.get(local.partition(".")[0], len(order)))
                return found, self.tree.position[value]

            call.outputs = sorted(leaving.get(path, ()), key=rank)  # type: ignore[arg-type]

    def _inputs(self, path: str, entering: Mapping[str, Names]) -> None:
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


def relative(name: str, scope: str) -> str:
    """A path as seen from a scope around it; a path from elsewhere stays as it is."""
    return name.removeprefix(f"{scope}.") if scope else name


def _declared_first(inputs: Mapping[str, Names], scope: Scope) -> dict[str, str]:
    """Inputs in the order in which the block declares them, others as first used.

    A value that has a declared name inside is that input. As many values as there are declared
    names left have those: a block's `x` is whatever the node around it calls that value.
    """
    free = dict.fromkeys(scope.inputs)
    chosen: dict[str, str] = {}
    for value, names in inputs.items():
        declared = [name for name in [*names, value.rpartition(".")[2]] if name in free]
        if declared:
            chosen[value] = declared[0]
            del free[declared[0]]
    left = [value for value in inputs if value not in chosen]
    if len(left) == len(free):
        chosen.update(zip(left, free, strict=True))
        left = []
    seen = set(chosen.values())
    for value in left:
        name = next(iter(inputs[value]))
        while name in seen:
            name += "_"
        seen.add(name)
        chosen[value] = name
    order = {name: i for i, name in enumerate(scope.inputs)}
    return dict(sorted(chosen.items(), key=lambda pair: order.get(pair[1], len(order))))


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
