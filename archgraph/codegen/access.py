"""How a class reaches the modules it holds: `self.td6`, `self.cells[0]`, `self.inputs["in5"]`."""

from __future__ import annotations

import keyword
from collections.abc import Mapping
from functools import cached_property

from archgraph.codegen.classes import ModuleClass
from archgraph.codegen.shape import KEYED, WHOLE, Field
from archgraph.errors import CodegenError, Diagnostic
from archgraph.spec.names import MODULE_ATTRIBUTES

# What the class of the whole network says of itself.
FACTS = frozenset(
    "in_levels in_channels levels channels image_size size_multiple spec_hash".split()
)
# What `forward` is told where a module has weights of its own in each call.
LEVEL = "level"
# What a mapping of modules has besides.
MAPPING = frozenset({"clear", "pop", "keys", "items", "values", "update"})


def is_plain(name: str) -> bool:
    """Whether `self.<name>` is Python."""
    return name.isidentifier() and not keyword.iskeyword(name)


def check_names(group: ModuleClass) -> None:
    """Refuse attributes that would hide what every module has.

    Raises:
        CodegenError: E412.
    """
    for name, found in group.template.fields.items():
        keys = [] if found.named else [key for key in found.members if not key.isdigit()]
        hidden = {n for n in (name, *keys) if n in MODULE_ATTRIBUTES or n.startswith("_")}
        hidden |= MAPPING & set(keys)
        if hidden or (group.is_root and name in FACTS):
            name = min(hidden, default=name)
            place = group.instance.module or "the network"
            message = f"'{name}' cannot name a module in {place}: every module has one already"
            raise CodegenError(Diagnostic("E412", message, group.instance.scope.location))


class Access:
    """The texts by which one class reaches modules.

    Args:
        group: the class.
        classes: every class, by the module path of its instances.
    """

    def __init__(self, group: ModuleClass, classes: Mapping[str, ModuleClass]) -> None:
        self.group = group
        self.classes = classes
        self.fields = group.template.fields

    @cached_property
    def is_list(self) -> bool:
        """Whether all that the class holds is numbered from 0, so that it is a list itself."""
        names = sorted(self.fields)
        numbered = names == sorted(str(i) for i in range(len(names)))
        plain = not any(found.kind for found in self.fields.values())
        return bool(names) and numbered and plain and not self.group.numbers.kept

    def called(self, name: str, key: str) -> str:
        """A module of the class's own: in a field, under a key of a list or mapping."""
        found = self.fields[name]
        if self.is_list:
            return f"self[{name}]"
        if not is_plain(name):
            path = name if key in ("", WHOLE) else f"{name}.{key}"
            return f'self.get_submodule("{path}")'
        if not found.kind or key == WHOLE:
            return f"self.{name}"
        if key == KEYED:
            return f"self.{name}[{LEVEL}]"
        if found.named and self.unpacked(found):
            return self.edge_names(found)[list(found.members).index(key)]
        return f"self.{name}[{self.key(found, key)}]"

    def key(self, found: Field, key: str) -> str:
        """The key of a member as Python writes it."""
        if found.named:
            return self.group.numbers.keys[key]
        return key if found.kind == "list" else f'"{key}"'

    def unpacked(self, found: Field) -> bool:
        """Whether the keys differ from instance to instance, so that `forward` reads values."""
        keys = self.group.numbers.keys
        return found.named and not all(keys[key].startswith('"') for key in found.members)

    def edge_names(self, found: Field) -> list[str]:
        """Variables for the modules on the way in from each input: `in_l_edge`."""
        return [f"{self.group.numbers.inputs[int(key[1:])]}_edge" for key in found.members]

    def typed(self, path: str) -> str:
        """A module anywhere inside, as Python knows its type: not beyond a list or a condition."""
        group, text, parts = self.group, "self", path.split(".") if path else []
        while parts:
            name, *parts = parts
            found = group.template.fields.get(name)
            optional = {group.template.parts[i].called for i in group.bypass}
            attribute = found.members.get("") if found else None
            surely = attribute is not None and (name, "") not in optional
            if not is_plain(name) or (parts and not surely) or found is None:
                return f'self.get_submodule("{path}")'
            text += f".{name}"
            if attribute is not None and attribute.child:
                group = self.classes[attribute.child]
        return text

    def reached(self, path: str) -> str:
        """A module that another one inside holds: `self.td6.block`."""
        group, text, rest = self.group, "self", path
        while True:
            parts = rest.split(".")
            for count in (1, 2):
                name, key = parts[0], ".".join(parts[1:count])
                found = group.template.fields.get(name)
                attribute = found.members.get(key) if found and not found.named else None
                if attribute and (not key or count == len(parts)) and is_plain(name):
                    break
            else:
                return f'self.get_submodule("{path}")'
            end = f"[{key if found and found.kind == 'list' else repr(key)}]" if key else ""
            text += f".{name}{end.replace(chr(39), chr(34))}"
            rest = ".".join(parts[count:])
            if not rest:
                return text
            group = self.classes[attribute.child]
