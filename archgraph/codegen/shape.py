"""The shape of an instance: its attributes and statements with everything but the numbers.

Instances of one shape can share a class. List elements that feed one another are one statement,
and where all after the first have the same numbers, lists of any length have one shape. What is
called by the name of an input (`inputs.in6`) is told by the input's place: names are no structure.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Literal

from archgraph.codegen.calls import BORROWED, Attribute, Instance, Item
from archgraph.codegen.forms import Form

if TYPE_CHECKING:
    from archgraph.codegen.classes import ModuleClass

# ("in", k): input k; ("part", i, j): result j of statement i; ("module", path): a module.
Ref = tuple[str, int, int] | tuple[str, int] | tuple[str, str]
Row = Mapping[str, object]
Kind = Literal["", "list", "dict"]
WHOLE = "*"
KEYED = "?"


@dataclass
class Field:
    """An attribute: one module, or a list or mapping of modules by key.

    `named` says that the keys are names of inputs; then they are given as `#k`. `chained` says
    that the elements of a list feed one another, `uniform` that all after the first are alike.
    """

    name: str
    kind: Kind
    members: dict[str, Attribute]
    named: bool = False
    chained: bool = False
    uniform: bool = False


@dataclass
class Part:
    """A statement: one item, or the elements of a chained list.

    `called` is the field and key of the module that it calls (`*` for a chained list, `?` for the
    one whose key `forward` is told); empty for a function. `reach` is the path of a module that
    lies deeper, or the input that hands it in: `@2`.
    """

    path: str
    items: list[Item]
    operands: tuple[Ref, ...]
    called: tuple[str, str] | None = None
    reach: str = ""

    @property
    def told(self) -> str:
        """The key that the module is told; `*` is the one that `forward` is told itself."""
        return self.items[0].told

    @property
    def is_loop(self) -> bool:
        """Whether it is a list whose elements no `Sequential` can call."""
        whole = self.called is not None and self.called[1] == WHOLE
        return whole and (len(self.results) > 1 or bool(self.told))

    @property
    def item(self) -> Item:
        return self.items[0]

    @property
    def results(self) -> list[str]:
        """The values that the statement makes."""
        return self.items[-1].results

    @property
    def function(self) -> Form | None:
        """The form of a statement that calls no module."""
        return self.item.form if self.item.form and not self.item.module else None

    @property
    def is_numbered(self) -> bool:
        """Whether it belongs to a list, whose elements are never optional."""
        return any(part.isdigit() for part in self.path.split("."))


@dataclass
class Shape:
    """An instance, read as the body of a class."""

    instance: Instance
    fields: dict[str, Field]
    parts: list[Part]
    outputs: tuple[Ref, ...]
    key: tuple[object, ...] = ()
    refs: dict[str, Ref] = field(default_factory=dict)


def row_of(attribute: Attribute, classes: Mapping[str, ModuleClass]) -> Row:
    """The numbers that an attribute is made with, by name."""
    if attribute.child:
        return classes[attribute.child].arguments(attribute.child)
    return attribute.form.slots if attribute.form else {}


def what_of(attribute: Attribute, classes: Mapping[str, ModuleClass]) -> object:
    """What an attribute is, its numbers aside."""
    if attribute.child:
        return id(classes[attribute.child])
    assert attribute.form is not None
    return (attribute.form.structure, tuple(attribute.form.slots))


def merged_rows(rows: Sequence[Row]) -> Row | None:
    """One row for all, if they agree wherever they say anything."""
    found: dict[str, object] = {}
    for row in rows:
        for name, value in row.items():
            known = found.get(name)
            if known is None:
                found[name] = value
            elif value is not None and (type(value) is not type(known) or value != known):
                return None
    return found


def shape_of(instance: Instance, classes: Mapping[str, ModuleClass]) -> Shape:
    """Read an instance whose children have classes already."""
    return _Reader(instance, classes).shape()


class _Reader:
    def __init__(self, instance: Instance, classes: Mapping[str, ModuleClass]) -> None:
        self.instance = instance
        self.classes = classes
        self.fields = _fields(instance)
        self.by_module = {
            attribute.path: (name, key)
            for name, found in self.fields.items()
            for key, attribute in found.members.items()
        }
        self.inputs = list(instance.inputs.values())
        self.calls: dict[str, list[int]] = defaultdict(list)
        for i, item in enumerate(instance.items):
            self.calls[item.module].append(i)
        self.uses = Counter(value for item in instance.items for value in item.operands)
        self.uses.update(instance.outputs)

    def shape(self) -> Shape:
        for found in self.fields.values():
            self._look_at(found)
        self._name_keys()
        refs: dict[str, Ref] = {v: ("in", k) for k, v in enumerate(self.instance.inputs)}
        parts: list[Part] = []
        starts = {
            self.calls[next(iter(f.members.values())).path][0]: f
            for f in self.fields.values()
            if f.chained
        }
        i = 0
        while i < len(self.instance.items):
            chained = starts.get(i)
            items = self.instance.items[i : i + (len(chained.members) if chained else 1)]
            operands = tuple(self._ref(value, refs) for value in items[0].operands)
            part = self._part(items, operands, chained)
            refs.update({v: ("part", len(parts), j) for j, v in enumerate(part.results)})
            parts.append(part)
            i += len(items)
        outputs = tuple(refs[value] for value in self.instance.outputs)
        key = self._key(parts, outputs)
        return Shape(self.instance, self.fields, parts, outputs, key, refs)

    def _ref(self, value: str, refs: Mapping[str, Ref]) -> Ref:
        if value not in refs and value.startswith(BORROWED):
            return ("module", self.instance.own(value))
        return refs[value]

    def _part(self, items: list[Item], operands: tuple[Ref, ...], chained: Field | None) -> Part:
        item = items[0]
        path = self._canonical(item.path)
        if chained:
            return Part(chained.name, items, operands, (chained.name, WHOLE))
        if not item.module:
            return Part(path, items, operands)
        if item.key:
            return Part(path, items, operands, (item.shared, KEYED))
        if item.module in self.by_module:
            return Part(path, items, operands, self.by_module[item.module])
        if item.module.startswith(BORROWED):
            place = list(self.instance.inputs).index(item.module)
            return Part(path, items, operands, None, f"{BORROWED}{place}")
        return Part(path, items, operands, None, item.module)

    def _canonical(self, path: str) -> str:
        """`inputs.in6.up` as `inputs.#0.up`: what happens to an input, whatever its name."""
        parts = path.split(".")
        if len(parts) > 1 and parts[0] == "inputs" and parts[1] in self.inputs:
            parts[1] = f"#{self.inputs.index(parts[1])}"
        return ".".join(parts)

    # --- fields ----------------------------------------------------------------------------

    def _look_at(self, found: Field) -> None:
        """Whether the elements of a list feed one another, and are alike."""
        if found.kind != "list":
            return
        positions = [self.calls[each.path] for each in found.members.values()]
        if any(len(position) != 1 for position in positions):
            return
        start = positions[0][0]
        if [p[0] for p in positions] != list(range(start, start + len(positions))):
            return
        items = self.instance.items[start : start + len(positions)]
        if len({item.told for item in items}) > 1:
            return
        for before, item in pairwise(items):
            fed = item.operands == before.results and all(self.uses[v] == 1 for v in item.operands)
            if not fed or len(item.results) != len(item.operands):
                return
        if len(items[0].operands) != len(items[0].results):
            return
        found.chained = len(set(items[0].operands)) == len(items[0].operands) and not any(
            value.startswith(BORROWED) for value in items[0].operands
        )
        members = list(found.members.values())
        kinds = {what_of(each, self.classes) for each in members}
        rest = [row_of(each, self.classes) for each in members[1:]]
        found.uniform = found.chained and len(kinds) == 1 and merged_rows(rest) is not None

    def _name_keys(self) -> None:
        """Keys that are names of inputs are told by the place of the input."""
        found = self.fields.get("inputs")
        if found is None or found.kind != "dict":
            return
        places: dict[str, str] = {}
        for key, attribute in found.members.items():
            calls = self.calls[attribute.path]
            first = self.instance.items[calls[0]].operands[0] if len(calls) == 1 else ""
            if self.instance.inputs.get(first) != key:
                return
            places[key] = f"#{self.inputs.index(key)}"
        found.members = {places[key]: attribute for key, attribute in found.members.items()}
        found.named = True
        self.by_module.update({a.path: ("inputs", key) for key, a in found.members.items()})

    # --- the key ---------------------------------------------------------------------------

    def _key(self, parts: Sequence[Part], outputs: tuple[Ref, ...]) -> tuple[object, ...]:
        """Everything but the numbers."""
        instance = self.instance
        borrowed = tuple(value.startswith(BORROWED) for value in instance.inputs)
        fields = tuple(field_key(found, self.classes) for found in self.fields.values())
        statements = tuple(part_key(part) for part in parts)
        return (instance.scope.block, not instance.items, borrowed, fields, statements, outputs)


def field_key(found: Field, classes: Mapping[str, ModuleClass]) -> tuple[object, ...]:
    """What two instances must have in common to share an attribute."""
    if found.uniform:
        first = next(iter(found.members.values()))
        return (found.name, "run", what_of(first, classes))
    whats = tuple((key, what_of(each, classes)) for key, each in found.members.items())
    return (found.name, found.kind, found.chained, found.named, whats)


def part_key(part: Part) -> tuple[object, ...]:
    """What two instances must have in common to share a statement."""
    function = part.function
    structure = (function.structure, tuple(function.slots)) if function else None
    return (structure, part.called, part.told, part.reach, part.operands, len(part.results))


def _fields(instance: Instance) -> dict[str, Field]:
    """The attributes of an instance by name; a path of two segments is a list's or a mapping's."""
    found: dict[str, Field] = {}
    for path, attribute in instance.attributes.items():
        name, _, key = path.partition(".")
        known = found.setdefault(name, Field(name, "dict" if key else "", {}))
        known.members[key] = attribute
    for each in found.values():
        keys = list(each.members)
        if each.kind and sorted(keys) == sorted(str(i) for i in range(len(keys))):
            each.kind = "list"
            each.members = {str(i): each.members[str(i)] for i in range(len(keys))}
    return found
