"""What the parts of one expansion share: names made so far, faults, loops, and their bounds."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Callable, Iterable, Iterator, MutableMapping
from dataclasses import dataclass, field

from archgraph.errors import Diagnostic, Location, SpecError
from archgraph.expressions import Loop, Value, parse_loop
from archgraph.expressions.template import could_be
from archgraph.spec.documents import TopologyDocument
from archgraph.spec.expanded import ExpandedEdge, ExpandedInput
from archgraph.spec.faults import fits
from archgraph.spec.located import Located
from archgraph.spec.models import NodeModel
from archgraph.spec.parameters import Bound

MAX_NODES, MAX_WORK = 10_000, 100_000
MAX_ENTRY = 500
# After so many faults the rest is not looked at; of many names not all are compared.
MAX_FAULTS, MAX_COMPARED = 100, 500
LEVELS = range(32)

Scope = ChainMap[str, Value]


@dataclass
class Draft:
    """A node whose name is known and whose operands are not yet looked up."""

    name: str
    model: NodeModel
    names: Scope
    location: Location | None
    level: int | None = None
    share: str = ""
    edges: list[ExpandedEdge] = field(default_factory=list)
    labels: set[str] = field(default_factory=set)
    faulty: bool = False


class Expansion:
    """One expansion. Mistakes are collected, so that a file shows all of them at once."""

    def __init__(self, document: TopologyDocument, bound: Bound) -> None:
        self.document = document
        self.bound = bound
        self.faults: list[Diagnostic] = []
        self.inputs: dict[str, ExpandedInput] = {}
        self.drafts: dict[str, Draft] = {}
        self.work = 0
        self.stopped = False
        # Names that an earlier mistake kept from existing: who reads them is not to blame. The
        # parts between the holes of a template tell which names it could have given.
        self._lost: dict[tuple[str, ...], None] = {}

    def attempt(self, step: Callable[..., None], *args: object) -> bool:
        """Do one step, keep what is wrong with it, and tell whether all went well."""
        if len(self.faults) >= MAX_FAULTS or self.stopped:
            return False
        try:
            step(*args)
        except SpecError as error:
            self.faults.extend(error.diagnostics)
            return False
        return True

    def lose(self, parts: Iterable[str]) -> None:
        """Remember that names of this pattern were never made."""
        self._lost[tuple(parts)] = None

    def is_lost(self, name: str) -> bool:
        """Whether an earlier mistake may have kept `name` from existing."""
        return any(fits(name, list(parts)) for parts in self._lost)

    def why_missing(self, name: str, where: Location | None) -> str:
        """Which node as written would be `name`, had its loop or `when` made it; else empty."""
        waiting = list(self.document.nodes)
        while waiting:
            model = waiting.pop(0)
            if not isinstance(model, NodeModel):
                waiting.extend(model.nodes)
            elif could_be(model.name, name):
                place = model.at("name")
                line = f" {place.seen_from(where)}" if place else ""
                return f"'for' or 'when' of '{model.name}'{line} leaves it out"
        return ""

    def spend(self, steps: int, where: Location | None) -> None:
        """Loops in loops and long lists add up; no spec may keep the compiler busy for long."""
        self.work += steps
        if self.work > MAX_WORK:
            self.stopped = True
            message = f"this takes too long: the loops of '{self.document.name}' make more than"
            raise SpecError(Diagnostic("E304", f"{message} {MAX_WORK:,} steps", where))

    def scope(self, level: int | None = None) -> Scope:
        """The names of the document, and `l` if the level is known."""
        # No copies: there may be many rounds, and many names.
        known: MutableMapping[str, Value] = dict(self.bound.names)
        return ChainMap(known) if level is None else ChainMap({"l": level}, known)

    def rounds(self, loop: Loop | None, names: Scope, where: Location | None) -> Iterator[Scope]:
        """The names in every round of a loop; without a loop there is one round."""
        if loop is None:
            self.spend(1, where)
            yield names
            return
        if loop.variable in names:
            message = f"the loop variable '{loop.variable}' hides a name that is known here"
            raise SpecError(Diagnostic("E104", message, where, "give it another name"))
        for value in loop.values(names):
            if self.stopped:  # by a loop in this one
                return
            self.spend(1, where)
            yield names.new_child({loop.variable: value})

    def level_of(self, name: str) -> int | None:
        """The level of an input or node; that of a result is known only from its block."""
        if name in self.inputs:
            return self.inputs[name].level
        return self.drafts[name].level if name in self.drafts else None


def loop_of(text: str | None, owner: Located) -> Loop | None:
    """The loop that `for` of a mapping says, if it says one."""
    return None if text is None else parse_loop(text, owner.at("for"))


def owner_of(name: str) -> str:
    """The node of a value: that of `lf.l4` is `lf`."""
    return name.partition(".")[0]


def whole_level(value: object) -> int | None:
    """A level, or None for a number that is none."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return int(value) if isinstance(value, int | float) and number and value in LEVELS else None
