"""What a detector needs besides its maps: anchors, how pixels are normalised, suppression."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from archgraph.detect.anchors import Anchors
from archgraph.detect.postprocess import PostprocessSettings

RGB = tuple[float, float, float]


@dataclass(frozen=True)
class PixelScale:
    """How pixels from 0 to 255 become what a network is given: (x / 255 - mean) / std."""

    mean: RGB
    std: RGB


# By the word that a model says as its parameter `pixels`.
PIXELS: Mapping[str, PixelScale] = {
    "imagenet": PixelScale((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    # From -1 to 1: the lite models of effdet, and models trained with AdvProp.
    "centred": PixelScale((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    # The lite models of google/automl: (x - 127) / 128.
    "tflite": PixelScale((127 / 255,) * 3, (128 / 255,) * 3),
    "unit": PixelScale((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
}


@dataclass(frozen=True)
class DetectorSettings:
    """How boxes are told from the maps of a detector.

    Attributes:
        image_size: (height, width) of what the network is given.
        anchors: those that its predictions are told from.
        pixels: how images are normalised.
        postprocess: how predictions are thinned out.
        classes: how many classes it tells apart.
    """

    image_size: tuple[int, int]
    anchors: Anchors
    classes: int
    pixels: PixelScale = PIXELS["imagenet"]
    postprocess: PostprocessSettings = field(default_factory=PostprocessSettings)
