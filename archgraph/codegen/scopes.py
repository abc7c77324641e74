"""Which scopes of a graph become modules, and which are written out in the module around them.

    graph -> scope tree -> kept scopes: what a person would make a module of, called without circles

A scope that holds weights is kept; a small one without weights is dissolved, so that its
operators stand in the module around it. So is a scope that cannot be called in one piece, because
something outside reads part of it before it has all it reads. Scope records are hints: dissolving
one never changes what the network computes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from archgraph.codegen.forms import Form, form_of
from archgraph.ir import Graph, Node, Scope
from archgraph.ir.pyramid import Input

# A scope without weights is a module of its own from this many functions on.
WORTH_A_MODULE = 3


class ScopeTree:
    """The scopes of a graph with what stands in them.

    Attributes:
        nodes: the nodes in execution order.
        forms: how each operator is written, by node.
        scopes: all scopes by call path, list elements that are chains of operators included.
        kept: the scopes that are modules; the root is always among them.
    """

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.types = graph.infer_types()
        self.nodes = graph.order()
        self.position = {node.name: i for i, node in enumerate(self.nodes)}
        self.edges = {node.name: graph.inputs(node.name) for node in self.nodes}
        self.forms: dict[str, Form] = {}
        for node in self.nodes:
            if not isinstance(node.op, Input):
                operands = [self.types[edge.source] for edge in self.edges[node.name]]
                self.forms[node.name] = form_of(node.op, operands)
        self.scopes = {"": Scope("", graph.name), **graph.scopes}
        self._keyed: dict[str, str] = {}
        self.elements = self._elements()
        self.scopes.update(self.elements)
        self.parents = {path: self._around(path) for path in self.scopes if path}
        self.scope_of = {node.name: self._scope_of(node) for node in self.nodes}
        self.kept = self._worth_keeping()
        self._chains: dict[str, tuple[str, ...]] = {}

    # --- the tree --------------------------------------------------------------------------

    def _around(self, path: str) -> str:
        """The nearest scope around a path; containers such as `cells` have no record."""
        while path:
            path = path.rpartition(".")[0]
            if path in self.scopes:
                return path
        return ""

    def _scope_of(self, node: Node) -> str:
        """The innermost scope of a node: its own, or the list element inside that."""
        if isinstance(node.op, Input):
            return ""
        inner = self._around(node.name)
        if inner in self.elements:
            return inner
        return node.scope if node.scope in self.scopes else self._around(node.scope)

    def _elements(self) -> dict[str, Scope]:
        """Scopes for list elements that hold several operators: `tower.0` of `tower.0.1`."""
        modules: dict[str, set[str]] = defaultdict(set)
        scoped = [(path, scope.module, self._around(path)) for path, scope in self.scopes.items()]
        named = [
            (node.name, node.weights.removesuffix(f".{self.own_key(node)}"), node.scope)
            for node in self.nodes
        ]
        for name, module, scope in [*scoped, *named]:
            prefix = f"{scope}." if scope else ""
            if not name.startswith(prefix):
                continue
            parts = name.removeprefix(prefix).split(".")
            for i in range(1, len(parts) - 1):
                inside = ".".join(parts[i + 1 :])
                if parts[i].isdigit():
                    modules[prefix + ".".join(parts[: i + 1])].add(
                        module.removesuffix(f".{inside}") if module.endswith(f".{inside}") else ""
                    )
        found: dict[str, Scope] = {}
        for path, owners in modules.items():
            (module, *others) = owners
            if path not in self.scopes and module and not others:
                found[path] = Scope(path, path.split(".")[-2], inputs=("x",), module=module)
        return found

    # --- calls with a key ------------------------------------------------------------------

    def keyed(self, path: str) -> str:
        """The call with a key that a scope belongs to: itself or the nearest around it."""
        if path and path not in self._keyed:
            known = self.scopes.get(path)
            around = self.keyed(self._around(path))
            self._keyed[path] = path if known and known.key else around
        return self._keyed.get(path, "")

    def own_key(self, node: Node) -> str:
        """The key of the call that a node belongs to, if its weights are of that call only."""
        path = self.keyed(node.scope)
        scope = self.scopes[path]
        inside = node.name.removeprefix(f"{path}.")
        own = f"{scope.module}.{inside}.{scope.key}"
        return scope.key if path and node.weights == own else ""

    # --- what is worth a module ------------------------------------------------------------

    def _worth_keeping(self) -> set[str]:
        weighted: set[str] = {""}
        sizes: dict[str, int] = defaultdict(int)
        roles: dict[str, list[str]] = defaultdict(list)
        for node in self.nodes:
            form = self.forms.get(node.name)
            path = self.scope_of[node.name]
            for around in self._outwards(path):
                own = self.scopes[around].module
                if form and form.module is None:
                    sizes[around] += 1
                elif form and (not own or node.weights.startswith(f"{own}.")):
                    weighted.add(around)
            if form and not form.module:
                edge = next((p for p in self._outwards(path) if self._is_edge(p)), None)
                if edge is not None:
                    roles[edge].append(node.name.removeprefix(f"{edge}.").partition(".")[0])
        alike = {
            self._kin(path, roles[path]) for path in weighted if self._is_edge(path) and roles[path]
        }
        kept = {p for p in self.scopes if p in weighted or sizes[p] >= WORTH_A_MODULE}
        return kept | {
            path
            for path in self.scopes
            if self._is_edge(path)
            and self.parents[path] in kept
            and self._kin(path, roles[path]) in alike
        }

    def _is_edge(self, path: str) -> bool:
        return self.scopes[path].block == "edge" and bool(path)

    def _kin(self, path: str, roles: list[str]) -> tuple[str, ...]:
        """Edges that do the same, but for their weights: one class if any of them has weights."""
        return (self.scopes[self.parents[path]].block, *roles)

    def _outwards(self, path: str) -> Iterator[str]:
        """The scope itself and every scope around it, innermost first."""
        while path:
            yield path
            path = self.parents[path]
        yield ""

    # --- calls without circles -------------------------------------------------------------

    def chain(self, name: str) -> tuple[str, ...]:
        """The kept scopes around a node, outermost (the root) first."""
        return self.chain_to(self.scope_of[name])

    def chain_to(self, path: str) -> tuple[str, ...]:
        """The kept scopes around a scope and itself, if it is kept; outermost first."""
        if path not in self._chains:
            around = self.chain_to(self.parents[path]) if path else ()
            self._chains[path] = (*around, path) if path in self.kept else around
        return self._chains[path]

    def dissolve(self, paths: set[str]) -> None:
        """Write these scopes out in the modules around them."""
        self.kept -= paths - {""}
        self._chains.clear()

    def dissolve_circles(self) -> None:
        """Dissolve what cannot be called in one piece."""
        while stuck := self._in_circles():
            self.dissolve(stuck)

    def _in_circles(self) -> set[str]:
        """Kept scopes that depend on each other in a circle, seen from the module around them."""
        forward: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
        for node in self.nodes:
            inside = self.chain(node.name)
            for edge in self.edges[node.name]:
                outside = self.chain(edge.source)
                shared = common(inside, outside)
                here = inside[shared - 1]
                source = outside[shared] if shared < len(outside) else f"={edge.source}"
                reader = inside[shared] if shared < len(inside) else f"={node.name}"
                forward[here][source].add(reader)
        stuck: set[str] = set()
        for readers in forward.values():
            left = _peeled(_peeled(readers, reverse=False), reverse=True)
            stuck.update(path for path in left if not path.startswith("="))
        return stuck


def cell_of(path: str, block: str, graph: Graph) -> str:
    """The topology that a scope is one of the stacked cells of, if it is one."""
    while path:
        path = path.rpartition(".")[0]
        around = graph.scopes.get(path)
        name = around.block if around else "" if path else graph.name
        if name and block == f"{name}-cell":
            return name
    return ""


def common(one: tuple[str, ...], other: tuple[str, ...]) -> int:
    """How many scopes two chains share from the outside."""
    count = 0
    for a, b in zip(one, other, strict=False):
        if a != b:
            break
        count += 1
    return count


def _peeled(readers: dict[str, set[str]], reverse: bool) -> dict[str, set[str]]:
    """What is left when items that wait for nothing are taken away again and again."""
    edges: dict[str, set[str]] = defaultdict(set)
    waiting: dict[str, int] = defaultdict(int)
    for source, found in readers.items():
        for reader in found:
            start, end = (reader, source) if reverse else (source, reader)
            edges[start].add(end)
            waiting[end] += 1
            waiting[start] += 0
    ready = [name for name, count in waiting.items() if not count]
    gone: set[str] = set()
    while ready:
        name = ready.pop()
        gone.add(name)
        for end in edges[name]:
            waiting[end] -= 1
            if not waiting[end]:
                ready.append(end)
    return {s: found - gone for s, found in readers.items() if s not in gone and found - gone}
