"""YOLO's text files in the layout of Ultralytics."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.train.data.support import kinds, opened, refused, write_image, write_yolo

GOOD = "1 0.5 0.5 0.2 0.4\n"


def test_boxes_classes_and_names(tmp_path: Path) -> None:
    outline = "0 0.1 0.2 0.3 0.2 0.3 0.8"
    write_yolo(tmp_path, {"b": f"{GOOD}\n{outline}\n", "a": "", "c": "\ufeff" + GOOD})
    dataset = opened(f"yolo:{tmp_path}")
    assert (dataset.class_names, dataset.category_ids) == (("person", "car"), (0, 1))
    assert [dataset.record(i).name for i in range(3)] == [
        f"images/train/{stem}.png" for stem in "abc"
    ]
    assert [len(dataset.record(i).objects) for i in range(3)] == [0, 2, 1]
    record = dataset.record(1)
    np.testing.assert_allclose(record.objects.boxes_xyxy, [[40, 15, 60, 35], [10, 10, 30, 40]])
    assert record.objects.classes.tolist() == [1, 0]
    assert record.objects.entries.tolist() == [1, 3]
    np.testing.assert_allclose(record.objects.areas, [400, 600])
    assert (record.width, record.height, dataset.pixels(1).shape) == (100, 50, (50, 100, 3))


def test_shares_are_of_the_image_as_it_is_seen(tmp_path: Path) -> None:
    write_yolo(tmp_path, {"a": GOOD})
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (100, 50)).save(tmp_path / "images" / "train" / "a.png", exif=exif)
    record = opened(f"yolo:{tmp_path}").record(0)
    assert (record.width, record.height) == (50, 100)
    np.testing.assert_allclose(record.objects.boxes_xyxy, [[20, 30, 30, 70]])


@pytest.mark.parametrize(
    ("names", "wanted"),
    [
        ("[no, 12]", ("no", "12")),
        ("\n  0: person\n  1: car", ("person", "car")),
        ("{1: car, 5: bus}", ("car", "bus")),
    ],
)
def test_names(names: str, wanted: tuple[str, ...], tmp_path: Path) -> None:
    write_yolo(tmp_path, {"a": GOOD}, names)
    dataset = opened(f"yolo:{tmp_path / 'data.yaml'}")
    assert dataset.class_names == wanted
    assert (
        dataset.class_names[dataset.record(0).objects.classes[0]]
        == wanted[0 if "5" in names else 1]
    )


@pytest.mark.parametrize(
    ("line", "kind", "said"),
    [
        ("1 0.5 0.5 0.2", "field", "4 numbers; a line is: class, centre x"),
        ("1 0.5 0.5 0.2 0.4 0.9", "field", "the sixth may be a score"),
        ("1 0.5 0.5 0.2 x", "field", "'x' is no number"),
        ("1,0.5,0.5,0.2,0.4", "field", "numbers stand apart by blanks"),
        ("1 0_5 0.5 0.2 0.4", "field", "'0_5' is no number"),
        ("2 0.5 0.5 0.2 0.4", "unknown-class", "the class is 2, and classes are 0 to 1"),
        ("-1 0.5 0.5 0.2 0.4", "unknown-class", "the class is -1"),
        ("0.5 0.5 0.5 0.2 0.4", "unknown-class", "the class is 0.5"),
        ("1 50 25 20 20", "not-normalised", "50 is no share of the image: are these pixels?"),
        ("1 nan 0.5 0.2 0.4", "not-finite", "of an image of 100x50"),
        ("nan 0.5 0.5 0.2 0.4", "unknown-class", "the class is nan"),
        ("1 0.5 inf 0.2 0.4", "not-finite", "inf"),
        ("1 0.5 0.5 -0.2 0.4", "inverted", "the box [60, 15, 40, 35]"),
        ("1 -0.5 0.5 0.2 0.4", "outside", "the box [-60, 15, -40, 35]"),
        ("1 0.1 nan 0.3 0.2 0.3 0.8", "not-finite", "nan"),
    ],
)
def test_a_bad_line_is_refused_or_left_out(line: str, kind: str, said: str, tmp_path: Path) -> None:
    write_yolo(tmp_path, {"a": f"{GOOD}{line}\n", "b": GOOD})
    text = refused(f"yolo:{tmp_path}")
    assert f"{tmp_path / 'labels' / 'train' / 'a.txt'}: line 2: " in text and said in text
    dataset = opened(f"yolo:{tmp_path}", bad="skip")
    assert kinds(dataset) == {kind: 1}
    assert [len(dataset.record(i).objects) for i in range(2)] == [1, 1]


def test_a_line_over_the_edge_is_cut(tmp_path: Path) -> None:
    write_yolo(tmp_path, {"a": "0 0 0.5 0.4 0.5\n"})
    dataset = opened(f"yolo:{tmp_path}")
    assert kinds(dataset) == {"clipped": 1}
    np.testing.assert_allclose(dataset.record(0).objects.boxes_xyxy, [[0, 12.5, 20, 37.5]])


def test_labels_that_are_no_text(tmp_path: Path) -> None:
    write_yolo(tmp_path, {"a": "", "b": GOOD})
    (tmp_path / "labels" / "train" / "a.txt").write_bytes(b"\xff\xfe1\0")
    assert "a.txt: '" in refused(f"yolo:{tmp_path}")
    assert len(opened(f"yolo:{tmp_path}", bad="skip")) == 2


def test_no_labels_at_all(tmp_path: Path) -> None:
    write_yolo(tmp_path, {"a": GOOD})
    (tmp_path / "labels" / "train" / "a.txt").unlink()
    text = refused(f"yolo:{tmp_path}")
    assert f"such as '{tmp_path / 'labels' / 'train' / 'a.txt'}'" in text


def test_parts_lists_and_images_that_are_in_two(tmp_path: Path) -> None:
    write_yolo(tmp_path, {"a": GOOD, "b": ""})
    write_image(tmp_path / "more" / "images" / "c.png")
    (tmp_path / "val.txt").write_text("./images/train/b.png\nmore/images/c.png\n\n")
    yaml = tmp_path / "data.yaml"
    yaml.write_text("train: ../images/train\nval: [val.txt]\ntest:\nnc: 2\n")
    whole, part = opened(f"yolo:{tmp_path}"), opened(f"yolo:{tmp_path}:val")
    assert [whole.record(i).name for i in range(3)] == [
        "images/train/a.png",
        "images/train/b.png",
        "more/images/c.png",
    ]
    assert [part.record(i).name for i in range(2)] == ["images/train/b.png", "more/images/c.png"]
    assert whole.class_names == ("class0", "class1")
    assert "has no part 'test'" in refused(f"yolo:{yaml}:test")


@pytest.mark.parametrize(
    ("yaml", "said"),
    [
        ("", "the file is empty"),
        ("- a", "must be a mapping"),
        ("names: [a", "never closed"),
        ("names: [a]", "says neither train, val nor test"),
        ("train: images/train", "has no 'names' of classes"),
        ("train: images/train\nnames: {a: 1}", "has no 'names' of classes"),
        ("train: images/train\nnames: [a]\nnc: 2", "names 1 classes, and says nc: 2"),
        ("train: images/train\nnames: [a]\nnc: -2", "'nc' of"),
        ("train: images/train\nnc: 9999999999", "must be a number of classes"),
        ("train: 3\nnames: [a]", "must be a path"),
        ("train: nowhere\nnames: [a]", "there is no"),
        ("train: ../../../../etc\nnames: [a]", "leads out of the folder"),
        ("train: /etc\nnames: [a]", "leads out of the folder"),
        ("path: 3\ntrain: images/train\nnames: [a]", "'path' of"),
        ("train: data.yaml\nnames: [a]", "no file can be called so"),
    ],
)
def test_a_yaml_that_is_no_dataset(yaml: str, said: str, tmp_path: Path) -> None:
    write_yolo(tmp_path, {"a": "0 0.5 0.5 0.2 0.4\n"})
    (tmp_path / "data.yaml").write_text(yaml)
    if "data.yaml" in yaml:
        said = "is not there"  # its lines are taken for names
    assert said in refused(f"yolo:{tmp_path}")


def test_yaml_files(tmp_path: Path) -> None:
    write_yolo(tmp_path, {"a": GOOD})
    (tmp_path / "data.yaml").rename(tmp_path / "x.yaml")
    assert len(opened(f"yolo:{tmp_path}")) == 1
    (tmp_path / "y.yml").write_text("")
    assert f"write yolo:{tmp_path / 'x.yaml'}, yolo:" in refused(f"yolo:{tmp_path}")
    assert "holds no data.yaml" in refused(f"yolo:{tmp_path / 'images'}")
    assert "category id 0 has no class" in refused(f"yolo:{tmp_path / 'x.yaml'}", ids="coco")
