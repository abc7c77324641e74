"""Reports on anchors: as exact as looking at all anchors, and honest in what they suggest."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from archgraph.detect import EXACT_RATIOS, Anchors, match
from archgraph.detect.boxes import iou_matrix
from archgraph.train.anchors import (
    Population,
    best_overlaps,
    cluster_sizes,
    coverage,
    population,
    report,
    suggest_anchors,
    suggest_uniform,
)
from archgraph.train.records import Floats, ImageRecord, Objects, Pixels
from archgraph.train.samples.shapes import Shapes

SIZES = st.sampled_from([(128, 128), (96, 160), (100, 130), (320, 320)])
KINDS = [
    Anchors(),
    Anchors(levels=(3, 4), scale=(2.0, 5.0)),
    Anchors(levels=(2, 5), scale=3.0, octaves=(1.0,), ratios=EXACT_RATIOS),
]


def boxes_in(rng: np.random.Generator, size: tuple[int, int], count: int) -> Floats:
    corners = rng.uniform(0, 1, (count, 2, 2)) * [size[1], size[0]]
    corners.sort(axis=1)
    return np.asarray(corners.reshape(count, 4) + np.array([0, 0, 0.5, 0.5]))


def centred(sizes: Floats, size: tuple[int, int] = (256, 256)) -> Population:
    middle = np.random.default_rng(0).uniform(0.3, 0.7, (len(sizes), 2)) * [size[1], size[0]]
    boxes = np.concatenate([middle - sizes / 2, middle + sizes / 2], axis=1)
    return Population(boxes, np.zeros(len(sizes), np.int64))


@pytest.mark.parametrize("anchors", KINDS)
@given(size=SIZES, seed=st.integers(0, 1000))
@settings(max_examples=15, deadline=None)
def test_the_nearest_anchors_are_the_best(
    anchors: Anchors, size: tuple[int, int], seed: int
) -> None:
    boxes = boxes_in(np.random.default_rng(seed), size, 30)
    every = iou_matrix(torch.from_numpy(boxes), anchors.xyxy(*size).double()).max(dim=1).values
    assert np.allclose(best_overlaps(boxes, anchors, size), every.numpy(), atol=1e-5)


def test_forced_objects_are_those_that_matching_forces() -> None:
    size, anchors = (128, 128), Anchors()
    boxes = boxes_in(np.random.default_rng(5), size, 40)
    found = coverage(best_overlaps(boxes, anchors, size))
    iou = iou_matrix(torch.from_numpy(boxes).float(), anchors.xyxy(*size))
    assert found.forced == int((iou.max(dim=1).values < 0.5).sum()) > 0
    assert found.objects == 40 and found.matched == 1 - found.forced / 40
    targets = match(anchors.xyxy(*size), torch.from_numpy(boxes).float(), torch.zeros(40).long())
    assert set(targets.matched.tolist()) >= set(np.flatnonzero(iou.max(dim=1).values < 0.5)) - {-1}


class Two:
    """An image whose annotations say how large it is, and one whose do not."""

    name = "two"
    class_names = ("a", "b", "")
    category_ids = (1, 2, 3)

    def __len__(self) -> int:
        return 2

    def record(self, index: int) -> ImageRecord:
        boxes = np.array([[0.0, 0, 100, 50], [10, 10, 10, 40], [0, 0, 200, 100]])
        crowds = np.array([False, False, True])
        objects = Objects(boxes, np.array([1, 0, 0]), crowds, np.ones(3), np.arange(3))
        width, height = ((200, 100), (0, 0))[index]
        return ImageRecord(index, str(index), None, width, height, objects)

    def pixels(self, index: int) -> Pixels:
        assert index == 1
        return np.zeros((400, 400, 3), np.uint8)


def test_objects_are_seen_as_a_detector_sees_them() -> None:
    told: list[tuple[int, int]] = []
    found = population(Two(), (100, 100), lambda done, whole: told.append((done, whole)))
    assert found.boxes_xyxy.tolist() == [[0, 0, 50, 25], [0, 0, 25, 12.5]]
    assert found.classes.tolist() == [1, 1] and told == [(1, 2), (2, 2)]


def test_a_data_set_without_objects_has_nothing_to_say() -> None:
    empty = Population(np.zeros((0, 4)), np.zeros(0, np.int64))
    found = report(empty, ("a",), Anchors(), (128, 128))
    assert found.every.objects == 0 and not found.by_class and not found.by_size
    assert found.suggested is None and len(found.clusters_wh) == 0


def test_anchors_that_suit_are_left_alone() -> None:
    sides = 32 * 2 ** np.random.default_rng(1).uniform(0, 2, 300)
    found = report(centred(np.stack([sides, sides], 1)), ("a",), Anchors(), (256, 256))
    assert found.every.forced == 0 and found.every.mean > 0.8
    assert found.suggested is None and found.suggested_every is None


@pytest.mark.parametrize(("wide", "high"), [(8, 8), (12, 48), (90, 9)])
def test_objects_that_no_anchor_suits_get_others(wide: float, high: float) -> None:
    factors = 2 ** np.random.default_rng(2).uniform(-0.3, 0.3, (300, 2))
    objects = centred(factors * [wide, high])
    found = report(objects, ("a",), Anchors(), (256, 256))
    assert found.suggested is not None and found.suggested_every is not None
    assert found.suggested_every.mean > found.every.mean + 0.1
    assert found.suggested.per_pixel == 9 and found.suggested.levels == (3, 4, 5, 6, 7)
    again = coverage(best_overlaps(objects.boxes_xyxy, found.suggested, (256, 256)))
    assert again == found.suggested_every
    assert suggest_anchors(objects, Anchors(), (256, 256)) == found.suggested


def test_objects_far_apart_in_size_get_a_scale_for_each_level() -> None:
    sides = np.concatenate([np.full(100, 9.0), np.full(100, 120.0), np.full(100, 480.0)])
    sides *= 2 ** np.random.default_rng(3).uniform(-0.1, 0.1, 300)
    objects = centred(np.stack([sides, sides], 1), (512, 512))
    found = report(objects, ("a",), Anchors(), (512, 512))
    assert found.suggested is not None and isinstance(found.suggested.scale, tuple)
    assert found.suggested_every is not None and found.uniform_every is not None
    assert found.suggested_every.mean > found.uniform_every.mean + 0.02
    assert found.suggested_every.forced <= found.uniform_every.forced
    assert len(set(found.suggested.scale)) > 1
    uniform = suggest_uniform(objects, Anchors(), (512, 512))
    assert isinstance(uniform.scale, float)
    again = coverage(best_overlaps(objects.boxes_xyxy, uniform, (512, 512)))
    assert again == found.uniform_every


def test_one_scale_is_suggested_where_a_scale_for_each_level_gains_nothing() -> None:
    sides = 8 * 2 ** np.random.default_rng(4).uniform(0, 1, 200)
    found = report(centred(np.stack([sides, sides], 1)), ("a",), Anchors(), (256, 256))
    assert found.suggested is not None and isinstance(found.suggested.scale, float)
    assert found.uniform_every is None


def test_a_report_parts_objects_by_class_and_by_size() -> None:
    data = Shapes(count=30, size=256)
    found = report(population(data, (256, 256)), data.class_names, Anchors(), (256, 256))
    assert set(found.by_class) == set(data.class_names)
    assert list(found.by_size) == ["small", "medium", "large"]
    for groups in (found.by_class, found.by_size):
        assert sum(each.objects for each in groups.values()) == found.every.objects
        assert sum(each.forced for each in groups.values()) == found.every.forced
    assert found.by_size["small"].mean < found.by_size["large"].mean


def test_clusters_are_found_again() -> None:
    rng = np.random.default_rng(0)
    centres = np.array([[10.0, 10.0], [20, 60], [100, 30]])
    sizes = np.concatenate([c * rng.uniform(0.95, 1.05, (50, 2)) for c in centres])
    found, mean = cluster_sizes(rng.permutation(sizes), 3)
    assert np.allclose(found, centres, rtol=0.05) and mean > 0.9
    again, _ = cluster_sizes(sizes, 3)
    assert np.array_equal(again, cluster_sizes(sizes, 3)[0])
    few, whole = cluster_sizes(np.array([[5.0, 5.0]] * 4), 9)
    assert few.tolist() == [[5, 5]] and whole == 1
