"""Everything that can be found out about a dataset before anything is trained on it."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from archgraph.errors import DataError
from archgraph.train.data.classes import Ids
from archgraph.train.data.columns import Column
from archgraph.train.data.problems import Problems
from archgraph.train.data.sources import open_dataset
from archgraph.train.data.statistics import Statistics, count_dataset
from archgraph.train.data.store import StoredDataset
from archgraph.train.data.voc import Corners
from archgraph.train.records import Advance, Dataset

# What is going on, how much of it is done, and how much there is.
Told = Callable[[str, int, int], None]
# So many images are read before the next ones are begun: an interrupt waits for no more.
_WINDOW, _MOST_THREADS = 64, 8


@dataclass(frozen=True)
class Findings:
    """What was found out.

    Attributes:
        dataset: without what is wrong.
        problems: all of them.
        statistics: of the dataset.
        bad_images: images of it, by index, that cannot be read whole.
        images_read: whether they were read.
    """

    dataset: Dataset
    problems: Problems
    statistics: Statistics
    bad_images: frozenset[int]
    images_read: bool

    def as_dict(self) -> dict[str, object]:
        """Plain data, for `--json`."""
        return {
            "name": self.dataset.name,
            "errors": self.problems.errors,
            "warnings": self.problems.warnings,
            "images_read": self.images_read,
            "problems": [
                {
                    "code": kind.code,
                    "severity": kind.severity.value,
                    "what": kind.what,
                    "then": kind.then,
                    "count": count,
                    "first": [
                        {"file": one.file, "entry": one.entry or None, "message": one.said}
                        for one in kept
                    ],
                }
                for kind, count, kept in self.problems.groups()
            ],
            "statistics": self.statistics.as_dict(),
        }


def check_dataset(
    source: str,
    *,
    ids: Ids = "dense",
    corners: Corners = "inclusive",
    images: bool = True,
    told: Told | None = None,
) -> Findings:
    """Open a dataset, read its images, and count what is left.

    Args:
        source: as `open_dataset` takes it.
        ids: likewise.
        corners: likewise.
        images: whether every image is read whole; otherwise only its head is.
        told: what is going on, and how far it is.

    Raises:
        DataError: there is no such dataset, or nothing can be made of its files.
    """

    def about(what: str) -> Advance | None:
        return None if told is None else lambda done, whole: told(what, done, whole)

    dataset = open_dataset(
        source, ids=ids, bad="skip", corners=corners, progress=about("looking at images")
    )
    problems = dataset.problems if isinstance(dataset, StoredDataset) else Problems()
    statistics = count_dataset(dataset, about("counting"))
    bad: frozenset[int] = frozenset()
    if images:
        bad = _read_images(dataset, problems, about("reading images"))
    return Findings(dataset, problems, statistics, bad, images)


def _read_images(dataset: Dataset, problems: Problems, progress: Advance | None) -> frozenset[int]:
    """Read all images; the indices of those that are not whole."""
    bad: set[int] = set()
    threads = min(os.cpu_count() or 1, _MOST_THREADS)
    with ThreadPoolExecutor(threads) as pool:
        for start in range(0, len(dataset), _WINDOW):
            window = range(start, min(start + _WINDOW, len(dataset)))
            found = pool.map(lambda index: _read(dataset, index), window)
            for index, error in zip(window, found, strict=True):
                if error is not None:
                    bad.add(index)
                    first = error.diagnostics[0]
                    kind = "size" if first.code == "E506" else "image"
                    problems.add(kind, dataset.record(index).name, "", first.message)
            if progress is not None:
                progress(window.stop, len(dataset))
    return frozenset(bad)


def _read(dataset: Dataset, index: int) -> DataError | None:
    try:
        dataset.pixels(index)
    except DataError as error:
        return error
    return None


def chosen_samples(findings: Findings, most: int) -> Sequence[int]:
    """Images to show: evenly from the first to the last, those with objects if there are any."""
    good = Column("q")
    for index in range(len(findings.dataset)):
        if index in findings.bad_images:
            continue
        if not findings.statistics.objects or len(findings.dataset.record(index).objects):
            good.append(index)
    places = np.linspace(0, len(good) - 1, min(most, len(good))).round().astype(int)
    return [good[place] for place in dict.fromkeys(places.tolist())]
