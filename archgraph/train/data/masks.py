"""The box of a COCO mask: its run lengths say where it begins and ends, no pixel is painted.

A mask is `{"size": [height, width], "counts": runs}`: how many pixels are off, on, off and so on,
down one column after the other. `counts` is a list, or a text of characters with five bits of a
number each, the lowest first; from the fourth run on it holds the difference to the last but one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Any

import numpy as np

from archgraph.train.data.problems import shown

# Of a side; runs stay far inside 64 bits.
_MOST_PIXELS = 1 << 20
_FIRST_CHARACTER, _BITS, _SIGN, _MORE, _MOST_BITS = 48, 5, 16, 32, 60


def box_of_mask(mask: Mapping[str, Any]) -> tuple[float, float, float, float]:
    """The smallest box, xyxy, with all pixels of a mask.

    Raises:
        ValueError: what is wrong with the mask, or that it has no pixels.
    """
    height, width = _size(mask.get("size"))
    counts = mask.get("counts")
    runs = _run_lengths(counts) if isinstance(counts, str) else counts
    if not isinstance(runs, list) or not all(type(run) is int and run >= 0 for run in runs):
        wrong = "is missing" if counts is None else f"is {shown(counts)}"
        raise ValueError(f"'counts' {wrong}, and must be lengths of runs")
    if sum(runs) != height * width:
        said = f"'counts' has {shown(sum(runs))} pixels, and 'size' {height * width:,}"
        raise ValueError(said)
    return _box(runs, height)


def _size(size: object) -> tuple[int, int]:
    if isinstance(size, list) and len(size) == 2:
        height, width = size
        if all(type(side) is int and 0 < side <= _MOST_PIXELS for side in size):
            return height, width
    raise ValueError(f"'size' is {shown(size)}, and must be [height, width]")


def _box(runs: Sequence[int], height: int) -> tuple[float, float, float, float]:
    ends = np.array(list(accumulate(runs)), np.int64)
    last = ends[1::2] - 1
    first = ends[::2][: len(last)]
    first, last = first[first <= last], last[first <= last]
    if not len(first):
        raise ValueError("it has no pixels")
    (left, top), (right, bottom) = np.divmod(first, height), np.divmod(last, height)
    if np.any(left != right):
        # A run goes from the foot of a column to the head of the next.
        return float(left[0]), 0.0, float(right[-1] + 1), float(height)
    return float(left[0]), float(top.min()), float(right[-1] + 1), float(bottom.max() + 1)


def _run_lengths(text: str) -> list[int]:
    """The runs of a compressed text."""
    runs: list[int] = []
    value = shift = 0
    for character in text:
        bits = ord(character) - _FIRST_CHARACTER
        if not 0 <= bits < 2 * _MORE or shift >= _MOST_BITS:
            raise ValueError(f"'counts' is no text of runs from {shown(character)} on")
        value |= (bits & (_MORE - 1)) << shift
        shift += _BITS
        if bits & _MORE:
            continue
        if bits & _SIGN:
            value -= 1 << shift
        runs.append(value + (runs[-2] if len(runs) > 2 else 0))
        value = shift = 0
    if shift:
        raise ValueError("'counts' is cut off")
    return runs
