"""Which anchor answers for which object."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from archgraph.detect.boxes import iou_matrix
from archgraph.detect.coding import encode_yxhw

BACKGROUND = -1


@dataclass(frozen=True)
class Targets:
    """What a detector should say of one image, for N anchors.

    Attributes:
        classes: the class of each anchor, `BACKGROUND` for none; shape (N,), int64.
        deltas_yxhw: what turns each anchor into its object, zeros for background; shape (N, 4).
        matched: the object of each anchor, `BACKGROUND` for none; shape (N,), int64.
    """

    classes: Tensor
    deltas_yxhw: Tensor
    matched: Tensor

    @property
    def positives(self) -> Tensor:
        """How many anchors answer for an object; shape ()."""
        return (self.matched != BACKGROUND).sum()


def match(
    anchors_xyxy: Tensor, boxes_xyxy: Tensor, classes: Tensor, threshold: float = 0.5
) -> Targets:
    """Give every object its anchors (EfficientDet; efficientdet-pytorch, google/automl).

    An anchor answers for the object that it overlaps most, if that is at least the threshold;
    there is no band of anchors that answer for nothing. Every object also gets the anchor that
    overlaps it most, however little; of two objects with one such anchor the first has it.

    Args:
        anchors_xyxy: shape (N, 4).
        boxes_xyxy: the objects; shape (M, 4), M may be 0.
        classes: from 0; shape (M,), int64.
        threshold: intersection over union.
    """
    count = len(anchors_xyxy)
    matched = torch.full((count,), BACKGROUND, dtype=torch.int64, device=anchors_xyxy.device)
    if not len(boxes_xyxy):
        return Targets(matched, torch.zeros_like(anchors_xyxy), matched)
    iou = iou_matrix(boxes_xyxy.to(anchors_xyxy.dtype), anchors_xyxy)
    best, owner = iou.max(dim=0)
    matched = torch.where(best >= threshold, owner, matched)
    claimed = iou.argmax(dim=1)
    nobody = len(claimed)
    numbers = torch.arange(nobody, device=claimed.device)
    # All at once: one after the other, each would wait for the GPU.
    first = torch.full_like(matched, nobody).scatter_reduce(0, claimed, numbers, "amin")
    matched = torch.where(first < nobody, first, matched)
    found = matched != BACKGROUND
    objects = boxes_xyxy.to(anchors_xyxy.dtype)[matched.clamp(min=0)]
    deltas = encode_yxhw(objects, anchors_xyxy)
    deltas = torch.where(found[:, None], deltas, 0)
    kinds = classes.to(torch.int64)[matched.clamp(min=0)]
    return Targets(torch.where(found, kinds, BACKGROUND), deltas, matched)
