"""The interpreter against what each operator is defined as, written out a second time."""

from __future__ import annotations

import math
from itertools import product

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from archgraph.codegen.interpreter import Interpreter
from archgraph.codegen.prelude import DropBlock, DropPath
from archgraph.ir import GLOBAL, FeatureType
from archgraph.ir.op import Op
from archgraph.ir.ops import (
    Activation,
    ActivationFunction,
    AdaptivePool,
    Add,
    Attention,
    AvgPool,
    Concat,
    Conv,
    ConvTranspose,
    DeformConv,
    GroupNorm,
    LayerNorm,
    Maximum,
    MaxPool,
    Multiply,
    PixelShuffle,
    PixelUnshuffle,
    PositionEmbedding,
    Reassemble,
    Resize,
    Scale,
    Slice,
    Softmax,
    WeightedSum,
)
from tests.operator_cases import Case, graph_of

HEIGHT, WIDTH = 6, 8


def run(op: Op, *features: Tensor, levels: tuple[int, ...] = ()) -> tuple[Tensor, Interpreter]:
    """The operator on these maps, and the module with its random weights."""
    torch.manual_seed(3)
    channels = [x.shape[1] for x in features]
    types = [
        FeatureType(*pair) for pair in zip(levels or [0] * len(features), channels, strict=True)
    ]
    module = Interpreter(graph_of(Case(op, tuple(types)))).double().eval()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.randn_like(parameter))
        return module(list(features))[0], module


def noise(channels: int = 8, height: int = HEIGHT, width: int = WIDTH) -> Tensor:
    generator = torch.Generator().manual_seed(channels * height + width)
    return torch.randn(2, channels, height, width, dtype=torch.float64, generator=generator)


def weight(module: Interpreter, name: str = "weight") -> Tensor:
    return module.get_parameter(f"y.{name}").detach()


def close(found: Tensor, expected: Tensor) -> None:
    assert found.shape == expected.shape
    assert torch.allclose(found, expected, rtol=1e-10, atol=1e-10)


# --- windows --------------------------------------------------------------------------------------


def test_valid_windows_take_what_fits() -> None:
    x = noise()
    found, module = run(Conv(4, 2, 2, padding="valid", bias=False), x)
    patches = x.view(2, 8, 3, 2, 4, 2)
    close(found, torch.einsum("nchiwj,ocij->nohw", patches, weight(module)))
    close(run(MaxPool(2, 2, "valid"), x)[0], patches.amax(dim=(3, 5)))
    close(run(AvgPool(2, 2, "valid"), x)[0], patches.mean(dim=(3, 5)))


@pytest.mark.parametrize(("kernel", "stride"), [(2, 2), (3, 2), (4, 2), (5, 4), (3, 1)])
@pytest.mark.parametrize("padding", ["symmetric", "same"])
def test_a_transposed_convolution_is_the_gradient_of_one(
    kernel: int, stride: int, padding: str
) -> None:
    x = noise()
    op = ConvTranspose(6, kernel, stride, groups=2, bias=False, padding=padding)  # type: ignore[arg-type]
    found, module = run(op, x, levels=(3,))
    spare = kernel - stride
    before = (spare + 1) // 2 if padding == "symmetric" else spare // 2
    pads = (before, spare - before)
    large = torch.zeros(2, 6, HEIGHT * stride, WIDTH * stride, dtype=x.dtype, requires_grad=True)
    small = F.conv2d(F.pad(large, pads * 2), weight(module), stride=stride, groups=2)
    (expected,) = torch.autograd.grad(small, large, x)
    close(found, expected)


def sample(plane: Tensor, row: float, column: float) -> float:
    """Bilinear interpolation between pixels, with zeros outside."""
    total = 0.0
    top, left = math.floor(row), math.floor(column)
    for i, j in product((top, top + 1), (left, left + 1)):
        if 0 <= i < plane.shape[0] and 0 <= j < plane.shape[1]:
            share = (1 - abs(row - i)) * (1 - abs(column - j))
            total += share * plane[i, j].item()
    return total


@pytest.mark.parametrize(
    "op",
    [
        DeformConv(4, 3),
        DeformConv(4, 3, 2, groups=2, modulated=False),
        DeformConv(4, 3, 2, padding="same"),
    ],
    ids=str,
)
def test_deformable_convolution_by_loops(op: DeformConv) -> None:
    x = noise(2, 5, 4)[:1]
    found, module = run(op, x, levels=(1,))
    rows, columns = math.ceil(5 / op.stride), math.ceil(4 / op.stride)
    missing = [max((n - 1) * op.stride + 3 - size, 0) for n, size in ((rows, 5), (columns, 4))]
    top, left = (m // 2 for m in missing) if op.padding == "same" else (1, 1)
    pads = (left, missing[1] - left, top, missing[0] - top) if op.padding == "same" else (1,) * 4
    told = F.conv2d(
        F.pad(x, pads), weight(module, "offset.weight"), weight(module, "offset.bias"), op.stride
    )
    expected = torch.zeros_like(found)
    width = 2 // op.groups
    for o, i, j in product(range(4), range(rows), range(columns)):
        total = weight(module, "bias")[o].item()
        for c, tap in product(range(width), range(9)):
            plane = x[0, o // (4 // op.groups) * width + c]
            dy, dx = told[0, 2 * tap, i, j].item(), told[0, 2 * tap + 1, i, j].item()
            y = i * op.stride - top + tap // 3 + dy
            value = sample(plane, y, j * op.stride - left + tap % 3 + dx)
            if op.modulated:
                value *= told[0, 18 + tap, i, j].sigmoid().item()
            total += value * weight(module)[o, c, tap // 3, tap % 3].item()
        expected[0, o, i, j] = total
    close(found, expected)


@pytest.mark.parametrize("kernel", [2, 3, 4, 5])
@pytest.mark.parametrize("stride", [1, 2, 4])
@pytest.mark.parametrize("count_padding", [False, True])
def test_average_pooling_same(kernel: int, stride: int, count_padding: bool) -> None:
    op = AvgPool(kernel, stride, "same", count_padding)
    for height, width in [(6, 8), (5, 9), (1, 7)]:
        x = noise(3, height, width)
        missing = [
            max((math.ceil(n / stride) - 1) * stride + kernel - n, 0) for n in (width, height)
        ]
        pads = [p for m in missing for p in (m // 2, m - m // 2)]
        total = F.avg_pool2d(F.pad(x, pads), kernel, stride)
        real = F.avg_pool2d(F.pad(torch.ones_like(x), pads), kernel, stride)
        close(run(op, x)[0], total if count_padding else total / real)


def test_average_pooling_symmetric() -> None:
    x = noise()
    total = F.avg_pool2d(F.pad(x, (1,) * 4), 3, 2)
    real = F.avg_pool2d(F.pad(torch.ones_like(x), (1,) * 4), 3, 2)
    close(run(AvgPool(3, 2, count_padding=True), x)[0], total)
    close(run(AvgPool(3, 2), x)[0], total / real)


# --- pixel by pixel -------------------------------------------------------------------------------


def test_norms() -> None:
    x = noise()
    found, module = run(GroupNorm(2, 1e-2), x)
    groups = x.view(2, 2, 4, HEIGHT, WIDTH)
    centred = groups - groups.mean(dim=(2, 3, 4), keepdim=True)
    deviation = (centred.square().mean(dim=(2, 3, 4), keepdim=True) + 1e-2).sqrt()
    normed = (centred / deviation).view_as(x)
    factor, offset = (weight(module, name)[:, None, None] for name in ("weight", "bias"))
    close(found, normed * factor + offset)

    found, module = run(LayerNorm(1e-2), x)
    centred = x - x.mean(dim=1, keepdim=True)
    normed = centred / (centred.square().mean(dim=1, keepdim=True) + 1e-2).sqrt()
    factor, offset = (weight(module, name)[:, None, None] for name in ("weight", "bias"))
    close(found, normed * factor + offset)


def test_activations() -> None:
    x = noise() * 4
    sigmoid = 1 / (1 + torch.exp(-x))
    hard = (x + 3).clamp(0, 6) / 6
    formulas: dict[ActivationFunction, Tensor] = {
        "relu": x.clamp(min=0),
        "relu6": x.clamp(0, 6),
        "leaky-relu": torch.where(x > 0, x, 0.01 * x),
        "silu": x * sigmoid,
        "sigmoid": sigmoid,
        "hard-sigmoid": hard,
        "hard-swish": x * hard,
        "gelu": x * (1 + torch.erf(x / math.sqrt(2))) / 2,
        "mish": x * torch.tanh(torch.log(1 + torch.exp(x))),
        "tanh": (torch.exp(2 * x) - 1) / (torch.exp(2 * x) + 1),
    }
    for name, expected in formulas.items():
        close(run(Activation(name), x)[0], expected)
    close(run(Activation("leaky-relu", 0.3), x)[0], torch.where(x > 0, x, 0.3 * x))


def test_softmax_and_scale() -> None:
    x = noise()
    powers = torch.exp(x).view(2, 4, 2, HEIGHT, WIDTH)
    close(run(Softmax(), x)[0], torch.exp(x) / torch.exp(x).sum(dim=1, keepdim=True))
    close(run(Softmax(4), x)[0], (powers / powers.sum(dim=2, keepdim=True)).view_as(x))
    for per in ("tensor", "channel"):
        found, module = run(Scale(per), x)
        close(
            found,
            torch.stack([x[:, i] * weight(module)[i % len(weight(module))] for i in range(8)], 1),
        )
    started = Interpreter(graph_of(Case(Scale("channel", 1e-6), (FeatureType(0, 8),))))
    assert weight(started).tolist() == torch.full((8,), 1e-6).tolist()


def test_drop_path_drops_samples() -> None:
    torch.manual_seed(0)
    x = torch.rand(400, 2, 3, 3) + 1
    drop = DropPath(0.25)
    found = drop(x)
    kept = found.flatten(1).ne(0)
    assert torch.equal(kept.all(dim=1), kept.any(dim=1))
    assert 0.65 < kept.float().mean() < 0.85
    assert torch.allclose(found[kept.any(dim=1)], x[kept.any(dim=1)] / 0.75)
    assert drop.eval()(x) is x


def test_drop_block_drops_squares() -> None:
    torch.manual_seed(0)
    x = torch.ones(16, 4, 20, 20)
    drop = DropBlock(0.2, 3)
    found = drop(x)
    dropped = found.eq(0).float()
    assert 0.12 < dropped.mean() < 0.25
    assert torch.allclose(found.mean(), torch.tensor(1.0), atol=1e-4)
    # Every dropped pixel belongs to a dropped square, or to one that the border cuts.
    whole = F.max_pool2d(1 - F.max_pool2d(1 - dropped, 3, 1, 1), 3, 1, 1)
    assert torch.equal(whole, dropped)
    assert drop.eval()(x) is x
    assert DropBlock(0.9, 7)(torch.ones(2, 2, 3, 3)).isfinite().all()


# --- sizes ----------------------------------------------------------------------------------------


def test_sizes_of_other_maps() -> None:
    x, like = noise(), noise(3, 11, 13)
    found = run(Resize("nearest", 1), x, like, levels=(1, 0))[0]
    rows, columns = torch.arange(6), torch.arange(7) * WIDTH // 7
    close(found, x[:, :, rows][..., columns])
    windows = [(i * 8 // 7, -(-(i + 1) * 8 // 7)) for i in range(7)]
    mean = torch.stack([x[..., a:b].mean(dim=-1) for a, b in windows], dim=-1)
    largest = torch.stack([x[..., a:b].amax(dim=-1) for a, b in windows], dim=-1)
    close(run(AdaptivePool("mean", 1), x, like, levels=(0, 0))[0], mean)
    close(run(AdaptivePool("max", 1), x, like, levels=(0, 0))[0], largest)


def test_pixels_and_channels() -> None:
    x = noise()
    found = run(PixelShuffle(), x, levels=(1,))[0]
    for c, i, j in product(range(2), range(2), range(2)):
        close(found[:, c, i::2, j::2], x[:, 4 * c + 2 * i + j])
    close(run(PixelUnshuffle(), found)[0], x)


# --- several maps ---------------------------------------------------------------------------------


def test_elementwise_with_broadcasting() -> None:
    x, y, gate, one = noise(), noise() ** 2, noise(8, 1, 1), noise(1)
    here, there = 0, GLOBAL
    close(run(Add(), gate, x, one, levels=(there, here, here))[0], gate + x + one)
    close(run(Multiply(), x, gate, levels=(here, there))[0], x * gate)
    close(run(Maximum(), x, y, one)[0], torch.where(x > y, x, y).clamp(min=one))
    both = torch.where(x > y, x, y)
    close(run(Maximum(), x, y, one)[0], torch.where(both > one, both, one.expand_as(both)))


@pytest.mark.parametrize("per", ["tensor", "channel"])
def test_weighted_sums_by_their_formulas(per: str) -> None:
    """efficientdet.md 2.5: scalars, or a vector of the channels for each input."""
    maps = [noise(), noise(8) ** 2, noise(8).exp()]
    for normalize in ("none", "fast", "softmax"):
        found, module = run(WeightedSum(normalize, 1e-3, per), *maps)  # type: ignore[arg-type]
        w = weight(module).view(3, -1)  # negative ones too
        assert w.shape == (3, 8 if per == "channel" else 1)
        positive = w.clamp(min=0)
        normalised = {
            "none": w,
            "fast": positive / (positive.sum(dim=0) + 1e-3),
            "softmax": torch.exp(w) / torch.exp(w).sum(dim=0),
        }[normalize]
        close(
            found,
            sum(
                (x * n[:, None, None] for x, n in zip(maps, normalised, strict=True)),
                torch.zeros(()),
            ),
        )


def test_weights_start_at_one() -> None:
    for per in ("tensor", "channel"):
        for normalize in ("none", "fast", "softmax"):
            op = WeightedSum(normalize, per=per)
            module = Interpreter(graph_of(Case(op, (FeatureType(0, 4),) * 2)))
            assert weight(module).eq(1).all()


def test_concat_and_slice() -> None:
    x, y = noise(8), noise(3)
    both = run(Concat(), x, y)[0]
    assert torch.equal(both[:, :8], x) and torch.equal(both[:, 8:], y)
    assert torch.equal(run(Slice(3, 8), both)[0], y)


# --- positions ------------------------------------------------------------------------------------


@pytest.mark.parametrize("heads", [1, 2, 4])
def test_attention_position_by_position(heads: int) -> None:
    query, key, value = noise(8, 2, 3), noise(8, 3, 2), noise(12, 3, 2)
    found = run(Attention(heads), query, key, value)[0]
    expected = torch.zeros_like(found)
    for n, h, i, j in product(range(2), range(heads), range(2), range(3)):
        mine, theirs = (
            slice(h * 8 // heads, (h + 1) * 8 // heads),
            slice(h * 12 // heads, (h + 1) * 12 // heads),
        )
        products = (query[n, mine, i, j, None, None] * key[n, mine]).sum(dim=0)
        shares = torch.exp(products / math.sqrt(8 / heads))
        expected[n, theirs, i, j] = (value[n, theirs] * shares / shares.sum()).sum(dim=(1, 2))
    close(found, expected)


def test_positions_are_sines() -> None:
    found = run(PositionEmbedding(100.0), noise(8, 3, 5))[0]
    for k, i, j in product(range(2), range(3), range(5)):
        frequency = 100.0 ** (-k / 2)
        values = [math.sin(j * frequency), math.cos(j * frequency)]
        values += [math.sin(i * frequency), math.cos(i * frequency)]
        assert found[1, k::2, i, j].tolist() == pytest.approx(values, abs=1e-12)


@pytest.mark.parametrize(("kernel", "factor", "groups"), [(3, 2, 2), (5, 1, 1)])
def test_reassembly_pixel_by_pixel(kernel: int, factor: int, groups: int) -> None:
    x = noise(4, 3, 2)
    weights = noise(groups * kernel**2, 3 * factor, 2 * factor)
    module = Interpreter(
        graph_of(
            Case(
                Reassemble(kernel, factor, groups),
                (FeatureType(2, 4), FeatureType(3 - factor, groups * kernel**2, factor - 1)),
            )
        )
    ).double()
    before = F.pixel_unshuffle(weights, factor)
    (found,) = module([x, before])
    padded = F.pad(x, (kernel // 2,) * 4)
    expected = torch.zeros_like(found)
    for c, i, j in product(range(4), range(3 * factor), range(2 * factor)):
        group = c // (4 // groups)
        chosen = weights[:, group * kernel**2 : (group + 1) * kernel**2, i, j]
        top, left = i // factor, j // factor
        window = padded[:, c, top : top + kernel, left : left + kernel].flatten(1)
        expected[:, c, i, j] = (window * chosen).sum(dim=1)
    close(found, expected)
