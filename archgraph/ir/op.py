"""What an operation is: a frozen dataclass whose fields are its meaning."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from archgraph.errors import Diagnostic, SpecError
from archgraph.ir.types import FeatureType, Stage

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Op:
    """An operation. `arity` is the smallest and largest number of operands (None: any).

    `ports` are the names of operands that mean different things; there are none where there is
    one operand, or any number of one kind.
    """

    kind: ClassVar[str]
    stages: ClassVar[frozenset[Stage]] = frozenset({Stage.OPERATORS})
    arity: ClassVar[tuple[int, int | None]] = (1, 1)
    ports: ClassVar[tuple[str, ...]] = ()

    def infer(self, inputs: Sequence[FeatureType]) -> FeatureType:
        """The type of the result.

        Raises:
            SpecError: the operands do not fit; without a place, which the caller knows.
        """
        return inputs[0]

    def parameters(self, inputs: Sequence[FeatureType]) -> Mapping[str, Shape]:
        """Learned weights by name, in the order in which torch registers them."""
        return {}

    def buffers(self, inputs: Sequence[FeatureType]) -> Mapping[str, Shape]:
        """Tensors that are saved with the weights but not learned."""
        return {}


def refusal(code: str, message: str, hint: str = "") -> SpecError:
    """A mistake whose place the caller adds."""
    return SpecError(Diagnostic(code, message, None, hint))
