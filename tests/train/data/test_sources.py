"""Folders of images, what a dataset is called, and files that nobody wrote by hand."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archgraph.errors import DataError
from archgraph.train.data import KINDS, open_dataset, train_and_val
from tests.train.data.support import (
    coco,
    entry,
    kinds,
    opened,
    refused,
    voc_object,
    write_coco,
    write_image,
    write_voc,
    write_yolo,
)


def test_a_folder_of_images(tmp_path: Path) -> None:
    for name in ("b.png", "a/2.JPG", "a/1.png", ".hidden/x.png", ".x.png"):
        write_image(tmp_path / name)
    (tmp_path / "notes.txt").write_text("x")
    dataset = opened(f"folder:{tmp_path}")
    assert [dataset.record(i).name for i in range(3)] == ["b.png", "a/1.png", "a/2.JPG"]
    assert (dataset.class_names, len(dataset.record(0).objects)) == ((), 0)
    assert dataset.record(1).width == 64 and dataset.pixels(1).shape == (48, 64, 3)
    (tmp_path / "c.png").write_text("x")
    assert "c.png: " in refused(f"folder:{tmp_path}") and "E505" in refused(f"folder:{tmp_path}")
    skipped = opened(f"folder:{tmp_path}", bad="skip")
    assert (len(skipped), kinds(skipped)) == (3, {"image": 1})


def test_folders_that_are_no_dataset(tmp_path: Path) -> None:
    assert "holds no images" in refused(f"folder:{tmp_path}")
    write_image(tmp_path / "a.png")
    assert "is no folder" in refused(f"folder:{tmp_path / 'a.png'}")
    assert f"write folder:{tmp_path / 'x'}" in refused(f"folder:{tmp_path}:x")


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("", "names no dataset"),
        ("photos", "write coco:DIR"),
        ("cocoa:x", "did you mean 'coco'?"),
        ("coco:", "names no dataset"),
        ("coco:nowhere", "there is no 'nowhere'"),
        ("coco:no\0where", "there is no"),
        ("yolo:" + "x" * 400, "there is no"),
        ("shapes:tran", "tran"),
    ],
)
def test_what_is_no_source(source: str, said: str) -> None:
    assert said in refused(source)


def test_bad_is_refuse_or_skip(tmp_path: Path) -> None:
    assert "refuse, skip, not 'ignore'" in refused(f"folder:{tmp_path}", bad="ignore")


@pytest.mark.parametrize("source", ["shapes", "shapes:val", "glyphs:train"])
def test_embedded_data(source: str) -> None:
    dataset = open_dataset(source)
    assert dataset.pixels(0).shape[2] == 3 and len(dataset) and dataset.class_names


def test_progress_is_told(tmp_path: Path) -> None:
    for index in range(3):
        write_image(tmp_path / f"{index}.png")
    told: list[tuple[int, int]] = []
    opened(f"folder:{tmp_path}", progress=lambda done, whole: told.append((done, whole)))
    assert told == [(1, 3), (2, 3), (3, 3)]


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=8,
)
FIELDS: tuple[str, ...] = (
    "id",
    "image_id",
    "category_id",
    "bbox",
    "area",
    "iscrowd",
    "segmentation",
    "file_name",
)
FIELDS += ("width", "height", "name")


def either(source: str) -> None:
    """It is opened or refused; what is opened can be looked at."""
    for bad in ("refuse", "skip"):
        try:
            dataset = open_dataset(source, bad=bad)
        except DataError:
            continue
        for index in range(len(dataset)):
            objects = dataset.record(index).objects
            assert (objects.boxes_xyxy[:, 2:] > objects.boxes_xyxy[:, :2]).all()
            assert all(0 <= c < len(dataset.class_names) for c in objects.classes)
            assert dataset.pixels(index).ndim == 3


@given(
    st.sampled_from(["images", "categories", "annotations"]),
    st.integers(0, 2),
    st.sampled_from(FIELDS),
    VALUES,
    st.booleans(),
)
def test_any_value_in_a_file_of_coco(
    section: str, index: int, field: str, value: Any, whole: bool
) -> None:
    content: dict[str, Any] = coco([entry(), entry(id=2), entry(id=3, image_id=11)])
    entries = content[section]
    if whole:
        content[section] = value
    elif isinstance(entries[index % len(entries)], dict):
        entries[index % len(entries)][field] = value
    with tempfile.TemporaryDirectory() as folder:
        either(f"coco:{write_coco(Path(folder), json.dumps(content))}")


def mutated(text: bytes, at: int, cut: int, put: bytes) -> bytes:
    at %= len(text)
    return text[:at] + put + text[at + cut :]


MUTATIONS = (st.integers(0, 3000), st.integers(0, 40), st.binary(max_size=6))


@given(*MUTATIONS)
def test_any_damage_to_a_file_of_coco(at: int, cut: int, put: bytes) -> None:
    text = json.dumps(coco([entry(), entry(id=2, area=3.5)])).encode()
    with tempfile.TemporaryDirectory() as folder:
        either(f"coco:{write_coco(Path(folder), mutated(text, at, cut, put))}")


@given(*MUTATIONS)
def test_any_damage_to_files_of_yolo(at: int, cut: int, put: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = write_yolo(Path(folder), {"a": "1 0.5 0.5 0.25 0.5\n0 0.1 0.1 0.1 0.2\n"})
        labels, yaml = root / "labels" / "train" / "a.txt", root / "data.yaml"
        file = labels if at % 2 else yaml
        file.write_bytes(mutated(file.read_bytes(), at // 2, cut, put))
        either(f"yolo:{root}")


@given(*MUTATIONS)
def test_any_damage_to_a_file_of_voc(at: int, cut: int, put: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = write_voc(Path(folder), {"a": voc_object(extra="<difficult>0</difficult>")})
        file = root / "Annotations" / "a.xml"
        file.write_bytes(mutated(file.read_bytes(), at, cut, put))
        either(f"voc:{root}")


def test_the_manual_lists_every_kind_of_problem() -> None:
    manual = Path(__file__).resolve().parents[3] / "docs" / "data.md"
    rows = [f"| {kind.code} | {kind.what} | {kind.then} |" for kind in KINDS.values()]
    assert "\n".join(rows) in manual.read_text("utf-8")


def test_images_to_learn_from_and_to_evaluate_on(tmp_path: Path) -> None:
    assert train_and_val("shapes") == ("shapes:train", "shapes:val")
    assert train_and_val("shapes:train") == ("shapes:train", "")
    write_image(tmp_path / "flat" / "a.png")
    assert train_and_val(f"folder:{tmp_path / 'flat'}") == (f"folder:{tmp_path / 'flat'}", "")
    photos = tmp_path / "photos"
    write_coco(photos, coco(), "val2017")
    source = f"coco:{photos}"
    assert train_and_val(source) == (source, "")
    write_coco(photos, coco(), "train2017")
    parts = train_and_val(source)
    assert parts == (f"{source}:train2017", f"{source}:val2017")
    assert [len(opened(each)) for each in parts] == [3, 3]
    assert train_and_val(parts[0]) == (parts[0], "")
    with pytest.raises(DataError, match="there is no"):
        train_and_val("coco:nowhere")
    assert train_and_val("nothing") == ("nothing", "")
