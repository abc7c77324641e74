"""From maps to boxes and from boxes to targets: tensors in, tensors out, no other room.

Boxes say their format in every name, see `boxes.py`. Conventions are those of EfficientDet's
references; where these differ there is a setting. Start at `postprocess.py` and `losses.py`.
"""

from archgraph.detect.anchors import EXACT_RATIOS, ROUNDED_RATIOS, Anchors
from archgraph.detect.losses import Loss, LossSettings, detection_loss
from archgraph.detect.matching import BACKGROUND, Targets, match
from archgraph.detect.postprocess import (
    AUTOML_EVALUATION,
    AUTOML_SERVING,
    EFFDET,
    Detections,
    PostprocessSettings,
    flat,
    postprocess,
)
from archgraph.detect.settings import PIXELS, DetectorSettings, PixelScale
from archgraph.detect.suppression import nms, soft_nms

__all__ = [
    "AUTOML_EVALUATION",
    "AUTOML_SERVING",
    "BACKGROUND",
    "EFFDET",
    "EXACT_RATIOS",
    "PIXELS",
    "ROUNDED_RATIOS",
    "Anchors",
    "Detections",
    "DetectorSettings",
    "Loss",
    "LossSettings",
    "PixelScale",
    "PostprocessSettings",
    "Targets",
    "detection_loss",
    "flat",
    "match",
    "nms",
    "postprocess",
    "soft_nms",
]
