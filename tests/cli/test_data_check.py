"""`archgraph data check`."""

from __future__ import annotations

from pathlib import Path

import pytest

from archgraph.train.data import check as check_module
from tests.cli.support import Command
from tests.train.data.support import coco, entry, write_coco, write_image, write_yolo


def test_a_good_dataset(archgraph: Command, folder: Path) -> None:
    write_coco(folder / "d", coco([entry(), entry(id=2, image_id=11, bbox=[0, 0, 60, 40])]))
    outcome = archgraph("data", "check", "coco:d")
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out == (
        "coco:d: ok\n\n"
        "3 images, 1 without objects; 64 by 48 pixels\n"
        "2 objects; 1 small, 1 medium, 0 large\n\n"
        "class   id  objects  images\n"
        "car      3        2       2\n"
        "person   1        0       0\n"
    )


def test_problems_are_grouped_with_file_and_entry(archgraph: Command, folder: Path) -> None:
    wrong = [entry(id=i, bbox=[1, 1, -1, i]) for i in range(9)]
    write_coco(folder / "d", coco([*wrong, entry(id=20, image_id=7), entry(bbox=[60, 9, 20, 9])]))
    outcome = archgraph("data", "check", "coco:d")
    assert outcome.code == 1
    assert outcome.out.startswith("coco:d: 10 errors, 2 warnings\n\nerror[E502]: objects on images")
    assert "that the file does not list: 1 (the object is left out)" in outcome.out
    file = "d/annotations/instances_val.json"
    for index in range(5):
        assert f"\n  {file}: annotations[{index}]: the box [1, 1, 0, {index + 1}]" in outcome.out
    assert "annotations[5]" not in outcome.out and "\n  and 4 more\n" in outcome.out
    assert "warning[W510]" in outcome.out
    skipped = archgraph("data", "check", "coco:d", "--bad", "skip")
    assert (skipped.code, skipped.out) == (0, outcome.out)


def test_as_json(archgraph: Command, folder: Path) -> None:
    write_yolo(folder / "d", {"a": "1 0.5 0.5 0.2 0.4\n3 0.5 0.5 0.2 0.4\n", "b": ""})
    outcome = archgraph("data", "check", "yolo:d", "--json")
    assert (outcome.code, outcome.err) == (1, "")
    found = outcome.json
    assert (found["name"], found["errors"], found["warnings"]) == ("yolo:d", 1, 0)
    [problem] = found["problems"]
    assert (problem["code"], problem["severity"], problem["count"]) == ("E502", "error", 1)
    [first] = problem["first"]
    assert (first["file"], first["entry"]) == ("d/labels/train/a.txt", "line 2")
    assert found["statistics"]["objects"] == 1
    assert found["statistics"]["objects_per_image"]["0"] == 1
    assert found["statistics"]["classes"][1] == {"name": "car", "id": 1, "objects": 1, "images": 1}


def test_images_are_read_unless_it_is_not_wanted(archgraph: Command, folder: Path) -> None:
    write_image(folder / "d" / "a.png")
    write_image(folder / "d" / "b.png")
    whole = (folder / "d" / "b.png").read_bytes()
    (folder / "d" / "b.png").write_bytes(whole[:-900])
    outcome = archgraph("data", "check", "folder:d", "--report", "r.html")
    assert outcome.code == 1
    assert "error[E505]: images that cannot be read: 1" in outcome.out
    assert "d/b.png' cannot be read: " in outcome.out
    assert archgraph("data", "check", "folder:d", "--no-images").code == 0
    assert archgraph("data", "check", "folder:d", "--bad", "skip").code == 0


def test_a_report(archgraph: Command, folder: Path) -> None:
    content = coco([entry(), entry(id=2, bbox="<script>")], categories={3: "<b>&car"})
    write_coco(folder / "d", content)
    outcome = archgraph("data", "check", "coco:d", "--report", "r.html")
    assert (outcome.code, outcome.err) == (1, "wrote r.html\n")
    page = (folder / "r.html").read_text()
    for part in ("Problems", "Numbers", "Classes", "Sizes and shapes", "Samples", "annotations[1]"):
        assert part in page
    assert "<script" not in page and "<b>&car" not in page and "&lt;b&gt;&amp;car" in page
    assert "data:image/" in page and "https://" not in page


def test_a_report_of_nothing_but_trouble(archgraph: Command, folder: Path) -> None:
    content = coco()
    content["images"] = content["images"][:1]
    content["images"][0]["width"] = 9
    write_coco(folder / "d", content)
    outcome = archgraph("data", "check", "coco:d", "--report", "r.html", "--bad", "skip")
    assert outcome.code == 1  # nothing is left
    assert "its boxes are for 9x48" in (folder / "r.html").read_text()


def test_what_cannot_be_opened(archgraph: Command, folder: Path) -> None:
    write_coco(folder / "d", '{"images": [')
    outcome = archgraph("data", "check", "coco:d", "--report", "r.html")
    assert (outcome.code, outcome.out) == (1, "")
    assert "error[E501]: 'instances_val.json' is cut off" in outcome.err
    assert not (folder / "r.html").exists()
    assert archgraph("data", "check", "coco:d", "--report", "r.txt").code == 2


def test_several_are_checked_and_compared(archgraph: Command, folder: Path) -> None:
    write_coco(folder / "d", coco([entry()]), "train")
    write_coco(folder / "d", coco([entry(bbox=[1, 1, -1, 1])]), "val")
    write_image(folder / "d" / "val" / "0.png", seed=77)
    refused = archgraph("anchors", "coco:d")
    assert "write coco:d:train or coco:d:val" in refused.err
    outcome = archgraph("data", "check", "coco:d", "--report", "r.html")
    assert (outcome.code, outcome.err) == (1, "wrote r.html\n")
    assert outcome.out.startswith("coco:d:train: ok\n\n3 images")
    assert "\n\ncoco:d:val: 1 error, 2 warnings\n" in outcome.out
    # 1.png and 2.png are copies, 0.png is another image of the same name and id.
    assert "warning[W512]: images that a dataset before has too: 2" in outcome.out
    assert "\n  1.png: coco:d:train has it too\n" in outcome.out
    page = (folder / "r.html").read_text()
    assert "coco:d:train: numbers" in page and "coco:d:val: samples" in page
    skipped = archgraph("data", "check", "coco:d:train", "coco:d:val", "--bad", "skip", "--json")
    assert (skipped.code, [one["warnings"] for one in skipped.json]) == (0, [0, 2])
    # Without reading images only the same files are the same.
    options = ("--no-images", "--bad", "skip", "--json")
    quick = archgraph("data", "check", "coco:d:train", "coco:d:val", "folder:d/val", *options)
    assert [one["warnings"] for one in quick.json] == [0, 0, 3]


def test_one_that_cannot_be_opened_keeps_none_from_being_checked(
    archgraph: Command, folder: Path
) -> None:
    write_coco(folder / "d", coco([entry()]))
    outcome = archgraph("data", "check", "coco:nowhere", "coco:d", "shapes:val", "--no-images")
    assert outcome.code == 1
    assert "error[E500]: 'coco:nowhere'" in outcome.err
    assert outcome.out.startswith("coco:d: ok\n") and "\nshapes:val: ok\n" in outcome.out


def test_an_interrupt_leaves_nothing_behind(
    archgraph: Command, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_coco(folder / "d", coco([entry()]))
    before = sorted(folder.rglob("*"))

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(check_module, "_read", interrupted)
    outcome = archgraph("data", "check", "coco:d", "--report", "r.html")
    assert (outcome.code, outcome.out) == (130, "")
    assert sorted(folder.rglob("*")) == before


def test_embedded_scenes_are_good(
    archgraph: Command, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outcome = archgraph("data", "check", "shapes:val", "--no-images", "--json")
    assert outcome.code == 0
    assert outcome.json["statistics"]["objects"] > 100


def test_help(archgraph: Command) -> None:
    assert "check" in archgraph("data", "--help").out
    assert "archgraph data check coco:photos" in archgraph("data", "check", "--help").out
