"""One use of a block: its parameters bound, its nodes laid out, its operators built."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from archgraph.errors import Diagnostic, Location, SpecError, suggest
from archgraph.expressions import (
    Entry,
    Function,
    Names,
    Scalar,
    Value,
    expand_template,
)
from archgraph.expressions.template import could_be
from archgraph.ir import Block, BlockGroup, BlockNode, BlockParameter, Scope, Variant
from archgraph.ir.settings import INHERIT
from archgraph.ir.signature import VARIANT, too_many
from archgraph.passes.context import LIKE, Context, Operands, Path, Results, repeats
from archgraph.passes.templates import template_of
from archgraph.spec import name_fault

if TYPE_CHECKING:
    from archgraph.passes.instantiate import Builder

# Blocks in blocks: deeper than any network needs, and no danger to the stack.
MAX_DEPTH = 64
# Rounds of loops in one network, those whose nodes do not exist included.
MAX_WORK = 1_000_000


@dataclass(frozen=True)
class _Planned:
    """A node that exists: what it is called, what it may name, how often it is repeated."""

    node: BlockNode
    name: str
    names: Names
    count: int | None


class BlockInstance:
    """Builds one use of a block.

    Args:
        builder: the graph that grows.
        block: the template.
        path: where the instance stands.
        context: what it is given from around it.
    """

    def __init__(self, builder: Builder, block: Block, path: Path, context: Context) -> None:
        self.builder = builder
        self.block = block
        self.path = path
        self.outer = context
        self.where = context.location
        self.variant = Variant()
        self.names: dict[str, Value] = {}
        # Everything that entries may name so far: inputs, nodes, results of nodes.
        self.values: dict[str, str] = {}
        # How many read, before the instance is built, the value whose size `up` takes.
        self.measured = len(builder.readers.get(context.like or "", ()))
        # Names of nodes with several results, which cannot be read without saying which.
        self.several: dict[str, tuple[str, ...]] = {}

    def build(self, arguments: Mapping[str, Scalar | str], operands: Operands) -> Results:
        """Add the operators of the block and give its results.

        Raises:
            SpecError: whatever is wrong inside, placed where the block is used.
        """
        if self.outer.depth > MAX_DEPTH:
            message = f"more than {MAX_DEPTH} blocks stand inside one another"
            raise SpecError(Diagnostic("E110", message, self.where))
        read = self._inputs(operands)
        try:
            shown = self._bind(arguments)
            context = self._context()
            latest = operands[0][1]
            for planned in self._plan():
                latest = self._add(planned, latest, context)
            results = self._results(latest)
        except SpecError as error:
            raise self._blame_use(error) from None
        self._record(shown, read, results)
        return results

    # --- what enters -----------------------------------------------------------------------

    def _inputs(self, operands: Operands) -> Operands:
        """Give the inputs their values; returns them by name."""
        block, builder = self.block, self.builder
        if block.variadic:
            (name,) = block.inputs
            read = [(f"{name}{i}", value) for i, (_, value) in enumerate(operands)]
        elif len(block.inputs) == 1:
            if len(operands) > 1:
                raise too_many(block.name, 1, len(operands), self.where)
            read = [(block.inputs[0], operands[0][1])]
        else:
            given = builder.by_port(block.name, block.inputs, operands, self.outer, self.where)
            read = list(given)
        self.values.update(read)
        for name, value in read if not block.variadic else [(block.inputs[0], read[0][1])]:
            x = builder.types[value]
            self.names[name] = {"channels": x.channels, "level": x.level}
        if block.variadic:
            first = builder.types[read[0][1]]
            found = {"channels": first.channels, "level": first.level, "count": len(read)}
            self.names[block.inputs[0]] = found
        return read

    def _bind(self, values: Mapping[str, Scalar | str]) -> tuple[tuple[str, Scalar | str], ...]:
        """Parameters, then `let`; what was given counts before the variant's, then defaults."""
        block = self.block
        chosen = values.get(VARIANT) if block.variants else None
        if isinstance(chosen, str):
            if chosen not in block.variants:
                hint = suggest(chosen, block.variants, "variants")
                message = f"'{block.name}' has no variant '{chosen}'"
                raise SpecError(Diagnostic("E123", message, self.where, hint))
            self.variant = block.variants[chosen]
        settings = self.outer.settings.updated(block.settings).updated(self.variant.settings)
        self.settings = settings.updated(self.outer.override)
        self.names["settings"] = self.settings.attributes()
        for parameter in block.parameters:
            self.names[parameter.name] = self._parameter(parameter, values)
        for definition in block.definitions:
            name, body = definition.name, definition.body
            row = self.variant.values.get(name)
            if row is not None and not isinstance(row, str):
                self.names[name] = row.evaluate(self.names)
            elif definition.parameters is None:
                self.names[name] = body.evaluate(self.names)
            else:
                self.names[name] = Function(definition.parameters, body, dict(self.names))
        shown = ((p.name, self.names[p.name]) for p in block.parameters)
        return tuple((n, v) for n, v in shown if isinstance(v, bool | int | float | str))

    def _parameter(
        self, parameter: BlockParameter, values: Mapping[str, Scalar | str]
    ) -> Scalar | str:
        if parameter.name in values:
            return values[parameter.name]
        default = self.variant.values.get(parameter.name, parameter.default)
        if default is None:
            message = f"'{self.block.name}' needs '{parameter.name}'"
            hint = f"write '{self.block.name} {parameter.name}=...'"
            raise SpecError(Diagnostic("E111", message, self.where, hint))
        return default if isinstance(default, str) else default.evaluate(self.names)

    def _context(self) -> Context:
        return replace(
            self.outer,
            names=self.names,
            settings=self.settings,
            scope=self.path.call,
            override=INHERIT,
            depth=self.outer.depth + 1,
            owner=self.path.module,
        )

    # --- nodes -----------------------------------------------------------------------------

    def _plan(self) -> Sequence[_Planned]:
        """The nodes that exist, in order, with `unit` and `units` counted over repetitions."""
        found = list(self._lay_out(self.block.nodes, self.names))
        units = sum(planned.count or 0 for planned in found)
        if not units:
            return found
        done: list[_Planned] = []
        unit = 0
        for planned in found:
            if planned.count is not None:
                names = {**planned.names, "unit": unit, "units": units}
                planned = replace(planned, names=names)
                unit += planned.count or 0
            done.append(planned)
        return done

    def _lay_out(self, items: Sequence[BlockNode | BlockGroup], names: Names) -> Iterator[_Planned]:
        for item in items:
            rounds: Sequence[Names] = [names]
            if item.loop:
                variable = item.loop.variable
                rounds = [{**names, variable: value} for value in item.loop.values(names)]
            for inner in rounds:
                self._spend()
                if item.when and not item.when.evaluate(inner):
                    continue
                if isinstance(item, BlockGroup):
                    yield from self._lay_out(item.nodes, inner)
                    continue
                repeat = item.use[0].repeat if len(item.use) == 1 else None
                count = repeats(repeat, {**inner, "unit": 0, "units": 0}) if repeat else None
                if count != 0:
                    name = expand_template(item.name, inner, item.location)
                    yield _Planned(item, name, inner, count)

    def _spend(self) -> None:
        self.builder.work += 1
        if self.builder.work > MAX_WORK:
            message = f"this takes too long: loops make more than {MAX_WORK:,} rounds"
            raise SpecError(Diagnostic("E304", message, self.where))

    def _add(self, planned: _Planned, latest: str, context: Context) -> str:
        """Build one node; returns the value that a node after it reads by default."""
        node, name = planned.node, planned.name
        if name in self.values or name in self.several:
            message = f"'{name}' is already a node"
            raise SpecError(Diagnostic("E104", message, node.location))
        if name != node.name and (fault := name_fault(name, node.location)):
            raise SpecError(fault)
        operands = self._operands(planned, latest)
        inner = replace(
            context,
            names=planned.names,
            settings=context.settings.updated(node.settings),
            override=node.settings,
            location=node.location,
        )
        share = expand_template(node.share, planned.names, node.location)
        path = self.path.child(name, share)
        results = self.builder.chain(node.use, operands, path, inner)
        if "" in results:
            self.values[name] = results[""]
            return results[""]
        self.several[name] = tuple(results)
        self.values.update({f"{name}.{key}": value for key, value in results.items()})
        return next(iter(results.values()))

    def _operands(self, planned: _Planned, latest: str) -> Operands:
        if planned.node.inputs is None:
            return [("", latest)]
        operands: list[tuple[str, str]] = []
        for operand in planned.node.inputs:
            rounds: Sequence[Names] = [planned.names]
            if operand.loop:
                variable, values = operand.loop.variable, operand.loop.values(planned.names)
                rounds = [{**planned.names, variable: value} for value in values]
            for names in rounds:
                self._spend()
                value = self._choose(operand.entry, names, planned.node.location)
                if value is not None:
                    operands.append((operand.port, value))
        if not operands:
            message = f"no input of node '{planned.name}' exists"
            raise SpecError(Diagnostic("E118", message, planned.node.location))
        return operands

    def _choose(self, entry: Entry, names: Names, where: Location | None) -> str | None:
        """The first candidate that exists; None for an optional entry without one."""
        name = ""
        for candidate in entry.candidates:
            name = expand_template(candidate, names, where)
            if name in self.values:
                return self.values[name]
            if name in self.several:
                results = self.several[name]
                hint = f"write '{name}.{results[0]}'"
                message = f"'{name}' has the results {', '.join(results)}; say which"
                raise SpecError(Diagnostic("E220", message, where, hint))
        if entry.optional:
            return None
        hint = suggest(name, self.values, "values here")
        if any(could_be(node.name, name) for node in self.block.walk()):
            optional = f"maybe {' else '.join(entry.candidates)}"
            hint = f"its 'for' or 'when' leaves it out; if it need not exist, write '{optional}'"
        raise SpecError(Diagnostic("E102", f"there is no '{name}' here", where, hint))

    # --- what leaves -----------------------------------------------------------------------

    def _results(self, latest: str) -> Results:
        if not self.block.outputs:
            return {"": latest}
        results: dict[str, str] = {}
        for key, entry in self.block.outputs.items():
            value = self._choose(entry, self.names, self.block.location)
            if value is not None:
                results[key] = value
        return results

    def _record(
        self, arguments: tuple[tuple[str, Scalar | str], ...], read: Operands, results: Results
    ) -> None:
        names = {value: name for name, value in self.values.items()}
        outputs = tuple(names.get(value, key) for key, value in results.items())
        inputs = [name for name, _ in read]
        if self._measures([value for _, value in read]):
            inputs.append(LIKE)
        block, graph = self.block, self.builder.graph
        graph.scopes[self.path.call] = Scope(
            self.path.call,
            block.name,
            arguments,
            tuple(inputs),
            outputs,
            self.where,
            block.doc,
            self.path.module,
        )
        if block.name not in graph.templates:
            graph.templates[block.name] = template_of(block)

    def _measures(self, read: Sequence[str]) -> bool:
        """Whether the instance reads, besides its inputs, the value whose size `up` takes."""
        like = self.outer.like
        if like is None or like in read:
            return False
        return len(self.builder.readers.get(like, ())) > self.measured

    def _blame_use(self, error: SpecError) -> SpecError:
        """Errors inside a block are placed where it is used: that is what the user wrote."""
        use = self.where
        moved: list[Diagnostic] = []
        for found in error.diagnostics:
            inside = f"in block '{self.block.name}'"
            if found.location and found.location != use:
                inside += f" ({found.location.file}:{found.location.line})"
            if inside.split(" (")[0] in found.message or use is None:
                moved.append(found)
            else:
                moved.append(replace(found, message=f"{found.message}, {inside}", location=use))
        return SpecError(moved)
