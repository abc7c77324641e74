"""Boxes drawn on images, and images side by side: what comes in stays as it is."""

from __future__ import annotations

import io
import math
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike
from PIL import Image, ImageDraw, ImageFont

from archgraph.errors import visible
from archgraph.train.records import Objects, Pixels
from archgraph.weights.files import replace_file

Colour = tuple[int, int, int]
Rectangle = tuple[int, int, int, int]
BLACK, WHITE = (0, 0, 0), (255, 255, 255)
# Okabe and Ito's colours, which people of every colour vision tell apart (Color Universal Design,
# 2008), without black: lines have black or white beside them anyway.
PALETTE: tuple[Colour, ...] = (
    (230, 159, 0),
    (86, 180, 233),
    (0, 158, 115),
    (240, 228, 66),
    (0, 114, 178),
    (213, 94, 0),
    (204, 121, 167),
)
# More classes than colours: the same ones lighter, then darker.
SHADES: tuple[tuple[Colour, float], ...] = ((BLACK, 0.0), (WHITE, 0.45), (BLACK, 0.4))
# A smaller font cannot be read.
SMALLEST_FONT = 9
# The built-in font has the letters of ASCII; these, where a system has them, have more.
WIDER_FONTS = ("DejaVuSans.ttf", "NotoSans-Regular.ttf", "Arial Unicode.ttf", "arial.ttf")
Font = ImageFont.FreeTypeFont | ImageFont.ImageFont
# An image of few pixels stays a small one.
MOST_ENLARGED = 3
PAPER, INK = (250, 250, 250), (32, 32, 32)


@dataclass(frozen=True)
class Measures:
    """How thick lines are and how large letters, in pixels; `wide`: the font has all letters."""

    line: int
    halo: int
    font: Font
    wide: bool

    @property
    def padding(self) -> int:
        """Between a label's text and the edge of its plate."""
        return self.line + self.halo


def colour_of(index: int) -> Colour:
    """The colour of a class; the first seven differ most."""
    base = PALETTE[index % len(PALETTE)]
    shade, amount = SHADES[index // len(PALETTE) % len(SHADES)]
    return _mixed(base, shade, amount)


def draw_boxes(
    pixels: Pixels,
    boxes_xyxy: ArrayLike,
    labels: Sequence[str],
    colours: Sequence[int] | None = None,
) -> Pixels:
    """A copy of an image with boxes, each with its label.

    A line has its colour in the middle and black or white, whichever contrasts, on both sides, so
    that it shows on everything. Labels stay inside the image, away from one another where there
    is room, and are left out where they would hide others; those of the first boxes have first
    choice, and the first boxes are drawn on top.

    Args:
        pixels: RGB; shape (height, width, 3).
        boxes_xyxy: in pixels, cut at the edges here; shape (N, 4). What is not finite is left out.
        labels: one for each box; "" for none.
        colours: a number for each box, such as its class; the first colour for all if not given.
    """
    image = Image.fromarray(np.ascontiguousarray(pixels))
    boxes = np.asarray(boxes_xyxy, dtype=np.float64).reshape(-1, 4)
    numbers = [0] * len(boxes) if colours is None else colours
    draw = ImageDraw.Draw(image)
    measures = _measures(image.width, image.height, "".join(labels))
    shown = [
        (_inside(box, image.width, image.height), label, colour_of(int(number)))
        for box, label, number in zip(boxes, labels, numbers, strict=True)
        if np.isfinite(box).all()
    ]
    for box, _, colour in reversed(shown):
        _draw_outline(draw, box, colour, measures)
    taken: list[Rectangle] = []
    plates: list[tuple[Rectangle, str, Colour]] = []
    for box, label, colour in shown:
        text = _shortened(draw, label, image.width - 2 * measures.padding, measures)
        size = _plate_size(draw, text, measures)
        plate = _free_place(box, size, (image.width, image.height), taken)
        if text and plate is not None:
            taken.append(plate)
            plates.append((plate, text, colour))
    for plate, text, colour in reversed(plates):
        _draw_plate(draw, plate, text, colour, measures)
    return np.asarray(image)


def object_labels(objects: Objects, class_names: Sequence[str]) -> list[str]:
    """What annotated objects are called beside their boxes."""
    kinds, crowds = objects.classes.tolist(), objects.crowds.tolist()
    names = [class_names[kind] for kind in kinds]
    return [f"{n} (crowd)" if crowd else n for n, crowd in zip(names, crowds, strict=True)]


def fitted(pixels: Pixels, side: int) -> tuple[Pixels, float]:
    """An image that is no longer than this along either axis, and what boxes are scaled by.

    A small one is enlarged a few times, as far as it fits: labels keep their size, and would hide
    it otherwise.
    """
    height, width = pixels.shape[:2]
    scale = side / max(height, width, 1)
    if scale >= 1:
        times = min(int(scale), MOST_ENLARGED)
        return pixels.repeat(times, axis=0).repeat(times, axis=1), float(times)
    size = (max(round(width * scale), 1), max(round(height * scale), 1))
    image = Image.fromarray(pixels).resize(size, Image.Resampling.BILINEAR, reducing_gap=2)
    return np.asarray(image), scale


def sheet(tiles: Sequence[Pixels], columns: int, captions: Sequence[str]) -> Pixels:
    """Images side by side on white paper, each in the middle of its cell over its caption.

    Args:
        tiles: RGB; of any size, all cells are as large as the largest.
        columns: how many stand in a row.
        captions: one for each tile.
    """
    columns = max(1, min(columns, len(tiles)))
    width = max((tile.shape[1] for tile in tiles), default=1)
    height = max((tile.shape[0] for tile in tiles), default=1)
    measures = _measures(width, height, "".join(captions))
    gap = 3 * measures.padding
    paper = ImageDraw.Draw(Image.new("RGB", (1, 1)))
    line = _plate_size(paper, "Xg", measures)[1]
    rows = -(-len(tiles) // columns)
    size = (gap + columns * (width + gap), gap + rows * (height + line + gap))
    image = Image.new("RGB", size, PAPER)
    draw = ImageDraw.Draw(image)
    for i, (tile, caption) in enumerate(zip(tiles, captions, strict=True)):
        left = gap + i % columns * (width + gap)
        top = gap + i // columns * (height + line + gap)
        corner = (left + (width - tile.shape[1]) // 2, top + (height - tile.shape[0]) // 2)
        image.paste(Image.fromarray(np.ascontiguousarray(tile)), corner)
        text = _shortened(draw, caption, width, measures)
        place = (left + width / 2, top + height + line / 2 + measures.halo)
        draw.text(place, text, INK, measures.font, anchor="mm")
    return np.asarray(image)


def write_png(path: Path, pixels: Pixels) -> None:
    """Write an image in one step: the file is whole, or what it was before.

    Raises:
        InputOutputError: E020, the file cannot be written.
    """
    content = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(content, "PNG", optimize=True)
    replace_file(path, content.getvalue())


def _measures(width: int, height: int, letters: str) -> Measures:
    side = math.sqrt(width * height)
    line = round(1 + side / 400)
    size = max(SMALLEST_FONT, round(6 + side / 75))
    wide = None if letters.isascii() else _wider_font(size)
    return Measures(line, max(1, line // 2), wide or ImageFont.load_default(size), wide is not None)


@cache
def _wider_font(size: int) -> ImageFont.FreeTypeFont | None:
    for name in WIDER_FONTS:
        try:
            return ImageFont.truetype(name, size)
        except OSError:
            continue
    return None


def _written(text: str, wide: bool) -> str:
    """A text on one line, in letters that the font has: without its accents where it must be."""
    text = visible(text)
    if text.isascii() or wide:
        return text
    plain = unicodedata.normalize("NFKD", text.translate({0xDF: "ss", 0x142: "l", 0x141: "L"}))
    return "".join(letter for letter in plain if not unicodedata.combining(letter))


def _mixed(colour: Colour, other: Colour, amount: float) -> Colour:
    red, green, blue = (round(a + (b - a) * amount) for a, b in zip(colour, other, strict=True))
    return red, green, blue


def _contrast(colour: Colour) -> Colour:
    """Black or white, whichever is further from a colour in luminance as WCAG 2 has it."""
    parts = [(x / 255) ** 2.2 for x in colour]
    luminance = 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]
    return BLACK if luminance > 0.18 else WHITE


def _inside(box: np.ndarray, width: int, height: int) -> Rectangle:
    """First and last column and row of a box in the image, whichever way round it stands."""
    x = np.clip(np.sort(box[0::2]), 0, width)
    y = np.clip(np.sort(box[1::2]), 0, height)
    left, top = min(math.floor(x[0]), width - 1), min(math.floor(y[0]), height - 1)
    right, bottom = math.ceil(x[1]) - 1, math.ceil(y[1]) - 1
    return left, top, max(right, left), max(bottom, top)


def _draw_outline(
    draw: ImageDraw.ImageDraw, box: Rectangle, colour: Colour, measures: Measures
) -> None:
    """Three lines, one inside the other; the box is where the coloured one begins outside."""
    edge = _contrast(colour)
    line, halo = measures.line, measures.halo
    for start, width, ink in ((-halo, halo, edge), (line, halo, edge), (0, line, colour)):
        left, top, right, bottom = box[0] + start, box[1] + start, box[2] - start, box[3] - start
        if left <= right and top <= bottom:
            draw.rectangle((left, top, right, bottom), outline=ink, width=width)


def _plate_size(draw: ImageDraw.ImageDraw, text: str, measures: Measures) -> tuple[int, int]:
    width = math.ceil(draw.textlength(text, measures.font))
    # The height of a line, not of these letters, so that plates are alike.
    box = draw.textbbox((0, 0), "Xg|", measures.font, anchor="lt")
    return width + 2 * measures.padding, math.ceil(box[3]) + 2 * measures.padding


def _shortened(draw: ImageDraw.ImageDraw, text: str, room: int, measures: Measures) -> str:
    """The text, or as much of it as there is room for."""
    text = _written(text, measures.wide)
    if draw.textlength(text, measures.font) <= room:
        return text
    for end in range(min(len(text) - 1, room), 0, -1):
        short = f"{text[:end].rstrip()}.."
        if draw.textlength(short, measures.font) <= room:
            return short
    return ""


def _free_place(
    box: Rectangle, size: tuple[int, int], image: tuple[int, int], taken: Sequence[Rectangle]
) -> Rectangle | None:
    """Where a label goes: the first free place near its box, else the one that hides least.

    None if that hides more than a quarter of a label.
    """
    width, height = size
    left, top, right, bottom = box
    corners = [(left, top - height), (right + 1 - width, top - height), (left, bottom + 1)]
    corners += [(right + 1 - width, bottom + 1), (left, top), (right + 1 - width, top)]
    corners += [(left, bottom + 1 - height), (right + 1 - width, bottom + 1 - height)]
    corners += [(left, top + step * height) for step in range(1, (bottom - top) // height)]
    corners += [(right + 1, top), (left - width, top)]
    corners += [(left, top - 2 * height), (left, bottom + 1 + height)]
    best, least = None, width * height / 4
    for x, y in corners:
        x = max(0, min(x, image[0] - width))
        y = max(0, min(y, image[1] - height))
        place = (x, y, x + width - 1, y + height - 1)
        hidden = sum(_shared(place, other) for other in taken)
        if hidden < least:
            best, least = place, hidden
        if not hidden:
            break
    return best


def _shared(first: Rectangle, second: Rectangle) -> int:
    """How many pixels two rectangles share."""
    width = min(first[2], second[2]) - max(first[0], second[0]) + 1
    height = min(first[3], second[3]) - max(first[1], second[1]) + 1
    return max(width, 0) * max(height, 0)


def _draw_plate(
    draw: ImageDraw.ImageDraw, plate: Rectangle, text: str, colour: Colour, measures: Measures
) -> None:
    edge = _contrast(colour)
    draw.rectangle(plate, fill=colour, outline=edge, width=measures.halo)
    middle = (plate[1] + plate[3] + 1) / 2
    draw.text((plate[0] + measures.padding, middle), text, edge, measures.font, anchor="lm")
