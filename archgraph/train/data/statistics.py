"""What a dataset is made of: counts, sizes and shapes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from archgraph.train.records import LARGE_FROM, SMALL_BELOW, Advance, Dataset, Floats, Integers

# Of aspect ratios, width over height; of sides, as shares of the image's.
ASPECTS = (0.0, 0.125, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 4.0, 8.0, float("inf"))
SIDES = tuple(i / 10 for i in range(11))
_AREAS = (0.0, SMALL_BELOW**2, LARGE_FROM**2, float("inf"))
PER_IMAGE = (0, 1, 2, 3, 5, 10, 20, 50, 100, 1_000_000)


@dataclass(frozen=True)
class ClassCount:
    """A class: its name, its id, how many objects are of it, and on how many images."""

    name: str
    category_id: int
    objects: int
    images: int


@dataclass(frozen=True)
class Statistics:
    """Numbers of a dataset.

    Attributes:
        images: how many.
        empty: how many have no objects.
        objects: how many, with crowds.
        crowds: how many stand for many, or are difficult.
        areas: how many are small, medium and large, by COCO's areas.
        classes: one for each class.
        per_image: how many images have from `PER_IMAGE[i]` objects to less than the next.
        aspects: how many objects are between `ASPECTS[i]` and the next.
        sides: the same of the square root of an object's share of its image, between `SIDES`.
        widths: the least and the most.
        heights: likewise.
    """

    images: int
    empty: int
    objects: int
    crowds: int
    areas: tuple[int, int, int]
    classes: tuple[ClassCount, ...]
    per_image: tuple[int, ...]
    aspects: tuple[int, ...]
    sides: tuple[int, ...]
    widths: tuple[int, int]
    heights: tuple[int, int]

    def as_dict(self) -> dict[str, object]:
        """Plain data, for `--json`."""
        return {
            "images": self.images,
            "images_without_objects": self.empty,
            "objects": self.objects,
            "crowds": self.crowds,
            "small": self.areas[0],
            "medium": self.areas[1],
            "large": self.areas[2],
            "widths": self.widths,
            "heights": self.heights,
            "objects_per_image": _between(PER_IMAGE, self.per_image),
            "aspects": _between(ASPECTS, self.aspects),
            "sides": _between(SIDES, self.sides),
            "classes": [
                {"name": c.name, "id": c.category_id, "objects": c.objects, "images": c.images}
                for c in self.classes
            ],
        }


def count_dataset(dataset: Dataset, progress: Advance | None = None) -> Statistics:
    """Count what a dataset says of its images; none is read."""
    kinds = len(dataset.class_names)
    objects_of, images_of = np.zeros(kinds, np.int64), np.zeros(kinds, np.int64)
    per_image, aspects, sides, areas = (
        np.zeros(len(edges) - 1, np.int64) for edges in (PER_IMAGE, ASPECTS, SIDES, _AREAS)
    )
    crowds, widths, heights = 0, _Range(), _Range()
    for index in range(len(dataset)):
        record = dataset.record(index)
        boxes, objects = record.objects.boxes_xyxy, record.objects
        per_image += _histogram(np.array([len(objects)], np.float64), PER_IMAGE)
        if len(objects):
            size = boxes[:, 2:] - boxes[:, :2]
            share = size[:, 0] * size[:, 1] / max(record.width * record.height, 1)
            areas += _histogram(objects.areas, _AREAS)
            aspects += _histogram(size[:, 0] / size[:, 1], ASPECTS)
            sides += _histogram(np.minimum(np.sqrt(share), 1), SIDES)
            crowds += int(objects.crowds.sum())
            here = np.bincount(objects.classes, minlength=kinds)
            objects_of += here
            images_of += here > 0
        widths.add(record.width)
        heights.add(record.height)
        if progress is not None:
            progress(index + 1, len(dataset))
    small, medium, large = areas.tolist()
    return Statistics(
        len(dataset),
        int(per_image[0]),
        small + medium + large,
        crowds,
        (small, medium, large),
        tuple(
            ClassCount(name, category, objects, images)
            for name, category, objects, images in zip(
                dataset.class_names,
                dataset.category_ids,
                objects_of.tolist(),
                images_of.tolist(),
                strict=True,
            )
        ),
        tuple(per_image.tolist()),
        tuple(aspects.tolist()),
        tuple(sides.tolist()),
        widths.ends,
        heights.ends,
    )


def named_ranges(edges: Sequence[float]) -> list[str]:
    """What stands between neighbouring edges: `1 to 1.5`, `8 or more`."""
    names = [f"{low:g} to {high:g}" for low, high in pairwise(edges)]
    if edges[-1] > 10**5:
        names[-1] = f"{edges[-2]:g} or more"
    if isinstance(edges[0], int):
        ends = pairwise(edges[:-1])
        names[:-1] = [f"{a}" if b == a + 1 else f"{a} to {b - 1:g}" for a, b in ends]
    return names


def _between(edges: Sequence[float], counts: Sequence[int]) -> Mapping[str, int]:
    return dict(zip(named_ranges(edges), counts, strict=True))


def _histogram(values: Floats, edges: Sequence[float]) -> Integers:
    places = np.searchsorted(edges, values, side="right") - 1
    return np.bincount(np.clip(places, 0, len(edges) - 2), minlength=len(edges) - 1)


class _Range:
    """The least and the most of what is added; zeros before."""

    def __init__(self) -> None:
        self.ends = (0, 0)
        self._any = False

    def add(self, number: int) -> None:
        low, high = self.ends if self._any else (number, number)
        self.ends, self._any = (min(low, number), max(high, number)), True
