"""The lines of `__init__`: attributes in the order of the spec, lists by what repeats in them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence, Set

from archgraph.codegen.access import LEVEL, Access, is_plain
from archgraph.codegen.body import Body
from archgraph.codegen.calls import Attribute
from archgraph.codegen.classes import ModuleClass
from archgraph.codegen.formula import is_atom, words
from archgraph.codegen.initial import Start, initial_texts
from archgraph.codegen.layout import INDENT, WIDTH, Line, Origin, lines, signature
from archgraph.codegen.parameters import Parameter, literal
from archgraph.codegen.shape import KEYED, Field
from archgraph.codegen.shares import may_share, runs, shares_of, without_places
from archgraph.codegen.statement import place

LEVELS = "levels"
LEADING = ("in_channels", "channels")


class Constructor:
    """Writes the constructor of one class.

    Args:
        group: the class.
        classes: every class, by the module path of its instances.
        body: what writes its `forward`, which says how optional parts are asked for.
        named: whether items are nodes of the spec, each with a place of its own.
        said: places that the class has told already; those told here are added.
        starts: how weights start, for the class of the whole network.
    """

    def __init__(
        self,
        group: ModuleClass,
        classes: Mapping[str, ModuleClass],
        body: Body,
        named: bool,
        said: set[str],
        starts: Mapping[str, Start],
    ) -> None:
        self.group = group
        self.numbers = group.numbers
        self.classes = classes
        self.access = Access(group, classes)
        self.body = body
        self.named = named
        self.said = said
        self.starts = starts
        self.shares = shares_of(group, classes)
        self.by_level: dict[str, str] = {}
        self.levels: list[tuple[str, ...]] = []
        self.variables: dict[tuple[str, str], str] = {}
        self.optional = {
            part.called: i for i, part in enumerate(group.template.parts) if i in group.bypass
        }

        self.keyed = {
            part.called[0]
            for part in group.template.parts
            if part.called and part.called[1] == KEYED
        }

    def lines(self) -> Iterator[Line]:
        """The constructor, or nothing where there is nothing to construct."""
        if not self.group.template.fields and not self.numbers.kept:
            return
        parameters = [_declared(parameter) for parameter in self.group.parameters]
        yield from map(Line, signature("__init__", ["self", *parameters], "None", 1))
        if self.base != "nn.Module":
            yield from self._as_list()
            return
        made: list[Line] = []
        for found in self.group.template.fields.values():
            made += self._field(found)
        yield from self._start(made)
        for name, text in self.numbers.kept.items():
            yield from lines(f"self.{name} = {text}", 2)
        yield from made
        for text in initial_texts(self.starts, self.access):
            yield from lines(text, 2)
        yield Line("")

    @property
    def base(self) -> str:
        """What the class derives from: a list, where all it holds is numbered from 0."""
        return "nn.ModuleList" if self.access.is_list else "nn.Module"

    def _start(self, made: list[Line]) -> Iterator[Line]:
        """The first line; it takes the place of a block, where that needs a line of its own."""
        first = made[0].text.strip() if made else ""
        alone = not self.named or len(self.group.template.fields) == 1
        if first.startswith("# ") and alone:
            made.pop(0)
            yield Line(f"{INDENT * 2}super().__init__()  {first}")
        else:
            yield Line(f"{INDENT * 2}super().__init__()")

    def _as_list(self) -> Iterator[Line]:
        fields = self.group.template.fields
        texts = [
            self._made(fields[str(i)], "", fields[str(i)].members[""]) for i in range(len(fields))
        ]
        origin = self._origin(next(iter(fields.values())))
        yield from lines(f"super().__init__([{', '.join(runs(texts))}])", 2, "", origin)
        yield Line("")

    # --- one attribute ---------------------------------------------------------------------

    def _field(self, found: Field) -> Iterator[Line]:
        if found.named:
            yield from self._optional_edges(found)
        if found.name in self.keyed:
            yield from self._levels(found)
        value = without_places(self._value(found))
        text = f"self.{found.name} = {value}"
        if not is_plain(found.name):
            text = f'self.add_module("{found.name}", {value})'
        origin = self._origin(found)
        yield from lines(text, 2, self._comment(origin[1]), origin)

    def _optional_edges(self, found: Field) -> Iterator[Line]:
        """Variables for what is made under a condition, where the mapping is too long with it."""
        text = self._value(found)
        if len(text) + len(found.name) + len(INDENT * 2) + len("self. = ") <= WIDTH:
            return
        names = dict(zip(found.members, self.access.edge_names(found), strict=True))
        for key, attribute in found.members.items():
            made = self._made(found, key, attribute)
            is_optional = (found.name, key) in self.optional
            if is_optional and names[key] not in {p.name for p in self.group.parameters}:
                self.variables[found.name, key] = names[key]
                yield from lines(
                    f"{names[key]} = {without_places(made)}", 2, "", self._origin(found)
                )

    def _origin(self, found: Field) -> Origin:
        first = next(iter(found.members.values()))
        return first.local if not found.kind else found.name, place(first.location)

    def _comment(self, where: str) -> str:
        """A place that says something new: another line among nodes, another file in a block."""
        told = where if self.named else where.partition(":")[0]
        new = bool(where) and told not in self.said
        self.said.update({told, where})
        return where if new else ""

    def _value(self, found: Field) -> str:
        if not found.kind:
            return self._made(found, "", found.members[""])
        if found.name in self.by_level:
            text = self.by_level[found.name]
            return f"nn.ModuleDict({{{LEVEL}: {text} for {LEVEL} in {LEVELS}}})"
        if found.kind == "dict":
            pairs = [
                f"{self.access.key(found, key)}: {self._made(found, key, each)}"
                for key, each in found.members.items()
            ]
            return f"nn.ModuleDict({{{', '.join(pairs)}}})"
        elements = self._elements(found)
        first = next(iter(found.members.values()))
        if found.chained and self._is_single(found, first):
            return f"nn.Sequential({', '.join(elements)})"
        sole = len(elements) == 1 and elements[0].startswith("*(")
        inner = elements[0][2:-1] if sole else ", ".join(elements)
        return f"nn.ModuleList([{inner}])"

    def _levels(self, found: Field) -> Iterator[Line]:
        """A variable for the keys that `forward` may be told, where all modules are alike."""
        (text, *others) = {self._made(found, key, each) for key, each in found.members.items()}
        names = {parameter.name for parameter in self.group.parameters}
        if others or len(found.members) == 1 or {LEVEL, LEVELS} & (words(text) | names):
            return
        self.by_level[found.name] = text
        keys = tuple(found.members)
        if keys not in self.levels:
            self.levels.append(keys)
            yield from lines(f"{LEVELS} = {literal(keys)}", 2)

    def _is_single(self, found: Field, first: Attribute) -> bool:
        """Whether the elements hand on one value, so that `Sequential` can call them."""
        parts = [p for p in self.group.template.parts if p.called and p.called[0] == found.name]
        return not any(part.is_loop for part in parts) and bool(first)

    def _elements(self, found: Field) -> list[str]:
        if not found.uniform:
            return runs([self._made(found, key, each) for key, each in found.members.items()])
        attribute = next(iter(found.members.values()))
        first = self._made(found, "first", attribute)
        rest = self._made(found, "rest", attribute)
        count = self.numbers.counts[found.name]
        if not count.isdigit():
            return _counted(first, rest, count)
        return runs([first] + [rest] * (int(count) - 1))

    def _made(self, found: Field, key: str, attribute: Attribute) -> str:
        """The constructor call of a module, under its condition if it is optional."""
        if (found.name, key) in self.variables:
            return self.variables[found.name, key]
        text = self._call(found, key, attribute)
        i = self.optional.get((found.name, key))
        if i is None:
            return text
        without = "nn.Identity()" if self.body.flow.is_identity(i) else "None"
        return f"{text} if {self._condition(i)} else {without}"

    def _condition(self, i: int) -> str:
        """When a part is there, in terms of what is an attribute already."""
        text = self.numbers.presence[i]
        for name, known in self.numbers.kept.items():
            if text.startswith(f"{known} and ") and not re.search(r"\b(or|if)\b", known):
                return f"self.{name}{text.removeprefix(known)}"
        return text

    def _call(self, found: Field, key: str, attribute: Attribute) -> str:
        if attribute.child:
            child = self.classes[attribute.child]
            texts = {p.name: self.numbers.texts[found.name, key, p.name] for p in child.parameters}
            if may_share(found):
                given = child.arguments(attribute.child)
                texts |= {n: s.text(given[n]) for n, s in self.shares.items() if n in given}
            positional = {*LEADING, *child.numbers.entering}
            arguments = _arguments(child.parameters, texts, positional)
            return f"{child.name}({', '.join(arguments)})"
        form = attribute.form
        assert form is not None and form.module is not None
        texts = {slot: self.numbers.texts[found.name, key, slot] for slot in form.slots}
        marks = {s: t if t.isidentifier() or _is_number(t) else f"_{s}_" for s, t in texts.items()}
        made = form.module(marks)
        arguments = list(made.arguments)
        for slot, mark in marks.items():
            if mark != texts[slot]:
                arguments = [_inserted(each, mark, texts[slot]) for each in arguments]
        return f"{made.target}({', '.join(arguments)})"


def _is_number(text: str) -> bool:
    return text.replace(".", "").replace("-", "").replace("e", "").isdigit()


def _inserted(argument: str, mark: str, text: str) -> str:
    """A formula in an argument: by itself as it is, inside of something else in brackets."""
    if argument.partition("=")[2] == mark or argument == mark or is_atom(text):
        return argument.replace(mark, text)
    return argument.replace(mark, f"({text})")


def _declared(parameter: Parameter) -> str:
    text = f"{parameter.name}: {parameter.type_name}"
    return f"{text} = {parameter.default}" if parameter.default else text


def _arguments(
    parameters: Sequence[Parameter], texts: Mapping[str, str], positional: Set[str]
) -> list[str]:
    """The arguments of a call: widths by position, others by name, defaults left out."""
    found: list[str] = []
    leading = True
    for parameter in parameters:
        text = texts[parameter.name]
        leading = leading and parameter.name in positional
        if not parameter.default or text != parameter.default:
            found.append(text if leading else f"{parameter.name}={text}")
    return found


def _counted(first: str, rest: str, count: str) -> list[str]:
    """Elements whose number is a parameter."""
    if first == rest:
        return [f"*({rest} for _ in range({count}))"]
    less = f"{count} - 1" if is_atom(count) else f"({count}) - 1"
    return [first, f"*({rest} for _ in range({less}))"]
