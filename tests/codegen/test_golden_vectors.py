"""Published numbers: parameter counts exact, values as effdet computes them."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

import archgraph
from tests.codegen.golden_vectors import GOLDENS, Golden, fill, key_map, statistics

golden_cases = pytest.mark.parametrize("golden", GOLDENS, ids=lambda g: g.name)


def filled_module(golden: Golden) -> nn.Module:
    """The network with the golden weights, in float64 and eval mode."""
    options = {**golden.options, "levels": golden.levels, "settings": golden.settings}
    if golden.in_channels:
        options["in_channels"] = list(golden.in_channels)
    module = archgraph.build(golden.topology, channels=64, **options).double().eval()
    fill(module, key_map(golden, list(module.state_dict())))
    return module


@golden_cases
def test_parameter_count(golden: Golden) -> None:
    module = filled_module(golden)
    assert sum(p.numel() for p in module.parameters()) == golden.parameters


@golden_cases
def test_keys_map_one_to_one(golden: Golden) -> None:
    names = key_map(golden, list(filled_module(golden).state_dict()))
    assert len(set(names.values())) == len(names)


@golden_cases
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_float64_values(golden: Golden, memory_format: torch.memory_format) -> None:
    module = filled_module(golden)
    features = [x.to(memory_format=memory_format) for x in golden.features()]
    with torch.no_grad():
        outputs: list[Tensor] = module(features)
    for output, expected in zip(outputs, golden.rows, strict=True):
        spread = expected[1]
        for found, wanted in zip(statistics(output), expected, strict=True):
            assert abs(found - wanted) <= 1e-9 * spread


@golden_cases
def test_float32_values(golden: Golden) -> None:
    module = filled_module(golden).float()
    with torch.no_grad():
        outputs: list[Tensor] = module([x.float() for x in golden.features()])
    for output, expected in zip(outputs, golden.rows, strict=True):
        largest = float(output.abs().max())
        for found, wanted in zip(statistics(output), expected, strict=True):
            assert abs(found - wanted) <= 1e-5 * largest
