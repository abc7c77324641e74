"""From photographs to what a network is given."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def fit_tensor(
    photos: Tensor,
    size: tuple[int, int],
    mean: tuple[float, float, float],
    std: tuple[float, float, float],
) -> tuple[Tensor, float]:
    """Shrink or enlarge photographs into a corner of the image, and normalise them.

    The aspect ratio stays, sizes are rounded down, shrinking averages over the pixels that become
    one, and what is left of the image has the mean colour, which is zero.

    Args:
        photos: RGB from 0 to 255; shape (B, 3, height, width).
        size: height and width of the image.
        mean: of each channel, on the scale from 0 to 1.
        std: likewise.

    Returns:
        Images of shape (B, 3, *size), float32, and how many pixels of a photograph make one of
        the image.
    """
    height, width = photos.shape[-2:]
    scale = min(size[0] / height, size[1] / width)
    rows, columns = max(1, int(height * scale)), max(1, int(width * scale))
    fitted = F.interpolate(
        photos.float(), (rows, columns), mode="bilinear", align_corners=False, antialias=True
    )
    shift, spread = (fitted.new_tensor(v)[:, None, None] * 255 for v in (mean, std))
    fitted = (fitted - shift) / spread
    return F.pad(fitted, (0, size[1] - columns, 0, size[0] - rows)), 1 / scale
