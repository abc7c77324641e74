"""Learning rates over the steps of a training, as each reference computes them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

Kind = Literal["cosine", "automl-cosine", "timm-cosine", "step", "poly", "constant"]
KINDS: Sequence[str] = get_args(Kind)
# google/automl's stepwise schedule: from which part of the epochs on, and by which factor.
DROPS = ((2 / 3, 0.1), (5 / 6, 0.01))
POWER = 0.9


@dataclass(frozen=True)
class Schedule:
    """The learning rate of every step.

    Attributes:
        kind: `cosine` falls from the end of the warm-up to the last step. `automl-cosine` is
            google/automl's: the cosine counts the steps of the warm-up too, but ends that many
            steps early, so the rate rises a little at the very end. `timm-cosine` changes once
            an epoch and stays at the final rate for the epochs of the cool-down (effdet).
            `step` drops to a tenth after two thirds of the steps and to a hundredth after five
            sixths (200 and 250 epochs of 300); `poly` falls as a power of 0.9 (both
            google/automl); `constant` stays.
        peak: the highest rate.
        steps: how many there are, with those of the cool-down.
        steps_per_epoch: how many of them are an epoch.
        warmup_steps: over how many the rate rises, in a straight line.
        warmup_start: the rate of the first one.
        final: the lowest rate of `cosine` and `timm-cosine`.
        cooldown_epochs: see `timm-cosine`.
    """

    kind: Kind
    peak: float
    steps: int
    steps_per_epoch: int
    warmup_steps: int = 0
    warmup_start: float = 0.0
    final: float = 0.0
    cooldown_epochs: int = 0

    def rate(self, step: float) -> float:
        """The learning rate of a step, from 0; a fraction is somewhere between two steps."""
        if self.kind == "timm-cosine":
            return self._by_epoch(int(step // self.steps_per_epoch))
        if step < self.warmup_steps:
            return self.warmup_start + step * (self.peak - self.warmup_start) / self.warmup_steps
        falling = max(1, self.steps - self.warmup_steps)
        match self.kind:
            case "cosine":
                return self._cosine((step - self.warmup_steps) / falling)
            case "automl-cosine":
                # The cosine knows no bounds: after its end it rises again.
                return 0.5 * self.peak * (1 + math.cos(math.pi * step / falling))
            case "step":
                factors = [factor for part, factor in DROPS if step >= part * self.steps]
                return self.peak * min(factors, default=1.0)
            case "poly":
                return float(self.peak * max(0.0, 1 - step / self.steps) ** POWER)
            case _:
                return self.peak

    def _cosine(self, share: float) -> float:
        falling = 0.5 * (1 + math.cos(math.pi * min(1.0, share)))
        return self.final + (self.peak - self.final) * falling

    def _by_epoch(self, epoch: int) -> float:
        """timm's: a warm-up of whole epochs, which the cosine has counted too when it ends."""
        warmup = self.warmup_steps // self.steps_per_epoch
        if epoch < warmup:
            return self.warmup_start + epoch * (self.peak - self.warmup_start) / warmup
        falling = self.steps // self.steps_per_epoch - self.cooldown_epochs
        return self._cosine(epoch / falling) if epoch < falling else self.final
