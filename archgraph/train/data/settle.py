"""From what a reader found to a dataset: images looked at, boxes judged, rows sorted."""

from __future__ import annotations

import os
from array import array
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from archgraph.errors import DataError
from archgraph.train.data.classes import Classes
from archgraph.train.data.images import read_size
from archgraph.train.data.problems import Bad, Problems
from archgraph.train.data.store import Images, Rows, StoredDataset, Table, as_array, other_size
from archgraph.train.records import Flags, Floats, Integers

# How much is done, and how much there is.
Progress = Callable[[int, int], None]
# Where an object is said: its image and its entry -> the file, and what of it.
Place = Callable[[int, int], tuple[str, str]]
# Boxes of COCO's own files reach over the edge by the rounding of their outlines.
TOLERANCE = 1.0
# Boxes are judged so many at a time: what that needs does not grow with their number.
_BLOCK = 1 << 14
# Makes one number of six; overflow wraps around.
_PRIME = 1_000_000_007


@dataclass(frozen=True)
class Reading:
    """What a reader found in the files of a dataset.

    Attributes:
        name: what a person calls the dataset.
        folder: what the names of images are relative to.
        root: what no name of an image may lead out of.
        classes: what the ids of rows mean.
        images: all of them.
        place_of_image: where an image is said.
        place: where an object is said.
        problems: what was found so far.
    """

    name: str
    folder: Path
    root: Path
    classes: Classes
    images: Images
    place_of_image: Callable[[int], tuple[str, str]]
    place: Place
    problems: Problems


def look_at_images(reading: Reading, progress: Progress | None) -> Flags:
    """Open every image, without its pixels: which are good; their sizes are filled in."""
    images, problems = reading.images, reading.problems
    good = np.ones(len(images), np.bool_)
    hashes = array("q")
    for index in range(len(images)):
        name = images.names[index]
        good[index] = _look(reading, index, name)
        hashes.append(hash(name))
        if progress is not None:
            progress(index + 1, len(images))
    for index in np.flatnonzero(repeated(as_array(hashes))).tolist():
        file, entry = reading.place_of_image(index)
        said = f"'{images.names[index]}' is listed before"
        problems.add("repeated-file", file, entry, said)
    return good


def repeated(numbers: Integers) -> Flags:
    """Which numbers stand before themselves already."""
    order = np.argsort(numbers, kind="stable")
    again = np.zeros(len(numbers), np.bool_)
    again[order[1:]] = numbers[order[1:]] == numbers[order[:-1]]
    return again


def _look(reading: Reading, index: int, name: str) -> bool:
    images, problems = reading.images, reading.problems
    file, entry = reading.place_of_image(index)
    if why := unsafe(name, reading.folder, reading.root):
        problems.add("path", file, entry, why)
        return False
    path = reading.folder / name
    said = images.widths[index], images.heights[index]
    try:
        size = read_size(path)
    except DataError as error:
        kind = "image" if os.path.exists(path) else "no-image"  # noqa: PTH110
        problems.add(kind, file, entry, error.diagnostics[0].message)
        return False
    if said != size and all(said):
        found = other_size(path, said, size).diagnostics[0]
        problems.add("size", file, entry, "; ".join(filter(None, (found.message, found.hint))))
        return False
    images.widths[index], images.heights[index] = size
    return True


def unsafe(name: str, folder: Path, root: Path) -> str:
    """Why a name of a file is not followed; "" where it is."""
    if not name.strip() or "\0" in name:
        return "no file can be called so"
    try:
        whole = os.path.normpath(os.path.join(folder.absolute(), name))  # noqa: PTH118
        os.fsencode(whole)
    except ValueError:
        return "no file can be called so"
    if not Path(whole).is_relative_to(os.path.normpath(root.absolute())):
        return f"'{name}' leads out of the folder of the dataset, '{root}'"
    return ""


def settle(reading: Reading, rows: Rows, good: Flags, bad: Bad) -> StoredDataset:
    """The dataset, with all that is left out left out.

    Args:
        reading: of the files.
        rows: the objects; `images` are indices, of images that are listed.
        good: which images can be read.
        bad: whether errors are refused, or what has them is left out.

    Raises:
        DataError: `bad` is `refuse`, and there are errors.
    """
    boxes = as_array(rows.boxes).reshape(-1, 4)
    image_of = as_array(rows.images)
    keep = good[image_of]
    for start in range(0, len(boxes), _BLOCK):
        part = slice(start, start + _BLOCK)
        keep[part] &= _judge(reading, rows, boxes[part], start, keep[part])
    again = _repeated(boxes, image_of, as_array(rows.categories), keep)
    _report(reading, rows, again, "repeated-box", lambda _: "an object before it is the same")
    if bad == "refuse":
        reading.problems.refuse(reading.name)
    else:
        keep &= ~again
    images = _kept(reading.images, good)
    table = _sorted(reading, rows, boxes, np.cumsum(good)[image_of] - 1, keep, len(images))
    classes = reading.classes
    return StoredDataset(
        reading.name, classes.names, classes.ids, reading.folder, images, table, reading.problems
    )


def _kept(images: Images, good: Flags) -> Images:
    if good.all():
        return images
    kept = Images()
    for index in np.flatnonzero(good).tolist():
        size = images.widths[index], images.heights[index]
        kept.add(images.ids[index], images.names[index], *size, images.entries[index])
    return kept


def _judge(reading: Reading, rows: Rows, boxes: Floats, start: int, keep: Flags) -> Flags:
    """Which boxes are good, from row `start` on; what reaches over the edges is cut, in place."""
    image_of = as_array(rows.images)[start : start + len(boxes)]
    width = as_array(reading.images.widths)[image_of].astype(np.float64)
    height = as_array(reading.images.heights)[image_of].astype(np.float64)
    edges = np.stack([width, height, width, height], axis=1)
    good, left = np.ones(len(boxes), np.bool_), keep.copy()
    finite: Flags = np.all(np.isfinite(boxes), axis=1)
    whole = np.where(finite[:, None], boxes, 0)
    size = whole[:, 2:] - whole[:, :2]
    outside: Flags = np.any((boxes[:, 2:] <= 0) | (boxes[:, :2] >= edges[:, :2]), axis=1)
    tests = (
        ("not-finite", ~finite),
        ("inverted", np.any(size < 0, axis=1)),
        ("outside", outside),
        ("empty-box", np.any(size == 0, axis=1)),
    )
    for kind, wrong in tests:
        wrong = wrong & left
        _report(reading, rows, wrong, kind, lambda row: _said(boxes[row], edges[row]), start)
        good &= ~wrong
        left &= ~wrong
    beyond = (boxes < -TOLERANCE) | (boxes > edges + TOLERANCE)
    over: Flags = np.any(beyond, axis=1) & left
    _report(reading, rows, over, "clipped", lambda row: _said(boxes[row], edges[row]), start)
    boxes[over] = np.clip(boxes[over], 0, edges[over])
    return good


def _said(box: Floats, edges: Floats) -> str:
    numbers = ", ".join(f"{number:.6g}" for number in box)
    return f"the box [{numbers}] (xyxy) of an image of {edges[0]:.0f}x{edges[1]:.0f}"


def _report(
    reading: Reading,
    rows: Rows,
    wrong: Flags,
    kind: str,
    said: Callable[[int], str],
    start: int = 0,
) -> None:
    """Add every row that is marked, from row `start` on; the first of them with words."""
    places = np.flatnonzero(wrong)
    named = 0
    for row in places.tolist():
        if not reading.problems.room_for(kind):
            break
        file, entry = reading.place(rows.images[start + row], rows.entries[start + row])
        reading.problems.add(kind, file, entry, said(row))
        named += 1
    reading.problems.add_many(kind, len(places) - named)


def _repeated(boxes: Floats, image_of: Integers, categories: Integers, keep: Flags) -> Flags:
    """Which of the rows that are kept repeat an earlier one."""
    rows = np.flatnonzero(keep)
    # Rows that are alike have one key; rows that have one key are looked at.
    keys = image_of[rows] * _PRIME + categories[rows]
    for side in range(4):
        keys = keys * _PRIME + boxes[rows, side].view(np.int64)
    order = np.argsort(keys, kind="stable")
    alike = np.flatnonzero(keys[order[1:]] == keys[order[:-1]])
    first, second = rows[order[alike]], rows[order[alike + 1]]
    same: Flags = np.all(boxes[first] == boxes[second], axis=1)
    same &= (categories[first] == categories[second]) & (image_of[first] == image_of[second])
    again = np.zeros(len(boxes), np.bool_)
    again[second[same]] = True
    return again


def _sorted(
    reading: Reading, rows: Rows, boxes: Floats, image_of: Integers, keep: Flags, images: int
) -> Table:
    """The rows that are kept, by image, in the order of the file."""
    chosen = np.flatnonzero(keep)
    chosen = chosen[np.argsort(image_of[chosen], kind="stable")]
    starts = np.searchsorted(image_of[chosen], np.arange(images + 1))
    class_of = reading.classes.class_of()
    known = np.array(sorted(class_of), np.int64)
    numbers = np.array([class_of[i] for i in known.tolist()], np.int64)
    categories = as_array(rows.categories)[chosen]
    classes = numbers[np.searchsorted(known, categories)] if len(chosen) else categories
    kept = boxes[chosen]
    areas = as_array(rows.areas)[chosen]
    whole = (kept[:, 2] - kept[:, 0]) * (kept[:, 3] - kept[:, 1])
    return Table(
        starts.astype(np.int64),
        kept,
        classes,
        as_array(rows.crowds)[chosen].astype(np.bool_),
        np.where(np.isnan(areas), whole, areas),
        as_array(rows.entries)[chosen],
    )
