"""A detector small enough to run in tests: EfficientDet's parts on an image of 96 pixels."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import torch
from torch import nn

TOY = """\
model: toy
doc: A small detector.
parameters: {classes: 3, anchors: 9, pixels: {step: centred}}
let: {image_size: 96, anchor_scale: 3}
settings: {init: he-normal}
nodes:
  - {name: backbone, use: toy-backbone}
  - {name: neck, use: bifpn levels=3..5 channels=8}
  - {name: classes, use: detection-head depth=1 outputs=anchors*classes prior=0.01, share: levels, own: [norm]}
  - {name: boxes, use: detection-head depth=1 outputs=4*anchors, from: neck, share: levels, own: [norm]}
outputs: [classes, boxes]
---
backbone: toy-backbone
nodes:
  - {name: stem, use: conv-norm-act channels=8 kernel=3 stride=2}
  - {name: two, use: conv-norm-act channels=8 kernel=3 stride=2}
  - {name: three, use: conv-norm-act channels=8 kernel=3 stride=2}
  - {name: four, use: conv-norm-act channels=8 kernel=3 stride=2}
  - {name: five, use: conv-norm-act channels=8 kernel=3 stride=2}
outputs: {3: three, 4: four, 5: five}
"""


@cache
def toy_spec() -> str:
    """The file of the spec."""
    path = Path(mkdtemp()) / "toy.yaml"
    path.write_text(TOY)
    return str(path)


def shaken(network: nn.Module, seed: int = 0) -> nn.Module:
    """The network with other weights than it starts with, so that it says something of images."""
    torch.manual_seed(seed)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return network
