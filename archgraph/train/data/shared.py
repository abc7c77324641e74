"""Images that stand in two datasets: a detector that is measured on what it learned looks good."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from archgraph.train.data.check import Findings
from archgraph.train.data.columns import Column
from archgraph.train.data.settle import in_blocks


def report_shared(findings: Sequence[Findings]) -> None:
    """Warn, at a dataset, of images that one before it has too, under whichever name and id.

    Where images were read whole a copy is the same image; otherwise only the same file is.
    """
    if len(findings) < 2:
        return
    keys = [_keys(found) for found in findings]
    for place, found in enumerate(findings):
        for before, known in zip(findings[:place], keys, strict=False):
            here = keys[place].values
            for part in in_blocks(len(here)):
                shared = np.isin(here[part], known.values) & (here[part] != 0)
                for index in (part.start + np.flatnonzero(shared)).tolist():
                    name = found.dataset.record(index).name
                    said = f"{before.dataset.name} has it too"
                    found.problems.add("shared-image", name, "", said)


def _keys(found: Findings) -> Column:
    """A number for each image, which only the same one has; 0 for what is no file."""
    keys = Column("q")
    for index in range(len(found.dataset)):
        path = found.dataset.record(index).path
        keys.append(0 if path is None else _key(path, found.images_read))
    return keys


def _key(path: Path, whole: bool) -> int:
    try:
        if not whole:
            known = os.stat(path)  # noqa: PTH116
            return hash((known.st_dev, known.st_ino))
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").digest()
    except OSError:
        return 0
    return int.from_bytes(digest[:8], "big", signed=True)
