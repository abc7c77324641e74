"""From a topology document and arguments to plain nodes: no parameters, loops or choices left.

What stays open is what needs types: steps keep their texts, with the names they may use.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from archgraph.errors import Diagnostic, Location, SpecError, suggest
from archgraph.expressions import (
    Entry,
    Names,
    Value,
    expand_template,
    parse_entry,
    parse_loop,
)
from archgraph.spec.arguments import Arguments, Bound, bind_parameters
from archgraph.spec.forms import expression_of
from archgraph.spec.models import EdgeModel, InputModel, NodeModel, TopologyDocument
from archgraph.spec.names import name_fault

MAX_NODES = 100_000
LEVELS = range(32)


@dataclass(frozen=True)
class ExpandedEdge:
    """An operand: the value it reads, its own name and steps if the spec gave them."""

    source: str
    name: str | None
    model: EdgeModel | None
    location: Location | None


@dataclass(frozen=True)
class ExpandedNode:
    """A node with its operands. `level` is None where only the inputs can tell."""

    name: str
    level: int | None
    model: NodeModel
    edges: tuple[ExpandedEdge, ...]
    names: Names
    location: Location | None


@dataclass(frozen=True)
class ExpandedInput:
    """A feature map that the topology is given."""

    name: str
    level: int
    channels: int
    location: Location | None


@dataclass(frozen=True)
class ExpandedTopology:
    """A topology without parameters: what `assemble` makes a graph of."""

    document: TopologyDocument
    bound: Bound
    inputs: tuple[ExpandedInput, ...]
    nodes: tuple[ExpandedNode, ...]
    outputs: Mapping[int, tuple[str, Location | None]]


@dataclass
class _Draft:
    """A node whose name is known and whose operands are not yet looked up."""

    name: str
    model: NodeModel
    names: Names
    location: Location | None
    level: int | None = None
    edges: list[ExpandedEdge] = field(default_factory=list)


def expand_topology(document: TopologyDocument, arguments: Arguments) -> ExpandedTopology:
    """Bind parameters, run generators, look every name up.

    Raises:
        SpecError: every mistake in names, parameters, levels and expressions, placed.
    """
    return _Expander(document, arguments).run()


class _Expander:
    """One expansion. Mistakes are collected, so that a file shows all of them at once."""

    def __init__(self, document: TopologyDocument, arguments: Arguments) -> None:
        self.document = document
        self.bound = bind_parameters(document, arguments)
        self.faults: list[Diagnostic] = []
        self.inputs: dict[str, ExpandedInput] = {}
        self.drafts: dict[str, _Draft] = {}

    def run(self) -> ExpandedTopology:
        self._attempt(self._read_inputs)
        for model in self.document.nodes:
            self._attempt(self._draft, model)
        seen: set[str] = set(self.inputs)
        for draft in self.drafts.values():
            self._attempt(self._connect, draft, seen)
            seen.add(draft.name)
        outputs: dict[int, tuple[str, Location | None]] = {}
        self._attempt(self._read_outputs, outputs)
        if self.faults:
            raise SpecError(self.faults)
        nodes = tuple(
            ExpandedNode(d.name, d.level, d.model, tuple(d.edges), d.names, d.location)
            for d in self.drafts.values()
        )
        return ExpandedTopology(
            self.document, self.bound, tuple(self.inputs.values()), nodes, outputs
        )

    def _attempt(self, step: Callable[..., None], *args: object) -> None:
        try:
            step(*args)
        except SpecError as error:
            self.faults.extend(error.diagnostics)

    # --- inputs ----------------------------------------------------------------------------

    def _read_inputs(self) -> None:
        form = self.document.inputs
        if isinstance(form, str):
            for each in self.bound.levels:
                self._add_input(form, each, self._names(each), self.document.at("inputs"))
            return
        for model in [form] if isinstance(form, InputModel) else form:
            for names, level in self._instances(model):
                if level is None:
                    message = f"input '{model.name}' has no level"
                    hint = "say 'level:' or give it a 'for: l in lo..hi'"
                    raise SpecError(Diagnostic("E201", message, model.at(), hint))
                self._add_input(model.name, level, names, model.at("name"))

    def _add_input(self, text: str, level: int, names: Names, where: Location | None) -> None:
        name = expand_template(text, names, where)
        fault = name_fault(name, where, "an input")
        if fault:
            raise SpecError(fault)
        if name in self.inputs:
            message = f"there are two inputs '{name}'"
            hint = "put the level into the name: in<l>"
            raise SpecError(Diagnostic("E104", message, where, hint))
        channels = self.bound.input_channels.get(level)
        if channels is None:
            message = f"input '{name}' is at level {level}, outside of 'levels'"
            raise SpecError(Diagnostic("E201", message, where))
        self.inputs[name] = ExpandedInput(name, level, channels, where)

    # --- nodes -----------------------------------------------------------------------------

    def _names(self, level: int | None = None) -> dict[str, Value]:
        names: dict[str, Value] = dict(self.bound.names)
        if level is not None:
            names["l"] = level
        return names

    def _instances(self, model: NodeModel | InputModel) -> Iterator[tuple[Names, int | None]]:
        """For every value of the loop, the names in scope and the level, if it is known here."""
        if model.for_ is None:
            rounds: list[dict[str, Value]] = [self._names()]
        else:
            loop = parse_loop(model.for_, model.at("for"))
            if loop.variable in self.bound.names:
                message = f"the loop variable '{loop.variable}' hides a name of the document"
                raise SpecError(Diagnostic("E104", message, model.at("for")))
            values = loop.values(self.bound.names)
            rounds = [{**self.bound.names, loop.variable: value} for value in values]
        for names in rounds:
            level = names.get("l")
            if model.level is not None:
                level = expression_of(model.level, model.at("level")).evaluate(names)
            if isinstance(level, bool) or not isinstance(level, int | float | None):
                level = None
            if level is not None and (level != int(level) or int(level) not in LEVELS):
                message = f"level {level} is not a whole number from 0 to {LEVELS[-1]}"
                raise SpecError(Diagnostic("E201", message, model.at("level")))
            yield names, None if level is None else int(level)

    def _draft(self, model: NodeModel) -> None:
        for names, level in self._instances(model):
            if model.when is not None:
                condition = expression_of(model.when, model.at("when"))
                if not condition.evaluate(names):
                    continue
            where = model.at("name")
            name = expand_template(model.name, names, where)
            fault = name_fault(name, where)
            if fault:
                raise SpecError(fault)
            other = self.drafts.get(name)
            if other or name in self.inputs:
                what = "an input" if other is None else "a node"
                line = f" on line {other.location.line}" if other and other.location else ""
                hint = "put the loop variable into the name: td<l>" if model.for_ else ""
                message = f"'{name}' is already {what}{line}"
                raise SpecError(Diagnostic("E104", message, where, hint))
            if len(self.drafts) >= MAX_NODES:
                message = f"more than {MAX_NODES} nodes"
                raise SpecError(Diagnostic("E304", message, model.at("for")))
            self.drafts[name] = _Draft(name, model, names, where, level)

    # --- operands --------------------------------------------------------------------------

    def _connect(self, draft: _Draft, seen: set[str]) -> None:
        model = draft.model
        forms = model.from_ if isinstance(model.from_, list) else [model.from_]
        for i, form in enumerate(forms):
            path = ("from", i) if isinstance(model.from_, list) else ("from",)
            if form is None:
                message = f"node '{draft.name}' does not say what it reads"
                hint = "write 'from: [in<l>, ...]'"
                raise SpecError(Diagnostic("E106", message, draft.location, hint))
            self._attempt(self._operand, draft, form, model.at(*path), seen)
        if not draft.edges and not self.faults:
            message = f"no input of node '{draft.name}' exists"
            hint = "give it a 'when', or an entry without 'maybe'"
            raise SpecError(Diagnostic("E118", message, draft.location, hint))
        if draft.level is None:
            self._common_level(draft)

    def _operand(
        self, draft: _Draft, form: str | EdgeModel, where: Location | None, seen: set[str]
    ) -> None:
        mapping = form if isinstance(form, EdgeModel) else None
        text = form.from_ if isinstance(form, EdgeModel) else form
        where = mapping.at("from") if mapping else where
        source = self._choose(parse_entry(text, where), draft, where, seen)
        if source is None:
            return
        name = mapping.name if mapping else None
        if name is not None and mapping:
            name = expand_template(name, draft.names, mapping.at("name"))
            fault = name_fault(name, mapping.at("name"), "an edge")
            if fault:
                raise SpecError(fault)
        if any((e.name or e.source) == (name or source) for e in draft.edges):
            message = f"node '{draft.name}' has two edges named '{name or source}'"
            hint = f"give one a name: {{name: ..., from: {source}}}"
            raise SpecError(Diagnostic("E104", message, where, hint))
        draft.edges.append(ExpandedEdge(source, name, mapping, where))

    def _choose(
        self, entry: Entry, draft: _Draft, where: Location | None, seen: set[str]
    ) -> str | None:
        """The first candidate that exists; it must come before the node that reads it."""
        name = ""
        for candidate in entry.candidates:
            spot = where.find(candidate) if where else None
            name = expand_template(candidate, draft.names, spot)
            if name in seen:
                return name
            if name in self.drafts:
                raise SpecError(self._later(name, draft, spot))
        if entry.optional:
            return None
        spot = where.find(entry.candidates[-1]) if where else None
        raise SpecError(self._unknown(name, f"node '{draft.name}' reads '{name}'", seen, spot))

    def _later(self, name: str, draft: _Draft, where: Location | None) -> Diagnostic:
        if name == draft.name:
            return Diagnostic("E103", f"node '{name}' reads itself", where)
        place = self.drafts[name].location
        message = f"node '{draft.name}' reads '{name}', which comes later"
        line = f" (line {place.line})" if place else ""
        hint = f"nodes stand in execution order: move '{name}'{line} before '{draft.name}'"
        return Diagnostic("E103", message, where, hint)

    def _unknown(self, name: str, what: str, known: set[str], where: Location | None) -> Diagnostic:
        hint = suggest(name, known | set(self.drafts), "names here")
        return Diagnostic("E102", f"{what}, which does not exist", where, hint)

    def _common_level(self, draft: _Draft) -> None:
        levels = {self._level(edge.source) for edge in draft.edges}
        if len(levels) == 1:
            draft.level = levels.pop()
        elif draft.edges:
            message = f"the level of node '{draft.name}' is not known: its inputs differ"
            hint = "say 'level:' on the node, or name the loop variable 'l'"
            raise SpecError(Diagnostic("E201", message, draft.location, hint))

    def _level(self, name: str) -> int | None:
        return self.inputs[name].level if name in self.inputs else self.drafts[name].level

    # --- outputs ---------------------------------------------------------------------------

    def _read_outputs(self, outputs: dict[int, tuple[str, Location | None]]) -> None:
        form = self.document.outputs
        if isinstance(form, str):
            where = self.document.at("outputs")
            for each in self.bound.levels:
                self._attempt(self._output, outputs, each, form, self._names(each), where)
            return
        for key, text in form.items():
            where = self.document.at("outputs", key)
            key_place = self.document.key_at("outputs", key)
            level = int(expression_of(key, key_place).evaluate(self.bound.names))
            self._attempt(self._output, outputs, level, text, self._names(level), where)

    def _output(
        self,
        outputs: dict[int, tuple[str, Location | None]],
        level: int,
        text: str,
        names: Names,
        where: Location | None,
    ) -> None:
        known = {**self.inputs, **self.drafts}
        entry = parse_entry(text, where)
        tried: list[str] = []
        for candidate in entry.candidates:
            name = expand_template(candidate, names, where)
            tried.append(name)
            if name not in known:
                continue
            actual = self._level(name)
            if actual is not None and actual != level:
                message = f"the output of level {level} is '{name}', which is at level {actual}"
                raise SpecError(Diagnostic("E115", message, where))
            outputs[level] = (name, where)
            return
        if entry.optional:
            return
        shown = " nor ".join(f"'{name}'" for name in tried)
        neither = "neither " if len(tried) > 1 else ""
        message = f"there is no output of level {level}: {neither}{shown} does not exist"
        if len(tried) > 1:
            message = f"there is no output of level {level}: neither {shown} exists"
        same = [name for name in known if self._level(name) == level]
        hint = suggest(tried[-1], same, f"at level {level}")
        raise SpecError(Diagnostic("E114", message, where, hint))
