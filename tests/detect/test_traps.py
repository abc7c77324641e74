"""What users of other implementations ran into, one test for each trap."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from archgraph.detect import (
    Anchors,
    PostprocessSettings,
    detection_loss,
    match,
    postprocess,
)
from archgraph.detect.coding import decode_xyxy, encode_yxhw

ANCHORS = Anchors().xyxy(128, 128)
CLASSES = 4


def perfect(boxes_xyxy: Tensor, classes: Tensor) -> tuple[Tensor, Tensor]:
    """The maps of a network that has learned an image by heart."""
    targets = match(ANCHORS, boxes_xyxy, classes)
    logits = torch.full((len(ANCHORS), CLASSES), -9.0)
    found = targets.matched >= 0
    logits[found, targets.classes[found]] = 9.0
    return logits[None], targets.deltas_yxhw[None]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("logit", [-80.0, 0.0, 80.0])
def test_losses_and_gradients_are_numbers(logit: float, dtype: torch.dtype) -> None:
    """Objects without an area and predictions that are far off made training diverge."""
    boxes = torch.tensor(
        [[10.0, 10, 10, 40], [20, 20, 20, 20], [0, 0, 128, 128], [90, 90, 90.001, 91]]
    )
    targets = match(ANCHORS, boxes, torch.tensor([0, 1, 2, 3]))
    assert targets.deltas_yxhw.isfinite().all()
    logits = torch.full((1, len(ANCHORS), CLASSES), logit, dtype=dtype, requires_grad=True)
    deltas = torch.full((1, len(ANCHORS), 4), logit / 20, dtype=dtype, requires_grad=True)
    loss = detection_loss(logits, deltas, [targets], ANCHORS)
    loss.total.backward()
    assert loss.total.dtype == torch.float32 and loss.total.isfinite()
    for given in (logits, deltas):
        assert given.grad is not None and given.grad.isfinite().all()


def test_boxes_of_no_size_are_coded_in_half_precision() -> None:
    """A guard of 1e-8 is 0 there, and the logarithm of 0 no number."""
    boxes = torch.tensor([[3.0, 3, 3, 3], [0, 0, 0, 9]], dtype=torch.float16)
    anchors = torch.tensor([[0.0, 0, 8, 8], [0, 0, 8, 8]], dtype=torch.float16)
    deltas = encode_yxhw(boxes, anchors)
    assert deltas.isfinite().all()
    torch.testing.assert_close(decode_xyxy(deltas, anchors), boxes.float(), atol=1e-3, rtol=0)
    assert decode_xyxy(torch.full((2, 4), 12, dtype=torch.float16), anchors).isfinite().all()


def test_boxes_go_in_and_come_out_in_one_format() -> None:
    """Targets in yxyx and results in xyxy or xywh gave a mean precision of 0."""
    wide = torch.tensor([[10.0, 50, 110, 70], [5.0, 5, 25, 120]])  # one wide, one tall
    logits, deltas = perfect(wide, torch.tensor([2, 0]))
    (found,) = postprocess(logits, deltas, ANCHORS, PostprocessSettings(least=0.5))
    assert sorted(found.classes.tolist()) == [0, 2]
    ordered = found.boxes_xyxy[found.classes.argsort(descending=True)]
    torch.testing.assert_close(ordered, wide, atol=1e-3, rtol=1e-4)


@pytest.mark.parametrize("kind", range(CLASSES))
def test_every_class_from_first_to_last_is_found(kind: int) -> None:
    """With a class for the background too many or too few, the last class had a precision of 0."""
    boxes = torch.tensor([[20.0, 20, 60, 60]])
    (found,) = postprocess(
        *perfect(boxes, torch.tensor([kind])), ANCHORS, PostprocessSettings(least=0.5)
    )
    assert found.classes.tolist() == [kind]


def test_boxes_of_low_scores_can_be_left_out_and_counted() -> None:
    """A hundred boxes of no account came with every image."""
    logits, deltas = perfect(torch.tensor([[20.0, 20, 60, 60]]), torch.tensor([1]))
    (flood,) = postprocess(logits, deltas, ANCHORS)
    assert len(flood.scores) == 100
    (few,) = postprocess(logits, deltas, ANCHORS, PostprocessSettings(most=7))
    assert len(few.scores) == 7
    (sure,) = postprocess(logits, deltas, ANCHORS, PostprocessSettings(least=0.5))
    assert len(sure.scores) == 1


@pytest.mark.parametrize("count", [0, 1])
def test_images_with_no_object_or_one(count: int) -> None:
    """They crashed, or were dropped without a word."""
    boxes = torch.tensor([[20.0, 20, 60, 60]])[:count]
    targets = match(ANCHORS, boxes, torch.tensor([1])[:count])
    both = [targets, match(ANCHORS, torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64))]
    logits = torch.zeros(2, len(ANCHORS), CLASSES, requires_grad=True)
    deltas = torch.zeros(2, len(ANCHORS), 4, requires_grad=True)
    loss = detection_loss(logits, deltas, both, ANCHORS)
    loss.total.backward()
    assert loss.total.isfinite()
    assert bool(loss.boxes > 0) == bool(count)
    assert bool(targets.positives) == bool(count)
