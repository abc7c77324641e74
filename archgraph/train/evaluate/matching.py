"""Which detection is which object: one image at a time, one overlap at a time.

Detections come in the order of their scores, equal ones in the detector's order, and each takes
one object that none before it took. What overlaps crowds is looked over.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from archgraph.train.evaluate.detected import Detected
from archgraph.train.records import Flags, Floats, Integers, Objects

# What a detection is that is no object.
UNMATCHED, IGNORED = -1, -2


@dataclass(frozen=True)
class Matches:
    """Detections of an image with the objects they are, the best scores first.

    Attributes:
        order: which detections these are; shape (K,).
        objects: the object of each, or UNMATCHED, or IGNORED; shape (K,).
        overlaps: of each with every object, see `overlaps_with`; shape (K, N).
    """

    order: Integers
    objects: Integers
    overlaps: Floats


def overlaps_with(boxes_xyxy: Floats, objects: Objects) -> Floats:
    """Intersection over union, or over the detection's own area where the object is a crowd.

    Args:
        boxes_xyxy: of detections; shape (K, 4).
        objects: N of them.

    Returns:
        Shape (K, N).
    """
    there = objects.boxes_xyxy
    low = np.maximum(boxes_xyxy[:, None, :2], there[None, :, :2])
    high = np.minimum(boxes_xyxy[:, None, 2:], there[None, :, 2:])
    shared = np.prod(np.maximum(high - low, 0), axis=2)
    own = _areas(boxes_xyxy)[:, None]
    whole = np.where(objects.crowds[None], own, own + _areas(there)[None] - shared)
    result: Floats = np.divide(shared, whole, out=np.zeros_like(shared), where=whole > 0)
    return result


def match_by_class(detected: Detected, objects: Objects, overlap: float, most: int) -> Matches:
    """Match as COCO does: objects of the same class, the one that overlaps most.

    Args:
        detected: what was found.
        objects: what is there.
        overlap: the least that counts.
        most: look at so many detections of each class, the best ones.
    """
    order = _best_first(detected.scores)
    order = order[_rank_in_class(detected.classes[order]) < most]
    overlaps = overlaps_with(detected.boxes_xyxy[order], objects)
    same = detected.classes[order][:, None] == objects.classes[None]
    return Matches(order, _take(np.where(same, overlaps, -1), objects.crowds, overlap), overlaps)


def match_any_class(detected: Detected, objects: Objects, overlap: float, least: float) -> Matches:
    """Match each detection with an object of its class, else with one of another class.

    Args:
        detected: what was found.
        objects: what is there; crowds only hide detections of their own class.
        overlap: the least that counts.
        least: the score that a detection needs.
    """
    order = _best_first(detected.scores)
    order = order[detected.scores[order] >= least]
    overlaps = overlaps_with(detected.boxes_xyxy[order], objects)
    same = detected.classes[order][:, None] == objects.classes[None]
    # An object of the same class counts for more than any other: 1 is the greatest overlap.
    rank = np.where(overlaps >= overlap, overlaps + 2 * same, -1)
    rank = np.where(objects.crowds[None] & ~same, -1, rank)
    return Matches(order, _take(rank, objects.crowds, 0), overlaps)


def _take(rank: Floats, crowds: Flags, least: float) -> Integers:
    """The free object of the highest rank for each detection in turn; crowds are always free."""
    taken = np.full(len(rank), UNMATCHED)
    if not rank.size:
        return taken
    free = ~crowds
    # Only rows that could take something are looked at one by one.
    for row in np.flatnonzero((rank >= least).any(axis=1)):
        able = np.where(free & (rank[row] >= least), rank[row], -1)
        if able.max() >= 0:
            # Of equal ones the last, as COCO.
            place = len(able) - 1 - int(able[::-1].argmax())
            taken[row], free[place] = place, False
        elif (crowds & (rank[row] >= least)).any():
            taken[row] = IGNORED
    return taken


def _best_first(scores: Floats) -> Integers:
    return np.argsort(-scores, kind="stable")


def _rank_in_class(classes: Integers) -> Integers:
    """How many of its class come before each."""
    order = np.argsort(classes, kind="stable")
    ordered = classes[order]
    first = np.searchsorted(ordered, ordered)
    ranks = np.empty(len(classes), np.int64)
    ranks[order] = np.arange(len(classes)) - first
    return ranks


def _areas(boxes_xyxy: Floats) -> Floats:
    areas: Floats = np.prod(np.maximum(boxes_xyxy[:, 2:] - boxes_xyxy[:, :2], 0), axis=1)
    return areas
