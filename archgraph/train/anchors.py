"""How well anchors suit the objects of a data set, and which would suit them better."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.random import Generator
from numpy.typing import NDArray

from archgraph.detect import Anchors
from archgraph.detect.boxes import overlaps
from archgraph.train.records import (
    LARGE_FROM,
    SMALL_BELOW,
    Advance,
    Dataset,
    Flags,
    Floats,
    Integers,
)

# What counts as an anchor's own object in training, and what is close.
MATCHED, CLOSE = 0.5, 0.7
SIZES = ("small", "medium", "large")
# How many objects suggestions are made from, and how many are looked at together.
MOST_TRIED, TOGETHER = 10_000, 50_000
ROUNDS, STARTS = 50, 4
# Sides of anchors in strides that are tried: finely enough that the next one is no better.
SCALES = tuple(round(2 ** (step / 6), 2) for step in range(0, 22))
# The mean overlap that others must gain to be worth giving up those of the published weights.
WORTHWHILE = 0.02
# Other numbers would differ in what nobody can see.
DIGITS = 2
# The mean overlap that the scale of one level must gain to be changed.
NOTICED = 0.001


@dataclass(frozen=True)
class Population:
    """The objects of a data set as a detector sees them.

    Attributes:
        boxes_xyxy: in pixels of what it sees; shape (N, 4).
        classes: shape (N,).
    """

    boxes_xyxy: Floats
    classes: Integers

    def __len__(self) -> int:
        return len(self.classes)

    @property
    def sizes(self) -> Floats:
        """Width and height; shape (N, 2)."""
        return np.asarray(self.boxes_xyxy[:, 2:] - self.boxes_xyxy[:, :2])


@dataclass(frozen=True)
class Coverage:
    """How close the best anchors come to some objects.

    Attributes:
        objects: how many there are.
        matched: the share whose best anchor overlaps them by `MATCHED`.
        close: the share whose best anchor overlaps them by `CLOSE`.
        mean: the mean overlap (intersection over union) with the best anchor.
        forced: how many have an anchor only because each object is given one.
    """

    objects: int
    matched: float
    close: float
    mean: float
    forced: int


@dataclass(frozen=True)
class AnchorReport:
    """What there is to say of anchors and a data set.

    Attributes:
        image_size: height and width of what the detector sees.
        anchors: that were looked at.
        every: the coverage of all objects.
        by_class: for each class that has objects, by its name.
        by_size: for small, medium and large objects, as far as there are any.
        clusters_wh: typical sizes of objects, smallest first; shape (K, 2).
        clusters_mean: the mean overlap of objects with the nearest of these sizes, wherever they
            stand: what no anchors of so many sizes can be much better than.
        suggested: the best anchors that were found with as many on a pixel; None if those looked
            at are as good.
        suggested_every: the coverage of all objects with these.
        uniform_every: the coverage with the best anchors of one scale for all levels, if those
            suggested have a scale for each level.
    """

    image_size: tuple[int, int]
    anchors: Anchors
    every: Coverage
    by_class: Mapping[str, Coverage]
    by_size: Mapping[str, Coverage]
    clusters_wh: Floats
    clusters_mean: float
    suggested: Anchors | None
    suggested_every: Coverage | None
    uniform_every: Coverage | None = None


def population(
    dataset: Dataset,
    image_size: tuple[int, int],
    advance: Advance | None = None,
) -> Population:
    """All objects that are trained on, where they stand once their image is made to fit.

    Images are read only where the annotations do not say how large they are.

    Raises:
        DataError: an image cannot be read.
    """
    boxes: list[Floats] = [np.zeros((0, 4))]
    classes: list[Integers] = [np.zeros(0, np.int64)]
    for index in range(len(dataset)):
        record = dataset.record(index)
        if advance is not None:
            advance(index + 1, len(dataset))
        objects = record.objects
        kept = ~objects.crowds & (objects.boxes_xyxy[:, 2:] > objects.boxes_xyxy[:, :2]).all(axis=1)
        if not kept.any():
            continue
        height, width = record.height, record.width
        if not height or not width:
            height, width = dataset.pixels(index).shape[:2]
        scale = min(image_size[0] / height, image_size[1] / width)
        boxes.append(objects.boxes_xyxy[kept] * scale)
        classes.append(objects.classes[kept])
    return Population(np.concatenate(boxes), np.concatenate(classes))


def best_overlaps(boxes_xyxy: Floats, anchors: Anchors, image_size: tuple[int, int]) -> Floats:
    """The overlap of each box with the anchor that overlaps it most; shape (N,).

    Of all anchors of one shape that is the one whose centre is nearest, so that no other is
    looked at: the result is that of looking at all.
    """
    parts = [
        _best_of(boxes_xyxy[start : start + TOGETHER], anchors, image_size)
        for start in range(0, len(boxes_xyxy), TOGETHER)
    ]
    return np.concatenate([np.zeros(0), *parts])


def _best_of(boxes: Floats, anchors: Anchors, image_size: tuple[int, int]) -> Floats:
    best, given = np.zeros(len(boxes)), torch.from_numpy(boxes)
    for level, scale in zip(anchors.levels, anchors.scales, strict=True):
        cells = np.array([-(-side // 2**level) for side in image_size])
        down, right = np.array(image_size) / cells
        x = _nearest((boxes[:, 0] + boxes[:, 2]) / 2, right, int(cells[1]))
        y = _nearest((boxes[:, 1] + boxes[:, 3]) / 2, down, int(cells[0]))
        for octave in anchors.octaves:
            for wide, high in anchors.ratios:
                half_x = scale * right * octave * wide / 2
                half_y = scale * down * octave * high / 2
                found = np.stack([x - half_x, y - half_y, x + half_x, y + half_y], axis=1)
                best = np.maximum(best, overlaps(given, torch.from_numpy(found)).numpy())
    return best


def _nearest(centres: Floats, stride: float, cells: int) -> Floats:
    """The middles of the cells that points are in, or are nearest to."""
    return np.asarray((np.clip(np.floor(centres / stride), 0, cells - 1) + 0.5) * stride)


def coverage(best: Floats) -> Coverage:
    """What best overlaps say together; shape (N,)."""
    if not len(best):
        return Coverage(0, 0.0, 0.0, 0.0, 0)
    matched = best >= MATCHED
    return Coverage(
        len(best),
        float(matched.mean()),
        float((best >= CLOSE).mean()),
        float(best.mean()),
        int((~matched).sum()),
    )


def cluster_sizes(sizes_wh: Floats, count: int, seed: int = 0) -> tuple[Floats, float]:
    """Typical sizes: k-means where far apart is what overlaps little (YOLO9000, arXiv 1612.08242).

    Args:
        sizes_wh: width and height of objects; shape (N, 2).
        count: how many clusters; fewer if there are fewer different sizes.
        seed: of the starts, the best of which counts.

    Returns:
        Width and height of the clusters, smallest first, shape (K, 2); and the mean overlap of
        objects with their cluster.
    """
    rng = np.random.default_rng(seed)
    found = _sampled(sizes_wh, rng)
    different = np.unique(found, axis=0)
    count = min(count, len(different))
    if not count:
        return np.zeros((0, 2)), 0.0
    best, best_mean = different[:count], -1.0
    for _ in range(STARTS):
        centres = different[rng.choice(len(different), count, replace=False)]
        owner = np.zeros(0)
        for _ in range(ROUNDS):
            overlaps = _size_overlaps(found, centres)
            before, owner = owner, overlaps.argmax(axis=1)
            if np.array_equal(before, owner):
                break
            centres = np.array(
                [
                    np.median(found[owner == i], axis=0) if (owner == i).any() else centres[i]
                    for i in range(count)
                ]
            )
        mean = float(_size_overlaps(found, centres).max(axis=1).mean())
        if mean > best_mean:
            best, best_mean = centres, mean
    return best[np.argsort(best.prod(axis=1), kind="stable")], best_mean


def _size_overlaps(first_wh: Floats, second_wh: Floats) -> Floats:
    """Overlaps of every pair of sizes on one centre; shape (N, M)."""
    shared = np.minimum(first_wh[:, None], second_wh[None]).prod(axis=2)
    areas = first_wh.prod(axis=1)[:, None] + second_wh.prod(axis=1)[None]
    return np.asarray(shared / (areas - shared))


def _sampled(values: NDArray[np.float64], rng: Generator) -> NDArray[np.float64]:
    """At most `MOST_TRIED` of the rows."""
    if len(values) <= MOST_TRIED:
        return values
    return values[np.sort(rng.choice(len(values), MOST_TRIED, replace=False))]


def suggest_anchors(found: Population, anchors: Anchors, image_size: tuple[int, int]) -> Anchors:
    """Anchors like these whose scale and ratios suit the objects best.

    Octaves and how many ratios there are stay, so that a network of the same size predicts. A
    scale for each level is suggested only where it is clearly better than one for all. All are
    rounded to what a person writes down.
    """
    uniform = suggest_uniform(found, anchors, image_size)
    varied = suggest_scales(found, uniform, image_size)
    boxes = _tried_boxes(found)
    means = [float(best_overlaps(boxes, each, image_size).mean()) for each in (uniform, varied)]
    return varied if means[1] >= means[0] + WORTHWHILE else uniform


def suggest_uniform(found: Population, anchors: Anchors, image_size: tuple[int, int]) -> Anchors:
    """The best anchors like these with one scale for all levels; these if they are as good."""
    boxes = _tried_boxes(found)
    tried = [anchors]
    for ratios in (anchors.ratios, *_typical_ratios(boxes, len(anchors.ratios))):
        tried += [replace(anchors, scale=scale, ratios=ratios) for scale in SCALES]
    means = [float(best_overlaps(boxes, each, image_size).mean()) for each in tried]
    return tried[int(np.argmax(means))]


def suggest_scales(found: Population, anchors: Anchors, image_size: tuple[int, int]) -> Anchors:
    """These anchors with a scale for each level, chosen in turns until no other is better."""
    boxes = _tried_boxes(found)
    scales = [*anchors.scales]
    tried = sorted({*SCALES, *scales})
    # How each level overlaps the objects by itself, at every scale; shape (scales, N).
    alone = [
        np.stack(
            [
                best_overlaps(boxes, replace(anchors, levels=(level,), scale=scale), image_size)
                for scale in tried
            ]
        )
        for level in anchors.levels
    ]
    chosen = [tried.index(scale) for scale in scales]
    for _ in range(ROUNDS):
        before = [*chosen]
        for place, own in enumerate(alone):
            others = [alone[i][chosen[i]] for i in range(len(alone)) if i != place]
            means = np.maximum(own, np.max(others, axis=0, initial=0)).mean(axis=1)
            if means.max() > means[chosen[place]] + NOTICED:
                chosen[place] = int(means.argmax())
        if chosen == before:
            break
    return replace(anchors, scale=tuple(tried[place] for place in chosen))


def _tried_boxes(found: Population) -> Floats:
    return _sampled(found.boxes_xyxy, np.random.default_rng(0))


def _typical_ratios(boxes: Floats, count: int) -> list[tuple[tuple[float, float], ...]]:
    """Aspect ratios that part the objects evenly, and ones that are as wide as high in turn."""
    sizes = boxes[:, 2:] - boxes[:, :2]
    slant = np.log(sizes[:, 0] / sizes[:, 1]) / 2
    middle = np.quantile(slant, (np.arange(count) + 0.5) / count)
    reach = np.quantile(np.abs(slant), 0.75)
    even = np.linspace(-reach, reach, count)
    return [tuple(_pair(value) for value in values) for values in (middle, even)]


def _pair(slant: float) -> tuple[float, float]:
    return round(float(np.exp(slant)), DIGITS), round(float(np.exp(-slant)), DIGITS)


def report(
    found: Population,
    class_names: Sequence[str],
    anchors: Anchors,
    image_size: tuple[int, int],
    clusters: int = 9,
) -> AnchorReport:
    """Look at anchors: how they suit all objects, each class and each size, and what would.

    Args:
        found: the objects.
        class_names: one for each class.
        anchors: to look at.
        image_size: height and width of what the detector sees.
        clusters: how many typical sizes are looked for.
    """
    best = best_overlaps(found.boxes_xyxy, anchors, image_size)
    side = np.sqrt(found.sizes.prod(axis=1))
    small, large = side < SMALL_BELOW, side >= LARGE_FROM
    groups: list[Flags] = [small, ~(small | large), large]
    typical, mean = cluster_sizes(found.sizes, clusters)
    every = coverage(best)
    suggested, better, uniform = None, None, None
    if len(found):
        suggested = suggest_anchors(found, anchors, image_size)
        better = coverage(best_overlaps(found.boxes_xyxy, suggested, image_size))
        if better.mean < every.mean + WORTHWHILE or better.forced > every.forced:
            suggested, better = None, None
        elif isinstance(suggested.scale, tuple):
            one = suggest_uniform(found, anchors, image_size)
            uniform = coverage(best_overlaps(found.boxes_xyxy, one, image_size))
    return AnchorReport(
        image_size,
        anchors,
        every,
        {
            _name(class_names, kind): coverage(best[found.classes == kind])
            for kind in np.unique(found.classes).tolist()
        },
        {
            name: coverage(best[group])
            for name, group in zip(SIZES, groups, strict=True)
            if group.any()
        },
        typical,
        mean,
        suggested,
        better,
        uniform,
    )


def _name(class_names: Sequence[str], kind: int) -> str:
    return (class_names[kind] if kind < len(class_names) else "") or f"class {kind}"
