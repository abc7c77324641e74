"""A folder of images without annotations."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from archgraph.train.data.classes import Classes
from archgraph.train.data.images import is_image
from archgraph.train.data.problems import Bad, Problems, failed
from archgraph.train.data.settle import Reading, look_at_images, settle
from archgraph.train.data.store import Images, Rows, StoredDataset
from archgraph.train.records import Advance


def read_folder(
    folder: Path, name: str, *, bad: Bad = "refuse", progress: Advance | None = None
) -> StoredDataset:
    """The images of a folder and of the folders in it, in the order of their names.

    Args:
        folder: where they are.
        name: what a person calls it.
        bad: whether images that cannot be read are refused, or left out.
        progress: told how many images were looked at.

    Raises:
        DataError: there are none, or some that are refused.
    """
    if not folder.is_dir():
        raise failed("E500", f"'{folder}' is no folder", "a single image is not a dataset")
    images = Images()
    for index, image in enumerate(image_names(folder)):
        images.add(index, image, 0, 0, index)
    if not images:
        raise failed("E500", f"'{folder}' holds no images", "name the folder that has them")
    reading = Reading(
        name,
        folder,
        folder,
        Classes((), ()),
        images,
        lambda index: (images.names[index], ""),
        lambda index, _: (images.names[index], ""),
        Problems(),
    )
    return settle(reading, Rows(), look_at_images(reading, progress), bad)


def image_names(folder: Path) -> Iterator[str]:
    """The images in a folder and below, relative to it, in an order; hidden files are none."""
    for above, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        inner = Path(above).relative_to(folder)
        for name in sorted(files):
            if not name.startswith(".") and is_image(Path(name)):
                yield (inner / name).as_posix()
