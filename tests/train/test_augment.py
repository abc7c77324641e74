"""Augmentations: boxes follow what they are around, and the same seed gives the same sample."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.random import Generator

from archgraph.detect import PIXELS
from archgraph.train.records import Objects, Sample
from archgraph.train.samples.augment import (
    PADDING,
    Augmentation,
    Colour,
    Flip,
    Jitter,
    Mixup,
    Mosaic,
    augmented,
    padding_of,
    reference_steps,
    strong_steps,
)
from archgraph.train.samples.objects import clipped, joined, mirrored, moved, picked

SIZE = (96, 128)
SEEDS = st.integers(0, 2**32 - 1)
INK = np.array([255, 0, 0])
STEPS: dict[str, Augmentation] = {
    "flip": Flip(1.0),
    "jitter": Jitter(SIZE),
    "jitter-bicubic": Jitter(SIZE, 0.5, 1.5, "bicubic"),
    "jitter-plain": Jitter(SIZE, 0.3, 2.0, "plain"),
    "jitter-random": Jitter(SIZE, 0.5, 2.0, "random"),
    "mosaic": Mosaic(SIZE, least=0.0),
    "mixup": Mixup(1.0),
    "colour": Colour(probability=1.0),
}


def objects_at(*boxes: tuple[float, float, float, float]) -> Objects:
    corners = np.array(boxes, np.float64).reshape(-1, 4)
    count = len(corners)
    areas = (corners[:, 2] - corners[:, 0]) * (corners[:, 3] - corners[:, 1])
    return Objects(corners, np.arange(count), np.zeros(count, np.bool_), areas, np.arange(count))


def painted(height: int, width: int, box: tuple[int, int, int, int]) -> Sample:
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[box[1] : box[3], box[0] : box[2]] = INK
    return Sample(pixels, objects_at(box), 7)


def empty(rng: Generator) -> Sample:
    return Sample(np.zeros((40, 50, 3), np.uint8), Objects(), 8)


@st.composite
def samples(draw: st.DrawFn) -> Sample:
    """A rectangle on black, of any size down to a pixel."""
    height, width = draw(st.integers(1, 150)), draw(st.integers(1, 150))
    left, top = draw(st.integers(0, width - 1)), draw(st.integers(0, height - 1))
    box = (left, top, draw(st.integers(left + 1, width)), draw(st.integers(top + 1, height)))
    return painted(height, width, box)


@pytest.mark.parametrize("name", list(STEPS))
@given(sample=samples(), seed=SEEDS)
@settings(max_examples=40, deadline=None)
def test_a_box_still_encloses_its_pixels(name: str, sample: Sample, seed: int) -> None:
    before = sample.pixels.copy()
    made = STEPS[name](sample, np.random.default_rng(seed), empty)
    assert np.array_equal(sample.pixels, before)
    assert made.pixels.dtype == np.uint8 and made.image_id == 7
    height, width = made.pixels.shape[:2]
    boxes = made.objects.boxes_xyxy
    assert (boxes[:, :2] >= 0).all() and (boxes[:, 2:] <= [width, height]).all()
    assert (boxes[:, 2:] > boxes[:, :2]).all()
    # Red and not the padding: more than half of the ink is there.
    image = made.pixels.astype(int)
    inked = (image[..., 0] > 60 + 1.5 * image[..., 1]) & (image[..., 0] > image[..., 2] + 60)
    if name == "mixup" and not inked.any():
        return
    rows, columns = np.nonzero(inked)
    if not len(boxes):
        assert not len(rows)
        return
    if len(rows):
        found = np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])
        # Interpolation blurs an edge by about a pixel of the original or one of the result.
        blur = 1.5 + 2 * max(SIZE[0] / sample.pixels.shape[0], SIZE[1] / sample.pixels.shape[1])
        assert (found[:2] >= boxes[0, :2] - blur).all()
        assert (found[2:] <= boxes[0, 2:] + blur).all()
        large = min(boxes[0, 2:] - boxes[0, :2]) > 4 * blur
        if large:
            assert np.abs(found - boxes[0]).max() <= blur


@given(seed=SEEDS, box=st.tuples(*[st.integers(0, 40)] * 4))
@settings(max_examples=60, deadline=None)
def test_a_large_rectangle_is_boxed_within_a_pixel(
    seed: int, box: tuple[int, int, int, int]
) -> None:
    left, top, wide, high = box
    sample = painted(120, 160, (left, top, left + 40 + wide, top + 30 + high))
    made = Jitter(SIZE, 0.5, 1.4)(sample, np.random.default_rng(seed), empty)
    inked = (made.pixels[..., 0] > 127) & (made.pixels[..., 1] < 60)
    rows, columns = np.nonzero(inked)
    if len(rows):
        found = np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])
        assert np.abs(found - made.objects.boxes_xyxy[0]).max() <= 1.0


@given(sample=samples(), seed=SEEDS)
@settings(max_examples=40, deadline=None)
def test_flipping_twice_changes_nothing(sample: Sample, seed: int) -> None:
    rng = np.random.default_rng(seed)
    twice = Flip(1.0)(Flip(1.0)(sample, rng, empty), rng, empty)
    assert np.array_equal(twice.pixels, sample.pixels)
    assert np.array_equal(twice.objects.boxes_xyxy, sample.objects.boxes_xyxy)


@pytest.mark.parametrize("name", list(STEPS))
def test_an_image_without_objects_stays_without(name: str) -> None:
    for shape in ((1, 1, 3), (40, 3, 3), (300, 200, 3)):
        sample = Sample(np.full(shape, 200, np.uint8), Objects(), 1)
        made = STEPS[name](sample, np.random.default_rng(0), empty)
        assert len(made.objects) == 0 and made.objects.boxes_xyxy.shape == (0, 4)


@pytest.mark.parametrize("steps", [reference_steps(SIZE), strong_steps(SIZE)])
def test_a_seed_says_everything(steps: tuple[Augmentation, ...]) -> None:
    sample = painted(80, 120, (10, 20, 60, 70))
    state = np.random.get_state()[1].tolist()  # type: ignore[index]
    made = [augmented(sample, steps, np.random.default_rng(s), empty) for s in (1, 1, 2)]
    assert np.array_equal(made[0].pixels, made[1].pixels)
    assert np.array_equal(made[0].objects.boxes_xyxy, made[1].objects.boxes_xyxy)
    assert not np.array_equal(made[0].pixels, made[2].pixels)
    assert made[0].pixels.shape == (*SIZE, 3)
    assert np.random.get_state()[1].tolist() == state  # type: ignore[index]


class Fixed:
    """A generator that gives what it is told to."""

    def __init__(self, scale: float, place: float) -> None:
        self.scale, self.place = scale, place

    def uniform(self, low: float, high: float) -> float:
        return self.scale

    def random(self, count: int | None = None) -> Any:
        return np.full(count, self.place) if count else self.place


def jittered(scale: float, place: float) -> Sample:
    sample = painted(100, 200, (20, 10, 100, 50))
    return Jitter((100, 100))(sample, Fixed(scale, place), empty)  # type: ignore[arg-type]


def test_jitter_by_one_just_fits() -> None:
    made = jittered(1.0, 0.7)
    assert made.objects.boxes_xyxy.tolist() == [[10, 5, 50, 25]]
    assert made.objects.areas.tolist() == [800]
    assert (made.pixels[50:] == [124, 116, 104]).all() and (made.pixels[:50, 60:] == 0).all()


def test_jitter_by_two_is_cut() -> None:
    made = jittered(2.0, 0.5)
    # The image is 200 wide, the middle hundred of it stays; so does half of what is left of it.
    assert made.objects.boxes_xyxy.tolist() == [[0, 10, 50, 50]]
    assert made.objects.areas.tolist() == [2000]
    assert (made.pixels[20:40, :45, 0] == 255).all() and not made.pixels[20:40, 55:].any()


def test_jitter_drops_what_is_cut_away() -> None:
    assert len(jittered(2.0, 1.0).objects) == 0


def test_a_mosaic_has_the_objects_of_four() -> None:
    sample = painted(50, 50, (0, 0, 50, 50))

    colours = iter([(0, 255, 0), (0, 0, 255), (255, 255, 0)])

    def draw(rng: Generator) -> Sample:
        pixels = np.full((30, 60, 3), next(colours), np.uint8)
        return Sample(pixels, objects_at((0, 0, 60, 30)), 9)

    made = Mosaic(SIZE, least=0)(sample, np.random.default_rng(0), draw)
    assert len(made.objects) == 4 and made.image_id == 7
    boxes = made.objects.boxes_xyxy.astype(int)
    assert (boxes[:, 2:] - boxes[:, :2]).prod(axis=1).sum() == SIZE[0] * SIZE[1]
    inside = [made.pixels[top:bottom, left:right] for left, top, right, bottom in boxes]
    assert all((part == part[0, 0]).all() for part in inside)
    assert len({tuple(part[0, 0].tolist()) for part in inside}) == 4


def test_mixup_has_the_objects_of_both_and_mixes_them() -> None:
    first = painted(40, 60, (10, 10, 20, 30))

    def draw(rng: Generator) -> Sample:
        return Sample(np.full((80, 120, 3), 200, np.uint8), objects_at((0, 0, 60, 40)), 3)

    made = Mixup(1.0)(first, np.random.default_rng(0), draw)
    assert made.objects.boxes_xyxy.tolist() == [[10, 10, 20, 30], [0, 0, 30, 20]]
    ground = int(made.pixels[39, 59, 0])
    assert 40 < ground < 160
    assert made.pixels[15, 15, 0] > made.pixels[39, 59, 0] and made.pixels[15, 15, 1] == ground


def test_greys_stay_grey_and_none_is_none() -> None:
    grey = Sample(np.full((4, 4, 3), 120, np.uint8), Objects(), 1)
    made = Colour(0.0, 0.0, 0.9, 0.5, 1.0)(grey, np.random.default_rng(3), empty)
    assert np.abs(made.pixels.astype(int) - 120).max() <= 1
    noise = np.random.default_rng(0).integers(0, 256, (20, 20, 3), np.uint8)
    same = Colour(0, 0, 0, 0, 1.0)(Sample(noise, Objects(), 1), np.random.default_rng(0), empty)
    assert np.abs(same.pixels.astype(int) - noise).max() <= 1


def test_a_third_of_a_turn_makes_red_something_else() -> None:
    red = Sample(np.full((4, 4, 3), (200, 40, 40), np.uint8), Objects(), 1)
    hues = {
        tuple(Colour(0, 0, 0, 0.5, 1.0)(red, np.random.default_rng(s), empty).pixels[0, 0])
        for s in range(8)
    }
    assert {int(np.argmax(hue)) for hue in hues} == {0, 1, 2}


def test_objects_are_picked_joined_and_moved_whole() -> None:
    objects = objects_at((0, 0, 10, 10), (5, 5, 9, 7))
    both = joined(objects, picked(objects, np.array([True, False])))
    assert both.classes.tolist() == [0, 1, 0] and both.areas.tolist() == [100, 8, 100]
    far = moved(objects, 2, 3, 1, -1)
    assert far.boxes_xyxy.tolist() == [[1, -1, 21, 29], [11, 14, 19, 20]]
    assert far.areas.tolist() == [600, 48]
    assert mirrored(objects, 10).boxes_xyxy.tolist() == [[0, 0, 10, 10], [1, 5, 5, 7]]


def test_clipping_drops_what_is_not_there() -> None:
    objects = objects_at(
        (-5, 0, 5, 10),
        (20, 20, 30, 30),
        (3, 3, 3, 9),
        (8, 8, 2, 2),
        (np.nan, 0, 5, 5),
        (9, 9, 10, 10),
    )
    cut = clipped(objects, 10, 10)
    assert cut.boxes_xyxy.tolist() == [[0, 0, 5, 10], [9, 9, 10, 10]]
    assert cut.entries.tolist() == [0, 5] and cut.areas.tolist() == [50, 1]
    assert clipped(objects, 10, 10, least=0.6).entries.tolist() == [5]


def test_padding_is_what_a_network_sees_as_nothing() -> None:
    assert padding_of(PIXELS["imagenet"]) == PADDING
    assert padding_of(PIXELS["centred"]) == (128, 128, 128)
    sample = Sample(np.zeros((16, 16, 3), np.uint8), Objects(), 0)
    step = Jitter(SIZE, 0.5, 0.5, padding=(1, 2, 3))
    found = augmented(sample, [step], np.random.default_rng(0), lambda _: sample)
    assert found.pixels[-1, -1].tolist() == [1, 2, 3]
