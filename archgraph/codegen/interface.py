"""What a network is given, what it returns, and what its class says of itself."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from archgraph.ir import FeatureType, Graph

# An output of several: `classes.p3` is level 3 of `classes`.
OF_SEVERAL = re.compile(r"([A-Za-z_]\w*)\.p\d+\Z")
IMAGE = "image"
FEATURES = "features"
# A fact of a class: a number, a tuple of them, or one of these for each output.
Fact = int | tuple[int, ...] | Mapping[str, int | tuple[int, ...]]


@dataclass(frozen=True)
class Interface:
    """How a network is called.

    Attributes:
        takes_image: whether it is given an image; else a list of maps.
        outputs: the values that it returns: one list of maps (named ""), or a list for each of
            several outputs.
    """

    takes_image: bool
    outputs: Mapping[str, tuple[str, ...]]

    @property
    def parameter(self) -> str:
        """What `forward` calls what it is given."""
        return IMAGE if self.takes_image else FEATURES

    @property
    def result(self) -> str:
        """The type of what `forward` returns."""
        kinds = ", ".join(["list[Tensor]"] * len(self.outputs))
        return kinds if len(self.outputs) == 1 else f"tuple[{kinds}]"

    @property
    def meaning(self) -> str:
        """What `forward` does, in a sentence or two."""
        given = "An image" if self.takes_image else "Maps"
        several = "lists of maps" if len(self.outputs) > 1 else "maps"
        return f"{given} in, {several} out; level l is (N, C, ceil(H / 2**l), ceil(W / 2**l))."


def interface(graph: Graph) -> Interface:
    """How the network of a graph is called."""
    inputs = [node.op.infer(()) for node in graph.graph_inputs]
    takes_image = len(inputs) == 1 and inputs[0].level == 0
    found: dict[str, list[str]] = {}
    for label, value in graph.outputs.items():
        match = OF_SEVERAL.match(label)
        found.setdefault(match[1] if match else "", []).append(value)
    if "" in found or len(found) == 1:
        found = {"": list(graph.outputs.values())}
    return Interface(takes_image, {name: tuple(values) for name, values in found.items()})


def facts(graph: Graph, types: Mapping[str, FeatureType]) -> dict[str, Fact]:
    """Levels and widths of what enters and leaves, by the names of the class's attributes."""
    called = interface(graph)
    inputs = [types[node.name] for node in graph.graph_inputs]
    found: dict[str, Fact] = {}
    if called.takes_image:
        found["in_channels"] = inputs[0].channels
    else:
        found["in_levels"] = tuple(type_.level for type_ in inputs)
        found["in_channels"] = tuple(type_.channels for type_ in inputs)
    outputs = {n: [types[value] for value in values] for n, values in called.outputs.items()}
    levels = {name: tuple(type_.level for type_ in each) for name, each in outputs.items()}
    alike = len(set(levels.values())) == 1
    found["levels"] = next(iter(levels.values())) if alike else levels
    widths = {name: tuple(type_.channels for type_ in each) for name, each in outputs.items()}
    several = {name: each[0] if len(set(each)) == 1 else each for name, each in widths.items()}
    found["channels"] = widths.get("", several)
    size = image_size_fact(graph) if called.takes_image else ()
    return {**found, "image_size": size} if size else found


def image_size_fact(graph: Graph) -> tuple[int, int] | tuple[()]:
    """Height and width of the image that a model was made for, if its spec says them."""
    root = graph.scopes.get("")
    said = dict(root.arguments).get("image_size") if root else None
    if isinstance(said, int) and not isinstance(said, bool):
        return (said, said)
    match = re.fullmatch(r"\[(\d+), (\d+)\]", said) if isinstance(said, str) else None
    return (int(match[1]), int(match[2])) if match else ()


def fact_text(fact: Fact) -> str:
    """A fact as Python writes it."""
    match fact:
        case int():
            return str(fact)
        case tuple():
            return f"({', '.join(map(str, fact))}{',' if len(fact) == 1 else ''})"
        case _:
            pairs = [f'"{name}": {fact_text(each)}' for name, each in fact.items()]
            return f"{{{', '.join(pairs)}}}"


def returned(called: Interface, outputs: Mapping[str, Sequence[str]]) -> str:
    """The expression that `forward` returns; an output that is a variable already stays one."""
    texts = [
        outputs[name][0] if len(outputs[name]) < len(values) else f"[{', '.join(outputs[name])}]"
        for name, values in called.outputs.items()
    ]
    return ", ".join(texts)
