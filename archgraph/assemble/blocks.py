"""Block documents as templates."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from archgraph.assemble.binding import with_defaults
from archgraph.assemble.settings import settings_of
from archgraph.errors import Diagnostic, Location, SpecError, suggest
from archgraph.expressions import Step, parse_entry, parse_expression
from archgraph.ir import NUMBER, WORD, Block, BlockNode, BlockParameter, Definition
from archgraph.ir.signature import BUILTIN_NAMES, argument_kinds
from archgraph.spec import (
    BlockDocument,
    Library,
    StepParameter,
    expression_of,
    name_fault,
    split_definition,
    steps_of,
    with_arguments,
)


def assemble_block(document: BlockDocument, library: Library) -> Block:
    """A block as a template, with every name that it uses checked.

    Raises:
        SpecError: every mistake in it and in the blocks it uses, placed.
    """
    blocks = Blocks(library)
    block = blocks.convert(document, ())
    if blocks.faults:
        raise SpecError(blocks.faults)
    return block


class Blocks:
    """Blocks as templates, looked up when first named, each once."""

    def __init__(self, library: Library) -> None:
        self.library = library
        self.known: dict[str, Block] = {}
        self.faults: list[Diagnostic] = []
        self._keys: dict[tuple[str, str], str] = {}

    def need(self, steps: Iterable[Step]) -> None:
        """Look up what steps name, keeping mistakes for later."""
        for step in steps:
            try:
                self.resolve(step, ())
            except SpecError as error:
                self.faults.extend(error.diagnostics)

    def resolve(self, step: Step, chain: tuple[tuple[str, str], ...]) -> Step:
        """The step with the key of its block; operators and unknown templates stay.

        Raises:
            SpecError: E109, nothing has this name; E110, a block uses itself.
        """
        if step.use in BUILTIN_NAMES or step.use.startswith("<"):
            return step
        near = step.location.file if step.location else None
        found = self.library.find(step.use, near)
        if found is None:
            hint = suggest(step.use, self.library.names(near) | BUILTIN_NAMES)
            message = f"there is no block '{step.use}'"
            raise SpecError(Diagnostic("E109", message, step.location, hint))
        file, name = found
        identity = (file.display, name)
        if identity in chain:
            cycle = " -> ".join([*(known for _, known in chain), name])
            message = f"'use' goes in a circle: {cycle}"
            raise SpecError(Diagnostic("E110", message, step.location))
        if identity not in self._keys:
            document = self.library.document(file, name)
            if not isinstance(document, BlockDocument):
                message = f"'{name}' is a {document.kind}, not a block"
                raise SpecError(Diagnostic("E116", message, step.location))
            self._keys[identity] = self._free_key(name)
            block = self.convert(document, (*chain, identity))
            self.known[self._keys[identity]] = replace(block, name=self._keys[identity])
        return replace(step, use=self._keys[identity])

    def _free_key(self, name: str) -> str:
        """The name itself, or a numbered one where another file's block has it already."""
        taken = set(self._keys.values())
        number, key = 1, name
        while key in taken:
            number += 1
            key = f"{name}-{number}"
        return key

    def convert(self, document: BlockDocument, chain: tuple[tuple[str, str], ...]) -> Block:
        """A document as a template; mistakes are collected in `faults`."""
        parameters = tuple(self._parameters(document))
        definitions = tuple(self._definitions(document))
        nodes: list[BlockNode] = []
        names: set[str] = {"x"}
        for model in document.nodes:
            try:
                fault = name_fault(model.name, model.at("name"))
                if model.name in names:
                    message = f"'{model.name}' is already a node"
                    fault = Diagnostic("E104", message, model.at("name"))
                if fault:
                    raise SpecError(fault)
                names.add(model.name)
                nodes.append(self._node(document, len(nodes), model.name, names, chain))
            except SpecError as error:
                self.faults.extend(error.diagnostics)
        output = None
        if document.outputs:
            output = parse_entry(document.outputs, document.at("outputs"))
            self._check_entry(output.candidates, names, document.at("outputs"))
        settings = settings_of(document.settings)
        self.need(step for step in (settings.act, settings.norm) if step)
        return Block(
            document.name,
            parameters,
            definitions,
            tuple(nodes),
            output,
            settings,
            document.doc,
            document.at(document.kind),
        )

    def _node(
        self,
        document: BlockDocument,
        index: int,
        name: str,
        names: set[str],
        chain: tuple[tuple[str, str], ...],
    ) -> BlockNode:
        model = document.nodes[index]
        steps = steps_of(model.use, model, "use") or ()
        if model.with_ and len(steps) == 1:
            steps = (with_arguments(steps[0], model.with_, model),)
        steps = tuple(self.resolve(with_defaults(step, document), chain) for step in steps)
        for step in steps:
            self._check_arguments(step)
        entries = None
        if model.from_ is not None:
            texts = [model.from_] if isinstance(model.from_, str) else model.from_
            where = model.at("from")
            entries = tuple(parse_entry(text, where) for text in texts)
            for entry in entries:
                self._check_entry(entry.candidates, names - {name}, where)
        when = None if model.when is None else expression_of(model.when, model.at("when"))
        settings = settings_of(model.settings)
        self.need(step for step in (settings.act, settings.norm) if step)
        return BlockNode(name, steps, entries, when, settings, model.at("name"))

    def _check_arguments(self, step: Step) -> None:
        """Number arguments must parse; their values are known only where the block is used."""
        kinds = argument_kinds(step, self.known) or {}
        for argument in step.arguments:
            if kinds.get(argument.key) == NUMBER:
                parse_expression(argument.text, argument.location)

    def _check_entry(
        self, candidates: Sequence[str], names: set[str], where: Location | None
    ) -> None:
        for candidate in candidates:
            if candidate not in names:
                hint = suggest(candidate, names, "values here")
                message = f"there is no '{candidate}' before this node"
                raise SpecError(Diagnostic("E102", message, where, hint))

    def _parameters(self, document: BlockDocument) -> Iterable[BlockParameter]:
        for name, form in document.parameters.items():
            where = document.at("parameters", name)
            if isinstance(form, StepParameter):
                yield BlockParameter(name, WORD, form.step, where)
            elif form == "required":
                yield BlockParameter(name, NUMBER, None, where)
            elif isinstance(form, bool | int | float | str):
                yield BlockParameter(name, NUMBER, expression_of(form, where), where)
            else:
                message = f"parameter '{name}' of a block is a number or {{step: ...}}"
                self.faults.append(Diagnostic("E107", message, where))

    def _definitions(self, document: BlockDocument) -> Iterable[Definition]:
        for key, form in document.let.items():
            name, parameters = split_definition(key, document.key_at("let", key))
            body = expression_of(form, document.at("let", key))
            yield Definition(name, parameters, body)
