"""A detector's classes told as those of a set of images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from archgraph.errors import DataError, Diagnostic, listing
from archgraph.train.evaluate.detected import Detected, DetectionsLike
from archgraph.train.records import Integers, Pixels


@dataclass(frozen=True)
class ClassMap:
    """Which class of a set each class of a detector is.

    Attributes:
        classes: an index into the names of the set, or -1 for none of them; one for each class
            of the detector.
        note: what a person should know of it; empty if every name is the same.
    """

    classes: Integers
    note: str = ""

    def __call__(self, detections: DetectionsLike) -> Detected:
        """The detections of classes that the set has."""
        found = Detected.of(detections)
        classes = self.classes[found.classes]
        there = classes >= 0
        return Detected(found.boxes_xyxy[there], found.scores[there], classes[there])

    def applied(
        self, detect: Callable[[Sequence[Pixels]], Sequence[DetectionsLike]]
    ) -> Callable[[Sequence[Pixels]], Sequence[Detected]]:
        """The detector that tells classes as the set does."""
        return lambda images: [self(detections) for detections in detect(images)]


def map_classes(detector: Sequence[str], dataset: Sequence[str]) -> ClassMap:
    """Find the classes of a set among those of a detector: by name, else by their order.

    Args:
        detector: the names of its classes; "" for a gap.
        dataset: the same of the set.

    Raises:
        DataError: E534, names and numbers of classes differ.
    """
    places = {name: k for k, name in enumerate(dataset) if name}
    unknown = [name for name in places if name not in detector]
    if not unknown:
        classes = np.array([places.get(name, -1) for name in detector], np.int64)
        more = [name for name in detector if name and name not in places]
        note = f"what it finds of {_some(more)} is left out" if more else ""
        return ClassMap(classes, note)
    if len(detector) == len(dataset):
        note = f"classes are matched by their order: the detector has no {_some(unknown)}"
        return ClassMap(np.arange(len(detector)), note)
    message = (
        f"the detector has {len(detector)} classes and the set has {len(dataset)}; "
        f"it knows none called {_some(unknown)}"
    )
    hint = f"evaluate it on classes that it was made for; a detector of these has {len(dataset)}"
    raise DataError(Diagnostic("E534", message, None, hint))


def _some(names: Sequence[str]) -> str:
    quoted = [f"'{name}'" for name in names[:3]]
    if len(names) > 3:
        return f"{', '.join(quoted)} and {len(names) - 3} more"
    return listing(quoted)
