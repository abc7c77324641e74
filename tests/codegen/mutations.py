"""Graphs that no spec would give, made from graphs that a spec gave; and texts made wrong.

A mutation of a graph gives another valid graph at stage OPERATORS, or None where it finds nothing
to change. Some change what the network computes, some only what the records of scopes say of it.
A mutation of a text gives a file that mostly is another network.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, replace
from random import Random
from typing import Literal, get_args, get_origin, get_type_hints

from archgraph.errors import ArchgraphError
from archgraph.expressions import Scalar
from archgraph.ir import Edge, FeatureType, Graph, Node, Scope, Template, verify
from archgraph.ir.op import Op
from archgraph.ir.ops import Activation, ActivationFunction, Add, BatchNorm
from archgraph.ir.pyramid import Input

Mutation = Callable[[Graph, Random], Graph | None]
# How many places a mutation tries before it gives up.
TRIES = 12


def is_valid(graph: Graph) -> bool:
    """Whether a graph keeps the rules of its stage."""
    try:
        verify(graph)
    except ArchgraphError:
        return False
    return True


def rebuilt(graph: Graph, change: Callable[[Node], Node]) -> Graph:
    """The graph with other nodes in the places of its own."""
    other = Graph(graph.name, graph.stage, graph.settings_at(""), graph.policy)
    other.scopes, other.templates = dict(graph.scopes), dict(graph.templates)
    for node in graph.order():
        other.add(change(node), graph.inputs(node.name))
    other.set_outputs(graph.outputs)
    return other


def shuffled(graph: Graph, random: Random) -> list[Node]:
    """The nodes but the inputs, in any order."""
    nodes = [node for node in graph if not isinstance(node.op, Input)]
    return random.sample(nodes, len(nodes))


def first_valid(candidates: Iterator[Graph]) -> Graph | None:
    """The first valid graph among the first few."""
    for graph, _ in zip(candidates, range(TRIES), strict=False):
        if is_valid(graph):
            return graph
    return None


def holds_tensors(op: Op, types: list[FeatureType]) -> bool:
    """Whether an operator has weights or statistics."""
    return bool(op.parameters(types)) or bool(op.buffers(types))


def operand_types(graph: Graph, types: Mapping[str, FeatureType], name: str) -> list[FeatureType]:
    """The types of a node's operands."""
    return [types[edge.source] for edge in graph.inputs(name)]


# --- what the network computes -------------------------------------------------------------


def other_field(graph: Graph, random: Random) -> Graph | None:
    """Another value in one field of one operator."""

    def candidates() -> Iterator[Graph]:
        for node in shuffled(graph, random):
            hints = get_type_hints(type(node.op))
            for field in random.sample(fields(node.op), len(fields(node.op))):
                if field.name in ("channels", "stride"):
                    continue
                for value in other_values(getattr(node.op, field.name), hints[field.name]):
                    other = graph.copy()
                    other.replace_op(node.name, replace(node.op, **{field.name: value}))
                    yield other

    return first_valid(candidates())


def other_values(value: object, hint: object) -> list[object]:
    """Other values that a field of this type may have."""
    if get_origin(hint) is Literal:
        return [other for other in get_args(hint) if other != value]
    match value:
        case bool():
            return [not value]
        case int():
            return [other for other in (value + 2, value - 2, 1) if other > 0]
        case float():
            return [value * 2 + 0.01]
    return []


def other_activation(graph: Graph, random: Random) -> Graph | None:
    """Another function in one activation, so that one of several equal blocks differs."""
    for node in shuffled(graph, random):
        if isinstance(node.op, Activation):
            other = graph.copy()
            functions: list[ActivationFunction] = ["relu", "gelu", "silu"]
            function = random.choice([f for f in functions if f != node.op.function])
            other.replace_op(node.name, replace(node.op, function=function))
            return other
    return None


def without(graph: Graph, name: str) -> Graph:
    """The graph without a node, whose readers read its first operand."""
    other = graph.copy()
    source = graph.inputs(name)[0].source
    for user in dict.fromkeys(user for user, _ in graph.users(name)):
        edges = [replace(e, source=source) if e.source == name else e for e in other.inputs(user)]
        other.set_inputs(user, edges)
    outputs = {label: source if n == name else n for label, n in graph.outputs.items()}
    other.set_outputs(outputs)
    other.remove(name)
    other.remove_unneeded()
    return other


def no_function(graph: Graph, random: Random) -> Graph | None:
    """One node without weights less."""
    types = graph.infer_types()
    plain = (
        node
        for node in shuffled(graph, random)
        if not holds_tensors(node.op, operand_types(graph, types, node.name))
    )
    return first_valid(without(graph, node.name) for node in plain)


def no_batch_norm(graph: Graph, random: Random) -> Graph | None:
    """One norm less."""
    norms = (node for node in shuffled(graph, random) if isinstance(node.op, BatchNorm))
    return first_valid(without(graph, node.name) for node in norms)


def many_norms_less(graph: Graph, random: Random) -> Graph | None:
    """Every fifth norm less, as if weights had been folded."""
    norms = [node.name for node in shuffled(graph, random) if isinstance(node.op, BatchNorm)]
    for name in norms[: max(len(norms) // 5, 1)]:
        graph = without(graph, name)
    return graph if norms and is_valid(graph) else None


def extra_output(graph: Graph, random: Random) -> Graph | None:
    """A value inside becomes a result, first or last."""
    name = shuffled(graph, random)[0].name
    other = graph.copy()
    first, last = {"extra": name, **graph.outputs}, {**graph.outputs, "extra": name}
    other.set_outputs(random.choice([first, last]))
    return other


def swapped_outputs(graph: Graph, random: Random) -> Graph | None:
    """The results in another order."""
    labels = list(graph.outputs)
    other = graph.copy()
    other.set_outputs({label: graph.outputs[label] for label in random.sample(labels, len(labels))})
    return other


def read_across(graph: Graph, random: Random) -> Graph | None:
    """A node reads a value of the same type from elsewhere."""
    types = graph.infer_types()
    names = list(types)

    def candidates() -> Iterator[Graph]:
        for node in shuffled(graph, random):
            earlier = names[: names.index(node.name)]
            for i, edge in enumerate(graph.inputs(node.name)):
                sources = [
                    name
                    for name in earlier
                    if types[name] == types[edge.source] and graph[name].scope != node.scope
                ]
                if sources:
                    edges = list(graph.inputs(node.name))
                    edges[i] = Edge(random.choice(sources), edge.name)
                    other = graph.copy()
                    other.set_inputs(node.name, edges)
                    yield other

    return first_valid(candidates())


def added_across(graph: Graph, random: Random) -> Graph | None:
    """A new sum of a value and an earlier one of another block."""
    types = graph.infer_types()
    names = list(types)
    for node in shuffled(graph, random):
        earlier = names[: names.index(node.name)]
        sources = [name for name in earlier if types[name] == types[node.name]]
        users = graph.users(node.name)
        if sources and users:
            other = graph.copy()
            edges = [Edge(node.name, "x"), Edge(random.choice(sources), "tap")]
            tapped = (f"{node.scope}." if node.scope else "") + f"tapped{len(graph)}"
            other.add(Node(tapped, Add(), node.scope), edges)
            user, position = random.choice(users)
            inputs = list(graph.inputs(user))
            inputs[position] = replace(inputs[position], source=tapped)
            other.set_inputs(user, inputs)
            return other if is_valid(other) else None
    return None


def swapped_operands(graph: Graph, random: Random) -> Graph | None:
    """Two operands of a node change places."""

    def candidates() -> Iterator[Graph]:
        for node in shuffled(graph, random):
            edges = list(graph.inputs(node.name))
            if len(edges) > 1:
                other = graph.copy()
                other.set_inputs(node.name, [edges[1], edges[0], *edges[2:]])
                yield other

    return first_valid(candidates())


def repeated_operand(graph: Graph, random: Random) -> Graph | None:
    """A node reads an operand once more."""

    def candidates() -> Iterator[Graph]:
        for node in shuffled(graph, random):
            edges = list(graph.inputs(node.name))
            if node.op.arity[1] is None:
                other = graph.copy()
                other.set_inputs(node.name, [*edges, random.choice(edges)])
                yield other

    return first_valid(candidates())


# --- where the weights live ----------------------------------------------------------------


def shared_weights(graph: Graph, random: Random) -> Graph | None:
    """Two equal nodes have one set of weights."""
    types = graph.infer_types()
    groups: dict[object, list[str]] = {}
    for node in graph:
        operands = operand_types(graph, types, node.name)
        if not isinstance(node.op, Input) and holds_tensors(node.op, operands):
            widths = tuple(type_.channels for type_ in operands)
            groups.setdefault((node.op, widths), []).append(node.name)
    pairs = [names for names in groups.values() if len(names) > 1]
    if not pairs:
        return None
    one, two = random.sample(random.choice(pairs), 2)
    weights = graph[one].weights
    other = rebuilt(graph, lambda n: replace(n, weights=weights) if n.name == two else n)
    return other if is_valid(other) else None


def moved_weights(graph: Graph, random: Random) -> Graph | None:
    """The weights of one node have a path that says nothing of where it stands."""
    name = shuffled(graph, random)[0].name
    path = random.choice(["elsewhere", "one.more", "deep.er.still", f"{name}.own"])
    return rebuilt(graph, lambda n: replace(n, weights=path) if n.name == name else n)


# --- what the records say ------------------------------------------------------------------


def no_scopes(graph: Graph, random: Random) -> Graph | None:
    """No records at all."""
    other = rebuilt(graph, lambda n: replace(n, scope="", weights=n.weights))
    other.scopes = {"": Scope("", graph.name)}
    other.templates = {}
    return other


def one_scope_less(graph: Graph, random: Random) -> Graph | None:
    """One record is gone; what stood in it stands in the scope around it."""
    paths = [path for path in graph.scopes if path]

    def candidates() -> Iterator[Graph]:
        for path in random.sample(paths, len(paths)):
            around = path
            while around and (around == path or around not in graph.scopes):
                around = around.rpartition(".")[0]
            move = replace_scope(path, around)
            other = rebuilt(graph, move)
            del other.scopes[path]
            yield other

    return first_valid(candidates())


def replace_scope(path: str, other: str) -> Callable[[Node], Node]:
    """Nodes of one scope stand in another."""
    return lambda node: replace(node, scope=other) if node.scope == path else node


def wrong_scope(graph: Graph, random: Random) -> Graph | None:
    """One node stands in a scope that is not its own."""
    name = shuffled(graph, random)[0].name
    path = random.choice(list(graph.scopes))
    return rebuilt(graph, lambda n: replace(n, scope=path) if n.name == name else n)


def wrong_arguments(graph: Graph, random: Random) -> Graph | None:
    """Arguments of scopes have other values, other names, other places."""
    other = graph.copy()
    values: list[Scalar | str] = [1, 2, 3, 64, 0.5, True, False, "sum", "relu"]
    for path, scope in graph.scopes.items():
        found = [(n, random.choice([v, random.choice(values)])) for n, v in scope.arguments]
        found += [(random.choice(["kernel", "channels", "k", "x"]), random.choice(values))]
        shuffled_arguments = random.sample(found, len(found))
        other.scopes[path] = replace(scope, arguments=tuple(dict(shuffled_arguments).items()))
    return other


def wrong_interfaces(graph: Graph, random: Random) -> Graph | None:
    """The names of what enters and leaves scopes are others, in other orders."""
    other = graph.copy()
    for path, scope in graph.scopes.items():
        if random.random() < 0.5:
            names = ["x", "y", "in3", *scope.inputs, *scope.outputs]
            inputs = random.sample(names, random.randrange(len(names)))
            outputs = random.sample(names, random.randrange(len(names)))
            other.scopes[path] = replace(
                scope,
                inputs=tuple(dict.fromkeys(inputs)),
                outputs=tuple(dict.fromkeys(outputs)),
            )
    return other


def wrong_blocks(graph: Graph, random: Random) -> Graph | None:
    """Scopes say that they are of another block, so that unlike ones have one name."""
    other = graph.copy()
    blocks = [scope.block for scope in graph.scopes.values()] + ["fast-fusion", "other"]
    for path, scope in graph.scopes.items():
        if random.random() < 0.3:
            other.scopes[path] = replace(scope, block=random.choice(blocks))
    return other


EXPRESSIONS = (
    "channels + 1,kernel,1,x.channels * 2,kernel == 3,stride == 1,false,channels // 0".split(",")
)


def wrong_templates(graph: Graph, random: Random) -> Graph | None:
    """What blocks say of their nodes is false, missing, or said of another block."""
    other = graph.copy()
    templates = list(graph.templates.values()) or [Template("other")]
    for block in dict.fromkeys(scope.block for scope in graph.scopes.values()):
        known = graph.templates.get(block, random.choice(templates))
        texts = [
            (key, random.choice([text, random.choice(EXPRESSIONS)]))
            for key, text in known.expressions
            if random.random() < 0.8
        ]
        texts += [(f"{n}.{a}", random.choice(EXPRESSIONS)) for n, a in [("conv", "kernel")]]
        texts += [("norm.when", random.choice(EXPRESSIONS))]
        defaults = [
            (name, random.choice([text, None, "1", "3", "x"])) for name, text in known.defaults
        ]
        other.templates[block] = Template(block, tuple(defaults), tuple(dict(texts).items()))
    return other


def wrong_modules(graph: Graph, random: Random) -> Graph | None:
    """Scopes say that their modules are those of others."""
    other = graph.copy()
    paths = [path for path in graph.scopes if path]
    for path in paths:
        if random.random() < 0.3:
            other.scopes[path] = replace(graph.scopes[path], module=random.choice(paths))
    return other


ALL: tuple[Mutation, ...] = (
    other_field, other_activation, no_function, no_batch_norm, many_norms_less, extra_output,
    swapped_outputs, read_across, added_across, swapped_operands, repeated_operand,
    shared_weights, moved_weights, no_scopes, one_scope_less, wrong_scope, wrong_arguments,
    wrong_interfaces, wrong_blocks, wrong_templates, wrong_modules,
)  # fmt: skip
MUTATIONS: Mapping[str, Mutation] = {mutation.__name__: mutation for mutation in ALL}
