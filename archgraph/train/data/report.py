"""The page about a dataset: problems, numbers, charts, and a sheet of samples."""

from __future__ import annotations

from collections.abc import Sequence

from archgraph.errors import DataError
from archgraph.train.curves import bar_chart
from archgraph.train.data.check import Findings, chosen_samples
from archgraph.train.data.problems import MOST_KEPT
from archgraph.train.data.statistics import ASPECTS, PER_IMAGE, SIDES, Statistics, named_ranges
from archgraph.train.drawing import draw_boxes, fitted, object_labels, sheet
from archgraph.train.page import Bar, Cell, Page
from archgraph.train.records import LARGE_FROM, SMALL_BELOW, Dataset, Pixels

# A report stays small enough to be sent.
MOST_SAMPLES, COLUMNS, TILE = 12, 3, 360
MOST_CLASSES, MOST_NAMED = 200, 20


def make_report(findings: Sequence[Findings]) -> Page:
    """The page of datasets that were checked, one after the other."""
    names = [found.dataset.name for found in findings]
    page = Page(f"Dataset {names[0]}" if len(names) == 1 else f"Datasets {', '.join(names)}")
    for name, found in zip(names, findings, strict=True):
        _add_dataset(page, f"{name}: " if len(names) > 1 else "", found)
    return page


def _add_dataset(page: Page, name: str, findings: Findings) -> None:
    if name:
        page.heading(name.removesuffix(": "))
    _summary(page, findings)
    _problems(page, name, findings)
    _numbers(page, name, findings.statistics)
    _classes(page, name, findings.statistics)
    _charts(page, name, findings.statistics)
    _samples(page, name, findings)


def _summary(page: Page, findings: Findings) -> None:
    found = findings.statistics
    page.text(
        f"{found.images:,} images with {found.objects:,} objects of {len(found.classes):,} classes;"
        f" errors: {findings.problems.errors:,}; warnings: {findings.problems.warnings:,}."
    )
    if not findings.images_read:
        page.text("Only the heads of the images were read: damage behind them is not found.")


def _problems(page: Page, name: str, findings: Findings) -> None:
    page.heading(f"{name}problems" if name else "Problems")
    groups = list(findings.problems.groups())
    if not groups:
        page.text("None were found.")
        return
    rows: list[list[Cell]] = [
        [kind.severity.value, kind.code, kind.what, count, kind.then] for kind, count, _ in groups
    ]
    page.table(["", "code", "what", "how many", "what becomes of them"], rows)
    page.text("Numbers are of what is left without them.")
    for kind, count, kept in groups:
        more = f"; the first {MOST_KEPT} of {count:,}" if count > len(kept) else ""
        page.text(f"{kind.code} {kind.what}{more}:")
        page.table(["file", "entry", "what"], [[one.file, one.entry, one.said] for one in kept])


def _numbers(page: Page, name: str, found: Statistics) -> None:
    page.heading(f"{name}numbers" if name else "Numbers")
    small, medium, large = found.areas
    rows: list[list[Cell]] = [
        ["images", found.images],
        ["images without objects", found.empty],
        ["objects", found.objects],
        ["of them crowds or difficult", found.crowds],
        [f"small, below {SMALL_BELOW}² pixels", _share(small, found.objects)],
        ["medium", _share(medium, found.objects)],
        [f"large, from {LARGE_FROM}² pixels on", _share(large, found.objects)],
        ["width of images", _span(found.widths)],
        ["height of images", _span(found.heights)],
    ]
    page.table(["", "how many"], rows)


def _classes(page: Page, name: str, found: Statistics) -> None:
    named = [one for one in found.classes if one.name or one.objects]
    if not named:
        return
    page.heading(f"{name}classes" if name else "Classes")
    ordered = sorted(named, key=lambda one: -one.objects)
    most = max(one.objects for one in named) or 1
    rows: list[list[Cell]] = [
        [one.name, one.category_id, Bar(one.objects / most, f"{one.objects:,}"), one.images]
        for one in ordered[:MOST_CLASSES]
    ]
    page.table(["class", "id", "objects", "images"], rows)
    if len(ordered) > MOST_CLASSES:
        page.text(f"The other {len(ordered) - MOST_CLASSES:,} classes have fewer objects.")
    missing = [one.name for one in named if not one.objects]
    if missing:
        more = " and others" if len(missing) > MOST_NAMED else ""
        page.text(f"Without objects: {', '.join(missing[:MOST_NAMED])}{more}.")


def _charts(page: Page, name: str, found: Statistics) -> None:
    if not found.objects:
        return
    page.heading(f"{name}sizes and shapes" if name else "Sizes and shapes")
    charts: Sequence[tuple[Sequence[float], Sequence[int], str, str]] = (
        (PER_IMAGE, found.per_image, "images", "objects on an image"),
        (SIDES, found.sides, "objects", "side of an object as a share of the image's"),
        (ASPECTS, found.aspects, "objects", "width over height"),
    )
    for edges, counts, label, caption in charts:
        bars = dict(zip(named_ranges(edges), counts, strict=True))
        page.figure(bar_chart(bars, label), caption)


def _samples(page: Page, name: str, findings: Findings) -> None:
    tiles, captions = [], []
    for index in chosen_samples(findings, MOST_SAMPLES):
        try:
            tiles.append(_tile(findings.dataset, index))
        except DataError:
            continue  # its head is whole and the rest is not
        captions.append(findings.dataset.record(index).name)
    if tiles:
        page.heading(f"{name}samples" if name else "Samples")
        page.image(sheet(tiles, COLUMNS, captions))


def _tile(dataset: Dataset, index: int) -> Pixels:
    pixels, objects = dataset.pixels(index), dataset.record(index).objects
    image, scale = fitted(pixels, TILE)
    labels = object_labels(objects, dataset.class_names)
    return draw_boxes(image, objects.boxes_xyxy * scale, labels, objects.classes.tolist())


def _share(count: int, whole: int) -> Bar:
    share = count / whole if whole else 0
    return Bar(share, f"{count:,} ({share:.0%})")


def _span(ends: tuple[int, int]) -> str:
    low, high = ends
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"
