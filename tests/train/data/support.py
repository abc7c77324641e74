"""Small datasets on disk, in every format."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from archgraph.errors import DataError
from archgraph.train.data import StoredDataset, open_dataset

Json = Any


def write_image(path: Path, width: int = 64, height: int = 48, seed: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8)).save(path)


def coco(
    annotations: Sequence[Json] = (), images: int = 3, categories: Mapping[int, str] | None = None
) -> dict[str, Json]:
    """The content of a file about images 10, 11, 12 ... of 64x48."""
    named = {1: "person", 3: "car"} if categories is None else categories
    return {
        "images": [
            {"id": 10 + i, "file_name": f"{i}.png", "width": 64, "height": 48}
            for i in range(images)
        ],
        "categories": [{"id": key, "name": name} for key, name in named.items()],
        "annotations": list(annotations),
    }


def entry(**fields: Json) -> dict[str, Json]:
    """An annotation without a mistake, but for `fields`; those that are ... are left out."""
    good = {"id": 1, "image_id": 10, "category_id": 3, "bbox": [4, 6, 20, 10], "iscrowd": 0}
    return {key: value for key, value in {**good, **fields}.items() if value is not ...}


def random_file(seed: int) -> dict[str, Any]:
    rng = random.Random(seed)
    annotations = []
    for i in range(rng.randrange(60)):
        x, y = rng.uniform(0, 50), rng.uniform(0, 40)
        box = [x, y, rng.uniform(0.5, 60 - x), rng.uniform(0.5, 44 - y)]
        fields: dict[str, Any] = {"id": i + 1, "bbox": box, "iscrowd": rng.randrange(2)}
        fields |= {"image_id": rng.choice([10, 11, 12]), "category_id": rng.choice([2, 5, 90])}
        annotations.append(entry(**fields, area=rng.uniform(1, 900), extra={"any": [1, "x"]}))
    content = coco(annotations, categories={90: "z", 2: "a", 5: "b"})
    keys = [*content, "info"]
    rng.shuffle(keys)
    return {key: content.get(key, {"year": 2017}) for key in keys}


def write_coco(root: Path, content: Json, part: str = "val", images: int = 3) -> Path:
    """COCO's own layout; the text of a string is written as it is."""
    for index in range(images):
        write_image(root / part / f"{index}.png", seed=index)
    file = root / "annotations" / f"instances_{part}.json"
    file.parent.mkdir(exist_ok=True)
    if isinstance(content, bytes):
        file.write_bytes(content)
    else:
        file.write_text(content if isinstance(content, str) else json.dumps(content), "utf-8")
    return file


def write_yolo(root: Path, labels: Mapping[str, str], names: str = "[person, car]") -> Path:
    """Ultralytics' layout: images/train and labels/train, one label text for each image."""
    for index, (stem, text) in enumerate(labels.items()):
        write_image(root / "images" / "train" / f"{stem}.png", 100, 50, seed=index)
        file = root / "labels" / "train" / f"{stem}.txt"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, "utf-8")
    (root / "data.yaml").write_text(f"path: .\ntrain: images/train\nnames: {names}\n", "utf-8")
    return root


def voc_object(name: str = "car", box: str = "1 1 20 10", extra: str = "") -> str:
    sides = zip(("xmin", "ymin", "xmax", "ymax"), box.split(), strict=True)
    inner = "".join(f"<{side}>{text}</{side}>" for side, text in sides)
    return f"<object><name>{name}</name>{extra}<bndbox>{inner}</bndbox></object>"


def write_voc(root: Path, objects: Mapping[str, str], size: str = "64 48") -> Path:
    (root / "Annotations").mkdir(parents=True, exist_ok=True)
    width, height = size.split()
    for stem, text in objects.items():
        write_image(root / "JPEGImages" / f"{stem}.png")
        (root / "Annotations" / f"{stem}.xml").write_text(
            f"<annotation><filename>{stem}.png</filename><size><width>{width}</width>"
            f"<height>{height}</height></size>{text}</annotation>"
        )
    return root


def opened(source: str, **settings: Any) -> StoredDataset:
    dataset = open_dataset(source, **settings)
    assert isinstance(dataset, StoredDataset)
    return dataset


def kinds(dataset: StoredDataset) -> dict[str, int]:
    return dict(dataset.problems.counts)


def refused(source: str, **settings: Any) -> str:
    """What the error says that a source must end in."""
    try:
        open_dataset(source, **settings)
    except DataError as error:
        return str(error)
    raise AssertionError(f"{source} was opened")
