"""The statements of `forward`: variables named by the spec, values freed after their last use."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence, Set
from dataclasses import replace

from archgraph.codegen.access import LEVEL, Access
from archgraph.codegen.calls import BORROWED
from archgraph.codegen.classes import ModuleClass
from archgraph.codegen.flow import Flow
from archgraph.codegen.formula import is_atom
from archgraph.codegen.interface import interface
from archgraph.codegen.layout import Origin
from archgraph.codegen.names import plain_name, roles
from archgraph.codegen.outline import Outline
from archgraph.codegen.series import series_of, series_texts
from archgraph.codegen.shape import WHOLE, Part, Ref
from archgraph.codegen.statement import Statement, grouped, place, shown_path, told

# The steps of a chain that leaves the input of a block alone.
CHAIN = "y"
# Functions whose results Python's types know; of a module's call they know nothing.
TYPED = re.compile(
    r"F\.(relu|relu6|silu|hardswish|mish|gelu)|torch\.sigmoid|(max|avg)_pool_same|pad_same"
)


class Body:
    """Writes the body of one class's `forward`.

    Args:
        group: the class.
        outlined: all modules, with the type of every value.
        classes: every class, by the module path of its instances.
        named: whether items are nodes of the spec, whose names the variables take.
        said: places that the class has told already.
    """

    def __init__(
        self,
        group: ModuleClass,
        outlined: Outline,
        classes: Mapping[str, ModuleClass],
        named: bool,
        said: set[str],
    ) -> None:
        self.group = group
        self.types = outlined.types
        self.classes = classes
        self.named = named
        self.access = Access(group, classes)
        self.inputs = group.numbers.inputs
        self.parts = group.template.parts
        self.variables: dict[Ref, str] = {}
        self.parameters = set(self.inputs)
        # Names that no other value may take: those of edges, and in a cell those of its inputs.
        self.fixed = {*(self.inputs if named else ()), *([LEVEL] if group.is_told else ())}
        self.statements: list[Statement] = []
        self.flow = Flow(group, named)
        self.last_use, self.nested = self.flow.last_use, self.flow.nested
        self.leaves: dict[Ref, set[Ref]] = {}
        self.live = Counter(self.inputs)
        self.dying: dict[int, list[Ref]] = defaultdict(list)
        for k in range(len(self.inputs)):
            self.dying[self.last_use.get(("in", k), 0)].append(("in", k))
        self.freed = 0
        self.said = said
        found = series_of(group, interface(outlined.graph), self.flow)
        self.inside = {i: series for series in found for i in series.parts}
        self.mappings: dict[str, str] = {}
        self.takes_image = group.is_root and interface(outlined.graph).takes_image

    def write(self) -> tuple[list[Statement], list[str]]:
        """The statements, and what is returned: variables, or the last expression itself."""
        for k, name in enumerate(self.inputs):
            self.variables["in", k] = name
        for found in self.group.template.fields.values():
            if found.named and self.access.unpacked(found):
                names = self.access.edge_names(found)
                targets = ", ".join(names) if len(names) > 1 else f"({names[0]},)"
                self.parameters.update(names)
                self.fixed.update(names)
                self.statements.append(Statement(f"{targets} = self.{found.name}.values()"))
        for i, part in enumerate(self.parts):
            if i in self.inside:
                self._write_series(i)
            else:
                self._write(i, part)
                if i not in self.nested:
                    self._free(i)
        outputs = [self.variables[ref] for ref in self.group.template.outputs]
        last = self.statements[-1] if self.statements else Statement("")
        typed = len(outputs) == 1 and last.targets == (outputs[0],) and not last.depth
        expression = last.text.partition(" = ")[2]
        if typed and not self.named and self._is_tensor(expression):
            self.statements.pop()
            outputs = [expression]
        self._annotate(outputs)
        return self.statements, outputs

    def _is_tensor(self, expression: str) -> bool:
        """Whether a type checker knows that an expression is a Tensor; what modules give is Any."""
        known, seen = set(self.inputs), set(self.inputs)
        for each in self.statements:
            target, _, text = each.text.partition(" = ")
            first = not seen.issuperset(each.targets)  # what a name is first, it stays
            if first and each.targets == (target,) and not each.depth and _is_typed(text, known):
                known.add(target)
            seen.update(each.targets)
        return _is_typed(expression, known)

    # --- one statement ---------------------------------------------------------------------

    def _write(self, i: int, part: Part) -> None:
        operands = [self._operand(ref) for ref in part.operands]
        if part.is_loop:
            self._write_loop(i, part, operands)
            return
        text = self._expression(i, part, operands)
        if i in self.nested:
            ref: Ref = ("part", i, 0)
            self.variables[ref] = text
            self.leaves[ref] = self._leaves_of(part)
            return
        if i in self.group.bypass and not self.flow.is_identity(i):
            self._write_optional(i, part, text)
            return
        names = self._result_names(i, part)
        self._name(i, names)
        comment, origin = self._comment(i, part), self._origin(i, part)
        target = ", ".join(names)
        if text != target:
            self._say(Statement(f"{target} = {text}", comment, origin, 0, tuple(names)))

    def _say(self, statement: Statement) -> None:
        self.statements.append(statement)

    def _origin(self, i: int, part: Part) -> Origin:
        """What a line tells of itself: of several statements in one, the most telling counts."""
        inside = [k for k, reader in self.nested.items() if reader == i] if not self.named else []
        heavy = [self.parts[k] for k in inside if self.flow.is_heavy(self.parts[k])]
        told = heavy[0] if heavy and not self.flow.is_heavy(part) else part
        return shown_path(told.path, self.inputs), place(told.item.location)

    def _name(self, i: int, names: Sequence[str]) -> None:
        for j, name in enumerate(names):
            ref: Ref = ("part", i, j)
            self.variables[ref] = name
            self.live[name] += 1
            self.dying[self.last_use.get(ref, i)].append(ref)

    def _leaves_of(self, part: Part) -> set[Ref]:
        """The values that a statement reads, those inside of nested ones instead of theirs."""
        return {
            leaf
            for ref in part.operands
            if ref[0] != "module"
            for leaf in self.leaves.get(ref, {ref})
        }

    def _operand(self, ref: Ref) -> str:
        if ref[0] == "module" and isinstance(ref[1], str):
            return self.access.reached(ref[1])
        return self.variables[ref]

    def _expression(self, i: int, part: Part, operands: list[str]) -> str:
        form = part.item.form
        if form is None:
            return f"{self._callee(part)}({', '.join([*operands, *told(part)])})"
        slots = {slot: self.group.numbers.functions.get((i, slot), "") for slot in form.slots}
        marks = [f"_operand{k}_" for k in range(len(operands))]
        targets = [self._callee(part), *marks] if part.item.module else marks
        text = form.call(targets, slots)
        for mark, operand in zip(marks, operands, strict=True):
            text = self._insert(text, mark, operand)
        return text

    def _insert(self, text: str, mark: str, operand: str) -> str:
        """Put an operand in its place, in brackets where it would otherwise come apart."""
        if is_atom(operand) or text == mark:
            return text.replace(mark, operand)
        between = re.compile(rf"(?<=[(]){mark}(?=[,)])|(?<=, ){mark}(?=[,)])")
        return between.sub(lambda _: operand, text).replace(mark, f"({operand})")

    def _callee(self, part: Part) -> str:
        if part.called:
            return self.access.called(*part.called)
        if not part.reach.startswith(BORROWED):
            return self.access.reached(part.reach)
        return self.inputs[int(part.reach.removeprefix(BORROWED))]

    def _write_optional(self, i: int, part: Part, text: str) -> None:
        """A part under a condition; without it the value that takes its place goes on."""
        ref = self.group.bypass[i]
        before = self._operand(ref)
        alone = self.last_use.get(ref, -1) <= i
        (name,) = [before] if alone else [self._free_name(self._spec_name(part), i)]
        origin = self._origin(i, part)
        if name != before:
            self._say(Statement(f"{name} = {before}", targets=(name,)))
        self._say(Statement(f"if {self._condition(i, part)}:"))
        self._say(Statement(f"{name} = {text}", "", origin, 1, (name,)))
        self._name(i, [name])

    def _condition(self, i: int, part: Part) -> str:
        return (
            f"{self._callee(part)} is not None" if part.called else self.group.numbers.presence[i]
        )

    # --- stacked elements ------------------------------------------------------------------

    def _write_loop(self, i: int, part: Part, start: Sequence[str]) -> None:
        """Elements of a list that hand several values on, one element to the next."""
        done = all(self.last_use.get(ref, -1) <= i for ref in part.operands)
        names = list(start) if done else self._result_names(i, part)
        several = part.path.rpartition(".")[2]
        one = several[:-1] if several.endswith("s") else "block"
        element = self._free_name(one or "element", i)
        while element in names:
            element += "_"
        if names != list(start):
            shown = f"{', '.join(names)} = {', '.join(start)}"
            self._say(Statement(shown, targets=tuple(names)))
        self._say(Statement(f"for {element} in {self._callee(part)}:"))
        call = f"{', '.join(names)} = {element}({', '.join([*names, *told(part)])})"
        origin = (part.path, place(part.item.location))
        self._say(Statement(call, "", origin, 1, tuple(names)))
        self._name(i, names)

    def _write_series(self, i: int) -> None:
        """Calls that are one statement, written where the first of them stands."""
        series = self.inside[i]
        if i == series.parts[0]:
            parts = [self.parts[k] for k in series.parts]
            operands = [self._operand(part.operands[0]) for part in parts]
            free = self._free_name("features", i)
            texts = series_texts(series, self._callee(parts[0]), operands, self.mappings, free)
            for name, text in texts:
                if text.startswith("{"):
                    self.mappings[text] = name
                    self.fixed.add(name)
                origin = (parts[0].path.rpartition(".")[0], place(parts[0].item.location))
                self._say(Statement(f"{name} = {text}", "", origin, 0, (name,)))
            self.fixed.add(series.name)
            for k in series.parts:
                self._name(k, [series.name])
        if i == series.parts[-1]:
            self._free(i)

    # --- names -----------------------------------------------------------------------------

    def _result_names(self, i: int, part: Part) -> list[str]:
        """Variables for the results: spec names among nodes, else the operand's if it is done."""
        if len(part.results) > 1:
            names: list[str] = []
            for name in self._level_names(part) or self._local_names(part):
                while name in names:
                    name += "_"
                names.append(self._free_name(name, i))
            return names
        if self.named:
            return [self._free_name(self._spec_name(part), i)]
        leaves = self._leaves_of(part)
        ended = [ref for ref in leaves if self.last_use.get(ref, -1) <= i]
        first = part.operands[0] if part.operands else None
        around = self.leaves.get(first, {first}) if first else set()
        (only,) = around if len(around) == 1 else [None]
        measured = part.item.form is not None and part.item.form.structure[0] == "resize"
        measured = measured or part.path.startswith("inputs.")
        last = self.group.template.outputs == (("part", i, 0),)
        nameless = only is not None and self.variables.get(only) == CHAIN
        chain = len(leaves) == 1 and (last or nameless or self.flow.goes_on(i))
        if only is not None and only in ended and (chain or measured):
            return [self.variables[only]]
        return [self._free_name(self._inner_name(part, i), i)]

    def _inner_name(self, part: Part, i: int) -> str:
        """What a value inside a block is called: `x` along the chain that leaves it."""
        if self.group.template.outputs == (("part", i, 0),) or part.path in ("fuse", "block"):
            return "x"
        if self.flow.goes_on(i):
            ended = "x" in self.inputs and self._free_name("x", i) == "x"
            return "x" if ended else CHAIN
        if part.called and part.called[0] == "inputs" and part.items[0].child:
            done = roles(self.classes[self._child_module(part)])
            return "_".join([self._spec_name(part), *done])
        return self._spec_name(part)

    def _level_names(self, part: Part) -> list[str]:
        """`p3, p4, p5` for the levels of a pyramid inside of a whole model."""
        types = [self.types[value] for value in part.results]
        names = [f"p{type_.level}" for type_ in types]
        is_pyramid = len(set(names)) == len(names) and not any(t.is_global for t in types)
        return names if self.takes_image and is_pyramid else []

    def _local_names(self, part: Part) -> list[str]:
        """Names for several results, by what the child calls them."""
        child = part.items[-1].child
        scope = self.classes[self._child_module(part)].instance.scope if child else None
        if scope and len(scope.outputs) == len(part.results):
            return [plain_name(name.replace(".", "_")) for name in scope.outputs]
        prefix = f"{child}." if child else ""
        names = [value.removeprefix(prefix).partition(".")[0] for value in part.results]
        return [plain_name(name) for name in names]

    def _child_module(self, part: Part) -> str:
        name, key = part.called or ("", "")
        found = self.group.template.fields.get(name)
        members = found.members if found else {}
        attribute = list(members.values())[-1] if key == WHOLE else members.get(key)
        if attribute:
            return attribute.child
        instance = self.group.instance
        own = f"{instance.module}." if instance.module else ""
        module = part.item.module
        return module.removeprefix(BORROWED) if module.startswith(BORROWED) else own + module

    def _spec_name(self, part: Part) -> str:
        """`td6` for a node; `td6_in7_up` for what happens on an edge of it."""
        path = shown_path(part.path, self.inputs).split(".")
        names = [name for name in path if name not in ("inputs", "fuse")]
        node = part.path.partition(".")[0]
        is_call = bool(part.item.child) and part.item.module != part.path
        if self.named and not is_call and self.parts[self.flow.node_end[node]] is part:
            names = [node]
        return plain_name("_".join(names) or path[-1])

    def _free_name(self, wanted: str, i: int) -> str:
        """`wanted`, unless a value that is still needed has that name."""
        name, number = wanted, 2
        while name in self.fixed or (self.live[name] and not self._dies(name, i)):
            name, number = f"{wanted}_{number}", number + 1
        return name

    def _dies(self, name: str, i: int) -> bool:
        """Whether all values of this name are used for the last time in statement i."""
        ending = [ref for k in range(self.freed, i + 1) for ref in self.dying[k]]
        return sum(self.variables.get(ref) == name for ref in ending) >= self.live[name]

    def _free(self, i: int) -> None:
        """Delete variables whose values were used for the last time; the caller owns inputs."""
        names: list[str] = []
        for k in range(self.freed, i + 1):
            for ref in self.dying.pop(k, ()):
                name = self.variables.pop(ref, "")
                self.live[name] -= 1
                names.append(name)
        self.freed = i + 1
        dead = [n for n in dict.fromkeys(names) if not self.live[n] and n not in self.parameters]
        if i < len(self.parts) - 1:
            self.statements.extend(Statement(f"del {text}") for text in grouped(dead))

    def _annotate(self, outputs: Sequence[str]) -> None:
        """Say that what leaves is a Tensor, where calls of modules do not say it."""
        if len(outputs) != 1 or self.group.is_root or outputs[0] in self.inputs:
            return
        for k, each in enumerate(self.statements):
            if each.targets == (outputs[0],):
                if not each.depth:
                    text = each.text.replace(f"{outputs[0]} =", f"{outputs[0]}: Tensor =", 1)
                    self.statements[k] = replace(each, text=text)
                return

    # --- comments --------------------------------------------------------------------------

    def _comment(self, i: int, part: Part) -> str:
        if not self.named or len(part.results) > 1:
            return ""
        where = "" if part.item.module else place(part.item.location)
        where = "" if where in self.said else where
        self.said.add(where)
        return f"{self._shape(i)}  {where}".strip()

    def _shape(self, i: int) -> str:
        """`P6: (N, 64, H/64, W/64)`, with C where instances differ."""
        parts = [member.parts[i] for member in self.group.members if i in member.parts]
        found = [self.types[part.results[0]] for part in parts]
        widths = {type_.channels for type_ in found}
        channels = str(widths.pop()) if len(widths) == 1 else "C"
        type_ = found[0]
        if type_.is_global:
            return f"(N, {channels}, 1, 1)"
        size = f"H/{type_.stride}, W/{type_.stride}" if type_.stride > 1 else "H, W"
        return f"P{type_.level}: (N, {channels}, {size})"


def _is_typed(expression: str, known: Set[str]) -> bool:
    """Whether an expression is a Tensor if `known` are: a call that says so, or a sum of such."""
    bare, count = expression, 1
    while count:  # arguments of calls say nothing of their results
        bare, count = re.subn(r"\([^()]*\)", "", bare)
    terms = re.split(r" [+*] ", bare)
    return all(term in known or TYPED.fullmatch(term) for term in terms)
