"""Runs a graph node by node from the table of forms: the oracle of the tests, and a magnifier.

No structure, no sharing of code with the printer beyond the forms themselves.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from archgraph.codegen import prelude
from archgraph.codegen.forms import form_of, literals
from archgraph.codegen.snippets import ADDED
from archgraph.ir import FeatureType, Graph, Node, verify
from archgraph.ir.pyramid import Input


class Interpreter(nn.Module):
    """A module whose parameters carry the graph's weight names.

    Args:
        graph: a graph at stage OPERATORS.
    """

    def __init__(self, graph: Graph) -> None:
        super().__init__()
        verify(graph)
        self.graph = graph
        self.types = graph.infer_types()
        self.nodes = graph.order()
        self.held: dict[str, nn.Module] = {}
        for node in self.nodes:
            if isinstance(node.op, Input):
                continue
            form = form_of(node.op, self._input_types(node.name))
            if form.module and node.weights not in self.held:
                text = str(form.module(literals(form)))
                module = self._evaluate(text, {})
                assert isinstance(module, nn.Module)
                self.held[node.weights] = module
                self._place(node.weights, module)

    def forward(self, features: Sequence[Tensor]) -> list[Tensor]:
        """The graph's outputs for its inputs, both in the graph's order."""
        values = {node.name: value for node, value in self.values(features)}
        return [values[name] for name in self.graph.outputs.values()]

    def values(self, features: Sequence[Tensor]) -> Iterator[tuple[Node, Tensor]]:
        """Every node with its value, in the order in which they are computed, inputs first."""
        values: dict[str, Tensor] = {}
        for node, feature in zip(self.graph.graph_inputs, features, strict=True):
            values[node.name] = feature
            yield node, feature
        for node in self.nodes:
            if node.name in values:
                continue
            form = form_of(node.op, self._input_types(node.name))
            names: dict[str, object] = {}
            for i, edge in enumerate(self.graph.inputs(node.name)):
                names[f"x{i}"] = values[edge.source]
            operands = list(names)
            if form.module:
                names["module"] = self.held[node.weights]
                operands = ["module", *operands]
            value = self._evaluate(form.call(operands, literals(form)), names)
            assert isinstance(value, Tensor)
            values[node.name] = value
            yield node, value

    def _evaluate(self, text: str, names: Mapping[str, object]) -> object:
        # The text comes from the table of forms and holds checked numbers only.
        known = {"torch": torch, "F": F, "nn": nn, **_definitions(*ADDED.values()), **names}
        return eval(text, known)

    def _input_types(self, name: str) -> list[FeatureType]:
        return [self.types[edge.source] for edge in self.graph.inputs(name)]

    def _place(self, path: str, module: nn.Module) -> None:
        """Register a module under its dotted path, so that its keys are the graph's names."""
        owner: nn.Module = self
        *parents, last = path.split(".")
        for part in parents:
            if part not in owner._modules:
                owner.add_module(part, nn.Module())
            owner = owner.get_submodule(part)
        owner.add_module(last, module)


@cache
def _definitions(*texts: str) -> Mapping[str, object]:
    """The names of the prelude, and those of the definitions that plugins bring."""
    known = dict(vars(prelude))
    # Annotations stay texts, as in a generated file.
    exec("\n\n".join(["from __future__ import annotations", *texts]), known)
    return known
