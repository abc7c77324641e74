"""Which detection is which object, which class is taken for which, and what each mistake is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from archgraph.train.evaluate import EvaluationSettings, evaluate_detections
from archgraph.train.evaluate.detected import NOTHING, compared
from archgraph.train.evaluate.evaluation import ImageResult
from archgraph.train.evaluate.matching import IGNORED, UNMATCHED, match_by_class, overlaps_with
from archgraph.train.evaluate.measures import best_threshold
from archgraph.train.records import Objects
from tests.train.evaluate.support import Box, detected, images, objects, random_set

CAT, DOG = 0, 1
# Boxes of 10 x 10 whose overlaps with the first are known.
HERE: Box = (0, 0, 10, 10)
MOST: Box = (0, 0, 10, 9)  # 0.9
MORE: Box = (0, 0, 10, 6)  # 0.6
LESS: Box = (0, 0, 10, 3)  # 0.3
AWAY: Box = (50, 50, 60, 60)


def judged(
    there: Sequence[tuple[Box, int]], found: Sequence[tuple[Box, int, float]]
) -> tuple[ImageResult, Sequence[Sequence[int]]]:
    """What is said of one image, and the confusion of cat, dog and nothing."""
    dataset = images({1: objects([b for b, _ in there], [k for _, k in there])})
    one = detected([b for b, _, _ in found], [s for _, _, s in found], [k for _, k, _ in found])
    result = evaluate_detections(dataset, {1: one})
    return result.images[0], result.confusion


@pytest.mark.parametrize(
    ("there", "found", "counts", "confusion"),
    [
        pytest.param([], [], {}, [[0, 0, 0], [0, 0, 0], [0, 0, 0]], id="nothing"),
        pytest.param(
            [(HERE, CAT)],
            [(MORE, CAT, 0.9)],
            {"right": 1},
            [[1, 0, 0], [0, 0, 0], [0, 0, 0]],
            id="right",
        ),
        pytest.param(
            [(HERE, CAT)],
            [(HERE, DOG, 0.9)],
            {"wrong_class": 1},
            [[0, 1, 0], [0, 0, 0], [0, 0, 0]],
            id="wrong-class",
        ),
        pytest.param(
            [(HERE, CAT)], [], {"missed": 1}, [[0, 0, 1], [0, 0, 0], [0, 0, 0]], id="missed"
        ),
        pytest.param(
            [],
            [(HERE, DOG, 0.9)],
            {"background": 1},
            [[0, 0, 0], [0, 0, 0], [0, 1, 0]],
            id="background",
        ),
        pytest.param(
            [(HERE, CAT)],
            [(LESS, CAT, 0.9)],
            {"misplaced": 1, "missed": 1},
            [[0, 0, 1], [0, 0, 0], [1, 0, 0]],
            id="misplaced",
        ),
        pytest.param(
            [(HERE, CAT)],
            [(LESS, DOG, 0.9)],
            {"background": 1, "missed": 1},
            [[0, 0, 1], [0, 0, 0], [0, 1, 0]],
            id="near-another-class",
        ),
        pytest.param(
            [(HERE, CAT)],
            [(MOST, CAT, 0.8), (MORE, CAT, 0.9)],
            {"right": 1, "duplicate": 1},
            [[1, 0, 0], [0, 0, 0], [1, 0, 0]],
            id="the-better-score-takes-it",
        ),
        pytest.param(
            [(HERE, CAT)],
            [(HERE, DOG, 0.9), (HERE, CAT, 0.8)],
            {"wrong_class": 1, "duplicate": 1},
            [[0, 1, 0], [0, 0, 0], [1, 0, 0]],
            id="a-better-wrong-class-takes-it-too",
        ),
        pytest.param(
            [(HERE, CAT), (MORE, DOG)],
            [(MOST, DOG, 0.9), (MOST, CAT, 0.8)],
            {"right": 2},
            [[1, 0, 0], [0, 1, 0], [0, 0, 0]],
            id="its-own-class-before-the-greater-overlap",
        ),
        pytest.param(
            [(HERE, CAT)],
            [(HERE, CAT, 0.29)],
            {"missed": 1},
            [[0, 0, 1], [0, 0, 0], [0, 0, 0]],
            id="below-the-score",
        ),
        pytest.param(
            [(HERE, CAT), (AWAY, CAT)],
            [(HERE, CAT, 0.9), (AWAY, CAT, 0.3)],
            {"right": 2},
            [[2, 0, 0], [0, 0, 0], [0, 0, 0]],
            id="two",
        ),
    ],
)
def test_mistakes_by_hand(
    there: Sequence[tuple[Box, int]],
    found: Sequence[tuple[Box, int, float]],
    counts: dict[str, int],
    confusion: Sequence[Sequence[int]],
) -> None:
    image, table = judged(there, found)
    assert image == ImageResult(1, "1.jpg", **counts)
    assert [list(row) for row in table] == confusion


def test_a_score_of_an_image_is_its_f1() -> None:
    assert ImageResult(1, "a").f1 == 1.0
    assert ImageResult(1, "a", right=3).f1 == 1.0
    # two of three detections right, one of three objects missed
    assert ImageResult(1, "a", right=2, background=1, missed=1).f1 == pytest.approx(2 / 3)
    # a wrong class is a false detection and an object not found
    assert ImageResult(1, "a", right=1, wrong_class=1).f1 == pytest.approx(0.5)
    assert ImageResult(1, "a", missed=2).f1 == 0.0


def test_the_worst_images_come_first_and_good_ones_not_at_all() -> None:
    boxes: list[Box] = [HERE, AWAY]
    there = objects(boxes, [CAT, CAT])
    dataset = images(dict.fromkeys((5, 4, 3, 2, 1), there))
    found = {
        1: detected(boxes, [0.9, 0.9], [CAT, CAT]),
        2: detected([HERE], [0.9], [CAT]),
        3: detected([HERE, (100, 0, 110, 10)], [0.9, 0.9], [DOG, CAT]),
    }
    result = evaluate_detections(dataset, found)
    assert [image.image_id for image in result.worst(10)] == [3, 4, 5, 2]
    assert [image.image_id for image in result.worst(2)] == [3, 4]
    assert result.mistakes == {
        "wrong_class": 1,
        "duplicate": 0,
        "misplaced": 0,
        "background": 1,
        "missed": 6,
    }


def test_a_crowd_hides_its_own_class_only() -> None:
    there = objects([(0, 0, 100, 100)], [CAT], crowds=[True])
    found = detected([(10, 10, 20, 20), (30, 30, 40, 40)], [0.9, 0.8], [CAT, DOG])
    result = evaluate_detections(images({1: there}), {1: found})
    assert result.images[0] == ImageResult(1, "1.jpg", background=1)
    assert [list(row) for row in result.confusion] == [[0, 0, 0], [0, 0, 0], [0, 1, 0]]


def test_settings_say_what_counts() -> None:
    dataset = images({1: objects([HERE], [CAT])})
    found = {1: detected([MORE], [0.2], [CAT])}
    loose = evaluate_detections(dataset, found, settings=EvaluationSettings(0.1, 0.6))
    strict = evaluate_detections(dataset, found, settings=EvaluationSettings(0.1, 0.7))
    assert (loose.images[0].right, strict.images[0].misplaced) == (1, 1)


@pytest.mark.parametrize("seed", range(12))
def test_matches_are_those_of_pycocotools(seed: int) -> None:
    """Our own matching, by which thresholds are chosen, against the reference's, box by box."""
    pytest.importorskip("pycocotools")
    from pycocotools import cocoeval

    from archgraph.train.evaluate.evaluators import _pycocotools

    dataset, found = random_set(seed)
    content = compared(dataset, found)
    reference: Any = _pycocotools(cocoeval, content)
    reference.params.areaRng, reference.params.areaRngLbl = [[0, 1e10]], ["all"]
    reference.evaluate()
    per_class: dict[tuple[int, int], Any] = {
        (one["image_id"] - 1, one["category_id"] - 1): one
        for one in reference.evalImgs
        if one is not None
    }
    total = 0
    for index, (there, one) in enumerate(zip(content.objects, content.found, strict=True)):
        matches = match_by_class(one, there, 0.5, 100)
        for kind in range(len(content.class_names)):
            ours = matches.objects[one.classes[matches.order] == kind]
            theirs = per_class.get((index, kind))
            if theirs is None:
                assert not len(ours)
                continue
            ignored = theirs["dtIgnore"][0].astype(bool)
            assert (ours == IGNORED).tolist() == ignored.tolist()
            hit = theirs["dtMatches"][0] > 0
            assert (ours >= 0).tolist() == (hit & ~ignored).tolist()
            assert ((ours == UNMATCHED) == ~hit).all()
            total += int((ours >= 0).sum())
    assert total > 3


def test_only_the_best_of_a_class_are_matched() -> None:
    found = detected([AWAY, AWAY, HERE, HERE], [0.9, 0.8, 0.7, 0.6], [CAT, CAT, CAT, DOG])
    matches = match_by_class(found, objects([HERE, HERE], [CAT, DOG]), 0.5, 2)
    assert matches.order.tolist() == [0, 1, 3]
    assert matches.objects.tolist() == [UNMATCHED, UNMATCHED, 1]


def test_of_equal_objects_the_last_is_taken_first() -> None:
    """As pycocotools does; it tells when one of them is smaller than an evaluation looks at."""
    matches = match_by_class(
        detected([HERE, HERE], [0.9, 0.8], [CAT, CAT]), objects([HERE, HERE], [CAT, CAT]), 0.5, 100
    )
    assert matches.objects.tolist() == [1, 0]


def test_overlaps_of_degenerate_boxes_are_zero() -> None:
    there = objects([(5, 5, 5, 5), (9, 9, 3, 3), HERE], [CAT] * 3)
    boxes = np.array([(5, 5, 5, 5), (8, 8, 2, 2)], np.float64)
    assert not overlaps_with(boxes, there).any()
    assert overlaps_with(NOTHING.boxes_xyxy, there).shape == (0, 3)
    assert overlaps_with(boxes, Objects()).shape == (2, 0)


def test_a_threshold_keeps_all_of_one_score() -> None:
    scores = np.array([0.9, 0.5, 0.5, 0.5, 0.1])
    right = np.array([True, True, False, False, True])
    # cut at 0.9: 2/(1+3); at 0.5: 4/(4+3); at 0.1: 6/(5+3)
    best = best_threshold(scores, right, 3)
    assert best is not None
    assert (best.score, best.f1) == pytest.approx((0.1, 6 / 8))
    best = best_threshold(scores[:4], right[:4], 3)
    assert best is not None
    assert (best.score, best.precision, best.recall) == pytest.approx((0.5, 0.5, 2 / 3))
    assert best_threshold(scores, right, 0) is None
    assert best_threshold(scores[:0], right[:0], 3) is None
