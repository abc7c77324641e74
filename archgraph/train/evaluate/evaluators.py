"""The evaluators of COCO behind one function: numbers in, arrays of precision and recall out.

pycocotools is the reference; hotcoco gives the same numbers sooner, to the last bit, and so does
faster-coco-eval but for the last bits. What they differ in or fail on is kept from them: they are
given boxes as they want them, an area for everything, images and classes numbered from 1, and
what they print is not shown.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Literal, get_args

import numpy as np

from archgraph.errors import DataError, Diagnostic, suggest
from archgraph.train.evaluate.detected import Compared
from archgraph.train.records import Floats, Integers

EvaluatorName = Literal["auto", "hotcoco", "faster-coco-eval", "pycocotools"]

# What the axes of the arrays stand for.
IOUS = tuple(round(0.5 + 0.05 * i, 2) for i in range(10))
RECALLS = tuple(i / 100 for i in range(101))
AREAS = ("all", "small", "medium", "large")
MOST = (1, 10, 100)


@dataclass(frozen=True)
class Arrays:
    """What an evaluator computes; -1 where there are no objects.

    Attributes:
        precision: at each recall; shape (IOUS, RECALLS, classes, AREAS, MOST).
        recall: the greatest; shape (IOUS, classes, AREAS, MOST).
        evaluator: who computed it, with its version.
    """

    precision: Floats
    recall: Floats
    evaluator: str


@dataclass(frozen=True)
class _Rows:
    """Boxes of all images, one row each; images and classes from 1."""

    images: Integers
    classes: Integers
    boxes_xywh: Floats


def run_evaluator(content: Compared, evaluator: str = "auto") -> Arrays:
    """Compare what was found with what is there, as COCO does.

    Args:
        content: images, their objects and detections.
        evaluator: a name; `auto` for the fastest that is installed.

    Raises:
        DataError: E530, there is no such evaluator, or it is not installed.
    """
    name, module = _loaded(evaluator)
    evaluate = _EVALUATORS[name](module, content)
    with contextlib.redirect_stdout(io.StringIO()):
        evaluate.evaluate()
        evaluate.accumulate()
    found = evaluate.eval
    count = len(content.class_names)
    shape = (len(IOUS), len(RECALLS), count, len(AREAS), len(MOST))
    precision = np.ascontiguousarray(found["precision"], np.float64).reshape(shape)
    recall = np.ascontiguousarray(found["recall"], np.float64).reshape(shape[:1] + shape[2:])
    return Arrays(precision, recall, f"{name} {_version(name)}")


def check_evaluator(evaluator: str) -> None:
    """Refuse before the work what would be refused after it.

    Raises:
        DataError: E530, there is no such evaluator, or it is not installed.
    """
    _loaded(evaluator)


def _loaded(wanted: str) -> tuple[str, Any]:
    """The evaluator of a name, or the first of all that imports."""
    if wanted not in get_args(EvaluatorName):
        message = f"there is no evaluator '{wanted}'"
        hint = suggest(wanted, get_args(EvaluatorName))
        raise DataError(Diagnostic("E530", message, None, hint))
    for name in _EVALUATORS if wanted == "auto" else (wanted,):
        try:
            return name, import_module(_MODULES[name])
        except ImportError:
            continue
    missing = "pycocotools" if wanted == "auto" else wanted
    message = f"'{missing}' is not installed"
    raise DataError(Diagnostic("E530", message, None, f"pip install {missing}"))


def _pycocotools(module: Any, content: Compared) -> Any:
    coco = import_module("pycocotools.coco").COCO
    return module.COCOeval(*_datasets(coco, content), "bbox")


def _faster(module: Any, content: Compared) -> Any:
    return module.COCOeval_faster(*_datasets(module.COCO, content), "bbox")


def _hotcoco(module: Any, content: Compared) -> Any:
    """From arrays, without an object for each box."""
    objects, areas, crowds = _objects(content)
    found, scores = _found(content)
    frame = _frame(content)
    truth = module.COCO.from_arrays(
        frame["images"],
        frame["categories"],
        objects.images,
        objects.classes,
        objects.boxes_xywh,
        area=areas,
        iscrowd=crowds,
    )
    rows = np.column_stack([found.images, found.boxes_xywh, scores, found.classes])
    return module.COCOeval(truth, truth.load_res(rows.reshape(-1, 7)), "bbox")


_EVALUATORS: Mapping[str, Callable[[Any, Compared], Any]] = {
    "hotcoco": _hotcoco,
    "faster-coco-eval": _faster,
    "pycocotools": _pycocotools,
}
_MODULES = {
    "hotcoco": "hotcoco",
    "faster-coco-eval": "faster_coco_eval",
    "pycocotools": "pycocotools.cocoeval",
}


def _datasets(coco: Any, content: Compared) -> tuple[Any, Any]:
    """Objects and detections as the classes of pycocotools hold them."""
    objects, areas, crowds = _objects(content)
    found, scores = _found(content)
    widths = found.boxes_xywh[:, 2] * found.boxes_xywh[:, 3]
    truth = _entries(objects, area=areas, iscrowd=crowds.astype(np.int64))
    results = _entries(found, area=widths, score=scores, iscrowd=np.zeros(len(scores), np.int64))
    return _dataset(coco, content, truth), _dataset(coco, content, results)


def _dataset(coco: Any, content: Compared, entries: list[dict[str, Any]]) -> Any:
    with contextlib.redirect_stdout(io.StringIO()):
        dataset = coco()
        dataset.dataset = {**_frame(content), "annotations": entries}
        dataset.createIndex()
    return dataset


def _entries(rows: _Rows, **columns: Any) -> list[dict[str, Any]]:
    names = ("id", "image_id", "category_id", "bbox", *columns)
    values = zip(
        range(1, len(rows.images) + 1),  # an id of 0 would count as no match
        rows.images.tolist(),
        rows.classes.tolist(),
        rows.boxes_xywh.tolist(),
        *(column.tolist() for column in columns.values()),
        strict=True,
    )
    return [dict(zip(names, row, strict=True)) for row in values]


def _frame(content: Compared) -> dict[str, Any]:
    return {
        "info": {},
        "images": [
            {"id": i + 1, "width": 0, "height": 0, "file_name": ""}
            for i in range(len(content.image_ids))
        ],
        "categories": [{"id": i + 1, "name": str(i)} for i in range(len(content.class_names))],
    }


def _objects(content: Compared) -> tuple[_Rows, Floats, Integers]:
    """Objects, their areas, and which are crowds."""
    rows = _rows([(o.boxes_xyxy, o.classes) for o in content.objects])
    areas = _joined([o.areas for o in content.objects])
    crowds = _joined([o.crowds for o in content.objects]).astype(np.bool_)
    return rows, areas, crowds


def _found(content: Compared) -> tuple[_Rows, Floats]:
    """Detections and their scores."""
    rows = _rows([(d.boxes_xyxy, d.classes) for d in content.found])
    return rows, _joined([d.scores for d in content.found])


def _rows(parts: list[tuple[Floats, Integers]]) -> _Rows:
    counts = [len(classes) for _, classes in parts]
    images = np.repeat(np.arange(1, len(parts) + 1), counts)
    boxes = np.concatenate([np.zeros((0, 4)), *(boxes for boxes, _ in parts)])
    classes = _joined([classes for _, classes in parts]).astype(np.int64) + 1
    return _Rows(images.astype(np.int64), classes, xywh_of(boxes))


def _joined(parts: list[Any]) -> Any:
    return np.concatenate([np.zeros(0), *parts])


def xywh_of(boxes_xyxy: Floats) -> Floats:
    """A corner and a size, as COCO's files have boxes. Shape (N, 4)."""
    low, high = boxes_xyxy[:, :2], boxes_xyxy[:, 2:]
    return np.concatenate([low, high - low], axis=1)


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "of unknown version"
