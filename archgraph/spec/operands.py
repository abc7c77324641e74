"""What nodes read: every entry of `from` becomes edges to values that exist."""

from __future__ import annotations

from collections.abc import Iterator

from archgraph.errors import Diagnostic, Location, SpecError, suggest
from archgraph.expressions import Entry, Names, expand_template, parse_entry
from archgraph.spec.expanded import ExpandedEdge
from archgraph.spec.expansion import (
    MAX_COMPARED,
    MAX_ENTRY,
    Draft,
    Expansion,
    loop_of,
    owner_of,
)
from archgraph.spec.models import EdgeModel, PortsModel
from archgraph.spec.names import name_fault


class Operands:
    """Looks up what the nodes of one topology read, in the order of execution."""

    def __init__(self, expansion: Expansion) -> None:
        self.expansion = expansion
        # Inputs and nodes that stand before the one that is looked at.
        self.seen: set[str] = set(expansion.inputs)

    def connect(self) -> None:
        """Give every node its edges, and its level where that follows from them."""
        for draft in self.expansion.drafts.values():
            if not self.expansion.attempt(self._connect, draft):
                draft.faulty = True
            self.seen.add(draft.name)

    def _connect(self, draft: Draft) -> None:
        written = draft.model.from_
        if written is None:
            message = f"node '{draft.name}' does not say what it reads"
            hint = "write 'from: [in<l>, ...]'"
            raise SpecError(Diagnostic("E106", message, draft.location, hint))
        if isinstance(written, PortsModel):
            self._ports(draft, written)
        else:
            forms = written if isinstance(written, list) else [written]
            for i, form in enumerate(forms):
                path = ("from", i) if isinstance(written, list) else ("from",)
                if not self.expansion.attempt(self._entry, draft, form, draft.model.at(*path)):
                    draft.faulty = True
        if draft.faulty:
            return
        if not draft.edges:
            message = f"no input of node '{draft.name}' exists"
            hint = "give it a 'when', or an entry without 'maybe'"
            raise SpecError(Diagnostic("E118", message, draft.location, hint))
        if draft.level is None:
            self._common_level(draft)

    # --- entries ---------------------------------------------------------------------------

    def _entry(self, draft: Draft, form: str | EdgeModel, where: Location | None) -> None:
        if isinstance(form, str):
            self.expansion.spend(1, where)
            self._operand(draft, _parsed(form, where), None, draft.names, where)
            return
        loop, where = loop_of(form.for_, form), form.at("from")
        entry = _parsed(form.from_, where)
        for names in self.expansion.rounds(loop, draft.names, form.at("for")):
            self._operand(draft, entry, form, names, where)

    def _operand(
        self,
        draft: Draft,
        entry: Entry,
        model: EdgeModel | None,
        names: Names,
        where: Location | None,
    ) -> None:
        source = self._choose(entry, draft, names, where)
        if source is None:
            return
        name = None
        if model and model.name is not None:
            name = expand_template(model.name, names, model.at("name"))
            fault = name_fault(name, model.at("name"), "an edge")
            if fault:
                raise SpecError(fault)
        label = name or source
        if label in draft.labels:
            message = f"node '{draft.name}' has two edges named '{label}'"
            hint = f"give one a name: {{name: ..., from: {source}}}"
            if model and model.for_:
                hint = "put the loop variable into the name: skip<i>"
            raise SpecError(Diagnostic("E104", message, where, hint))
        draft.labels.add(label)
        draft.edges.append(ExpandedEdge(source, name, model, names, where))

    def _ports(self, draft: Draft, ports: PortsModel) -> None:
        if draft.model.use is None:
            raise SpecError(_no_ports(draft, ports))
        for port, form in ports.entries.items():
            if not self.expansion.attempt(self._port, draft, ports, port, form):
                draft.faulty = True

    def _port(self, draft: Draft, ports: PortsModel, port: str, form: str | EdgeModel) -> None:
        model = form if isinstance(form, EdgeModel) else None
        for key, why in (
            ("for", "an input of a block reads one value"),
            ("name", f"the edge is called '{port}', like the input that it is for"),
        ):
            if model and getattr(model, "for_" if key == "for" else key) is not None:
                message = f"'{key}' cannot stand here: {why}"
                raise SpecError(Diagnostic("E119", message, model.key_at(key), f"delete '{key}'"))
        fault = None if port == "x" else name_fault(port, ports.key_at(port), "an input of a block")
        if fault:
            raise SpecError(fault)
        text, where = (model.from_, model.at("from")) if model else (form, ports.at(port))
        self.expansion.spend(1, where)
        source = self._choose(_parsed(str(text), where), draft, draft.names, where)
        if source is not None:
            place = ports.key_at(port)
            draft.edges.append(ExpandedEdge(source, port, model, draft.names, where, port, place))

    def _choose(
        self, entry: Entry, draft: Draft, names: Names, where: Location | None
    ) -> str | None:
        """The first candidate that exists; it must come before the node that reads it.

        A result `lf.l4` exists where its node does.
        """
        name = ""
        for candidate in entry.candidates:
            spot = where.find(candidate) if where else None
            name = expand_template(candidate, names, spot)
            owner = owner_of(name)
            if owner in self.seen:
                return name
            if owner in self.expansion.drafts:
                raise SpecError(self._later(owner, draft, spot, entry.optional))
            if self.expansion.is_lost(owner):
                draft.faulty = True
                return None
        if entry.optional:
            return None
        spot = where.find(entry.candidates[-1]) if where else None
        raise SpecError(self._unknown(name, entry, draft, spot))

    def _later(self, name: str, draft: Draft, where: Location | None, optional: bool) -> Diagnostic:
        if name == draft.name:
            return Diagnostic("E103", f"node '{name}' reads itself", where)
        place = self.expansion.drafts[name].location
        message = f"node '{draft.name}' reads '{name}', which comes later"
        line = f" (line {place.line})" if place else ""
        hint = f"nodes stand in execution order: move '{name}'{line} before '{draft.name}'"
        if optional:
            hint += ", or rename it if 'maybe' is not meant to find it"
        return Diagnostic("E103", message, where, hint)

    def _unknown(self, name: str, entry: Entry, draft: Draft, where: Location | None) -> Diagnostic:
        message = f"node '{draft.name}' reads '{name}', which does not exist"
        if why := self.expansion.why_missing(owner_of(name), where):
            hint = f"{why}; if it need not exist, write 'maybe {' else '.join(entry.candidates)}'"
            return Diagnostic("E102", message, where, hint)
        # Names that begin like it come first: comparing all of many takes long.
        others = (self.seen | set(self.expansion.drafts)) - {draft.name}
        known = sorted(others, key=lambda other: other[:2] != name[:2])
        hint = suggest(name, known[:MAX_COMPARED], "names here")
        return Diagnostic("E102", message, where, hint)

    # --- levels ----------------------------------------------------------------------------

    def _common_level(self, draft: Draft) -> None:
        """The level that all inputs have, if they have one.

        A `use` node may do without: whether it does only its block can tell.
        """
        sources = [edge.source for edge in draft.edges]
        levels = {self.expansion.level_of(source) for source in sources}
        if len(levels) == 1 and None not in levels:
            draft.level = levels.pop()
        elif any(self._is_faulty(source) for source in sources):
            draft.faulty = True  # the level of what it reads is not known, which was said
        elif draft.model.use is None:
            raise SpecError(level_unknown(draft.name, sources, draft.location))

    def _is_faulty(self, source: str) -> bool:
        """Whether a node is reported, or will be: it has one value, and no level."""
        draft = self.expansion.drafts.get(owner_of(source))
        return draft is not None and (draft.faulty or (draft.level is None and "." not in source))


def _parsed(text: str, where: Location | None) -> Entry:
    if len(text) > MAX_ENTRY:
        message = f"an entry of {len(text):,} characters; at most {MAX_ENTRY}"
        raise SpecError(Diagnostic("E304", message, where))
    return parse_entry(text, where)


def level_unknown(name: str, sources: list[str], where: Location | None) -> Diagnostic:
    """A node does not say its level, and what it reads does not either."""
    results = [source for source in sources if "." in source]
    why = f"that of '{results[0]}' follows from its block" if results else "its inputs differ"
    message = f"the level of node '{name}' is not known: {why}"
    hint = "say 'level:' on the node, or name the loop variable 'l'"
    return Diagnostic("E201", message, where, hint)


def _no_ports(draft: Draft, ports: PortsModel) -> Diagnostic:
    """A mapping under `from` that is neither an edge nor for a `use` node."""
    where = draft.model.at("from")
    keys = list(ports.entries)
    if any(key in EdgeModel.known_keys() for key in keys):
        message = f"node '{draft.name}' has an edge that does not say what it reads"
        hint = f"write 'from: {{from: in<l>, {keys[0]}: ...}}'"
        return Diagnostic("E106", message, where, hint)
    texts = (form.from_ if isinstance(form, EdgeModel) else form for form in _first(ports))
    message = f"node '{draft.name}' fuses any number of inputs, so they have no names of their own"
    return Diagnostic("E119", message, where, f"write a list: 'from: [{', '.join(texts)}]'")


def _first(ports: PortsModel) -> Iterator[str | EdgeModel]:
    yield from list(ports.entries.values())[:8]
