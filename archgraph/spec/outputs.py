"""What a topology gives: one value for each level that it names."""

from __future__ import annotations

from archgraph.errors import Diagnostic, Location, SpecError, suggest
from archgraph.expressions import Names, expand_template, parse_entry
from archgraph.spec.expansion import (
    LEVELS,
    MAX_COMPARED,
    MAX_ENTRY,
    Expansion,
    loop_of,
    owner_of,
    whole_level,
)
from archgraph.spec.forms import expression_of
from archgraph.spec.models import OutputsLoop


class Outputs:
    """Reads `outputs` of one topology into `found`: level to the value and its place."""

    def __init__(self, expansion: Expansion) -> None:
        self.expansion = expansion
        self.found: dict[int, tuple[str, Location | None]] = {}

    def read(self) -> None:
        """Every output that is said."""
        expansion = self.expansion
        form, document = expansion.document.outputs, expansion.document
        if isinstance(form, str):
            for each in expansion.bound.levels:
                scope, where = expansion.scope(each), document.at("outputs")
                expansion.attempt(self._output, each, form, scope, where)
        elif isinstance(form, OutputsLoop):
            expansion.attempt(self._loop, form)
        else:
            for key, text in form.items():
                expansion.attempt(self._entry, key, text)

    def _loop(self, form: OutputsLoop) -> None:
        loop, where = loop_of(form.for_, form), form.at("from")
        if loop and loop.variable != "l":
            message = f"outputs stand on levels, and '{loop.variable}' is not one"
            hint = "call the variable 'l': {for: l in lo..hi, from: p<l>}"
            raise SpecError(Diagnostic("E201", message, form.at("for"), hint))
        for names in self.expansion.rounds(loop, self.expansion.scope(), form.at("for")):
            level = whole_level(names["l"])
            if level is None:
                message = f"level {names['l']} is not a whole number from 0 to {LEVELS[-1]}"
                raise SpecError(Diagnostic("E201", message, form.at("for")))
            # One mistake does not hide those of the other rounds.
            self.expansion.attempt(self._output, level, form.from_, names, where)

    def _entry(self, key: str, text: str) -> None:
        document = self.expansion.document
        key_place, where = document.key_at("outputs", key), document.at("outputs", key)
        level = whole_level(expression_of(key, key_place).evaluate(self.expansion.bound.names))
        if level is None:
            message = f"outputs stand under their levels; '{key}' is not one"
            hint = "write 'outputs: {3: name}', or 'outputs: name<l>' for all levels"
            raise SpecError(Diagnostic("E113", message, key_place, hint))
        if level in self.found:
            message = f"level {level} has an output already"
            raise SpecError(Diagnostic("E104", message, key_place))
        self._output(level, text, self.expansion.scope(level), where)

    def _output(self, level: int, text: str, names: Names, where: Location | None) -> None:
        expansion = self.expansion
        if len(text) > MAX_ENTRY:
            message = f"an entry of {len(text):,} characters; at most {MAX_ENTRY}"
            raise SpecError(Diagnostic("E304", message, where))
        entry = parse_entry(text, where)
        tried: list[str] = []
        for candidate in entry.candidates:
            name = expand_template(candidate, names, where)
            tried.append(name)
            if owner_of(name) in expansion.inputs or owner_of(name) in expansion.drafts:
                self._check_level(name, level, where)
                self.found[level] = (name, where)
                return
        if entry.optional or any(expansion.is_lost(owner_of(name)) for name in tried):
            return
        shown = " nor ".join(f"'{name}'" for name in tried)
        missing = f"neither {shown} exists" if len(tried) > 1 else f"{shown} does not exist"
        message = f"there is no output of level {level}: {missing}"
        hint = expansion.why_missing(owner_of(tried[-1]), where)
        hint = hint or suggest(tried[-1], self._at_level(level), f"at level {level}")
        raise SpecError(Diagnostic("E114", message, where, hint))

    def _check_level(self, name: str, level: int, where: Location | None) -> None:
        """The level of a result is not known before its block is; `lower` looks at it."""
        actual = self.expansion.level_of(name)
        if actual is None or actual == level:
            return
        message = f"the output of level {level} is '{name}', which is at level {actual}"
        hint = suggest(name, self._at_level(level), f"at level {level}")
        draft = self.expansion.drafts.get(name)
        if draft and draft.model.for_ is None and not hint:
            hint = f"say 'level: {level}' on node '{name}' if that is its level"
        raise SpecError(Diagnostic("E115", message, where, hint))

    def _at_level(self, level: int) -> list[str]:
        names = [*self.expansion.inputs, *self.expansion.drafts]
        return [name for name in names if self.expansion.level_of(name) == level][:MAX_COMPARED]
