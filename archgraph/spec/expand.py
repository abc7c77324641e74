"""From a topology document and arguments to plain nodes: no parameters, loops or choices left.

What stays open is what needs types: steps keep their texts, with the names they may use.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from archgraph.errors import Diagnostic, Location, SpecError, suggest
from archgraph.expressions import (
    Entry,
    Names,
    Value,
    expand_template,
    parse_entry,
    parse_loop,
    scalar_text,
)
from archgraph.expressions.template import HOLE
from archgraph.spec.arguments import LEVELS as LEVELS_NAME
from archgraph.spec.arguments import Arguments, bind_parameters
from archgraph.spec.documents import TopologyDocument
from archgraph.spec.expanded import ExpandedEdge, ExpandedInput, ExpandedNode, ExpandedTopology
from archgraph.spec.faults import certain, fits, independent
from archgraph.spec.forms import expression_of
from archgraph.spec.models import EdgeModel, InputModel, NodeModel, PortsModel
from archgraph.spec.names import name_fault

MAX_NODES, MAX_WORK = 10_000, 100_000
MAX_ENTRY = 500
# After so many faults the rest is not looked at; of many names not all are compared.
MAX_FAULTS, MAX_COMPARED = 100, 500
LEVELS = range(32)


@dataclass
class _Draft:
    """A node whose name is known and whose operands are not yet looked up."""

    name: str
    model: NodeModel
    names: Names
    location: Location | None
    level: int | None = None
    edges: list[ExpandedEdge] = field(default_factory=list)
    faulty: bool = False


def expand_topology(document: TopologyDocument, arguments: Arguments) -> ExpandedTopology:
    """Bind parameters, run generators, look every name up.

    Every mistake in names, parameters, levels and expressions stands in `faults`, placed.
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
        self.work = 0
        self.stopped = False
        # Names that an earlier mistake kept from existing: who reads them is not to blame.
        self.lost: list[list[str]] = []

    def run(self) -> ExpandedTopology:
        self._read_inputs()
        for model in self.document.nodes:
            assert isinstance(model, NodeModel)
            if not self._attempt(self._draft, model):
                self._lose(model.name)
        seen: set[str] = set(self.inputs)
        for draft in self.drafts.values():
            if not self._attempt(self._connect, draft, seen):
                draft.faulty = True
            seen.add(draft.name)
        outputs: dict[int, tuple[str, Location | None]] = {}
        self._attempt(self._read_outputs, outputs)
        if not outputs and not self.faults:
            where, hint = self.document.at("outputs"), "name a node that exists for some level"
            self.faults.append(Diagnostic("E114", "no output exists", where, hint))
        found = list(independent(self.faults, self.bound.failed))
        if self.document.doubtful or LEVELS_NAME in self.bound.failed:
            found = certain(found)
        faults = (*self.document.faults, *self.bound.faults, *found)
        nodes = tuple(
            ExpandedNode(d.name, d.level, d.model, tuple(d.edges), d.names, d.location)
            for d in self.drafts.values()
        )
        return ExpandedTopology(
            self.document, self.bound, tuple(self.inputs.values()), nodes, outputs, faults
        )

    def _attempt(self, step: Callable[..., None], *args: object) -> bool:
        """Do one step, keep what is wrong with it, and tell whether all went well."""
        if len(self.faults) >= MAX_FAULTS or self.stopped:
            return False
        try:
            step(*args)
        except SpecError as error:
            self.faults.extend(error.diagnostics)
            return False
        return True

    def _lose(self, template: str) -> None:
        # HOLE has a group, so every second part is the inside of a hole.
        parts = HOLE.split(template)[::2]
        broken = next((i for i, part in enumerate(parts) if "<" in part), None)
        if broken is not None:
            parts = [*parts[:broken], parts[broken].partition("<")[0], ""]
        self.lost.append(parts)

    def _is_lost(self, name: str) -> bool:
        return any(fits(name, parts) for parts in self.lost)

    def _spend(self, steps: int, where: Location | None) -> None:
        """Loops in loops and long lists add up; no spec may keep the compiler busy for long."""
        self.work += steps
        if self.work > MAX_WORK:
            self.stopped = True
            message = f"this takes too long: the loops of '{self.document.name}' make more than"
            raise SpecError(Diagnostic("E304", f"{message} {MAX_WORK:,} steps", where))

    # --- inputs ----------------------------------------------------------------------------

    def _read_inputs(self) -> None:
        form = self.document.inputs
        if isinstance(form, str):
            for each in self.bound.levels:
                where = self.document.at("inputs")
                if not self._attempt(self._add_input, form, each, self._names(each), where):
                    self._lose(form)
                    break
            return
        for model in [form] if isinstance(form, InputModel) else form:
            if not self._attempt(self._read_input, model):
                self._lose(model.name)

    def _read_input(self, model: InputModel) -> None:
        for names, level in self._instances(model):
            if level is None:
                message = f"input '{model.name}' has no level"
                hint = "say 'level:' or give it a 'for: l in lo..hi'"
                raise SpecError(Diagnostic("E201", message, model.at("name"), hint))
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
        levels = self.bound.levels
        if level not in levels:
            message = f"input '{name}' is at level {level}, outside of 'levels'"
            hint = f"levels are {levels[0]}..{levels[-1]}" if levels else ""
            raise SpecError(Diagnostic("E201", message, where, hint))
        channels = self.bound.input_channels.get(level, 1)  # missing only after a fault
        self.inputs[name] = ExpandedInput(name, level, channels, where)

    # --- nodes -----------------------------------------------------------------------------

    def _names(self, level: int | None = None) -> dict[str, Value]:
        names: dict[str, Value] = dict(self.bound.names)
        if level is not None:
            names["l"] = level
        return names

    def _instances(self, model: NodeModel | InputModel) -> Iterator[tuple[Names, int | None]]:
        """For every value of the loop, the names in scope and the level, if it is known here."""
        outer: dict[str, Value] = self._names()
        rounds: Iterable[Names] = [outer]
        if model.for_ is not None:
            loop = parse_loop(model.for_, model.at("for"))
            if loop.variable in outer:
                message = f"the loop variable '{loop.variable}' hides a name of the document"
                raise SpecError(Diagnostic("E104", message, model.at("for")))
            # No copies: there may be many rounds, and many names.
            rounds = (ChainMap({loop.variable: value}, outer) for value in loop.values(outer))
        stated = None if model.level is None else expression_of(model.level, model.at("level"))
        for names in rounds:
            self._spend(1, model.at("for"))
            level = stated.evaluate(names) if stated else names.get("l")
            if isinstance(level, int | float) and not isinstance(level, bool) and level in LEVELS:
                yield names, int(level)
            elif isinstance(level, int | float):
                message = f"level {scalar_text(level)} is not a whole number from 0 to {LEVELS[-1]}"
                raise SpecError(Diagnostic("E201", message, model.at("level" if stated else "for")))
            else:
                yield names, None

    def _draft(self, model: NodeModel) -> None:
        where = model.at("name")
        condition = None if model.when is None else expression_of(model.when, model.at("when"))
        for names, level in self._instances(model):
            if condition and not condition.evaluate(names):
                continue
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
                self.stopped = True
                message = f"more than {MAX_NODES:,} nodes"
                raise SpecError(Diagnostic("E304", message, model.at("for")))
            self.drafts[name] = _Draft(name, model, names, where, level)

    # --- operands --------------------------------------------------------------------------

    def _connect(self, draft: _Draft, seen: set[str]) -> None:
        model = draft.model
        forms = model.from_ if isinstance(model.from_, list) else [model.from_]
        for i, form in enumerate(forms):
            assert not isinstance(form, PortsModel)
            path = ("from", i) if isinstance(model.from_, list) else ("from",)
            if form is None:
                message = f"node '{draft.name}' does not say what it reads"
                hint = "write 'from: [in<l>, ...]'"
                raise SpecError(Diagnostic("E106", message, draft.location, hint))
            if not self._attempt(self._operand, draft, form, model.at(*path), seen):
                draft.faulty = True
        if draft.faulty:
            return
        if not draft.edges:
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
        self._spend(1, where)
        if len(text) > MAX_ENTRY:
            message = f"an entry of {len(text):,} characters; at most {MAX_ENTRY}"
            raise SpecError(Diagnostic("E304", message, where))
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
                raise SpecError(self._later(name, draft, spot, entry.optional))
            if self._is_lost(name):
                draft.faulty = True
                return None
        if entry.optional:
            return None
        spot = where.find(entry.candidates[-1]) if where else None
        raise SpecError(self._unknown(name, draft, seen, spot))

    def _later(
        self, name: str, draft: _Draft, where: Location | None, optional: bool
    ) -> Diagnostic:
        if name == draft.name:
            return Diagnostic("E103", f"node '{name}' reads itself", where)
        place = self.drafts[name].location
        message = f"node '{draft.name}' reads '{name}', which comes later"
        line = f" (line {place.line})" if place else ""
        hint = f"nodes stand in execution order: move '{name}'{line} before '{draft.name}'"
        if optional:
            hint += ", or rename it if 'maybe' is not meant to find it"
        return Diagnostic("E103", message, where, hint)

    def _unknown(
        self, name: str, draft: _Draft, known: set[str], where: Location | None
    ) -> Diagnostic:
        # Names that begin like it come first: comparing all of many takes long.
        others = (known | set(self.drafts)) - {draft.name}
        names = sorted(others, key=lambda other: other[:2] != name[:2])
        hint = suggest(name, names[:MAX_COMPARED], "names here")
        message = f"node '{draft.name}' reads '{name}', which does not exist"
        return Diagnostic("E102", message, where, hint)

    def _common_level(self, draft: _Draft) -> None:
        levels = {self._level(edge.source) for edge in draft.edges}
        if len(levels) == 1:
            draft.level = levels.pop()
        elif any(self.drafts[e.source].faulty for e in draft.edges if e.source in self.drafts):
            draft.faulty = True  # the level of what it reads is not known, which was said
        else:
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
        assert isinstance(form, dict)
        for key, text in form.items():
            where = self.document.at("outputs", key)
            key_place = self.document.key_at("outputs", key)
            self._attempt(self._output_at, outputs, key, key_place, text, where)

    def _output_at(
        self,
        outputs: dict[int, tuple[str, Location | None]],
        key: str,
        key_place: Location | None,
        text: str,
        where: Location | None,
    ) -> None:
        level = expression_of(key, key_place).evaluate(self.bound.names)
        if isinstance(level, bool) or level not in LEVELS:
            message = f"outputs stand under their levels; '{key}' is not one"
            hint = "write 'outputs: {3: name}', or 'outputs: name<l>' for all levels"
            raise SpecError(Diagnostic("E113", message, key_place, hint))
        if int(level) in outputs:
            message = f"level {int(level)} has an output already"
            raise SpecError(Diagnostic("E104", message, key_place))
        self._output(outputs, int(level), text, self._names(int(level)), where)

    def _output(
        self,
        outputs: dict[int, tuple[str, Location | None]],
        level: int,
        text: str,
        names: Names,
        where: Location | None,
    ) -> None:
        known = {**self.inputs, **self.drafts}
        if len(text) > MAX_ENTRY:
            message = f"an entry of {len(text):,} characters; at most {MAX_ENTRY}"
            raise SpecError(Diagnostic("E304", message, where))
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
                hint = suggest(name, self._at_level(level), f"at level {level}")
                draft = self.drafts.get(name)
                if draft and draft.model.for_ is None and not hint:
                    hint = f"say 'level: {level}' on node '{name}' if that is its level"
                raise SpecError(Diagnostic("E115", message, where, hint))
            outputs[level] = (name, where)
            return
        if entry.optional or any(self._is_lost(name) for name in tried):
            return
        shown = " nor ".join(f"'{name}'" for name in tried)
        missing = f"neither {shown} exists" if len(tried) > 1 else f"{shown} does not exist"
        message = f"there is no output of level {level}: {missing}"
        hint = suggest(tried[-1], self._at_level(level), f"at level {level}")
        raise SpecError(Diagnostic("E114", message, where, hint))

    def _at_level(self, level: int) -> list[str]:
        names = [*self.inputs, *self.drafts]
        return [name for name in names if self._level(name) == level][:MAX_COMPARED]
