"""What training makes small: focal loss for classes, Huber's or an overlap for boxes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from archgraph.detect.boxes import Overlap, areas_xyxy, overlaps
from archgraph.detect.coding import decode_xyxy
from archgraph.detect.matching import BACKGROUND, Targets


@dataclass(frozen=True)
class LossSettings:
    """Constants of EfficientDet's loss, as released (the paper's text has others).

    Attributes:
        alpha, gamma: of the focal loss.
        label_smoothing: takes part in the cross entropy only.
        delta: where Huber's loss becomes linear.
        box_weight: of Huber's loss beside the loss of the classes.
        overlap: another loss of the boxes, added to it; none by default.
        overlap_weight: of that loss.
    """

    alpha: float = 0.25
    gamma: float = 1.5
    label_smoothing: float = 0.0
    delta: float = 0.1
    box_weight: float = 50.0
    overlap: Overlap | None = None
    overlap_weight: float = 1.0


@dataclass(frozen=True)
class Loss:
    """The loss of a batch and its parts, each of shape ()."""

    total: Tensor
    classes: Tensor
    boxes: Tensor
    overlap: Tensor


def focal_loss(logits: Tensor, targets: Tensor, settings: LossSettings) -> Tensor:
    """Focal loss of every logit (Lin et al., arXiv 1708.02002), not summed.

    Args:
        logits: any shape.
        targets: 0 or 1, the same shape.
        settings: `alpha`, `gamma` and `label_smoothing` are read.
    """
    chance = logits.sigmoid()
    right = targets * chance + (1 - targets) * (1 - chance)
    alpha = targets * settings.alpha + (1 - targets) * (1 - settings.alpha)
    smoothed = targets
    if settings.label_smoothing:
        smoothed = targets * (1 - settings.label_smoothing) + 0.5 * settings.label_smoothing
    entropy = F.binary_cross_entropy_with_logits(logits, smoothed, reduction="none")
    return alpha * (1 - right).pow(settings.gamma) * entropy


def huber_loss(deltas: Tensor, targets: Tensor, delta: float) -> Tensor:
    """Huber's loss of every number, 0 where the target is exactly 0; not summed."""
    found = F.huber_loss(deltas, targets, reduction="none", delta=delta)
    return torch.where(targets != 0, found, 0)


def overlap_loss(
    deltas_yxhw: Tensor, targets_yxhw: Tensor, anchors_xyxy: Tensor, kind: Overlap
) -> Tensor:
    """One minus the overlap of predicted and wanted boxes, not summed; shapes (..., 4) to (...,).

    Background, whose targets are all 0, and targets without an area count 0.
    """
    wanted = decode_xyxy(targets_yxhw, anchors_xyxy)
    found = decode_xyxy(deltas_yxhw, anchors_xyxy)
    counts = (targets_yxhw != 0).any(-1) & (areas_xyxy(wanted) > 0)
    return torch.where(counts, 1 - overlaps(found, wanted, kind), 0)


def detection_loss(
    class_logits: Tensor,
    deltas_yxhw: Tensor,
    targets: Sequence[Targets],
    anchors_xyxy: Tensor,
    settings: LossSettings | None = None,
    normalizer: Tensor | None = None,
) -> Loss:
    """The loss of a batch, in float32 also where the predictions are of less precision.

    Args:
        class_logits: shape (B, N, classes), `flat` of the maps of a detector.
        deltas_yxhw: shape (B, N, 4).
        targets: what `match` gives, for every image.
        anchors_xyxy: shape (N, 4).
        settings: the released constants if not given.
        normalizer: what sums are divided by; by default the anchors of objects in the batch,
            and one.
    """
    settings = settings or LossSettings()
    precision = torch.promote_types(class_logits.dtype, torch.float32)
    logits, deltas = class_logits.to(precision), deltas_yxhw.to(precision)
    kinds = torch.stack([each.classes for each in targets])
    wanted = torch.stack([each.deltas_yxhw for each in targets]).to(precision)
    if normalizer is None:
        normalizer = torch.stack([each.positives for each in targets]).sum().float() + 1
    hot = torch.zeros_like(logits)
    found = kinds != BACKGROUND
    hot[found, kinds[found]] = 1
    classes = focal_loss(logits, hot, settings).sum() / normalizer
    boxes = huber_loss(deltas, wanted, settings.delta).sum() / (normalizer * 4)
    total = classes + settings.box_weight * boxes
    overlap = torch.zeros_like(total)
    if settings.overlap:
        each = overlap_loss(deltas, wanted, anchors_xyxy.to(precision), settings.overlap)
        overlap = each.sum() / (normalizer * 4)
        total = total + settings.overlap_weight * overlap
    return Loss(total, classes, boxes, overlap)
