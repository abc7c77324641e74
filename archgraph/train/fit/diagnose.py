"""Where in a network a number stopped being one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from archgraph.codegen.interpreter import Interpreter
from archgraph.errors import DataError, Diagnostic, Location
from archgraph.ir import Graph, Node
from archgraph.train.fit.processes import gathered
from archgraph.train.fit.trainer import NotFiniteError, Trainer, autocast
from archgraph.train.samples.loader import Batch

HINT = "a smaller lr, a longer warmup or precision bfloat16 may help; the last state is whole"


@dataclass(frozen=True)
class _Found:
    """What is no number, and where; `sure` where something that is none was seen."""

    text: str
    location: Location | None = None
    sure: bool = True


def not_finite(trainer: Trainer, graph: Graph, error: NotFiniteError) -> DataError:
    """E557: what is no number, and the first node of the network where that is so.

    The network is computed once more, node by node, on the same images with the same weights.
    Every process looks at its own images, and all say what the first has found that has found
    something.

    Args:
        trainer: before the step.
        graph: of its network, at OPERATORS.
        error: what stopped it.
    """
    own = _weights(trainer) or _images(error.batches)
    if own is None and error.of == "gradient":
        own = _gradient(trainer, graph)
    own = own or _values(trainer, graph, error.batches)
    found = min(gathered(own), key=lambda each: not each.sure)
    message = f"the {error.of} of step {trainer.steps + 1:,} is not a finite number: {found.text}"
    return DataError(Diagnostic("E557", message, found.location, HINT))


def _weights(trainer: Trainer) -> _Found | None:
    wrong = [name for name, each in trainer.network.named_parameters() if not _finite(each)]
    return _Found(f"weights '{wrong[0]}' are not") if wrong else None


def _images(batches: Sequence[Batch]) -> _Found | None:
    for batch in batches:
        for image, image_id in zip(batch.images, batch.image_ids, strict=True):
            if not _finite(image):
                return _Found(f"image {image_id} is not")
    return None


def _values(trainer: Trainer, graph: Graph, batches: Sequence[Batch]) -> _Found:
    """The first node whose value is not finite."""
    again = Interpreter(graph).to(trainer.device)
    weight = next(trainer.network.parameters())
    again.to(weight.dtype).load_state_dict(trainer.network.state_dict())
    again.train()
    with torch.no_grad(), autocast(trainer.device, trainer.settings.precision):
        for batch in batches:
            for node, value in again.values([batch.images]):
                if not _finite(value):
                    images = _not_finite_images(value, batch)
                    return _Found(f"{_named(node)} is not, {images}", node.location)
    return _Found("all values of the network are; targets or the loss itself are not", sure=False)


def _gradient(trainer: Trainer, graph: Graph) -> _Found:
    """The last node with a gradient that is not finite: the first on the way back."""
    wrong = {
        name.rpartition(".")[0]
        for name, each in trainer.network.named_parameters()
        if each.grad is not None and not _finite(each.grad)
    }
    for node in reversed(graph.order()):
        if node.weights in wrong:
            return _Found(f"that of the weights of {_named(node)} is not", node.location)
    return _Found("no single weight has one that is not; together they are too large", sure=False)


def _named(node: Node) -> str:
    return f"node '{node.name}' ({node.op.kind})"


def _not_finite_images(value: Tensor, batch: Batch) -> str:
    """Which images of a batch have values that are not finite."""
    if value.shape[:1] != (len(batch),):
        return "for all images"
    ids = [i for i, each in zip(batch.image_ids, value, strict=True) if not _finite(each)]
    shown = ", ".join(map(str, ids[:5]))
    return f"for image {shown}" if len(ids) < len(batch) else "for all images"


def _finite(tensor: Tensor) -> bool:
    return bool(torch.isfinite(tensor).all())
