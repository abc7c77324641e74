"""What datasets say of their images, and what becomes of an image on its way to a detector.

Arrays, not tensors: nothing here needs torch. Boxes are `xyxy` in pixels, see `detect/boxes.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Flags = NDArray[np.bool_]
# Told how much of something that takes long is done, and how much there is.
Advance = Callable[[int, int], None]
# Sides, in pixels of the original image, of squares as large as what COCO calls small is below,
# and as what it calls large is from: 32 x 32 and 96 x 96.
SMALL_BELOW, LARGE_FROM = 32, 96


def _empty(*shape: int, dtype: Any = np.float64) -> Any:
    return field(default_factory=lambda: np.zeros(shape, dtype))


@dataclass(frozen=True)
class Objects:
    """The annotated objects of one image, in the order of the file; N of them.

    Attributes:
        boxes_xyxy: left, top, right, bottom in pixels; shape (N, 4), float64.
        classes: from 0, an index into `Dataset.class_names`; shape (N,), int64.
        crowds: whether the box stands for many objects (COCO's `iscrowd`) or is not to be counted
            (VOC's `difficult`): such are not trained on, and evaluation ignores what hits them;
            shape (N,), bool.
        areas: as the file says (COCO's is that of the mask), else width times height; shape (N,).
        entries: which entry of the file each is: an index into COCO's `annotations`, a line of a
            YOLO file from 1, an `object` of a VOC file from 0; shape (N,), int64.
    """

    boxes_xyxy: Floats = _empty(0, 4)
    classes: Integers = _empty(0, dtype=np.int64)
    crowds: Flags = _empty(0, dtype=np.bool_)
    areas: Floats = _empty(0)
    entries: Integers = _empty(0, dtype=np.int64)

    def __len__(self) -> int:
        return len(self.classes)


@dataclass(frozen=True)
class ImageRecord:
    """An image and what stands on it.

    Attributes:
        image_id: COCO's `id`, else a running number from 0; results in COCO's format name it.
        name: what a person calls it: the path relative to the folder of the images.
        path: where the file is; None if the image is made and not read.
        width: in pixels as the file of annotations says; 0 if it does not.
        height: likewise.
        objects: what stands on it.
    """

    image_id: int
    name: str
    path: Path | None
    width: int
    height: int
    objects: Objects


class Dataset(Protocol):
    """Images with annotated objects, read one at a time.

    Attributes:
        name: what a person calls it, such as `coco:photos/val`.
        class_names: one for each class of the detector, in order; "" for a gap of the ids.
        category_ids: the id of each class in files of results, in order.
    """

    @property
    def name(self) -> str: ...
    @property
    def class_names(self) -> Sequence[str]: ...
    @property
    def category_ids(self) -> Sequence[int]: ...

    def __len__(self) -> int: ...

    def record(self, index: int) -> ImageRecord:
        """What is known of an image without reading it."""
        ...

    def pixels(self, index: int) -> Pixels:
        """The image as a person sees it (RGB, turned as EXIF says); shape (height, width, 3).

        Raises:
            DataError: the file cannot be read as an image.
        """
        ...


@dataclass(frozen=True)
class Sample:
    """An image with its objects, as augmentations take it and give it back.

    Attributes:
        pixels: RGB; shape (height, width, 3), uint8.
        objects: boxes in pixels of this image.
        image_id: of the record.
    """

    pixels: Pixels
    objects: Objects
    image_id: int
