"""The named tensors of a graph: what a state dict of its module holds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from archgraph.ir import Graph
from archgraph.ir.op import Op, Shape

# Counts the batches that a norm has seen. No output depends on it, so a file may lack it.
OPTIONAL = "num_batches_tracked"


@dataclass(frozen=True)
class Holder:
    """A module that holds tensors.

    Attributes:
        path: where it stands in the module, `neck.cells.0.td6.fuse`.
        op: what it computes; where several nodes share it, what the first of them computes.
        shapes: its tensors by their own names, parameters before buffers.
    """

    path: str
    op: Op
    shapes: Mapping[str, Shape]

    @property
    def segments(self) -> tuple[str, ...]:
        """The path, split at its dots."""
        return tuple(self.path.split("."))


def holders(graph: Graph) -> list[Holder]:
    """The modules of a graph at OPERATORS that hold tensors, in execution order, each once."""
    types = graph.infer_types()
    found: dict[str, Holder] = {}
    for node in graph.order():
        operands = [types[edge.source] for edge in graph.inputs(node.name)]
        shapes = {**node.op.parameters(operands), **node.op.buffers(operands)}
        if shapes:
            found.setdefault(node.weights, Holder(node.weights, node.op, shapes))
    return list(found.values())


def tensor_shapes(graph: Graph) -> dict[str, Shape]:
    """The tensors of a graph at OPERATORS, by their names in the state dict."""
    return {
        f"{holder.path}.{name}": shape
        for holder in holders(graph)
        for name, shape in holder.shapes.items()
    }


def is_optional(name: str) -> bool:
    """Whether a state dict may lack this tensor."""
    return name.rpartition(".")[2] == OPTIONAL


def within(name: str, paths: Iterable[str]) -> bool:
    """Whether a tensor belongs to one of these modules, or is one of these tensors."""
    return any(name == path or name.startswith(f"{path}.") for path in paths)


def grouped(names: Iterable[str], every: Sequence[str]) -> list[tuple[str, int]]:
    """Names in few words: the largest modules all of whose tensors are among them, with counts.

        neck.cells.3  64
        classes.predict.pointwise.bias  1

    Args:
        names: what is to be said.
        every: all names there are, `names` among them.
    """
    chosen = set(names)
    apart = {prefix for name in every if name not in chosen for prefix in _prefixes(name)}
    counts: dict[str, int] = {}
    for name in every:
        if name in chosen:
            whole = next((p for p in _prefixes(name) if p not in apart), name)
            counts[whole] = counts.get(whole, 0) + 1
    return list(counts.items())


def _prefixes(name: str) -> Iterator[str]:
    """The modules that a tensor stands in, outermost first, and the tensor itself."""
    parts = name.split(".")
    return (".".join(parts[:end]) for end in range(1, len(parts) + 1))
