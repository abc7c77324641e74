"""Networks, and state dicts with numbers that tell every tensor from every other."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import cache
from typing import Any, TypeVar

import pytest
import torch
from torch import Tensor

from archgraph.compiler import arguments_from_python, compile_spec
from archgraph.ir.op import Shape
from archgraph.weights import SCHEMES, Network, tensor_shapes

Row = TypeVar("Row")


@cache
def network(model: str = "efficientdet", variant: str = "d0", **changes: str | int) -> Network:
    """A network of the library, compiled once."""
    arguments = arguments_from_python(changes)
    compiled = compile_spec(model, arguments, variant=variant)
    return Network(compiled.operators.graph, f"{model} {variant}")


def names(of: Network, scheme: str) -> dict[str, str]:
    """Our names with those of a scheme."""
    return SCHEMES[scheme].names(of.graph)


def numbers(shapes: Mapping[str, Shape]) -> dict[str, Tensor]:
    """A tensor for each name; each starts with a number of its own."""
    state: dict[str, Tensor] = {}
    for index, (name, shape) in enumerate(shapes.items()):
        counter = name.endswith("num_batches_tracked")
        state[name] = torch.full(shape, index, dtype=torch.int64 if counter else torch.float32)
    return state


def state_of(of: Network, scheme: str = "archgraph") -> dict[str, Tensor]:
    """A state dict of a network, by the names of a scheme."""
    theirs = names(of, scheme)
    own = numbers(tensor_shapes(of.graph))
    return {name: own[key] for key, name in theirs.items()}


def same(a: Mapping[str, Tensor], b: Mapping[str, Tensor]) -> bool:
    """Whether two state dicts hold the same, to the bit."""
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def digest(shapes: Mapping[str, Sequence[int]]) -> str:
    """What `tools/compare_with_effdet.py` keeps of the names and shapes of a state dict."""
    lines = "".join(f"{name} {list(shape)}\n" for name, shape in sorted(shapes.items()))
    return hashlib.sha256(lines.encode()).hexdigest()[:16]


def mostly_slow(rows: Iterable[Row], quick: Collection[str], label: Callable[[Row], str]) -> Any:
    """Parameters of a test, of which all but those with some labels are slow."""
    return [
        pytest.param(
            *(row if isinstance(row, tuple) else (row,)),
            id=label(row),
            marks=() if label(row) in quick else pytest.mark.slow,
        )
        for row in rows
    ]
