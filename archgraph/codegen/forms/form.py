"""What a row of the table of forms consists of."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from archgraph.expressions import Scalar

Texts = Mapping[str, str]


@dataclass(frozen=True)
class Constructed:
    """A constructor call: its target and its arguments, each a text."""

    target: str
    arguments: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.target}({', '.join(self.arguments)})"


@dataclass(frozen=True)
class Form:
    """How one operator is written.

    Attributes:
        slots: the numbers it is written with, by name; a printer may write a parameter instead.
        channels: which slots are channel counts.
        structure: everything else that its text depends on; the kind of the operator comes first.
        module: from slot texts to the constructor of its module; None for a function.
        call: from operand texts and slot texts to an expression; `self` of a module comes first.
    """

    structure: tuple[object, ...]
    call: Callable[[Sequence[str], Texts], str]
    module: Callable[[Texts], Constructed] | None = None
    slots: Mapping[str, Scalar] = field(default_factory=dict)
    channels: frozenset[str] = frozenset()


def module_call(operands: Sequence[str], _: Texts) -> str:
    """The call of a module with all operands."""
    return f"{operands[0]}({', '.join(operands[1:])})"


def options(texts: Texts, **defaults: str) -> list[str]:
    """Keyword arguments for the slots that do not have their default."""
    return [f"{key}={texts[key]}" for key in defaults if texts[key] != defaults[key]]
