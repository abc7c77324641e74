"""A detector over a set of images: in order, in batches, with bad images, interrupted, resumed."""

from __future__ import annotations

import dataclasses
import json
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import torch

from archgraph.detect import Detections
from archgraph.errors import DataError
from archgraph.train.evaluate import Detected, evaluate, evaluate_detections
from archgraph.train.records import Pixels
from tests.train.evaluate.support import Images, detected, random_set

SET, FOUND = random_set(4, count=14)


class Detector:
    """Knows an image by its grey, and gives what was found on it as tensors."""

    def __init__(self, stop_after: int = 1000) -> None:
        self.batches: list[int] = []
        self._left = stop_after

    def __call__(self, images: Sequence[Pixels]) -> Sequence[Detections]:
        if not self._left:
            raise KeyboardInterrupt
        self._left -= 1
        self.batches.append(len(images))
        return [self._one(FOUND.get(int(image[0, 0, 0]))) for image in images]

    @staticmethod
    def _one(found: Detected | None) -> Detections:
        one = found or detected([], [], [])
        return Detections(
            torch.tensor(one.boxes_xyxy), torch.tensor(one.scores), torch.tensor(one.classes)
        )


def fresh(broken: frozenset[int] = frozenset()) -> Images:
    return dataclasses.replace(SET, read=[], broken=broken)


@pytest.mark.parametrize(
    ("batch_size", "workers", "batches"),
    [(1, 0, [1] * 14), (4, 2, [4, 4, 4, 2]), (5, 3, [5, 5, 4]), (100, 1, [14])],
)
def test_every_way_gives_the_same(batch_size: int, workers: int, batches: list[int]) -> None:
    detector = Detector()
    told: list[tuple[int, int]] = []
    result = evaluate(
        detector,
        fresh(),
        batch_size=batch_size,
        workers=workers,
        progress=lambda done, whole: told.append((done, whole)),
    )
    assert result == evaluate_detections(SET, FOUND)
    assert detector.batches == batches
    ends = [sum(batches[:i]) for i in range(len(batches) + 1)]
    assert sorted({done for done, _ in told} | {0}) == ends
    assert told == sorted(told) and {whole for _, whole in told} == {14}


def test_only_so_many_images_are_seen() -> None:
    dataset = fresh()
    result = evaluate(Detector(), dataset, limit=5)
    ids = sorted(record.image_id for record in SET.records[:5])
    assert sorted(dataset.read) == ids == [image.image_id for image in result.images]
    assert evaluate(Detector(), dataset, limit=50) == evaluate(Detector(), dataset)


def test_images_are_read_only_a_little_ahead() -> None:
    dataset = fresh()
    most = 0

    def watch(images: Sequence[Pixels]) -> Sequence[Detections]:
        nonlocal most
        seen.append(len(images))
        most = max(most, len(dataset.read) - sum(seen))
        return Detector()(images)

    seen: list[int] = []
    evaluate(watch, dataset, batch_size=2, workers=2)
    assert most <= 2 + 2 + 2


def test_threads_end_when_a_detector_fails() -> None:
    before = threading.active_count()

    def fail(images: Sequence[Pixels]) -> Sequence[Detections]:
        raise RuntimeError("no memory")

    with pytest.raises(RuntimeError, match="no memory"):
        evaluate(fail, fresh(), workers=3)
    assert threading.active_count() == before


def test_bad_images_are_refused_or_left_out() -> None:
    bad = {SET.records[2].image_id, SET.records[13].image_id}
    dataset = fresh(broken=frozenset(bad))
    with pytest.raises(DataError, match="is broken"):
        evaluate(Detector(), dataset)
    result = evaluate(Detector(), dataset, batch_size=4, bad="skip")
    assert [d.code for d in result.skipped] == ["E599", "E599"]
    good = dataclasses.replace(SET, records=[r for r in SET.records if r.image_id not in bad])
    expected = evaluate_detections(good, {i: one for i, one in FOUND.items() if i not in bad})
    assert dataclasses.replace(result, skipped=()) == expected


def test_wrong_detections_are_refused_at_their_image() -> None:
    def wrong(images: Sequence[Pixels]) -> Sequence[Detections]:
        one = torch.tensor([[0.0, 0.0, 1.0, 1.0]])
        return [Detections(one, torch.tensor([float("nan")]), torch.tensor([0])) for _ in images]

    name = SET.records[0].name
    with pytest.raises(DataError, match=f"detections of '{name}'.*not a finite number"):
        evaluate(wrong, fresh())


def test_an_evaluator_that_is_not_there_is_refused_first() -> None:
    dataset = fresh()
    with pytest.raises(DataError, match="there is no evaluator 'coco'"):
        evaluate(Detector(), dataset, evaluator="coco")
    assert not dataset.read


def test_detections_of_half_precision_are_taken() -> None:
    one = Detections(
        torch.tensor([[0, 0, 1, 1]], dtype=torch.bfloat16, requires_grad=True),
        torch.tensor([0.5], dtype=torch.float16),
        torch.tensor([1], dtype=torch.int32),
    )
    taken = Detected.of(one)
    assert taken.boxes_xyxy.dtype == taken.scores.dtype == "float64"
    assert taken.classes.dtype == "int64" and taken.scores.tolist() == [0.5]


def test_an_interrupted_run_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    whole = tmp_path / "whole.json"
    expected = evaluate(Detector(), fresh(), results=whole)
    with pytest.raises(KeyboardInterrupt):
        evaluate(Detector(stop_after=2), fresh(), batch_size=4, results=path)
    assert not path.exists()
    later = Detector()
    result = evaluate(later, fresh(), batch_size=4, results=path)
    assert later.batches == [4, 2]
    assert result == expected
    assert path.read_bytes() == whole.read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["results.json", "whole.json"]
    assert len(json.loads(path.read_text())) == sum(map(len, FOUND.values()))


@pytest.mark.parametrize(
    "again",
    [
        lambda path: evaluate(Detector(), fresh(), results=path, run={"weights": "other"}),
        lambda path: evaluate(Detector(), fresh(), results=path, limit=10),
    ],
    ids=["weights", "limit"],
)
def test_another_run_does_not_go_on(again: Callable[[Path], object], tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    with pytest.raises(KeyboardInterrupt):
        evaluate(Detector(stop_after=1), fresh(), batch_size=4, results=path, run={"weights": "a"})
    with pytest.raises(DataError, match="another run") as caught:
        again(path)
    assert caught.value.diagnostics[0].code == "E533"
