"""Sets of images in memory, and detections for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from archgraph.errors import DataError, Diagnostic
from archgraph.train.evaluate import Detected
from archgraph.train.records import ImageRecord, Objects, Pixels

Box = tuple[float, float, float, float]


@dataclass
class Images:
    """A `Dataset` that holds its records, and whose images are all grey."""

    records: Sequence[ImageRecord]
    class_names: Sequence[str] = ("cat", "dog")
    category_ids: Sequence[int] = (3, 18)
    name: str = "memory"
    broken: frozenset[int] = frozenset()
    read: list[int] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.records)

    def record(self, index: int) -> ImageRecord:
        return self.records[index]

    def pixels(self, index: int) -> Pixels:
        record = self.records[index]
        self.read.append(record.image_id)
        if record.image_id in self.broken:
            raise DataError(Diagnostic("E599", f"'{record.name}' is broken"))
        return np.full((record.height, record.width, 3), record.image_id % 256, np.uint8)


def objects(
    boxes: Sequence[Box],
    classes: Sequence[int],
    crowds: Sequence[bool] | None = None,
    areas: Sequence[float] | None = None,
) -> Objects:
    corners = np.array(boxes, np.float64).reshape(-1, 4)
    size = corners[:, 2:] - corners[:, :2]
    return Objects(
        corners,
        np.array(classes, np.int64),
        np.array(crowds if crowds is not None else [False] * len(classes), np.bool_),
        np.array(areas, np.float64) if areas is not None else size[:, 0] * size[:, 1],
        np.arange(len(classes)),
    )


def detected(boxes: Sequence[Box], scores: Sequence[float], classes: Sequence[int]) -> Detected:
    return Detected(
        np.array(boxes, np.float64).reshape(-1, 4),
        np.array(scores, np.float64),
        np.array(classes, np.int64),
    )


def record(image_id: int, there: Objects) -> ImageRecord:
    return ImageRecord(image_id, f"{image_id}.jpg", Path(f"{image_id}.jpg"), 640, 480, there)


def images(there: Mapping[int, Objects], **options: object) -> Images:
    return Images([record(i, one) for i, one in there.items()], **options)  # type: ignore[arg-type]


def random_set(seed: int, count: int = 12, classes: int = 3) -> tuple[Images, dict[int, Detected]]:
    """Images with objects of all sizes, some of them crowds, and detections near some of them.

    Scores are coarse, so that many are equal; boxes have whole corners, so that overlaps are too.
    """
    make = np.random.default_rng(seed)
    there: dict[int, Objects] = {}
    found: dict[int, Detected] = {}
    for image_id in (make.permutation(count * 3)[:count] + 1).tolist():
        many = int(make.integers(0, 7))
        corners = make.integers(0, 400, (many, 2))
        sizes = make.integers(1, [8, 60, 160, 300][int(make.integers(0, 4))], (many, 2))
        boxes = np.concatenate([corners, corners + sizes], axis=1).astype(np.float64)
        kinds = make.integers(0, classes, many)
        crowds = make.random(many) < 0.15
        areas = sizes.prod(axis=1) * make.choice([0.6, 1.0], many)
        there[image_id] = Objects(boxes, kinds, crowds, areas, np.arange(many))
        times = make.integers(0, 4, many)
        near = np.repeat(boxes, times, axis=0)
        near = near + make.integers(-6, 7, near.shape) * make.choice([0, 1], (len(near), 1))
        far = make.integers(0, 300, (int(make.integers(0, 5)), 2))
        near = np.concatenate([near, np.concatenate([far, far + 40], axis=1)])
        near[:, 2:] = np.maximum(near[:, 2:], near[:, :2])
        labels = make.integers(0, classes, len(near))
        right = make.random(times.sum()) < 0.7
        labels[: times.sum()][right] = np.repeat(kinds, times)[right]
        keep = make.permutation(len(near))
        if make.random() < 0.8:
            scores = make.integers(1, 20, len(near)) / 20
            found[image_id] = Detected(near[keep], scores, labels[keep])
    names = tuple(f"class {i}" for i in range(classes))
    ids = tuple(10 * i + 1 for i in range(classes))
    return images(there, class_names=names, category_ids=ids), found
