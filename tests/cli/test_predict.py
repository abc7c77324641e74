"""The command `predict`: photographs in, drawings and a file of results out."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.cli.support import Command
from tests.small_detector import toy_spec


@pytest.fixture
def photos(folder: Path) -> Path:
    (folder / "photos").mkdir()
    for i, name in enumerate(("7.jpg", "8.png")):
        pixels = np.random.default_rng(i).integers(0, 256, (30, 40 + i, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / "photos" / name)
    return folder / "photos"


def test_drawings_and_results(archgraph: Command, folder: Path, photos: Path) -> None:
    (folder / "names.txt").write_text("cat\ndog\nhen\n\n")
    outcome = archgraph(
        *("predict", toy_spec(), str(photos), "-o", "out", "--min-score", "0.001"),
        *("--names", "names.txt", "--max-boxes", "5", "--batch-size", "1"),
    )
    assert (outcome.code, outcome.out) == (0, "")
    assert "no --weights" in outcome.err
    assert "10 boxes on 2 images; wrote out/predictions.json" in outcome.err
    assert sorted(path.name for path in (folder / "out").iterdir()) == [
        *("7.jpg", "8.png", "predictions.json")
    ]
    found = json.loads((folder / "out" / "predictions.json").read_text())
    assert [each["image_id"] for each in found] == [7] * 5 + [8] * 5
    assert {each["category_name"] for each in found} <= {"cat", "dog", "hen"}
    with Image.open(folder / "out" / "8.png") as image:
        assert image.size == (41, 30)


def test_results_alone(archgraph: Command, folder: Path, photos: Path) -> None:
    outcome = archgraph("predict", toy_spec(), str(photos / "7.jpg"), "--no-draw")
    assert outcome.code == 0
    assert [path.name for path in (folder / "drawn").iterdir()] == ["predictions.json"]
    assert json.loads((folder / "drawn" / "predictions.json").read_text()) == []


def test_a_list_of_paths(
    archgraph: Command, folder: Path, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{photos / '8.png'}\n"))
    assert archgraph("predict", toy_spec(), "-").code == 0
    assert (folder / "drawn" / "8.png").exists()


def test_broken_files(archgraph: Command, folder: Path, photos: Path) -> None:
    (photos / "9.jpg").write_bytes(b"nothing")
    refused = archgraph("predict", toy_spec(), str(photos))
    assert refused.code == 1
    assert "9.jpg" in refused.err and "Traceback" not in refused.err
    skipped = archgraph("predict", toy_spec(), str(photos), "--bad", "skip")
    assert skipped.code == 0
    assert "left out 1 file" in skipped.err and "9.jpg" in skipped.err


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("predict", "bifpn", "photos"), 1, "error[E414]"),
        (("predict", "TOY", "none.jpg"), 3, "error[E001]"),
        (("predict", "TOY", "photos", "--names", "none.txt"), 3, "error[E001]"),
        (("predict", "TOY", "photos", "--device", "mars"), 1, "error[E541]"),
        (("predict", "TOY", "photos", "--names", "photos/7.jpg"), 3, "it is not UTF-8"),
    ],
)
def test_mistakes(
    archgraph: Command, photos: Path, arguments: tuple[str, ...], code: int, said: str
) -> None:
    assert photos.is_dir()
    outcome = archgraph(*(toy_spec() if each == "TOY" else each for each in arguments))
    assert outcome.code == code
    assert said in outcome.err
