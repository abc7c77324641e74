"""From what a reader found to a dataset: images looked at, boxes judged, rows sorted."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from archgraph.errors import DataError
from archgraph.train.data.classes import Classes
from archgraph.train.data.columns import Column, blocks, no_flags, zeros
from archgraph.train.data.images import read_size
from archgraph.train.data.problems import Bad, Problems
from archgraph.train.data.store import Images, Rows, StoredDataset, Table, other_size
from archgraph.train.records import Advance, Flags, Floats, Integers

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


def look_at_images(reading: Reading, progress: Advance | None) -> Flags:
    """Open every image, without its pixels: which are good; their sizes are filled in."""
    images, problems = reading.images, reading.problems
    good, hashes = no_flags(len(images)), Column("q")
    for index in range(len(images)):
        name = images.names[index]
        good[index] = _look(reading, index, name)
        hashes.append(hash(name))
        if progress is not None:
            progress(index + 1, len(images))
    for index in np.flatnonzero(repeated(hashes.values)).tolist():
        file, entry = reading.place_of_image(index)
        said = f"'{images.names[index]}' is listed before"
        problems.add("repeated-file", file, entry, said)
    return good


def repeated(numbers: Integers) -> Flags:
    """Which numbers stand before themselves already.

    Only those that are repeated are ever in memory together.
    """
    again, ordered, twice = no_flags(len(numbers)), zeros("q", len(numbers)), Column("q")
    ordered[:] = numbers
    ordered.sort()
    for part in in_blocks(len(numbers)):
        here = ordered[max(part.start - 1, 0) : part.stop]
        twice.extend(here[1:][here[1:] == here[:-1]])
    if len(twice):
        rows = np.concatenate(
            [
                part.start + np.flatnonzero(np.isin(numbers[part], twice.values))
                for part in in_blocks(len(numbers))
            ]
        )
        order = rows[np.argsort(numbers[rows], kind="stable")]
        again[order[1:]] = numbers[order[1:]] == numbers[order[:-1]]
    return again


def in_blocks(count: int) -> Iterator[slice]:
    """All of so many rows, as many at a time as are judged together."""
    return blocks(count, _BLOCK)


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
    keep = _good_rows(reading, rows, good)
    starts, order = _by_image(rows, keep, len(good))
    again = _repeated(rows, starts, order)
    _report(reading, rows, again, "repeated-box", lambda _: "an object before it is the same")
    if bad == "refuse":
        reading.problems.refuse(reading.name)
    elif again.any():
        keep[again] = False
        starts, order = _by_image(rows, keep, len(good))
    images = _kept(reading.images, good)
    table = _table(reading, rows, _of_kept(starts, good), order)
    classes = reading.classes
    return StoredDataset(
        reading.name, classes.names, classes.ids, reading.folder, images, table, reading.problems
    )


def _good_rows(reading: Reading, rows: Rows, good: Flags) -> Flags:
    """Which rows are kept; boxes that reach over the edges are cut."""
    keep, image_of = no_flags(len(rows)), rows.images.values
    for part in in_blocks(len(rows)):
        known = image_of[part] >= 0
        keep[part][known] = good[image_of[part][known]]
        if keep[part].any():
            keep[part] &= _judge(reading, rows, rows.boxes_xyxy[part], part.start, keep[part])
    return keep


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
    image_of = rows.images.values[start : start + len(boxes)]
    width = reading.images.widths.values[image_of].astype(np.float64)
    height = reading.images.heights.values[image_of].astype(np.float64)
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


def _by_image(rows: Rows, keep: Flags, images: int) -> tuple[Integers, Integers]:
    """The rows that are kept, by image, in the order of the file.

    Returns:
        Where the rows of each image start, and at last where they end; the rows.
    """
    image_of, starts = rows.images.values, zeros("q", images + 1)
    for part in in_blocks(len(rows)):
        np.add.at(starts, image_of[part][keep[part]] + 1, 1)
    np.cumsum(starts, out=starts)
    order, free = zeros("q", int(starts[-1])), zeros("q", images)
    free[:] = starts[:-1]
    for part in in_blocks(len(rows)):
        kept = part.start + np.flatnonzero(keep[part])
        kept = kept[np.argsort(image_of[kept], kind="stable")]
        here = image_of[kept]
        # Behind what blocks before this one have of the image, and this one itself.
        order[free[here] + np.arange(len(here)) - np.searchsorted(here, here)] = kept
        np.add.at(free, here, 1)
    return starts, order


def _repeated(rows: Rows, starts: Integers, order: Integers) -> Flags:
    """Which of the rows that are kept repeat an earlier one."""
    again = no_flags(len(rows))
    for part in _whole_images(starts):
        here = order[part]
        image_of, categories = rows.images.values[here], rows.categories.values[here]
        boxes = rows.boxes_xyxy[here]
        # Rows that are alike have one key; rows that have one key are looked at.
        keys = image_of * _PRIME + categories
        for side in range(4):
            keys = keys * _PRIME + boxes[:, side].view(np.int64)
        by_key = np.argsort(keys, kind="stable")
        alike = np.flatnonzero(keys[by_key[1:]] == keys[by_key[:-1]])
        first, second = by_key[alike], by_key[alike + 1]
        same: Flags = np.all(boxes[first] == boxes[second], axis=1)
        same &= (categories[first] == categories[second]) & (image_of[first] == image_of[second])
        again[here[second[same]]] = True
    return again


def _whole_images(starts: Integers) -> Iterator[slice]:
    """Blocks of sorted rows in which no image is apart."""
    first, images = 0, len(starts) - 1
    while first < images:
        most = int(np.searchsorted(starts, starts[first] + _BLOCK, "right")) - 1
        last = max(most, first + 1)
        yield slice(int(starts[first]), int(starts[last]))
        first = last


def _of_kept(starts: Integers, good: Flags) -> Integers:
    """The same of the images that are kept: the others have no rows."""
    kept = Column("q")
    for part in in_blocks(len(good)):
        kept.extend(starts[part][good[part]])
    kept.append(starts[-1])
    return kept.values


def _table(reading: Reading, rows: Rows, starts: Integers, order: Integers) -> Table:
    class_of = reading.classes.class_of()
    known = np.array(sorted(class_of), np.int64)
    numbers = np.array([class_of[i] for i in known.tolist()], np.int64)
    corners, classes, crowds, areas, entries = map(Column, "dqbdq")
    for part in in_blocks(len(order)):
        here = order[part]
        boxes, said = rows.boxes_xyxy[here], rows.areas.values[here]
        whole = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
        corners.extend(boxes)
        classes.extend(numbers[np.searchsorted(known, rows.categories.values[here])])
        crowds.extend(rows.crowds.values[here])
        areas.extend(np.where(np.isnan(said), whole, said))
        entries.extend(rows.entries.values[here])
    return Table(
        starts,
        corners.values.reshape(-1, 4),
        classes.values,
        crowds.values.view(np.bool_),
        areas.values,
        entries.values,
    )
