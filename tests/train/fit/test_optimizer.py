"""Groups, clipping and the average, worked out by hand."""

from __future__ import annotations

import math
from collections import Counter

import pytest
import torch
from torch import Tensor, nn

from archgraph.codegen import emit, load_module
from archgraph.compiler import compile_spec
from archgraph.train.fit.average import decay_at, update_average
from archgraph.train.fit.freeze import freeze
from archgraph.train.fit.optimizer import clip, make_optimizer, set_rate, weight_groups
from tests.train.fit.support import network


def test_kernels_decay_and_nothing_else() -> None:
    toy = network()
    decayed, others = weight_groups(toy)
    kinds = {name: type(module).__name__ for name, module in toy.named_modules()}
    assert decayed.decayed and not others.decayed
    assert {kinds[n.rpartition(".")[0]] for n in decayed.names} == {"Conv2d"}
    assert all(name.endswith(".weight") for name in decayed.names)
    found = Counter((kinds[n.rpartition(".")[0]], n.rpartition(".")[2]) for n in others.names)
    assert found == {
        ("BatchNorm2d", "weight"): 15,
        ("BatchNorm2d", "bias"): 15,
        ("FastFusion", "weight"): 4,
        ("Conv2d", "bias"): 2,
    }
    assert len(decayed.names) + len(others.names) == len(list(toy.parameters()))


def test_what_is_frozen_is_in_neither_group() -> None:
    toy = network()
    freeze(toy, ("backbone", "*.norm"))
    names = [name for group in weight_groups(toy) for name in group.names]
    assert names
    assert not [name for name in names if name.startswith("backbone.") or ".norm." in name]


@pytest.mark.slow
def test_groups_of_d0() -> None:
    with torch.device("meta"):
        d0 = load_module(emit(compile_spec("efficientdet", variant="d0").operators.graph))
    decayed, others = weight_groups(d0)
    kinds = {name: type(module).__name__ for name, module in d0.named_modules()}
    assert {kinds[name.rpartition(".")[0]] for name in decayed.names} == {"Conv2d", "Conv2dSame"}
    found = Counter(kinds[name.rpartition(".")[0]] for name in others.names)
    # 108 norms with a scale and a shift; three cells with eight fusions each; biases.
    assert found["BatchNorm2d"] == 216
    biases = found["Conv2d"] + found["Conv2dSame"]
    assert len(others.names) - found["BatchNorm2d"] - biases == 24
    assert (len(decayed.names), len(others.names)) == (150, 310)


def test_decay_is_of_one_group_and_without_nesterov() -> None:
    """Two steps of SGD by hand: g + wd w, momentum 0.9, of the kernel; no decay of the bias."""
    layer = nn.Conv2d(1, 1, 1)
    optimizer = make_optimizer(layer, "sgd", momentum=0.9, weight_decay=0.5)
    weight = bias = 2.0
    with torch.no_grad():
        layer.weight.fill_(2.0)
        assert layer.bias is not None
        layer.bias.fill_(2.0)
    speeds = [0.0, 0.0]
    for rate in (0.1, 0.2):
        layer.weight.grad = torch.full_like(layer.weight, 3.0)
        layer.bias.grad = torch.full_like(layer.bias, 3.0)
        set_rate(optimizer, rate)
        optimizer.step()
        speeds = [0.9 * speeds[0] + 3.0 + 0.5 * weight, 0.9 * speeds[1] + 3.0]
        weight, bias = weight - rate * speeds[0], bias - rate * speeds[1]
        assert layer.weight.item() == pytest.approx(weight)
        assert layer.bias.item() == pytest.approx(bias)


def gradients(*values: list[float]) -> list[nn.Parameter]:
    made = [nn.Parameter(torch.zeros(len(value))) for value in values]
    for parameter, value in zip(made, values, strict=True):
        parameter.grad = torch.tensor(value)
    return [*made, nn.Parameter(torch.zeros(1))]


def of(parameters: list[nn.Parameter]) -> list[list[float]]:
    return [p.grad.tolist() for p in parameters if p.grad is not None]


def test_each_parameter_is_clipped_before_all_together() -> None:
    """(30, 40) becomes (6, 8); with (6, 8) and (0, 5) the whole is 15, which becomes 10."""
    parameters = gradients([30.0, 40.0], [6.0, 8.0], [0.0, 5.0])
    before = clip(parameters, each=10.0, whole=10.0)
    assert before.item() == pytest.approx(math.sqrt(2500 + 100 + 25))
    two = 10 / 15
    assert of(parameters) == [
        pytest.approx([6 * two, 8 * two]),
        pytest.approx([6 * two, 8 * two]),
        pytest.approx([0, 5 * two]),
    ]


@pytest.mark.parametrize(
    ("each", "whole", "expected"),
    [
        (0.0, 0.0, [[3.0, 4.0], [12.0]]),
        (5.0, 0.0, [[3.0, 4.0], [5.0]]),
        (0.0, 6.5, [[1.5, 2.0], [6.0]]),
        (100.0, 100.0, [[3.0, 4.0], [12.0]]),
    ],
)
def test_both_ways_to_clip_are_optional(
    each: float, whole: float, expected: list[list[float]]
) -> None:
    parameters = gradients([3.0, 4.0], [12.0])
    assert clip(parameters, each=each, whole=whole).item() == pytest.approx(13.0)
    assert of(parameters) == [pytest.approx(row) for row in expected]


def test_no_gradient_has_no_length() -> None:
    assert clip([nn.Parameter(torch.ones(2))], each=1.0, whole=1.0).item() == 0
    parameters = gradients([0.0, 0.0])
    assert clip(parameters, each=1.0, whole=1.0).item() == 0
    assert of(parameters) == [[0.0, 0.0]]


@pytest.mark.parametrize("wrong", [math.nan, math.inf])
def test_what_is_no_number_stays_where_it_is(wrong: float) -> None:
    parameters = gradients([wrong, 1.0], [2.0])
    assert not clip(parameters, each=10.0, whole=10.0).isfinite()
    assert of(parameters)[1] == [2.0]
    assert not math.isfinite(of(parameters)[0][0])


def test_early_averages_forget_fast() -> None:
    """google/automl: min(0.9998, (1 + t) / (10 + t))."""
    assert decay_at(1, 0.9998, warmup=True) == 2 / 11
    assert decay_at(2, 0.9998, warmup=True) == 3 / 12
    assert decay_at(90, 0.9998, warmup=True) == 0.91
    assert decay_at(44_989, 0.9998, warmup=True) < 0.9998
    assert decay_at(44_991, 0.9998, warmup=True) == 0.9998
    assert decay_at(1, 0.9998, warmup=False) == 0.9998


def test_three_steps_of_the_average_by_hand() -> None:
    """Parameters and statistics of norms have one; counters do not."""
    trained, average = nn.BatchNorm2d(1), nn.BatchNorm2d(1)
    values = [1.0, 2.0, 4.0]
    expected = 0.0
    for tensor in (average.weight.data, statistics(average)):
        tensor.zero_()
    for step, value in enumerate(values, 1):
        trained.weight.data.fill_(value)
        statistics(trained).fill_(value)
        trained.num_batches_tracked.fill_(step)  # type: ignore[union-attr]
        decay = decay_at(step, 0.9998, warmup=True)
        update_average(average, trained, decay)
        expected = decay * expected + (1 - decay) * value
    # 9/11, then (1/4) 9/11 + (3/4) 2, then (4/13) of it + (9/13) 4
    assert expected == pytest.approx(4 / 13 * (9 / 44 + 1.5) + 36 / 13)
    assert average.weight.item() == pytest.approx(expected)
    assert statistics(average).item() == pytest.approx(expected)
    assert average.num_batches_tracked == 0


def statistics(norm: nn.BatchNorm2d) -> Tensor:
    assert norm.running_mean is not None
    return norm.running_mean
