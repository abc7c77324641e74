"""Files of results: they say what was found to the last digit, and what is wrong with others."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from archgraph.errors import DataError, InputOutputError
from archgraph.train.evaluate import evaluate_detections, read_results, write_results
from archgraph.train.evaluate.results_file import MOST_TOLD, Progress
from tests.train.evaluate.support import detected, random_set

IDS = (3, 18)
GOOD = '{"image_id": 1, "category_id": 3, "bbox": [0, 0, 2, 3], "score": 0.5}'


def changed(before: str, after: str) -> str:
    return f"[{GOOD.replace(before, after)}]"


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    dataset, found = random_set(2)
    make = np.random.default_rng(0)
    found = {  # such numbers as detectors give: float32
        i: detected(
            (one.boxes_xyxy * np.float32(1 + make.random() / 3)).astype(np.float32).tolist(),
            make.random(len(one)).tolist(),
            one.classes.tolist(),
        )
        for i, one in found.items()
    }
    write_results(path, found, dataset.category_ids)
    first = path.read_bytes()
    again = read_results(path, dataset.category_ids)
    assert {i for i, one in found.items() if len(one)} == set(again)
    for image_id, one in again.items():
        assert (one.boxes_xyxy == found[image_id].boxes_xyxy).all()
        assert (one.scores == found[image_id].scores).all()
        assert (one.classes == found[image_id].classes).all()
    assert evaluate_detections(dataset, again) == evaluate_detections(dataset, found)
    write_results(path, again, dataset.category_ids)
    assert path.read_bytes() == first


def test_a_file_of_results_is_coco_json(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    write_results(path, {4: detected([(1, 2, 4, 8)], [0.25], [1]), 2: detected([], [], [])}, IDS)
    assert json.loads(path.read_text()) == [
        {"image_id": 4, "category_id": 18, "bbox": [1.0, 2.0, 3.0, 6.0], "score": 0.25}
    ]
    write_results(path, {}, IDS)
    assert json.loads(path.read_text()) == [] and read_results(path, IDS) == {}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is empty"),
        ("  \n", "is empty"),
        ('{"annotations": []}', "holds no list of results"),
        ("\x89PNG", "holds no list of results"),
        ("[" + GOOD, "is damaged"),
        (f"[{GOOD}, ]", "is damaged"),
        ('[{"image_id": NaN}]', "is damaged"),
        (f"[{GOOD}, 3]", "entry 1 is no object"),
        ("[{}]", "entry 0 lacks image_id, category_id, bbox and score"),
        (changed(": 1,", ': "1",'), "image_id of '1', a whole number is needed"),
        (changed(": 3,", ": 4,"), "category_id of 4, the ids of the set are 3 to 18"),
        (changed("0.5", "null"), "score of None, a number is needed"),
        (changed("0.5", "1e999"), "score of inf, a number is needed|is damaged"),
        (changed(", 3]", "]"), "bbox that is not left, top, width and height"),
        (changed(", 3]", ", true]"), "bbox that is not left, top, width and height"),
        (changed(", 3]", ", -3]"), "bbox of negative size"),
    ],
)
def test_other_files_are_refused(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(DataError, match=said) as caught:
        read_results(path, IDS)
    assert {d.code for d in caught.value.diagnostics} == {"E532"}
    assert str(path) in str(caught.value)


def test_the_first_wrong_entries_are_told(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    path.write_text(f"[{', '.join([GOOD, *['7'] * 50])}]")
    with pytest.raises(DataError) as caught:
        read_results(path, IDS)
    assert len(caught.value.diagnostics) == MOST_TOLD


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputOutputError) as caught:
        read_results(tmp_path / "none.json", IDS)
    assert caught.value.diagnostics[0].code == "E001"


def test_progress_goes_on_where_it_stopped(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    found = {4: detected([(1, 2, 4, 8.1)], [0.1], [1]), 9: detected([], [], [])}
    Progress(path, {"model": "a"}).add(found)
    lines = tmp_path / "results.json.partial"
    with lines.open("a") as file:
        file.write("[11, [[1.0, 2")  # the power fails
    again = Progress(path, {"model": "a"})
    assert set(again.found) == {4, 9} and not len(again.found[9])
    assert (again.found[4].boxes_xyxy == found[4].boxes_xyxy).all()
    assert len(lines.read_text().splitlines()) == 3
    again.done()
    assert not lines.exists()


def test_progress_of_another_run_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    Progress(path, {"model": "a"}).add({})
    with pytest.raises(DataError, match="is what another run has left") as caught:
        Progress(path, {"model": "b"})
    assert caught.value.diagnostics[0].code == "E533"


@pytest.mark.parametrize(
    "line", ["x", "[1]", "[1, [[2]]]", '{"a": 1}', "[1.5, []]", "[1, [[1, 2, 3, 4, 5, NaN]]]"]
)
def test_damaged_progress_is_refused(line: str, tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    Progress(path, {"model": "a"})
    with (tmp_path / "results.json.partial").open("a") as file:
        file.write(f"{line}\n")
    with pytest.raises(DataError, match="is damaged: line 2") as caught:
        Progress(path, {"model": "a"})
    assert caught.value.diagnostics[0].code == "E532"


def test_progress_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    with pytest.raises(InputOutputError) as caught:
        Progress(tmp_path / "none" / "results.json", {})
    assert caught.value.diagnostics[0].code == "E020"
