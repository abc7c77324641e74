"""The commands `data show` and `anchors`."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from archgraph.train.samples.shapes import Shapes
from tests.cli.support import Command


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Shapes, "counts", {"train": 12, "val": 4})


@pytest.fixture
def photos(folder: Path) -> Path:
    """Two images in COCO's format, the second smaller than what a detector sees."""
    (folder / "photos" / "annotations").mkdir(parents=True)
    for name, size in (("a.png", (400, 300)), ("b.png", (50, 60))):
        Image.new("RGB", size, (90, 120, 60)).save(folder / "photos" / name)
    boxes = [(1, [10, 10, 200, 100]), (1, [5, 100, 20, 20]), (2, [4, 4, 30, 40])]
    content = {
        "images": [
            {"id": 1, "file_name": "a.png", "width": 400, "height": 300},
            {"id": 2, "file_name": "b.png", "width": 50, "height": 60},
        ],
        "categories": [{"id": 3, "name": "dog"}, {"id": 7, "name": "Vögel"}],
        "annotations": [
            {
                "id": i,
                "image_id": image,
                "category_id": 7 if i else 3,
                "bbox": box,
                "area": box[2] * box[3],
                "iscrowd": 0,
            }
            for i, (image, box) in enumerate(boxes)
        ],
    }
    (folder / "photos" / "annotations" / "all.json").write_text(json.dumps(content))
    return folder / "photos"


def test_a_sheet_is_written_and_the_same_again(archgraph: Command, folder: Path) -> None:
    sheets = []
    for name in ("a.png", "b.png"):
        outcome = archgraph(
            "data", "show", "shapes", "--count", "3", "--image-size", "96", "-o", name
        )
        assert (outcome.code, outcome.out) == (0, "")
        assert f"wrote {name} (" in outcome.err
        sheets.append((folder / name).read_bytes())
    assert sheets[0] == sheets[1]
    archgraph("data", "show", "shapes", "--count", "3", "--seed", "1", "-o", "c.png")
    assert (folder / "c.png").read_bytes() != sheets[0]


@pytest.mark.parametrize("option", ["--augment", "--strong"])
def test_augmented_samples_stand_beside_the_image(
    archgraph: Command, folder: Path, option: str
) -> None:
    shown = ("data", "show", "shapes:val", "--count", "8", "--image-size", "96")
    assert archgraph(*shown, option, "-o", "augmented.png").code == 0
    with Image.open(folder / "augmented.png") as image:
        made = np.asarray(image)
    assert made.shape[1] > 4 * 96 and 2 * 96 < made.shape[0] < 3 * 96


def test_photographs_are_shown(archgraph: Command, folder: Path, photos: Path) -> None:
    outcome = archgraph("data", "show", "coco:photos", "-o", "sheet.png", "--image-size", "200")
    assert outcome.code == 0, outcome.err
    with Image.open(folder / "sheet.png") as image:
        width = image.size[0]
    assert 400 < width < 440  # two tiles, the larger one 200 wide


def test_images_that_cannot_be_read(archgraph: Command, folder: Path, photos: Path) -> None:
    whole = (photos / "a.png").read_bytes()
    (photos / "a.png").write_bytes(whole[: len(whole) // 2])
    shown = ("data", "show", "coco:photos", "-o", "sheet.png", "--strong", "--count", "8")
    outcome = archgraph(*shown)
    assert outcome.code == 1 and "a.png" in outcome.err and "error[E505]" in outcome.err
    assert not (folder / "sheet.png").exists()
    outcome = archgraph(*shown, "--bad", "skip", "--image-size", "64")
    assert outcome.code == 0 and outcome.err.count("a.png") == 1
    with Image.open(folder / "sheet.png") as image:
        assert image.size[1] < 2 * 64  # a row for the other image
    (photos / "b.png").write_bytes((photos / "a.png").read_bytes())
    assert "error[E523]" in archgraph(*shown, "--bad", "skip").err


def test_only_pngs_are_written(archgraph: Command, folder: Path) -> None:
    outcome = archgraph("data", "show", "shapes", "-o", "sheet.jpg")
    assert outcome.code == 2 and "E122" in outcome.err and "sheet.png" in outcome.err
    outcome = archgraph("data", "show", "shapes", "-o", "none/sheet.png", "--count", "1")
    assert outcome.code == 3 and "E020" in outcome.err
    assert not list(folder.glob("**/*.png"))


@pytest.mark.parametrize("command", [("data", "show", "{}", "-o", "a.png"), ("anchors", "{}")])
def test_sources_that_are_none(archgraph: Command, command: tuple[str, ...]) -> None:
    for source, code in (("shapes:test", "E520"), ("shops", "E500"), ("coco:nowhere", "E500")):
        outcome = archgraph(*(part.format(source) for part in command))
        assert outcome.code == 1 and f"error[{code}]" in outcome.err


def test_anchors_of_photographs(archgraph: Command, photos: Path) -> None:
    outcome = archgraph("anchors", "coco:photos", "--image-size", "256", "--clusters", "2")
    assert outcome.code == 0, outcome.err
    lines = outcome.out.splitlines()
    assert lines[0].split() == ["objects", "iou", "0.5", "iou", "0.7", "mean", "forced"]
    assert [line.split()[:2] for line in lines[1:3]] == [["dog", "1"], ["Vögel", "2"]]
    assert "typical sizes: 13x13, " in outcome.out and "suggested: " in outcome.out


def test_anchors_as_json(archgraph: Command) -> None:
    outcome = archgraph("anchors", "shapes", "--image-size", "96x128", "--levels", "3..5", "--json")
    found = outcome.json
    assert found["image_size"] == [96, 128] and found["anchors"]["levels"] == [3, 4, 5]
    assert sum(each["objects"] for each in found["classes"].values()) == found["all"]["objects"]
    assert {"objects", "matched", "close", "mean", "forced"} == set(found["all"])
    assert len(found["clusters"]["width_height"]) == 9


def test_a_suggestion_can_be_written_down(archgraph: Command) -> None:
    from archgraph.detect import Anchors

    outcome = archgraph("anchors", "shapes", "--image-size", "64")
    (said,) = [line for line in outcome.out.splitlines() if line.startswith("suggested: Anchors")]
    made = eval(said.removeprefix("suggested: "), {"Anchors": Anchors})
    assert made.per_pixel == 9 and made.scale < 4
    assert "all, with those suggested" in outcome.out


@pytest.mark.parametrize("levels", ["7..3", "3", "0..4", "3..99", "a..b"])
def test_levels_that_are_none(archgraph: Command, levels: str) -> None:
    outcome = archgraph("anchors", "shapes", "--levels", levels)
    assert outcome.code == 2 and f"error[E120]: '{levels}' is no range of levels" in outcome.err
