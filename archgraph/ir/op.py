"""What an operation is: a frozen dataclass whose fields are its meaning."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import Field, dataclass
from typing import Any, ClassVar

from archgraph.errors import Diagnostic, SpecError
from archgraph.ir.types import FeatureType, Stage

Shape = tuple[int, ...]
# The metadata of a field that may be 0 and no less. Without it whole numbers start at 1, and
# other numbers may be anything.
FROM_ZERO: Mapping[str, int] = {"least": 0}


@dataclass(frozen=True)
class Op:
    """An operation.

    `arity` is the smallest and largest number of operands (None: any). Where the operands are
    different things, `ports` names them in order.
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

    def size_multiple(self, inputs: Sequence[FeatureType]) -> int:
        """What height and width of the first operand must be multiples of for `infer` to hold."""
        return 1


def least(field: Field[Any]) -> int | None:
    """The smallest value of a field, if it says one."""
    found: int | None = field.metadata.get("least")
    return found


def refusal(code: str, message: str, hint: str = "") -> SpecError:
    """A mistake whose place the caller adds."""
    return SpecError(Diagnostic(code, message, None, hint))
