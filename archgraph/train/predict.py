"""Boxes on photographs: which files, in batches, drawn and as COCO's files of results have them."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image

from archgraph.detect import Detections
from archgraph.detect.boxes import xywh_from_xyxy
from archgraph.errors import DataError, Diagnostic, InputOutputError
from archgraph.train.data.images import is_image, read_pixels
from archgraph.train.detector import Detector
from archgraph.train.drawing import draw_boxes
from archgraph.train.evaluate.results_file import write_entries
from archgraph.train.records import Pixels
from archgraph.weights.files import replace_file

WILD = frozenset("*?[")
# As JPEG where the photograph was one, else without loss.
LOSSY = frozenset({".jpg", ".jpeg"})


@dataclass(frozen=True)
class Photograph:
    """A file to look at.

    Attributes:
        path: where it is.
        name: what results call it: its path relative to the folder that was given.
        image_id: the number that its name is, as COCO's files have it, else its place from 0 on.
    """

    path: Path
    name: str
    image_id: int


@dataclass(frozen=True)
class Prediction:
    """What was found on a photograph."""

    photograph: Photograph
    pixels: Pixels
    found: Detections


def find_photographs(sources: Sequence[str], listed: Iterable[str] = ()) -> list[Photograph]:
    """The files that paths, folders and patterns mean, in order, each once.

    Args:
        sources: files, folders (searched whole), patterns such as `photos/**/*.jpg`, or `-` for
            the files of `listed`.
        listed: paths, one each, as another program prints them.

    Raises:
        InputOutputError: E001, there is no such file.
        DataError: E542, there are no images.
    """
    found: dict[Path, str] = {}
    for source in sources:
        if source == "-":
            for line in listed:
                if line.strip():
                    found.setdefault(_existing(Path(line.strip())), Path(line.strip()).name)
        elif Path(source).is_dir():
            for path in _images_in(Path(source)):
                found.setdefault(path, path.relative_to(source).as_posix())
        elif Path(source).exists() or not WILD & set(source):
            found.setdefault(_existing(Path(source)), Path(source).name)
        else:
            for match in _matching(source):
                found.setdefault(match, match.name)
    if not found:
        message = f"there are no images in {', '.join(map(repr, sources)) or 'nothing'}"
        hint = "give image files, a folder of them, a pattern in quotes, or - for a list of paths"
        raise DataError(Diagnostic("E542", message, None, hint))
    return list(_numbered(found))


def _matching(pattern: str) -> list[Path]:
    parts = Path(pattern).parts
    fixed = next(i for i, part in enumerate(parts) if WILD & set(part))
    folder = Path(*parts[:fixed])
    matches = folder.glob(str(Path(*parts[fixed:])))
    return sorted(path for path in matches if path.is_file() and is_image(path))


def _images_in(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and is_image(path))


def _existing(path: Path) -> Path:
    if not path.is_file():
        reason = "it is no file" if path.exists() else "No such file or directory"
        raise InputOutputError(Diagnostic("E001", f"cannot read '{path}': {reason}"))
    return path


def _numbered(found: dict[Path, str]) -> Iterator[Photograph]:
    """Names and ids of which no two are alike."""
    stems = [path.stem for path in found]
    numbers = all(stem.isascii() and stem.isdigit() and len(stem) < 16 for stem in stems)
    ids = [int(stem) for stem in stems] if numbers else []
    if len(set(ids)) < len(stems):
        ids = list(range(len(stems)))
    taken: set[str] = set()
    for number, (path, name) in zip(ids, found.items(), strict=True):
        whole, count = Path(name), 1
        while name in taken:
            count += 1
            name = whole.with_name(f"{whole.stem}-{count}{whole.suffix}").as_posix()
        taken.add(name)
        yield Photograph(path, name, number)


def predict(
    detector: Detector,
    photographs: Sequence[Photograph],
    *,
    batch_size: int = 8,
    bad: Literal["refuse", "skip"] = "refuse",
    skipped: Callable[[DataError], None] = lambda _: None,
) -> Iterator[Prediction]:
    """What a detector finds on photographs, in their order; they are read as they are needed.

    Args:
        detector: what looks.
        photographs: what `find_photographs` found.
        batch_size: how many are looked at together.
        bad: whether a file that is no whole image ends everything or is left out.
        skipped: is told of each file that is left out.

    Raises:
        DataError: a file cannot be read as an image, and is not left out.
    """
    waiting = iter(photographs)
    while batch := list(islice(waiting, max(1, batch_size))):
        read: list[tuple[Photograph, Pixels]] = []
        for photograph in batch:
            try:
                read.append((photograph, read_pixels(photograph.path)))
            except DataError as error:
                if bad == "refuse":
                    raise
                skipped(error)
        found = detector.detect([pixels for _, pixels in read])
        for (photograph, pixels), each in zip(read, found, strict=True):
            yield Prediction(photograph, pixels, each)


def drawn(prediction: Prediction, class_names: Sequence[str]) -> Pixels:
    """The photograph with its boxes, each with its class and score."""
    found = prediction.found
    classes = found.classes.tolist()
    labels = [
        f"{class_names[kind] or f'class {kind}'} {score:.2f}"
        for kind, score in zip(classes, found.scores.tolist(), strict=True)
    ]
    return draw_boxes(prediction.pixels, found.boxes_xyxy.numpy(), labels, classes)


def coco_results(prediction: Prediction, detector: Detector) -> list[dict[str, object]]:
    """Entries of a file of results in COCO's format, with the names of file and class besides."""
    found = prediction.found
    boxes = xywh_from_xyxy(found.boxes_xyxy).double().numpy().round(3)
    return [
        {
            "image_id": prediction.photograph.image_id,
            "category_id": detector.category_ids[kind],
            "bbox": box,
            "score": round(score, 6),
            "file_name": prediction.photograph.name,
            "category_name": detector.class_names[kind],
        }
        for box, score, kind in zip(
            boxes.tolist(), found.scores.tolist(), found.classes.tolist(), strict=True
        )
    ]


def write_drawing(folder: Path, photograph: Photograph, pixels: Pixels) -> Path:
    """Write an image under its own name; the file is whole or absent.

    Returns:
        Where it is: a `.jpg` stays one, every other image becomes a `.png`.

    Raises:
        InputOutputError: E020, it cannot be written.
    """
    name = Path(photograph.name)
    lossy = name.suffix.lower() in LOSSY
    target = folder / (name if lossy else name.with_name(f"{name.name}.png"))
    if name.suffix.lower() == ".png":
        target = folder / name
    content = io.BytesIO()
    image = Image.fromarray(np.ascontiguousarray(pixels))
    image.save(content, "JPEG", quality=92) if lossy else image.save(content, "PNG")
    _make_folder(target.parent)
    replace_file(target, content.getvalue())
    return target


def write_results(path: Path, entries: Sequence[Mapping[str, object]]) -> None:
    """Write a file of results, in a folder that is made. Raises what `write_drawing` raises."""
    _make_folder(path.parent)
    write_entries(path, entries)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        message = f"cannot write '{folder}': {error.strerror or error}"
        raise InputOutputError(Diagnostic("E020", message)) from None
