"""Blocks become operators: steps are evaluated where their input types are known.

The one place that knows what a step does to a value. `lower` uses it to build a graph;
`resolve-edges` and `prune-single-input` use it to ask for a type.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from archgraph.errors import Diagnostic, Location, SpecError, suggest
from archgraph.expressions import (
    Argument,
    Entry,
    Function,
    Names,
    Scalar,
    Step,
    Value,
    expand_template,
    parse_expression,
    parse_step,
    scalar_text,
)
from archgraph.ir import (
    MAX_NODES,
    NUMBER,
    Block,
    BlockNode,
    BlockParameter,
    Edge,
    FeatureType,
    Graph,
    Node,
    Scope,
    Settings,
    Stage,
)
from archgraph.ir.op import Op
from archgraph.ir.ops import OPERATORS
from archgraph.ir.pyramid import Input
from archgraph.ir.settings import INHERIT
from archgraph.ir.signature import (
    ALIASES,
    BUILTIN_NAMES,
    INHERITED,
    alias_meaning,
    argument_kinds,
    make_operator,
    operator_fields,
    unknown_argument,
    unknown_block,
)

# Blocks in blocks: deeper than any network needs, and no danger to the stack.
MAX_DEPTH = 64


@dataclass(frozen=True)
class Context:
    """What a step sees besides its operands: names, inherited settings, where it stands.

    `override` are the settings written where a block is used, which count before the block's
    own. `like` is the value whose size `resize` takes; `aliases` are the names under which the node
    knows values from outside, which become the names of edges.
    """

    names: Names
    settings: Settings
    scope: str
    location: Location | None
    override: Settings = INHERIT
    like: str | None = None
    aliases: Mapping[str, str] = field(default_factory=dict)
    depth: int = 0


class Builder:
    """Adds the operators of steps to a graph, keeping the type of every value.

    Args:
        graph: the graph at stage OPERATORS that grows.
        blocks: the templates that steps may name.
    """

    def __init__(self, graph: Graph, blocks: Mapping[str, Block]) -> None:
        self.graph = graph
        self.blocks = blocks
        self.types: dict[str, FeatureType] = {}
        self.readers: dict[str, list[str]] = {}

    def add(
        self,
        name: str,
        op: Op,
        operands: Sequence[str],
        context: Context,
        where: Location | None = None,
    ) -> str:
        """Add one operator and return its name.

        Raises:
            SpecError: the operands do not fit; placed at `where`, else at the context's place.
        """
        where = where or context.location
        if len(self.graph) >= MAX_NODES:
            message = f"the network has more than {MAX_NODES:,} operators"
            raise SpecError(Diagnostic("E304", message, where))
        most = op.arity[1]
        if most is not None and len(operands) > most:
            raise _too_many(op.kind, most, len(operands), where)
        if len(operands) < op.arity[0]:
            message = f"'{op.kind}' needs {op.arity[0]} inputs, not {len(operands)}"
            raise SpecError(Diagnostic("E215", message, where))
        try:
            self.types[name] = op.infer([self.types[operand] for operand in operands])
        except SpecError as error:
            raise placed(error, where) from None
        edges = [
            Edge(operand, context.aliases.get(operand) or operand.rpartition(".")[2])
            for operand in operands
        ]
        self.graph.add(Node(name, op, context.scope, name, context.location), edges)
        for operand in operands:
            self.readers.setdefault(operand, []).append(name)
        return name

    def chain(
        self, steps: Sequence[Step], operands: Sequence[str], path: str, context: Context
    ) -> str:
        """Apply steps one after another, the first to all operands; one stands at `path` itself."""
        for i, step in enumerate(steps):
            here = path if len(steps) == 1 else f"{path}.{i}"
            operands = [self.apply(step, operands, here, context)]
        return operands[0]

    def apply(self, step: Step, operands: Sequence[str], path: str, context: Context) -> str:
        """Apply one step at `path`; a step whose condition is false gives its first operand.

        Raises:
            SpecError: the step is unknown, an argument is wrong or missing, or types do not fit.
        """
        x = self.types[operands[0]]
        names: dict[str, Value] = {**context.names, "settings": context.settings.attributes()}
        names["x"] = {"channels": x.channels, "level": x.level}
        if step.when and not step.when.evaluate(names):
            return operands[0]
        step = self._meaning(step, names, context.settings)
        if step.when and not step.when.evaluate(names):
            return operands[0]  # an inherited step has a condition of its own
        values = self._arguments(step, names, context)
        if step.use in OPERATORS:
            return self._operator(step, values, operands, path, context)
        return self._block(self.blocks[step.use], values, operands, path, context)

    def _meaning(self, step: Step, names: Names, settings: Settings) -> Step:
        """What `<parameter>`, `act`, `norm` and the names of activations stand for."""
        if step.use.startswith("<"):
            inserted = parse_step(expand_template(step.use, names, step.location))
            arguments = (*inserted.arguments, *step.arguments)
            step = replace(inserted, arguments=arguments, location=step.location)
        if step.use in INHERITED:
            inherited = settings.act if step.use == "act" else settings.norm
            self._refuse_arguments(step)
            if inherited is not None:
                step = replace(inherited, location=step.location)
        if step.use in ALIASES:
            self._refuse_arguments(step)
            step = alias_meaning(step)
        return step

    def _refuse_arguments(self, step: Step) -> None:
        known = argument_kinds(step, self.blocks) or {}
        for argument in step.arguments:
            if argument.key not in known:
                where = argument.location or step.location
                raise unknown_argument(step, argument.key, list(known), where)

    def _arguments(self, step: Step, names: Names, context: Context) -> Mapping[str, Scalar | str]:
        kinds = argument_kinds(step, self.blocks)
        where = step.location or context.location
        if kinds is None:
            known = BUILTIN_NAMES | set(self.blocks)
            raise SpecError(unknown_block(step.use, known, where))
        for argument in step.arguments:
            if argument.key not in kinds:
                raise unknown_argument(step, argument.key, list(kinds), argument.location or where)
        return {a.key: evaluate_argument(a, kinds[a.key], names) for a in step.arguments}

    def _operator(
        self,
        step: Step,
        values: Mapping[str, Scalar | str],
        operands: Sequence[str],
        path: str,
        context: Context,
    ) -> str:
        given = dict(values)
        if "padding" in operator_fields(step.use) and context.settings.padding:
            given.setdefault("padding", context.settings.padding)
        op = make_operator(step.use, given, step.location or context.location)
        if op.ports == ("x", "like") and len(operands) == 1:
            if context.like is None:
                message = (
                    f"'{op.kind}' needs a value of the target level, which only 'up' edges have"
                )
                raise SpecError(Diagnostic("E203", message, step.location or context.location))
            operands = [operands[0], context.like]
        return self.add(path, op, operands, context, step.location)

    def _block(
        self,
        block: Block,
        values: Mapping[str, Scalar | str],
        operands: Sequence[str],
        path: str,
        context: Context,
    ) -> str:
        x = self.types[operands[0]]
        settings = context.settings.updated(block.settings).updated(context.override)
        if len(operands) > 1:
            raise _too_many(block.name, 1, len(operands), context.location)
        if context.depth > MAX_DEPTH:
            message = f"more than {MAX_DEPTH} blocks stand inside one another"
            raise SpecError(Diagnostic("E110", message, context.location))
        names: dict[str, Value] = {
            "x": {"channels": x.channels, "level": x.level},
            "settings": settings.attributes(),
        }
        try:
            arguments = self._bind(block, values, names, context.location)
            self._define(block, names)
            inner = replace(
                context,
                names=names,
                settings=settings,
                scope=path,
                override=INHERIT,
                depth=context.depth + 1,
            )
            existing: dict[str, str] = {"x": operands[0]}
            latest = operands[0]
            for node in block.walk():
                if node.when is None or node.when.evaluate(names):
                    latest = self._block_node(node, existing, latest, path, inner)
                    existing[node.name] = latest
            result = latest
            if "" in block.outputs:
                result = existing[_choose(block.outputs[""], existing, block.location) or "x"]
        except SpecError as error:
            raise self._blame_use(error, block, context.location) from None
        names_out = tuple(name for name, value in existing.items() if value == result)[-1:]
        inputs = ("x", "like") if self._measures(path, operands[0], context.like) else ("x",)
        scope = Scope(path, block.name, arguments, inputs, names_out, context.location, block.doc)
        self.graph.scopes[path] = scope
        return result

    def _measures(self, path: str, x: str, like: str | None) -> bool:
        """Whether a block instance reads, besides its input, the value whose size `up` takes."""
        if like is None or like == x:
            return False
        return any(name.startswith(f"{path}.") for name in self.readers.get(like, ()))

    def _blame_use(self, error: SpecError, block: Block, use: Location | None) -> SpecError:
        """Errors inside a block are placed where it is used: that is what the user wrote."""
        moved: list[Diagnostic] = []
        for found in error.diagnostics:
            inside = f"in block '{block.name}'"
            if found.location and found.location != use:
                inside += f" ({found.location.file}:{found.location.line})"
            if inside.split(" (")[0] in found.message or use is None:
                moved.append(found)
            else:
                moved.append(replace(found, message=f"{found.message}, {inside}", location=use))
        return SpecError(moved)

    def _bind(
        self,
        block: Block,
        values: Mapping[str, Scalar | str],
        names: dict[str, Value],
        where: Location | None,
    ) -> tuple[tuple[str, Scalar | str], ...]:
        """Parameters of a block instance: given, else default; each default sees the earlier."""
        for parameter in block.parameters:
            names[parameter.name] = self._parameter(block, parameter, values, names, where)
        return tuple(
            (p.name, value)
            for p in block.parameters
            if isinstance(value := names[p.name], bool | int | float | str)
        )

    def _parameter(
        self,
        block: Block,
        parameter: BlockParameter,
        values: Mapping[str, Scalar | str],
        names: Names,
        where: Location | None,
    ) -> Scalar | str:
        if parameter.name in values:
            return values[parameter.name]
        if parameter.default is None:
            message = f"'{block.name}' needs '{parameter.name}'"
            hint = f"write '{block.name} {parameter.name}=...'"
            raise SpecError(Diagnostic("E111", message, where, hint))
        if isinstance(parameter.default, str):
            return parameter.default
        return parameter.default.evaluate(names)

    def _define(self, block: Block, names: dict[str, Value]) -> None:
        for definition in block.definitions:
            if definition.parameters is None:
                names[definition.name] = definition.body.evaluate(names)
            else:
                names[definition.name] = Function(
                    definition.parameters, definition.body, dict(names)
                )

    def _block_node(
        self, node: BlockNode, existing: Mapping[str, str], latest: str, path: str, context: Context
    ) -> str:
        operands = [latest]
        if node.inputs is not None:
            chosen = [_choose(each.entry, existing, node.location) for each in node.inputs]
            operands = [existing[name] for name in chosen if name is not None]
            if not operands:
                message = f"no input of node '{node.name}' exists"
                raise SpecError(Diagnostic("E118", message, node.location))
        settings = context.settings.updated(node.settings)
        inner = replace(context, settings=settings, override=node.settings, location=node.location)
        return self.chain(node.use, operands, f"{path}.{node.name}", inner)


def evaluate_argument(argument: Argument, kind: str, names: Names) -> Scalar | str:
    """The value of a step's argument: an expression for a number, a template for a word."""
    if kind == NUMBER:
        return parse_expression(argument.text, argument.location).evaluate(names)
    return expand_template(argument.text, names, argument.location)


def concrete(step: Step, names: Names, blocks: Mapping[str, Block]) -> Step:
    """The step with every argument evaluated and its condition, which holds, dropped."""
    kinds = argument_kinds(step, blocks) or {}
    arguments: list[Argument] = []
    for argument in step.arguments:
        value = evaluate_argument(argument, kinds.get(argument.key, NUMBER), names)
        text = value if isinstance(value, str) else scalar_text(value)
        arguments.append(Argument(argument.key, text, argument.location))
    return Step(step.use, tuple(arguments), None, step.location)


def infer_chain(
    steps: Sequence[Step],
    operands: Sequence[FeatureType],
    blocks: Mapping[str, Block],
    context: Context,
    like: FeatureType | None = None,
) -> FeatureType:
    """The type that a chain of steps gives, without keeping what was built."""
    builder = Builder(Graph("scratch", Stage.OPERATORS), blocks)
    for i, operand in enumerate(operands):
        builder.add(f"x{i}", Input(operand.level, operand.channels), (), context)
    if like:
        builder.add("like", Input(like.level, like.channels), (), context)
        context = replace(context, like="like")
    operand_names = [f"x{i}" for i in range(len(operands))]
    value = builder.chain(steps, operand_names, "y", context)
    return builder.types[value]


def _too_many(name: str, most: int, given: int, where: Location | None) -> SpecError:
    inputs = "1 input" if most == 1 else f"{most} inputs"
    hint = "a 'fuse' node takes any number of inputs" if most == 1 else ""
    return SpecError(Diagnostic("E215", f"'{name}' takes {inputs}, not {given}", where, hint))


def placed(error: SpecError, where: Location | None) -> SpecError:
    """The same mistakes, placed at `where` if they have no place yet."""
    return SpecError([replace(d, location=d.location or where) for d in error.diagnostics])


def _choose(entry: Entry, existing: Mapping[str, str], where: Location | None) -> str | None:
    """The first candidate that exists; None for an optional entry without one."""
    for name in entry.candidates:
        if name in existing:
            return name
    if entry.optional:
        return None
    missing = entry.candidates[-1]
    hint = suggest(missing, existing, "values here")
    raise SpecError(Diagnostic("E102", f"there is no '{missing}' here", where, hint))
