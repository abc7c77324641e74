"""What the text of a class says of its numbers: parameters, and the text of every other one."""

from __future__ import annotations

from dataclasses import dataclass, field

NO_DEFAULT = ""


@dataclass(frozen=True)
class Parameter:
    """A parameter of a constructor, with its value in every instance (None: any will do)."""

    name: str
    column: tuple[object, ...]
    is_channels: bool = False
    default: str = NO_DEFAULT

    @property
    def type_name(self) -> str:
        """The type to annotate."""
        kinds = {type(value) for value in self.column if value is not None}
        if tuple in kinds:
            return "tuple[str, ...]"
        if kinds == {bool}:
            return "bool"
        return "float" if float in kinds else "int"


def literal(value: object) -> str:
    """A value as Python writes it, with the quotes that the formatter wants."""
    if isinstance(value, tuple):
        inner = ", ".join(literal(part) for part in value)
        return f"({inner},)" if len(value) == 1 else f"({inner})"
    return f'"{value}"' if isinstance(value, str) else repr(value)


@dataclass
class Numbers:
    """What the text of a class needs to know about its numbers.

    Attributes:
        parameters: of the constructor, in order.
        texts: by (field, key, slot): the number in the constructor.
        functions: by (part, slot): the number in `forward`.
        kept: attributes that `forward` reads, with their values in the constructor.
        presence: by part: the condition under which an optional part is there.
        counts: by list: how many elements it has.
        widths: the channels of each output, in terms of the parameters; empty if unknown.
        entering: by parameter: the input whose channels it is.
        keys: by place: the key of a member that is named after an input.
        inputs: names of what enters, that fit every instance.
    """

    parameters: list[Parameter] = field(default_factory=list)
    texts: dict[tuple[str, str, str], str] = field(default_factory=dict)
    functions: dict[tuple[int, str], str] = field(default_factory=dict)
    kept: dict[str, str] = field(default_factory=dict)
    presence: dict[int, str] = field(default_factory=dict)
    counts: dict[str, str] = field(default_factory=dict)
    widths: list[str] = field(default_factory=list)
    entering: dict[str, int] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)
    inputs: list[str] = field(default_factory=list)
