"""Loops and groups run: inputs, and the nodes of a topology in order, as names with levels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from archgraph.errors import Diagnostic, Location, SpecError
from archgraph.expressions import Expression, Loop, Names, expand_template, scalar_text
from archgraph.expressions.template import HOLE
from archgraph.spec.expanded import ExpandedInput
from archgraph.spec.expansion import (
    LEVELS,
    MAX_NODES,
    Draft,
    Expansion,
    Scope,
    loop_of,
    whole_level,
)
from archgraph.spec.forms import expression_of
from archgraph.spec.models import GroupModel, InputModel, NodeModel
from archgraph.spec.names import SHARED, name_fault


@dataclass
class _Plan:
    """A node, an input or a group as written, with its loop and conditions parsed once."""

    model: NodeModel | InputModel | GroupModel
    loop: Loop | None = None
    when: Expression | None = None
    level: Expression | None = None
    inner: list[_Plan] = field(default_factory=list)
    broken: bool = False

    def templates(self) -> Iterator[str]:
        """The names of the nodes in it, as written."""
        if isinstance(self.model, GroupModel):
            for plan in self.inner:
                yield from plan.templates()
        else:
            yield self.model.name

    @property
    def where(self) -> Location | None:
        """Where the loop stands."""
        return self.model.at("for")


class Generators:
    """Runs the loops of one topology."""

    def __init__(self, expansion: Expansion) -> None:
        self.expansion = expansion

    # --- inputs ----------------------------------------------------------------------------

    def read_inputs(self) -> None:
        """Every input, named and placed on its level."""
        expansion = self.expansion
        form = expansion.document.inputs
        where = expansion.document.at("inputs")
        if isinstance(form, str):
            for each in expansion.bound.levels:
                scope = expansion.scope(each)
                if not expansion.attempt(self._add_input, form, each, scope, where):
                    self._lose(form)
                    break
            return
        for model in [form] if isinstance(form, InputModel) else form:
            if not expansion.attempt(self._read_input, model):
                self._lose(model.name)

    def _read_input(self, model: InputModel) -> None:
        plan = _Plan(model, loop_of(model.for_, model), level=_stated(model))
        for names in self.expansion.rounds(plan.loop, self.expansion.scope(), plan.where):
            level = self._level(plan, names)
            if level is None:
                message = f"input '{model.name}' has no level"
                hint = "say 'level:' or give it a 'for: l in lo..hi'"
                raise SpecError(Diagnostic("E201", message, model.at("name"), hint))
            self._add_input(model.name, level, names, model.at("name"))

    def _add_input(self, text: str, level: int, names: Names, where: Location | None) -> None:
        expansion = self.expansion
        name = expand_template(text, names, where)
        fault = name_fault(name, where, "an input")
        if fault:
            raise SpecError(fault)
        if name in expansion.inputs:
            message = f"there are two inputs '{name}'"
            hint = "put the level into the name: in<l>"
            raise SpecError(Diagnostic("E104", message, where, hint))
        levels = expansion.bound.levels
        if level not in levels:
            message = f"input '{name}' is at level {level}, outside of 'levels'"
            hint = f"levels are {levels[0]}..{levels[-1]}" if levels else ""
            raise SpecError(Diagnostic("E201", message, where, hint))
        channels = expansion.bound.input_channels.get(level, 1)  # missing only after a fault
        expansion.inputs[name] = ExpandedInput(name, level, channels, where)

    # --- nodes -----------------------------------------------------------------------------

    def draft_nodes(self) -> None:
        """Every node that exists, named, in the order of execution."""
        plans = self._plans(self.expansion.document.nodes)
        self._run(plans, self.expansion.scope())

    def _plans(self, models: Sequence[NodeModel | GroupModel]) -> list[_Plan]:
        plans: list[_Plan] = []
        for model in models:
            plan = _Plan(model)
            if isinstance(model, GroupModel):
                plan.inner = self._plans(model.nodes)
            if not self.expansion.attempt(self._parse, plan):
                self._break(plan)
            plans.append(plan)
        return plans

    def _parse(self, plan: _Plan) -> None:
        model = plan.model
        plan.loop = loop_of(model.for_, model)
        if isinstance(model, NodeModel | GroupModel) and model.when is not None:
            plan.when = expression_of(model.when, model.at("when"))
        if isinstance(model, NodeModel):
            plan.level = _stated(model)

    def _run(self, plans: Sequence[_Plan], names: Scope) -> None:
        """One round of a list of nodes; what is broken is not tried again in the next."""
        for plan in plans:
            if not plan.broken and not self.expansion.attempt(self._emit, plan, names):
                self._break(plan)

    def _emit(self, plan: _Plan, names: Scope) -> None:
        for inner in self.expansion.rounds(plan.loop, names, plan.where):
            # The level comes first: one that cannot be is a mistake of nodes left out too.
            level = self._level(plan, inner)
            if plan.when and not plan.when.evaluate(inner):
                continue
            if isinstance(plan.model, GroupModel):
                self._run(plan.inner, inner)
            elif isinstance(plan.model, NodeModel):
                self._draft(plan.model, inner, level)

    def _draft(self, model: NodeModel, names: Scope, level: int | None) -> None:
        expansion, where = self.expansion, model.at("name")
        name = expand_template(model.name, names, where)
        fault = name_fault(name, where)
        if fault:
            raise SpecError(fault)
        other = expansion.drafts.get(name)
        if other or name in expansion.inputs:
            what = "an input" if other is None else "a node"
            place = other.location if other else None
            line = f" {place.seen_from(where)}" if place else ""
            message, hint = f"'{name}' is already {what}{line}", ""
            if other and place and where and place.file != where.file:
                hint = (
                    f"to change what is extended, call it '{other.model.name}' as it stands there"
                )
            if model.for_ or len(names.maps) > 1:
                hint = "put the loop variable into the name: td<l>"
            if other and other.location == where:
                message = f"every round of the loop makes a node '{name}'"
            raise SpecError(Diagnostic("E104", message, where, hint))
        if len(expansion.drafts) >= MAX_NODES:
            expansion.stopped = True
            raise SpecError(Diagnostic("E304", f"more than {MAX_NODES:,} nodes", model.at("for")))
        share = expand_template(model.share, names, model.at("share"))
        fault = name_fault(share, model.at("share"), SHARED) if share else None
        if fault:
            raise SpecError(fault)
        expansion.drafts[name] = Draft(name, model, names, where, level, share)

    def _level(self, plan: _Plan, names: Names) -> int | None:
        """The level that a round states; None where only the inputs of the node can tell."""
        if isinstance(plan.model, GroupModel):
            return None
        value = plan.level.evaluate(names) if plan.level else names.get("l")
        if not isinstance(value, int | float):
            return None
        level = whole_level(value)
        if level is None:
            message = f"level {scalar_text(value)} is not a whole number from 0 to {LEVELS[-1]}"
            place = plan.model.at("level" if plan.level else "for")
            raise SpecError(Diagnostic("E201", message, place))
        return level

    def _break(self, plan: _Plan) -> None:
        plan.broken = True
        for template in plan.templates():
            self._lose(template)

    def _lose(self, template: str) -> None:
        # HOLE has a group, so every second part is the inside of a hole.
        parts = HOLE.split(template)[::2]
        broken = next((i for i, part in enumerate(parts) if "<" in part), None)
        if broken is not None:
            parts = [*parts[:broken], parts[broken].partition("<")[0], ""]
        self.expansion.lose(parts)


def _stated(model: NodeModel | InputModel) -> Expression | None:
    return None if model.level is None else expression_of(model.level, model.at("level"))
