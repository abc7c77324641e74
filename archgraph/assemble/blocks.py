"""Block documents as templates."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from archgraph.assemble.binding import check_step
from archgraph.assemble.conversion import BlockConverter
from archgraph.assemble.settings import settings_of
from archgraph.errors import ArchgraphError, Diagnostic, Location, SpecError, suggest
from archgraph.expressions import Step, parse_step
from archgraph.ir import (
    WORD,
    Block,
    Settings,
)
from archgraph.ir.signature import (
    BUILTIN_NAMES,
    FUSIONS,
    INHERITED,
    VARIANT,
    argument_kinds,
    name_hint,
    unknown_argument,
)
from archgraph.spec import (
    OUTSIDE,
    Document,
    Library,
    SettingsModel,
    TemplateDocument,
    certain,
)

# The blocks that stand around one: file and name.
Chain = tuple[tuple[str, str], ...]
# Blocks in blocks: deeper than any network needs, and no danger to the stack.
MAX_DEPTH = 64


def assemble_block(document: TemplateDocument, library: Library) -> Block:
    """A block as a template, with every name that it uses checked.

    Raises:
        SpecError: every mistake in it and in the blocks it uses, placed.
    """
    file = file_of(document)
    if document.name in BUILTIN_NAMES or document.name in FUSIONS:
        message = f"'{document.name}' is built in, so a block of this name would never be found"
        where = document.at(document.kind)
        raise SpecError(Diagnostic("E105", message, where, "choose another name"))
    blocks = Blocks(library, file)
    block = blocks.convert(document, ((file or "", document.name),))
    if blocks.faults:
        raise SpecError(blocks.faults)
    return block


def file_of(document: Document) -> str | None:
    """The file that a document stands in, as messages call it."""
    where = document.at(document.kind)
    return where.file if where else None


class Blocks:
    """Blocks as templates, looked up when first named, each once.

    Args:
        library: where they are looked up.
        home: the file from which names are looked up that stand in no file.
    """

    def __init__(self, library: Library, home: str | None) -> None:
        self.library = library
        self.home = home
        self.known: dict[str, Block] = {}
        self.faults: list[Diagnostic] = []
        self._keys: dict[tuple[str, str], str] = {}
        self._depths: dict[str, int] = {}

    def at(self, home: str | None) -> Blocks:
        """The same blocks for a document in another file, with mistakes of its own."""
        other = Blocks(self.library, home)
        other.known, other._keys, other._depths = self.known, self._keys, self._depths
        return other

    def check_defaults(self, document: Document) -> None:
        """What `defaults` names besides `node` and `edge` must be a block or an operator."""
        for name in document.defaults.block_names():
            where = document.key_at("defaults", name)
            near = where.file if where else self.home
            if name in BUILTIN_NAMES or self.library.find(name, near):
                self._check_default_arguments(document, name, Step(name, (), None, where))
                continue
            hint = suggest(name, {"node", "edge"} | self.library.names(near) | BUILTIN_NAMES)
            message = f"'defaults' names a block '{name}', which does not exist"
            self.faults.append(Diagnostic("E109", message, where, hint))

    def _check_default_arguments(self, document: Document, name: str, step: Step) -> None:
        """Arguments must exist, also those of a block that nothing here uses."""
        apart = Blocks(self.library, self.home)  # so that the block is not among those used
        try:
            kinds = argument_kinds(apart.resolve(step, ()), apart.known)
        except ArchgraphError:  # whoever uses the block is told
            return
        for key in document.defaults.block_parameters(name):
            if kinds is not None and key not in kinds:
                where = document.key_at("defaults", name, key)
                self.faults.extend(unknown_argument(step, key, list(kinds), where).diagnostics)

    def settings(self, model: SettingsModel) -> Settings:
        """Settings as written, with their steps looked up; mistakes are collected."""
        settings = Settings()
        with self.keeping():
            settings = settings_of(model)
        return self.inherited(settings)

    def inherited(self, settings: Settings) -> Settings:
        """Settings with their steps looked up; mistakes are collected."""
        act, norm = settings.act, settings.norm
        with self.keeping():
            act = self._inherited_step("act", act) if act else None
        with self.keeping():
            norm = self._inherited_step("norm", norm) if norm else None
        return replace(settings, act=act, norm=norm)

    def _inherited_step(self, key: str, step: Step) -> Step:
        resolved = self.resolve(step, ())
        kinds = argument_kinds(resolved, self.known)
        if kinds is not None:
            check_step(resolved, kinds, self.known)
        if self._uses(resolved.use) & set(INHERITED):
            message = f"'{key}' goes in a circle: '{step.use}' uses 'act' or 'norm' itself"
            hint = "name the operators in it, such as 'relu' or 'batch-norm'"
            raise SpecError(Diagnostic("E110", message, step.location, hint))
        return resolved

    def _uses(self, name: str) -> set[str]:
        """What a block uses, directly and through others; an operator is itself."""
        found, waiting = {name}, [name]
        while waiting:
            block = self.known.get(waiting.pop())
            for step in [step for node in block.walk() for step in node.use] if block else []:
                if step.use not in found:
                    found.add(step.use)
                    waiting.append(step.use)
        return found

    def resolve(self, step: Step, chain: Chain) -> Step:
        """The step with the key of its block; operators and unknown templates stay.

        Raises:
            SpecError: E109, nothing has this name; E110, a block uses itself.
        """
        if step.use in BUILTIN_NAMES or step.use.startswith("<"):
            return step
        near = self.near(step)
        found = self.library.find(step.use, near)
        if found is None:
            hint = name_hint(step.use, self.library.names(near) | BUILTIN_NAMES)
            message = f"there is no block '{step.use}'"
            raise SpecError(Diagnostic("E109", message, step.name_location, hint))
        self.library.refuse_ambiguous(found, near, step.location)
        file, name = found
        identity = (file.display, name)
        if identity in chain:
            cycle = " -> ".join([*(known for _, known in chain), name])
            message = f"'use' goes in a circle: {cycle}"
            raise SpecError(Diagnostic("E110", message, step.location))
        if len(chain) >= MAX_DEPTH:
            raise SpecError(self._too_deep(step))
        if identity not in self._keys:
            document = self.library.document(file, name)
            if not isinstance(document, TemplateDocument):
                message = f"'{name}' is a {document.kind}, not a block"
                raise SpecError(Diagnostic("E116", message, step.location))
            self._keys[identity] = self._free_key(name)
            block = self.convert(document, (*chain, identity))
            key = self._keys[identity]
            self.known[key] = replace(block, name=key)
            inner = (self._depths.get(used.use, 0) for node in block.walk() for used in node.use)
            self._depths[key] = 1 + max(inner, default=0)
            if self._depths[key] > MAX_DEPTH:
                raise SpecError(self._too_deep(step))
        return replace(step, use=self._keys[identity])

    def finds(self, step: Step) -> bool:
        """Whether a step names a document."""
        return self.library.find(step.use, self.near(step)) is not None

    def with_words(self, step: Step, chain: Chain = ()) -> Step:
        """The step with the blocks looked up that its words name, for `use: <parameter>`."""
        kinds = argument_kinds(step, self.known) if step.use in self.known else None
        if WORD not in (kinds or {}).values():
            return step
        arguments = [
            replace(a, text=self.word(a.text, a.location or step.location, chain))
            if kinds and kinds.get(a.key) == WORD and a.key != VARIANT
            else a
            for a in step.arguments
        ]
        return replace(step, arguments=tuple(arguments))

    def word(self, text: str, where: Location | None, chain: Chain) -> str:
        """A word; where it is the name of a block, the key of that block."""
        try:
            step = parse_step(text, where)
        except SpecError:
            return text
        near = self.near(step)
        if step.use in BUILTIN_NAMES or not self.library.find(step.use, near):
            return text
        return self.resolve(step, chain).text

    def near(self, step: Step) -> str | None:
        """The file from which the name of a step is looked up."""
        if step.location and step.location.file != OUTSIDE:
            return step.location.file
        return self.home

    def _too_deep(self, step: Step) -> Diagnostic:
        message = f"more than {MAX_DEPTH} blocks stand inside one another"
        return Diagnostic("E110", message, step.location)

    def _free_key(self, name: str) -> str:
        """The name itself, or a numbered one where another file's block has it already."""
        taken = set(self._keys.values())
        number, key = 1, name
        while key in taken:
            number += 1
            key = f"{name}-{number}"
        return key

    def convert(self, document: TemplateDocument, chain: Chain) -> Block:
        """A document as a template; mistakes are collected in `faults`."""
        mark = len(self.faults)
        block = BlockConverter(self, document, chain).run()
        self.check_defaults(document)
        if document.faults:
            self.faults[mark:] = [*document.faults, *certain(self.faults[mark:])]
        return block

    @contextmanager
    def keeping(self) -> Iterator[None]:
        """Keep what is wrong with one part, and go on with the next."""
        try:
            yield
        except SpecError as error:
            self.faults.extend(error.diagnostics)
