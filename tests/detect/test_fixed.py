"""Fixed shapes give the boxes that free ones give, and are exported whole."""

from __future__ import annotations

from typing import Literal

import pytest
import torch
from torch import Tensor, nn

from archgraph.detect import Anchors, PostprocessSettings, postprocess
from archgraph.detect.fixed import best_boxes, softened, suppressed

ANCHORS = Anchors(levels=(3, 4)).xyxy(64, 64)


def maps(seed: int, batch: int = 2, classes: int = 3) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    logits = 2 * torch.randn(batch, len(ANCHORS), classes, generator=generator) - 3
    # Few values, so that there are ties.
    return (logits * 4).round() / 4, 0.2 * torch.randn(batch, len(ANCHORS), 4, generator=generator)


class Head(nn.Module):
    """Maps in, boxes out."""

    def forward(self, logits: Tensor, deltas: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        boxes, best, classes = best_boxes(logits, deltas, ANCHORS, 50)
        return suppressed(boxes, best.sigmoid(), classes, 0.4, 0.1, 4)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(("candidates", "most", "least"), [(50, 100, 0.0), (2000, 30, 0.2)])
def test_the_boxes_are_those_of_free_shapes(
    seed: int, candidates: int, most: int, least: float
) -> None:
    logits, deltas = maps(seed)
    settings = PostprocessSettings(candidates=candidates, most=most, least=least)
    boxes, best, classes = best_boxes(logits, deltas, ANCHORS, candidates)
    found = suppressed(boxes, best.sigmoid(), classes, settings.threshold, least, most)
    for i, expected in enumerate(postprocess(logits, deltas, ANCHORS, settings)):
        count = len(expected.scores)
        assert count > 0
        assert torch.equal(found[0][i, :count], expected.boxes_xyxy)
        assert torch.equal(found[1][i, :count], expected.scores)
        assert torch.equal(found[2][i, :count], expected.classes)
        assert not found[1][i, count:].any() and (found[2][i, count:] == -1).all()
        assert not found[0][i, count:].any()


@pytest.mark.parametrize("agnostic", [False, True])
@pytest.mark.parametrize("method", ["hard", "gaussian", "linear"])
def test_every_method_gives_the_boxes_of_free_shapes(
    method: Literal["hard", "gaussian", "linear"], agnostic: bool
) -> None:
    logits, deltas = maps(7)
    way = PostprocessSettings(400, method, 0.4, 0.3, 0.1, 40, agnostic)
    boxes, best, classes = best_boxes(logits, deltas, ANCHORS, way.candidates)
    scores = best.sigmoid()
    if method == "hard":
        found = suppressed(boxes, scores, classes, 0.4, 0.1, 40, agnostic)
    else:
        found = softened(boxes, scores, classes, method, 0.3, 0.4, 0.1, 40, agnostic)
    for i, expected in enumerate(postprocess(logits, deltas, ANCHORS, way)):
        count = len(expected.scores)
        assert 10 < count <= 40
        assert torch.equal(found[0][i, :count], expected.boxes_xyxy)
        assert torch.equal(found[1][i, :count], expected.scores)
        assert torch.equal(found[2][i, :count], expected.classes)
        assert not found[1][i, count:].any() and (found[2][i, count:] == -1).all()


def test_no_box_at_all() -> None:
    logits, deltas = maps(0)
    boxes, best, classes = best_boxes(logits - 100, deltas, ANCHORS, 10)
    found = suppressed(boxes, best.sigmoid(), classes, 0.5, 0.1, 5)
    assert not found[0].any() and not found[1].any() and (found[2] == -1).all()


def test_it_exports_whole() -> None:
    example = maps(1)
    program = torch.export.export(
        Head(), example, dynamic_shapes=({0: torch.export.Dim("n")}, {0: torch.export.Dim("n")})
    )
    for other in (maps(2), maps(3, batch=5)):
        for found, expected in zip(program.module()(*other), Head()(*other), strict=True):
            assert torch.equal(found, expected)
