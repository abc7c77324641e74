"""From objects and detections to an `Evaluation`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from archgraph.errors import Diagnostic
from archgraph.train.evaluate.detected import Compared
from archgraph.train.evaluate.evaluation import (
    ABSENT,
    ClassResult,
    CocoNumbers,
    Curve,
    Evaluation,
    EvaluationSettings,
    ImageResult,
    Threshold,
)
from archgraph.train.evaluate.evaluators import IOUS, MOST, Arrays, run_evaluator
from archgraph.train.evaluate.matching import IGNORED, UNMATCHED, match_any_class, match_by_class
from archgraph.train.records import Flags, Floats, Integers, Objects

ALL, SMALL, MEDIUM, LARGE = range(4)
CURVES = (0.5, 0.75)


def measure(
    content: Compared,
    dataset: str,
    evaluator: str,
    settings: EvaluationSettings,
    skipped: Sequence[Diagnostic],
) -> Evaluation:
    """Everything that is said of detections.

    Args:
        content: images, their objects and detections.
        dataset: its name.
        evaluator: who computes COCO's numbers, see `run_evaluator`.
        settings: of the confusion matrix and of mistakes.
        skipped: why images were left out.

    Raises:
        DataError: E530, there is no such evaluator, or it is not installed.
    """
    arrays = run_evaluator(content, evaluator)
    every = range(len(content.class_names))
    confusion = np.zeros((len(every) + 1, len(every) + 1), np.int64)
    images = [
        _mistakes(content, index, confusion, settings) for index in range(len(content.image_ids))
    ]
    return Evaluation(
        dataset,
        arrays.evaluator,
        coco_numbers(arrays, list(every)),
        _curves(arrays, list(every)),
        _classes(content, arrays),
        tuple(tuple(row) for row in confusion.tolist()),
        tuple(images),
        tuple(skipped),
        settings,
        dict(zip(content.image_ids, content.found, strict=True)),
    )


def coco_numbers(arrays: Arrays, classes: Sequence[int]) -> CocoNumbers:
    """The twelve numbers of some classes, by their places."""

    def precision(area: int = ALL, overlap: float | None = None) -> float:
        part = arrays.precision[:, :, classes, area, -1]
        return _mean(part if overlap is None else part[[IOUS.index(overlap)]])

    def recall(area: int = ALL, most: int = MOST[-1]) -> float:
        return _mean(arrays.recall[:, classes, area, MOST.index(most)])

    return CocoNumbers(
        precision(),
        precision(overlap=0.5),
        precision(overlap=0.75),
        precision(SMALL),
        precision(MEDIUM),
        precision(LARGE),
        recall(most=1),
        recall(most=10),
        recall(most=100),
        recall(SMALL),
        recall(MEDIUM),
        recall(LARGE),
    )


def _mean(values: Floats) -> float:
    there = values[values > ABSENT]
    return float(there.mean()) if there.size else ABSENT


def _curves(arrays: Arrays, classes: Sequence[int]) -> Sequence[Curve]:
    """Precision over recall, averaged over the classes that have objects."""
    curves = []
    for overlap in CURVES:
        lines = arrays.precision[IOUS.index(overlap)][:, classes, ALL, -1]
        lines = lines[:, (lines > ABSENT).all(axis=0)]
        mean = lines.mean(axis=1).tolist() if lines.size else []
        curves.append(Curve(overlap, tuple(mean)))
    return tuple(curves)


def _classes(content: Compared, arrays: Arrays) -> tuple[ClassResult, ...]:
    count = len(content.class_names)
    objects, crowds, detections = (np.zeros(count, np.int64) for _ in range(3))
    for there, found in zip(content.objects, content.found, strict=True):
        objects += np.bincount(there.classes[~there.crowds], minlength=count)
        crowds += np.bincount(there.classes[there.crowds], minlength=count)
        detections += np.bincount(found.classes, minlength=count)
    scores, classes, right = _judged(content)
    return tuple(
        ClassResult(
            name,
            category_id,
            int(objects[k]),
            int(crowds[k]),
            int(detections[k]),
            coco_numbers(arrays, [k]),
            _curves(arrays, [k]),
            best_threshold(scores[classes == k], right[classes == k], int(objects[k])),
        )
        for k, (name, category_id) in enumerate(
            zip(content.class_names, content.category_ids, strict=True)
        )
    )


def _judged(content: Compared) -> tuple[Floats, Integers, Flags]:
    """Scores and classes of all detections that count, and whether each is right."""
    scores, classes, right = [np.zeros(0)], [np.zeros(0, np.int64)], [np.zeros(0, np.bool_)]
    for there, found in zip(content.objects, content.found, strict=True):
        matches = match_by_class(found, there, CURVES[0], MOST[-1])
        counted = matches.objects != IGNORED
        order = matches.order[counted]
        scores.append(found.scores[order])
        classes.append(found.classes[order])
        right.append(matches.objects[counted] != UNMATCHED)
    return np.concatenate(scores), np.concatenate(classes), np.concatenate(right)


def best_threshold(scores: Floats, right: Flags, objects: int) -> Threshold | None:
    """The score at which to cut for the best F1; of equal ones the highest.

    Args:
        scores: of the detections of a class; shape (N,).
        right: which of them are objects; shape (N,).
        objects: how many there are to find.
    """
    if not len(scores) or not objects:
        return None
    order = np.argsort(-scores, kind="stable")
    # A cut keeps all of one score or none of them.
    last = np.flatnonzero(np.append(np.diff(scores[order]) < 0, True))
    hits = np.cumsum(right[order])[last]
    f1 = 2 * hits / (last + 1 + objects)
    best = int(f1.argmax())
    precision, recall = hits[best] / (last[best] + 1), hits[best] / objects
    score = scores[order][last[best]]
    return Threshold(float(score), float(precision), float(recall), float(f1[best]))


def _mistakes(
    content: Compared, index: int, confusion: Integers, settings: EvaluationSettings
) -> ImageResult:
    """What is right and wrong on an image, also counted in `confusion`."""
    there, found = content.objects[index], content.found[index]
    matches = match_any_class(found, there, settings.overlap, settings.least_score)
    classes = found.classes[matches.order]
    taken = matches.objects >= 0
    took = matches.objects[taken]
    free = ~there.crowds
    free[took] = False
    false = classes[matches.objects == UNMATCHED]
    nothing = len(confusion) - 1
    rows = [there.classes[took], there.classes[free], np.full(len(false), nothing)]
    columns = [classes[taken], np.full(int(free.sum()), nothing), false]
    np.add.at(confusion, (np.concatenate(rows), np.concatenate(columns)), 1)
    right = int((there.classes[took] == classes[taken]).sum())
    kinds = _false_kinds(matches.overlaps, matches.objects, classes, there, settings)
    return ImageResult(
        content.image_ids[index],
        content.names[index],
        right,
        len(took) - right,
        *kinds,
        int(free.sum()),
    )


def _false_kinds(
    overlaps: Floats,
    objects: Integers,
    classes: Integers,
    there: Objects,
    settings: EvaluationSettings,
) -> tuple[int, int, int]:
    """How many detections of nothing are duplicates, misplaced, and on background."""
    false = objects == UNMATCHED
    overlaps = np.where(there.crowds[None], 0, overlaps[false])
    # What overlaps an object so much and did not take it came too late.
    late = (overlaps >= settings.overlap).any(axis=1)
    own = classes[false][:, None] == there.classes[None]
    near = (own & (overlaps >= settings.near)).any(axis=1) & ~late
    return int(late.sum()), int(near.sum()), int((~late & ~near).sum())
