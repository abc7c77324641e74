"""The nodes of a block document, with every name in them checked as far as can be told."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from archgraph.assemble.binding import step_faults, unknown_names, with_defaults
from archgraph.errors import Diagnostic, Location, SpecError, suggest
from archgraph.expressions import (
    Entry,
    Expression,
    Loop,
    Step,
    parse_entry,
    parse_expression,
    parse_loop,
)
from archgraph.expressions.template import HOLE
from archgraph.ir import (
    NUMBER,
    BlockGroup,
    BlockNode,
    Operand,
)
from archgraph.ir.signature import argument_kinds, input_names, result_names, too_many
from archgraph.spec import (
    BlockEntryModel,
    BlockGroupModel,
    BlockNodeModel,
    BlockPortsModel,
    Located,
    TemplateDocument,
    expression_of,
    fits,
    name_fault,
    used_steps,
)

if TYPE_CHECKING:
    from archgraph.assemble.blocks import Blocks, Chain

UNITS = ("unit", "units")


@dataclass
class _Seen:
    """What entries may name so far: names as written, and templates by their literal parts.

    The value of a name is where it stands and, if they are known, its results.
    """

    names: dict[str, tuple[Location | None, tuple[str, ...] | None]] = field(default_factory=dict)
    patterns: list[list[str]] = field(default_factory=list)

    def add(self, name: str, where: Location | None, results: tuple[str, ...] | None) -> None:
        if HOLE.search(name):
            # HOLE has a group, so every second part is the inside of a hole.
            self.patterns.append(HOLE.split(name)[::2])
        else:
            self.names.setdefault(name, (where, results))

    def __contains__(self, name: str) -> bool:
        return name in self.names or any(fits(name, parts) for parts in self.patterns)


class BlockNodes:
    """Converts the nodes of one document.

    Args:
        blocks: where the blocks are looked up that it uses, and where mistakes go.
        document: the block.
        chain: the blocks that stand around it.
    """

    def __init__(self, blocks: Blocks, document: TemplateDocument, chain: Chain) -> None:
        self.blocks = blocks
        self.document = document
        self.chain = chain
        self.seen = _Seen()
        # What expressions may ask of an input.
        self.attributes: dict[str, tuple[str, ...]] = {}

    def convert(
        self, models: Sequence[BlockNodeModel | BlockGroupModel], known: Set[str]
    ) -> Iterator[BlockNode | BlockGroup]:
        """The nodes of a list, whose names join what later entries may name."""
        for model in models:
            loop = None
            inner = known
            with self.blocks.keeping():
                loop, inner = self._loop(model, known)
            when = None
            with self.blocks.keeping():
                if model.when is not None:
                    when = expression_of(model.when, model.at("when"))
                    self.check_names(when, inner)
            if isinstance(model, BlockGroupModel):
                yield BlockGroup(tuple(self.convert(model.nodes, inner)), loop, when)
                continue
            # The node itself joins what later nodes may read, whatever is wrong with it.
            with self.blocks.keeping():
                self._check_name(model, inner)
            steps = self._steps(model, inner)
            operands = self._operands(model, steps, inner)
            settings = self.blocks.settings(model.settings)
            where = model.at("name")
            share = model.share
            with self.blocks.keeping():
                if (
                    share
                    and not HOLE.search(share)
                    and (fault := name_fault(share, model.at("share")))
                ):
                    raise SpecError(fault)
            yield BlockNode(model.name, steps, operands, when, settings, where, loop, share)
            self.seen.add(model.name, where, self._results(steps))

    def _loop(
        self, model: BlockNodeModel | BlockGroupModel | BlockEntryModel, known: Set[str]
    ) -> tuple[Loop | None, Set[str]]:
        if model.for_ is None:
            return None, known
        where = model.at("for")
        loop = parse_loop(model.for_, where)
        if loop.variable in known:
            message = f"the loop variable '{loop.variable}' hides a name of the block"
            raise SpecError(Diagnostic("E104", message, where))
        for bound in (loop.start, loop.stop):
            self.check_names(bound, known)
        return loop, known | {loop.variable}

    def _check_name(self, model: BlockNodeModel, known: Set[str]) -> None:
        where = model.at("name")
        if HOLE.search(model.name):
            self._check_holes(model.name, where, known)
            return
        if model.for_ is not None:
            message = f"every round of the loop makes a node '{model.name}'"
            hint = "put the loop variable into the name: m<i>"
            raise SpecError(Diagnostic("E104", message, where, hint))
        fault = name_fault(model.name, where)
        if fault is None and model.name in self.seen.names:
            first, _ = self.seen.names[model.name]
            line = f" on line {first.line}" if first else ""
            fault = Diagnostic("E104", f"'{model.name}' is already a node{line}", where)
        if fault:
            raise SpecError(fault)

    def _check_holes(self, text: str, where: Location | None, known: Set[str]) -> None:
        for hole in HOLE.finditer(text):
            spot = where.within(text, hole.start(1), len(hole[1])) if where else None
            self.check_names(parse_expression(hole[1], spot), known)

    def _steps(self, model: BlockNodeModel, known: Set[str]) -> tuple[Step, ...]:
        done: list[Step] = []
        with self.blocks.keeping():
            steps = used_steps(model)
            for step in steps:
                units = UNITS if len(steps) == 1 and step.repeat else ()
                with self.blocks.keeping():
                    step = self.blocks.resolve(with_defaults(step, self.document), self.chain)
                    step = self.blocks.with_words(step, self.chain)
                    done.append(step)
                    self._check_step(step, {*known, *units})
        return tuple(done)

    def _check_step(self, step: Step, known: Set[str]) -> None:
        """Arguments must exist and name what is known; values come where the block is used."""
        for expression in (step.when, step.repeat):
            if expression:
                self.check_names(expression, known)
        kinds = argument_kinds(step, self.blocks.known)
        if kinds is None:  # a parameter that holds a step
            return
        self.blocks.faults.extend(step_faults(step, kinds, self.blocks.known))
        for argument in (*step.arguments, *step.first):
            if kinds.get(argument.key) == NUMBER:
                with self.blocks.keeping():
                    expression = parse_expression(argument.text, argument.location)
                    self.check_names(expression, known)

    def _results(self, steps: Sequence[Step]) -> tuple[str, ...] | None:
        """The names of a node's results; none if it has one, None if that is not known."""
        if not steps or steps[-1].use.startswith("<"):
            return None
        return result_names(steps[-1], self.blocks.known)

    # --- what nodes read -------------------------------------------------------------------

    def _operands(
        self, model: BlockNodeModel, steps: Sequence[Step], known: Set[str]
    ) -> tuple[Operand, ...] | None:
        form = model.from_
        if form is None:
            return None
        ports = isinstance(form, BlockPortsModel)
        listed: list[tuple[str, str | BlockEntryModel, Located, tuple[str | int, ...]]] = []
        if isinstance(form, BlockPortsModel):
            listed = [(port, text, form, (port,)) for port, text in form.entries.items()]
        elif isinstance(form, list):
            listed = [("", each, model, ("from", i)) for i, each in enumerate(form)]
        else:
            listed = [("", form, model, ("from",))]
        found: list[Operand] = []
        for port, each, owner, path in listed:
            where = owner.at(*path)
            with self.blocks.keeping():
                loop, inner = None, known
                if isinstance(each, BlockEntryModel):
                    loop, inner = self._loop(each, known)
                    where, each = each.at("from"), each.from_
                entry = parse_entry(each, where)
                self.check_entry(entry, where, model.name, inner)
                found.append(Operand(entry, port, loop))
        with self.blocks.keeping():
            # Entries that may give nothing, or several, are counted where the block is used.
            sure = [each for each in found if not each.entry.optional and each.loop is None]
            self._check_ports(steps, found if ports else None, len(sure), model)
        return tuple(found)

    def _check_ports(
        self,
        steps: Sequence[Step],
        named: Sequence[Operand] | None,
        count: int,
        model: BlockNodeModel,
    ) -> None:
        """Inputs that differ in meaning are named; what is named must exist, and all of it."""
        if not steps or steps[0].use.startswith("<"):
            return
        use = steps[0].use
        ports = input_names(steps[0], self.blocks.known)
        variadic = not ports
        where = model.key_at("from")
        wanted = ", ".join(f"{port}: ..." for port in ports)
        if named is None:
            if len(ports) > 1 and not variadic and count > 1:
                message = f"'{use}' has {len(ports)} inputs that differ"
                hint = f"say which is which: from: {{{wanted}}}"
                raise SpecError(Diagnostic("E215", message, where, hint))
            if len(ports) == 1 and not variadic and count > 1:
                raise too_many(use, 1, count, steps[0].location)
            return
        if variadic:
            hint = "write a list: from: [a, b]"
            raise SpecError(Diagnostic("E215", f"'{use}' takes any number of inputs", where, hint))
        for operand in named:
            if operand.port not in ports:
                spot = (
                    model.from_.key_at(operand.port) if isinstance(model.from_, Located) else where
                )
                hint = suggest(operand.port, ports, f"'{use}' reads")
                message = f"'{use}' has no input '{operand.port}'"
                raise SpecError(Diagnostic("E112", message, spot, hint))
        given = {operand.port for operand in named}
        missing = [port for port in ports if port not in given and port != "like"]
        if missing:
            message = f"'{use}' reads '{missing[0]}', which is not given"
            hint = f"write 'from: {{{wanted}}}'"
            raise SpecError(Diagnostic("E215", message, where, hint))

    def check_entry(
        self, entry: Entry, where: Location | None, reader: str, known: Set[str]
    ) -> None:
        """Names that are written out must exist; of the others their expressions are checked.

        Raises:
            SpecError: E102, a name does not exist; E220, it has several results.
        """
        for candidate in entry.candidates:
            spot = where.find(candidate) if where else None
            if HOLE.search(candidate):
                self._check_holes(candidate, spot, known)
                continue
            name, _, result = candidate.partition(".")
            if name not in self.seen:
                hint = suggest(name, self.seen.names, "values here")
                message = f"node '{reader}' reads '{name}', which does not exist before it"
                message = message if reader else f"this block gives '{name}', which does not exist"
                raise SpecError(Diagnostic("E102", message, spot, hint))
            results = self.seen.names.get(name, (None, None))[1]
            if results is None or (result in results if result else not results):
                continue
            if not results:
                message = f"'{name}' has one result, so there is no '{candidate}'"
                raise SpecError(Diagnostic("E102", message, spot, f"write '{name}'"))
            if not result:
                message = f"'{name}' has the results {', '.join(results)}; say which"
                hint = f"write '{name}.{results[0]}'"
                raise SpecError(Diagnostic("E220", message, spot, hint))
            message = f"'{name}' has no result '{result}'"
            raise SpecError(Diagnostic("E102", message, spot, suggest(result, results, "it has")))

    def check_names(
        self, expression: Expression, known: Set[str], later: Set[str] = frozenset()
    ) -> None:
        """Report the names of an expression that nothing defines, or only what comes `later`."""
        where, text = expression.location, expression.text
        self.blocks.faults.extend(unknown_names(expression.names, known, where, text, later))
        for node in ast.walk(expression.tree):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                of = self.attributes.get(node.value.id, ())
                if of and node.attr not in of:
                    message = f"'{node.value.id}' has no '{node.attr}'"
                    hint = suggest(node.attr, of, "it has")
                    self.blocks.faults.extend(
                        expression.error("E302", message, node, hint).diagnostics
                    )
