"""`archgraph eval`: detectors and files of results, what it prints, writes and refuses."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from PIL import Image

from archgraph.errors import DataError, Diagnostic
from archgraph.train.evaluate import Detected, evaluate_detections, write_results
from tests.cli.support import Command
from tests.train.evaluate.support import Images, detected, images, objects, random_set

LITE = ("efficientdet", "--variant", "lite0", "--set", "classes=2")
RESULTS = ("eval", "--from", "results.json", "--data", "memory")
CAT = (10.0, 10.0, 60.0, 60.0)


class Sources:
    """Stands for `archgraph.train.data`: sets of images by the name of their source."""

    def __init__(self) -> None:
        self.sets: dict[str, Images] = {}
        self.asked: list[tuple[str, str]] = []

    def open_dataset(self, source: str, *, bad: str, progress: object) -> Images:
        self.asked.append((source, bad))
        if source not in self.sets:
            raise DataError(Diagnostic("E599", f"there is no set '{source}'"))
        return self.sets[source]


@pytest.fixture
def sources(monkeypatch: pytest.MonkeyPatch) -> Sources:
    found = Sources()
    module: Any = ModuleType("archgraph.train.data")
    module.open_dataset = found.open_dataset
    monkeypatch.setitem(sys.modules, "archgraph.train.data", module)
    there = {
        4: objects([CAT, (100, 100, 180, 180)], [0, 1]),
        9: objects([(20, 20, 40, 40)], [1], crowds=[True]),
    }
    found.sets["memory"] = images(there, class_names=("cat", "dog"))
    return found


@pytest.fixture
def results(folder: Path, sources: Sources) -> dict[int, Detected]:
    found = {4: detected([CAT, (300, 300, 340, 340)], [0.9, 0.4], [0, 1])}
    write_results(folder / "results.json", found, (3, 18))
    return found


def test_a_file_of_results(archgraph: Command, results: dict[int, Detected]) -> None:
    outcome = archgraph(*RESULTS, "--evaluator", "pycocotools")
    assert outcome.code == 0
    assert outcome.out == (
        "Average Precision  (AP) @[ IoU=0.50:0.95 | area=   all | maxDets=100 ] = 0.500\n"
        "Average Precision  (AP) @[ IoU=0.50      | area=   all | maxDets=100 ] = 0.500\n"
        "Average Precision  (AP) @[ IoU=0.75      | area=   all | maxDets=100 ] = 0.500\n"
        "Average Precision  (AP) @[ IoU=0.50:0.95 | area= small | maxDets=100 ] = -\n"
        "Average Precision  (AP) @[ IoU=0.50:0.95 | area=medium | maxDets=100 ] = 0.500\n"
        "Average Precision  (AP) @[ IoU=0.50:0.95 | area= large | maxDets=100 ] = -\n"
        "Average Recall     (AR) @[ IoU=0.50:0.95 | area=   all | maxDets=  1 ] = 0.500\n"
        "Average Recall     (AR) @[ IoU=0.50:0.95 | area=   all | maxDets= 10 ] = 0.500\n"
        "Average Recall     (AR) @[ IoU=0.50:0.95 | area=   all | maxDets=100 ] = 0.500\n"
        "Average Recall     (AR) @[ IoU=0.50:0.95 | area= small | maxDets=100 ] = -\n"
        "Average Recall     (AR) @[ IoU=0.50:0.95 | area=medium | maxDets=100 ] = 0.500\n"
        "Average Recall     (AR) @[ IoU=0.50:0.95 | area= large | maxDets=100 ] = -\n"
        "\n"
        "class  objects  found     AP   AP50   AP75  small  medium  large     AR  score     F1\n"
        "cat          1      1  1.000  1.000  1.000      -   1.000      -  1.000  0.900  1.000\n"
        "dog          1      1  0.000  0.000  0.000      -   0.000      -  0.000  0.400  0.000\n"
    )
    assert outcome.err.startswith("memory: 2 images, 2 objects, by pycocotools 2")


def test_json(archgraph: Command, results: dict[int, Detected], sources: Sources) -> None:
    outcome = archgraph(*RESULTS, "--json")
    expected = evaluate_detections(sources.sets["memory"], results).as_dict()
    assert outcome.json == expected
    assert outcome.json["numbers"]["ap_small"] is None
    assert outcome.json["mistakes"]["background"] == 1
    assert outcome.json["classes"][0]["best"]["f1"] == 1.0


def test_the_score_of_mistakes(archgraph: Command, results: dict[int, Detected]) -> None:
    low = archgraph(*RESULTS, "--json").json
    high = archgraph(*RESULTS, "--json", "--min-score", "0.5").json
    assert (low["mistakes"]["background"], high["mistakes"]["background"]) == (1, 0)
    assert low["numbers"] == high["numbers"]


def test_a_report(archgraph: Command, results: dict[int, Detected], folder: Path) -> None:
    outcome = archgraph(*RESULTS, "--report", "eval.html")
    assert outcome.code == 0 and "wrote eval.html\n" in outcome.err
    text = (folder / "eval.html").read_text()
    assert "<h1>results.json on memory</h1>" in text and "4.jpg: F1" in text


def test_only_some_images(archgraph: Command, sources: Sources, folder: Path) -> None:
    dataset, found = random_set(3)
    sources.sets["memory"] = dataset
    write_results(folder / "results.json", found, dataset.category_ids)
    outcome = archgraph(*RESULTS, "--json", "--limit", "5")
    assert outcome.json["images"] == 5
    assert outcome.json == evaluate_detections(dataset, found, limit=5).as_dict()


def test_files_of_coco(archgraph: Command, folder: Path) -> None:
    """Everything from files: images, annotations with gaps in their ids, results, a report."""
    (folder / "photos" / "annotations").mkdir(parents=True)
    (folder / "photos" / "val").mkdir()
    Image.new("RGB", (200, 200), "grey").save(folder / "photos" / "val" / "a.png")
    box = {"image_id": 7, "category_id": 18, "bbox": [10, 10, 50, 50]}
    annotations = {
        "images": [{"id": 7, "file_name": "a.png", "width": 200, "height": 200}],
        "categories": [{"id": 3, "name": "cat"}, {"id": 18, "name": "dog"}],
        "annotations": [{"id": 1, **box, "area": 2500, "iscrowd": 0}],
    }
    (folder / "photos/annotations/instances_val.json").write_text(json.dumps(annotations))
    results = [{**box, "score": 0.5}, {**box, "category_id": 3, "score": 0.9}]
    (folder / "results.json").write_text(json.dumps(results))
    command = ("eval", "--from", "results.json", "--data", "coco:photos", "--report", "eval.html")
    outcome = archgraph(*command, "--json")
    assert outcome.code == 0, outcome.err
    assert [one["ap"] for one in outcome.json["classes"]] == [None, pytest.approx(1.0)]
    assert outcome.json["mistakes"]["wrong_class"] == 1
    assert "data:image/" in (folder / "eval.html").read_text()
    (folder / "results.json").write_text(json.dumps([{**box, "category_id": 1, "score": 0.5}]))
    outcome = archgraph(*command)
    assert outcome.code == 1
    assert "entry 0 has a category_id of 1, the ids of the set are 3 to 18" in outcome.err


@pytest.mark.slow
def test_a_detector(archgraph: Command, sources: Sources, folder: Path) -> None:
    """A real detector, with weights of its own; its results evaluate to the same."""
    from archgraph.cli.options import parse_settings
    from archgraph.train.detector import make_detector
    from archgraph.weights.files import write_safetensors

    detector = make_detector(
        "efficientdet", variant="lite0", arguments=parse_settings(["classes=2"])
    )
    write_safetensors(folder / "w.safetensors", detector.network.state_dict(), {})
    command = ("eval", *LITE, "--weights", "w.safetensors", "--data", "memory", "--batch-size", "1")
    outcome = archgraph(*command, "--results", "results.json", "--json", "--report", "eval.html")
    assert outcome.code == 0, outcome.err
    assert "classes are matched by their order" in outcome.err
    assert "wrote results.json (200 detections)" in outcome.err
    assert outcome.json["images"] == 2
    again = archgraph(*RESULTS, "--json")
    assert again.json == outcome.json
    entries = json.loads((folder / "results.json").read_text())
    assert {entry["image_id"] for entry in entries} == {4, 9}
    assert {entry["category_id"] for entry in entries} <= {3, 18}
    assert "sha256" in (folder / "eval.html").read_text()
    # what an interrupted run has left belongs to it alone
    (folder / "results.json.partial").write_text('{"model": "another"}\n')
    refused = archgraph(*command, "--results", "results.json")
    assert (refused.code, "error[E533]" in refused.err) == (1, True)


def test_an_interrupted_run_says_how_it_goes_on(
    archgraph: Command, sources: Sources, monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    import archgraph.train.detector as detectors

    class Interrupted:
        class_names, category_ids = ("cat", "dog"), (1, 2)

        def detect(self, images: object) -> object:
            raise KeyboardInterrupt

    monkeypatch.setattr(detectors, "make_detector", lambda *_, **__: Interrupted())
    outcome = archgraph("eval", *LITE, "--data", "memory", "--results", "results.json")
    assert outcome.code == 130
    assert "the same command goes on from results.json.partial" in outcome.err
    assert (folder / "results.json.partial").exists()


@pytest.mark.parametrize(
    ("skip", "code", "said"),
    [
        ((), 1, "error[E599]: '9.jpg' is broken"),
        (("--bad", "skip"), 0, "left out: '9.jpg' is broken"),
    ],
)
def test_bad_images(
    archgraph: Command,
    sources: Sources,
    monkeypatch: pytest.MonkeyPatch,
    skip: tuple[str, ...],
    code: int,
    said: str,
) -> None:
    import archgraph.train.detector as detectors

    class Blind:
        class_names, category_ids = ("cat", "dog"), (1, 2)

        def detect(self, images: list[Any]) -> object:
            return [detected([], [], []) for _ in images]

    monkeypatch.setattr(detectors, "make_detector", lambda *_, **__: Blind())
    sources.sets["memory"].broken = frozenset({9})
    outcome = archgraph("eval", *LITE, "--data", "memory", *skip)
    assert outcome.code == code and said in outcome.err
    assert sources.asked == [("memory", "skip" if skip else "refuse")]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ((), 2, "error[E125]: there are no images to evaluate on"),
        (("--data", "memory"), 2, "error[E125]: there is nothing to evaluate"),
        ((*LITE, *RESULTS[1:]), 2, "error[E125]: '--from' and a SPEC say different things"),
        ((*RESULTS[1:], "--weights", "w.pth"), 2, "error[E125]: '--from' and '--weights'"),
        ((*RESULTS[1:], "--results", "r.json"), 2, "error[E125]: '--from' and '--results'"),
        ((*RESULTS[1:], "--report", "eval.pdf"), 2, "error[E122]: cannot write a report to"),
        ((*RESULTS[1:], "--report", "-"), 2, "error[E122]: cannot write a report to '-'"),
        ((*RESULTS[1:], "--report", "no/e.html"), 3, "error[E020]: cannot write 'no/e.html'"),
        ((*LITE, "--data", "memory", "--results", "r.txt"), 2, "error[E122]: cannot write results"),
        (("--from", "none.json", "--data", "memory"), 3, "error[E001]: cannot read 'none.json'"),
        ((*RESULTS[1:], "--evaluator", "mine"), 1, "error[E530]: there is no evaluator 'mine'"),
        (("--from", "results.json", "--data", "x"), 1, "error[E599]: there is no set 'x'"),
        ((*RESULTS[1:], "--batch-size", "0"), 2, "Invalid value for '--batch-size'"),
        (
            (*LITE, "--data", "memory", "--weights", "no.pth"),
            3,
            "error[E001]: cannot read 'no.pth'",
        ),
        (("bifpn", "--data", "memory"), 1, "error[E414]"),
    ],
)
def test_what_is_refused(
    archgraph: Command,
    results: dict[int, Detected],
    arguments: tuple[str, ...],
    code: int,
    said: str,
) -> None:
    outcome = archgraph("eval", *arguments)
    assert outcome.code == code and said in outcome.err
    assert outcome.out == ""


def test_a_detector_of_other_classes_is_refused(archgraph: Command, sources: Sources) -> None:
    outcome = archgraph("eval", *LITE[:-1], "classes=3", "--data", "memory")
    assert outcome.code == 1 and "error[E534]: the detector has 3 classes" in outcome.err


def test_hostile_names_do_not_drive_the_terminal(
    archgraph: Command, sources: Sources, folder: Path
) -> None:
    there = {1: objects([CAT], [0])}
    sources.sets["memory"] = images(there, class_names=("\x1b[31mred", ""), category_ids=(1, 2))
    found = {1: Detected(np.array([CAT]), np.array([0.5]), np.array([1]))}
    write_results(folder / "results.json", found, (1, 2))
    outcome = archgraph(*RESULTS)
    assert "\\x1b[31mred" in outcome.out and "\x1b" not in outcome.out
    assert "(2)" in outcome.out  # a class without a name goes by its id
