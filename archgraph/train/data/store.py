"""Images and objects as a few columns, however many there are: what the readers of formats fill.

A Python object for every annotation would take a kilobyte each, and again in every worker.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from archgraph.errors import DataError
from archgraph.train.data.columns import Column, Texts
from archgraph.train.data.images import read_pixels
from archgraph.train.data.problems import Problems, failed
from archgraph.train.records import Flags, Floats, ImageRecord, Integers, Objects, Pixels

UNKNOWN = float("nan")


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

    ids: Column = field(default_factory=lambda: Column("q"))
    names: Texts = field(default_factory=Texts)
    widths: Column = field(default_factory=lambda: Column("q"))
    heights: Column = field(default_factory=lambda: Column("q"))
    entries: Column = field(default_factory=lambda: Column("q"))

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
        images: the index of the image; -1 where the row is left out.
        categories: the id of the class.
        corners: four numbers each, xyxy; pixels.
        areas: NaN where the file says none.
        crowds: 0 or 1.
        entries: see `Objects.entries`.
    """

    images: Column = field(default_factory=lambda: Column("q"))
    categories: Column = field(default_factory=lambda: Column("q"))
    corners: Column = field(default_factory=lambda: Column("d"))
    areas: Column = field(default_factory=lambda: Column("d"))
    crowds: Column = field(default_factory=lambda: Column("b"))
    entries: Column = field(default_factory=lambda: Column("q"))

    def __len__(self) -> int:
        return len(self.images)

    @property
    def boxes_xyxy(self) -> Floats:
        """The corners themselves; shape (N, 4)."""
        return self.corners.values.reshape(-1, 4)

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
        for corner in box_xyxy:
            self.corners.append(corner)
        self.areas.append(area)
        self.crowds.append(crowd)
        self.entries.append(entry)


@dataclass(frozen=True)
class Table:
    """Objects sorted by image; those of image i are rows `starts[i]` to `starts[i + 1]`.

    The arrays are those of columns, so most of them is not in memory.
    """

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
