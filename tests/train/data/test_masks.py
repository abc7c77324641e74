"""Boxes of masks: what pycocotools says of them, and what is no mask."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pycocotools import mask as reference

from archgraph.train.data.masks import box_of_mask
from tests.train.data.support import coco, entry, kinds, opened, refused, write_coco


def masks() -> list[np.ndarray[Any, Any]]:
    """Single pixels, whole images, runs over the ends of columns, noise."""
    rng = np.random.default_rng(0)
    found = [
        rng.random((height, width)) < share
        for height, width, share in (
            (1, 1, 1.0),
            (1, 9, 0.3),
            (9, 1, 0.3),
            (48, 64, 0.001),
            (48, 64, 0.5),
            (7, 5, 1.0),
        )
    ]
    found += [np.array([[0, 1], [0, 0], [1, 0]], np.bool_), np.array([[0, 1], [1, 1]], np.bool_)]
    for _ in range(40):
        mask = np.zeros((48, 64), np.bool_)
        top, left = rng.integers(0, 48), rng.integers(0, 64)
        mask[top : top + rng.integers(1, 48), left : left + rng.integers(1, 64)] = True
        found.append(mask & (rng.random(mask.shape) < rng.choice([0.2, 1])))
    return [mask for mask in found if mask.any()]


def encoded(mask: np.ndarray[Any, Any]) -> dict[str, Any]:
    """As pycocotools writes it, with a text."""
    found = reference.encode(np.asfortranarray(mask.astype(np.uint8)))
    return {"size": list(mask.shape), "counts": found["counts"].decode()}


def runs_of(mask: np.ndarray[Any, Any]) -> list[int]:
    flat = mask.T.ravel().astype(np.int8)
    edges = np.flatnonzero(np.diff(flat, prepend=0)).tolist()
    return [end - start for start, end in pairwise([0, *edges, len(flat)])]


def test_the_box_is_that_of_pycocotools() -> None:
    lengths = set()
    for mask in masks():
        compressed = encoded(mask)
        x, y, width, height = reference.toBbox(compressed).tolist()
        for given in (compressed, {**compressed, "counts": runs_of(mask)}):
            assert box_of_mask(given) == (x, y, x + width, y + height)
        lengths.add(len(compressed["counts"]))
    assert len(lengths) > 20


def test_a_mask_stands_for_a_box(tmp_path: Path) -> None:
    mask = np.zeros((48, 64), np.bool_)
    mask[5:9, 30:33] = True
    entries = [
        entry(bbox=..., segmentation={"size": [48, 64], "counts": runs_of(mask)}),
        entry(id=2, bbox=[], area=7, segmentation=encoded(~mask)),
    ]
    write_coco(tmp_path, coco(entries))
    dataset = opened(f"coco:{tmp_path}")
    assert kinds(dataset) == {"from-mask": 2}
    objects = dataset.record(0).objects
    assert objects.boxes_xyxy.tolist() == [[30, 5, 33, 9], [0, 0, 64, 48]]
    assert objects.areas.tolist() == [12, 7]


BAD: dict[str, tuple[Any, str]] = {
    "no size": ({"counts": [4]}, "'size' is None, and must be [height, width]"),
    "size": ({"size": [2, 0], "counts": []}, "'size' is [2, 0]"),
    "huge": ({"size": [10**9, 2], "counts": []}, "'size' is [1000000000, 2]"),
    "no counts": ({"size": [2, 2]}, "'counts' is missing"),
    "numbers": ({"size": [2, 2], "counts": [1.5, 2.5]}, "'counts' is [1.5, 2.5]"),
    "negative": ({"size": [2, 2], "counts": [1, -1, 4]}, "'counts' is [1, -1, 4]"),
    "true": ({"size": [2, 2], "counts": [True, 3]}, "'counts' is [True, 3]"),
    "too few": ({"size": [2, 2], "counts": [1, 2]}, "'counts' has 3 pixels, and 'size' 4"),
    "digits": ({"size": [2, 2], "counts": [10**99]}, "more than 30 digits pixels"),
    "empty": ({"size": [2, 2], "counts": [4]}, "it has no pixels"),
    "a run of none": ({"size": [2, 2], "counts": [4, 0]}, "it has no pixels"),
    "character": ({"size": [2, 2], "counts": "1~"}, "no text of runs from '~' on"),
    "cut off": ({"size": [2, 2], "counts": "1R"}, "'counts' is cut off"),
    "endless": ({"size": [2, 2], "counts": "o" * 5000}, "no text of runs from 'o' on"),
    "below nothing": ({"size": [2, 2], "counts": "O"}, "must be lengths of runs"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_mask_that_gives_no_box(case: str, tmp_path: Path) -> None:
    mask, said = BAD[case]
    file = write_coco(tmp_path, coco([entry(), entry(id=2, bbox=..., segmentation=mask)]))
    text = refused(f"coco:{tmp_path}")
    assert f"error[E502]: {file}: annotations[1]: 'bbox' is missing, and the mask gives" in text
    assert said in text
    assert kinds(opened(f"coco:{tmp_path}", bad="skip")) == {"field": 1}


def test_a_mask_beside_a_box_is_not_looked_at(tmp_path: Path) -> None:
    write_coco(tmp_path, coco([entry(segmentation={"counts": 3})]))
    assert kinds(opened(f"coco:{tmp_path}")) == {}
