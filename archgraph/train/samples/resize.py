"""How an image is made to fit what a detector sees, in the ways that they were trained with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from archgraph.detect import PIXELS, PixelScale
from archgraph.detect.preprocess import fit_tensor
from archgraph.train.records import Floats, Pixels

Way = Literal["torch", "effdet", "automl"]
Size = tuple[int, int]


@dataclass(frozen=True)
class Fitted:
    """An image as a detector sees it.

    Attributes:
        image: at the top left, the rest padding; shape (3, H, W), float32, normalised.
        scale: pixels of the original image per pixel of this one, along both axes.
        height: of the original image.
        width: likewise.
    """

    image: Tensor
    scale: float
    height: int
    width: int

    def seen_xyxy(self, boxes_xyxy: Floats) -> Floats:
        """Boxes in pixels of the original image, in pixels of this one. Shape (N, 4)."""
        return boxes_xyxy / self.scale

    def original_xyxy(self, boxes_xyxy: Floats) -> Floats:
        """Boxes in pixels of this image, in pixels of the original one. Shape (N, 4)."""
        return boxes_xyxy * self.scale


def fit_pixels(
    pixels: Pixels, size: Size, how: Way = "torch", normal: PixelScale = PIXELS["imagenet"]
) -> Fitted:
    """Make an image fit a size with its aspect ratio kept, pad it, normalise it.

    Args:
        pixels: RGB; shape (height, width, 3), uint8.
        size: height and width of what the detector sees.
        how: `torch` is `detect.fit_tensor`, which stands in files of torch alone too; `effdet`
            resizes as Pillow does, at most a level from it, and pads with the mean colour rounded
            to a level; `automl` resizes without antialiasing, as google/automl does.
        normal: how the detector has its pixels.

    Raises:
        ValueError: there is no such way.
    """
    if how not in WAYS:
        raise ValueError(f"a way to resize is one of {', '.join(WAYS)}, not '{how}'")
    image, scale = WAYS[how](pixels, size, normal)
    return Fitted(image, scale, *pixels.shape[:2])


def tensor_of(pixels: Pixels) -> Tensor:
    """An image with its colours first; shape (3, height, width), uint8."""
    # A copy: pixels may be read-only, which torch warns of.
    return torch.from_numpy(np.array(pixels.transpose(2, 0, 1), order="C"))


def _as_torch(pixels: Pixels, size: Size, normal: PixelScale) -> tuple[Tensor, float]:
    image, scale = fit_tensor(tensor_of(pixels)[None], size, normal.mean, normal.std)
    return image[0], scale


def _as_effdet(pixels: Pixels, size: Size, normal: PixelScale) -> tuple[Tensor, float]:
    """efficientdet-pytorch's `ResizePad` and `PrefetchLoader`, with its fill `mean`."""
    height, width = pixels.shape[:2]
    scale = min(size[0] / height, size[1] / width)
    rows, columns = max(int(height * scale), 1), max(int(width * scale), 1)
    red, green, blue = (round(255 * value) for value in normal.mean)
    canvas = Image.new("RGB", (size[1], size[0]), (red, green, blue))
    resized = Image.fromarray(np.ascontiguousarray(pixels)).resize(
        (columns, rows), Image.Resampling.BILINEAR
    )
    canvas.paste(resized, (0, 0))
    return _normalized(tensor_of(np.asarray(canvas)).float(), normal), 1 / scale


def _as_automl(pixels: Pixels, size: Size, normal: PixelScale) -> tuple[Tensor, float]:
    """google/automl's `DetectionInputProcessor`; all its numbers are float32."""
    height, width = (np.float32(side) for side in pixels.shape[:2])
    scale = min(np.float32(size[0]) / height, np.float32(size[1]) / width)
    rows, columns = max(int(height * scale), 1), max(int(width * scale), 1)
    image = _normalized(tensor_of(pixels).float(), normal)
    resized = F.interpolate(image[None], (rows, columns), mode="bilinear", align_corners=False)[0]
    canvas = torch.zeros(3, *size)
    canvas[:, :rows, :columns] = resized
    return canvas, float(np.float32(1) / scale)


def _normalized(image: Tensor, normal: PixelScale) -> Tensor:
    """Numbers of 0 to 255 as the detector has them; shape (3, height, width)."""
    middle = torch.tensor([255 * value for value in normal.mean])[:, None, None]
    spread = torch.tensor([255 * value for value in normal.std])[:, None, None]
    return (image - middle) / spread


WAYS: Mapping[Way, Callable[[Pixels, Size, PixelScale], tuple[Tensor, float]]] = {
    "torch": _as_torch,
    "effdet": _as_effdet,
    "automl": _as_automl,
}
