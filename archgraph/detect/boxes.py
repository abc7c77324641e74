"""Boxes: their formats, areas and overlaps.

A box is four numbers in the last axis. Names say which: `xyxy` are left, top, right and bottom;
`yxyx` the same with vertical numbers first, as TensorFlow has them; `cxcywh` centre, width and
height; `xywh` left, top, width and height, as COCO's files have them. All in pixels of an image
whose corner is (0, 0); a box of one pixel at the corner is 0, 0, 1, 1.
"""

from __future__ import annotations

import math
from typing import Literal, get_args

import torch
from torch import Tensor

Overlap = Literal["iou", "giou", "diou", "ciou"]


def xyxy_from_yxyx(boxes_yxyx: Tensor) -> Tensor:
    """Exchange the axes; the same function leads back. Shape (..., 4)."""
    return boxes_yxyx[..., [1, 0, 3, 2]]


def xyxy_from_xywh(boxes_xywh: Tensor) -> Tensor:
    """Corners from a corner and a size. Shape (..., 4)."""
    corner, size = boxes_xywh[..., :2], boxes_xywh[..., 2:]
    return torch.cat([corner, corner + size], dim=-1)


def xywh_from_xyxy(boxes_xyxy: Tensor) -> Tensor:
    """A corner and a size from corners. Shape (..., 4)."""
    first, last = boxes_xyxy[..., :2], boxes_xyxy[..., 2:]
    return torch.cat([first, last - first], dim=-1)


def cxcywh_from_xyxy(boxes_xyxy: Tensor) -> Tensor:
    """Centre and size from corners. Shape (..., 4)."""
    first, last = boxes_xyxy[..., :2], boxes_xyxy[..., 2:]
    return torch.cat([(first + last) / 2, last - first], dim=-1)


def xyxy_from_cxcywh(boxes_cxcywh: Tensor) -> Tensor:
    """Corners from centre and size. Shape (..., 4)."""
    centre, half = boxes_cxcywh[..., :2], boxes_cxcywh[..., 2:] / 2
    return torch.cat([centre - half, centre + half], dim=-1)


def clip_xyxy(boxes_xyxy: Tensor, width: float | Tensor, height: float | Tensor) -> Tensor:
    """Boxes cut at the edges of an image. Shape (..., 4)."""
    x = boxes_xyxy[..., 0::2].clamp(min=0)
    y = boxes_xyxy[..., 1::2].clamp(min=0)
    x = torch.minimum(x, torch.as_tensor(width, dtype=x.dtype, device=x.device))
    y = torch.minimum(y, torch.as_tensor(height, dtype=y.dtype, device=y.device))
    return torch.stack([x[..., 0], y[..., 0], x[..., 1], y[..., 1]], dim=-1)


def areas_xyxy(boxes_xyxy: Tensor) -> Tensor:
    """Areas; 0 where a box is turned inside out. Shape (...,)."""
    size = (boxes_xyxy[..., 2:] - boxes_xyxy[..., :2]).clamp(min=0)
    return size[..., 0] * size[..., 1]


def iou_matrix(first_xyxy: Tensor, second_xyxy: Tensor) -> Tensor:
    """Intersection over union of every pair, 0 where the union is empty.

    Args:
        first_xyxy: shape (N, 4).
        second_xyxy: shape (M, 4).

    Returns:
        Shape (N, M).
    """
    return overlaps(first_xyxy[:, None], second_xyxy[None], "iou")


def overlaps(first_xyxy: Tensor, second_xyxy: Tensor, kind: Overlap = "iou") -> Tensor:
    """How much boxes overlap, pair by pair; shapes (..., 4) are broadcast, the result is (...,).

    `iou` is intersection over union; `giou` (Rezatofighi et al., arXiv 1902.09630) subtracts the
    empty part of the smallest box around both; `diou` (Zheng et al., arXiv 1911.08287) the
    squared distance of the centres over the squared diagonal of that box; `ciou` (the same) also
    a term for the aspect ratios, whose weight takes no part in gradients.

    Raises:
        ValueError: `kind` is none of these.
    """
    if kind not in get_args(Overlap):
        raise ValueError(f"an overlap is one of {', '.join(get_args(Overlap))}, not '{kind}'")
    low = torch.maximum(first_xyxy[..., :2], second_xyxy[..., :2])
    high = torch.minimum(first_xyxy[..., 2:], second_xyxy[..., 2:])
    shared = areas_xyxy(torch.cat([low, high], dim=-1))
    union = areas_xyxy(first_xyxy) + areas_xyxy(second_xyxy) - shared
    iou = _divided(shared, union)
    if kind == "iou":
        return iou
    outer_low = torch.minimum(first_xyxy[..., :2], second_xyxy[..., :2])
    outer_high = torch.maximum(first_xyxy[..., 2:], second_xyxy[..., 2:])
    if kind == "giou":
        outer = areas_xyxy(torch.cat([outer_low, outer_high], dim=-1))
        return iou - _divided(outer - union, outer)
    between = (first_xyxy[..., :2] + first_xyxy[..., 2:]) / 2
    between = between - (second_xyxy[..., :2] + second_xyxy[..., 2:]) / 2
    diagonal = (outer_high - outer_low).square().sum(-1)
    diou = iou - _divided(between.square().sum(-1), diagonal)
    if kind == "diou":
        return diou
    turn = (_angle(first_xyxy) - _angle(second_xyxy)) * (2 / math.pi)
    aspect = turn.square()
    weight = _divided(aspect, 1 - iou + aspect).detach()
    return diou - weight * aspect


def _angle(boxes_xyxy: Tensor) -> Tensor:
    """The angle of the diagonal, which says the aspect ratio."""
    size = boxes_xyxy[..., 2:] - boxes_xyxy[..., :2]
    return torch.atan2(size[..., 0], size[..., 1])


def _divided(above: Tensor, below: Tensor) -> Tensor:
    """A quotient that is 0, with gradient 0, where the divisor is not positive."""
    positive = below > 0
    return torch.where(positive, above / torch.where(positive, below, 1), 0)
