"""The report of an evaluation: a page with tables, curves and the worst images."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

import numpy as np

from archgraph.errors import DataError
from archgraph.train.curves import heat_map, line_chart
from archgraph.train.drawing import draw_boxes, fitted, object_labels, sheet
from archgraph.train.evaluate.detected import NOTHING
from archgraph.train.evaluate.evaluation import (
    ABSENT,
    ClassResult,
    Curve,
    Evaluation,
    ImageResult,
)
from archgraph.train.evaluate.tables import coco_rows
from archgraph.train.page import Bar, Cell, Page
from archgraph.train.records import Dataset, ImageRecord, Pixels

# A report stays small enough to be sent: so many images, and no larger than this.
MOST_IMAGES, IMAGE_SIDE = 12, 480
MOST_CURVES = 8
MOST_CONFUSED = 60
BACKGROUND = "(nothing)"
_KINDS = {
    "wrong_class": "an object, called by the name of another class",
    "duplicate": "an object that a detection with a better score has taken",
    "misplaced": "overlaps an object of its class, but not enough",
    "background": "there is nothing of its class",
    "missed": "an object without a detection",
}


def make_report(
    evaluation: Evaluation, dataset: Dataset, title: str, facts: Mapping[str, str] | None = None
) -> Page:
    """The page of an evaluation.

    Args:
        evaluation: what it is about.
        dataset: where its worst images are.
        title: of the page.
        facts: how it was made: model, weights, version of archgraph and the like.
    """
    page = Page(title)
    _summary(page, evaluation)
    add_numbers(page, evaluation)
    _mistakes(page, evaluation)
    _worst(page, evaluation, dataset)
    _facts(page, evaluation, facts or {})
    return page


def add_numbers(page: Page, evaluation: Evaluation) -> None:
    """All of an evaluation that needs no images."""
    _numbers(page, evaluation)
    _classes(page, evaluation)
    _curves(page, evaluation)
    _confusion(page, evaluation)


def _summary(page: Page, evaluation: Evaluation) -> None:
    objects = sum(one.objects for one in evaluation.classes)
    found = sum(one.detections for one in evaluation.classes)
    images = _count(len(evaluation.images), "image")
    there = f"{images} of {evaluation.dataset} with {_count(objects, 'object')}"
    page.text(f"{there}; {_count(found, 'detection')}.")
    if evaluation.skipped:
        page.text(f"Left out: {_count(len(evaluation.skipped), 'image')}.")
        page.table(["why"], [[diagnostic.message] for diagnostic in evaluation.skipped[:20]])


def _numbers(page: Page, evaluation: Evaluation) -> None:
    page.heading("COCO's numbers")
    rows: list[list[Cell]] = [
        [row.what.lower(), _bar(row.value), row.overlap, row.area, row.most]
        for row in coco_rows(evaluation.numbers)
    ]
    page.table(["average", "value", "overlap (IoU)", "area", "detections"], rows)
    page.text(
        "Small objects are below 32 x 32 pixels in area, large ones above 96 x 96. "
        "A dash: there are no such objects."
    )


def _classes(page: Page, evaluation: Evaluation) -> None:
    page.heading("Classes")
    headings = ["class", "objects", "detections", "AP", "AP50", "AP75", "AR", "best score", "F1"]
    rows: list[list[Cell]] = [
        [
            one.name,
            one.objects,
            one.detections,
            _bar(one.numbers.ap),
            _bar(one.numbers.ap50),
            _number(one.numbers.ap75),
            _number(one.numbers.ar100),
            one.best.score if one.best else None,
            one.best.f1 if one.best else None,
        ]
        for one in _shown(evaluation)
    ]
    page.table(headings, rows)
    page.text(
        "Best score: detections of this score and above have the best balance of precision and "
        "recall (F1) at an overlap of 0.5."
    )
    page.table(
        ["class", "AP small", "medium", "large", "AR small", "medium", "large"],
        [
            [
                one.name,
                _number(one.numbers.ap_small),
                _number(one.numbers.ap_medium),
                _number(one.numbers.ap_large),
                _number(one.numbers.ar_small),
                _number(one.numbers.ar_medium),
                _number(one.numbers.ar_large),
            ]
            for one in _shown(evaluation)
        ],
    )


def _shown(evaluation: Evaluation) -> Sequence[ClassResult]:
    """Classes with a name, or with something to say."""
    return [one for one in evaluation.classes if one.name or one.objects or one.detections]


def _curves(page: Page, evaluation: Evaluation) -> None:
    curves = [curve for curve in evaluation.curves if curve.precision]
    if not curves:
        return
    page.heading("Precision and recall")
    lines = {f"at an overlap of {curve.overlap}": _points(curve) for curve in curves}
    page.figure(_chart(lines), "All classes that have objects, averaged.")
    most = sorted(_shown(evaluation), key=lambda one: -one.objects)[:MOST_CURVES]
    single = {one.name: _points(one.curves[0]) for one in most if one.curves[0].precision}
    which = "Each class" if len(most) == len(_shown(evaluation)) else "The most frequent classes"
    page.figure(_chart(single), f"{which}, at an overlap of {curves[0].overlap}.")


def _chart(lines: Mapping[str, Sequence[tuple[float, float]]]) -> str:
    return line_chart(lines, "recall", "precision", x_range=(0, 1), y_range=(0, 1))


def _points(curve: Curve) -> Sequence[tuple[float, float]]:
    """Up to the greatest recall; beyond it precision is 0 by agreement."""
    last = max((i for i, value in enumerate(curve.precision) if value > 0), default=0)
    ends = curve.precision[: last + 1]
    drop = [((last + 1) / 100, 0.0)] if last < len(curve.precision) - 1 else []
    return [*((i / 100, value) for i, value in enumerate(ends)), *drop]


def _confusion(page: Page, evaluation: Evaluation) -> None:
    page.heading("What is taken for what")
    settings = evaluation.settings
    table = np.array(evaluation.confusion)
    names = [one.name for one in evaluation.classes] + [BACKGROUND]
    weight = table.sum(axis=0) + table.sum(axis=1)
    busiest = np.argsort(-weight[:-1], kind="stable")[:MOST_CONFUSED]
    kept = [*sorted(k for k in busiest.tolist() if weight[k]), len(names) - 1]
    shown = table[np.ix_(kept, kept)]
    left_out = int((weight[:-1] > 0).sum()) - (len(kept) - 1)
    which = f" The {left_out} rarest classes are not shown." if left_out else ""
    page.figure(
        heat_map(shown.tolist(), [names[k] for k in kept], x_label="found", y_label="there"),
        f"Detections with a score of {settings.least_score} and more, each with the object that "
        f"it overlaps by {settings.overlap} and more. Last row: detections where nothing is. "
        f"Last column: objects that were missed. Colours are shares of a row.{which}",
    )
    wrong = table[:-1, :-1].copy()
    np.fill_diagonal(wrong, 0)
    rows: list[list[Cell]] = []
    for place in np.argsort(-wrong, axis=None, kind="stable")[:10].tolist():
        there, found = divmod(place, len(wrong))
        if wrong[there, found]:
            rows.append([names[there], names[found], int(wrong[there, found])])
    if rows:
        page.table(["is", "taken for", "times"], rows)


def _mistakes(page: Page, evaluation: Evaluation) -> None:
    page.heading("Mistakes")
    right = sum(image.right for image in evaluation.images)
    rows: list[list[Cell]] = [
        ["right", right, _images_with(evaluation, "right"), "an object, by its name"]
    ]
    for kind, count in evaluation.mistakes.items():
        name = kind.replace("_", " ")
        rows.append([name, count, _images_with(evaluation, kind), _KINDS[kind]])
    page.table(["", "how many", "images", ""], rows)


def _images_with(evaluation: Evaluation, kind: str) -> int:
    return sum(getattr(image, kind) > 0 for image in evaluation.images)


def _worst(page: Page, evaluation: Evaluation, dataset: Dataset) -> None:
    worst = evaluation.worst(MOST_IMAGES)
    if not worst:
        return
    page.heading("Worst images")
    page.text(
        "Those with the lowest F1, counted over detections with a score of "
        f"{evaluation.settings.least_score} and more. Left what is there, right what was found."
    )
    wanted = {image.image_id for image in worst}
    places = {}
    for index in range(len(dataset)):
        image_id = dataset.record(index).image_id
        if image_id in wanted:
            places[image_id] = index
    for image in worst:
        try:
            pixels = dataset.pixels(places[image.image_id])
        except DataError as error:  # the image of a file of results need not be there
            page.text(f"{image.name}: {error.diagnostics[0].message}")
            continue
        record = dataset.record(places[image.image_id])
        page.image(side_by_side(evaluation, record, pixels), _said(image))


def side_by_side(evaluation: Evaluation, record: ImageRecord, pixels: Pixels) -> Pixels:
    """What stands on an image beside what was found on it."""
    names = [one.name for one in evaluation.classes]
    image, scale = fitted(pixels, IMAGE_SIDE)
    objects = record.objects
    labels = object_labels(objects, names)
    left = draw_boxes(image, objects.boxes_xyxy * scale, labels, objects.classes.tolist())
    found = evaluation.found.get(record.image_id, NOTHING)
    shown = np.argsort(-found.scores, kind="stable")
    shown = shown[found.scores[shown] >= evaluation.settings.least_score]
    classes = found.classes[shown].tolist()
    scored = [f"{names[k]} {s:.2f}" for k, s in zip(classes, found.scores[shown], strict=True)]
    right = draw_boxes(image, found.boxes_xyxy[shown] * scale, scored, classes)
    return sheet([left, right], 2, ["there", "found"])


def _said(image: ImageResult) -> str:
    kinds = [(image.right, "right")]
    kinds += [(getattr(image, kind), kind.replace("_", " ")) for kind in _KINDS]
    counts = ", ".join(f"{number} {kind}" for number, kind in kinds if number)
    return f"{image.name}: F1 {image.f1:.2f} ({counts})"


def _facts(page: Page, evaluation: Evaluation, facts: Mapping[str, str]) -> None:
    page.heading("How it was made")
    settings = evaluation.settings
    rows = {
        **facts,
        "data": evaluation.dataset,
        "evaluator": evaluation.evaluator,
        "confusion and mistakes": f"scores from {settings.least_score}, overlaps from "
        f"{settings.overlap}, misplaced from {settings.near}",
        "Python": platform.python_version(),
        **{name: version(name) for name in ("torch", "numpy", "pillow")},
    }
    page.table([], [[name, value] for name, value in rows.items()])


def write_report(
    path: Path,
    evaluation: Evaluation,
    dataset: Dataset,
    title: str,
    facts: Mapping[str, str] | None = None,
) -> None:
    """Replace a file by the report, in one step; see `make_report`.

    Raises:
        InputOutputError: E020, it cannot be written; it is unchanged.
    """
    make_report(evaluation, dataset, title, facts).write(path)


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _bar(value: float | None) -> Cell:
    return None if value is None or value == ABSENT else Bar(value, f"{value:.3f}")


def _number(value: float) -> Cell:
    return None if value == ABSENT else value
