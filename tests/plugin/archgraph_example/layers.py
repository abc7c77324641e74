"""What torch does not have; copied into the files that need it."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class SpatialGate(nn.Module):
    """Weigh every pixel by a convolution of the mean and the maximum of its channels."""

    def __init__(self, kernel: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 1, kernel, padding=kernel // 2, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(self.conv(_seen(x)))


def _seen(x: Tensor) -> Tensor:
    return torch.cat([x.mean(dim=1, keepdim=True), x.amax(dim=1, keepdim=True)], dim=1)


def _soft_maximum(maps: list[Tensor], sharpness: float) -> Tensor:
    return torch.logsumexp(torch.stack(maps) * sharpness, dim=0) / sharpness
