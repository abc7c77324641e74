"""A moving average of all weights, which is what evaluation and prediction use."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn


def decay_at(updates: int, decay: float, *, warmup: bool) -> float:
    """How much of the average stays at an update.

    Early on an average of few weights is taken, as google/automl has it: (1 + t) / (10 + t).

    Args:
        updates: how many there have been with this one: 1 for the first.
        decay: of later updates.
        warmup: start with less.
    """
    return min(decay, (1 + updates) / (10 + updates)) if warmup else decay


@torch.no_grad()
def update_average(average: nn.Module, network: nn.Module, decay: float) -> None:
    """Move the average of parameters, and of the statistics of norms, towards a network.

    Args:
        average: another instance of the same network.
        network: what is trained.
        decay: how much of the average stays.
    """
    old, new = list(_numbers(average)), list(_numbers(network))
    torch._foreach_lerp_(old, new, 1 - decay)


def _numbers(network: nn.Module) -> Iterator[Tensor]:
    """All that has an average; counters have none."""
    for tensor in (*network.parameters(), *network.buffers()):
        if tensor.is_floating_point():
            yield tensor.detach()
