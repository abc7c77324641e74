"""The numbers of a class: which are parameters of its constructor, and what explains the others.

A number is a column: its value in every instance, None where the instance lacks the part. What
explains it must be exact on all of them, in this order: the spec's own expression; for a width,
what enters, a declared argument, what leaves; for anything else a constant, a declared argument;
at last a parameter of its own.
"""

from __future__ import annotations

import keyword
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from archgraph.codegen.calls import BORROWED, Attribute
from archgraph.codegen.context import Context
from archgraph.codegen.formula import KNOWN, matches, run, same, total, words
from archgraph.codegen.names import reserved_parameters
from archgraph.codegen.outline import Outline
from archgraph.codegen.parameters import Numbers, Parameter, literal
from archgraph.codegen.shape import KEYED, WHOLE, Field, Part, Ref, Row, merged_rows, row_of
from archgraph.spec.names import MODULE_ATTRIBUTES

if TYPE_CHECKING:
    from archgraph.codegen.classes import ModuleClass

MAX_PARAMETERS = 8
CHANNELS = "channels"
# The width of a concatenation is written as a sum of so many parameters.
MAX_SUMMED = 2
Column = tuple[object, ...]


def explain(
    group: ModuleClass,
    outlined: Outline,
    classes: Mapping[str, ModuleClass],
    is_literal: bool = False,
) -> Numbers | None:
    """The numbers of a class; None if its optional parts need too much explanation."""
    explainer = _Explainer(group, outlined, classes, is_literal)
    numbers = explainer.run()
    # What an edge does is its name: no flag leaves a part of it out.
    most = 1 if group.bypass and group.instance.scope.block != "edge" else 0
    if explainer.flags > most or (group.bypass and len(numbers.parameters) > MAX_PARAMETERS):
        return None
    return numbers


class _Explainer:
    def __init__(
        self,
        group: ModuleClass,
        outlined: Outline,
        classes: Mapping[str, ModuleClass],
        is_literal: bool,
    ) -> None:
        self.group = group
        self.types = outlined.types
        self.classes = classes
        self.literal = is_literal or len(group.members) == 1
        self.context = Context(group, outlined)
        self.numbers = Numbers(entering=self.context.entering, inputs=self.context.inputs)
        self.used: set[str] = set()
        self.invented: list[tuple[str, Parameter]] = []
        self.taken = reserved_parameters() | set(self.context.parameters)
        self.attributes = set(group.template.fields)
        self.widths: dict[tuple[int, int], str] = {}
        # What the spec says of widths, in Python; other widths may be the same.
        self.formulas: dict[str, None] = {}
        self.makes: dict[tuple[int, str], str] = {}
        self.flags = 0

    def run(self) -> Numbers:
        done: set[tuple[str, str]] = set()
        for i, part in enumerate(self.group.template.parts):
            if part.called and part.called not in done:
                self._called(part)
                done.add(part.called)
            elif part.function:
                self._function(i, part)
            self._measure(i, part)
        for name, found in self.group.template.fields.items():
            for key, attribute in found.members.items():
                if (name, key) not in done and (name, WHOLE) not in done:
                    self._member(name, key, attribute, [])
            self._keys(found)
        self._presence()
        self.numbers.widths = [self._width(ref) for ref in self.group.template.outputs]
        self.numbers.parameters = self._parameters()
        return self.numbers

    def _parameters(self) -> list[Parameter]:
        declared = [p for name, p in self.context.parameters.items() if name in self.used]
        found = [*declared, *(parameter for _, parameter in self.invented)]
        return sorted(found, key=lambda parameter: bool(parameter.default))

    # --- attributes ------------------------------------------------------------------------

    def _called(self, part: Part) -> None:
        assert part.called is not None
        name, key = part.called
        found = self.group.template.fields[name]
        operands = list(part.operands)
        if key == KEYED:
            for k, attribute in found.members.items():
                self._member(name, k, attribute, operands)
        elif key != WHOLE:
            self._member(name, key, found.members[key], operands)
        elif found.uniform:
            self._run(found, operands)
        else:
            for k, attribute in found.members.items():
                self._member(name, k, attribute, operands if k == "0" else [])

    def _member(self, name: str, key: str, attribute: Attribute, operands: Sequence[Ref]) -> None:
        rows: list[Row] = []
        for member in self.group.members:
            own = member.attribute(name, key)
            rows.append(row_of(own, self.classes) if own else {})
        path = f"{name}.{key}" if key else name
        self._slots(name, key, attribute, rows, path, operands)

    def _run(self, found: Field, operands: Sequence[Ref]) -> None:
        """A list whose elements after the first are alike: a count and two sets of numbers."""
        firsts: list[Row] = []
        rests: list[Row] = []
        counts: list[int] = []
        for member in self.group.members:
            elements = list(member.shape.fields[found.name].members.values())
            rows = [row_of(element, self.classes) for element in elements]
            firsts.append(rows[0])
            rests.append(merged_rows(rows[1:]) or {})
            counts.append(len(rows))
        first = next(iter(found.members.values()))
        self._slots(found.name, "first", first, firsts, found.name, operands)
        self._slots(found.name, "rest", first, rests, found.name, [], found.name)
        keys = [f"{found.name}.repeat"]
        text = self._explain(keys, "count", tuple(counts), False, "", f"{found.name}_count")
        self.numbers.counts[found.name] = text

    def _slots(
        self,
        name: str,
        key: str,
        attribute: Attribute,
        rows: Sequence[Row],
        path: str,
        operands: Sequence[Ref],
        after: str = "",
    ) -> None:
        """Explain every number of an attribute; one of a list reads what the first one makes."""
        last = path.replace(".#", ".input").rpartition(".")[2]
        for slot, is_channels in self._slots_of(attribute):
            column = tuple(row.get(slot) for row in rows)
            bare = path.rstrip("0123456789").rstrip(".") if path[-1:].isdigit() else path
            keys = [f"{path}.{slot}", f"{bare}.{slot}"]
            entering = self._entering(attribute, slot, operands)
            if after and slot != CHANNELS:
                entering = self.numbers.texts.get((after, "first", self._made_by(attribute)), "")
            wanted = f"{last}_{slot}".lstrip("0123456789_")
            text = self._explain(keys, slot, column, is_channels, entering, wanted)
            self.numbers.texts[name, key, slot] = text

    def _slots_of(self, attribute: Attribute) -> Iterator[tuple[str, bool]]:
        if attribute.child:
            for parameter in self.classes[attribute.child].parameters:
                yield parameter.name, parameter.is_channels
        elif attribute.form:
            for slot in attribute.form.slots:
                yield slot, slot in attribute.form.channels

    def _entering(self, attribute: Attribute, slot: str, operands: Sequence[Ref]) -> str:
        """The channels of the operand that a channel count is about."""
        if not operands:
            return ""
        if attribute.child:
            index = self.classes[attribute.child].numbers.entering.get(slot, -1)
            return self._width(operands[index]) if 0 <= index < len(operands) else ""
        slots = attribute.form.slots if attribute.form else {}
        about_input = slot != CHANNELS or "in_channels" not in slots
        return self._width(operands[0]) if about_input else ""

    def _made_by(self, attribute: Attribute) -> str:
        """The parameter that is the width of what an element makes."""
        if not attribute.child:
            return CHANNELS
        widths = self.classes[attribute.child].numbers.widths
        return widths[0] if widths else ""

    def _keys(self, found: Field) -> None:
        """What members are called that have the names of inputs."""
        if not found.named:
            return
        names = [
            tuple(name for v, name in instance.inputs.items() if not v.startswith(BORROWED))
            for instance in self.group.instances
        ]
        same_names = all(row == names[0] for row in names)
        for key in found.members:
            place = int(key[1:])
            self.numbers.keys[key] = f'"{names[0][place]}"' if same_names else f"inputs[{place}]"
        if not same_names:
            text = self._explain([], "inputs", tuple(names), False, "", "input_names")
            for key in found.members:
                self.numbers.keys[key] = f"{text}[{key[1:]}]"

    # --- statements ------------------------------------------------------------------------

    def _function(self, i: int, part: Part) -> None:
        """Numbers that `forward` says: it reads from the module what is not the same everywhere."""
        assert part.function is not None
        last = part.path.replace(".#", "_input").rpartition(".")[2]
        for slot in part.function.slots:
            values: list[object] = []
            for member in self.group.members:
                own = member.parts.get(i)
                form = own.function if own else None
                values.append(form.slots[slot] if form else None)
            is_channels = slot in part.function.channels
            entering = self._width(part.operands[0]) if is_channels and part.operands else ""
            keys = [f"{part.path}.{slot}"]
            wanted = f"{last}_{slot}".lstrip("0123456789_#")
            text = self._explain(keys, slot, tuple(values), is_channels, entering, wanted)
            self.makes[i, slot] = text
            self.numbers.functions[i, slot] = self._keep(text, wanted)

    def _keep(self, text: str, wanted: str) -> str:
        """How `forward` says what the constructor knows."""
        if not words(text) - {"True", "False", "None"}:
            return text
        for known, value in self.numbers.kept.items():
            if value == text:
                return f"self.{known}"
        name = text if text.isidentifier() else wanted
        hides = self.attributes | MODULE_ATTRIBUTES
        while name in hides or name in self.numbers.kept:
            name += "_"
        self.numbers.kept[name] = text
        return f"self.{name}"

    def _presence(self) -> None:
        for i in self.group.optional:
            part = self.group.template.parts[i]
            column: Column = tuple(i in member.parts for member in self.group.members)
            text = self._condition(i, part, column)
            wanted = part.path.rpartition(".")[2].lstrip("#")
            self.numbers.presence[i] = text if part.called else self._keep(text, wanted)

    def _condition(self, i: int, part: Part, column: Column) -> str:
        text = self.context.formula([f"{part.path}.when"], column)
        if text:
            return self._use(text)
        before, after = self._width(part.operands[0]), self.widths.get((i, 0), "")
        if before and after and before != after and not part.operands[1:]:
            text = f"{before} != {after}"
            if matches(run(text, self._rows(words(text))), column):
                return self._use(text)
        self.flags += 1
        return self._invent(part.path.rpartition(".")[2].lstrip("#"), column, False, "has_")

    # --- channels of values ----------------------------------------------------------------

    def _channels(self, ref: Ref) -> Column:
        """The channels of a value in every instance; None where it is not there."""
        found: list[object] = []
        for member in self.group.members:
            value = None
            if ref[0] == "in" and isinstance(ref[1], int):
                value = list(member.shape.instance.inputs)[ref[1]]
            elif ref[0] == "part" and len(ref) == 3:
                part = member.parts.get(ref[1])
                value = part.results[ref[2]] if part else None
            known = self.types.get(value) if value else None
            found.append(known.channels if known else None)
        return tuple(found)

    def _width(self, ref: Ref) -> str:
        """The channels of a value as a text over the parameters, if there is one."""
        if ref[0] == "in" and isinstance(ref[1], int):
            name = self.context.input_parameter(ref[1])
            known = self.context.parameters
            same_width = not self.context.declared and name and CHANNELS in known
            return CHANNELS if same_width and known[name].column == known[CHANNELS].column else name
        if ref[0] == "part" and len(ref) == 3:
            return self.widths.get((ref[1], ref[2]), "")
        return ""

    def _measure(self, i: int, part: Part) -> None:
        """Note the channels of what a statement makes, where some text says them exactly."""
        if self.literal:
            return
        for j in range(len(part.results)):
            column = self._channels(("part", i, j))
            for text in self._width_candidates(i, part, j):
                if text and self._exact(text, column):
                    self.widths[i, j] = text
                    break

    def _width_candidates(self, i: int, part: Part, j: int) -> Iterator[str]:
        if part.called:
            name, key = part.called
            found = self.group.template.fields[name]
            key = next(iter(found.members)) if key == KEYED else key
            keys = [key]
            if key == WHOLE:
                keys = ["rest", "first"] if found.uniform else [list(found.members)[-1]]
            attribute = list(found.members.values())[-1] if key == WHOLE else found.members[key]
            for each in keys:
                slot = CHANNELS
                if attribute.child:
                    slot = self.classes[attribute.child].numbers.widths[j]
                    yield slot if slot.isdigit() else ""
                yield self.numbers.texts.get((name, each, slot), "")
        yield self.makes.get((i, CHANNELS), "")
        widths = [self._width(operand) for operand in part.operands]
        yield from widths
        concat = part.function is not None and part.function.structure[0] == "concat"
        if concat and all(widths) and len(words(text := total(widths)) - set(KNOWN)) <= MAX_SUMMED:
            yield text

    def _exact(self, text: str, column: Column) -> bool:
        return matches(run(text, self._rows(words(text))), column)

    # --- one number ------------------------------------------------------------------------

    def _explain(
        self,
        keys: Sequence[str],
        slot: str,
        column: Column,
        is_channels: bool,
        entering: str,
        wanted: str,
    ) -> str:
        """The text of a number: what says it exactly in every instance."""
        known = [value for value in column if value is not None]
        if not known:
            return "0"
        if self.literal:
            return literal(known[0])
        text = self.context.formula(keys, column)
        if is_channels and text and words(text) & set(self.context.parameters):
            self.formulas[text] = None
        if not text and is_channels:
            text = self._channel_text(slot, column, entering)
        elif not text and all(same(value, known[0]) for value in known):
            return literal(known[0])
        elif not text and self.context.matches(slot, column):
            text = slot
        return self._use(text) if text else self._invent(wanted, column, is_channels, slot)

    def _channel_text(self, slot: str, column: Column, entering: str) -> str:
        options = [entering, slot, CHANNELS] if self.context.declared else [CHANNELS, entering]
        options += [p.name for p in self.context.parameters.values() if p.is_channels]
        if len(set(column)) > 1:
            options += self.formulas
        for option in dict.fromkeys(options):
            known = self.context.parameters.get(option)
            if (
                option
                and (known is None or known.is_channels)
                and self._exact_or_not(option, column)
            ):
                return option
        return ""

    def _exact_or_not(self, text: str, column: Column) -> bool:
        known = self._rows(words(text))
        return words(text) <= set(known[0]) | set(KNOWN) and self._exact(text, column)

    def _rows(self, names: set[str]) -> list[dict[str, object]]:
        """The parameters' values, for every instance."""
        found = {n: p.column for n, p in self.context.parameters.items() if n in names}
        found |= {p.name: p.column for _, p in self.invented if p.name in names}
        return [
            {name: column[k] for name, column in found.items()}
            for k in range(len(self.group.members))
        ]

    def _use(self, text: str) -> str:
        self.used |= words(text) & set(self.context.parameters)
        return text

    def _invent(self, wanted: str, column: Column, is_channels: bool, slot: str) -> str:
        """A parameter of its own, shared by numbers of one field that are always equal."""
        for known_slot, parameter in self.invented:
            alike = known_slot == slot and parameter.is_channels == is_channels
            if alike and all(same(a, b) for a, b in zip(parameter.column, column, strict=True)):
                return parameter.name
        name = wanted if is_channels or slot.endswith("_") else slot
        if name in self.taken or keyword.iskeyword(name) or not name.isidentifier():
            name = wanted if wanted.isidentifier() else f"number_{wanted}"
        while name in self.taken or keyword.iskeyword(name):
            name += "_"
        self.taken = self.taken | {name}
        self.invented.append((slot, Parameter(name, column, is_channels)))
        return name
