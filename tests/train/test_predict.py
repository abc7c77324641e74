"""Which photographs are meant, what is found on them, and what is written."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from archgraph.detect import Detections
from archgraph.errors import ArchgraphError, DataError
from archgraph.train.detector import Detector, make_detector
from archgraph.train.predict import (
    coco_results,
    drawn,
    find_photographs,
    predict,
    write_drawing,
    write_results,
)
from archgraph.train.records import Pixels
from tests.small_detector import shaken, toy_spec


def painted(path: Path, width: int = 40, height: int = 30, seed: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    shape = (height, width, 3)
    pixels = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return path


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    painted(folder / "b.png", seed=1)
    painted(folder / "a.jpg", 60, 20, seed=2)
    painted(folder / "more" / "a.jpg", seed=3)
    (folder / "notes.txt").write_text("no image")
    return folder


@pytest.fixture(scope="module")
def toy() -> Detector:
    found = make_detector(toy_spec(), class_names=["cat", "", "dog"], category_ids=[3, 5, 8])
    shaken(found.network)
    return found


def names(found: Sequence[Any]) -> list[str]:
    return [each.name for each in found]


# --- which ------------------------------------------------------------------------------------


def test_a_folder_is_searched_whole(photos: Path) -> None:
    found = find_photographs([str(photos)])
    assert names(found) == ["a.jpg", "b.png", "more/a.jpg"]
    assert [each.image_id for each in found] == [0, 1, 2]
    assert found[2].path == photos / "more" / "a.jpg"


def test_files_patterns_and_lists(photos: Path) -> None:
    one = str(photos / "b.png")
    assert names(find_photographs([one])) == ["b.png"]
    assert names(find_photographs([str(photos / "*.jpg")])) == ["a.jpg"]
    assert names(find_photographs([str(photos / "**" / "*.jpg")])) == ["a.jpg", "a-2.jpg"]
    assert names(find_photographs(["-"], [f"{one}\n", "\n", f"{photos / 'a.jpg'}\n"])) == [
        *("b.png", "a.jpg")
    ]
    # each once, whichever way it is meant
    assert names(find_photographs([one, str(photos), one])) == ["b.png", "a.jpg", "more/a.jpg"]


def test_a_file_may_be_called_like_a_pattern(tmp_path: Path) -> None:
    odd = painted(tmp_path / "a[1].png")
    assert names(find_photographs([str(odd)])) == ["a[1].png"]


def test_numbers_are_ids_where_all_names_are_numbers(tmp_path: Path) -> None:
    for name in ("000139.jpg", "000285.jpg"):
        painted(tmp_path / name)
    assert [each.image_id for each in find_photographs([str(tmp_path)])] == [139, 285]
    painted(tmp_path / "more" / "139.jpg")
    assert [each.image_id for each in find_photographs([str(tmp_path)])] == [0, 1, 2]


def test_what_is_not_there_is_said(photos: Path, tmp_path: Path) -> None:
    def code(*sources: str) -> str:
        with pytest.raises(ArchgraphError) as error:
            find_photographs(sources)
        return error.value.diagnostics[0].code

    assert code(str(tmp_path / "none.jpg")) == "E001"
    assert code(str(photos / "*.gif")) == "E542"
    (tmp_path / "empty").mkdir()
    assert code(str(tmp_path / "empty")) == "E542"
    assert code("-") == "E542"


# --- what -------------------------------------------------------------------------------------


def test_boxes_do_not_depend_on_batches(photos: Path, toy: Detector) -> None:
    found = find_photographs([str(photos)])
    one, other = (list(predict(toy, found, batch_size=size)) for size in (1, 3))
    assert names([each.photograph for each in one]) == names(found)
    for first, second in zip(one, other, strict=True):
        assert first.pixels.shape == second.pixels.shape
        torch.testing.assert_close(first.found.scores, second.found.scores)


def test_files_that_are_no_images(photos: Path, toy: Detector) -> None:
    (photos / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 no more")
    found = find_photographs([str(photos)])
    with pytest.raises(DataError, match=r"broken\.jpg"):
        list(predict(toy, found))
    told: list[DataError] = []
    left = list(predict(toy, found, bad="skip", skipped=told.append))
    assert names([each.photograph for each in left]) == ["a.jpg", "b.png", "more/a.jpg"]
    assert len(told) == 1


class Told:
    """A detector that says the same of every image."""

    class_names = ("cat", "", "dog")
    category_ids = (3, 5, 8)

    def detect(self, images: Sequence[Pixels]) -> list[Detections]:
        boxes = torch.tensor([[1.0, 2, 11, 22], [5, 5, 8.25, 9]])
        return [Detections(boxes, torch.tensor([0.9, 0.5]), torch.tensor([2, 1]))] * len(images)


def test_results_are_cocos(photos: Path) -> None:
    teller: Any = Told()
    (first, *_) = predict(teller, find_photographs([str(photos)]))
    assert coco_results(first, teller) == [
        {
            **{"image_id": 0, "category_id": 8, "bbox": [1.0, 2.0, 10.0, 20.0], "score": 0.9},
            **{"file_name": "a.jpg", "category_name": "dog"},
        },
        {
            **{"image_id": 0, "category_id": 5, "bbox": [5.0, 5.0, 3.25, 4.0], "score": 0.5},
            **{"file_name": "a.jpg", "category_name": ""},
        },
    ]
    image = drawn(first, teller.class_names)
    assert image.shape == first.pixels.shape
    assert (image != first.pixels).any()


# --- written ----------------------------------------------------------------------------------


def test_files_are_whole_or_absent(tmp_path: Path, photos: Path) -> None:
    teller: Any = Told()
    for each in predict(teller, find_photographs([str(photos)])):
        target = write_drawing(tmp_path / "out", each.photograph, each.pixels)
        with Image.open(target) as image:
            assert image.size == (each.pixels.shape[1], each.pixels.shape[0])
    left = sorted(
        p.relative_to(tmp_path / "out").as_posix() for p in (tmp_path / "out").rglob("*.*")
    )
    assert left == ["a.jpg", "b.png", "more/a.jpg"]
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ArchgraphError, match="cannot write"):
        write_drawing(tmp_path / "file", each.photograph, each.pixels)


def test_results_are_read_back(tmp_path: Path) -> None:
    path = tmp_path / "new" / "results.json"
    written: list[list[dict[str, object]]]
    written = [[], [{"image_id": 1, "category_name": "é"}], [{"a": 1}, {"a": 2}]]
    for entries in written:
        write_results(path, entries)
        assert json.loads(path.read_text("utf-8")) == entries
    assert [each.name for each in path.parent.iterdir()] == ["results.json"]
