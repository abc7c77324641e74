"""Images and objects as a few arrays, however many there are: what the readers of formats fill.

A Python object for every annotation would take a kilobyte each, and again in every worker.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archgraph.errors import DataError
from archgraph.train.data.images import read_pixels
from archgraph.train.data.problems import Problems, failed
from archgraph.train.records import Flags, Floats, ImageRecord, Integers, Objects, Pixels

UNKNOWN = float("nan")


class Texts:
    """Many short texts in one block of bytes."""

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._ends = array("q")

    def __len__(self) -> int:
        return len(self._ends)

    def append(self, text: str) -> None:
        self._bytes += text.encode("utf-8", "surrogatepass")
        self._ends.append(len(self._bytes))

    def __getitem__(self, index: int) -> str:
        start = self._ends[index - 1] if index else 0
        return bytes(self._bytes[start : self._ends[index]]).decode("utf-8", "surrogatepass")


@dataclass
class Images:
    """The images of a dataset while it is read, and after.

    Attributes:
        ids: COCO's, or a running number.
        names: relative to the folder of the images.
        widths: as the file says, 0 where it does not.
        heights: likewise.
        entries: which entry of the file each is.
    """

    ids: array[int] = field(default_factory=lambda: array("q"))
    names: Texts = field(default_factory=Texts)
    widths: array[int] = field(default_factory=lambda: array("q"))
    heights: array[int] = field(default_factory=lambda: array("q"))
    entries: array[int] = field(default_factory=lambda: array("q"))

    def __len__(self) -> int:
        return len(self.ids)

    def add(self, image_id: int, name: str, width: int, height: int, entry: int) -> None:
        self.ids.append(image_id)
        self.names.append(name)
        self.widths.append(width)
        self.heights.append(height)
        self.entries.append(entry)


@dataclass
class Rows:
    """Objects in the order of the file, before it is known which of them are any good.

    Attributes:
        images: the index of the image, or its id until `chosen`.
        categories: the id of the class.
        boxes: four numbers each, xyxy; pixels.
        areas: NaN where the file says none.
        crowds: 0 or 1.
        entries: see `Objects.entries`.
    """

    images: array[int] = field(default_factory=lambda: array("q"))
    categories: array[int] = field(default_factory=lambda: array("q"))
    boxes: array[float] = field(default_factory=lambda: array("d"))
    areas: array[float] = field(default_factory=lambda: array("d"))
    crowds: array[int] = field(default_factory=lambda: array("b"))
    entries: array[int] = field(default_factory=lambda: array("q"))

    def __len__(self) -> int:
        return len(self.images)

    def add(
        self,
        image: int,
        category: int,
        box_xyxy: tuple[float, float, float, float],
        area: float,
        crowd: int,
        entry: int,
    ) -> None:
        self.images.append(image)
        self.categories.append(category)
        self.boxes.extend(box_xyxy)
        self.areas.append(area)
        self.crowds.append(crowd)
        self.entries.append(entry)

    def chosen(self, wanted: Flags, images: Integers) -> Rows:
        """The rows that are wanted.

        Args:
            wanted: one for each row.
            images: the image of each row, which is wanted or not.
        """
        if wanted.all():
            self.images = _packed("q", images)
            return self
        return Rows(
            _packed("q", images[wanted]),
            _packed("q", as_array(self.categories)[wanted]),
            _packed("d", as_array(self.boxes).reshape(-1, 4)[wanted]),
            _packed("d", as_array(self.areas)[wanted]),
            _packed("b", as_array(self.crowds)[wanted]),
            _packed("q", as_array(self.entries)[wanted]),
        )


def _packed(kind: str, values: NDArray[Any]) -> array[Any]:
    packed = array(kind)
    packed.frombytes(values.tobytes())
    return packed


def as_array(packed: array[Any]) -> NDArray[Any]:
    """The numbers themselves, not a copy: what is written to one is written to the other."""
    return np.frombuffer(packed, np.dtype(packed.typecode))


@dataclass(frozen=True)
class Table:
    """Objects sorted by image; those of image i are rows `starts[i]` to `starts[i + 1]`."""

    starts: Integers
    boxes_xyxy: Floats
    classes: Integers
    crowds: Flags
    areas: Floats
    entries: Integers

    def objects(self, index: int) -> Objects:
        rows = slice(self.starts[index], self.starts[index + 1])
        return Objects(
            self.boxes_xyxy[rows].copy(),
            self.classes[rows].copy(),
            self.crowds[rows].copy(),
            self.areas[rows].copy(),
            self.entries[rows].copy(),
        )


@dataclass(frozen=True)
class StoredDataset:
    """A dataset of files; see `Dataset`. It holds no open file, so workers can have copies.

    Attributes:
        name: what a person calls it.
        class_names: one for each class.
        category_ids: one for each class.
        folder: what the names of images are relative to.
        images: all of them.
        table: their objects.
        problems: what was found, and left out where it is an error.
    """

    name: str
    class_names: tuple[str, ...]
    category_ids: tuple[int, ...]
    folder: Path
    images: Images
    table: Table
    problems: Problems

    def __len__(self) -> int:
        return len(self.images)

    def record(self, index: int) -> ImageRecord:
        """What is known of an image without reading it."""
        index = range(len(self))[index]
        name = self.images.names[index]
        return ImageRecord(
            self.images.ids[index],
            name,
            self.folder / name,
            self.images.widths[index],
            self.images.heights[index],
            self.table.objects(index),
        )

    def pixels(self, index: int) -> Pixels:
        """The image as a person sees it; shape (height, width, 3).

        Raises:
            DataError: E505, it cannot be read; E506, it is not of the size that the boxes are for.
        """
        index = range(len(self))[index]
        path = self.folder / self.images.names[index]
        pixels = read_pixels(path)
        height, width = pixels.shape[:2]
        said = self.images.widths[index], self.images.heights[index]
        if said != (width, height):
            raise other_size(path, said, (width, height))
        return pixels


def other_size(path: Path, said: tuple[int, int], is_: tuple[int, int]) -> DataError:
    """An image that has changed since it was annotated, or is turned by its EXIF block."""
    hint = "its EXIF block turns it" if said == is_[::-1] else ""
    what = f"'{path}' is {is_[0]}x{is_[1]}, but its boxes are for {said[0]}x{said[1]}"
    return failed("E506", what, hint)
