"""EfficientDet-nano, which `archgraph demo` trains, and the block that it brought along."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

import archgraph
from archgraph.spec import ArgumentValue
from archgraph.train.detector import make_detector

FUSED = """\
backbone: fused
nodes:
  - {{name: stem, use: conv channels=8 kernel=3 stride=2}}
  - {{name: block, use: fused-mbconv channels={channels} expand={expand} stride={stride}}}
outputs: {{{level}: block}}
"""


def block(folder: Path, channels: int, expand: int, stride: int) -> nn.Module:
    """A fused block on eight channels."""
    path = folder / "fused.yaml"
    level = 1 + stride // 2
    path.write_text(
        FUSED.format(channels=channels, expand=expand, stride=stride, level=level), "utf-8"
    )
    return archgraph.build(str(path)).eval()


def kernels(network: nn.Module) -> list[tuple[int, ...]]:
    return [tuple(p.shape) for p in network.parameters() if p.ndim == 4][1:]


def test_a_fused_block_expands_with_its_window(tmp_path: Path) -> None:
    assert kernels(block(tmp_path, 16, 4, 2)) == [(32, 8, 3, 3), (16, 32, 1, 1)]
    assert kernels(block(tmp_path, 16, 1, 1)) == [(16, 8, 3, 3)]


@pytest.mark.parametrize("expand", [1, 4])
@pytest.mark.parametrize(
    ("channels", "stride", "same"), [(8, 1, True), (8, 2, False), (16, 1, False)]
)
def test_a_fused_block_adds_what_it_was_given(
    tmp_path: Path, expand: int, channels: int, stride: int, same: bool
) -> None:
    network = block(tmp_path, channels, expand, stride)
    norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm2d)]
    # A last norm that gives nothing leaves what was added.
    nn.init.zeros_(norms[-1].weight)
    nn.init.zeros_(norms[-1].bias)
    with torch.no_grad():
        image = torch.randn(1, 3, 32, 32)
        (found,) = network(image)
        stem = next(m for m in network.modules() if isinstance(m, nn.Conv2d))
        wanted = stem(image) if same else torch.zeros_like(found)
    torch.testing.assert_close(found, wanted)


def test_the_detector_fits_small_scenes() -> None:
    detector = make_detector(
        "efficientdet", variant="nano", arguments={"classes": ArgumentValue(6)}
    )
    settings = detector.settings
    assert (settings.image_size, settings.anchors.levels) == ((128, 128), (3, 4, 5, 6))
    assert settings.anchors.scale == 2
    assert sum(p.numel() for p in detector.network.parameters()) == 301_622
    # In the few steps of a short training statistics follow fast.
    norms = [m for m in detector.network.modules() if isinstance(m, nn.BatchNorm2d)]
    assert {norm.momentum for norm in norms} == {0.1}
