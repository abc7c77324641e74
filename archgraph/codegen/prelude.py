"""What torch does not have: copied into a generated file when the file needs it.

Ordinary code, tested as such; every definition stands on its own beside the imports below.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class FastFusion(nn.Module):
    """Fuse by sum(x * relu(w) / (sum(relu(w)) + eps)) (EfficientDet, section 3.3)."""

    def __init__(self, inputs: int, eps: float = 1e-4) -> None:
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(inputs))

    def forward(self, *features: Tensor) -> Tensor:
        weight = F.relu(self.weight.to(features[0].dtype))
        total = weight.sum() + self.eps
        fused = features[0] * weight[0] / total
        for i in range(1, len(features)):
            fused = fused + features[i] * weight[i] / total
        return fused


class SoftmaxFusion(nn.Module):
    """Fuse by sum(x * softmax(w)) (EfficientDet, section 3.3)."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(inputs))

    def forward(self, *features: Tensor) -> Tensor:
        weight = self.weight.to(features[0].dtype).softmax(dim=0)
        fused = features[0] * weight[0]
        for i in range(1, len(features)):
            fused = fused + features[i] * weight[i]
        return fused


class UnboundedFusion(nn.Module):
    """Fuse by sum(x * w) with unbounded weights (EfficientDet, section 3.3)."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(inputs))

    def forward(self, *features: Tensor) -> Tensor:
        weight = self.weight.to(features[0].dtype)
        fused = features[0] * weight[0]
        for i in range(1, len(features)):
            fused = fused + features[i] * weight[i]
        return fused


class Conv2dSame(nn.Conv2d):
    """A convolution with TensorFlow's SAME padding: the odd pixel at the bottom and right."""

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: int, **options: Any
    ) -> None:
        super().__init__(in_channels, out_channels, kernel_size, **options)

    def forward(self, x: Tensor) -> Tensor:
        pads: list[int] = []
        for axis in (1, 0):  # F.pad wants the last axis first
            size, stride = x.shape[axis + 2], self.stride[axis]
            extent = self.dilation[axis] * (self.kernel_size[axis] - 1) + 1
            total = max(((size + stride - 1) // stride - 1) * stride + extent - size, 0)
            pads += [total // 2, total - total // 2]
        return super().forward(F.pad(x, pads))


def max_pool_same(x: Tensor, kernel: int, stride: int) -> Tensor:
    """Max pooling with TensorFlow's SAME padding; what lies outside never wins.

    Padding half of what is missing on both sides and rounding up gives the same windows.
    """
    height, width = x.shape[-2:]
    vertical = max(((height + stride - 1) // stride - 1) * stride + kernel - height, 0) // 2
    horizontal = max(((width + stride - 1) // stride - 1) * stride + kernel - width, 0) // 2
    return F.max_pool2d(x, kernel, stride, padding=(vertical, horizontal), ceil_mode=True)
