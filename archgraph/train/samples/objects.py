"""Objects that follow their image: moved, mirrored, cut, picked, joined; never in place."""

from __future__ import annotations

import numpy as np

from archgraph.train.records import Flags, Floats, Integers, Objects


def picked(objects: Objects, which: Flags | Integers) -> Objects:
    """Some of the objects: those that a flag marks, or those with these numbers, in their order."""
    return Objects(
        objects.boxes_xyxy[which],
        objects.classes[which],
        objects.crowds[which],
        objects.areas[which],
        objects.entries[which],
    )


def joined(first: Objects, second: Objects) -> Objects:
    """The objects of both."""
    return Objects(
        np.concatenate([first.boxes_xyxy, second.boxes_xyxy]),
        np.concatenate([first.classes, second.classes]),
        np.concatenate([first.crowds, second.crowds]),
        np.concatenate([first.areas, second.areas]),
        np.concatenate([first.entries, second.entries]),
    )


def moved(objects: Objects, wide: float, high: float, right: float, down: float) -> Objects:
    """The objects of an image that is stretched by (wide, high) and then moved by (right, down)."""
    boxes = objects.boxes_xyxy * [wide, high, wide, high] + [right, down, right, down]
    return _with_boxes(objects, boxes, objects.areas * (wide * high))


def mirrored(objects: Objects, width: int) -> Objects:
    """The objects of an image of this width that is turned from left to right."""
    boxes = objects.boxes_xyxy.copy()
    boxes[:, [0, 2]] = width - boxes[:, [2, 0]]
    return _with_boxes(objects, boxes, objects.areas)


def clipped(objects: Objects, width: float, height: float, least: float = 0.0) -> Objects:
    """The objects cut at the edges of an image, without those of which nothing is left.

    Areas shrink as their boxes do.

    Args:
        objects: in pixels of the image; boxes that are not finite go too.
        width: of the image.
        height: likewise.
        least: which part of a box must be left, from 0 to 1.
    """
    edges = [width, height, width, height]
    boxes = np.clip(objects.boxes_xyxy, 0, edges)
    before, after = _areas(objects.boxes_xyxy), _areas(boxes)
    with np.errstate(divide="ignore", invalid="ignore"):
        left = after / before
    whole = np.isfinite(objects.boxes_xyxy).all(axis=1)
    kept = whole & (after > 0) & (left >= least)
    areas = np.where(kept, objects.areas * np.where(kept, left, 0), 0)
    return picked(_with_boxes(objects, boxes, areas), kept)


def _areas(boxes_xyxy: Floats) -> Floats:
    size = np.maximum(boxes_xyxy[:, 2:] - boxes_xyxy[:, :2], 0)
    return np.asarray(size[:, 0] * size[:, 1])


def _with_boxes(objects: Objects, boxes_xyxy: Floats, areas: Floats) -> Objects:
    return Objects(boxes_xyxy, objects.classes, objects.crowds, areas, objects.entries)
