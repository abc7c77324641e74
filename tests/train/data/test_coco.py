"""COCO's json: what is read is what pycocotools reads, what is wrong is said with its entry."""

from __future__ import annotations

import contextlib
import io
import pickle
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from archgraph.train.data import KINDS, json_entries
from tests.train.data.support import (
    coco,
    entry,
    kinds,
    opened,
    random_file,
    refused,
    write_coco,
    write_image,
)


def test_boxes_classes_and_names(tmp_path: Path) -> None:
    crowd = entry(id=2, iscrowd=1, category_id=1, area=77.5, image_id=12)
    write_coco(tmp_path, coco([entry(), crowd]))
    dataset = opened(f"coco:{tmp_path}")
    assert (dataset.class_names, dataset.category_ids) == (("person", "car"), (1, 3))
    first, middle, last = (dataset.record(i) for i in range(3))
    assert (first.image_id, first.name, first.width, first.height) == (10, "0.png", 64, 48)
    assert first.path == tmp_path / "val" / "0.png"
    assert first.objects.boxes_xyxy.tolist() == [[4, 6, 24, 16]]
    assert (first.objects.classes.tolist(), first.objects.areas.tolist()) == ([1], [200])
    assert len(middle.objects) == 0 and middle.objects.boxes_xyxy.shape == (0, 4)
    assert (last.objects.crowds.tolist(), last.objects.areas.tolist()) == ([True], [77.5])
    assert last.objects.entries.tolist() == [1]
    assert dataset.pixels(0).shape == (48, 64, 3)
    with pytest.raises(IndexError):
        dataset.record(3)


@pytest.mark.parametrize("seed", range(12))
def test_what_is_read_is_what_pycocotools_reads(seed: int, tmp_path: Path) -> None:
    from pycocotools.coco import COCO

    content = random_file(seed)
    file = write_coco(tmp_path, content)
    with contextlib.redirect_stdout(io.StringIO()):
        reference = COCO(str(file))
    dataset = opened(f"coco:{file}")
    assert list(dataset.category_ids) == sorted(reference.getCatIds())
    assert [dataset.record(i).image_id for i in range(3)] == reference.getImgIds()
    for index in range(3):
        record = dataset.record(index)
        wanted = reference.imgToAnns[record.image_id]
        boxes = record.objects.boxes_xyxy
        sizes = np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1)
        given = np.array([w["bbox"] for w in wanted]).reshape(-1, 4)
        np.testing.assert_allclose(sizes, given, rtol=1e-12)
        assert np.array_equal(boxes[:, :2], given[:, :2])
        ids = [dataset.category_ids[c] for c in record.objects.classes]
        assert ids == [w["category_id"] for w in wanted]
        assert record.objects.areas.tolist() == [w["area"] for w in wanted]
        assert record.objects.crowds.tolist() == [bool(w["iscrowd"]) for w in wanted]
        entries = [content["annotations"][e]["id"] for e in record.objects.entries]
        assert entries == [w["id"] for w in wanted]


@pytest.mark.parametrize(
    ("ids", "names", "numbers", "of_car"),
    [
        ("dense", ("person", "car"), (1, 3), 1),
        ("coco", ("person", "", "car"), (1, 2, 3), 2),
        ("automl", ("person", "", "car", ""), (1, 2, 3, 4), 2),
    ],
)
def test_gaps_of_ids(
    ids: Any, names: tuple[str, ...], numbers: tuple[int, ...], of_car: int, tmp_path: Path
) -> None:
    write_coco(tmp_path, coco([entry()]))
    dataset = opened(f"coco:{tmp_path}", ids=ids)
    assert (dataset.class_names, dataset.category_ids) == (names, numbers)
    assert dataset.record(0).objects.classes.tolist() == [of_car]


def test_ids_that_are_no_classes(tmp_path: Path) -> None:
    write_coco(tmp_path, coco(categories={0: "a", 1: "b"}))
    assert opened(f"coco:{tmp_path}").category_ids == (0, 1)
    assert "category id 0 has no class" in refused(f"coco:{tmp_path}", ids="coco")
    write_coco(tmp_path, coco(categories={10**12: "a"}))
    assert "category id 1000000000000 has no class" in refused(f"coco:{tmp_path}", ids="automl")
    assert "dense, coco, automl, not 'raw'" in refused(f"coco:{tmp_path}", ids="raw")


BAD: dict[str, tuple[Any, str, str]] = {
    "nan": (entry(bbox=[1, 2, float("nan"), 4]), "not-finite", "[1, 2, nan, 6]"),
    "infinite": (entry(bbox=[1, float("inf"), 3, 4]), "not-finite", "inf"),
    "huge": (entry(bbox=[10**400, 1, 3, 4]), "not-finite", "inf"),
    "negative": (entry(bbox=[10, 10, -5, 4]), "inverted", "[10, 10, 5, 14]"),
    "outside": (entry(bbox=[64, 10, 5, 4]), "outside", "of an image of 64x48"),
    "left of it": (entry(bbox=[-9, 10, 9, 4]), "outside", "[-9, 10, 0, 14]"),
    "text": (entry(bbox=["1", 2, 3, 4]), "field", "must be [left, top, width, height]"),
    "three": (entry(bbox=[1, 2, 3]), "field", "'bbox' is [1, 2, 3]"),
    "true": (entry(bbox=[True, 2, 3, 4]), "field", "'bbox' is [True"),
    "no box": (entry(bbox=...), "field", "'bbox' is missing"),
    "no mask": (entry(bbox=..., segmentation={"counts": "x", "size": [1, 2]}), "field", "'bbox'"),
    "no image": (entry(image_id=...), "field", "'image_id' is missing"),
    "text id": (entry(image_id="10"), "field", "'image_id' is '10', and must be an integer"),
    "large id": (entry(image_id=10**400), "field", "more than 30 digits"),
    "other image": (entry(image_id=99), "unknown-image", "'image_id' is 99, which no image has"),
    "other class": (entry(category_id=2), "unknown-class", "'category_id' is 2"),
    "crowd": (entry(iscrowd=2), "field", "'iscrowd' is 2, and must be 0 or 1"),
    "crowd text": (entry(iscrowd="0"), "field", "'iscrowd' is '0'"),
    "area": (entry(area=-1), "field", "'area' is -1"),
    "area nan": (entry(area=float("nan")), "field", "'area' is nan"),
    "area text": (entry(area="5"), "field", "'area' is '5'"),
    "list": ([1, 2], "entry", "[1, 2] is no object of JSON"),
    "null": (None, "entry", "None is no object of JSON"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_annotation_is_refused_or_left_out(case: str, tmp_path: Path) -> None:
    wrong, kind, said = BAD[case]
    if isinstance(wrong, dict):
        wrong = {**wrong, "id": 2}
    file = write_coco(tmp_path, coco([entry(), wrong, entry(id=3, bbox=[1, 1, 2, 2])]))
    text = refused(f"coco:{tmp_path}")
    assert f"error[{KINDS[kind].code}]: {file}: annotations[1]: " in text
    assert said in text
    dataset = opened(f"coco:{tmp_path}", bad="skip")
    assert kinds(dataset) == {kind: 1}
    assert dataset.record(0).objects.entries.tolist() == [0, 2]


WARNED: dict[str, tuple[Any, str, list[list[float]]]] = {
    "over the edge": (entry(bbox=[-9, 40, 20, 20]), "clipped", [[0, 40, 11, 48]]),
    "no width": (entry(bbox=[5, 5, 0, 4]), "empty-box", []),
    "outline": (
        entry(bbox=..., segmentation=[[1, 2, 9, 2, 9, 7], [0, 3, 4, 3, 4, 4]]),
        "from-outline",
        [[0, 2, 9, 7]],
    ),
}


@pytest.mark.parametrize("case", WARNED)
def test_an_odd_annotation_is_read_with_a_warning(case: str, tmp_path: Path) -> None:
    odd, kind, boxes = WARNED[case]
    write_coco(tmp_path, coco([odd]))
    dataset = opened(f"coco:{tmp_path}")
    assert kinds(dataset) == {kind: 1}
    assert dataset.record(0).objects.boxes_xyxy.tolist() == boxes


def test_rounding_over_the_edge_is_left_as_it_is(tmp_path: Path) -> None:
    write_coco(tmp_path, coco([entry(bbox=[-0.5, 0, 65, 48.9])]))
    dataset = opened(f"coco:{tmp_path}")
    assert kinds(dataset) == {}
    assert dataset.record(0).objects.boxes_xyxy.tolist() == [[-0.5, 0, 64.5, 48.9]]


def test_what_is_given_twice(tmp_path: Path) -> None:
    content = coco([entry(), entry(id=2), entry(id=2, image_id=11), entry(id=5, iscrowd=1)])
    content["categories"].append({"id": 9, "name": "car"})
    content["images"].append({"id": 20, "file_name": "0.png"})
    write_coco(tmp_path, content)
    dataset = opened(f"coco:{tmp_path}")
    counts = {"repeated-box": 2, "repeated-id": 1, "repeated-file": 1, "repeated-name": 1}
    assert kinds(dataset) == counts
    assert dataset.record(0).objects.entries.tolist() == [0, 1, 3]
    skipped = opened(f"coco:{tmp_path}", bad="skip")
    assert skipped.record(0).objects.entries.tolist() == [0]
    content["images"].append({"id": 10, "file_name": "1.png"})
    content["categories"].append({"id": 9, "name": "bus"})
    write_coco(tmp_path, content)
    text = refused(f"coco:{tmp_path}")
    assert "images[4]: id 10 is given before" in text
    assert "categories[3]: id 9 is given before" in text
    dataset = opened(f"coco:{tmp_path}", bad="skip")
    assert [dataset.record(i).image_id for i in range(len(dataset))] == [10, 11, 12, 20]
    assert dataset.record(0).name == "0.png"
    assert dataset.class_names == ("person", "car", "car")


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"id": 10}, "'file_name' is missing"),
        ({"file_name": "0.png"}, "'id' is missing"),
        ({"id": 10, "file_name": 3}, "'file_name' is 3, and must be a text"),
        ({"id": 10, "file_name": "0.png", "width": 0, "height": 48}, "must be integers above 0"),
        ({"id": 10, "file_name": "0.png", "width": 64}, "'width' and 'height' are [64, None]"),
        ({"id": 10, "file_name": "0.png", "width": "64", "height": 48}, "integers above 0"),
        ({"id": 10, "file_name": "9.png"}, "is not there"),
        ({"id": 10, "file_name": "../../x.png"}, "leads out of the folder"),
        ({"id": 10, "file_name": "/etc/passwd"}, "leads out of the folder"),
        ({"id": 10, "file_name": "a\0b"}, "no file can be called so"),
        ({"id": 10, "file_name": "\ud800.png"}, "no file can be called so"),
        ({"id": 10, "file_name": "n" * 5000}, "E504"),
        ({"id": 10, "file_name": "."}, "is no file"),
        ({"id": 10, "file_name": "0.png", "width": 48, "height": 64}, "its EXIF block turns it"),
        ({"id": 10, "file_name": "0.png", "width": 99, "height": 64}, "its boxes are for 99x64"),
    ],
)
def test_a_bad_image_is_left_out_with_its_objects(wrong: Any, said: str, tmp_path: Path) -> None:
    content = coco([entry(), entry(id=2, image_id=11)])
    content["images"][0] = wrong
    write_coco(tmp_path, content)
    text = refused(f"coco:{tmp_path}")
    assert "images[0" in text and said in text
    assert "10, which no image has" not in text or "'id' is missing" in said
    dataset = opened(f"coco:{tmp_path}", bad="skip")
    assert [dataset.record(i).image_id for i in range(len(dataset))] == [11, 12]
    assert [len(dataset.record(i).objects) for i in range(2)] == [1, 0]
    assert dataset.table.starts.tolist() == [0, 1, 1]


def test_an_error_is_a_page_and_no_more(tmp_path: Path) -> None:
    wrong = [entry(id=i, image_id=99) for i in range(5000)]
    write_coco(tmp_path, coco([*wrong, entry(bbox=[1, 1, -1, 1]), 3]))
    text = refused(f"coco:{tmp_path}")
    assert len(text.splitlines()) < 20
    assert "annotations[0]: " in text and "annotations[5]: " not in text
    assert "annotations[5000]: the box [1, 1, 0, 2]" in text and "annotations[5001]" in text
    assert "4,995 more, 5,002 in all" in text
    dataset = opened(f"coco:{tmp_path}", bad="skip")
    assert (dataset.problems.errors, len(dataset.problems.kept["unknown-image"])) == (5002, 100)


def test_an_annotation_takes_few_bytes(tmp_path: Path) -> None:
    rng = random.Random(0)
    sizes = []
    for number in (1000, 3000):
        many = [entry(id=i, bbox=[1, 1, rng.uniform(1, 9), 2]) for i in range(number)]
        write_coco(tmp_path, coco(many))
        sizes.append(len(pickle.dumps(opened(f"coco:{tmp_path}"))))
    assert (sizes[1] - sizes[0]) / 2000 < 64


def test_reading_takes_the_memory_of_arrays_and_not_of_the_file(tmp_path: Path) -> None:
    import tracemalloc

    outline = [[float(i) for i in range(400)]]
    entries = [entry(id=i, bbox=[1, 1, 1 + i / 100, 2], segmentation=outline) for i in range(3000)]
    file = write_coco(tmp_path, coco(entries))
    assert file.stat().st_size > 6_000_000
    opened(f"coco:{tmp_path}")  # what is imported once is not counted
    tracemalloc.start()
    try:
        dataset = opened(f"coco:{tmp_path}")
        kept, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(dataset.record(0).objects) == 3000
    assert kept < 400_000
    # The window: bytes, text, text that is being joined.
    assert peak < 5 * json_entries.CHUNK


def test_a_pickle_is_the_dataset(tmp_path: Path) -> None:
    write_coco(tmp_path, random_file(1))
    dataset = opened(f"coco:{tmp_path}")
    again = pickle.loads(pickle.dumps(dataset))
    assert again.class_names == dataset.class_names
    assert np.array_equal(again.record(1).objects.boxes_xyxy, dataset.record(1).objects.boxes_xyxy)
    assert np.array_equal(again.pixels(2), dataset.pixels(2))


def test_changing_a_record_changes_no_dataset(tmp_path: Path) -> None:
    write_coco(tmp_path, coco([entry()]))
    dataset = opened(f"coco:{tmp_path}")
    dataset.record(0).objects.boxes_xyxy[:] = 0
    assert dataset.record(0).objects.boxes_xyxy.tolist() == [[4, 6, 24, 16]]


def test_an_image_that_changes_later_is_an_error(tmp_path: Path) -> None:
    write_coco(tmp_path, coco([entry()]))
    dataset = opened(f"coco:{tmp_path}")
    write_image(tmp_path / "val" / "0.png", 32, 24)
    with pytest.raises(Exception, match=r"E506.*is 32x24, but its boxes are for 64x48"):
        dataset.pixels(0)
