"""Suppression of boxes that tell of one object twice."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import Literal, get_args

import torch
from torch import Tensor

from archgraph.detect.boxes import iou_matrix

Method = Literal["gaussian", "linear", "hard"]
# So many boxes are settled at once.
BLOCK = 512


def nms(
    boxes_xyxy: Tensor,
    scores: Tensor,
    threshold: float = 0.5,
    classes: Tensor | None = None,
    most: int | None = None,
) -> Tensor:
    """Drop every box that overlaps a better one that stays.

    Args:
        boxes_xyxy: shape (N, 4).
        scores: shape (N,); of equal ones the first counts as better.
        threshold: boxes that overlap more (intersection over union) tell of one object.
        classes: shape (N,); only boxes of one class drop one another. All if not given.
        most: how many stay at most, the best ones; all if not given.

    Returns:
        The indices that stay, best first; shape (K,), int64.
    """
    order = scores.argsort(descending=True, stable=True)
    boxes = boxes_xyxy[order].float()
    kinds = None if classes is None else classes[order]
    if most is not None and _torchvision_nms(boxes.device.type) is None:
        # The worse ones need not be looked at.
        return order[_stays(boxes, threshold, kinds, most)]
    kept = [ranks[_stays(boxes[ranks], threshold)] for ranks in _groups(kinds, order)]
    return order[torch.cat(kept).sort().values[:most]] if kept else order


def _groups(kinds: Tensor | None, order: Tensor) -> list[Tensor]:
    """The places of the boxes of each class, which are compared with one another alone."""
    if kinds is None:
        return [torch.arange(len(order), device=order.device)]
    sizes = kinds.unique(return_counts=True)[1].tolist()
    return list(kinds.argsort(stable=True).split(sizes))


@cache
def _torchvision_nms(device: str) -> Callable[[Tensor, Tensor, float], Tensor] | None:
    """Torchvision's suppression, if there is one that works with this torch on such a device."""
    try:
        found: Callable[[Tensor, Tensor, float], Tensor] = import_module("torchvision.ops").nms
        found(torch.zeros(1, 4, device=device), torch.zeros(1, device=device), 0.5)
    except Exception:  # a torchvision for another torch fails in other ways than ImportError
        return None
    return found


def _stays(
    boxes: Tensor, threshold: float, kinds: Tensor | None = None, most: int | None = None
) -> Tensor:
    """Which of these boxes, best first, no better one of its kind drops: their places, ascending.

    Kinds and a limit are for where torchvision does not work.
    """
    places = torch.arange(len(boxes), device=boxes.device)
    faster = _torchvision_nms(boxes.device.type)
    if faster is not None:
        # In the precision of the boxes, in which ours compares; torchvision compares in double.
        limit = float(torch.tensor(threshold, dtype=torch.float32))
        return faster(boxes, (len(boxes) - places).float(), limit)
    kept = places[:0]
    for own in places.split(BLOCK):
        # Only boxes that stay drop others. Those before the block are settled; in it, whoever no
        # settled rival drops waits for its rivals of the block, until nothing changes: at most as
        # many rounds as rivals in a row.
        free = ~_rivals(boxes, own, kept, threshold, kinds).any(1)
        inside = _rivals(boxes, own, own, threshold, kinds).tril(-1)
        settled = free
        while True:
            again = free & ~(inside & settled).any(1)
            if torch.equal(again, settled):
                break
            settled = again
        kept = torch.cat([kept, own[settled]])
        if most is not None and len(kept) >= most:
            return kept[:most]
    return kept


def _rivals(
    boxes: Tensor, own: Tensor, others: Tensor, threshold: float, kinds: Tensor | None
) -> Tensor:
    """Which boxes tell of the same object; shape (own, others)."""
    over = iou_matrix(boxes[own], boxes[others]) > threshold
    return over if kinds is None else over & (kinds[own][:, None] == kinds[others])


def soft_nms(
    boxes_xyxy: Tensor,
    scores: Tensor,
    classes: Tensor | None = None,
    method: Method = "gaussian",
    sigma: float = 0.5,
    threshold: float = 0.5,
    least: float = 0.001,
    most: int = 100,
) -> tuple[Tensor, Tensor]:
    """Lower the scores of boxes that overlap better ones (Bodla et al., arXiv 1704.04503).

    Args:
        boxes_xyxy: shape (N, 4).
        scores: shape (N,).
        classes: shape (N,); only boxes of one class lower one another. All if not given.
        method: a score is multiplied by exp(-iou**2 / sigma) (`gaussian`), by 1 - iou where
            that is above the threshold (`linear`), or by 0 there (`hard`).
        sigma: of `gaussian`.
        threshold: of `linear` and `hard`.
        least: boxes whose score is not above it are dropped.
        most: how many boxes are returned at most.

    Returns:
        Indices, best first, and their scores as lowered; shapes (K,).

    Raises:
        ValueError: there is no such method.
    """
    if method not in get_args(Method):
        raise ValueError(f"a method is one of {', '.join(get_args(Method))}, not '{method}'")
    boxes, scores = boxes_xyxy.float(), scores.float().clone()
    left = torch.arange(len(boxes), device=boxes.device)
    chosen: list[Tensor] = []
    values: list[Tensor] = []
    keep = scores > least
    left, scores = left[keep], scores[keep]
    while len(left) and len(chosen) < most:
        best = scores.argmax()
        index, value = left[best], scores[best]
        chosen.append(index)
        values.append(value)
        iou = iou_matrix(boxes[index][None], boxes[left])[0]
        if classes is not None:
            iou = torch.where(classes[left] == classes[index], iou, 0)
        scores = scores * decay(iou, method, sigma, threshold)
        keep = scores > least
        keep[best] = False
        left, scores = left[keep], scores[keep]
    if not chosen:
        return left, scores
    return torch.stack(chosen), torch.stack(values)


def decay(iou: Tensor, method: str, sigma: float, threshold: float) -> Tensor:
    """What scores are multiplied by where boxes overlap a better one by this; any shape.

    Args:
        iou: intersection over union.
        method: `gaussian`, `linear` or `hard`, see `soft_nms`.
        sigma: of `gaussian`.
        threshold: of `linear` and `hard`.
    """
    if method == "gaussian":
        return torch.exp(-iou.square() / sigma)
    lowered = 1 - iou if method == "linear" else torch.zeros_like(iou)
    return torch.where(iou > threshold, lowered, 1)
