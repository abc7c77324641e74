"""The lines of `__init__`: attributes in the order of the spec, lists by what repeats in them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby

from archgraph.codegen.access import LEVEL, Access, is_plain
from archgraph.codegen.body import Body
from archgraph.codegen.calls import Attribute
from archgraph.codegen.classes import ModuleClass
from archgraph.codegen.formula import is_atom, words
from archgraph.codegen.initial import Start, initial_texts
from archgraph.codegen.layout import INDENT, Line, Origin, lines, signature
from archgraph.codegen.parameters import Parameter
from archgraph.codegen.shape import KEYED, Field
from archgraph.codegen.statement import place

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
        yield Line(f"{INDENT * 2}super().__init__()")
        for name, text in self.numbers.kept.items():
            yield from lines(f"self.{name} = {text}", 2)
        for found in self.group.template.fields.values():
            yield from self._field(found)
        for text in initial_texts(self.starts, self.access):
            yield from lines(text, 2)
        yield Line("")

    @property
    def base(self) -> str:
        """What the class derives from: a list, where all it holds is numbered from 0."""
        return "nn.ModuleList" if self.access.is_list else "nn.Module"

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
        value = self._value(found)
        text = f"self.{found.name} = {value}"
        if not is_plain(found.name):
            text = f'self.add_module("{found.name}", {value})'
        origin = self._origin(found)
        yield from lines(text, 2, self._comment(origin[1]), origin)

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
        if found.kind == "dict" and found.name in self.keyed:
            return self._by_level(found)
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

    def _by_level(self, found: Field) -> str:
        """A mapping with a module for each key that `forward` may be told."""
        texts = {key: self._made(found, key, each) for key, each in found.members.items()}
        (text, *others) = dict.fromkeys(texts.values())
        if others or len(texts) == 1 or LEVEL in words(text):
            pairs = ", ".join(f'"{key}": {made}' for key, made in texts.items())
            return f"nn.ModuleDict({{{pairs}}})"
        keys = ", ".join(f'"{key}"' for key in texts)
        return f"nn.ModuleDict({{{LEVEL}: {text} for {LEVEL} in ({keys})}})"

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
        text = self._call(found, key, attribute)
        i = self.optional.get((found.name, key))
        if i is None:
            return text
        without = "nn.Identity()" if self.body.flow.is_identity(i) else "None"
        return f"{text} if {self.numbers.presence[i]} else {without}"

    def _call(self, found: Field, key: str, attribute: Attribute) -> str:
        if attribute.child:
            child = self.classes[attribute.child]
            texts = {p.name: self.numbers.texts[found.name, key, p.name] for p in child.parameters}
            return f"{child.name}({', '.join(_arguments(child.parameters, texts))})"
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


def _arguments(parameters: Sequence[Parameter], texts: Mapping[str, str]) -> list[str]:
    """The arguments of a call: widths by position, others by name, defaults left out."""
    found: list[str] = []
    leading = True
    for parameter in parameters:
        text = texts[parameter.name]
        leading = leading and parameter.name in LEADING
        if not parameter.default or text != parameter.default:
            found.append(text if leading else f"{parameter.name}={text}")
    return found


def _counted(first: str, rest: str, count: str) -> list[str]:
    """Elements whose number is a parameter."""
    if first == rest:
        return [f"*({rest} for _ in range({count}))"]
    less = f"{count} - 1" if is_atom(count) else f"({count}) - 1"
    return [first, f"*({rest} for _ in range({less}))"]


def runs(texts: Sequence[str]) -> list[str]:
    """Elements, equal neighbours counted: each needs an instance of its own."""
    found: list[str] = []
    for text, group in groupby(texts):
        count = len(list(group))
        found.append(text if count == 1 else f"*({text} for _ in range({count}))")
    return found
