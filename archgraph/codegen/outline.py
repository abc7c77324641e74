"""From a flat graph to modules: what each one holds, what it is given, what it does in order.

    graph -> kept scopes -> calls (ordered items) -> instances (one per module path)

Several calls of one module are one instance; they must do the same, else they are written out
where they stand. A module that another one uses is handed to it like any other value.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

from archgraph.codegen.calls import BORROWED, Attribute, Calls, Instance, relative
from archgraph.codegen.forms import Form, literals
from archgraph.codegen.scopes import ScopeTree
from archgraph.errors import CodegenError, Diagnostic
from archgraph.ir import FeatureType, Graph, Scope


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
        calls = Calls(tree).run()
        different = _not_alike(calls) | {p for p in calls if p and not calls[p].outputs}
        if not different:
            instances = _instances(tree, calls)
            order = {module: i for i, module in enumerate(instances)}
            deepest = sorted(instances, key=lambda m: -m.count(".") if m else 1)
            return Outline(graph, tree.types, {m: instances[m] for m in deepest}, order)
        tree.dissolve(different)


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
        module = (item.shared, bool(item.key), item.told)
        items.append((what, module, operands, len(item.results)))
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
            attribute.path = relative(module, owner)
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
            parts = relative(module, owner).split(".")
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
