"""Steps become operators, where the types of their operands are known.

The one place that knows what a step does to a value. `lower` uses it to build a graph;
`resolve-edges` and `prune-single-input` use it to ask for a type. What a block is made of is
the matter of `block_instance.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from archgraph.errors import Diagnostic, Location, SpecError
from archgraph.expressions import (
    Names,
    Scalar,
    Step,
    Value,
    expand_template,
    parse_step,
)
from archgraph.ir import (
    MAX_NODES,
    Block,
    Edge,
    FeatureType,
    Graph,
    Node,
    Settings,
)
from archgraph.ir.op import Op
from archgraph.ir.ops import OPERATORS
from archgraph.ir.signature import (
    ALIASES,
    BUILTIN_NAMES,
    INHERITED,
    SPLIT,
    alias_meaning,
    argument_kinds,
    make_operator,
    operator_fields,
    split_parts,
    too_many,
    unknown_argument,
    unknown_block,
)
from archgraph.passes.block_instance import BlockInstance
from archgraph.passes.context import (
    LIKE,
    Context,
    Operands,
    Path,
    Results,
    evaluate_argument,
    placed,
    repeats,
    single,
    with_first,
)

# Arguments that operators take from the settings where a step does not give them.
SETTABLE = ("padding", "init")


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
        # Who has a set of weights, and what for: others of that name must be the same.
        self.owners: dict[str, tuple[str, object]] = {}
        self.work = 0

    def add(
        self,
        path: Path,
        op: Op,
        operands: Sequence[str],
        context: Context,
        where: Location | None = None,
    ) -> str:
        """Add one operator and return its name.

        Raises:
            SpecError: the operands do not fit; placed at `where`, else at the context's place.
        """
        name, where = path.call, where or context.location
        if len(self.graph) >= MAX_NODES:
            message = f"the network has more than {MAX_NODES:,} operators"
            raise SpecError(Diagnostic("E304", message, where))
        most = op.arity[1]
        if most is not None and len(operands) > most:
            raise too_many(op.kind, most, len(operands), where)
        if len(operands) < op.arity[0]:
            message = f"'{op.kind}' needs {op.arity[0]} inputs, not {len(operands)}"
            raise SpecError(Diagnostic("E215", message, where))
        inputs = [self.types[operand] for operand in operands]
        try:
            self.types[name] = op.infer(inputs)
            self._own(path, op, inputs)
        except SpecError as error:
            raise placed(error, where) from None
        edges = [
            Edge(operand, context.aliases.get(operand) or operand.rpartition(".")[2])
            for operand in operands
        ]
        self.graph.add(Node(name, op, context.scope, path.module, context.location), edges)
        for operand in operands:
            self.readers.setdefault(operand, []).append(name)
        return name

    def _own(self, path: Path, op: Op, inputs: Sequence[FeatureType]) -> None:
        """Refuse weights of one name that are not the same weights."""
        weights = op.parameters(inputs)
        what = (op, weights) if weights else op
        owner, owned = self.owners.setdefault(path.module, (path.call, what))
        if owned != what:
            message = f"'{path.call}' shares the weights '{path.module}' of '{owner}',"
            hint = "what shares weights has equal operators, widths and conditions"
            raise SpecError(Diagnostic("E219", f"{message} but is not the same", None, hint))

    def chain(
        self, steps: Sequence[Step], operands: Operands, path: Path, context: Context
    ) -> Results:
        """Apply steps one after another, the first to all operands; one stands at `path` itself.

        Raises:
            SpecError: what `apply` raises, or a step with several results is not the last.
        """
        results: Results = {"": operands[0][1]}
        for i, step in enumerate(steps):
            if i:
                operands = [("", single(results, steps[i - 1], context))]
            here = path if len(steps) == 1 else path.child(str(i))
            results = self.apply(step, operands, here, context)
        return results

    def apply(self, step: Step, operands: Operands, path: Path, context: Context) -> Results:
        """Apply one step at `path`; a step whose condition is false gives its first operand.

        Raises:
            SpecError: the step is unknown, an argument is wrong or missing, or types do not fit.
        """
        names = self._names(operands, context, inherited=False)
        if step.when and not step.when.evaluate(names):
            return {"": operands[0][1]}
        if step.share:
            path = Path(path.call, Path("", context.owner).child(step.share).module)
        if step.repeat is None:
            return self._apply(step, operands, path, names, context)
        results: Results = {"": operands[0][1]}
        for i in range(repeats(step.repeat, names)):
            arguments = with_first(step) if i == 0 else step.arguments
            once = replace(step, arguments=arguments, repeat=None, first=())
            unit = names.get("unit")
            if isinstance(unit, int):
                names = {**names, "unit": unit + min(i, 1)}
            if i:
                operands = [("", single(results, step, context))]
            results = self._apply(once, operands, path.child(str(i)), names, context)
        return results

    def _apply(
        self, step: Step, operands: Operands, path: Path, names: Names, context: Context
    ) -> Results:
        meant = self._meaning(step, names, context.settings)
        if meant.use != step.use:  # an inherited step sees what arrives where it is used
            names = self._names(operands, context, inherited=True)
            if meant.when and not meant.when.evaluate(names):
                return {"": operands[0][1]}
            if step.use in context.own:
                path = Path(path.call, f"{path.module}.{context.key}")
        try:
            values = self._arguments(meant, names, context)
            if meant.use == SPLIT:
                return self._split(meant, values, operands, path, context)
            if meant.use in OPERATORS:
                return {"": self._operator(meant, values, operands, path, context)}
            block = BlockInstance(self, self.blocks[meant.use], path, context)
            return block.build(values, operands)
        except SpecError as error:
            if step.use not in INHERITED:
                raise
            raise _by_setting(error, step.use, context.settings) from None

    def _names(self, operands: Operands, context: Context, inherited: bool) -> dict[str, Value]:
        """What a step may name. In a block `x` is its input, elsewhere what the step is given."""
        names: dict[str, Value] = {**context.names, "settings": context.settings.attributes()}
        if inherited or "x" not in names:
            x = self.types[operands[0][1]]
            names["x"] = {"channels": x.channels, "level": x.level}
        return names

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
        operands: Operands,
        path: Path,
        context: Context,
    ) -> str:
        given = dict(values)
        where = step.location or context.location
        known = operator_fields(step.use)
        for name in SETTABLE:
            setting = getattr(context.settings, name)
            if setting and name in known and setting in known[name][1]:
                given.setdefault(name, setting)
        op = make_operator(step.use, given, where, step.arguments)
        read = self.by_port(step.use, op.ports, operands, context, where) if op.ports else operands
        return self.add(path, op, [value for _, value in read], context, step.location)

    def _split(
        self,
        step: Step,
        values: Mapping[str, Scalar | str],
        operands: Operands,
        path: Path,
        context: Context,
    ) -> Results:
        """One `slice` for each named part."""
        where = step.location or context.location
        if len(operands) > 1:
            raise too_many(step.use, 1, len(operands), where)
        x = operands[0][1]
        parts = split_parts(values, self.types[x].channels, where)
        return {
            name: self.add(path.child(name), part, [x], context, where)
            for name, part in parts.items()
        }

    def by_port(
        self,
        name: str,
        ports: Sequence[str],
        operands: Operands,
        context: Context,
        where: Location | None,
    ) -> Operands:
        """Operands in the order of the inputs of what reads them, each of which must be given.

        Raises:
            SpecError: E215 or E203, an input is missing; E112, there is no such input.
        """
        given = {port: value for port, value in operands if port}
        loose = [value for port, value in operands if not port or port not in ports]
        if loose and len(operands) == 1:
            given = {ports[0]: loose[0]}  # a single operand is the first input
        elif loose:
            unknown = next((port for port, _ in operands if port and port not in ports), "")
            wanted = ", ".join(f"{port}: ..." for port in ports)
            message = f"'{name}' has {len(ports)} inputs"
            message = f"'{name}' has no input '{unknown}'" if unknown else message
            hint = f"say which is which: from: {{{wanted}}}"
            raise SpecError(Diagnostic("E112" if unknown else "E215", message, where, hint))
        if LIKE in ports and LIKE not in given:
            if context.like is None:
                message = f"'{name}' needs a value of the target level, which only 'up' edges have"
                hint = f"in a node of its own: from: {{{ports[0]}: ..., like: ...}}"
                raise SpecError(Diagnostic("E203", message, where, hint))
            given[LIKE] = context.like
        missing = [port for port in ports if port not in given]
        if missing:
            message = f"'{name}' reads '{missing[0]}', which is not given"
            wanted = ", ".join(f"{port}: ..." for port in ports)
            raise SpecError(Diagnostic("E215", message, where, f"write 'from: {{{wanted}}}'"))
        return [(port, given[port]) for port in ports]


def _by_setting(error: SpecError, key: str, settings: Settings) -> SpecError:
    """The mistakes of an inherited step, with the place where the setting says it."""
    step = settings.act if key == "act" else settings.norm
    if step is None or step.location is None:
        return error
    said = f"by '{key}: {step.text}' ({step.location.file}:{step.location.line})"
    return SpecError([replace(d, message=f"{d.message}, {said}") for d in error.diagnostics])
