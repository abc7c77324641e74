"""Instances of equal structure become one class; numbers that differ become its parameters."""

from __future__ import annotations

import keyword
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from archgraph.codegen.outline import Instance, Item, Outline
from archgraph.expressions import Scalar
from archgraph.spec.names import RESERVED

Column = tuple[Scalar, ...]
# Names that a generated class may not take: imports and the prelude.
TAKEN = frozenset(
    """Tensor F Any nn Conv2dSame DeformConv2d DropBlock DropPath LayerNorm2d Scale FastFusion
    SoftmaxFusion UnboundedFusion ChannelFastFusion ChannelSoftmaxFusion
    ChannelUnboundedFusion""".split()
)
# Names that no parameter may take: generated code says them, or every module has them.
RESERVED_PARAMETERS = RESERVED | TAKEN | {"_", "float", "int", "list", "range", "tuple"}
RESERVED_PARAMETERS -= {"channels", "in_channels"}


@dataclass
class Parameter:
    """A parameter of a constructor, with its value in every instance.

    `kept` is whether the module keeps it as an attribute, because `forward` reads it.
    """

    name: str
    column: Column
    is_channels: bool
    kept: bool = False

    @property
    def type_name(self) -> str:
        """The type to annotate."""
        return "float" if any(isinstance(value, float) for value in self.column) else "int"


@dataclass
class ModuleClass:
    """A class: its instances, their positions by path, its parameters, the text of its numbers."""

    name: str
    paths: dict[str, int] = field(default_factory=dict)
    instances: list[Instance] = field(default_factory=list)
    parameters: list[Parameter] = field(default_factory=list)
    texts: dict[tuple[int, str], str] = field(default_factory=dict)
    input_names: list[str] = field(default_factory=list)

    @property
    def template(self) -> Instance:
        """The instance whose names and places the class shows."""
        return self.instances[0]

    def arguments(self, path: str) -> dict[str, Scalar]:
        """The parameters' values in one instance."""
        return {p.name: p.column[self.paths[path]] for p in self.parameters}


@dataclass
class Classes:
    """The classes of a graph, children before parents, and the class of every module."""

    ordered: list[ModuleClass]
    of_path: dict[str, ModuleClass]


def make_classes(outlined: Outline) -> Classes:
    """Group instances and work out names and parameters."""
    groups: dict[tuple[object, ...], ModuleClass] = {}
    of_path: dict[str, ModuleClass] = {}
    for path, instance in outlined.instances.items():
        key = _structure(instance, of_path)
        if key not in groups:
            groups[key] = ModuleClass("")
        groups[key].paths[path] = len(groups[key].paths)
        groups[key].instances.append(instance)
        of_path[path] = groups[key]
    ordered = list(groups.values())
    _name_classes(ordered)
    for group in ordered:
        group.input_names = _input_names(group, outlined)
        _Numbers(group, outlined, of_path).run()
    return Classes(ordered, of_path)


def _structure(instance: Instance, of_path: dict[str, ModuleClass]) -> tuple[object, ...]:
    """Everything about an instance but its numbers; equal structures share a class."""
    references = instance.references()
    items: list[object] = []
    for item in instance.items:
        what = id(of_path[item.child]) if item.child else item.form and item.form.structure
        # Functions may differ in name; modules may not, since names are keys of state dicts.
        path = item.path if item.is_module else ""
        items.append((what, path, tuple(references[v] for v in item.operands), len(item.results)))
    outputs = tuple(references[value] for value in instance.outputs)
    return (instance.scope.block, len(instance.inputs), tuple(items), outputs)


# --- names ---------------------------------------------------------------------------------


def camel(name: str) -> str:
    """`act-separable-conv-norm` as a class name: `ActSeparableConvNorm`."""
    words = [word for word in re.split(r"[^A-Za-z0-9]+", name) if word]
    return "".join(word[0].upper() + word[1:] for word in words)


def _name_classes(groups: list[ModuleClass]) -> None:
    """The largest group of a block takes its name; others add what tells them apart."""
    taken = set(TAKEN)
    by_size = sorted(groups, key=lambda g: ("" not in g.paths, -len(g.paths)))
    for group in by_size:
        base = _base_name(group)
        own = {path.rpartition(".")[2] for path in group.paths}
        options = [base]
        if len(own) == 1:
            last = own.pop()
            options.append(base + last if last.isdigit() else camel(last))
            options.append(camel(re.sub(r"s\.(\d+)", r"-\1", next(iter(group.paths)))))
        name = next((option for option in options if option not in taken), "")
        number = 2
        while not name:
            option = f"{base}Variant{number}"  # a mere number could be that of a node
            name, number = option if option not in taken else "", number + 1
        taken.add(name)
        group.name = name


def _base_name(group: ModuleClass) -> str:
    scope = group.template.scope
    name = camel(scope.block)
    if scope.block == "edge" and scope.path:
        # An edge is called after what happens on it: Project, ProjectUp.
        name = camel("-".join(group.template.roles))
    return name if name.isidentifier() and not keyword.iskeyword(name) else f"Module{name}"


def _input_names(group: ModuleClass, outlined: Outline) -> list[str]:
    """Names that fit every instance: the spec's own, else by level."""
    columns = [list(instance.inputs.values()) for instance in group.instances]
    names: list[str] = []
    for i in range(len(group.template.inputs)):
        used = {column[i] for column in columns}
        names.append(used.pop() if len(used) == 1 else _common_name(group, outlined, i, used))
    for i, name in enumerate(names):
        if name in names[:i]:
            names[i] = f"{name}_{i}"
    return names


def _common_name(group: ModuleClass, outlined: Outline, i: int, used: set[str]) -> str:
    """`in6`, `in5` as `in_l`; `in7`, `td6` as `above`."""
    relations: set[int] = set()
    for instance in group.instances:
        here = outlined.types[instance.outputs[0]].level
        there = outlined.types[list(instance.inputs)[i]].level
        relations.add((there > here) - (there < here))
    stems = {re.sub(r"\d+\Z", "", name) for name in used}
    if relations == {0} and len(stems) == 1:
        return f"{stems.pop()}_l"
    words = {1: "above", -1: "below", 0: "same"}
    return words[relations.pop()] if len(relations) == 1 else f"x{i}"


# --- numbers -------------------------------------------------------------------------------


class _Numbers:
    """Works out the parameters of one class and the text of every number in it."""

    def __init__(
        self, group: ModuleClass, outlined: Outline, of_path: dict[str, ModuleClass]
    ) -> None:
        self.group = group
        self.outlined = outlined
        self.of_path = of_path
        self.by_column: dict[tuple[bool, Column], Parameter] = {}
        children = {item.path.partition(".")[0] for item in group.template.items}
        self.reserved = RESERVED_PARAMETERS | children

    def run(self) -> None:
        is_root = "" in self.group.paths
        for i, item in enumerate(self.group.template.items):
            for slot, (column, is_channels) in self._slots(i, item).items():
                same = all(_equal(value, column[0]) for value in column)
                if is_root or (same and not is_channels):
                    self.group.texts[i, slot] = repr(column[0])
                else:
                    parameter = self._parameter(item, slot, column, is_channels)
                    # `forward` reads its numbers from the module.
                    parameter.kept |= not item.is_module
                    prefix = "" if item.is_module else "self."
                    self.group.texts[i, slot] = prefix + parameter.name
        parameters = sorted(self.by_column.values(), key=_rank)
        self.group.parameters = parameters

    def _slots(self, i: int, item: Item) -> dict[str, tuple[Column, bool]]:
        """Every number of an item with its value in each instance."""
        rows = [instance.items[i] for instance in self.group.instances]
        if item.child is not None:
            child = self.of_path[item.child]
            values = [self.of_path[row.child or ""].arguments(row.child or "") for row in rows]
            return {
                p.name: (tuple(value[p.name] for value in values), p.is_channels)
                for p in child.parameters
            }
        forms = [row.form for row in rows if row.form is not None]
        return {
            slot: (tuple(form.slots[slot] for form in forms), slot in forms[0].channels)
            for slot in forms[0].slots
        }

    def _parameter(self, item: Item, slot: str, column: Column, is_channels: bool) -> Parameter:
        known = self.by_column.get((is_channels, column))
        if known:
            return known
        name = self._channel_name(column) if is_channels else self._argument_name(column)
        plain = f"{item.last_name}_{slot}".lstrip("0123456789_")
        taken = {parameter.name for parameter in self.by_column.values()} | self.reserved
        name = name if name and name not in taken else plain
        while name in taken or keyword.iskeyword(name):
            name += "_"
        parameter = Parameter(name, column, is_channels)
        self.by_column[is_channels, column] = parameter
        return parameter

    def _channel_name(self, column: Column) -> str:
        types = self.outlined.types
        instances = self.group.instances
        results = {tuple(types[value].channels for value in i.outputs) for i in instances}
        if all(len(set(row)) == 1 for row in results):
            outputs = tuple(types[instance.outputs[0]].channels for instance in instances)
            if outputs == column:
                return "channels"
        for i, name in enumerate(self.group.input_names):
            width = tuple(types[list(inst.inputs)[i]].channels for inst in instances)
            if width == column:
                sole = len(self.group.input_names) == 1 or name == "x"
                return "in_channels" if sole else f"{name}_channels"
        return self._argument_name(column)

    def _argument_name(self, column: Column) -> str:
        """The block's own parameter that has these values, if one has."""
        rows = [dict(instance.scope.arguments) for instance in self.group.instances]
        for name in rows[0]:
            if all(_equal(row.get(name), value) for row, value in zip(rows, column, strict=True)):
                return name
        return ""


def _equal(a: object, b: object) -> bool:
    """Equal, and of one type: `True` is not 1."""
    return type(a) is type(b) and a == b


def _rank(parameter: Parameter) -> tuple[int, int]:
    order = ["in_channels", "channels"]
    position = order.index(parameter.name) if parameter.name in order else len(order)
    return (0 if parameter.is_channels else 1, position)


def arguments_text(parameters: Sequence[Parameter], texts: dict[str, str]) -> list[str]:
    """The arguments of a call: channels by position, others by name."""
    return [
        texts[p.name]
        if p.is_channels and p.name in ("in_channels", "channels")
        else f"{p.name}={texts[p.name]}"
        for p in parameters
    ]
