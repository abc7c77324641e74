"""What a detector is shown while it learns, and what it finds, as pictures of the folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from archgraph.detect import PixelScale
from archgraph.errors import ArchgraphError
from archgraph.train.drawing import draw_boxes, fitted, sheet, write_png
from archgraph.train.evaluate import Evaluation
from archgraph.train.evaluate.report import side_by_side
from archgraph.train.records import Dataset, Pixels
from archgraph.train.samples.loader import Batch

LEARNED, FOUND = "learned.png", "found.png"
MOST_LEARNED, MOST_FOUND, COLUMNS, TILE = 8, 6, 4, 400


def write_learned(
    folder: Path, batch: Batch, pixels: PixelScale, class_names: tuple[str, ...]
) -> None:
    """The first images of a batch as the network sees them, with what it is to find there."""
    mean, std = np.array(pixels.mean), np.array(pixels.std)
    tiles: list[Pixels] = []
    for number in range(min(len(batch), MOST_LEARNED)):
        seen = batch.images[number].float().permute(1, 2, 0).numpy() * std + mean
        image = np.rint(seen * 255).clip(0, 255).astype(np.uint8)
        shown, scale = fitted(image, TILE)
        classes = batch.classes[number].tolist()
        labels = [class_names[kind] for kind in classes]
        boxes = batch.boxes_xyxy[number].numpy() * scale
        tiles.append(draw_boxes(shown, boxes, labels, classes))
    captions = [f"image {image_id}" for image_id in batch.image_ids[: len(tiles)]]
    write_png(folder / LEARNED, sheet(tiles, COLUMNS, captions))


def write_found(folder: Path, dataset: Dataset, found: Evaluation) -> None:
    """Some images of an evaluation, evenly spread: what is there beside what was found."""
    count = min(len(dataset), MOST_FOUND)
    tiles: list[Pixels] = []
    captions: list[str] = []
    for index in np.linspace(0, len(dataset) - 1, count).round().astype(int).tolist():
        try:
            record, pixels = dataset.record(index), dataset.pixels(index)
        except ArchgraphError:  # the evaluation has left it out
            continue
        tiles.append(side_by_side(found, record, pixels))
        captions.append(record.name)
    if tiles:
        write_png(folder / FOUND, sheet(tiles, 2, captions))
