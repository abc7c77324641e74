"""Post-processing of fixed shapes: for export, and for files that stand alone.

The same boxes as `postprocess.py` gives, best first, in as many rounds as boxes are wanted. No
shape depends on a value, so `torch.export` takes it whole.
"""

from __future__ import annotations

import torch
from torch import Tensor

from archgraph.detect.coding import decode_xyxy


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


def suppressed(
    boxes_xyxy: Tensor,
    scores: Tensor,
    classes: Tensor,
    threshold: float,
    least: float,
    most: int,
) -> tuple[Tensor, Tensor, Tensor]:
    """The best boxes, of which none overlaps a better one of its class (hard suppression).

    Args:
        boxes_xyxy: shape (B, K, 4).
        scores: shape (B, K), descending.
        classes: shape (B, K), int64.
        threshold: boxes that overlap more (intersection over union) tell of one object.
        least: the score that a box must be above.
        most: how many boxes there are at most.

    Returns:
        Boxes, shape (B, most, 4); scores and classes, shape (B, most). Where there are no more
        boxes the score is 0, the class -1 and the box empty.
    """
    places = torch.arange(scores.shape[1], device=scores.device)
    last = places.shape[0]
    waiting = scores > least
    size = (boxes_xyxy[..., 2:] - boxes_xyxy[..., :2]).clamp(min=0)
    areas = size[..., 0] * size[..., 1]
    chosen = []
    for _ in range(most):
        # The first that waits; one behind the last where none does.
        first = torch.where(waiting, places, last).amin(dim=1, keepdim=True)
        chosen.append(first)
        at = first.clamp(max=last - 1)
        best = boxes_xyxy.gather(1, at[:, :, None].expand(-1, -1, 4))
        low = torch.maximum(boxes_xyxy[..., :2], best[..., :2])
        high = torch.minimum(boxes_xyxy[..., 2:], best[..., 2:])
        shared = (high - low).clamp(min=0).prod(dim=-1)
        union = areas + areas.gather(1, at) - shared
        rival = (classes == classes.gather(1, at)) & (shared / union > threshold)
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
