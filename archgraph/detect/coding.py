"""Boxes told from anchors: what a detector learns to predict."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from archgraph.detect.boxes import cxcywh_from_xyxy, xyxy_from_cxcywh

# Added to sizes before their quotient; a smaller one underflows in half precision.
GUARD = 1e-7


def encode_yxhw(
    boxes_xyxy: Tensor,
    anchors_xyxy: Tensor,
    guard: float = GUARD,
    guarding: Literal["add", "at-least"] = "add",
) -> Tensor:
    """What turns anchors into boxes: ty, tx, th, tw (Faster R-CNN, with TensorFlow's order).

    ty and tx are the way between the centres in sizes of the anchor, th and tw the logarithms of
    the quotients of the sizes. Nothing is scaled by variances.

    Args:
        boxes_xyxy: shape (..., 4).
        anchors_xyxy: shape (..., 4).
        guard: what keeps sizes from being 0.
        guarding: whether it is added to all sizes, as effdet does with 1e-7, or sizes are at
            least this, as google/automl has them with 1e-8.

    Returns:
        Shape (..., 4), in single precision at least.
    """
    # The quotient of a guard and a size is 0 in half precision, whatever the guard.
    boxes, anchors = (cxcywh_from_xyxy(in_single(each)) for each in (boxes_xyxy, anchors_xyxy))
    size, anchor_size = boxes[..., 2:], anchors[..., 2:]
    if guarding == "add":
        size, anchor_size = size + guard, anchor_size + guard
    else:
        size, anchor_size = size.clamp(min=guard), anchor_size.clamp(min=guard)
    way = (boxes[..., :2] - anchors[..., :2]) / anchor_size
    growth = torch.log(size / anchor_size)
    return torch.cat([way.flip(-1), growth.flip(-1)], dim=-1)


def decode_xyxy(deltas_yxhw: Tensor, anchors_xyxy: Tensor) -> Tensor:
    """The boxes that predictions tell from anchors; sizes are not bounded.

    Args:
        deltas_yxhw: ty, tx, th, tw; shape (..., 4).
        anchors_xyxy: shape (..., 4).

    Returns:
        Shape (..., 4).
    """
    anchors, deltas_yxhw = cxcywh_from_xyxy(in_single(anchors_xyxy)), in_single(deltas_yxhw)
    way, growth = deltas_yxhw[..., :2].flip(-1), deltas_yxhw[..., 2:].flip(-1)
    centre = way * anchors[..., 2:] + anchors[..., :2]
    return xyxy_from_cxcywh(torch.cat([centre, growth.exp() * anchors[..., 2:]], dim=-1))


def in_single(x: Tensor) -> Tensor:
    """At least single precision."""
    return x.to(torch.promote_types(x.dtype, torch.float32))
