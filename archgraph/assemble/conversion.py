"""One block document as a template, with every name in it checked as far as can be told."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from archgraph.assemble.block_nodes import BlockNodes
from archgraph.errors import Diagnostic, SpecError, suggest
from archgraph.expressions import (
    Entry,
    Expression,
    parse_entry,
)
from archgraph.ir import (
    NUMBER,
    WORD,
    Block,
    BlockParameter,
    Definition,
    Variant,
)
from archgraph.ir.signature import VARIANT
from archgraph.ir.types import GLOBAL
from archgraph.spec import (
    MAX_NAMES,
    BackboneDocument,
    StepParameter,
    TemplateDocument,
    expression_of,
    name_fault,
    parameter_fault,
    split_definition,
)

if TYPE_CHECKING:
    from archgraph.assemble.blocks import Blocks, Chain

MANY = "many "


class BlockConverter:
    """Converts one document.

    Args:
        blocks: where the blocks are looked up that it uses, and where mistakes go.
        document: the block.
        chain: the blocks that stand around it.
    """

    def __init__(self, blocks: Blocks, document: TemplateDocument, chain: Chain) -> None:
        self.blocks = blocks
        self.document = document
        self.chain = chain
        self.nodes = BlockNodes(blocks, document, chain)
        self.inputs: tuple[str, ...] = ("x",)
        self.variadic = False
        # Names of numbers that every expression of the block may use.
        self.known: set[str] = set()

    def run(self) -> Block:
        """The template; what is wrong with it is collected in `blocks.faults`."""
        document = self.document
        with self.blocks.keeping():
            self._read_inputs()
        for name in self.inputs:
            self.nodes.seen.add(f"{name}<i>" if self.variadic else name, None, ())
        asked = ("channels", "level", *(("count",) if self.variadic else ()))
        self.nodes.attributes = {"settings": ("bias",), **dict.fromkeys(self.inputs, asked)}
        self.known = {*self.inputs, *document.parameters}
        parameters = tuple(self._parameters())
        definitions = tuple(self._definitions())
        nodes = tuple(self.nodes.convert(document.nodes, self.known))
        return Block(
            document.name,
            parameters,
            definitions,
            nodes,
            self.inputs,
            self.variadic,
            self._outputs(),
            self.blocks.settings(document.settings),
            document.doc.strip(),
            document.at(document.kind),
            {name: self._variant(name, definitions) for name in document.variants},
        )

    # --- the head --------------------------------------------------------------------------

    def _read_inputs(self) -> None:
        names = [text.removeprefix(MANY).strip() for text in self.document.inputs]
        many = [text.startswith(MANY) for text in self.document.inputs]
        for i, name in enumerate(names):
            where = self.document.at("inputs", i)
            fault = None if name == "x" else name_fault(name, where, "an input")
            if fault is None and name in names[:i]:
                fault = Diagnostic("E104", f"there are two inputs '{name}'", where)
            if fault:
                self.blocks.faults.append(fault)
        # A name that it may not have is its name all the same, for those who read it.
        self.inputs, self.variadic = tuple(names), any(many)
        if any(many) and len(names) > 1:
            where = self.document.at("inputs", many.index(True))
            message = "an input that takes many values stands alone"
            raise SpecError(Diagnostic("E107", message, where, "write 'inputs: [many x]'"))

    def _parameters(self) -> Iterator[BlockParameter]:
        document = self.document
        for i, (name, form) in enumerate(document.parameters.items()):
            where = document.at("parameters", name)
            taken = (*self.inputs, VARIANT)
            fault = parameter_fault(name, document.key_at("parameters", name), taken)
            if fault:
                self.blocks.faults.append(fault)
            if isinstance(form, StepParameter):
                word = form.step
                with self.blocks.keeping():
                    word = self.blocks.word(form.step, form.at("step"), self.chain)
                yield BlockParameter(name, WORD, word, where)
            elif form == "required":
                yield BlockParameter(name, NUMBER, None, where)
            elif isinstance(form, bool | int | float | str):
                with self.blocks.keeping():
                    default = expression_of(form, where)
                    earlier = {*self.inputs, *list(document.parameters)[:i]}
                    later = {*document.parameters, *document.let}
                    mark = len(self.blocks.faults)
                    self.nodes.check_names(default, earlier, later)
                    if isinstance(form, str) and form.isidentifier() and form not in later:
                        hint = f"a parameter that holds a step is written {{step: {form}}}"
                        found = self.blocks.faults[mark:]
                        self.blocks.faults[mark:] = [replace(each, hint=hint) for each in found]
                    yield BlockParameter(name, NUMBER, default, where)
            else:
                message = f"parameter '{name}' of a block is a number or {{step: ...}}"
                self.blocks.faults.append(Diagnostic("E107", message, where))

    def _definitions(self) -> Iterator[Definition]:
        """What stands under `let`; its names join `known`."""
        document, known = self.document, self.known
        if len(document.let) + len(known) > MAX_NAMES:
            message = f"'{document.name}' has more than {MAX_NAMES:,} parameters and values"
            self.blocks.faults.append(Diagnostic("E304", message, document.key_at("let")))
            return
        later = {key.partition("(")[0].strip() for key in document.let}
        for key, form in document.let.items():
            where = document.key_at("let", key)
            with self.blocks.keeping():
                name, parameters = split_definition(key, where)
                if name in known:
                    fault = Diagnostic("E104", f"'{name}' is defined already", where)
                    self.blocks.faults.append(fault)
                visible = known | set(parameters or ())
                known.add(name)
                body = expression_of(form, document.at("let", key))
                self.nodes.check_names(body, visible, later - known)
                yield Definition(name, parameters, body)

    def _variant(self, name: str, definitions: Sequence[Definition]) -> Variant:
        row = self.document.variants[name]
        words = {n for n, f in self.document.parameters.items() if isinstance(f, StepParameter)}
        functions = {d.name for d in definitions if d.parameters is not None}
        known = [*self.document.parameters, *(d.name for d in definitions if d.parameters is None)]
        values: dict[str, Expression | str] = {}
        for key, form in row.values.items():
            where = row.at(key)
            with self.blocks.keeping():
                if key not in known:
                    message = f"variant '{name}' sets '{key}', which is no parameter and no value"
                    if key in functions:
                        message = f"variant '{name}' sets '{key}', which is a function"
                    hint = suggest(key, known, "parameters and values")
                    raise SpecError(Diagnostic("E112", message, row.key_at(key), hint))
                if key in words and isinstance(form, str):
                    values[key] = self.blocks.word(form, where, self.chain)
                elif key not in words and isinstance(form, bool | int | float | str):
                    values[key] = value = expression_of(form, where)
                    self.nodes.check_names(value, self.known)
                else:
                    wanted = "a step" if key in words else "a number"
                    message = f"'{key}' of variant '{name}' is not {wanted}"
                    raise SpecError(Diagnostic("E113", message, where))
        return Variant(values, self.blocks.settings(row.settings))

    def _outputs(self) -> Mapping[str, Entry]:
        form = self.document.outputs
        if form is None:
            return {}
        if isinstance(self.document, BackboneDocument):
            return self._levels(self.document)
        named = {"": form} if isinstance(form, str) else form
        found: dict[str, Entry] = {}
        for name, text in named.items():
            path = ("outputs", name) if name else ("outputs",)
            with self.blocks.keeping():
                fault = name and name_fault(name, self.document.key_at(*path), "a result")
                if fault:
                    raise SpecError(fault)
                found[name] = parse_entry(text, self.document.at(*path))
                self.nodes.check_entry(found[name], self.document.at(*path), "", self.known)
        return found

    def _levels(self, document: BackboneDocument) -> Mapping[str, Entry]:
        """The results of a backbone, which stand under their levels: `p3` is that of level 3."""
        found: dict[str, Entry] = {}
        for key, text in document.outputs.items():
            where = document.at("outputs", key)
            with self.blocks.keeping():
                if not key.isdigit() or int(key) >= GLOBAL:
                    message = f"'{key}' is no level, and outputs of a backbone stand under theirs"
                    hint = "write 'outputs: {3: stage3, 4: stage5}'"
                    raise SpecError(
                        Diagnostic("E113", message, document.key_at("outputs", key), hint)
                    )
                entry = parse_entry(text, where)
                found[f"p{int(key)}"] = entry
                self.nodes.check_entry(entry, where, "", self.known)
        return found
