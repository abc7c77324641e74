"""Numbers that a person can work out, and what must not change them."""

from __future__ import annotations

import dataclasses
import importlib.util
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from archgraph.errors import DataError
from archgraph.train.evaluate import Detected, Evaluation, evaluate_detections
from archgraph.train.evaluate.detected import compared
from archgraph.train.evaluate.evaluation import ABSENT
from archgraph.train.evaluate.evaluators import run_evaluator
from archgraph.train.records import Objects
from tests.train.evaluate.support import Images, detected, images, objects, random_set

MODULES = {
    "pycocotools": "pycocotools",
    "hotcoco": "hotcoco",
    "faster-coco-eval": "faster_coco_eval",
}
EVALUATORS = [name for name, module in MODULES.items() if importlib.util.find_spec(module)]
TWO = images({7: objects([(0, 0, 50, 50), (100, 100, 150, 150)], [0, 0])})
every_evaluator = pytest.mark.parametrize("evaluator", EVALUATORS)


def near(values: Sequence[float]) -> Any:
    """Equal but for the last bits: faster-coco-eval divides by sums without pycocotools' 2e-16."""
    return pytest.approx(values, rel=0, abs=1e-12)


def numbers(dataset: Images, found: Mapping[int, Detected], evaluator: str) -> dict[str, Any]:
    return evaluate_detections(dataset, found, evaluator=evaluator).numbers.as_dict()


@every_evaluator
def test_one_of_two_objects_found(evaluator: str) -> None:
    """Recall ends at 0.5, and 51 of the 101 recalls are not above it."""
    found = {7: detected([(0, 0, 50, 50)], [0.9], [0])}
    result = evaluate_detections(TWO, found, evaluator=evaluator)
    assert result.evaluator.startswith(evaluator)
    assert result.numbers.ap == pytest.approx(51 / 101, abs=1e-12)
    assert result.numbers.ap50 == result.numbers.ap75 == pytest.approx(51 / 101, abs=1e-12)
    assert result.numbers.ar1 == result.numbers.ar100 == 0.5
    # both are of 2500 pixels: medium
    assert result.numbers.ap_small == result.numbers.ar_large == ABSENT
    assert result.numbers.as_dict()["ap_small"] is None
    assert result.numbers.ap_medium == pytest.approx(51 / 101, abs=1e-12)
    cat, dog = result.classes
    assert (cat.objects, cat.detections, dog.objects, dog.detections) == (2, 1, 0, 0)
    assert dog.numbers.ap == ABSENT and dog.best is None
    assert not any(curve.precision for curve in dog.curves)


@every_evaluator
def test_a_curve_worked_out_by_hand(evaluator: str) -> None:
    """Right, wrong, right: precisions 1, 1/2, 2/3 at recalls 1/2, 1/2, 1.

    Up to a recall of 0.5 precision is 1, beyond it the best that follows: 2/3.
    """
    boxes = [(0.0, 0.0, 50.0, 50.0), (300.0, 300.0, 350.0, 350.0), (100.0, 100.0, 150.0, 150.0)]
    found = {7: detected(boxes, [0.9, 0.8, 0.7], [0, 0, 0])}
    result = evaluate_detections(TWO, found, evaluator=evaluator)
    expected = [1.0] * 51 + [2 / 3] * 50
    assert result.classes[0].curves[0].precision == pytest.approx(expected, abs=1e-12)
    assert result.curves[0].precision == pytest.approx(expected, abs=1e-12)
    assert result.numbers.ap50 == pytest.approx((51 + 50 * 2 / 3) / 101, abs=1e-12)
    best = result.classes[0].best
    assert best is not None
    assert (best.score, best.precision, best.recall) == pytest.approx((0.7, 2 / 3, 1.0))
    assert best.f1 == pytest.approx(0.8)


@every_evaluator
def test_an_overlap_is_found_up_to_its_own_number(evaluator: str) -> None:
    """An overlap of exactly 0.6 counts at 0.50, 0.55 and 0.60: three of the ten."""
    dataset = images({1: objects([(0, 0, 10, 10)], [0])})
    found = {1: detected([(0, 0, 6, 10)], [1.0], [0])}
    result = evaluate_detections(dataset, found, evaluator=evaluator)
    assert result.numbers.ap == pytest.approx(0.3)
    assert result.numbers.ap50 == pytest.approx(1.0)
    assert result.numbers.ap75 == 0


@every_evaluator
def test_everything_found_is_one(evaluator: str) -> None:
    dataset, _ = random_set(3)
    found = {
        record.image_id: Detected(
            record.objects.boxes_xyxy, np.ones(len(record.objects)), record.objects.classes
        )
        for record in dataset.records
    }
    got = numbers(dataset, found, evaluator)
    # one detection of each class is not enough for several objects
    few = {"ar1"}
    assert all(v == pytest.approx(1.0) for k, v in got.items() if v is not None and k not in few)


@every_evaluator
@pytest.mark.parametrize(
    ("dataset", "found"),
    [
        pytest.param(TWO, {}, id="nothing-found"),
        pytest.param(images({}), {}, id="no-images"),
        pytest.param(images({1: Objects()}), {}, id="nothing-there"),
        pytest.param(
            images({1: Objects()}), {1: detected([(0, 0, 9, 9)], [1.0], [0])}, id="only-false"
        ),
        pytest.param(images({1: Objects()}, class_names=(), category_ids=()), {}, id="no-classes"),
        pytest.param(
            images({1: objects([(0, 0, 9, 9)], [0], crowds=[True])}),
            {1: detected([(0, 0, 9, 9)], [1.0], [0])},
            id="only-crowds",
        ),
        pytest.param(
            images({1: objects([(5, 5, 5, 5)], [0])}),
            {1: detected([(5, 5, 5, 5)], [1.0], [0])},
            id="no-area",
        ),
        pytest.param(
            images({0: objects([(0, 0, 9, 9)], [0])}, class_names=("a",), category_ids=(0,)),
            {0: detected([(0, 0, 9, 9)], [1.0], [0])},
            id="zeros",
        ),
        pytest.param(
            images({2**40: objects([(0, 0, 9, 9)], [0]), -3: Objects()}),
            {-3: detected([(0, 0, 9, 9)], [1.0], [1])},
            id="odd-ids",
        ),
    ],
)
def test_odd_sets_have_numbers(
    dataset: Images,
    found: dict[int, Detected],
    evaluator: str,
    capfd: pytest.CaptureFixture[str],
) -> None:
    result = evaluate_detections(dataset, found, evaluator=evaluator)
    reference = evaluate_detections(dataset, found, evaluator="pycocotools")
    assert dataclasses.astuple(result.numbers) == near(dataclasses.astuple(reference.numbers))
    assert capfd.readouterr().out == ""
    there = sum(len(record.objects) - record.objects.crowds.sum() for record in dataset.records)
    assert (result.numbers.ap == ABSENT) == (there == 0)
    assert sum(image.right + image.missed for image in result.images) == there


@pytest.mark.parametrize("evaluator", EVALUATORS[1:])
@pytest.mark.parametrize("seed", range(25))
def test_the_fast_evaluators_are_equal_to_the_reference(evaluator: str, seed: int) -> None:
    dataset, found = random_set(seed, count=2 + seed, classes=1 + seed % 4)
    fast = evaluate_detections(dataset, found, evaluator=evaluator)
    slow = evaluate_detections(dataset, found, evaluator="pycocotools")
    if evaluator == "hotcoco":  # to the last bit
        assert dataclasses.replace(fast, evaluator="") == dataclasses.replace(slow, evaluator="")
    pairs: list[tuple[Any, Any]] = [(fast, slow), *zip(fast.classes, slow.classes, strict=True)]
    for one, other in pairs:
        assert dataclasses.astuple(one.numbers) == near(dataclasses.astuple(other.numbers))
        for curve, expected in zip(one.curves, other.curves, strict=True):
            assert curve.precision == near(expected.precision)


@pytest.mark.parametrize("seed", range(5))
def test_numbers_are_those_that_pycocotools_prints(seed: int) -> None:
    """The reference as its users call it, with files of COCO, against our way to it."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    dataset, found = random_set(seed)
    truth = COCO()
    annotations: list[dict[str, Any]] = []
    for one in dataset.records:
        for box, kind, crowd, area in zip(
            one.objects.boxes_xyxy.tolist(),
            one.objects.classes.tolist(),
            one.objects.crowds.tolist(),
            one.objects.areas.tolist(),
            strict=True,
        ):
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": one.image_id,
                    "category_id": dataset.category_ids[kind],
                    "bbox": [box[0], box[1], box[2] - box[0], box[3] - box[1]],
                    "iscrowd": int(crowd),
                    "area": area,
                }
            )
    truth.dataset = {
        "images": [{"id": one.image_id} for one in dataset.records],
        "categories": [{"id": i} for i in dataset.category_ids],
        "annotations": annotations,
    }
    truth.createIndex()
    results = [
        {
            "image_id": image_id,
            "category_id": dataset.category_ids[kind],
            "bbox": [box[0], box[1], box[2] - box[0], box[3] - box[1]],
            "score": score,
        }
        for image_id, one in found.items()
        for box, score, kind in zip(
            one.boxes_xyxy.tolist(), one.scores.tolist(), one.classes.tolist(), strict=True
        )
    ]
    reference = COCOeval(truth, truth.loadRes(results), "bbox")
    reference.evaluate()
    reference.accumulate()
    reference.summarize()
    got = evaluate_detections(dataset, found, evaluator="pycocotools").numbers
    assert list(dataclasses.astuple(got)) == reference.stats.tolist()


def shuffled(dataset: Images, found: Mapping[int, Detected], seed: int) -> Evaluation:
    """The same images, and the same detections of each, in another order."""
    make = np.random.default_rng(seed)
    order = make.permutation(len(dataset))
    mixed = dataclasses.replace(dataset, records=[dataset.records[i] for i in order])
    again: dict[int, Detected] = {}
    for image_id in make.permutation(list(found)).tolist():
        one = found[image_id]
        places = make.permutation(len(one))
        again[image_id] = Detected(one.boxes_xyxy[places], one.scores[places], one.classes[places])
    return evaluate_detections(mixed, again)


def test_order_changes_nothing() -> None:
    dataset, found = random_set(5)
    # within an image, the order of equal scores is the detector's own, and means something
    found = {
        i: dataclasses.replace(one, scores=one.scores + np.arange(len(one)) * 1e-6)
        for i, one in found.items()
    }
    assert shuffled(dataset, found, 1) == shuffled(dataset, found, 2)
    assert shuffled(dataset, found, 1) == evaluate_detections(dataset, found)


@every_evaluator
def test_of_equal_scores_the_first_comes_first(evaluator: str) -> None:
    right, wrong = (0.0, 0.0, 50.0, 50.0), (300.0, 300.0, 350.0, 350.0)
    dataset = images({1: objects([right], [0])})
    first = numbers(dataset, {1: detected([right, wrong], [0.5, 0.5], [0, 0])}, evaluator)
    last = numbers(dataset, {1: detected([wrong, right], [0.5, 0.5], [0, 0])}, evaluator)
    assert (first["ap"], last["ap"]) == (pytest.approx(1.0), pytest.approx(0.5))


def test_what_hits_a_crowd_is_looked_over() -> None:
    there = objects([(0, 0, 20, 20), (100, 100, 300, 300)], [0, 0], crowds=[False, True])
    boxes = [(0.0, 0.0, 20.0, 20.0), (110.0, 110.0, 130.0, 130.0), (150.0, 150.0, 170.0, 170.0)]
    result = evaluate_detections(
        images({1: there}), {1: detected(boxes, [0.5, 0.9, 0.8], [0, 0, 0])}
    )
    assert result.numbers.ap == pytest.approx(1.0)
    assert result.images[0].right == 1 and result.images[0].mistakes == 0
    assert result.classes[0].crowds == 1
    best = result.classes[0].best
    assert best is not None
    assert (best.precision, best.recall, best.f1) == (1.0, 1.0, 1.0)


def test_only_so_many_images_are_looked_at() -> None:
    dataset, found = random_set(8)
    some = dataclasses.replace(dataset, records=dataset.records[:4])
    ids = {record.image_id for record in some.records}
    fewer = {i: one for i, one in found.items() if i in ids}
    assert evaluate_detections(dataset, found, limit=4) == evaluate_detections(some, fewer)


@pytest.mark.parametrize(
    ("one", "said"),
    [
        (detected([(0, 0, 1, float("nan"))], [0.5], [0]), "'7.jpg': a box or a score is not"),
        (detected([(0, 0, 1, 1)], [float("inf")], [0]), "a box or a score is not a finite number"),
        (detected([(5, 0, 1, 1)], [0.5], [0]), "a box is turned inside out"),
        (detected([(0, 0, 1, 1)], [0.5], [2]), "class 2 is none of the 2 of the set"),
        (detected([(0, 0, 1, 1)], [0.5], [-1]), "class -1 is none of the 2"),
        (detected([(0, 0, 1, 1)], [0.5, 0.4], [1, 1]), "as many boxes as scores"),
    ],
)
def test_detections_that_cannot_be_compared_are_refused(one: Detected, said: str) -> None:
    with pytest.raises(DataError, match=said) as caught:
        evaluate_detections(TWO, {7: one})
    assert caught.value.diagnostics[0].code == "E531"


def test_detections_of_unknown_images_are_refused() -> None:
    found = {i: detected([], [], []) for i in (1, 2, 3, 4, 7)}
    with pytest.raises(DataError, match="images 1, 2, 3 and 1 more, which memory does not have"):
        evaluate_detections(TWO, found)


def test_images_of_one_id_are_refused() -> None:
    twice = Images([*TWO.records, *TWO.records])
    with pytest.raises(DataError, match="two images have the id 7"):
        evaluate_detections(twice, {})


def test_an_evaluator_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    content = compared(TWO, {})
    with pytest.raises(DataError, match="did you mean 'hotcoco'") as caught:
        run_evaluator(content, "hotcocoa")
    assert caught.value.diagnostics[0].code == "E530"

    def missing(name: str) -> object:
        raise ImportError(name)

    monkeypatch.setattr("archgraph.train.evaluate.evaluators.import_module", missing)
    with pytest.raises(DataError, match="'pycocotools' is not installed"):
        run_evaluator(content)
