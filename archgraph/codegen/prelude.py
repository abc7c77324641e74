"""What torch does not have: copied into a generated file when the file needs it.

Ordinary code, tested as such; every definition stands on its own beside the imports below.
"""

from __future__ import annotations

import math
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


class ChannelFastFusion(nn.Module):
    """Fuse by sum(x * relu(w) / (sum(relu(w)) + eps)), with a weight per channel of each input."""

    def __init__(self, inputs: int, channels: int, eps: float = 1e-4) -> None:
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(inputs, channels))

    def forward(self, *features: Tensor) -> Tensor:
        weight = F.relu(self.weight.to(features[0].dtype))[:, :, None, None]
        total = weight.sum(dim=0) + self.eps
        fused = features[0] * weight[0] / total
        for i in range(1, len(features)):
            fused = fused + features[i] * weight[i] / total
        return fused


class ChannelSoftmaxFusion(nn.Module):
    """Fuse by sum(x * softmax(w)), with a weight per channel of each input."""

    def __init__(self, inputs: int, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(inputs, channels))

    def forward(self, *features: Tensor) -> Tensor:
        weight = self.weight.to(features[0].dtype).softmax(dim=0)[:, :, None, None]
        fused = features[0] * weight[0]
        for i in range(1, len(features)):
            fused = fused + features[i] * weight[i]
        return fused


class ChannelUnboundedFusion(nn.Module):
    """Fuse by sum(x * w), with a weight per channel of each input."""

    def __init__(self, inputs: int, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(inputs, channels))

    def forward(self, *features: Tensor) -> Tensor:
        weight = self.weight.to(features[0].dtype)[:, :, None, None]
        fused = features[0] * weight[0]
        for i in range(1, len(features)):
            fused = fused + features[i] * weight[i]
        return fused


class Scale(nn.Module):
    """Multiply by one learned number, or by one per channel."""

    def __init__(self, channels: int = 1, init: float = 1.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((channels,), init))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.weight.to(x.dtype)[:, None, None]


class LayerNorm2d(nn.LayerNorm):
    """Normalise every pixel over its channels."""

    def __init__(self, channels: int, eps: float = 1e-5) -> None:
        super().__init__(channels, eps)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class DropPath(nn.Module):
    """In training, turn a sample into zeros with probability `rate`, and make up for it."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return x
        kept = x.new_empty(x.shape[0], 1, 1, 1).bernoulli_(1 - self.rate)
        return x * kept / (1 - self.rate)


class DropBlock(nn.Module):
    """In training, turn squares of pixels into zeros, and make up for it (Ghiasi et al., 2018)."""

    def __init__(self, rate: float, size: int = 7) -> None:
        super().__init__()
        self.rate = rate
        self.size = size

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return x
        height, width = x.shape[-2:]
        # So many centres that the squares around them cover the wanted part of the map.
        inner = max(height - self.size + 1, 1) * max(width - self.size + 1, 1)
        centres = self.rate * height * width / (self.size**2 * inner)
        mask = torch.rand_like(x, dtype=torch.float32).lt(centres).float()
        kept = 1 - F.max_pool2d(mask, self.size, 1, padding=self.size // 2)
        return x * (kept / kept.mean().clamp(min=1e-6)).to(x.dtype)


class DeformConv2d(nn.Module):
    """A convolution that samples where a second one tells it, with weights if `modulated`.

    Deformable ConvNets (Dai et al., 2017; Zhu et al., 2019). `offset` gives row and column of
    each sample of the window, row by row, then the weights. Outside of the map are zeros.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        stride: int = 1,
        padding: int = 0,
        groups: int = 1,
        bias: bool = True,
        modulated: bool = True,
    ) -> None:
        super().__init__()
        conv = nn.Conv2d(in_channels, out_channels, kernel_size, groups=groups, bias=bias)
        self.weight, self.bias = conv.weight, conv.bias
        told = (3 if modulated else 2) * kernel_size**2
        self.offset = nn.Conv2d(in_channels, told, kernel_size, stride=stride, padding=padding)
        for parameter in self.offset.parameters():
            nn.init.zeros_(parameter)
        self.kernel_size, self.stride, self.padding = kernel_size, stride, padding
        self.groups = groups
        self.modulated = modulated

    def forward(self, x: Tensor) -> Tensor:
        told = self.offset(x)
        height, width = told.shape[-2:]
        count = self.kernel_size**2
        # Positions need more digits than half precision has.
        exact = torch.promote_types(x.dtype, torch.float32)
        moved = told[:, : 2 * count].to(exact).unflatten(1, (count, 2))
        tap = torch.arange(count, device=x.device)[:, None, None]
        row = torch.arange(height, device=x.device)[:, None] * self.stride - self.padding
        column = torch.arange(width, device=x.device) * self.stride - self.padding
        rows = row + tap // self.kernel_size + moved[:, :, 0]
        columns = column + tap % self.kernel_size + moved[:, :, 1]
        # Outer edges of the map are -1 and 1.
        grid = torch.stack(
            ((2 * columns + 1) / x.shape[-1] - 1, (2 * rows + 1) / x.shape[-2] - 1), dim=-1
        )
        found = F.grid_sample(x.to(exact), grid.flatten(1, 2), align_corners=False)
        found = found.unflatten(2, (count, height))
        if self.modulated:
            found = found * told[:, None, 2 * count :].to(exact).sigmoid()
        weight = self.weight.flatten(1)[:, :, None, None]
        return F.conv2d(found.flatten(1, 2).to(x.dtype), weight, self.bias, groups=self.groups)


class Conv2dSame(nn.Conv2d):
    """A convolution with TensorFlow's SAME padding: the odd pixel at the bottom and right."""

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: int, stride: int = 1, **options: Any
    ) -> None:
        padding = "same" if stride == 1 and kernel_size % 2 else 0
        super().__init__(in_channels, out_channels, kernel_size, stride, padding, **options)

    def forward(self, x: Tensor) -> Tensor:
        if self.padding == "same":
            return super().forward(x)
        pads: list[int] = []
        for axis in (1, 0):  # F.pad wants the last axis first
            size, stride = x.shape[axis + 2], self.stride[axis]
            extent = self.dilation[axis] * (self.kernel_size[axis] - 1) + 1
            # What ceil(size / stride) windows lack.
            total = max(extent - stride + -size % stride, 0)
            pads += [total // 2, total - total // 2]
        return super().forward(F.pad(x, pads))


def he_normal(module: nn.Module) -> None:
    """Draw the weights of a convolution from N(0, sqrt(2 / fan_out)); its bias is 0."""
    if isinstance(module, nn.Conv2d):
        fan_out = module.out_channels * math.prod(module.kernel_size) // module.groups
        nn.init.normal_(module.weight, std=math.sqrt(2 / fan_out))
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def glorot_uniform(module: nn.Module) -> None:
    """Draw the weights of a convolution from Glorot's uniform distribution; its bias is 0."""
    if isinstance(module, nn.Conv2d):
        fans = (module.in_channels + module.out_channels) * math.prod(module.kernel_size)
        limit = math.sqrt(6 * module.groups / fans)
        nn.init.uniform_(module.weight, -limit, limit)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def lecun_normal(module: nn.Module) -> None:
    """Draw the weights of a convolution from N(0, sqrt(1 / fan_in)); its bias is 0."""
    if isinstance(module, nn.Conv2d):
        nn.init.normal_(module.weight, std=math.sqrt(1 / module.weight[0].numel()))
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def max_pool_same(x: Tensor, kernel: int, stride: int) -> Tensor:
    """Max pooling with TensorFlow's SAME padding: half of it on both sides, sizes rounded up."""
    height, width = x.shape[-2:]
    vertical = max(kernel - stride + -height % stride, 0) // 2
    horizontal = max(kernel - stride + -width % stride, 0) // 2
    return F.max_pool2d(x, kernel, stride, padding=(vertical, horizontal), ceil_mode=True)


def pad_same(x: Tensor, kernel: int, stride: int) -> Tensor:
    """Zeros around a map, as many as TensorFlow's SAME: the odd one at the bottom and right."""
    height, width = x.shape[-2:]
    vertical = max(kernel - stride + -height % stride, 0)
    horizontal = max(kernel - stride + -width % stride, 0)
    left, top = horizontal // 2, vertical // 2
    return F.pad(x, (left, horizontal - left, top, vertical - top))


def avg_pool_same(x: Tensor, kernel: int, stride: int) -> Tensor:
    """Average pooling with TensorFlow's SAME padding; what lies outside does not count."""
    height, width = x.shape[-2:]
    vertical = max(kernel - stride + -height % stride, 0) // 2
    horizontal = max(kernel - stride + -width % stride, 0) // 2
    padding = (vertical, horizontal)
    return F.avg_pool2d(x, kernel, stride, padding, ceil_mode=True, count_include_pad=False)


def adaptive_max_pool(x: Tensor, size: tuple[int, ...]) -> Tensor:
    """Max pooling to a size, in the windows of `F.adaptive_max_pool2d`, which export fixes."""
    for axis in (2, 3):
        length, count = x.shape[axis], size[axis - 2]
        cell = torch.arange(count, device=x.device)[:, None]
        first, end = cell * length // count, ((cell + 1) * length + count - 1) // count
        reach = torch.arange((length + count - 1) // count + 1, device=x.device)
        places = torch.minimum(first + reach, end - 1)
        x = x.index_select(axis, places.flatten()).unflatten(axis, places.shape).amax(axis + 1)
    return x


def grouped_softmax(x: Tensor, groups: int) -> Tensor:
    """Softmax over the channels of each group."""
    found: Tensor = x.unflatten(1, (groups, -1)).softmax(dim=2)
    return found.flatten(1, 2)


def halved_size(like: Tensor, halvings: int) -> tuple[int, int]:
    """Height and width of a map after so many halvings, each rounded up."""
    height, width = like.shape[-2:]
    return (height + 2**halvings - 1) // 2**halvings, (width + 2**halvings - 1) // 2**halvings


def check_size(x: Tensor, multiple: int) -> None:
    """Refuse a map whose height or width is no multiple of what the network needs."""
    height, width = x.shape[-2:]
    if height % multiple or width % multiple:
        raise ValueError(
            f"a map of {height} x {width} pixels: both must be multiples of {multiple}"
        )


def attend_positions(query: Tensor, key: Tensor, value: Tensor, heads: int) -> Tensor:
    """Scaled dot-product attention between the pixels of maps."""
    rows, columns = query.shape[-2:]
    query, key, value = (
        x.flatten(2).unflatten(1, (heads, -1)).transpose(2, 3) for x in (query, key, value)
    )
    found = F.scaled_dot_product_attention(query, key, value).transpose(2, 3).flatten(1, 2)
    return found.view(*found.shape[:2], rows, columns)


def sine_positions(x: Tensor, temperature: float) -> Tensor:
    """Sines and cosines of column and row, a quarter of the channels each (as in RT-DETR)."""
    count, channels, height, width = x.shape
    exact = torch.promote_types(x.dtype, torch.float32)
    exponents = torch.arange(channels // 4, device=x.device, dtype=exact) / (channels // 4)
    frequencies = temperature ** -exponents[:, None]
    column = frequencies * torch.arange(width, device=x.device)
    row = frequencies * torch.arange(height, device=x.device)
    across = torch.cat((column.sin(), column.cos()))[:, None, :].expand(-1, height, -1)
    down = torch.cat((row.sin(), row.cos()))[:, :, None].expand(-1, -1, width)
    return torch.cat((across, down)).to(x.dtype).expand(count, -1, -1, -1)


def reassemble_windows(x: Tensor, weights: Tensor, kernel: int, factor: int, groups: int) -> Tensor:
    """Upsample by a weighted window around each old pixel (CARAFE, Wang et al., 2019)."""
    rows, columns = x.shape[-2:]
    windows = F.unfold(x, kernel, padding=kernel // 2).unflatten(1, (groups, -1, kernel**2))
    weights = weights.unflatten(3, (columns, factor)).unflatten(2, (rows, factor))
    weights = weights.unflatten(1, (groups, kernel**2)).permute(0, 1, 3, 5, 2, 4, 6)
    # One product of matrices for each old pixel: channels x window by window x new pixels.
    windows = windows.unflatten(4, (rows, columns)).permute(0, 1, 4, 5, 2, 3)
    found: Tensor = windows @ weights.flatten(5)
    found = found.unflatten(5, (factor, factor)).permute(0, 1, 4, 2, 5, 3, 6)
    return found.flatten(5, 6).flatten(3, 4).flatten(1, 2)
