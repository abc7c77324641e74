"""YOLO's text files, in the layout of Ultralytics: a yaml, `images/` and `labels/` side by side.

A line is a class, from 0, and centre, width and height as shares of the image, or a class and the
corners of an outline, whose box is taken.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from archgraph.errors import DataError, Diagnostic, SpecError, suggest
from archgraph.spec.reader import read_documents
from archgraph.train.data.classes import MOST_CLASSES, Ids, number_classes
from archgraph.train.data.folder import image_names
from archgraph.train.data.images import is_image
from archgraph.train.data.problems import Bad, Problems, failed, shown
from archgraph.train.data.settle import Reading, look_at_images, settle, unsafe
from archgraph.train.data.store import UNKNOWN, Images, Rows, StoredDataset
from archgraph.train.records import Advance, Flags

PARTS = ("train", "val", "test")
# Ultralytics takes what is over by rounding.
_MOST_SHARE = 1.01
_MOST_BYTES = 1 << 24
_NUMBER = re.compile(r"[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)?|[-+]?(nan|inf|infinity)", re.I)
_LINE_HINT = "a line is: class, centre x, centre y, width, height"


def find_yaml(path: Path) -> Path:
    """The yaml of a dataset: the path itself, or the one file in the folder.

    Raises:
        DataError: E500, there is none, or there are several.
    """
    if path.is_file():
        return path
    for name in ("data.yaml", "dataset.yaml", "data.yml"):
        if (path / name).is_file():
            return path / name
    found = sorted(p for p in path.glob("*") if p.suffix in (".yaml", ".yml"))
    if len(found) == 1:
        return found[0]
    if found:
        hint = "write " + ", ".join(f"yolo:{file}" for file in found)
        raise failed("E500", f"'{path}' holds {len(found)} yaml files", hint)
    hint = "it says where the images are and what the classes are called"
    raise failed("E500", f"'{path}' holds no data.yaml", hint)


def read_yolo(
    file: Path,
    part: str,
    name: str,
    *,
    ids: Ids = "dense",
    bad: Bad = "refuse",
    progress: Advance | None = None,
) -> StoredDataset:
    """A dataset of YOLO's text files.

    Args:
        file: the yaml.
        part: `train`, `val` or `test`; all of them if "".
        name: what a person calls it.
        ids: how classes are numbered, see `number_classes`.
        bad: whether lines and images with errors are refused, or left out.
        progress: told how many images were looked at.

    Raises:
        DataError: a file cannot be read, or there are errors that are refused.
    """
    settings = _settings(file)
    names = _class_names(file, settings)
    root = _root(file, settings)
    images = Images()
    for index, image in enumerate(dict.fromkeys(_images(file, settings, root, part))):
        images.add(index, image, 0, 0, index)
    if not images:
        raise failed("E500", f"'{name}' holds no images", f"'{file}' says where they are")
    reading = Reading(
        name,
        root,
        root,
        number_classes(names, ids, file),
        images,
        lambda index: (images.names[index], ""),
        lambda index, line: (str(_label_file(root, images.names[index])), f"line {line}"),
        Problems(),
    )
    good = look_at_images(reading, progress)
    return settle(reading, _labels(reading, good, names), good, bad)


def _settings(file: Path) -> Mapping[str, object]:
    try:
        content = file.read_bytes()
        return read_documents(content, str(file))[0].data
    except OSError as error:
        raise failed("E501", f"cannot read '{file}': {error.strerror or error}") from None
    except SpecError as error:
        found = [Diagnostic("E501", d.message, d.location) for d in error.diagnostics]
        raise DataError(found) from None


def _class_names(file: Path, settings: Mapping[str, object]) -> Mapping[int, str]:
    names, count = settings.get("names"), settings.get("nc")
    if count is not None and (not isinstance(count, int) or not 0 <= count <= MOST_CLASSES):
        raise failed("E501", f"'nc' of '{file}' is {shown(count)}, and must be a number of classes")
    if names is None and isinstance(count, int):
        return {index: f"class{index}" for index in range(count)}
    if isinstance(names, list):
        found = {index: str(name) for index, name in enumerate(names)}
    elif isinstance(names, dict) and all(re.fullmatch(r"\d{1,9}", key) for key in names):
        found = {int(key): str(name) for key, name in names.items()}
    else:
        hint = "names: [person, car], or a map from numbers: {0: person, 1: car}"
        raise failed("E501", f"'{file}' has no 'names' of classes", hint)
    if isinstance(count, int) and count != len(found):
        raise failed("E501", f"'{file}' names {len(found)} classes, and says nc: {count}")
    return found


def _root(file: Path, settings: Mapping[str, object]) -> Path:
    """The folder that the yaml means; relative to the yaml, or the yaml's own."""
    given = settings.get("path")
    if given is None:
        return file.parent
    if not isinstance(given, str) or "\0" in given:
        raise failed("E501", f"'path' of '{file}' is {shown(given)}, and must be a folder")
    # Ultralytics looks from a folder of its settings; data that was moved lies beside its yaml.
    root = file.parent / given
    return root if os.path.isdir(root) else file.parent  # noqa: PTH112 - any name may come


def parts_of(file: Path) -> list[str]:
    """The parts that a yaml says. Raises DataError, E501, where it cannot be read."""
    settings = _settings(file)
    return [key for key in PARTS if settings.get(key) is not None]


def _images(file: Path, settings: Mapping[str, object], root: Path, part: str) -> Iterator[str]:
    """The names of all images, relative to the root."""
    known = [key for key in PARTS if settings.get(key) is not None]
    if part and part not in known:
        hint = suggest(part, known, "it has")
        raise failed("E500", f"'{file}' has no part '{part}'", hint)
    if not known:
        hint = "train: images/train, relative to 'path' or to the yaml"
        raise failed("E501", f"'{file}' says neither train, val nor test", hint)
    for key in [part] if part else known:
        given = settings[key]
        for entry in given if isinstance(given, list) else [given]:
            if not isinstance(entry, str):
                message = f"'{key}' of '{file}' is {shown(entry)}, and must be a path"
                raise failed("E501", message)
            yield from _images_of(_place(file, key, root, entry), root)


def _place(file: Path, key: str, root: Path, entry: str) -> Path:
    """A folder of images, or a list of them."""
    for name in dict.fromkeys([entry.removeprefix("../"), entry]):
        if not unsafe(name, root, root) and os.path.exists(root / name):  # noqa: PTH110
            return root / name
    why = unsafe(entry, root, root) or f"there is no '{root / entry}'"
    raise failed("E504", f"'{key}' of '{file}' is {shown(entry)}: {why}")


def _images_of(place: Path, root: Path) -> Iterator[str]:
    inner = Path(os.path.relpath(place, root))
    if place.is_dir():
        for name in image_names(place):
            yield (inner / name).as_posix()
        return
    if is_image(place):
        yield inner.as_posix()
        return
    for line in _text(place).splitlines():
        if line.strip():
            given = line.strip()
            # A list says its images from its own folder with ./, else from the root.
            above = inner.parent if given.startswith("./") else Path()
            absolute = Path(given).is_absolute()
            yield os.path.relpath(given, root) if absolute else (above / given).as_posix()


def _text(file: Path) -> str:
    """The text of a small file.

    Raises:
        DataError: E501, it cannot be read, is not UTF-8, or is not small.
    """
    try:
        if file.stat().st_size > _MOST_BYTES:
            raise failed("E501", f"'{file}' has more than {_MOST_BYTES:,} bytes")
        return file.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise failed("E501", f"cannot read '{file}': {error.strerror or error}") from None
    except UnicodeDecodeError as error:
        message = f"'{file}' is not UTF-8 at byte {error.start:,}"
        raise failed("E501", message, "save it as UTF-8") from None


def _label_file(root: Path, image: str) -> Path:
    """Where the objects of an image are: `labels` in place of the last `images` of its path."""
    path = root / image
    parts = list(path.parts)
    places = [i for i, part in enumerate(parts[:-1]) if part == "images"]
    if places:
        parts[places[-1]] = "labels"
    return Path(*parts).with_suffix(".txt")


def _labels(reading: Reading, good: Flags, names: Mapping[int, str]) -> Rows:
    rows, found = Rows(), 0
    for index in range(len(reading.images)):
        file = _label_file(reading.root, reading.images.names[index])
        if not good[index] or not os.path.isfile(file):  # noqa: PTH113
            continue
        found += 1
        try:
            lines = _text(file).splitlines()
        except DataError as error:
            reading.problems.add("entry", file, "", error.diagnostics[0].message)
            continue
        for number, line in enumerate(lines, start=1):
            if line.strip():
                _add(reading, rows, index, number, line, names)
    if not found and good.any():
        expected = _label_file(reading.root, reading.images.names[int(good.argmax())])
        message = f"no image of '{reading.name}' has a file of labels, such as '{expected}'"
        raise failed("E500", message, "images/a.jpg has labels/a.txt; without: folder:DIR")
    return rows


def _add(
    reading: Reading, rows: Rows, index: int, number: int, line: str, names: Mapping[int, str]
) -> None:
    file = _label_file(reading.root, reading.images.names[index])
    where = f"line {number}"
    words = line.split()
    if not all(map(_NUMBER.fullmatch, words)):
        wrong = next(word for word in words if not _NUMBER.fullmatch(word))
        said = f"{shown(wrong)} is no number; numbers stand apart by blanks"
        reading.problems.add("field", file, where, said)
        return
    category, *shares = map(float, words)
    if category not in names:
        said = f"the class is {words[0]}, and classes are 0 to {max(names, default=0)}"
        reading.problems.add("unknown-class", file, where, said)
    elif len(shares) == 4 or (len(shares) >= 6 and len(shares) % 2 == 0):
        if any(math.isfinite(share) and share > _MOST_SHARE for share in shares):
            said = f"{max(shares):.6g} is no share of the image: are these pixels?"
            reading.problems.add("not-normalised", file, where, said)
            return
        box = _box(shares)
        width, height = reading.images.widths[index], reading.images.heights[index]
        left, top, right, bottom = box
        pixels = (left * width, top * height, right * width, bottom * height)
        rows.add(index, int(category), pixels, UNKNOWN, 0, number)
    else:
        hint = "; the sixth may be a score" if len(words) == 6 else ""
        said = f"{len(words)} numbers{hint}; {_LINE_HINT}"
        reading.problems.add("field", file, where, said)


def _box(shares: Sequence[float]) -> tuple[float, float, float, float]:
    """Shares as xyxy: of centre and size, or of the corners of an outline."""
    if len(shares) == 4:
        x, y, width, height = shares
        return x - width / 2, y - height / 2, x + width / 2, y + height / 2
    if not all(map(math.isfinite, shares)):
        return math.nan, math.nan, math.nan, math.nan
    return min(shares[::2]), min(shares[1::2]), max(shares[::2]), max(shares[1::2])
