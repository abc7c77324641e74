"""Files of COCO as wholes: damage, encodings, layouts of folders."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from archgraph.train.data import json_entries
from tests.train.data.support import coco, entry, opened, random_file, refused, write_coco

FILES: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "is empty"),
    "blank": (b" \n ", "is empty"),
    "a list": (b"[]", "is no JSON object"),
    "cut off": (b'{"images": [{"id": 1, "file_name": "a', "is cut off in images[0]"),
    "cut in a list": (b'{"images": [{"id": 1}', "is cut off where ',' should be"),
    "cut in a word": (b'{"images": [], "annotations": [tru', "is cut off in annotations[0]"),
    "no json": (b'{"images": [{"id": 1, oops}]}', "is no JSON: expecting property name"),
    "after the end": (b'{"images": []} x', "has more text after its end"),
    "two": (b'{"images": [], "images": []}', "has 'images' twice"),
    "comma": (b'{"images": [{},]}', "has a comma before its closing bracket"),
    "key": (b"{3: 4}", "has a key that is no text"),
    "utf-16": (
        json.dumps(coco()).encode("utf-16"),
        "is not UTF-8 near byte 0; it looks like UTF-16",
    ),
    "latin-1": ('{"info": "café", "images": []}'.encode("latin-1"), "is not UTF-8 near byte 13"),
    "deep": (b'{"images": [' + b"[" * 100_000, "brackets in brackets"),
    "no images": (b'{"annotations": []}', "has no 'images'"),
    "no categories": (b'{"images": [], "annotations": []}', "has no 'categories'"),
    "a map": (b'{"images": {"1": {}}}', "must be a list"),
    "a number": (b'{"images": 1' + b"0" * 5000 + b"}", "too many digits"),
}


@pytest.mark.parametrize("case", FILES)
@pytest.mark.parametrize("chunk", [7, 1 << 20])
def test_a_file_that_is_no_json_of_coco(
    case: str, chunk: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content, said = FILES[case]
    file = write_coco(tmp_path, content)
    monkeypatch.setattr(json_entries, "CHUNK", chunk)
    for bad in ("refuse", "skip"):
        text = refused(f"coco:{tmp_path}", bad=bad)
        assert "error[E501]: " in text and said in text
        assert str(file) in text or file.name in text


def test_a_mistake_is_shown_with_its_line(tmp_path: Path) -> None:
    file = write_coco(tmp_path, '{\n "images": [\n  {"id": 1},\n  {"id" 2}\n ]\n}\n')
    assert refused(f"coco:{file}").startswith(f"{file}:4:9: error[E501]: ")


def test_a_byte_order_mark_and_odd_chunks_change_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = random_file(3)
    content["categories"][0]["name"] = "größe \U0001d538"
    write_coco(tmp_path, content)
    whole = opened(f"coco:{tmp_path}")
    text = json.dumps(content, ensure_ascii=False, indent=1)
    write_coco(tmp_path, b"\xef\xbb\xbf" + text.encode())
    for chunk in (1, 3, 64, 1000):
        monkeypatch.setattr(json_entries, "CHUNK", chunk)
        again = opened(f"coco:{tmp_path}")
        assert again.class_names == whole.class_names
        assert np.array_equal(again.table.boxes_xyxy, whole.table.boxes_xyxy)
        assert np.array_equal(again.table.entries, whole.table.entries)


def _beside(root: Path, name: str) -> None:
    write_coco(root, coco([entry()]))
    root.joinpath(name).parent.mkdir(exist_ok=True)
    root.joinpath("annotations", "instances_val.json").rename(root / name)
    for image in root.joinpath("val").iterdir():
        image.rename(root.joinpath(name).parent / image.name)
    root.joinpath("val").rmdir()
    root.joinpath("annotations").rmdir()


LAYOUTS: dict[str, Callable[[Path], object]] = {
    "annotations.json": lambda root: _beside(root, "annotations.json"),
    "_annotations.coco.json": lambda root: _beside(root, "_annotations.coco.json"),
    "train/_annotations.coco.json": lambda root: _beside(root, "train/_annotations.coco.json"),
    "annotations/instances_val.json": lambda root: write_coco(root, coco([entry()])),
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_layouts(name: str, tmp_path: Path) -> None:
    LAYOUTS[name](tmp_path)
    for source in (f"coco:{tmp_path}", f"coco:{tmp_path / name}"):
        dataset = opened(source)
        assert dataset.name == source
        assert len(dataset.record(0).objects) == 1
        assert dataset.pixels(2).shape == (48, 64, 3)


def test_parts_of_a_dataset(tmp_path: Path) -> None:
    write_coco(tmp_path, coco([entry()]), "val2017")
    write_coco(tmp_path, coco([entry(), entry(id=2)]), "train2017")
    text = refused(f"coco:{tmp_path}")
    assert f"write coco:{tmp_path}:train2017 or coco:{tmp_path}:val2017" in text
    assert len(opened(f"coco:{tmp_path}:val2017").record(0).objects) == 1
    assert "did you mean 'val2017'?" in refused(f"coco:{tmp_path}:val2071")
    assert "there is no" in refused(f"coco:{tmp_path}/nowhere")
    assert "holds no annotations" in refused(f"coco:{tmp_path / 'val2017'}")


def test_images_that_are_nowhere(tmp_path: Path) -> None:
    content = coco()
    for image in content["images"]:
        image["file_name"] = f"other/{image['file_name']}"
    write_coco(tmp_path, content)
    text = refused(f"coco:{tmp_path}")
    assert "E504" in text and "'other/0.png', is in" in text and str(tmp_path / "val") in text


def test_an_absolute_name_inside_the_dataset_is_followed(tmp_path: Path) -> None:
    content = coco()
    content["images"][0]["file_name"] = str(tmp_path / "val" / "2.png")
    write_coco(tmp_path, content)
    dataset = opened(f"coco:{tmp_path}")
    assert np.array_equal(dataset.pixels(0), dataset.pixels(2))


def test_a_file_in_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_coco(tmp_path, coco([entry()]))
    for folder, source in (
        ("annotations", "coco:instances_val.json"),
        ("annotations", "coco:../annotations/instances_val.json"),
        (".", "coco:."),
        (".", "coco:annotations/instances_val.json"),
    ):
        monkeypatch.chdir(tmp_path / folder)
        assert opened(source).pixels(2).shape == (48, 64, 3)


def test_what_is_no_file_of_annotations(tmp_path: Path) -> None:
    file = write_coco(tmp_path, coco())
    file.unlink()
    file.mkdir()
    assert "Is a directory" in refused(f"coco:{tmp_path}")
    assert "is not UTF-8 near byte 0" in refused(f"coco:{tmp_path / 'val' / '0.png'}")
    for source in ("coco:/dev/zero", "yolo:/dev/null", "voc:/dev/null", "folder:/dev/null"):
        assert "E500" in refused(source)


def test_a_file_without_images_or_objects(tmp_path: Path) -> None:
    write_coco(tmp_path, {"images": [], "annotations": [], "categories": []})
    assert (len(opened(f"coco:{tmp_path}")), opened(f"coco:{tmp_path}").class_names) == (0, ())
    write_coco(tmp_path, {"images": coco()["images"]})
    assert [len(opened(f"coco:{tmp_path}").record(i).objects) for i in range(3)] == [0, 0, 0]
