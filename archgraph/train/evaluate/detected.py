"""What a detector found on the images of a set, as arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from archgraph.errors import DataError, Diagnostic
from archgraph.train.records import Dataset, Floats, Integers, Objects


class DetectionsLike(Protocol):
    """What a detector gives for one image: tensors or arrays, see `detect.Detections`."""

    @property
    def boxes_xyxy(self) -> Any: ...
    @property
    def scores(self) -> Any: ...
    @property
    def classes(self) -> Any: ...


@dataclass(frozen=True)
class Detected:
    """What was found on one image, in the detector's order; N boxes.

    Attributes:
        boxes_xyxy: in pixels of the image; shape (N, 4), float64.
        scores: shape (N,), float64.
        classes: from 0, an index into `Dataset.class_names`; shape (N,), int64.
    """

    boxes_xyxy: Floats
    scores: Floats
    classes: Integers

    def __len__(self) -> int:
        return len(self.scores)

    @staticmethod
    def of(detections: DetectionsLike) -> Detected:
        """The same as arrays, in memory of its own."""
        boxes = _array(detections.boxes_xyxy).astype(np.float64).reshape(-1, 4)
        scores = _array(detections.scores).astype(np.float64).reshape(-1)
        classes = _array(detections.classes).astype(np.int64).reshape(-1)
        return Detected(boxes, scores, classes)


NOTHING = Detected(np.zeros((0, 4)), np.zeros(0), np.zeros(0, np.int64))


@dataclass(frozen=True)
class Compared:
    """A set of images, with what is on them and what was found, ready to be compared.

    Attributes:
        class_names: of the classes, in order.
        category_ids: of the same in files of results.
        image_ids: ascending.
        names: what a person calls each image.
        objects: what is on each image.
        found: what was found on each image.
    """

    class_names: Sequence[str]
    category_ids: Sequence[int]
    image_ids: Sequence[int]
    names: Sequence[str]
    objects: Sequence[Objects]
    found: Sequence[Detected]


def compared(
    dataset: Dataset,
    found: Mapping[int, Detected],
    *,
    limit: int | None = None,
    skipped: frozenset[int] = frozenset(),
) -> Compared:
    """Bring together what is on images and what was found on them.

    Args:
        dataset: the images.
        found: by the id of the image; nothing was found on an image that is not in it.
        limit: look at no more than the first so many images.
        skipped: ids of images that are left out.

    Raises:
        DataError: E531, a detection is no box, or of an image or a class that there is not.
    """
    records = {}
    for index in range(len(dataset)):
        record = dataset.record(index)
        if record.image_id in records:
            message = f"{dataset.name}: two images have the id {record.image_id}"
            raise DataError(Diagnostic("E531", message, None, "give every image an id of its own"))
        taken = (limit is None or index < limit) and record.image_id not in skipped
        records[record.image_id] = record if taken else None
    unknown = sorted(found.keys() - records.keys())
    if unknown:
        raise _unknown_images(dataset, unknown)
    # Order decides between equal scores, so it is not that of reading.
    kept = sorted((i, record) for i, record in records.items() if record is not None)
    result = Compared(
        tuple(dataset.class_names),
        tuple(dataset.category_ids),
        tuple(image_id for image_id, _ in kept),
        tuple(record.name for _, record in kept),
        tuple(record.objects for _, record in kept),
        tuple(found.get(image_id, NOTHING) for image_id, _ in kept),
    )
    for name, detected in zip(result.names, result.found, strict=True):
        check_detected(detected, len(result.class_names), name)
    return result


def check_detected(detected: Detected, class_count: int, name: str) -> None:
    """Refuse what cannot be compared.

    Raises:
        DataError: E531, a number is not finite, a box is turned inside out, or a class is none
            of the set.
    """
    if not (len(detected.boxes_xyxy) == len(detected.scores) == len(detected.classes)):
        raise _wrong(name, "as many boxes as scores and classes are needed", "")
    if not (np.isfinite(detected.boxes_xyxy).all() and np.isfinite(detected.scores).all()):
        hint = "the weights may hold such numbers: training diverged"
        raise _wrong(name, "a box or a score is not a finite number", hint)
    if (detected.boxes_xyxy[:, 2:] < detected.boxes_xyxy[:, :2]).any():
        raise _wrong(name, "a box is turned inside out", "left, top, right and bottom are needed")
    outside = detected.classes[(detected.classes < 0) | (detected.classes >= class_count)]
    if len(outside):
        what = f"class {outside[0]} is none of the {class_count} of the set"
        raise _wrong(name, what, "the detector and the set need the same classes")


def _wrong(name: str, what: str, hint: str) -> DataError:
    return DataError(Diagnostic("E531", f"detections of '{name}': {what}", None, hint))


def _unknown_images(dataset: Dataset, unknown: Sequence[int]) -> DataError:
    first = ", ".join(map(str, unknown[:3]))
    more = f" and {len(unknown) - 3} more" if len(unknown) > 3 else ""
    message = f"detections are of images {first}{more}, which {dataset.name} does not have"
    return DataError(Diagnostic("E531", message, None, "these are results of another set"))


def _array(values: Any) -> Any:
    """Numbers of a tensor on any device and of any precision, or of an array."""
    if hasattr(values, "detach"):
        values = values.detach().cpu()
        values = values.double() if values.is_floating_point() else values
        return values.numpy()
    return np.asarray(values)
