"""Files of results: COCO's json, and the lines that a run leaves behind while it goes on.

Here classes become ids of categories and corners become sizes, and back. Numbers are written with
all their digits, so that the file evaluates to what was evaluated.
"""

from __future__ import annotations

import json
import math
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import ijson
import numpy as np

from archgraph.errors import DataError, Diagnostic, InputOutputError, listing
from archgraph.train.evaluate.detected import Detected
from archgraph.train.evaluate.evaluators import xywh_of
from archgraph.weights.files import replace_file

# How many wrong entries a reader is told of.
MOST_TOLD = 20
_FIELDS = ("image_id", "category_id", "bbox", "score")


def coco_entries(
    image_id: int, detected: Detected, category_ids: Sequence[int]
) -> list[dict[str, Any]]:
    """The entries of COCO's results that say what was found on an image."""
    rows = zip(
        detected.classes.tolist(),
        xywh_of(detected.boxes_xyxy).tolist(),
        detected.scores.tolist(),
        strict=True,
    )
    return [
        {"image_id": image_id, "category_id": category_ids[k], "bbox": box, "score": score}
        for k, box, score in rows
    ]


def write_results(path: Path, found: Mapping[int, Detected], category_ids: Sequence[int]) -> None:
    """Replace a file by COCO's results, one entry on a line, images by id.

    Raises:
        InputOutputError: E020, it cannot be written; it is unchanged.
    """
    write_entries(
        path,
        (
            entry
            for image_id in sorted(found)
            for entry in coco_entries(image_id, found[image_id], category_ids)
        ),
    )


def write_entries(path: Path, entries: Iterable[Mapping[str, Any]]) -> None:
    """Replace a file by a list of entries, one on a line. Raises what `write_results` raises."""
    body = ",\n".join(json.dumps(entry, ensure_ascii=False) for entry in entries)
    replace_file(path, f"[\n{body}\n]\n".encode() if body else b"[]\n")


def read_results(path: Path, category_ids: Sequence[int]) -> dict[int, Detected]:
    """What a file of COCO's results says, by image; it is read entry by entry.

    Raises:
        InputOutputError: E001, it cannot be read.
        DataError: E532, it holds something else; the first wrong entries are all told.
    """
    classes = {category_id: k for k, category_id in enumerate(category_ids)}
    rows: dict[int, array[float]] = {}
    wrong: list[Diagnostic] = []
    for index, entry in enumerate(_entries(path)):
        why = _wrong(entry, classes)
        if why:
            wrong.append(_bad(path, f"entry {index} {why}"))
            if len(wrong) == MOST_TOLD:
                break
            continue
        x, y, width, height = map(float, entry["bbox"])
        row = (x, y, x + width, y + height, entry["score"], classes[entry["category_id"]])
        rows.setdefault(entry["image_id"], array("d")).extend(row)
    if wrong:
        raise DataError(wrong)
    return {image_id: _detected(rows.pop(image_id)) for image_id in list(rows)}


def _entries(path: Path) -> Iterator[Any]:
    first = _first_character(path)
    if first != "[":
        what = "is empty" if not first else "holds no list of results"
        hint = "a list of entries with image_id, category_id, bbox and score is needed"
        raise DataError(Diagnostic("E532", f"'{path}' {what}", None, hint))
    try:
        with path.open("rb") as file:
            yield from ijson.items(file, "item", use_float=True)
    except OSError as error:
        raise _unreadable(path, error) from None
    except (ijson.JSONError, UnicodeDecodeError) as error:
        said = str(error).splitlines()[0] if str(error) else "it ends too soon"
        raise DataError(_bad(path, f"is damaged: {said}")) from None


def _first_character(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(4096).lstrip()[:1].decode("latin-1")
    except OSError as error:
        raise _unreadable(path, error) from None


def _wrong(entry: Any, classes: Mapping[int, int]) -> str:
    """What is wrong with an entry; nothing if it is a detection."""
    if not isinstance(entry, dict):
        return "is no object"
    missing = [name for name in _FIELDS if name not in entry]
    if missing:
        return f"lacks {listing(missing)}"
    if not _is_integer(entry["image_id"]):
        return f"has an image_id of {entry['image_id']!r}, a whole number is needed"
    if not _is_integer(entry["category_id"]) or entry["category_id"] not in classes:
        ids = f"{min(classes)} to {max(classes)}" if classes else "none"
        return f"has a category_id of {entry['category_id']!r}, the ids of the set are {ids}"
    if not _is_number(entry["score"]):
        return f"has a score of {entry['score']!r}, a number is needed"
    box = entry["bbox"]
    if not (isinstance(box, list) and len(box) == 4 and all(map(_is_number, box))):
        return "has a bbox that is not left, top, width and height"
    if min(box[2:]) < 0:
        return "has a bbox of negative size; left, top, width and height are needed"
    return ""


def _is_integer(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _detected(rows: Sequence[float] | Sequence[Sequence[float]]) -> Detected:
    """Six numbers for each detection: its corners, its score, its class."""
    table = np.array(rows, np.float64).reshape(-1, 6)
    return Detected(table[:, :4].copy(), table[:, 4].copy(), table[:, 5].astype(np.int64))


class Progress:
    """The lines of an unfinished run, from which the next one goes on.

    The first line says which run it is; every other holds what was found on an image.

    Args:
        path: of the file of results; the lines stand beside it in `PATH.partial`.
        run: what has to be the same for the next run to go on: model, weights, settings.

    Raises:
        InputOutputError: the lines cannot be read (E001) or written (E020).
        DataError: E533, they are of another run.
    """

    def __init__(self, path: Path, run: Mapping[str, Any]) -> None:
        self._path = path.with_name(f"{path.name}.partial")
        self._run = json.dumps(run, sort_keys=True)
        self.found: dict[int, Detected] = {}
        lines = self._lines()
        if lines and lines[0] != self._run:
            message = f"'{self._path}' is what another run has left"
            hint = "go on with the model, weights, settings and data of that run, or delete it"
            raise DataError(Diagnostic("E533", message, None, hint))
        for number, line in enumerate(lines[1:], 2):
            self._restore(number, line)
        # What was cut off in the middle of a line is written again.
        whole = "".join(f"{line}\n" for line in lines or [self._run])
        replace_file(self._path, whole.encode())

    def _lines(self) -> list[str]:
        try:
            text = self._path.read_text("utf-8") if self._path.exists() else ""
        except OSError as error:
            raise _unreadable(self._path, error) from None
        except UnicodeDecodeError:
            raise DataError(_bad(self._path, "is damaged", "delete it")) from None
        return text.split("\n")[:-1]

    def _restore(self, number: int, line: str) -> None:
        try:
            image_id, rows = json.loads(line)
            whole = all(len(row) == 6 and all(map(_is_number, row)) for row in rows)
        except (ValueError, TypeError):
            whole, image_id, rows = False, None, []
        if not (whole and _is_integer(image_id)):
            raise DataError(_bad(self._path, f"is damaged: line {number}", "delete it"))
        self.found[image_id] = _detected(rows)

    def add(self, found: Mapping[int, Detected]) -> None:
        """Keep what was found on some more images."""
        lines = [json.dumps([image_id, _rows(one)]) for image_id, one in found.items()]
        try:
            with self._path.open("a", encoding="utf-8", newline="\n") as file:
                file.writelines(f"{line}\n" for line in lines)
        except OSError as error:
            message = f"cannot write '{self._path}': {error.strerror or error}"
            raise InputOutputError(Diagnostic("E020", message)) from None
        self.found |= found

    def done(self) -> None:
        """The results are written; the lines are not needed any more."""
        self._path.unlink(missing_ok=True)


def _rows(found: Detected) -> list[list[float]]:
    columns = (found.boxes_xyxy, found.scores, found.classes)
    rows: list[list[float]] = np.column_stack(columns).tolist()
    return rows


def _bad(path: Path, what: str, hint: str = "") -> Diagnostic:
    return Diagnostic("E532", f"'{path}' {what}", None, hint)


def _unreadable(path: Path, error: OSError) -> InputOutputError:
    return InputOutputError(Diagnostic("E001", f"cannot read '{path}': {error.strerror or error}"))
