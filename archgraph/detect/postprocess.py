"""From the maps of a detector to boxes on images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from archgraph.detect.boxes import clip_xyxy
from archgraph.detect.fixed import best_boxes, likeliest_alone
from archgraph.detect.suppression import nms, soft_nms


@dataclass(frozen=True)
class PostprocessSettings:
    """How predictions are thinned out, by default as effdet does.

    Attributes:
        candidates: how many pairs of anchor and class are looked at, the best ones.
        method: `hard` drops boxes that overlap better ones, the others lower their scores.
        threshold: the overlap that `hard` and `linear` allow.
        sigma: of `gaussian`.
        least: the score that a box must be above; None for any (`soft` methods: 0.001).
        most: how many boxes are given per image.
        agnostic: boxes of other classes count as rivals too.
        choose: whether an anchor may tell of several classes (`pairs`), or of its likeliest one
            alone (`best-class`).
    """

    candidates: int = 5000
    method: Literal["hard", "gaussian", "linear"] = "hard"
    threshold: float = 0.5
    sigma: float = 0.5
    least: float | None = None
    most: int = 100
    agnostic: bool = False
    choose: Literal["pairs", "best-class"] = "pairs"

    @property
    def limit(self) -> float:
        """The score that a box must be above, as a number."""
        if self.least is not None:
            return self.least
        return -1.0 if self.method == "hard" else 0.001


# As efficientdet-pytorch does by default, and as google/automl does: it evaluates with the
# candidates of the first (`max_nms_inputs` 5000), and serves with the likeliest class of every
# anchor. Both of its forms lower scores instead of dropping boxes.
EFFDET = PostprocessSettings()
AUTOML_EVALUATION = PostprocessSettings(method="gaussian", least=0.001)
AUTOML_SERVING = PostprocessSettings(
    method="gaussian", least=0.001, choose="best-class", candidates=2**31
)


@dataclass(frozen=True)
class Detections:
    """Boxes of one image, best first.

    Attributes:
        boxes_xyxy: in pixels of the original image; shape (K, 4), float32.
        scores: from 0 to 1; shape (K,).
        classes: from 0; shape (K,), int64.
    """

    boxes_xyxy: Tensor
    scores: Tensor
    classes: Tensor


def flat(maps: Sequence[Tensor], numbers: int) -> Tensor:
    """Maps of all levels as a row of anchors: level, then y, x and the anchors of a pixel.

    Args:
        maps: of shape (B, anchors * numbers, height, width), levels ascending.
        numbers: how many numbers there are for each anchor: the classes, or 4.

    Returns:
        Shape (B, N, numbers).
    """
    parts = [x.permute(0, 2, 3, 1).reshape(x.shape[0], -1, numbers) for x in maps]
    return torch.cat(parts, dim=1)


def postprocess(
    class_logits: Tensor,
    deltas_yxhw: Tensor,
    anchors_xyxy: Tensor,
    settings: PostprocessSettings | None = None,
    image_sizes: Sequence[tuple[int, int]] | None = None,
    scales: Sequence[float] | None = None,
) -> list[Detections]:
    """Boxes, scores and classes of every image.

    Args:
        class_logits: shape (B, N, classes).
        deltas_yxhw: shape (B, N, 4).
        anchors_xyxy: shape (N, 4).
        settings: effdet's if not given.
        image_sizes: height and width of each original image, at whose edges boxes are cut.
        scales: pixels of the original image per pixel of what the detector saw; 1 if not given.
    """
    settings = settings or PostprocessSettings()
    logits, candidates = class_logits, settings.candidates
    if settings.choose == "best-class":
        logits = likeliest_alone(logits)
        candidates = min(candidates, logits.shape[1])
    boxes, best, classes = best_boxes(logits, deltas_yxhw, anchors_xyxy, candidates)
    found: list[Detections] = []
    for i in range(len(class_logits)):
        scale = 1.0 if scales is None else scales[i]
        size = None if image_sizes is None else image_sizes[i]
        found.append(_image(boxes[i], best[i], classes[i], settings, size, scale))
    return found


def _image(
    boxes: Tensor,
    best: Tensor,
    classes: Tensor,
    settings: PostprocessSettings,
    size: tuple[int, int] | None,
    scale: float,
) -> Detections:
    """One image: the best pairs of anchor and class, cut and thinned out."""
    if size is not None:
        boxes = clip_xyxy(boxes, size[1] / scale, size[0] / scale)
    scores = best.sigmoid()
    groups = None if settings.agnostic else classes
    if settings.method == "hard":
        if settings.least is not None:
            able = scores > settings.least
            boxes, scores, classes = boxes[able], scores[able], classes[able]
            groups = None if settings.agnostic else classes
        kept = nms(boxes, scores, settings.threshold, groups, settings.most)
        scores = scores[kept]
    else:
        kept, scores = soft_nms(
            boxes,
            scores,
            groups,
            settings.method,
            settings.sigma,
            settings.threshold,
            settings.limit,
            settings.most,
        )
    return Detections(boxes[kept] * scale, scores, classes[kept])
