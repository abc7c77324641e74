"""Post-processing of fixed shapes: for export, and for files that stand alone.

The same boxes as `postprocess.py` gives, best first, in as many rounds as boxes are wanted. No
shape depends on a value, so `torch.export` takes it whole.
"""

from __future__ import annotations

import torch
from torch import Tensor

from archgraph.detect.coding import decode_xyxy
from archgraph.detect.suppression import decay


def likeliest_alone(class_logits: Tensor) -> Tensor:
    """The logits of the likeliest class of every anchor, nothing of the others.

    Args:
        class_logits: shape (B, N, classes).
    """
    likeliest, kinds = class_logits.max(dim=2, keepdim=True)
    return torch.full_like(class_logits, -torch.inf).scatter(2, kinds, likeliest)


def best_boxes(
    class_logits: Tensor,
    deltas_yxhw: Tensor,
    anchors_xyxy: Tensor,
    candidates: int,
) -> tuple[Tensor, Tensor, Tensor]:
    """The best pairs of anchor and class, decoded.

    Args:
        class_logits: shape (B, N, classes).
        deltas_yxhw: shape (B, N, 4).
        anchors_xyxy: shape (N, 4).
        candidates: how many pairs there are at most.

    Returns:
        Boxes, shape (B, K, 4); logits, descending, and classes, shape (B, K).
    """
    classes = class_logits.shape[2]
    pairs = class_logits.float().flatten(1)
    best, index = pairs.topk(min(candidates, pairs.shape[1]))
    anchor = index // classes
    deltas = deltas_yxhw.float().gather(1, anchor[:, :, None].expand(-1, -1, 4))
    return decode_xyxy(deltas, anchors_xyxy[anchor]), best, index % classes


def overlaps_at(boxes_xyxy: Tensor, at: Tensor) -> Tensor:
    """How much the boxes of an image overlap one of them (intersection over union).

    Args:
        boxes_xyxy: shape (B, K, 4).
        at: the place of that one; shape (B, 1), int64.

    Returns:
        Shape (B, K); 0 where neither has an area.
    """
    size = (boxes_xyxy[..., 2:] - boxes_xyxy[..., :2]).clamp(min=0)
    areas = size[..., 0] * size[..., 1]
    one = boxes_xyxy.gather(1, at[:, :, None].expand(-1, -1, 4))
    low = torch.maximum(boxes_xyxy[..., :2], one[..., :2])
    high = torch.minimum(boxes_xyxy[..., 2:], one[..., 2:])
    shared = (high - low).clamp(min=0).prod(dim=-1)
    union = areas + areas.gather(1, at) - shared
    some = union > 0
    return torch.where(some, shared / torch.where(some, union, 1), 0)


def suppressed(
    boxes_xyxy: Tensor,
    scores: Tensor,
    classes: Tensor,
    threshold: float,
    least: float,
    most: int,
    agnostic: bool = False,
) -> tuple[Tensor, Tensor, Tensor]:
    """The best boxes, of which none overlaps a better one of its class (hard suppression).

    Args:
        boxes_xyxy: shape (B, K, 4).
        scores: shape (B, K), descending.
        classes: shape (B, K), int64.
        threshold: boxes that overlap more (intersection over union) tell of one object.
        least: the score that a box must be above.
        most: how many boxes there are at most.
        agnostic: boxes of other classes count as rivals too.

    Returns:
        Boxes, shape (B, most, 4); scores and classes, shape (B, most). Where there are no more
        boxes the score is 0, the class -1 and the box empty.
    """
    places = torch.arange(scores.shape[1], device=scores.device)
    last = places.shape[0]
    waiting = scores > least
    chosen = []
    for _ in range(most):
        # The first that waits; one behind the last where none does.
        first = torch.where(waiting, places, last).amin(dim=1, keepdim=True)
        chosen.append(first)
        at = first.clamp(max=last - 1)
        rival = overlaps_at(boxes_xyxy, at) > threshold
        if not agnostic:
            rival = rival & (classes == classes.gather(1, at))
        waiting = waiting & ~rival & (places != first)
    index = torch.cat(chosen, dim=1)
    found = index < last
    index = index.clamp(max=last - 1)
    boxes = boxes_xyxy.gather(1, index[:, :, None].expand(-1, -1, 4))
    return (
        torch.where(found[:, :, None], boxes, 0),
        torch.where(found, scores.gather(1, index), 0),
        torch.where(found, classes.gather(1, index), -1),
    )


def softened(
    boxes_xyxy: Tensor,
    scores: Tensor,
    classes: Tensor,
    method: str,
    sigma: float,
    threshold: float,
    least: float,
    most: int,
    agnostic: bool = False,
) -> tuple[Tensor, Tensor, Tensor]:
    """The best boxes, each of which lowers the scores of those that it overlaps.

    Args:
        boxes_xyxy: shape (B, K, 4).
        scores: shape (B, K).
        classes: shape (B, K), int64.
        method: `gaussian` or `linear`, see `decay`.
        sigma: of `gaussian`.
        threshold: of `linear`.
        least: the score that a box must be above, lowered or not.
        most: how many boxes there are at most.
        agnostic: boxes of other classes are lowered too.

    Returns:
        What `suppressed` does, with scores as lowered.
    """
    places = torch.arange(scores.shape[1], device=scores.device)
    waiting = torch.where(scores > least, scores, -torch.inf)
    chosen, values = [], []
    for _ in range(most):
        at = waiting.argmax(dim=1, keepdim=True)
        chosen.append(at)
        values.append(waiting.gather(1, at))
        overlap = overlaps_at(boxes_xyxy, at)
        if not agnostic:
            overlap = torch.where(classes == classes.gather(1, at), overlap, 0)
        lowered = waiting * decay(overlap, method, sigma, threshold)
        waiting = torch.where((lowered > least) & (places != at), lowered, -torch.inf)
    index, value = torch.cat(chosen, dim=1), torch.cat(values, dim=1)
    found = value > -torch.inf
    boxes = boxes_xyxy.gather(1, index[:, :, None].expand(-1, -1, 4))
    return (
        torch.where(found[:, :, None], boxes, 0),
        torch.where(found, value, 0),
        torch.where(found, classes.gather(1, index), -1),
    )
