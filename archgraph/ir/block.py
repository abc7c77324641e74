"""Blocks: templates that become operators where they are used, once input types are known."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from archgraph.errors import Location
from archgraph.expressions import Entry, Expression, Loop, Step
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
class Variant:
    """A named row: what it says of parameters (numbers or words), `let` values and settings."""

    values: Mapping[str, Expression | str] = field(default_factory=dict)
    settings: Settings = Settings()


@dataclass(frozen=True)
class Operand:
    """An entry of `from` in a block: what it reads, for which input, once or for every round."""

    entry: Entry
    port: str = ""
    loop: Loop | None = None


@dataclass(frozen=True)
class BlockNode:
    """A node of a block as written: steps, what it reads (None: the node before).

    The name and the entries may hold templates; with a `loop` there is one node for every round.
    `share` is the name of its set of weights, by default its own.
    """

    name: str
    use: tuple[Step, ...]
    inputs: tuple[Operand, ...] | None = None
    when: Expression | None = None
    settings: Settings = Settings()
    location: Location | None = field(default=None, compare=False, repr=False)
    loop: Loop | None = None
    share: str = ""


@dataclass(frozen=True)
class BlockGroup:
    """Nodes that a loop repeats together."""

    nodes: tuple[BlockNode | BlockGroup, ...]
    loop: Loop | None = None
    when: Expression | None = None


@dataclass(frozen=True)
class Block:
    """A template.

    `inputs` are the names of what it reads; a `variadic` block has one, and any number of values
    for it: `x0`, `x1`, ... and `x.count`. `outputs` are its results by name, or the one result
    under the empty name; without any the result is its last node.
    """

    name: str
    parameters: tuple[BlockParameter, ...]
    definitions: tuple[Definition, ...]
    nodes: tuple[BlockNode | BlockGroup, ...]
    inputs: tuple[str, ...] = ("x",)
    variadic: bool = False
    outputs: Mapping[str, Entry] = field(default_factory=dict)
    settings: Settings = Settings()
    doc: str = ""
    location: Location | None = field(default=None, compare=False, repr=False)
    variants: Mapping[str, Variant] = field(default_factory=dict)

    def parameter(self, name: str) -> BlockParameter | None:
        """The parameter called `name`, if it is declared."""
        return next((p for p in self.parameters if p.name == name), None)

    @property
    def results(self) -> tuple[str, ...]:
        """The names of its results; none where it has a single one."""
        return tuple(name for name in self.outputs if name)

    def walk(self) -> Iterator[BlockNode]:
        """Every node as written, those of loops once."""
        waiting = list(reversed(self.nodes))
        while waiting:
            item = waiting.pop()
            if isinstance(item, BlockGroup):
                waiting.extend(reversed(item.nodes))
            else:
                yield item


@dataclass(frozen=True)
class Model:
    """A graph with the templates its blocks are made from."""

    graph: Graph
    blocks: Mapping[str, Block] = field(default_factory=dict)
