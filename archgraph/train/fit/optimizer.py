"""What changes the weights: groups, clipping, the optimizers of the references."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.optim import SGD, AdamW, Optimizer

Kind = Literal["sgd", "adamw"]


@dataclass(frozen=True)
class Group:
    """Parameters that are treated alike."""

    names: Sequence[str]
    parameters: Sequence[nn.Parameter]
    decayed: bool


def weight_groups(network: nn.Module) -> tuple[Group, Group]:
    """Parameters that decay, and those that do not; what is frozen is in neither.

    Kernels decay. Biases, scales of norms and weights of fusions do not: all that has no more
    than one dimension (google/automl: names that end in kernel or weight; timm: likewise by
    dimensions; both agree on EfficientDet).
    """
    named = [(name, each) for name, each in network.named_parameters() if each.requires_grad]
    decayed, others = (
        [(name, each) for name, each in named if (each.ndim > 1) is many] for many in (True, False)
    )
    return _group(decayed, decayed=True), _group(others, decayed=False)


def _group(named: Sequence[tuple[str, nn.Parameter]], *, decayed: bool) -> Group:
    return Group([name for name, _ in named], [each for _, each in named], decayed)


def make_optimizer(
    network: nn.Module, kind: Kind, *, momentum: float, weight_decay: float
) -> Optimizer:
    """An optimizer whose learning rate is still to come; SGD has no Nesterov, as released."""
    groups = [
        {"params": list(each.parameters), "weight_decay": weight_decay if each.decayed else 0.0}
        for each in weight_groups(network)
        if each.parameters
    ]
    if kind == "adamw":
        return AdamW(groups, lr=0.0, betas=(momentum, 0.999))
    return SGD(groups, lr=0.0, momentum=momentum)


def set_rate(optimizer: Optimizer, rate: float) -> None:
    """The learning rate of the next step."""
    for group in optimizer.param_groups:
        group["lr"] = rate


@torch.no_grad()
def clip(parameters: Iterable[nn.Parameter], *, each: float, whole: float) -> Tensor:
    """Shorten gradients that are too long, and say how long they were together; shape ().

    What is no number stays where it is, so that one can find out where that was.

    Args:
        parameters: those with gradients count.
        each: the longest gradient of one parameter (google/automl clips these first); 0 for any.
        whole: the longest gradient of all together; 0 for any.
    """
    gradients = [p.grad for p in parameters if p.grad is not None]
    if not gradients:
        return torch.zeros(())
    norms = torch.stack(torch._foreach_norm(gradients))
    before = norms.square().sum().sqrt()
    if each:
        factors = (each / norms.clamp(min=1e-12)).clamp(max=1)
        torch._foreach_mul_(gradients, list(factors.unbind()))
        norms = norms * factors
    if whole:
        together = norms.square().sum().sqrt()
        factor = (whole / together.clamp(min=1e-12)).clamp(max=1)
        torch._foreach_mul_(gradients, torch.where(together.isfinite(), factor, 1.0))
    return before
