"""Instances of one shape become one class; parts that a condition of the spec leaves out, too.

instances -> shapes -> families (one class, optional parts allowed) -> classes with numbers
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from archgraph.codegen.calls import Attribute, Instance
from archgraph.codegen.names import name_classes
from archgraph.codegen.numbers import MAX_PARAMETERS, explain
from archgraph.codegen.outline import Outline
from archgraph.codegen.parameters import Numbers, Parameter
from archgraph.codegen.shape import Field, Part, Ref, Shape, field_key, part_key, shape_of

# More shapes of one block than this are not compared pair by pair.
MAX_SHAPES = 24


@dataclass
class Member:
    """An instance of a class: its shape, and which of its parts are those of the template."""

    shape: Shape
    parts: dict[int, Part]

    def attribute(self, name: str, key: str) -> Attribute | None:
        """The attribute in its field, if this instance has it."""
        found = self.shape.fields.get(name)
        return found.members.get(key) if found else None


@dataclass(eq=False)
class ModuleClass:
    """A class.

    Attributes:
        template: the shape that has every part; the text shows its names and places.
        members: its instances, each with the parts it has.
        bypass: what the result of an optional part is where the part is absent.
        numbers: the parameters, and the texts of all numbers.
    """

    template: Shape
    members: list[Member]
    bypass: dict[int, Ref] = field(default_factory=dict)
    name: str = ""
    numbers: Numbers = field(default_factory=Numbers)
    positions: dict[str, int] = field(default_factory=dict)

    @property
    def instance(self) -> Instance:
        """The instance whose names and places the class shows."""
        return self.template.instance

    @property
    def instances(self) -> list[Instance]:
        """All instances."""
        return [member.shape.instance for member in self.members]

    @property
    def modules(self) -> list[str]:
        """The module paths of the instances."""
        return [instance.module for instance in self.instances]

    @property
    def is_root(self) -> bool:
        """Whether this is the whole network."""
        return self.instance.module == ""

    @property
    def is_told(self) -> bool:
        """Whether `forward` is told a key."""
        return self.instance.is_told

    @property
    def optional(self) -> list[int]:
        """The parts that some instance lacks."""
        return sorted(self.bypass)

    @property
    def parameters(self) -> list[Parameter]:
        """The parameters of the constructor, in order."""
        return self.numbers.parameters

    def arguments(self, module: str) -> Mapping[str, object]:
        """The parameters' values in one instance."""
        k = self.positions[module]
        return {p.name: p.column[k] for p in self.parameters}


def make_classes(outlined: Outline) -> dict[str, ModuleClass]:
    """The class of every instance, by module path; children's classes before their parents'."""
    classes: dict[str, ModuleClass] = {}
    for unit in _units(outlined):
        by_shape: dict[tuple[object, ...], list[Shape]] = defaultdict(list)
        for instance in unit:
            shape = shape_of(instance, classes)
            by_shape[shape.key].append(shape)
        families = [_family(shapes) for shapes in by_shape.values()]
        for found in _merged(families, outlined, classes):
            for each in _within_limits(found, outlined, classes):
                each.positions = {module: k for k, module in enumerate(each.modules)}
                classes.update(dict.fromkeys(each.modules, each))
    name_classes(list(dict.fromkeys(classes.values())))
    return classes


def _units(outlined: Outline) -> Iterator[list[Instance]]:
    """Instances that may share a class: those of a block, once all inside them have theirs."""
    heights: dict[str, int] = {}
    inside: dict[str, set[str]] = defaultdict(set)
    nested = False
    for module, instance in outlined.instances.items():
        children = [a.child for a in instance.attributes.values() if a.child]
        heights[module] = 1 + max((heights[child] for child in children), default=-1)
        for child in children:
            block = outlined.instances[child].scope.block
            inside[instance.scope.block].add(block)
    ranks = _ranks(inside, {i.scope.block for i in outlined.instances.values()})
    nested = not ranks
    units: dict[tuple[int, str], list[Instance]] = defaultdict(list)
    for module, instance in reversed(outlined.instances.items()):
        block = instance.scope.block
        rank = heights[module] if nested else ranks[block]
        units[rank, block].append(instance)
    for key in sorted(units, key=lambda key: key[0]):
        yield sorted(units[key], key=lambda instance: outlined.order[instance.module])


def _ranks(inside: Mapping[str, set[str]], blocks: set[str]) -> dict[str, int]:
    """Blocks by height: each higher than those inside it; nothing if one stands in itself."""
    ranks: dict[str, int] = {}
    waiting = {block: len(inside.get(block, ())) for block in blocks}
    around: dict[str, list[str]] = defaultdict(list)
    for block, children in inside.items():
        for child in children:
            around[child].append(block)
    ready = sorted(block for block, count in waiting.items() if not count)
    while ready:
        block = ready.pop()
        ranks[block] = 1 + max((ranks[child] for child in inside.get(block, ())), default=-1)
        for outer in around[block]:
            waiting[outer] -= 1
            if not waiting[outer]:
                ready.append(outer)
    return ranks if len(ranks) == len(blocks) else {}


def _family(shapes: Sequence[Shape]) -> ModuleClass:
    members = [Member(shape, dict(enumerate(shape.parts))) for shape in shapes]
    return ModuleClass(shapes[0], members)


# --- optional parts ------------------------------------------------------------------------


def _merged(
    families: list[ModuleClass], outlined: Outline, classes: Mapping[str, ModuleClass]
) -> list[ModuleClass]:
    """Families whose smaller shapes are those of a larger one with parts left out, joined."""
    if len(families) > MAX_SHAPES:
        return families
    found: list[ModuleClass] = []
    for family in sorted(families, key=lambda f: -len(f.template.parts)):
        for i, larger in enumerate(found):
            joined = _joined(larger, family, classes)
            if joined and explain(joined, outlined, classes):
                found[i] = joined
                break
        else:
            found.append(family)
    return found


def _joined(
    larger: ModuleClass, smaller: ModuleClass, classes: Mapping[str, ModuleClass]
) -> ModuleClass | None:
    """Both in one class, or None where that would change what an instance computes."""
    big, small = larger.template, smaller.template
    if len(big.instance.inputs) != len(small.instance.inputs) or not small.parts:
        return None
    if not _fields_fit(big, small, classes):
        return None
    by_path = {part.path: i for i, part in enumerate(big.parts)}
    if len(by_path) < len(big.parts) or any(part.path not in by_path for part in small.parts):
        return None
    places = [by_path[part.path] for part in small.parts]
    if places != sorted(set(places)):
        return None
    absent = set(range(len(big.parts))) - set(places)
    if not all(_may_lack(big, i, small) for i in absent):
        return None
    wiring = _Wiring(big, places, absent, dict(larger.bypass))
    if not wiring.fits(small):
        return None
    bypass = {i: wiring.bypass.get(i, big.parts[i].operands[0]) for i in absent}
    members = [*larger.members]
    for member in smaller.members:
        parts = {place: member.shape.parts[k] for k, place in enumerate(places)}
        members.append(replace(member, parts=parts))
    return ModuleClass(big, members, {**larger.bypass, **wiring.bypass, **bypass})


def _may_lack(big: Shape, i: int, small: Shape) -> bool:
    """Whether a statement can be left out: a single result, no list element, no module kept."""
    part = big.parts[i]
    if part.is_numbered or len(part.results) != 1 or part.reach:
        return False
    if part.called is None:
        return True
    name, key = part.called
    kept = small.fields.get(name)
    calls = sum(other.called == part.called for other in big.parts)
    return calls == 1 and (kept is None or key not in kept.members)


def _fields_fit(big: Shape, small: Shape, classes: Mapping[str, ModuleClass]) -> bool:
    """Whether the smaller shape has no attribute that the larger one lacks."""
    for name, found in small.fields.items():
        other = big.fields.get(name)
        if other is None:
            return False
        if found.named and other.named and set(found.members) <= set(other.members):
            other = replace(other, members={key: other.members[key] for key in found.members})
        if field_key(found, classes) != field_key(other, classes):
            return False
    called = {part.called[0] for part in big.parts if part.called}
    return all(_optional(found, called) for n, found in big.fields.items() if n not in small.fields)


def _optional(found: Field, called: set[str]) -> bool:
    return found.name in called and (not found.kind or found.named)


@dataclass
class _Wiring:
    """Finds, for each part that is absent, the operand that takes the place of its result."""

    big: Shape
    places: list[int]
    absent: set[int]
    bypass: dict[int, Ref]

    def fits(self, small: Shape) -> bool:
        """Whether all that is left reads what it reads in the smaller shape."""
        for k, part in enumerate(small.parts):
            template = self.big.parts[self.places[k]]
            one = replace(part, operands=())
            other = replace(template, operands=())
            if part_key(one) != part_key(other) or len(part.operands) != len(template.operands):
                return False
            pairs = zip(template.operands, part.operands, strict=True)
            if not all(self._leads(ref, self._placed(wanted)) for ref, wanted in pairs):
                return False
        if len(small.outputs) != len(self.big.outputs):
            return False
        pairs = zip(self.big.outputs, small.outputs, strict=True)
        return all(self._leads(ref, self._placed(wanted)) for ref, wanted in pairs)

    def _placed(self, ref: Ref) -> Ref:
        """A reference of the smaller shape, as the larger one has it."""
        if ref[0] == "part" and len(ref) == 3:
            return ("part", self.places[ref[1]], ref[2])
        return ref

    def _leads(self, ref: Ref, wanted: Ref) -> bool:
        """Whether a reference is the wanted one once absent parts hand on one operand each."""
        if ref == wanted:
            return True
        index = ref[1]
        if ref[0] != "part" or not isinstance(index, int) or index not in self.absent:
            return False
        if index in self.bypass:
            return self._leads(self.bypass[index], wanted)
        for operand in dict.fromkeys(self.big.parts[index].operands):
            self.bypass[index] = operand
            if self._leads(operand, wanted):
                return True
            del self.bypass[index]
        return False


# --- limits --------------------------------------------------------------------------------


def _within_limits(
    family: ModuleClass, outlined: Outline, classes: Mapping[str, ModuleClass]
) -> Iterator[ModuleClass]:
    """The class with its numbers; a class of its own for each set of numbers, if it has many."""
    numbers = explain(family, outlined, classes)
    assert numbers is not None or family.bypass
    if numbers is not None and len(numbers.parameters) <= MAX_PARAMETERS:
        family.numbers = numbers
        yield family
        return
    assert numbers is not None
    rows: dict[tuple[object, ...], list[Member]] = defaultdict(list)
    for k, member in enumerate(family.members):
        row = [(type(p.column[k]), p.column[k]) for p in numbers.parameters]
        present = tuple(sorted(member.parts))
        rows[present, tuple(row)].append(member)
    for members in rows.values():
        template = members[0].shape
        alike = [Member(m.shape, dict(enumerate(m.shape.parts))) for m in members]
        special = ModuleClass(template, alike)
        special.numbers = explain(special, outlined, classes, is_literal=True) or Numbers()
        yield special
