"""EfficientDet in torch's tools: one graph for `torch.compile`, exports with any size that fits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from archgraph import build

pytestmark = pytest.mark.slow

COARSEST = 128  # 2 ** 7, the stride of level 7


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(params=["d0", "lite0"])
def detector(request: pytest.FixtureRequest) -> nn.Module:
    torch.manual_seed(0)
    return build("efficientdet", variant=request.param, classes=3).eval()


def same(one: Callable[[Tensor], Any], other: nn.Module, image: Tensor) -> None:
    with torch.no_grad():
        found, expected = one(image), other(image)
    assert [len(maps) for maps in found] == [len(maps) for maps in expected] == [5, 5]
    for maps, wanted in zip(found, expected, strict=True):
        for x, y in zip(maps, wanted, strict=True):
            torch.testing.assert_close(x, y)


def test_compiles_as_one_graph(detector: nn.Module) -> None:
    torch.compiler.reset()
    compiled = torch.compile(detector, fullgraph=True, backend="eager", dynamic=False)
    for height, width in ((128, 256), (130, 97)):
        same(compiled, detector, torch.randn(2, 3, height, width))


def test_exports_with_dynamic_batch_height_and_width(detector: nn.Module) -> None:
    batch, height, width = (torch.export.Dim(name, min=2, max=16) for name in ("b", "h", "w"))
    shape = {0: batch, 2: COARSEST * height, 3: COARSEST * width}
    example = torch.randn(2, 3, 2 * COARSEST, 3 * COARSEST)
    exported = torch.export.export(detector, (example,), dynamic_shapes=(shape,))
    assert set(exported.state_dict) == set(detector.state_dict())
    program = exported.module()
    for count, high, wide in ((1, 2, 4), (3, 3, 2)):
        same(program, detector, torch.randn(count, 3, COARSEST * high, COARSEST * wide))
