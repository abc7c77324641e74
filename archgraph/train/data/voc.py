"""Pascal VOC's xml: `Annotations/`, `JPEGImages/` and `ImageSets/Main/`, or xml beside images."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args
from xml.etree.ElementTree import Element

import numpy as np

from archgraph.errors import DataError, suggest
from archgraph.train.data.classes import Ids, number_classes
from archgraph.train.data.columns import Texts
from archgraph.train.data.images import SUFFIXES
from archgraph.train.data.problems import Bad, Problems, failed, shown
from archgraph.train.data.settle import Reading, in_blocks, look_at_images, settle, unsafe
from archgraph.train.data.store import UNKNOWN, Images, Rows, StoredDataset
from archgraph.train.data.xml_tree import parse_xml
from archgraph.train.records import Advance

# What xmin, ymin, xmax and ymax are:
#   inclusive   pixels counted from 1, both of them in the box: xmin - 1, ymin - 1, xmax, ymax.
#               What the development kit says, and Detectron2 does.
#   shifted     one less each, as effdet has it; boxes are a pixel too small.
#   verbatim    as they are, as google/automl has it; boxes lie half a pixel off.
Corners = Literal["inclusive", "shifted", "verbatim"]
_SHIFTS: dict[str, tuple[int, int]] = {"inclusive": (1, 0), "shifted": (1, 1), "verbatim": (0, 0)}
# The classes of the challenge; a part of it that lacks some has the same numbers.
CHALLENGE = (
    "aeroplane bicycle bird boat bottle bus car cat chair cow diningtable dog horse motorbike "
    "person pottedplant sheep sofa train tvmonitor"
).split()
_NUMBER = re.compile(r"\s*[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)?\s*|\s*[-+]?(nan|inf)\s*", re.I)
_SIDES = ("xmin", "ymin", "xmax", "ymax")


@dataclass
class _Files:
    """What is found in the files, while they are read."""

    folder: Path
    problems: Problems
    shift: tuple[int, int]
    images: Images = field(default_factory=Images)
    stems: Texts = field(default_factory=Texts)
    rows: Rows = field(default_factory=Rows)
    # Names in the order in which they come; rows hold places in it.
    names: dict[str, int] = field(default_factory=dict)

    def file(self, stem: str) -> Path:
        return self.folder / f"{stem}.xml"


def read_voc(
    root: Path,
    part: str,
    name: str,
    *,
    ids: Ids = "dense",
    bad: Bad = "refuse",
    corners: Corners = "inclusive",
    progress: Advance | None = None,
) -> StoredDataset:
    """A dataset of VOC's xml files.

    The classes are those of all files, by name, or the challenge's twenty where it has no others;
    so every part of a dataset has the same. Ids are from 1.

    Args:
        root: the folder that holds `Annotations`, or xml and images together.
        part: a list of `ImageSets/Main`, such as `trainval`; all files if "".
        name: what a person calls it.
        ids: how classes are numbered, see `number_classes`.
        bad: whether files and objects with errors are refused, or left out.
        corners: what the numbers of a box mean.
        progress: told how many images were looked at.

    Raises:
        DataError: there are no such files, or they have errors that are refused.
    """
    if corners not in get_args(Corners):
        message = f"corners are one of {', '.join(get_args(Corners))}, not {shown(corners)}"
        raise failed("E500", message)
    found = _Files(_annotations(root), Problems(), _SHIFTS[corners])
    every = sorted(path.stem for path in found.folder.glob("*.xml"))
    if not every:
        hint = "a dataset of VOC has Annotations/*.xml"
        raise failed("E500", f"'{found.folder}' holds no xml files", hint)
    wanted = _listed(found, root, part, every) if part else set(every)
    images_at = root / "JPEGImages" if (root / "JPEGImages").is_dir() else root
    for stem in every:
        _read(found, stem, images_at, read_objects=stem in wanted)
    names = set(found.names)
    order = CHALLENGE if names and names <= set(CHALLENGE) else sorted(names)
    categories = dict(enumerate(order, start=1))
    number_of = {found.names[each]: number for number, each in categories.items() if each in names}
    categories_of = found.rows.categories.values
    numbers = np.array([number_of[place] for place in range(len(number_of))], np.int64)
    for block in in_blocks(len(categories_of)):
        categories_of[block] = numbers[categories_of[block]]
    reading = Reading(
        name,
        images_at,
        root,
        number_classes(categories, ids, found.folder),
        found.images,
        lambda image: (str(found.file(found.stems[image])), ""),
        lambda image, entry: (str(found.file(found.stems[image])), f"object {entry}"),
        found.problems,
    )
    return settle(reading, found.rows, look_at_images(reading, progress), bad)


def _annotations(root: Path) -> Path:
    if not root.is_dir():
        raise failed("E500", f"'{root}' is no folder", "name the folder that has Annotations")
    return root / "Annotations" if (root / "Annotations").is_dir() else root


def _listed(found: _Files, root: Path, part: str, every: Sequence[str]) -> set[str]:
    """The images of a list. In the lists of one class -1 says that it is not on the image."""
    lists = root / "ImageSets" / "Main"
    file = lists / f"{part}.txt"
    if unsafe(f"{part}.txt", lists, lists) or not os.path.isfile(file):  # noqa: PTH113
        hint = suggest(part, (path.stem for path in lists.glob("*.txt")), "it has")
        raise failed("E500", f"there is no list '{file}'", hint)
    try:
        lines = file.read_bytes().decode("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise failed("E501", f"cannot read '{file}': {error}") from None
    known, wanted = set(every), set()
    for number, line in enumerate(lines, start=1):
        stem, *rest = line.split() or [""]
        if not stem or rest == ["-1"]:
            continue
        if stem in known:
            wanted.add(stem)
        else:
            said = f"there is no '{found.file(stem)}'"
            found.problems.add("entry", file, f"line {number}", said)
    return wanted


def _read(found: _Files, stem: str, images_at: Path, *, read_objects: bool) -> None:
    """Take the names of a file, and its image and objects if they are wanted."""
    file = found.file(stem)
    try:
        tree = parse_xml(file)
    except DataError as error:
        if read_objects:
            found.problems.add("entry", file, "", error.diagnostics[0].message)
        return
    if tree.tag != "annotation":
        if read_objects:
            said = f"the outermost element is '{tree.tag}', and must be 'annotation'"
            found.problems.add("entry", file, "", said)
        return
    objects = tree.findall("object")
    for element in objects:
        name = _text(element, "name")
        if name:
            found.names.setdefault(name, len(found.names))
    if not read_objects:
        return
    size = _size(found, file, tree)
    if size is None:
        return
    image = len(found.images)
    found.images.add(image, _image_name(images_at, stem, _text(tree, "filename")), *size, 0)
    found.stems.append(stem)
    for index, element in enumerate(objects):
        _add(found, file, image, index, element)


def _size(found: _Files, file: Path, tree: Element) -> tuple[int, int] | None:
    """Width and height; zeros where the file says none; None with a problem."""
    texts = [_text(tree, f"size/{side}") for side in ("width", "height")]
    if not any(texts):
        return 0, 0
    if all(re.fullmatch(r"\d{1,9}", text) for text in texts):
        # Files of some tools say 0x0 where they do not know.
        return int(texts[0]), int(texts[1])
    said = f"'size' is {shown(texts[0])} by {shown(texts[1])}, and must be two integers"
    found.problems.add("field", file, "", said)
    return None


def _image_name(folder: Path, stem: str, said: str) -> str:
    """The image of a file: what it names, or what is called as it is."""
    for name in _candidates(stem, said):
        if not unsafe(name, folder, folder) and os.path.isfile(folder / name):  # noqa: PTH113
            return name
    return said or f"{stem}.jpg"


def _candidates(stem: str, said: str) -> Iterator[str]:
    if said:
        yield said
    for suffix in sorted(SUFFIXES, key=lambda suffix: (suffix != ".jpg", suffix)):
        yield f"{stem}{suffix}"
        yield f"{stem}{suffix.upper()}"


def _add(found: _Files, file: Path, image: int, index: int, element: Element) -> None:
    where = f"object {index}"
    name, texts = _text(element, "name"), [_text(element, f"bndbox/{side}") for side in _SIDES]
    difficult = _text(element, "difficult") or "0"
    if not name:
        found.problems.add("field", file, where, "'name' is missing")
    elif not all(map(_NUMBER.fullmatch, texts)):
        side, text = next(
            (s, t) for s, t in zip(_SIDES, texts, strict=True) if not _NUMBER.fullmatch(t)
        )
        said = f"is {shown(text)}, and must be a number" if text else "is missing"
        found.problems.add("field", file, where, f"'bndbox/{side}' {said}")
    elif difficult not in ("0", "1"):
        said = f"'difficult' is {shown(difficult)}, and must be 0 or 1"
        found.problems.add("field", file, where, said)
    else:
        left, top, right, bottom = map(float, texts)
        first, last = found.shift
        box = (left - first, top - first, right - last, bottom - last)
        found.rows.add(image, found.names[name], box, UNKNOWN, int(difficult), index)


def _text(element: Element, path: str) -> str:
    return (element.findtext(path) or "").strip()
