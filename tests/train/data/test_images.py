"""Image files as a person sees them; what is no whole image is an error with its name."""

from __future__ import annotations

import io
import os
import struct
import threading
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from archgraph.errors import DataError
from archgraph.train.data import is_image, read_pixels, read_size
from archgraph.train.data.images import MOST_PIXELS
from archgraph.train.records import Pixels

# A picture no two of whose eight positions are alike.
CORNER = np.zeros((4, 6, 3), np.uint8)
CORNER[0, 0], CORNER[0, 5], CORNER[3, 0] = (255, 0, 0), (0, 255, 0), (0, 0, 255)


def saved(folder: Path, image: Image.Image, name: str = "a.png", **options: object) -> Path:
    path = folder / name
    image.save(path, **options)  # type: ignore[arg-type]
    return path


def test_grey_is_grey(tmp_path: Path) -> None:
    grey = np.arange(24, dtype=np.uint8).reshape(4, 6)
    found = read_pixels(saved(tmp_path, Image.fromarray(grey)))
    assert found.dtype == np.uint8 and np.array_equal(found, np.stack([grey] * 3, axis=2))


def test_one_bit(tmp_path: Path) -> None:
    bits = Image.fromarray(np.eye(4, dtype=np.uint8) * 255).convert("1")
    assert np.array_equal(read_pixels(saved(tmp_path, bits))[..., 1], np.eye(4) * 255)


def test_palette_with_transparent_colours_of_bytes(tmp_path: Path) -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 200, 100, 50])
    image.putdata([0, 1])
    path = saved(tmp_path, image, transparency=bytes([0, 255]))
    assert read_pixels(path).tolist() == [[[255, 255, 255], [200, 100, 50]]]


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_what_is_transparent_is_white(mode: str, tmp_path: Path) -> None:
    image = Image.new("RGBA", (3, 1))
    image.putdata([(80, 80, 80, 255), (80, 80, 80, 0), (0, 0, 0, 128)])
    found = read_pixels(saved(tmp_path, image.convert(mode)))[0, :, 0]
    assert (found[0], found[1]) == (80, 255) and abs(int(found[2]) - 127) <= 1


def test_a_transparent_colour_of_rgb(tmp_path: Path) -> None:
    image = Image.new("RGB", (2, 1), (9, 8, 7))
    image.putpixel((1, 0), (1, 2, 3))
    path = saved(tmp_path, image, transparency=(9, 8, 7))
    assert read_pixels(path).tolist() == [[[255, 255, 255], [1, 2, 3]]]


def test_sixteen_bits_are_scaled(tmp_path: Path) -> None:
    numbers = np.array([[0, 257, 32768, 65535, 128]], np.uint16)
    for name in ("a.png", "a.tif"):
        found = read_pixels(saved(tmp_path, Image.fromarray(numbers), name))
        assert found[..., 0].tolist() == [[0, 1, 128, 255, 0]]


def test_numbers_that_are_no_brightness(tmp_path: Path) -> None:
    fractions = Image.fromarray(np.ones((2, 2), np.float32))
    many = Image.fromarray(np.full((2, 2), 70000, np.int32))
    for image, said in ((fractions, "fractions"), (many, "more than 16 bits")):
        with pytest.raises(DataError, match=said):
            read_pixels(saved(tmp_path, image, "a.tif"))


def test_cmyk(tmp_path: Path) -> None:
    image = Image.new("CMYK", (16, 16), (0, 255, 255, 0))
    found = read_pixels(saved(tmp_path, image, "a.jpg", quality=95))[8, 8]
    assert found[0] > 240 and found[1] < 15 and found[2] < 15


# What turns the stored picture upright, from the definition of EXIF's numbers.
UPRIGHT: dict[int, Callable[[Pixels], Pixels]] = {
    1: lambda p: p,
    2: lambda p: p[:, ::-1],
    3: lambda p: p[::-1, ::-1],
    4: lambda p: p[::-1],
    5: lambda p: p.transpose(1, 0, 2),
    6: lambda p: p.transpose(1, 0, 2)[:, ::-1],
    7: lambda p: p[::-1, ::-1].transpose(1, 0, 2),
    8: lambda p: p.transpose(1, 0, 2)[::-1],
    0: lambda p: p,
    9: lambda p: p,
}


@pytest.mark.parametrize("number", UPRIGHT)
@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.webp"])
def test_exif_turns_the_image(number: int, name: str, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = number
    path = saved(tmp_path, Image.fromarray(CORNER), name, exif=exif, lossless=True)
    wanted = UPRIGHT[number](CORNER)
    assert np.array_equal(read_pixels(path), wanted)
    assert read_size(path) == (wanted.shape[1], wanted.shape[0])


def test_damaged_exif_turns_nothing(tmp_path: Path) -> None:
    path = saved(
        tmp_path, Image.fromarray(CORNER), "a.jpg", exif=b"Exif\0\0MM\0*\0\0\0\x08\xff\xff"
    )
    assert read_pixels(path).shape == (4, 6, 3)
    assert read_size(path) == (6, 4)


def test_of_an_animation_the_first_frame(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (5, 4), colour) for colour in ("red", "blue")]
    path = saved(tmp_path, frames[0], "a.gif", save_all=True, append_images=frames[1:])
    assert read_pixels(path)[0, 0].tolist() == [255, 0, 0]


def chunk(kind: bytes, content: bytes) -> bytes:
    body = kind + content
    return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))


def png(width: int, height: int, content: bytes = b"") -> bytes:
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return (
        b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(content)) + chunk(b"IEND", b"")
    )


def whole_jpeg() -> bytes:
    rng = np.random.default_rng(0)
    buffer = io.BytesIO()
    Image.fromarray(rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(buffer, "jpeg")
    return buffer.getvalue()


BAD: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "is empty"),
    "text": (b"hello", "no image of a known format"),
    "html": (b"<html>404</html>", "no image of a known format"),
    "postscript": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "no image of a known"),
    "cut in the head": (whole_jpeg()[:30], "'"),
    "cut": (whole_jpeg()[:-900], "truncated"),
    "no pixels": (png(0, 5), "'"),
    "bomb": (png(30_000, 30_000), f"at most {MOST_PIXELS:,} are read"),
    "large": (png(9460, 9460), "89,491,600 pixels"),
    "cut png": (png(50, 50, bytes(100)), "'"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_is_no_whole_image(case: str, tmp_path: Path) -> None:
    content, said = BAD[case]
    path = tmp_path / "a.jpg"
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        read_pixels(path)
    assert str(caught.value).startswith(f"error[E505]: '{path}' ")
    if case == "bomb":
        said = "has more than"  # Pillow itself refuses it
    assert said in str(caught.value)


def test_what_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")  # opening it would wait for ever
    for path, said in (
        (tmp_path, "is no file"),
        (tmp_path / "pipe.png", "is no file"),
        (tmp_path / "b.png", "is not there"),
        (tmp_path / "b\0.png", "cannot be read"),
        (tmp_path / ("b" * 5000), "E505"),
    ):
        for read in (read_pixels, read_size):
            with pytest.raises(DataError, match=said):
                read(path)


@given(st.integers(0, 5000), st.integers(0, 255), st.integers(0, 4000))
def test_damage_anywhere_is_an_image_or_an_error(at: int, byte: int, cut: int) -> None:
    import tempfile

    content = bytearray(whole_jpeg())
    content[at % len(content)] = byte
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.jpg"
        path.write_bytes(content[: max(len(content) - cut, 0)])
        try:
            pixels = read_pixels(path)
        except DataError:
            return
        assert pixels.ndim == 3 and pixels.dtype == np.uint8


def test_threads_leave_the_filters_of_warnings_as_they_were(tmp_path: Path) -> None:
    path = saved(tmp_path, Image.fromarray(CORNER))
    before = list(warnings.filters)
    threads = [
        threading.Thread(target=lambda: [read_pixels(path) for _ in range(50)]) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert list(warnings.filters) == before


def test_names_of_images() -> None:
    assert all(is_image(Path(name)) for name in ("a.jpg", "b/A.JPEG", "x.y.PNG", "s.webp"))
    assert not any(is_image(Path(name)) for name in ("a.txt", "jpg", "a.jpg.xml", ".png", "a.svg"))
