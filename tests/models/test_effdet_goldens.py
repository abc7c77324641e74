"""EfficientDets compute what effdet computes: in both precisions, and while they learn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from itertools import pairwise
from operator import attrgetter

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tests.codegen.golden_vectors import statistics
from tests.models.effdet import GOLDENS, Golden, networks
from tests.weights.support import mostly_slow, names, network

QUICK = {"tf_efficientdet_d0-128x256", "tf_efficientdet_lite0-320x320"}
QUICK_TRAINED = {"tf_efficientdet_d0-256x256"}
TRAINED = [golden for golden in GOLDENS if golden.training]
LARGEST = 1e-5
label = attrgetter("label")


class Recorder:
    """Keeps what parts of a module return."""

    def __init__(self, module: nn.Module, parts: Sequence[str]) -> None:
        self.found: dict[str, list[Tensor]] = {}
        for part in parts:
            module.get_submodule(part).register_forward_hook(partial(self._keep, part))

    def _keep(self, part: str, _: nn.Module, __: object, result: Sequence[Tensor]) -> None:
        self.found[part] = list(result)


def maps_of(module: nn.Module, image: Tensor) -> dict[str, list[Tensor]]:
    """The maps of every section, by the names that the goldens have."""
    recorder = Recorder(module, ["backbone", "neck"])
    classes, boxes = module(image)
    backbone = recorder.found["backbone"][-3:]
    return {"backbone": backbone, "fpn": recorder.found["neck"], "class": classes, "box": boxes}


def check(
    found: Mapping[str, Sequence[Tensor]], golden: Mapping[str, Sequence[Sequence[float]]]
) -> None:
    """Hold float64 maps against their statistics and their sums."""
    for section, rows in golden.items():
        maps = found[section]
        for value, row in zip(maps, rows, strict=True):
            spread = row[1]
            for have, wanted in zip(statistics(value), row[:5], strict=True):
                assert abs(have - wanted) <= 1e-9 * spread, section
        size = sum(row[6] for row in rows)
        assert (
            abs(sum(float(v.detach().sum()) for v in maps) - sum(row[5] for row in rows))
            <= 1e-10 * size
        )
        assert abs(sum(float(v.detach().abs().sum()) for v in maps) - size) <= 1e-10 * size


@pytest.mark.parametrize("golden", mostly_slow(GOLDENS, QUICK, label))
def test_maps(golden: Golden) -> None:
    module = golden.module()
    with torch.no_grad():
        check(maps_of(module, golden.image()), golden.maps)
        single = maps_of(module.float(), golden.image().float())
    for section, rows in golden.maps.items():
        for value, row in zip(single[section], rows, strict=True):
            largest = float(value.abs().max())
            for have, wanted in zip(statistics(value), row[:5], strict=True):
                assert abs(have - wanted) <= LARGEST * largest, section


@pytest.mark.parametrize("golden", mostly_slow(TRAINED, QUICK_TRAINED, label))
def test_training(golden: Golden) -> None:
    """Two images, a loss on which every number has a say of its own; no stochastic depth."""
    module = golden.module().train()
    for part in module.modules():
        if type(part).__name__ == "DropPath":
            part.eval()
    classes, boxes = module(golden.image(2))
    check({"class": classes, "box": boxes}, golden.training["maps"])
    loss = torch.zeros((), dtype=torch.float64)
    for index, value in enumerate([*classes, *boxes]):
        z = np.random.RandomState(1000 + index).standard_normal(tuple(value.shape))
        loss = loss + (value * torch.from_numpy(z)).mean()
    loss.backward()
    theirs = names(network(golden.spec, golden.variant), golden.scheme)
    gradients = {theirs[name]: p.grad for name, p in module.named_parameters()}
    close(gradients, golden.training["gradients"])
    statistics_kept = {
        theirs[name]: buffer
        for name, buffer in module.named_buffers()
        if name.endswith(("mean", "var"))
    }
    close(statistics_kept, golden.training["buffers"])


def close(found: Mapping[str, Tensor | None], norms: Sequence[float]) -> None:
    """Hold norms of tensors against those in the order of their names."""
    largest = max(norms)
    for (name, tensor), wanted in zip(sorted(found.items()), norms, strict=True):
        norm = 0.0 if tensor is None else float(tensor.norm())
        assert abs(norm - wanted) <= 1e-8 * wanted + 1e-12 * largest, name


def test_every_network_that_effdet_and_we_have_is_measured() -> None:
    known = [golden.effdet for golden in networks(GOLDENS)]
    assert len(known) == len(set(known)) == 24
    assert all(golden.parameters > 3e6 for golden in GOLDENS)
    assert all(a.effdet != b.effdet or a.size != b.size or a.changes for a, b in pairwise(GOLDENS))
