"""Image files: as a person sees them, or an error that says what is wrong with the file.

Only formats that hold photographs are read. What is not 8 bits of RGB becomes it: grey, palettes,
CMYK and 16 bits are converted, what is transparent shows white, EXIF's orientation is applied, and
of an animation the first frame is taken. Colour profiles are not applied.
"""

from __future__ import annotations

import stat
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from threading import Lock

import numpy as np
from PIL import Image, UnidentifiedImageError

from archgraph.errors import DataError
from archgraph.train.data.problems import failed
from archgraph.train.records import Pixels

SUFFIXES = frozenset(
    ".jpg .jpeg .jpe .jfif .png .bmp .dib .gif .tif .tiff .webp .ppm .pgm .pbm .pnm .jp2 .avif"
    " .mpo".split()
)
_FORMATS = ("JPEG", "MPO", "PNG", "BMP", "DIB", "GIF", "TIFF", "WEBP", "PPM", "JPEG2000", "AVIF")
# Pillow's own bound, from which on it warns that a file may be a bomb: 256 MiB of RGB.
MOST_PIXELS = 89_478_485
BACKGROUND = (255, 255, 255)
_ORIENTATION, _TIFF_WIDTH, _TIFF_HEIGHT = 0x0112, 0x0100, 0x0101
_EXIF_OF_PNG = {"exif", "Raw profile type exif"}
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def is_image(path: Path) -> bool:
    """Whether a file is called as images are; it is not opened."""
    return path.suffix.lower() in SUFFIXES


def read_pixels(path: Path) -> Pixels:
    """An image as a person sees it: RGB, upright; shape (height, width, 3).

    Raises:
        DataError: E505, the file is not there, is no image, is damaged or has too many pixels.
    """
    with _opened(path) as image:
        turn = _TURNS.get(_orientation(image))
        image.load()
        if image.format == "TIFF":
            # Pillow turns these itself when it reads them, and then drops the orientation.
            turn = _TURNS.get(_orientation(image))
        colours = _in_colour(image)
        upright = colours.transpose(turn) if turn is not None else colours
        return np.array(upright, np.uint8)


def read_size(path: Path) -> tuple[int, int]:
    """Width and height of an image as a person sees it; its pixels are not read.

    Raises:
        DataError: E505, as `read_pixels`, but damage behind the head of a file is not found.
    """
    with _opened(path) as image:
        width, height = _stored_size(image)
        return (height, width) if _orientation(image) >= 5 else (width, height)


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    """An open image; whatever goes wrong with it here or in the block says which file it was."""
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):
            raise _bad(path, "is no file")
        if not found.st_size:
            raise _bad(path, "is empty")
        with _QUIET, Image.open(path, formats=_formats()) as image:
            _check_size(path, image)
            yield image
    except DataError:
        raise
    except UnidentifiedImageError:
        raise _bad(path, "is no image of a known format, or its head is damaged") from None
    except Image.DecompressionBombError:
        raise _bad(path, f"has more than {MOST_PIXELS:,} pixels") from None
    except FileNotFoundError:
        raise _bad(path, "is not there") from None
    except MemoryError:
        raise _bad(path, "needs more memory than there is") from None
    except Exception as error:  # a damaged file makes decoders raise whatever they come upon
        raise _bad(path, f"cannot be read: {_reason(error)}") from None


class _Quiet:
    """No warnings of Pillow: of what is refused here, and of oddities that it then reads.

    Filters of warnings belong to the process: the first thread sets them, the last restores them.
    """

    def __init__(self) -> None:
        self._lock, self._inside = Lock(), 0
        self._before = warnings.catch_warnings()

    def __enter__(self) -> None:
        with self._lock:
            self._inside += 1
            if self._inside == 1:
                self._before = warnings.catch_warnings()
                self._before.__enter__()
                warnings.simplefilter("ignore")

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside:
                self._before.__exit__(None, None, None)


_QUIET = _Quiet()


@cache
def _formats() -> list[str]:
    Image.init()
    return [name for name in _FORMATS if name in Image.OPEN]


def _check_size(path: Path, image: Image.Image) -> None:
    width, height = image.size
    if width < 1 or height < 1:
        raise _bad(path, f"has no pixels: it is {width}x{height}")
    if width * height > MOST_PIXELS:
        said = f"is {width}x{height}: {width * height:,} pixels, and at most {MOST_PIXELS:,}"
        raise _bad(path, f"{said} are read")


def _stored_size(image: Image.Image) -> tuple[int, int]:
    """Width and height of the rows of a file. Those of TIFF Pillow may say as they will be."""
    tags = getattr(image, "tag_v2", {})
    width, height = tags.get(_TIFF_WIDTH), tags.get(_TIFF_HEIGHT)
    if isinstance(width, int) and isinstance(height, int):
        return width, height
    return image.size


def _orientation(image: Image.Image) -> int:
    if image.format == "PNG" and not _EXIF_OF_PNG & set(image.info):
        return 1  # Pillow would decode all of it to look for a block at its end
    try:
        found = image.getexif().get(_ORIENTATION, 1)
    except Exception:  # a damaged EXIF block says nothing; the image itself may be whole
        return 1
    return found if isinstance(found, int) and 1 <= found <= 8 else 1


def _in_colour(image: Image.Image) -> Image.Image:
    """8 bits of RGB."""
    if image.mode == "RGB" and "transparency" not in image.info:
        return image
    if image.mode.startswith("I;16") or image.mode == "I":
        return _from_16_bits(image)
    if image.mode == "F":
        raise ValueError("its numbers are fractions, whose brightness is not agreed upon")
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        above = image.convert("RGBA")
        below = Image.new("RGBA", above.size, (*BACKGROUND, 255))
        return Image.alpha_composite(below, above).convert("RGB")
    return image.convert("RGB")


def _from_16_bits(image: Image.Image) -> Image.Image:
    """Grey of 16 bits, scaled so that 65535 is white."""
    numbers = np.asarray(image).astype(np.int64)
    if numbers.min() < 0 or numbers.max() > 65535:
        raise ValueError("its numbers have more than 16 bits")
    grey = ((numbers * 255 + 32767) // 65535).astype(np.uint8)
    return Image.fromarray(grey).convert("RGB")


def _bad(path: Path, what: str) -> DataError:
    return failed("E505", f"'{path}' {what}")


def _reason(error: Exception) -> str:
    said = " ".join(str(error).split())
    return said or type(error).__name__
