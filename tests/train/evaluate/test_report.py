"""Reports: every number has its place, hostile names are names, and the file stays small."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from archgraph.errors import Diagnostic
from archgraph.train.evaluate import Detected, Evaluation, evaluate_detections
from archgraph.train.evaluate.report import IMAGE_SIDE, MOST_IMAGES, make_report, write_report
from archgraph.train.evaluate.tables import coco_rows
from archgraph.train.records import Objects, Pixels
from tests.train.evaluate.support import Images, detected, images, objects, random_set

HOSTILE = "<script>alert(1)</script>"


class Noise(Images):
    """Images that nothing makes smaller."""

    def pixels(self, index: int) -> Pixels:
        return np.random.default_rng(index).integers(0, 256, (1200, 1600, 3), dtype=np.uint8)


def noisy(seed: int, count: int, classes: int) -> tuple[Noise, Evaluation]:
    dataset, found = random_set(seed, count, classes)
    noise = Noise(dataset.records, dataset.class_names, dataset.category_ids)
    return noise, evaluate_detections(noise, found)


def test_a_report_has_all_parts_and_stays_small(tmp_path: Path) -> None:
    dataset, evaluation = noisy(1, 40, 4)
    path = tmp_path / "eval.html"
    write_report(path, evaluation, dataset, "a detector", {"model": "some model"})
    text = path.read_text()
    headings = re.findall(r"<h2[^>]*>(.*?)</h2>", text)
    assert headings == [
        "COCO&#39;s numbers",
        "Classes",
        "Precision and recall",
        "What is taken for what",
        "Mistakes",
        "Worst images",
        "How it was made",
    ]
    assert text.count("<img ") == min(MOST_IMAGES, len(evaluation.worst(100)))
    widths = [int(width) for width in re.findall(r'<img [^>]*width="(\d+)"', text)]
    assert max(widths) <= 2 * IMAGE_SIDE + 100
    # noise as JPEG: no photographs are larger
    assert len(text) < MOST_IMAGES * 700_000
    for said in ("some model", evaluation.evaluator, "memory", f"{evaluation.numbers.ap:.3f}"):
        assert said in text
    write_report(
        tmp_path / "again.html", evaluation, dataset, "a detector", {"model": "some model"}
    )
    assert (tmp_path / "again.html").read_text() == text


def test_many_classes_have_a_report() -> None:
    dataset, evaluation = noisy(2, 60, 90)
    few = dataclasses.replace(evaluation, images=evaluation.images[:1])
    text = make_report(few, dataset, "many").render()
    assert "rarest classes are not shown" in text and "The most frequent classes" in text


@pytest.mark.parametrize(
    ("dataset", "found"),
    [
        (images({}), {}),
        (images({1: Objects()}, class_names=(), category_ids=()), {}),
        (images({1: objects([(0, 0, 9, 9)], [0])}), {}),
        (images({1: Objects()}), {1: detected([(0, 0, 9, 9)], [0.9], [1])}),
    ],
    ids=["no-images", "no-classes", "nothing-found", "nothing-there"],
)
def test_odd_evaluations_have_a_report(dataset: Images, found: dict[int, Detected]) -> None:
    text = make_report(evaluate_detections(dataset, found), dataset, "odd").render()
    assert "–" in text or dataset.class_names


def test_hostile_names_are_names() -> None:
    there = objects([(0, 0, 9, 9)], [0])
    dataset = images({1: there}, class_names=(HOSTILE, ""), category_ids=(1, 2), name=HOSTILE)
    dataset.records = [dataclasses.replace(dataset.records[0], name=f"{HOSTILE}.jpg")]
    found = {1: detected([(20, 20, 29, 29)], [0.9], [0])}
    text = make_report(evaluate_detections(dataset, found), dataset, HOSTILE).render()
    assert "<script" not in text and "&lt;script&gt;" in text


def test_the_worst_images_show_what_is_there_and_what_was_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    drawn: list[tuple[tuple[int, ...], list[list[float]], list[str]]] = []

    def keep(pixels: Pixels, boxes: Any, labels: list[str], colours: list[int]) -> Pixels:
        drawn.append((pixels.shape, boxes.tolist(), labels))
        return pixels

    monkeypatch.setattr("archgraph.train.evaluate.report.draw_boxes", keep)
    there = objects([(0, 0, 400, 400), (800, 0, 1000, 400)], [0, 1], crowds=[False, True])
    dataset = images({1: there})
    dataset.records = [dataclasses.replace(dataset.records[0], width=2 * IMAGE_SIDE, height=600)]
    found = {
        1: detected([(0, 0, 10, 10), (20, 20, 40, 40), (0, 0, 2, 2)], [0.4, 0.9, 0.2], [0, 1, 0])
    }
    make_report(evaluate_detections(dataset, found), dataset, "drawn")
    shape = (300, IMAGE_SIDE, 3)
    assert drawn == [
        (shape, [[0, 0, 200, 200], [400, 0, 500, 200]], ["cat", "dog (crowd)"]),
        (shape, [[10, 10, 20, 20], [0, 0, 5, 5]], ["dog 0.90", "cat 0.40"]),
    ]


def test_images_that_are_not_there_are_said() -> None:
    dataset = images({5: objects([(0, 0, 9, 9)], [0])}, broken=frozenset({5}))
    text = make_report(evaluate_detections(dataset, {}), dataset, "gone").render()
    assert "5.jpg: &#39;5.jpg&#39; is broken" in text


def test_images_that_were_left_out_are_listed() -> None:
    dataset = images({1: Objects(), 2: Objects()})
    skipped = {2: Diagnostic("E599", "'2.jpg' is broken")}
    result = evaluate_detections(dataset, {}, skipped=skipped)
    text = make_report(result, dataset, "left out").render()
    assert "1 image of memory" in text and "Left out: 1 image." in text
    assert "&#39;2.jpg&#39; is broken" in text


def test_rows_are_those_that_pycocotools_prints(capsys: pytest.CaptureFixture[str]) -> None:
    from pycocotools import cocoeval

    from archgraph.train.evaluate.detected import compared
    from archgraph.train.evaluate.evaluators import _pycocotools

    dataset, found = random_set(1)
    reference = _pycocotools(cocoeval, compared(dataset, found))
    reference.evaluate()
    reference.accumulate()
    capsys.readouterr()
    reference.summarize()
    printed = capsys.readouterr().out.splitlines()
    rows = [str(row) for row in coco_rows(evaluate_detections(dataset, found).numbers)]
    assert rows == [line.strip() for line in printed]
    (absent,) = {str(r)[-4:] for r in coco_rows(evaluate_detections(images({}), {}).numbers)}
    assert absent == " = -"
