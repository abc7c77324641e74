"""What the images of a run are recognised by."""

from __future__ import annotations

import hashlib

from archgraph.train.records import Dataset

# So many of its images are looked at, evenly spread.
LOOKED_AT = 2000


def digests(train: Dataset, val: Dataset | None) -> tuple[str, str]:
    """What the images of a run are recognised by; "" where there are none to evaluate on."""
    return digest(train), digest(val) if val is not None else ""


def digest(dataset: Dataset) -> str:
    """What a data set is recognised by: its classes, and what it says of its images."""
    count = len(dataset)
    found = hashlib.sha256(repr((list(dataset.class_names), count)).encode())
    step = max(1, count // LOOKED_AT)
    for index in range(0, count, step):
        record = dataset.record(index)
        objects = record.objects
        found.update(repr((record.image_id, record.name, record.width, record.height)).encode())
        found.update(objects.boxes_xyxy.tobytes() + objects.classes.tobytes())
    return found.hexdigest()
