"""The helpers that generated files carry, against definitions written out."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from archgraph.codegen.names import taken_names
from archgraph.codegen.prelude import (
    Conv2dSame,
    FastFusion,
    SoftmaxFusion,
    UnboundedFusion,
    max_pool_same,
)
from archgraph.codegen.snippets import definitions
from archgraph.spec.names import OWN_NAMES


def same_pads(size: int, kernel: int, stride: int, dilation: int = 1) -> tuple[int, int]:
    """Before and after, by TensorFlow's definition of SAME."""
    out = math.ceil(size / stride)
    total = max((out - 1) * stride + dilation * (kernel - 1) + 1 - size, 0)
    return total // 2, total - total // 2


@pytest.mark.parametrize("kernel", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("stride", [2, 4])
def test_max_pool_same_pads_with_minus_infinity(kernel: int, stride: int) -> None:
    for height in range(1, 14):
        for width in (1, 4, 7, 12):
            x = -1 - torch.rand(1, 2, height, width)  # negative: a padded zero would win
            pads = (*same_pads(width, kernel, stride), *same_pads(height, kernel, stride))
            padded = F.pad(x, pads, value=-math.inf)
            expected = F.max_pool2d(padded, kernel, stride)
            assert torch.equal(max_pool_same(x, kernel, stride), expected)


@pytest.mark.parametrize("kernel", [1, 2, 3, 5])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("dilation", [1, 2])
def test_conv_same(kernel: int, stride: int, dilation: int) -> None:
    conv = Conv2dSame(3, 4, kernel, stride=stride, dilation=dilation).double()
    for height, width in [(8, 8), (9, 6), (7, 13), (1, 2)]:
        x = torch.randn(2, 3, height, width, dtype=torch.float64)
        pads = (
            *same_pads(width, kernel, stride, dilation),
            *same_pads(height, kernel, stride, dilation),
        )
        expected = F.conv2d(
            F.pad(x, pads), conv.weight, conv.bias, stride=stride, dilation=dilation
        )
        found = conv(x)
        assert found.shape[-2:] == (math.ceil(height / stride), math.ceil(width / stride))
        assert torch.allclose(found, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_fusions_by_their_formulas(count: int) -> None:
    torch.manual_seed(0)
    maps = [torch.randn(2, 3, 5, 5, dtype=torch.float64) for _ in range(count)]
    weights = torch.randn(count, dtype=torch.float64)  # negative ones too

    def weighted(normalised: Tensor) -> Tensor:
        return (torch.stack(maps, dim=-1) * normalised).sum(dim=-1)

    positive = weights.clamp(min=0)
    cases = [
        (FastFusion(count), positive / (positive.sum() + 1e-4)),
        (SoftmaxFusion(count), torch.exp(weights) / torch.exp(weights).sum()),
        (UnboundedFusion(count), weights),
    ]
    for fusion, normalised in cases:
        fusion.weight.data = weights
        assert torch.allclose(fusion(*maps), weighted(normalised), rtol=1e-12, atol=1e-12)


def test_fast_fusion_divides_each_term() -> None:
    """The order of arithmetic of the references, which rounding can tell from others."""
    fusion = FastFusion(3)
    fusion.weight.data = torch.tensor([0.3, 0.7, 1.1])
    a, b, c = (torch.randn(1000) for _ in range(3))
    weight = fusion.weight.detach()
    total = weight.sum() + 1e-4
    expected = torch.stack([a * weight[0] / total, b * weight[1] / total, c * weight[2] / total])
    assert torch.equal(fusion(a, b, c).detach(), expected[0] + expected[1] + expected[2])


def test_weights_follow_the_features_in_precision() -> None:
    for fusion in (FastFusion(2), SoftmaxFusion(2), UnboundedFusion(2)):
        x = torch.ones(1, 1, 2, 2, dtype=torch.bfloat16)
        assert fusion(x, x).dtype == torch.bfloat16


def test_no_name_of_the_prelude_can_be_one_of_a_spec() -> None:
    """Functions would be hidden by a variable of the same name; classes by a block's class."""
    functions = {name for name, text in definitions().items() if text.startswith("def ")}
    assert functions <= OWN_NAMES
    assert set(definitions()) <= taken_names()
