"""What must hold for any boxes: inverse functions, naive references, and odd images."""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from archgraph.detect import (
    AUTOML_SERVING,
    BACKGROUND,
    EFFDET,
    Anchors,
    LossSettings,
    PostprocessSettings,
    detection_loss,
    match,
    nms,
    postprocess,
    soft_nms,
)
from archgraph.detect.boxes import (
    areas_xyxy,
    clip_xyxy,
    cxcywh_from_xyxy,
    iou_matrix,
    overlaps,
    xywh_from_xyxy,
    xyxy_from_cxcywh,
    xyxy_from_xywh,
    xyxy_from_yxyx,
)
from archgraph.detect.coding import decode_xyxy, encode_yxhw


def random_boxes(seed: int, count: int, grid: int = 0) -> Tensor:
    """Boxes in a field of 100 pixels; with a grid many of them are equal."""
    generator = torch.Generator().manual_seed(seed)
    corner = torch.rand(count, 2, generator=generator) * 80
    size = torch.rand(count, 2, generator=generator) * 40 + 1
    if grid:
        corner, size = corner // grid * grid, size // grid * grid + grid
    return torch.cat([corner, corner + size], dim=1)


def naive_nms(boxes: Tensor, scores: Tensor, threshold: float, classes: Tensor) -> list[int]:
    left = sorted(range(len(boxes)), key=lambda i: (-float(scores[i]), i))
    kept: list[int] = []
    while left:
        first = left.pop(0)
        kept.append(first)
        iou = iou_matrix(boxes[first][None], boxes)[0]
        left = [i for i in left if classes[i] != classes[first] or not iou[i] > threshold]
    return kept


# --- formats ---------------------------------------------------------------------------------


def test_formats_and_back() -> None:
    boxes = random_boxes(0, 20).double()
    torch.testing.assert_close(xyxy_from_cxcywh(cxcywh_from_xyxy(boxes)), boxes)
    torch.testing.assert_close(xyxy_from_xywh(xywh_from_xyxy(boxes)), boxes)
    assert xyxy_from_yxyx(torch.tensor([1, 2, 3, 4])).tolist() == [2, 1, 4, 3]
    assert xywh_from_xyxy(torch.tensor([10.0, 20, 30, 60])).tolist() == [10, 20, 20, 40]


def test_clipping_and_areas() -> None:
    boxes = torch.tensor([[-5.0, -5, 20, 8], [3, 3, 4, 4], [9, 9, 5, 5]])
    assert clip_xyxy(boxes, 10, 5).tolist() == [[0, 0, 10, 5], [3, 3, 4, 4], [9, 5, 5, 5]]
    assert areas_xyxy(boxes).tolist() == [25 * 13, 1, 0]


@pytest.mark.parametrize("guard", [0.0, 1e-7])
def test_boxes_and_deltas_are_inverse(guard: float) -> None:
    anchors, boxes = random_boxes(1, 50).double(), random_boxes(2, 50).double()
    deltas = encode_yxhw(boxes, anchors, guard)
    torch.testing.assert_close(decode_xyxy(deltas, anchors), boxes, atol=1e-5, rtol=1e-6)


def test_small_boxes_in_half_precision_are_numbers() -> None:
    boxes = torch.zeros(3, 4, dtype=torch.float16)
    anchors = torch.tensor([[0.0, 0, 8, 8]], dtype=torch.float16).expand(3, 4)
    assert not encode_yxhw(boxes.float(), anchors.float()).isnan().any()


# --- overlaps --------------------------------------------------------------------------------


def test_overlaps_of_known_boxes() -> None:
    one = torch.tensor([0.0, 0, 2, 2])
    other = torch.tensor([1.0, 1, 3, 3])
    assert overlaps(one, other).item() == pytest.approx(1 / 7)
    assert overlaps(one, other, "giou").item() == pytest.approx(1 / 7 - 2 / 9)
    assert overlaps(one, other, "diou").item() == pytest.approx(1 / 7 - 2 / 18)
    assert overlaps(one, other, "ciou").item() == pytest.approx(1 / 7 - 2 / 18)
    for kind in ("iou", "giou", "diou", "ciou"):
        assert overlaps(one, one, kind).item() == pytest.approx(1)


def test_boxes_without_an_area_overlap_nothing() -> None:
    nothing = torch.zeros(4, requires_grad=True)
    for kind in ("iou", "giou", "diou", "ciou"):
        value = overlaps(nothing, torch.zeros(4), kind)
        assert value.item() == 0
        value.backward()
    assert nothing.grad is not None and not nothing.grad.isnan().any()


def test_an_unknown_overlap_is_refused() -> None:
    with pytest.raises(ValueError, match="one of iou, giou, diou, ciou"):
        overlaps(torch.zeros(4), torch.zeros(4), "eiou")  # type: ignore[arg-type]


# --- suppression -----------------------------------------------------------------------------


@given(
    seed=st.integers(0, 10_000),
    count=st.integers(0, 40),
    grid=st.sampled_from([0, 10, 20]),
    ties=st.booleans(),
    threshold=st.sampled_from([0.0, 0.3, 0.5, 1.0]),
    kinds=st.integers(1, 3),
)
@settings(max_examples=60, deadline=None)
def test_nms_is_the_naive_one(
    seed: int, count: int, grid: int, ties: bool, threshold: float, kinds: int
) -> None:
    boxes = random_boxes(seed, count, grid)
    generator = torch.Generator().manual_seed(seed + 1)
    scores = torch.rand(count, generator=generator)
    scores = (scores * 4).round() if ties else scores
    classes = torch.randint(kinds, (count,), generator=generator)
    found = nms(boxes, scores, threshold, classes).tolist()
    assert found == naive_nms(boxes, scores, threshold, classes)
    for most in (1, 3, count + 1):
        assert nms(boxes, scores, threshold, classes, most).tolist() == found[:most]


def test_nms_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    boxes, scores = (
        random_boxes(3, 200),
        torch.rand(200, generator=torch.Generator().manual_seed(4)),
    )
    whole = nms(boxes, scores, 0.3).tolist()
    monkeypatch.setattr("archgraph.detect.suppression.BLOCK", 16)
    assert nms(boxes, scores, 0.3).tolist() == whole
    assert len(whole) < 200


def test_order_of_boxes_does_not_matter() -> None:
    boxes, scores = random_boxes(5, 60), torch.rand(60, generator=torch.Generator().manual_seed(6))
    mixed = torch.randperm(60, generator=torch.Generator().manual_seed(7))
    assert mixed[nms(boxes[mixed], scores[mixed])].tolist() == nms(boxes, scores).tolist()
    one, other = soft_nms(boxes, scores), soft_nms(boxes[mixed], scores[mixed])
    assert mixed[other[0]].tolist() == one[0].tolist()
    torch.testing.assert_close(other[1], one[1])


def test_hard_soft_nms_is_nms() -> None:
    boxes, scores = random_boxes(8, 60), torch.rand(60, generator=torch.Generator().manual_seed(9))
    kept, values = soft_nms(boxes, scores, method="hard", threshold=0.4, least=0, most=60)
    assert kept.tolist() == nms(boxes, scores, 0.4).tolist()
    torch.testing.assert_close(values, scores[kept])


@pytest.mark.parametrize("method", ["gaussian", "linear"])
def test_soft_nms_lowers_what_overlaps(method: str) -> None:
    boxes = torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 8], [50, 50, 60, 60]])
    scores = torch.tensor([0.9, 0.8, 0.7])
    kept, values = soft_nms(boxes, scores, method=method)  # type: ignore[arg-type]
    assert kept.tolist() == [0, 2, 1]
    lowered = 0.8 * (torch.exp(torch.tensor(-0.64 / 0.5)) if method == "gaussian" else 0.2)
    torch.testing.assert_close(values, torch.tensor([0.9, 0.7, float(lowered)]))


def test_torchvision_suppresses_alike() -> None:
    try:
        batched_nms = import_module("torchvision.ops").batched_nms
    except Exception:  # a torchvision for another torch fails in other ways than ImportError
        pytest.skip("torchvision is not there, or not for this torch")
    boxes, scores = random_boxes(10, 300), torch.rand(300)
    classes = torch.randint(3, (300,))
    assert (
        nms(boxes, scores, 0.5, classes).tolist()
        == batched_nms(boxes, scores, classes, 0.5).tolist()
    )


# --- targets, losses and odd images ------------------------------------------------------------


def test_an_image_without_objects() -> None:
    anchors = Anchors().xyxy(64, 64)
    found = match(anchors, torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64))
    assert int(found.positives) == 0
    assert (found.classes == BACKGROUND).all()
    logits = torch.zeros(1, len(anchors), 1, requires_grad=True)
    deltas = torch.zeros(1, len(anchors), 4, requires_grad=True)
    loss = detection_loss(logits, deltas, [found], anchors, LossSettings(overlap="ciou"))
    loss.total.backward()
    assert loss.boxes.item() == loss.overlap.item() == 0
    assert logits.grad is not None and logits.grad.isfinite().all()
    assert deltas.grad is not None and deltas.grad.abs().sum() == 0


def test_every_object_has_an_anchor() -> None:
    """Also one outside of the image, and one that is too small; the first of equal ones wins."""
    anchors = Anchors().xyxy(64, 64)
    boxes = torch.tensor([[1.0, 1, 2, 2], [60, 60, 90, 90], [1, 1, 2, 2]])
    found = match(anchors, boxes, torch.tensor([0, 1, 2]))
    assert set(found.matched.unique().tolist()) == {BACKGROUND, 0, 1}
    assert 2 not in found.classes


def test_images_of_a_batch_are_apart() -> None:
    generator = torch.Generator().manual_seed(11)
    anchors = Anchors().xyxy(64, 64)
    logits = torch.randn(3, len(anchors), 2, generator=generator)
    deltas = 0.1 * torch.randn(3, len(anchors), 4, generator=generator)
    together = postprocess(logits, deltas, anchors)
    for i in range(3):
        (alone,) = postprocess(logits[i : i + 1], deltas[i : i + 1], anchors)
        torch.testing.assert_close(alone.boxes_xyxy, together[i].boxes_xyxy)
        assert alone.classes.tolist() == together[i].classes.tolist()


@pytest.mark.parametrize("method", ["hard", "gaussian", "linear"])
def test_scores_have_a_floor(method: str) -> None:
    anchors = Anchors().xyxy(32, 32)
    logits = torch.full((1, len(anchors), 1), -4.0)
    logits[0, 7] = 3
    settings = PostprocessSettings(method=method, least=0.5)  # type: ignore[arg-type]
    (found,) = postprocess(logits, torch.zeros(1, len(anchors), 4), anchors, settings)
    assert len(found.scores) == 1
    torch.testing.assert_close(found.boxes_xyxy[0], anchors[7])


def test_an_anchor_may_tell_of_its_likeliest_class_alone() -> None:
    anchors = Anchors().xyxy(32, 32)
    logits = torch.full((1, len(anchors), 3), -9.0)
    logits[0, 7] = torch.tensor([1.0, 3.0, 2.0])
    logits[0, 30, 0] = 0.0
    deltas = torch.zeros(1, len(anchors), 4)
    for chosen, expected in ((EFFDET, [1, 2, 0, 0]), (AUTOML_SERVING, [1, 0])):
        (found,) = postprocess(logits, deltas, anchors, replace(chosen, least=0.1))
        assert found.classes.tolist() == expected


def test_guards_of_sizes() -> None:
    anchors = torch.tensor([[0.0, 0, 10, 10]])
    empty = torch.tensor([[2.0, 2, 2, 2]])
    one = encode_yxhw(empty, anchors)
    other = encode_yxhw(empty, anchors, 1e-8, "at-least")
    torch.testing.assert_close(one[0, 2], torch.log(torch.tensor(1e-8)), rtol=1e-4, atol=0)
    torch.testing.assert_close(other[0, 2], torch.log(torch.tensor(1e-9)), rtol=1e-4, atol=0)
    torch.testing.assert_close(one[0, :2], other[0, :2])


def test_boxes_are_told_in_pixels_of_the_original() -> None:
    anchors = Anchors().xyxy(64, 64)
    logits = torch.full((1, len(anchors), 1), -9.0)
    logits[0, 300] = 5
    deltas = torch.zeros(1, len(anchors), 4)
    (plain,) = postprocess(logits, deltas, anchors, PostprocessSettings(most=1))
    (scaled,) = postprocess(
        logits, deltas, anchors, PostprocessSettings(most=1), [(100, 120)], [2.0]
    )
    expected = clip_xyxy(plain.boxes_xyxy * 2, 120, 100)
    torch.testing.assert_close(scaled.boxes_xyxy, expected)


def test_scales_by_level() -> None:
    one = Anchors(levels=(3, 4), scale=(4.0, 3.0)).xyxy(64, 64)
    other = Anchors(levels=(3, 4), scale=3.0).xyxy(64, 64)
    assert torch.equal(one[8 * 8 * 9 :], other[8 * 8 * 9 :])
    assert not torch.equal(one[: 8 * 8 * 9], other[: 8 * 8 * 9])
    with pytest.raises(ValueError, match="one for each level"):
        Anchors(levels=(3, 4), scale=(1.0,))
