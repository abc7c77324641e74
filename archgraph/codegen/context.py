"""What the numbers of a class may be explained by: its block's arguments, channels, expressions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from archgraph.codegen.calls import BORROWED
from archgraph.codegen.formula import evaluated, matches, parsed, python_text, run, words
from archgraph.codegen.names import input_names, reserved_parameters
from archgraph.codegen.outline import Outline
from archgraph.codegen.parameters import NO_DEFAULT, Parameter
from archgraph.expressions import Value

if TYPE_CHECKING:
    from archgraph.codegen.classes import ModuleClass


def _is_whole(value: object) -> bool:
    return type(value) is int or (isinstance(value, float) and value.is_integer())


class Context:
    """The arguments, inputs and expressions of the block that a class stands for.

    Attributes:
        parameters: what a constructor may be given without inventing it, in order: the channels
            of inputs, the block's declared arguments, the channels of the output.
        declared: whether a block of the spec says what it takes; a node of a pyramid does not.
        entering: which parameter is the width of which input.
    """

    def __init__(self, group: ModuleClass, outlined: Outline) -> None:
        self.instances = group.instances
        self.types = outlined.types
        scope = group.instance.scope
        template = outlined.graph.templates.get(scope.block)
        self.expressions = dict(template.expressions) if template else {}
        self.defaults = dict(template.defaults) if template else {}
        self.arguments = [dict(instance.scope.arguments) for instance in self.instances]
        self.declared = bool(self.arguments[0]) or template is not None
        self.inputs = input_names(group, outlined)
        self.entering: dict[str, int] = {}
        self.parameters: dict[str, Parameter] = {}
        self._collect(group)
        self._names: list[dict[str, Value]] | None = None

    def _collect(self, group: ModuleClass) -> None:
        declared = [name for name in self.defaults or self.arguments[0] if self._usable(name)]
        tensors = [k for k, v in enumerate(group.instance.inputs) if not v.startswith(BORROWED)]
        for k in tensors:
            name = self.inputs[k]
            sole = len(tensors) == 1 or name == "x"
            name = "in_channels" if sole else f"{name}_channels"
            while name in declared or name in self.parameters:
                name += "_"
            entering = (list(instance.inputs)[k] for instance in self.instances)
            widths = tuple(self.types[value].channels for value in entering)
            self.parameters[name] = Parameter(name, widths, True)
            self.entering[name] = k
        for name in declared:
            column = tuple(row[name] for row in self.arguments)
            if name.endswith("channels") and all(_is_whole(value) for value in column):
                column = tuple(int(value) for value in column)  # widths are whole, 128.0 too
            is_channels = name.endswith("channels") and all(type(v) is int for v in column)
            default = self._default(name, column)
            self.parameters[name] = Parameter(name, column, is_channels, default)
        self._add_output()

    def _usable(self, name: str) -> bool:
        """Whether an argument is a number in every instance, and may be a name in Python."""
        known = all(
            name in row and isinstance(row[name], bool | int | float) for row in self.arguments
        )
        return known and name.isidentifier() and name not in reserved_parameters()

    def _default(self, name: str, column: Sequence[object]) -> str:
        expression = parsed(self.defaults.get(name) or "")
        value = expression.constant if expression else None
        kinds = {type(each) for each in column}
        fits = type(value) in kinds or (float in kinds and type(value) is int)
        return repr(value) if value is not None and fits else NO_DEFAULT

    def _add_output(self) -> None:
        """`channels`: the width of all that leaves, where the block does not say it itself."""
        if "channels" in self.parameters:
            return
        column: list[int] = []
        for instance in self.instances:
            widths = {self.types[value].channels for value in instance.outputs}
            if len(widths) != 1:
                return
            column.append(widths.pop())
        self.parameters["channels"] = Parameter("channels", tuple(column), True)

    def input_parameter(self, k: int) -> str:
        """The parameter that is the width of input k; empty if that is no tensor."""
        return next((name for name, i in self.entering.items() if i == k), "")

    def matches(self, name: str, column: Sequence[object]) -> bool:
        """Whether a declared argument has these values."""
        known = self.parameters.get(name)
        return known is not None and matches(known.column, column)

    def formula(self, keys: Sequence[str], column: Sequence[object]) -> str:
        """What the spec says under one of these keys, in Python, if it is exact; else empty."""
        for key in keys:
            expression = parsed(self.expressions.get(key, ""))
            if expression is None:
                continue
            values = [evaluated(expression, names) for names in self._evaluation_names()]
            if not all(w is None or v == w for v, w in zip(values, column, strict=True)):
                continue
            text = python_text(expression, self._python_names())
            for option in (text, f"int({text})") if text else ():
                if self._exact(option, column):
                    return option
        return ""

    def _exact(self, text: str, column: Sequence[object]) -> bool:
        names = words(text)
        rows = [
            {name: p.column[k] for name, p in self.parameters.items() if name in names}
            for k in range(len(self.instances))
        ]
        return matches(run(text, rows), column)

    def _python_names(self) -> Mapping[str, str]:
        names = {name: name for name in self.parameters if name in self.arguments[0]}
        for parameter, k in self.entering.items():
            spoken = {list(instance.inputs.values())[k] for instance in self.instances}
            for name in (self.inputs[k], *(spoken if len(spoken) == 1 else ())):
                names[f"{name}.channels"] = parameter
        return names

    def _evaluation_names(self) -> list[dict[str, Value]]:
        if self._names is None:
            self._names = [self._row(k) for k in range(len(self.instances))]
        return self._names

    def _row(self, k: int) -> dict[str, Value]:
        row: dict[str, Value] = dict(self.arguments[k])
        for name, (value, spoken) in zip(
            self.inputs, self.instances[k].inputs.items(), strict=True
        ):
            if not value.startswith(BORROWED):
                found = self.types[value]
                row[name] = row[spoken] = {"channels": found.channels, "level": found.level}
        return row
