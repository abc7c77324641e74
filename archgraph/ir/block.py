"""Blocks: templates that become operators where they are used, once input types are known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from archgraph.errors import Location
from archgraph.expressions import Entry, Expression, Step
from archgraph.ir.graph import Graph
from archgraph.ir.settings import Settings

NUMBER = "number"
WORD = "word"


@dataclass(frozen=True)
class BlockParameter:
    """A parameter of a block: a number (an expression) or a word (a step's text)."""

    name: str
    kind: str
    default: Expression | str | None
    location: Location | None = field(default=None, compare=False, repr=False)

    @property
    def required(self) -> bool:
        """Whether every use must give it."""
        return self.default is None


@dataclass(frozen=True)
class Definition:
    """A name under `let`: a value, or a function when it has parameters."""

    name: str
    parameters: tuple[str, ...] | None
    body: Expression


@dataclass(frozen=True)
class BlockNode:
    """A node of a block as written: steps, the entry it reads (None: the node before)."""

    name: str
    use: tuple[Step, ...]
    inputs: tuple[Entry, ...] | None = None
    when: Expression | None = None
    settings: Settings = Settings()
    location: Location | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class Block:
    """A template. Its one input is called `x`; its result is `output`, else its last node."""

    name: str
    parameters: tuple[BlockParameter, ...]
    definitions: tuple[Definition, ...]
    nodes: tuple[BlockNode, ...]
    output: Entry | None = None
    settings: Settings = Settings()
    doc: str = ""
    location: Location | None = field(default=None, compare=False, repr=False)

    def parameter(self, name: str) -> BlockParameter | None:
        """The parameter called `name`, if it is declared."""
        return next((p for p in self.parameters if p.name == name), None)


@dataclass(frozen=True)
class Model:
    """A graph with the templates its blocks are made from."""

    graph: Graph
    blocks: Mapping[str, Block] = field(default_factory=dict)
