"""Time the evaluators against each other, on one made-up set of images.

    python tools/compare_evaluators.py --images 5000 --repeats 3

Each evaluator that is installed is run in turn, again and again, so that what else the machine
does falls on all of them. Printed are the seconds of each, the ratio to pycocotools, and how far
the twelve numbers are from its.
"""

from __future__ import annotations

import argparse
import statistics
import time
from dataclasses import astuple
from typing import get_args

import numpy as np

from archgraph.errors import DataError
from archgraph.train.evaluate.detected import Compared, Detected
from archgraph.train.evaluate.evaluators import EvaluatorName, run_evaluator
from archgraph.train.evaluate.measures import coco_numbers
from archgraph.train.records import Objects

NAMES = [name for name in get_args(EvaluatorName) if name != "auto"]
REFERENCE = "pycocotools"
CLASSES = 80


def made_up(images: int, seed: int = 0) -> Compared:
    """About six objects and 36 detections on an image, as in COCO; half of them near an object."""
    make = np.random.default_rng(seed)
    objects, found = [], []
    for _ in range(images):
        many = int(make.poisson(6))
        corners = make.random((many, 2)) * 400
        sizes = np.exp(make.random((many, 2)) * 4.5 + 1.5)
        boxes = np.concatenate([corners, corners + sizes], axis=1)
        kinds = make.integers(0, CLASSES, many)
        crowds = make.random(many) < 0.01
        objects.append(Objects(boxes, kinds, crowds, sizes.prod(axis=1), np.arange(many)))
        near = np.repeat(boxes, 3, axis=0)
        moved = near + make.normal(size=near.shape) * np.tile(np.repeat(sizes, 3, axis=0), 2) / 12
        moved[:, 2:] = np.maximum(moved[:, 2:], moved[:, :2])
        places = make.random((18, 2)) * 500
        far = np.concatenate([places, places + 60], axis=1)
        labels = np.concatenate([np.repeat(kinds, 3), make.integers(0, CLASSES, 18)])
        scores = make.random(len(labels))
        found.append(Detected(np.concatenate([moved, far]), scores, labels))
    names = tuple(f"class {i}" for i in range(CLASSES))
    numbers = tuple(range(images))
    ids = tuple(range(1, CLASSES + 1))
    return Compared(names, ids, numbers, tuple(map(str, numbers)), objects, found)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--images", type=int, default=5000)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    content = made_up(arguments.images)
    there, found = sum(map(len, content.objects)), sum(map(len, content.found))
    print(f"{arguments.images:,} images, {there:,} objects, {found:,} detections")
    seconds: dict[str, list[float]] = {}
    numbers: dict[str, tuple[float, ...]] = {}
    versions: dict[str, str] = {}
    for _ in range(arguments.repeats):
        for name in NAMES:
            start = time.perf_counter()
            try:
                arrays = run_evaluator(content, name)
            except DataError:  # it is not installed
                continue
            seconds.setdefault(name, []).append(time.perf_counter() - start)
            numbers[name] = astuple(coco_numbers(arrays, range(CLASSES)))
            versions[name] = arrays.evaluator
    for name, times in sorted(seconds.items(), key=lambda item: -statistics.median(item[1])):
        middle = statistics.median(times)
        ratio = statistics.median(seconds[REFERENCE]) / middle if REFERENCE in seconds else 1
        apart = max(
            abs(a - b)
            for a, b in zip(numbers[name], numbers.get(REFERENCE, numbers[name]), strict=True)
        )
        print(
            f"{versions[name]:24} {middle:8.3f} s ({min(times):.3f} to {max(times):.3f})"
            f"  {ratio:6.1f} x  differs by {apart:.1e}"
        )


if __name__ == "__main__":
    main()
