"""The vocabulary of stage PYRAMID: what is fused with what. `Input` stands at both stages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from archgraph.expressions import Step
from archgraph.ir.op import FROM_ZERO, Op
from archgraph.ir.settings import Settings
from archgraph.ir.types import FeatureType, Stage


@dataclass(frozen=True)
class Input(Op):
    """A feature map that the caller provides."""

    kind: ClassVar[str] = "input"
    stages: ClassVar[frozenset[Stage]] = frozenset(Stage)
    arity: ClassVar[tuple[int, int | None]] = (0, 0)

    level: int = field(metadata=FROM_ZERO)
    channels: int

    def infer(self, inputs: Sequence[FeatureType]) -> FeatureType:
        return FeatureType(self.level, self.channels)


@dataclass(frozen=True)
class Fuse(Op):
    """Operands brought to one level and fused, then a block. Passes may add or take operands."""

    kind: ClassVar[str] = "fuse"
    stages: ClassVar[frozenset[Stage]] = frozenset({Stage.PYRAMID})
    arity: ClassVar[tuple[int, int | None]] = (1, None)

    level: int = field(metadata=FROM_ZERO)
    channels: int
    fusion: Step
    block: tuple[Step, ...] = ()
    settings: Settings = Settings()
    pin: bool = False

    def infer(self, inputs: Sequence[FeatureType]) -> FeatureType:
        return FeatureType(self.level, self.channels)


@dataclass(frozen=True)
class Use(Op):
    """A chain of steps applied to fixed operands, then a block. Passes leave it alone.

    Its edges are named like the inputs of the block of its first step. Its channels follow from
    its block, so only the compiler's instantiation knows its type. A node whose block has
    several results takes its operands as they are, and `Result` nodes read it; its level only
    says where it stands in a figure. Nodes that share weights may each have `own` norms: their
    weights end in the `key` of the node.
    """

    kind: ClassVar[str] = "use"
    stages: ClassVar[frozenset[Stage]] = frozenset({Stage.PYRAMID})
    arity: ClassVar[tuple[int, int | None]] = (1, None)

    level: int = field(metadata=FROM_ZERO)
    use: tuple[Step, ...]
    block: tuple[Step, ...] = ()
    settings: Settings = Settings()
    results: tuple[str, ...] = ()
    own: tuple[str, ...] = ()
    key: str = ""


@dataclass(frozen=True)
class Result(Op):
    """One of the results of a `use` node whose block has several; named `node.result`.

    Every node has one value, so that results can be read and be outputs like nodes.
    """

    kind: ClassVar[str] = "result"
    stages: ClassVar[frozenset[Stage]] = frozenset({Stage.PYRAMID})

    result: str
