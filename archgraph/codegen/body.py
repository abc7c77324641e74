"""The statements of `forward`: variables named by the spec, values freed after their last use."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from archgraph.codegen.classes import ModuleClass
from archgraph.codegen.outline import Item, Outline
from archgraph.errors import Location

# The path of an item in its module, and `file.yaml:line` (empty where no file says it).
Origin = tuple[str, str]
# Functions whose call may stand inside a sum.
NESTED = ("resize", "max-pool")


@dataclass(frozen=True)
class Statement:
    """One statement, with the comment that belongs at its end."""

    text: str
    comment: str = ""
    origin: Origin | None = None


def place(location: Location | None) -> str:
    """`panet.yaml:13`: the same on every machine, and always one line."""
    if location is None:
        return ""
    name = location.file.rpartition("/")[2]
    shown = "".join(c if c.isprintable() else "?" for c in name)
    return f"{shown}:{location.line}"


def origin_of(item: Item) -> Origin:
    """What a line that comes from an item tells of it."""
    return item.path, place(item.location)


class Body:
    """Writes the body of one class's `forward`.

    Args:
        group: the class.
        outlined: all modules, with the type of every value.
        named: whether items are nodes of the spec, whose names the variables take.
    """

    def __init__(self, group: ModuleClass, outlined: Outline, named: bool) -> None:
        self.group = group
        self.types = outlined.types
        self.instances = outlined.instances
        self.named = named
        self.is_root = "" in group.paths
        self.instance = group.template
        self.variables: dict[str, str] = {}
        self.parameters = set(group.input_names)
        self.annotated: set[str] = set(group.input_names)
        self.statements: list[Statement] = []
        containers = {item.path.partition(".")[0] for item in self.instance.items}
        self.is_list = {name: self.instance.is_list(name) for name in containers}
        self.nested = self._nested()
        self.last_use = self._last_uses()

    def write(self) -> tuple[list[Statement], list[str]]:
        """The statements, and the variables that hold the outputs."""
        inputs = zip(self.instance.inputs, self.group.input_names, strict=True)
        self.variables.update(inputs)
        i = 0
        while i < len(self.instance.items):
            stacked = self._stack_at(i)
            if stacked:
                self._write_loop(i, stacked)
            else:
                self._write_item(i)
            i += stacked or 1
            self._free(i - 1)
        return self.statements, [self.variables[value] for value in self.instance.outputs]

    def _nested(self) -> dict[int, int]:
        """Resampling of a node's edge that is written inside the sum that follows it."""
        found: dict[int, int] = {}
        items = self.instance.items
        readers: dict[str, list[int]] = {value: [] for value in self.instance.outputs}
        for i, item in enumerate(items):
            for value in item.operands:
                readers.setdefault(value, []).append(i)
        for i, item in enumerate(items):
            if not self.named or item.form is None or item.form.structure[0] not in NESTED:
                continue
            (value,) = item.results
            used_once = len(readers.get(value, ())) == 1 and value not in self.instance.outputs
            reader = readers[value][0] if used_once else i
            form = items[reader].form
            between = items[i + 1 : reader]
            if reader > i and form and form.structure[0] == "add" and not between:
                found[i] = reader
        return found

    def _last_uses(self) -> dict[str, int]:
        found: dict[str, int] = {}
        for i, item in enumerate(self.instance.items):
            found.update(dict.fromkeys(item.operands, self.nested.get(i, i)))
        found.update(dict.fromkeys(self.instance.outputs, len(self.instance.items)))
        return found

    def _attribute(self, path: str) -> str:
        """How a module is reached: `self.td6`, `self.cells[0]`, `self.inputs["in5"]`."""
        container, _, key = path.partition(".")
        if not key:
            return f"self.{path}"
        index = key if self.is_list[container] else f'"{key}"'
        return f"self.{container}[{index}]"

    # --- single items ----------------------------------------------------------------------

    def _write_item(self, i: int) -> None:
        item = self.instance.items[i]
        operands = [self.variables[value] for value in item.operands]
        text = self._expression(i, item, operands)
        if i in self.nested:
            self.variables[item.results[0]] = text
            return
        names = self._result_names(i, item)
        self.variables.update(zip(item.results, names, strict=True))
        target = ", ".join(names)
        alone = len(self.instance.outputs) == 1 and not self.is_root
        wanted = not self.named or (alone and item.results == self.instance.outputs)
        if wanted and len(names) == 1 and names[0] not in self.annotated:
            target += ": Tensor"
        self.annotated.update(names)
        if text != target:
            self.statements.append(
                Statement(f"{target} = {text}", self._comment(i, item), origin_of(item))
            )

    def _expression(self, i: int, item: Item, operands: list[str]) -> str:
        if item.child is not None or item.form is None:
            return f"{self._attribute(item.path)}({', '.join(operands)})"
        slots = {slot: self.group.texts[i, slot] for slot in item.form.slots}
        if item.is_module:
            operands = [self._attribute(item.path), *operands]
        return item.form.call(operands, slots)

    def _result_names(self, i: int, item: Item) -> list[str]:
        """Variables for the results: spec names among nodes, else the operand's if it is done."""
        if len(item.results) > 1:
            return [self._free_name(name, i) for name in self._local_names(item)]
        if self.named:
            return [self._free_name(self._spec_name(item), i)]
        first = item.operands[0] if item.operands else ""
        alone = len(set(item.operands)) == 1 or self.variables.get(first) == "x"
        done = self.last_use.get(first, -1) <= i and alone
        measured = item.form is not None and item.form.structure[0] == "resize"
        if first and (done or (measured and self.last_use[first] <= i)):
            return [self.variables[first]]
        return [self._free_name(self._edge_name(item), i)]

    def _edge_name(self, item: Item) -> str:
        """`in5_project_up` for what comes off an edge whose own variable is still needed."""
        if item.child is None or not item.path.startswith("inputs."):
            return "x"
        return f"{item.last_name}_{'_'.join(self.instances[item.child].roles)}"

    def _local_names(self, item: Item) -> list[str]:
        """Names for several results, by what the child calls them."""
        prefix = f"{item.child}." if item.child else ""
        return [value.removeprefix(prefix).partition(".")[0] for value in item.results]

    def _spec_name(self, item: Item) -> str:
        """`td6` for a node; `td6_in7_up` for what happens on an edge of it."""
        parts = [part for part in item.path.split(".") if part not in ("inputs", "fuse")]
        return "_".join(parts) or item.last_name

    def _free_name(self, wanted: str, i: int) -> str:
        """`wanted`, unless a value that is still needed has that name."""
        live = {
            name
            for value, name in self.variables.items()
            if self.last_use.get(value, -1) > i or name in self.parameters
        }
        name, number = wanted, 2
        while name in live:
            name, number = f"{wanted}_{number}", number + 1
        return name

    def _free(self, i: int) -> None:
        """Delete variables whose values were used for the last time; the caller owns inputs."""
        if i == len(self.instance.items) - 1:
            return
        gone = [v for v in self.variables if self.last_use.get(v, -1) <= i]
        kept = {name for value, name in self.variables.items() if value not in gone}
        names = [self.variables.pop(value) for value in gone]
        dead = [
            name
            for name in dict.fromkeys(names)
            if name not in kept and name not in self.parameters and name.isidentifier()
        ]
        if dead:
            self.statements.append(Statement(f"del {', '.join(dead)}"))

    def _comment(self, i: int, item: Item) -> str:
        if not self.named:
            return place(item.location) if not item.is_module else ""
        if len(item.results) > 1:
            return ""
        shape = self._shape(i)
        where = "" if item.is_module else place(item.location)
        return f"{shape}  {where}".strip()

    def _shape(self, i: int) -> str:
        """`P6: (N, 64, H/64, W/64)`, with C where instances differ."""
        found = [self.types[instance.items[i].results[0]] for instance in self.group.instances]
        widths = {type_.channels for type_ in found}
        channels = str(widths.pop()) if len(widths) == 1 else "C"
        type_ = found[0]
        size = f"H/{type_.stride}, W/{type_.stride}" if type_.stride > 1 else "H, W"
        return f"P{type_.level}: (N, {channels}, {size})"

    # --- stacked cells ---------------------------------------------------------------------

    def _stack_at(self, i: int) -> int:
        """How many items from here are list elements, each fed by exactly the one before."""
        items = self.instance.items
        first = items[i]
        container, _, index = first.path.rpartition(".")
        if not container or index != "0" or first.child is None or not self.is_list[container]:
            return 0
        if len(first.operands) != len(first.results):
            return 0
        count = 1
        while i + count < len(items):
            item, before = items[i + count], items[i + count - 1]
            if item.child is None or item.path != f"{container}.{count}":
                break
            if item.operands != before.results:
                break
            if len(item.results) != len(item.operands):
                break
            if any(self.last_use.get(value, -1) > i + count for value in before.results):
                break
            count += 1
        whole = sum(item.path.startswith(f"{container}.") for item in items) == count
        return count if whole else 0

    def _write_loop(self, i: int, count: int) -> None:
        items = self.instance.items
        container = items[i].path.partition(".")[0]
        last = items[i + count - 1]
        start = [self.variables[value] for value in items[i].operands]
        names = self._loop_names(last, start, i)
        element = self._free_name(container.removesuffix("s") or "element", i)
        while element in names:
            element += "_"
        if names != start:
            self.statements.append(Statement(f"{', '.join(names)} = {', '.join(start)}"))
        self.statements.append(Statement(f"for {element} in self.{container}:"))
        call = f"    {', '.join(names)} = {element}({', '.join(names)})"
        self.statements.append(Statement(call, origin=(container, place(items[i].location))))
        self.variables.update(zip(last.results, names, strict=True))

    def _loop_names(self, last: Item, start: Sequence[str], i: int) -> list[str]:
        """The operands' variables if nothing else needs them."""
        values = [v for v, name in self.variables.items() if name in start]
        if all(self.last_use.get(value, -1) <= i for value in values):
            return list(start)
        return [self._free_name(name, i) for name in self._local_names(last)]
