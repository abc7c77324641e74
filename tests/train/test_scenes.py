"""Embedded scenes: always the same, true to their masks, and refused with reasons."""

from __future__ import annotations

import subprocess
import sys
from itertools import pairwise

import numpy as np
import pytest

from archgraph.errors import DataError
from archgraph.train.records import Dataset
from archgraph.train.samples import glyphs, scenes
from archgraph.train.samples.glyphs import Glyphs, digits_of
from archgraph.train.samples.scenes import (
    GROUND,
    LEAST_VISIBLE,
    Paint,
    Scene,
    make_ground,
    turned,
)
from archgraph.train.samples.shapes import OUTLINES, Shapes

MAKERS = [Shapes, Glyphs]


def inked(colour: float) -> Paint:
    return lambda pixels: np.full((10, 10, 3), colour, np.float32)


DIGEST = """
import hashlib
from archgraph.train.samples.shapes import Shapes
made = Shapes(size=96)
said = made.pixels(3).tobytes() + made.record(3).objects.boxes_xyxy.tobytes()
print(hashlib.sha256(said).hexdigest())
"""


@pytest.mark.parametrize("make", MAKERS)
def test_a_scene_is_the_same_in_every_order(make: type[Shapes | Glyphs]) -> None:
    made: Dataset = make(count=12, size=96)
    forwards = [made.pixels(i).copy() for i in range(12)]
    scenes._kept.clear()
    scenes._objects.cache_clear()
    for i in reversed(range(12)):
        assert np.array_equal(made.pixels(i), forwards[i])
    assert not any(np.array_equal(a, b) for a, b in pairwise(forwards))


def test_a_scene_is_the_same_in_every_process() -> None:
    command = [sys.executable, "-c", DIGEST]
    first, second = (
        subprocess.run(command, capture_output=True, text=True, check=True).stdout for _ in range(2)
    )
    assert first == second and len(first) == 65


@pytest.mark.parametrize("make", MAKERS)
def test_splits_and_seeds_differ(make: type[Shapes | Glyphs]) -> None:
    sets = [make("train", size=96), make("val", size=96), make("train", size=96, seed=1)]
    images = [made.pixels(0) for made in sets]
    assert not np.array_equal(images[0], images[1])
    assert not np.array_equal(images[0], images[2])


def test_no_written_digit_is_in_both_splits() -> None:
    train, val = set(digits_of("train")), set(digits_of("val"))
    assert not train & val and len(train | val) == 1797 and len(val) == 360


@pytest.mark.parametrize("make", MAKERS)
def test_what_a_record_says_holds(make: type[Shapes | Glyphs]) -> None:
    made = make(count=60, size=128)
    kinds: set[int] = set()
    for i in range(len(made)):
        record, pixels = made.record(i), made.pixels(i)
        objects = record.objects
        assert pixels.shape == (record.height, record.width, 3) and pixels.dtype == np.uint8
        assert record.image_id == i and record.path is None
        boxes = objects.boxes_xyxy
        assert (boxes[:, :2] >= 0).all() and (boxes[:, 2:] <= 128).all()
        assert (boxes[:, 2:] > boxes[:, :2]).all()
        sizes = boxes[:, 2:] - boxes[:, :2]
        assert (objects.areas <= sizes.prod(axis=1)).all() and (objects.areas > 0).all()
        kinds |= set(objects.classes.tolist())
    assert kinds == set(range(len(made.class_names)))
    assert len(made.category_ids) == len(made.class_names)


def test_some_scenes_are_empty_and_some_objects_hidden_in_part() -> None:
    made = Shapes(count=100, size=96)
    counts = [len(made.record(i).objects) for i in range(100)]
    assert min(counts) == 0 and max(counts) >= 7


def test_boxes_are_of_what_is_seen() -> None:
    ground = np.zeros((20, 20, 3), np.float32)
    scene = Scene(ground, np.full((20, 20), GROUND))
    square = np.ones((10, 10), np.float32)
    assert scene.put(0, 0, square, inked(9), 3)
    assert scene.put(5, 0, square, inked(7), 4)
    objects = scene.objects()
    assert objects.boxes_xyxy.tolist() == [[0, 0, 5, 10], [5, 0, 15, 10]]
    assert objects.areas.tolist() == [50, 100] and objects.classes.tolist() == [3, 4]


@pytest.mark.parametrize("make", MAKERS)
def test_what_is_told_is_what_is_painted(make: type[Shapes | Glyphs]) -> None:
    for seeds in ((0, 0, 5), (0, 1, 5), (3, 0, 9)):
        scene = make.make(96, seeds, np.random.default_rng(seeds))
        told, seen = scenes._objects(make, 96, seeds), scene.objects()
        assert np.array_equal(told.boxes_xyxy, seen.boxes_xyxy) and len(told)
        assert np.array_equal(told.classes, seen.classes)
        assert np.array_equal(told.areas, seen.areas)


def test_nothing_hides_too_much_or_itself() -> None:
    scene = Scene(np.zeros((20, 20, 3), np.float32), np.full((20, 20), GROUND))
    square = np.ones((10, 10), np.float32)
    assert scene.put(0, 0, square, inked(1), 0)
    assert scene.pixels is not None
    before = scene.pixels.copy(), scene.owner.copy()
    assert not scene.put(2, 2, square, inked(9), 1)  # it would leave 36 of 100
    assert not scene.put(17, 5, square, inked(9), 1)  # 30 of 100 would be seen
    assert not scene.put(-9, -9, square, inked(1), 1)
    assert np.array_equal(scene.pixels, before[0]) and np.array_equal(scene.owner, before[1])
    assert scene.seen == [100] and LEAST_VISIBLE * 100 > 36


@pytest.mark.parametrize("name", list(OUTLINES))
def test_a_shape_reaches_one_from_its_centre(name: str) -> None:
    u, v = turned(301, 0.3)
    inside = OUTLINES[name](u / np.float32(100), v / np.float32(100)) <= 0
    reach = np.hypot(u, v)[inside].max() / 100
    assert 0.9 < reach < 1.1
    assert inside.any(axis=0).sum() > 100


def test_a_ground_is_textured() -> None:
    scene = make_ground(np.random.default_rng(0), 64, 96)
    assert scene.pixels is not None and scene.pixels.shape == (64, 96, 3)
    assert scene.pixels.std(axis=(0, 1)).min() > 3 and scene.pixels.min() > -1


@pytest.mark.parametrize("make", MAKERS)
def test_an_unknown_part_is_refused(make: type[Shapes | Glyphs]) -> None:
    with pytest.raises(DataError, match=r"E520\]: there is no part 'test'"):
        make("test")


def test_a_scene_beyond_the_last_is_none() -> None:
    with pytest.raises(IndexError):
        Shapes(count=3).pixels(3)


def test_glyphs_say_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    glyphs._digits.cache_clear()
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(DataError, match="pip install scikit-learn"):
        Glyphs()
