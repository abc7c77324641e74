"""COCO's json: images, categories and annotations in any order, read entry by entry."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from archgraph.train.data.classes import Ids, number_classes
from archgraph.train.data.columns import Column
from archgraph.train.data.json_entries import json_entries
from archgraph.train.data.masks import box_of_mask
from archgraph.train.data.problems import Bad, Problems, failed, shown
from archgraph.train.data.settle import Reading, in_blocks, look_at_images, repeated, settle, unsafe
from archgraph.train.data.store import UNKNOWN, Images, Rows, StoredDataset
from archgraph.train.records import Advance, Flags

SECTIONS = ("images", "annotations", "categories")
Box = tuple[float, float, float, float]
# How many images are looked for to find their folder.
_TRIED = 20
_LARGEST = 2**62


@dataclass
class _File:
    """What is found in a file, while it is read."""

    path: Path
    problems: Problems
    images: Images = field(default_factory=Images)
    rows: Rows = field(default_factory=Rows)
    categories: dict[int, str] = field(default_factory=dict)
    ids: Column = field(default_factory=lambda: Column("q"))
    id_entries: Column = field(default_factory=lambda: Column("q"))
    refused_images: set[int] = field(default_factory=set)

    def problem(self, kind: str, section: str, index: int, said: str) -> None:
        self.problems.add(kind, self.path, f"{section}[{index}]", said)


def read_coco(
    path: Path,
    root: Path,
    name: str,
    *,
    ids: Ids = "dense",
    bad: Bad = "refuse",
    progress: Advance | None = None,
) -> StoredDataset:
    """A dataset of a file in COCO's format.

    Args:
        path: the file.
        root: the folder of the dataset, in which its images are.
        name: what a person calls it.
        ids: how categories are numbered, see `number_classes`.
        bad: whether entries with errors are refused, or left out.
        progress: told how many images were looked at.

    Raises:
        DataError: the file cannot be read, or has errors that are refused.
    """
    found = _read(path)
    classes = number_classes(found.categories, ids, path)
    folder = _folder_of(path, root, found.images)
    reading = Reading(
        name,
        folder,
        root,
        classes,
        found.images,
        lambda image: (str(path), f"images[{found.images.entries[image]}]"),
        lambda _, entry: (str(path), f"annotations[{entry}]"),
        found.problems,
    )
    again = _given_again(found)
    _find_images(found)
    good = look_at_images(reading, progress)
    good[again] = False
    return settle(reading, found.rows, good, bad)


def _read(path: Path) -> _File:
    found, seen = _File(path, Problems()), set()
    for section, index, entry in json_entries(path):
        seen.add(section)
        if section not in SECTIONS:
            continue
        if index < 0:
            if entry != []:
                message = f"'{section}' of '{path}' is {shown(entry)}, and must be a list"
                raise failed("E501", message)
        elif not isinstance(entry, dict):
            found.problem("entry", section, index, f"{shown(entry)} is no object of JSON")
        else:
            _ADD[section](found, index, entry)
    if "images" not in seen or ("annotations" in seen and "categories" not in seen):
        lacking = "images" if "images" not in seen else "categories"
        hint = "a file of COCO has images, annotations and categories"
        raise failed("E501", f"'{path}' has no '{lacking}'", hint)
    return found


def _add_category(found: _File, index: int, entry: Mapping[str, Any]) -> None:
    number, name = _integer(entry.get("id")), entry.get("name")
    if number is None or not isinstance(name, str):
        said = _lacking(entry, {"id": "an integer", "name": "a text"})
        found.problem("field", "categories", index, said)
    elif number in found.categories:
        found.problem("repeated-class", "categories", index, f"id {number} is given before")
    else:
        if name in found.categories.values():
            said = f"another class is called {shown(name)}"
            found.problem("repeated-name", "categories", index, said)
        found.categories[number] = name


def _add_image(found: _File, index: int, entry: Mapping[str, Any]) -> None:
    number, name = _integer(entry.get("id")), entry.get("file_name")
    if number is None or not isinstance(name, str):
        said = _lacking(entry, {"id": "an integer", "file_name": "a text"})
        found.problem("field", "images", index, said)
        if number is not None:
            found.refused_images.add(number)
        return
    size = [_integer(entry.get(key)) for key in ("width", "height")]
    given = [key for key in ("width", "height") if entry.get(key) is not None]
    if any(s is None or not 0 < s < _LARGEST for s in size) and given:
        said = f"'width' and 'height' are {shown([entry.get(k) for k in ('width', 'height')])}"
        found.problem("field", "images", index, f"{said}, and must be integers above 0")
        found.refused_images.add(number)
        return
    found.images.add(number, name, size[0] or 0, size[1] or 0, index)


def _add_annotation(found: _File, index: int, entry: Mapping[str, Any]) -> None:
    image, category = _integer(entry.get("image_id")), _integer(entry.get("category_id"))
    if image is None or category is None:
        said = _lacking(entry, {"image_id": "an integer", "category_id": "an integer"})
        found.problem("field", "annotations", index, said)
        return
    crowd, area = entry.get("iscrowd", 0), entry.get("area")
    if crowd not in (0, 1) or not isinstance(crowd, (int, float)):
        said = f"'iscrowd' is {shown(crowd)}, and must be 0 or 1"
        found.problem("field", "annotations", index, said)
        return
    area = UNKNOWN if area is None else _number(area)
    if area is None or (entry.get("area") is not None and not 0 <= area < math.inf):
        said = f"'area' is {shown(entry['area'])}, and must be a number from 0 on"
        found.problem("field", "annotations", index, said)
        return
    box = _box(found, index, entry)
    if box is None:
        return
    found.rows.add(image, category, box, area, int(crowd), index)
    number = _integer(entry.get("id"))
    if number is not None:
        found.ids.append(number)
        found.id_entries.append(index)


def _box(found: _File, index: int, entry: Mapping[str, Any]) -> Box | None:
    """The box as xyxy, of outline or mask where there is no other; None with a problem."""
    given = entry.get("bbox")
    if given is None or given == []:
        return _box_of_shape(found, index, entry.get("segmentation"))
    numbers = [_number(n) for n in given] if isinstance(given, list) else []
    if len(numbers) != 4 or None in numbers:
        said = f"'bbox' is {shown(given)}, and must be [left, top, width, height]"
        found.problem("field", "annotations", index, said)
        return None
    left, top, width, height = (n for n in numbers if n is not None)
    return left, top, left + width, top + height


def _box_of_shape(found: _File, index: int, shape: object) -> Box | None:
    kind, said, box = "from-outline", "'bbox' is missing", _box_of_outline(shape)
    if isinstance(shape, dict):
        try:
            kind, box = "from-mask", box_of_mask(shape)
        except ValueError as error:
            said += f", and the mask gives none: {error}"
    found.problem("field" if box is None else kind, "annotations", index, said)
    return box


def _box_of_outline(outline: object) -> Box | None:
    if not isinstance(outline, list) or not outline:
        return None
    points: list[float] = []
    for polygon in outline:
        if not isinstance(polygon, list) or len(polygon) < 6 or len(polygon) % 2:
            return None
        numbers = [n for n in map(_number, polygon) if n is not None and math.isfinite(n)]
        if len(numbers) != len(polygon):
            return None
        points += numbers
    return min(points[::2]), min(points[1::2]), max(points[::2]), max(points[1::2])


_ADD = {"images": _add_image, "categories": _add_category, "annotations": _add_annotation}


def _integer(value: object) -> int | None:
    """An integer, as 3 or 3.0, that fits 64 bits; None for anything else."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) >= _LARGEST:
        return None
    return value


def _number(value: object) -> float | None:
    """A number; infinite where it is larger than any; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def _lacking(entry: Mapping[str, Any], needed: Mapping[str, str]) -> str:
    """What is wrong with fields that are missing or of a wrong type."""
    said = []
    for key, what in needed.items():
        good = _integer(entry.get(key)) is not None
        if what == "a text":
            good = isinstance(entry.get(key), str)
        if key not in entry:
            said.append(f"'{key}' is missing")
        elif not good:
            said.append(f"'{key}' is {shown(entry[key])}, and must be {what}")
    return "; ".join(said)


def _given_again(found: _File) -> Flags:
    """Which images have the id of one before them."""
    again = repeated(found.images.ids.values)
    for image in np.flatnonzero(again).tolist():
        said = f"id {found.images.ids[image]} is given before"
        found.problem("repeated-image", "images", found.images.entries[image], said)
    for row in np.flatnonzero(repeated(found.ids.values)).tolist():
        said = f"id {found.ids[row]} is given before"
        found.problem("repeated-id", "annotations", found.id_entries[row], said)
    return again


def _find_images(found: _File) -> None:
    """Make indices of the ids of images; rows of images or classes that are not listed go out."""
    ids, rows = found.images.ids.values, found.rows
    order = np.argsort(ids, kind="stable")
    ordered, known = ids[order], sorted(found.categories)
    for part in in_blocks(len(rows)):
        wanted = rows.images.values[part]
        index = np.zeros(len(wanted), np.int64)
        on_image = np.zeros(len(wanted), np.bool_)
        if len(ids):
            index = order[np.minimum(np.searchsorted(ordered, wanted), len(ids) - 1)]
            on_image = ids[index] == wanted
        of_class = np.isin(rows.categories.values[part], known)
        _report_unknown(found, part.start, on_image, of_class)
        wanted[:] = np.where(on_image & of_class, index, -1)


def _report_unknown(found: _File, start: int, on_image: Flags, of_class: Flags) -> None:
    rows = found.rows
    for row in (start + np.flatnonzero(~on_image)).tolist():
        if rows.images[row] not in found.refused_images:
            said = f"'image_id' is {rows.images[row]}, which no image has"
            found.problem("unknown-image", "annotations", rows.entries[row], said)
    for row in (start + np.flatnonzero(~of_class & on_image)).tolist():
        said = f"'category_id' is {rows.categories[row]}, which no category has"
        found.problem("unknown-class", "annotations", rows.entries[row], said)


def _folder_of(path: Path, root: Path, images: Images) -> Path:
    """The folder in which the first images are.

    Raises:
        DataError: E504, they are in none that comes into question.
    """
    names = [images.names[i] for i in range(min(len(images), _TRIED))]
    folders = _folders(path, root)
    hits = [sum(_is_there(folder, root, name) for name in names) for folder in folders]
    best = max(range(len(folders)), key=lambda i: hits[i])
    if hits[best] or not names or any(unsafe(name, root, root) for name in names):
        return folders[best]
    tried = ", ".join(f"'{folder}'" for folder in folders)
    message = f"no image of '{path}', such as {shown(names[0])}, is in {tried}"
    raise failed("E504", message, "put the images beside the file, or into 'images'")


def _folders(path: Path, root: Path) -> Sequence[Path]:
    split = path.stem.rpartition("_")[2]
    named = [root / split, root / "images" / split, root / path.stem, root / "images"]
    return [f for f in dict.fromkeys([*named, root, path.parent]) if f.is_dir()]


def _is_there(folder: Path, root: Path, name: str) -> bool:
    return not unsafe(name, folder, root) and os.path.isfile(folder / name)  # noqa: PTH113
