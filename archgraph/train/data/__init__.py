"""Datasets of files: COCO, YOLO, Pascal VOC, folders of images. Read, judged, and kept small.

Comes in: what a user calls a dataset. Goes out: a `Dataset` of `train/records.py`. Start at
`sources.py`; a reader of a format fills the columns of `store.py`, and `settle.py` judges them all
alike.
"""

from archgraph.train.data.classes import Classes, Ids, number_classes
from archgraph.train.data.images import is_image, read_pixels, read_size
from archgraph.train.data.problems import KINDS, Bad, Kind, Problem, Problems
from archgraph.train.data.sources import each_file, open_dataset, train_and_val
from archgraph.train.data.store import StoredDataset
from archgraph.train.data.voc import Corners

__all__ = [
    "KINDS",
    "Bad",
    "Classes",
    "Corners",
    "Ids",
    "Kind",
    "Problem",
    "Problems",
    "StoredDataset",
    "each_file",
    "is_image",
    "number_classes",
    "open_dataset",
    "read_pixels",
    "read_size",
    "train_and_val",
]
