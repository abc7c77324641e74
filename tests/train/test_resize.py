"""What a detector sees of an image, against computations of their own, to the pixel."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional as F

from archgraph.detect import PIXELS, PixelScale
from archgraph.detect.preprocess import fit_tensor
from archgraph.train.records import Pixels
from archgraph.train.samples.resize import WAYS, Way, fit_pixels

IMAGENET, HALF, LITE = (PIXELS[name] for name in ("imagenet", "centred", "tflite"))
# height and width of an image, and of what is seen of it
SIZES = [
    ((480, 640), (512, 512)),
    ((97, 333), (64, 128)),
    ((333, 97), (64, 128)),
    ((1, 1), (64, 64)),
    ((1, 500), (32, 32)),
    ((7, 5), (129, 65)),
    ((64, 64), (64, 64)),
    ((427, 640), (512, 512)),
]


def noise(height: int, width: int) -> Pixels:
    return np.random.default_rng(height * width).integers(0, 256, (height, width, 3), np.uint8)


@pytest.mark.parametrize(("image", "size"), SIZES)
@pytest.mark.parametrize("normal", [IMAGENET, LITE])
def test_effdet_is_pillow(
    image: tuple[int, int], size: tuple[int, int], normal: PixelScale
) -> None:
    pixels = noise(*image)
    fitted = fit_pixels(pixels, size, "effdet", normal)
    ratio = min(size[0] / image[0], size[1] / image[1])
    rows, columns = (max(1, int(side * ratio)) for side in image)
    small = np.asarray(Image.fromarray(pixels).resize((columns, rows), Image.Resampling.BILINEAR))
    canvas = np.empty((*size, 3), np.uint8)
    canvas[:] = np.round(255 * np.array(normal.mean))
    canvas[:rows, :columns] = small
    mean, std = (
        np.array([255 * value for value in values], np.float32)
        for values in (normal.mean, normal.std)
    )
    expected = ((canvas.astype(np.float32) - mean) / std).transpose(2, 0, 1)
    assert np.array_equal(fitted.image.numpy(), expected)
    assert fitted.scale == 1 / ratio
    assert (fitted.height, fitted.width) == image


@pytest.mark.parametrize(("image", "size"), SIZES)
def test_torch_is_torch(image: tuple[int, int], size: tuple[int, int]) -> None:
    pixels = noise(*image)
    fitted = fit_pixels(pixels, size)
    ratio = min(size[0] / image[0], size[1] / image[1])
    rows, columns = (max(1, int(side * ratio)) for side in image)
    tensor = torch.from_numpy(pixels).permute(2, 0, 1)[None].float()
    small = F.interpolate(tensor, (rows, columns), mode="bilinear", antialias=True)[0]
    mean, std = (torch.tensor(v)[:, None, None] * 255 for v in (IMAGENET.mean, IMAGENET.std))
    seen = fitted.image[:, :rows, :columns]
    torch.testing.assert_close(seen, (small - mean) / std, rtol=0, atol=1e-5)
    assert not fitted.image[:, rows:].any() and not fitted.image[:, :, columns:].any()
    assert fitted.scale == 1 / ratio


@pytest.mark.parametrize(("image", "size"), SIZES)
def test_torch_is_close_to_effdet(image: tuple[int, int], size: tuple[int, int]) -> None:
    pixels = noise(*image)
    ours, theirs = (fit_pixels(pixels, size, how) for how in ("torch", "effdet"))
    std = torch.tensor(IMAGENET.std)[:, None, None] * 255
    difference = ((ours.image - theirs.image) * std).abs()
    # Pillow rounds to a level after each axis.
    assert difference.max() <= 1.01
    assert ours.scale == theirs.scale


def half_pixel(image: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """Bilinear resizing of (height, width, 3) as TensorFlow 2 has it, one axis after another."""
    for axis, count in enumerate((rows, columns)):
        length = image.shape[axis]
        place = (np.arange(count) + 0.5) * (length / count) - 0.5
        low = np.floor(place).astype(int)
        part = (place - low).reshape([-1, 1, 1] if axis == 0 else [1, -1, 1])
        first = image.take(low.clip(0), axis)
        last = image.take((low + 1).clip(0, length - 1), axis)
        image = first + (last - first) * part
    return image


@pytest.mark.parametrize(("image", "size"), SIZES)
@pytest.mark.parametrize("normal", [IMAGENET, HALF])
def test_automl_is_half_pixel_bilinear_of_normalized_images(
    image: tuple[int, int], size: tuple[int, int], normal: PixelScale
) -> None:
    pixels = noise(*image)
    fitted = fit_pixels(pixels, size, "automl", normal)
    sides = np.array(image, np.float32)
    ratio = np.min(np.array(size, np.float32) / sides)
    rows, columns = (max(1, int(side)) for side in sides * ratio)
    colours = (pixels / 255 - normal.mean) / normal.std
    expected = np.zeros((*size, 3))
    expected[:rows, :columns] = half_pixel(colours, rows, columns)
    assert np.allclose(fitted.image.numpy(), expected.transpose(2, 0, 1), atol=2e-4)
    assert not fitted.image[:, rows:].any() and not fitted.image[:, :, columns:].any()
    assert fitted.scale == float(np.float32(1) / ratio)


def test_truncation_differs_as_the_references_do() -> None:
    """In double 473 / 640 * 640 is no whole number, in float32 it may be: a row more or less."""
    differing = []
    for side in range(300, 700):
        pixels = np.zeros((side, 8, 3), np.uint8)
        ratio, narrow = 512 / side, np.float32(512) / np.float32(side)
        rows = {"effdet": int(side * ratio), "automl": int(np.float32(side) * narrow)}
        if rows["effdet"] != rows["automl"]:
            differing.append(side)
            for how in ("effdet", "automl"):
                seen = fit_pixels(pixels, (512, 512), how, HALF).image[0, :, 0]
                assert int((seen < -0.9).sum()) == rows[how]
    assert differing


@pytest.mark.parametrize("how", list(WAYS))
def test_boxes_go_there_and_back(how: Way) -> None:
    fitted = fit_pixels(noise(97, 333), (128, 128), how)
    boxes = np.array([[0.0, 0.0, 333.0, 97.0], [10.5, 3.25, 20.0, 96.0]])
    seen = fitted.seen_xyxy(boxes)
    assert np.allclose(seen[0], [0, 0, 128, 97 * 128 / 333])
    assert np.allclose(fitted.original_xyxy(seen), boxes)


def test_a_bright_square_is_where_its_box_says() -> None:
    pixels = np.zeros((200, 300, 3), np.uint8)
    pixels[40:120, 60:210] = 255
    for how in WAYS:
        fitted = fit_pixels(pixels, (128, 128), how, HALF)
        rows, columns = np.nonzero(fitted.image[0].numpy() > 0.5)
        found = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
        box = fitted.seen_xyxy(np.array([[60.0, 40.0, 210.0, 120.0]]))[0]
        assert np.abs(box - found).max() <= 1, how


def test_a_tensor_is_made_to_fit_as_pixels_are() -> None:
    pixels = noise(120, 77)
    tensor = torch.from_numpy(pixels).permute(2, 0, 1)
    image, scale = fit_tensor(tensor[None], (64, 96), IMAGENET.mean, IMAGENET.std)
    fitted = fit_pixels(pixels, (64, 96))
    assert torch.equal(image[0], fitted.image)
    assert math.isclose(scale, 120 / 64) and fitted.scale == scale


def test_read_only_pixels_are_fine_and_stay() -> None:
    pixels = noise(20, 30)
    before = pixels.copy()
    pixels.flags.writeable = False
    for how in WAYS:
        fit_pixels(pixels, (16, 16), how)
    assert np.array_equal(pixels, before)


def test_an_unknown_way_is_refused() -> None:
    with pytest.raises(ValueError, match="one of torch, effdet, automl, not 'cv2'"):
        fit_pixels(noise(4, 4), (8, 8), "cv2")  # type: ignore[arg-type]
