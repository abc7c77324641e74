"""What a graph says, node by node: the forms of its operators, evaluated with stand-ins."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from itertools import islice, product
from types import CodeType, SimpleNamespace

from archgraph.codegen.forms import Form, form_of, literals
from archgraph.codegen.standins import Module, Torch, builtins
from archgraph.codegen.symbols import Leaf, Name, Recorder, Value, written
from archgraph.ir import FeatureType, Graph, Node
from archgraph.ir.op import Op
from archgraph.ir.pyramid import Input

# More ways to write one operator are not tried.
MAX_WRITINGS = 64


@dataclass(frozen=True)
class Constructor:
    """How a module is made: its arguments, and more that are its defaults and may be given."""

    target: str
    args: tuple[object, ...]
    kwargs: frozenset[tuple[str, object]]
    all_args: tuple[object, ...]
    all_kwargs: frozenset[tuple[str, object]]
    other: Constructor | None = None

    @staticmethod
    def among(leaves: Sequence[Leaf]) -> Constructor:
        """What a form makes, with literals first; these leave defaults out.

        With parameters it may make another class, whose instances do the same.
        """
        alike = [leaf for leaf in leaves if leaf._target == leaves[0]._target]
        others = [leaf for leaf in leaves if leaf._target != leaves[0]._target]
        shortest = min(alike, key=lambda leaf: len(leaf._args) + len(leaf._kwargs))
        longest = max(alike, key=lambda leaf: len(leaf._args) + len(leaf._kwargs))
        kwargs = frozenset(shortest._kwargs)
        return Constructor(
            shortest._target,
            shortest._args,
            kwargs,
            longest._args,
            kwargs | frozenset(longest._kwargs),
            Constructor.among(others) if others else None,
        )

    def allows(self, leaf: Leaf) -> bool:
        """Whether a module is made like this, with or without its defaults."""
        return (self.other is not None and self.other.allows(leaf)) or (
            leaf._target == self.target
            and self.args == leaf._args[: len(self.args)]
            and leaf._args == self.all_args[: len(leaf._args)]
            and self.kwargs <= frozenset(leaf._kwargs) <= self.all_kwargs
        )

    def __str__(self) -> str:
        return written(self.target, self.args, tuple(sorted(self.kwargs, key=lambda pair: pair[0])))


@dataclass(frozen=True)
class Wanted:
    """A graph as the stand-ins record it: `calls` says how often each value is called for."""

    values: Mapping[str, Value]
    constructors: Mapping[str, tuple[Node, Constructor]]
    calls: Mapping[int, int]


Call = Callable[..., object]


@dataclass(frozen=True)
class Meaning:
    """What an operator is on operands of given types, whatever node it is.

    `calls` are functions of the operands, a module first; each is one way to write the call.
    """

    constructor: Constructor | None
    calls: Sequence[Call]


class Reference:
    """Evaluates a graph.

    Args:
        graph: a graph at stage OPERATORS.
        types: the types of its values, in execution order.
        recorder: what numbers the values.
        prelude: the names of the prelude.
    """

    def __init__(
        self,
        graph: Graph,
        types: Mapping[str, FeatureType],
        recorder: Recorder,
        prelude: Mapping[str, Name],
    ) -> None:
        self.graph = graph
        self.types = types
        self.recorder = recorder
        self.meanings: dict[tuple[Op, tuple[FeatureType, ...]], Meaning] = {}
        self.constructors: dict[str, tuple[Node, Constructor]] = {}
        torch = Torch(recorder)
        self.names: dict[str, object] = {
            **prelude,
            "__builtins__": builtins(torch),
            "torch": torch,
            "nn": torch.nn,
            "F": Name(recorder, "torch.nn.functional"),
            "self": SimpleNamespace(training=Module.training),
        }

    def run(self) -> Wanted:
        """The values of all nodes, the constructors by module path."""
        values, changed = self._values()
        # What read a value before it was found to be another one is numbered anew.
        while changed:
            values, changed = self._values()
        return Wanted(values, self.constructors, self.recorder.calls)

    def _values(self) -> tuple[dict[str, Value], bool]:
        self.recorder.calls = {}
        values: dict[str, Value] = {}
        changed = False
        for name in self.types:
            node = self.graph[name]
            if isinstance(node.op, Input):
                values[name] = self.recorder.value("input", name)
                continue
            sources = [edge.source for edge in self.graph.inputs(name)]
            operands: list[object] = [values[source] for source in sources]
            meaning = self._meaning(node.op, tuple([self.types[source] for source in sources]))
            if meaning.constructor:
                self.constructors.setdefault(node.weights, (node, meaning.constructor))
                operands.insert(0, _held(self.recorder, node.weights))
            value = _tensor(meaning.calls[0](*operands))
            values[name] = value
            if len(meaning.calls) > 1:
                changed |= self._equate(value, meaning.calls[1:], operands)
        return values, changed

    def _equate(self, value: Value, calls: Sequence[Call], operands: Sequence[object]) -> bool:
        """Give a value's number to its other writings; whether one had a number before."""
        known = len(self.recorder.keys)
        changed = False
        with self._uncounted():
            for call in calls:
                other = _tensor(call(*operands))
                if other._number != value._number:
                    self.recorder.equate(value, other)
                    changed |= other._number < known
        return changed

    @contextmanager
    def _uncounted(self) -> Iterator[None]:
        calls, self.recorder.calls = self.recorder.calls, {}
        yield
        self.recorder.calls = calls

    def _meaning(self, op: Op, types: tuple[FeatureType, ...]) -> Meaning:
        known = self.meanings.get((op, types))
        if known is None:
            with self._uncounted():
                known = self._meaning_of(form_of(op, types), len(types))
            self.meanings[op, types] = known
        return known

    def _meaning_of(self, form: Form, count: int) -> Meaning:
        """A form with its slots as literals, as parameters, and mixed."""
        parameters = {slot: f"slot_{slot}" for slot in form.slots}
        slots = {parameters[slot]: value for slot, value in form.slots.items()}
        names = {**self.names, **slots}
        operands = [f"x{i}" for i in range(count)]
        samples: list[object] = [self.recorder.value("sample", i) for i in range(count)]
        constructor = None
        if form.module:
            made = [form.module(texts) for texts in (literals(form), parameters)]
            if made[0].target != made[1].target:
                writings = islice(_writings(literals(form), parameters), MAX_WRITINGS)
                made = [form.module(texts) for texts in writings]
            written_out = dict.fromkeys(str(each) for each in made)
            constructor = Constructor.among([eval(_compiled(t), names) for t in written_out])
            operands.insert(0, "module")
            samples.insert(0, _held(self.recorder, "sample"))
        # Where two writings are the same call on any operands, one of them is enough.
        calls: dict[int, Call] = {}
        for texts in islice(_writings(literals(form), parameters), MAX_WRITINGS):
            text = f"lambda {', '.join(operands)}: {form.call(operands, texts)}"
            call: Call = eval(_compiled(text), names)
            calls.setdefault(_tensor(call(*samples))._number, call)
        return Meaning(constructor, list(calls.values()))


def _writings(texts: Mapping[str, str], others: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """Every choice between two texts for each slot, all first texts first."""
    for chosen in product(*[(text, others[slot]) for slot, text in texts.items()]):
        yield dict(zip(texts, chosen, strict=True))


def _held(recorder: Recorder, path: str) -> Leaf:
    """A module of the graph: all that its calls say of it is its path."""
    leaf = Leaf(recorder, "", (), {})
    leaf._path = path
    return leaf


def _tensor(value: object) -> Value:
    if not isinstance(value, Value):
        raise TypeError(f"{type(value).__name__} is no tensor")
    return value


@cache
def _compiled(text: str) -> CodeType:
    return compile(text, "<form>", "eval", dont_inherit=True)
