"""Where in a network a number stopped being one."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from archgraph.codegen.interpreter import Interpreter
from archgraph.errors import DataError, Diagnostic, Location
from archgraph.ir import Graph, Node
from archgraph.train.fit.trainer import NotFiniteError, Trainer, autocast
from archgraph.train.samples.loader import Batch

HINT = "a smaller lr, a longer warmup or precision bfloat16 may help; the last state is whole"


def not_finite(trainer: Trainer, graph: Graph, error: NotFiniteError) -> DataError:
    """E557: what is no number, and the first node of the network where that is so.

    The network is computed once more, node by node, on the same images with the same weights.

    Args:
        trainer: before the step.
        graph: of its network, at OPERATORS.
        error: what stopped it.
    """
    step = trainer.steps + 1
    what = f"the {error.of} of step {step:,} is not a finite number"
    found = _weights(trainer) or _images(error.batches)
    location = None
    if not found and error.of == "gradient":
        found, location = _gradient(trainer, graph)
    elif not found:
        found, location = _values(trainer, graph, error.batches)
    return DataError(Diagnostic("E557", f"{what}: {found}", location, HINT))


def _weights(trainer: Trainer) -> str:
    wrong = [name for name, each in trainer.network.named_parameters() if not _finite(each)]
    return f"weights '{wrong[0]}' are not" if wrong else ""


def _images(batches: Sequence[Batch]) -> str:
    for batch in batches:
        for image, image_id in zip(batch.images, batch.image_ids, strict=True):
            if not _finite(image):
                return f"image {image_id} is not"
    return ""


def _values(
    trainer: Trainer, graph: Graph, batches: Sequence[Batch]
) -> tuple[str, Location | None]:
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
                    return f"{_named(node)} is not, {images}", node.location
    return "all values of the network are; targets or the loss itself are not", None


def _gradient(trainer: Trainer, graph: Graph) -> tuple[str, Location | None]:
    """The last node with a gradient that is not finite: the first on the way back."""
    wrong = {
        name.rpartition(".")[0]
        for name, each in trainer.network.named_parameters()
        if each.grad is not None and not _finite(each.grad)
    }
    for node in reversed(graph.order()):
        if node.weights in wrong:
            return f"that of the weights of {_named(node)} is not", node.location
    return "no single weight has one that is not; together they are too large", None


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
