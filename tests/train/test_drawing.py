"""Drawings: legible on every ground, labels inside and apart, the image itself unchanged."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from archgraph.errors import InputOutputError
from archgraph.train import drawing
from archgraph.train.drawing import colour_of, draw_boxes, fitted, sheet, write_png
from archgraph.train.records import Pixels

GROUNDS = {"white": (255, 255, 255), "black": (0, 0, 0), "grey": (128, 128, 128)}


def plain(height: int, width: int, colour: tuple[int, int, int] = (0, 0, 0)) -> Pixels:
    pixels = np.empty((height, width, 3), np.uint8)
    pixels[:] = colour
    return pixels


@pytest.mark.parametrize("ground", [*GROUNDS.values(), *map(colour_of, range(21))])
def test_a_line_shows_on_every_ground(ground: tuple[int, int, int]) -> None:
    """Somewhere across the line there is a step that an eye sees, even on its own colour."""
    pixels = plain(60, 60, ground)
    for kind in range(21):
        made = draw_boxes(pixels, [[20, 20, 50, 50]], [""], [kind]).astype(int)
        across = made[35, 15:30] @ [0.299, 0.587, 0.114]
        assert np.abs(np.diff(across)).max() > 60, kind
    assert (pixels == ground).all()


def test_the_first_colours_are_far_apart() -> None:
    colours = np.array([colour_of(i) for i in range(7)])
    far = np.abs(colours[:, None] - colours[None]).sum(axis=2) + 999 * np.eye(7)
    assert far.min() > 60
    assert len({colour_of(i) for i in range(21)}) == 21 and colour_of(21) == colour_of(0)


def test_a_box_is_where_it_says() -> None:
    made = draw_boxes(plain(200, 300), [[50, 60, 150, 120]], [""], [1])
    rows, columns = np.nonzero((made == colour_of(1)).all(axis=2))
    assert [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1] == [50, 60, 150, 120]


@pytest.mark.parametrize("size", [(1, 1), (2, 9), (64, 64), (30, 700), (1500, 2000)])
def test_every_size_of_image_is_drawn_on(size: tuple[int, int]) -> None:
    boxes: list[list[float]] = [
        [-10, -10, size[1] + 10, size[0] + 10],
        [0, 0, 1, 1],
        [5, 5, 2, 2],
        [9e9, 0, 9e9, 1],
    ]
    made = draw_boxes(plain(*size), boxes, ["a cat"] * 4, [0, 1, 2, 3])
    assert made.shape == (*size, 3) and made.any()


def test_what_is_not_finite_is_left_out() -> None:
    pixels = plain(40, 40)
    assert (draw_boxes(pixels, [[np.nan, 0, 9, 9], [0, 0, np.inf, 9]], ["a", "b"]) == pixels).all()
    assert (draw_boxes(pixels, np.zeros((0, 4)), []) == pixels).all()


def test_labels_stay_inside_and_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    plates: list[tuple[int, int, int, int]] = []
    real = drawing._draw_plate

    def noted(draw: object, plate: tuple[int, int, int, int], *rest: object) -> None:
        plates.append(plate)
        real(draw, plate, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(drawing, "_draw_plate", noted)
    rng = np.random.default_rng(0)
    corners = rng.uniform(0, 400, (12, 2))
    boxes = np.concatenate([corners, corners + rng.uniform(60, 200, (12, 2))], axis=1)
    draw_boxes(plain(500, 600), boxes, ["person 0.93"] * 12, list(range(12)))
    assert len(plates) == 12
    for i, (left, top, right, bottom) in enumerate(plates):
        assert left >= 0 and top >= 0 and right < 600 and bottom < 500
        assert not any(drawing._shared(plates[i], other) for other in plates[:i])


def test_labels_that_would_hide_others_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    texts: list[str] = []
    monkeypatch.setattr(drawing, "_draw_plate", lambda *a: texts.append(a[2]))
    draw_boxes(plain(64, 64), [[10, 10, 50, 50]] * 40, [f"no {i}" for i in range(40)])
    assert 1 < len(texts) < 40 and "no 0" in texts


def test_long_names_are_cut_and_strange_ones_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    texts: list[str] = []
    monkeypatch.setattr(drawing, "_draw_plate", lambda *a: texts.append(a[2]))
    for name in ("a name " * 40, "two\nlines", "Straße été", "日本"):
        draw_boxes(plain(100, 200), [[10, 40, 90, 90]], [name])
    assert texts[0].startswith("a name a name") and texts[0].endswith("..") and len(texts[0]) < 50
    assert "\n" not in texts[1] and len(texts) == 4


def test_without_a_font_for_them_letters_lose_their_accents(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(drawing, "WIDER_FONTS", ("no such font.ttf",))
    drawing._wider_font.cache_clear()
    texts: list[str] = []
    monkeypatch.setattr(drawing, "_draw_plate", lambda *a: texts.append(a[2]))
    draw_boxes(plain(100, 200), [[10, 40, 90, 90]], ["Straße été żółw"])
    drawing._wider_font.cache_clear()
    assert texts == ["Strasse ete zolw"]


@pytest.mark.parametrize(
    ("size", "fits", "scale"),
    [((800, 400), (400, 200), 0.5), ((400, 300), (400, 300), 1), ((90, 150), (180, 300), 2)],
)
def test_images_are_fitted(size: tuple[int, int], fits: tuple[int, int], scale: float) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
    found, by = fitted(pixels, 400)
    assert (found.shape, by) == ((*fits, 3), scale)
    if scale >= 1:
        assert np.array_equal(found[:: int(scale), :: int(scale)], pixels)
    assert fitted(pixels[:2, :2], 400)[0].shape == (6, 6, 3)


def test_a_sheet_holds_its_tiles() -> None:
    tiles = [plain(40, 60, (200, 0, 0)), plain(20, 30, (0, 200, 0)), plain(40, 60, (0, 0, 200))]
    made = sheet(tiles, 2, ["one", "two", "a caption that is much too long for its tile"])
    for tile in tiles:
        found = (made == tile[0, 0]).all(axis=2)
        assert found.sum() == tile.shape[0] * tile.shape[1]
    assert made[0, 0].min() > 240 and made.shape[1] < 150
    assert sheet([], 4, []).ndim == 3


def test_a_drawing_is_written_whole_or_not(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (9, 7, 3), np.uint8)
    write_png(tmp_path / "a.png", pixels)
    with Image.open(tmp_path / "a.png") as image:
        assert np.array_equal(np.asarray(image), pixels)
    with pytest.raises(InputOutputError, match="cannot write"):
        write_png(tmp_path / "none" / "a.png", pixels)
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]
