"""Compare what stands around EfficientDets here with effdet's: pixels, boxes, targets, loss, step.

Runs where effdet, timm and archgraph are installed together, as tools/compare_with_effdet.py does,
and with its networks and weights:

    peers/bin/python -m tools.compare_detection_with_effdet

Both programs are given the same photographs, objects and random numbers. effdet's loader, which
takes a GPU for granted, is told that this machine is one.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from archgraph.codegen.standalone import detector_settings
from archgraph.detect import (
    EFFDET,
    PIXELS,
    Detections,
    DetectorSettings,
    LossSettings,
    PixelScale,
    PostprocessSettings,
    Targets,
    detection_loss,
    flat,
    match,
)
from archgraph.detect.boxes import xyxy_from_yxyx
from archgraph.train.detector import Detector
from tools.compare_with_effdet import (
    CASES,
    Case,
    apart,
    gradients_apart,
    graph_of,
    image,
    learned,
    ours,
    theirs,
    without_stochastic_depth,
)
from tools.effdet_samples import (
    PHOTOS,
    Found,
    boxes_yxyx,
    compare_loading,
    compare_training_sample,
    loaded,
    photograph,
)

SIZE = (256, 256)


def case_of(name: str, size: tuple[int, int] = SIZE) -> Case:
    """The network that effdet calls by this name, on small images."""
    return replace(next(case for case in CASES if case.effdet == name), size=size)


def config_of(case: Case) -> Any:
    """effdet's configuration of a network, for the images of the case."""
    from effdet import get_efficientdet_config

    config = get_efficientdet_config(case.effdet)
    config.image_size = case.size
    return config


def pixels_of(config: Any) -> PixelScale:
    """How effdet normalises the images of a network."""
    from effdet.data.input_config import resolve_input_config

    found = resolve_input_config({}, config)
    return PixelScale(tuple(found["mean"]), tuple(found["std"]))


def settings_of(case: Case) -> DetectorSettings:
    """What our spec says of the boxes of a network."""
    return replace(detector_settings(graph_of(case)), image_size=case.size)


def worst(each: Sequence[Found]) -> Found:
    """The largest of every number."""
    return {name: max(found[name] for found in each) for name in each[0]}


# --- prediction --------------------------------------------------------------------------------


def compare_prediction(case: Case, method: str) -> Found:
    """Boxes of photographs of all sizes: how many rows tell of something else, boxes, scores."""
    from effdet import DetBenchPredict

    reference = theirs(case)
    module, _ = ours(case, reference)
    config = config_of(case)
    config.soft_nms = method == "gaussian"
    reference.config = config
    settings = replace(settings_of(case), postprocess=postprocess_of(method))
    names = [str(number) for number in range(settings.classes)]
    detector = Detector(module.float(), settings, names, range(1, len(names) + 1), "effdet")
    photos = [photograph(*each) for each in PHOTOS]
    images, said = loaded(photos, case.size, pixels_of(config))
    with torch.no_grad():
        wanted = DetBenchPredict(reference.float())(images, said)
    pairs = zip(wanted, detector.detect(photos), strict=True)
    return worst([_boxes_apart(each[each[:, 5] > 0], found) for each, found in pairs])


def _boxes_apart(wanted: Tensor, found: Detections) -> Found:
    """Two lists of boxes; of equal scores none is the better one, so their order is no matter."""
    given = torch.cat(
        [found.boxes_xyxy, found.scores[:, None], found.classes[:, None].float() + 1], dim=1
    )
    if given.shape != wanted.shape:
        return {"classes": np.inf, "boxes": np.inf, "scores": np.inf}
    if torch.equal(given[:, 4], wanted[:, 4]):
        # Whoever is as good as the last may be left out as well.
        given, wanted = (_in_order(rows[rows[:, 4] > rows[-1, 4]]) for rows in (given, wanted))
    away = (given - wanted).abs()
    return {
        "classes": float((away[:, 5] > 0).sum()),
        "boxes": float(away[:, :4].max()),
        "scores": float(away[:, 4].max()),
    }


def _in_order(rows: Tensor) -> Tensor:
    """Best scores first, then by class and box."""
    numbers = rows.numpy()
    return rows[np.lexsort((*numbers[:, :4].T, numbers[:, 5], -numbers[:, 4])).copy()]


def postprocess_of(method: str) -> PostprocessSettings:
    """effdet's way, with soft suppression if that is wanted."""
    return EFFDET if method == "hard" else replace(EFFDET, method="gaussian")


# --- targets and loss --------------------------------------------------------------------------


@dataclass(frozen=True)
class Batch:
    """Objects of some images.

    Attributes:
        yxyx: of each image, shape (M, 4).
        classes: from 1, as effdet has them; shape (M,).
    """

    yxyx: Sequence[Tensor]
    classes: Sequence[Tensor]

    def padded(self) -> dict[str, Tensor]:
        """As effdet's loader gives them."""
        most = max(map(len, self.classes))
        boxes = torch.full((len(self.yxyx), most, 4), -1.0)
        classes = torch.full((len(self.yxyx), most), -1.0)
        for i, (own, kinds) in enumerate(zip(self.yxyx, self.classes, strict=True)):
            boxes[i, : len(own)], classes[i, : len(own)] = own, kinds
        return {"bbox": boxes, "cls": classes}

    def targets(self, anchors_xyxy: Tensor) -> list[Targets]:
        """What ours is to learn."""
        return [
            match(anchors_xyxy, xyxy_from_yxyx(boxes), kinds.long() - 1)
            for boxes, kinds in zip(self.yxyx, self.classes, strict=True)
        ]


def batch_of(size: tuple[int, int], counts: Sequence[int], seed: int = 0) -> Batch:
    """Random objects; the last of each image stands where its first does, as another class."""
    rng = np.random.default_rng(seed)
    boxes = [torch.from_numpy(boxes_yxyx(rng, size, count)).float() for count in counts]
    for each in boxes:
        each[-1:] = each[:1]
    classes = [torch.from_numpy(rng.integers(1, 91, count)).float() for count in counts]
    return Batch(boxes, classes)


def compare_targets(case: Case, seed: int) -> Found:
    """What both are to learn: anchors, classes, boxes; and the loss of random predictions."""
    from effdet.anchors import AnchorLabeler, Anchors
    from effdet.loss import DetectionLoss

    config, settings = config_of(case), settings_of(case)
    batch = batch_of(case.size, (1, 12, 60, 0), seed)
    labeler = AnchorLabeler(Anchors.from_config(config), config.num_classes)
    labels = labeler.batch_label_anchors(**_renamed(batch.padded()))
    anchors = settings.anchors.xyxy(*case.size)
    targets = batch.targets(anchors)
    images = len(targets)
    kinds = torch.cat([each.reshape(images, -1) for each in labels[0]], dim=1)
    deltas = torch.cat([each.reshape(images, -1, 4) for each in labels[1]], dim=1)
    given = torch.stack([each.deltas_yxhw for each in targets])
    positives = torch.stack([each.positives for each in targets])
    found = {
        "anchors": float((xyxy_from_yxyx(labeler.anchors.boxes) - anchors).abs().max()),
        "classes": float((torch.stack([t.classes for t in targets]) != kinds).sum()),
        "positives": float((positives - labels[2]).abs().max()),
        "deltas": float((given - deltas).abs().max()),
    }
    maps = random_maps(labels, config.num_classes, seed)
    numbers = flat(maps[0], config.num_classes), flat(maps[1], 4)
    for smoothing in (0.0, 0.1):
        config.label_smoothing = smoothing
        wanted = torch.stack(DetectionLoss(config)(*maps, *labels))
        own = detection_loss(*numbers, targets, anchors, LossSettings(label_smoothing=smoothing))
        got = torch.stack([own.total, own.classes, own.boxes])
        name = f"loss, smoothing {smoothing}" if smoothing else "loss"
        found[name] = float(((got - wanted) / wanted).abs().max())
    return found


def _renamed(said: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {"gt_boxes": said["bbox"], "gt_classes": said["cls"]}


def random_maps(labels: Any, classes: int, seed: int) -> tuple[list[Tensor], list[Tensor]]:
    """Predictions for all that there is a label for: class maps and box maps."""
    rng = np.random.default_rng(seed)

    def drawn(numbers: int, mean: float) -> list[Tensor]:
        shapes = [(len(each), each.shape[3] * numbers, *each.shape[1:3]) for each in labels[0]]
        return [torch.from_numpy(rng.normal(mean, 1, shape)).float() for shape in shapes]

    return drawn(classes, -4), drawn(4, 0)


# --- a step of training ------------------------------------------------------------------------


@dataclass(frozen=True)
class Step:
    """What one step gives.

    Attributes:
        losses: all, of classes, of boxes; shape (3,).
        gradients: by effdet's names.
    """

    losses: Tensor
    gradients: Mapping[str, Tensor]


def compare_step(case: Case) -> Found:
    """One step from one state and batch, without stochastic depth, in both precisions.

    In single precision gradients of small maps with batch statistics hold few digits: those of
    effdet are as far from its own in double precision as the last number says.
    """
    given, wanted = take_step(case, torch.float64)
    single, wanted_single = take_step(case, torch.float32)
    return {
        "loss f64": apart(given.losses, wanted.losses),
        "gradients f64": gradients_apart(given.gradients, wanted.gradients),
        "loss f32": apart(single.losses, wanted_single.losses),
        "gradients f32": gradients_apart(single.gradients, wanted_single.gradients),
        "effdet f32 from f64": gradients_apart(wanted_single.gradients, wanted.gradients),
    }


def take_step(case: Case, dtype: torch.dtype) -> tuple[Step, Step]:
    """Ours and effdet's; both compute losses in single precision."""
    from effdet import DetBenchTrain

    reference = theirs(case)
    module, names = ours(case, reference)
    for each in (reference, module):
        without_stochastic_depth(each).to(dtype).train()
    batch, x = batch_of(case.size, (3, 9), 1), image(case.size, 2).to(dtype)
    bench: nn.Module = DetBenchTrain(reference).train()
    wanted = bench(x, batch.padded())
    wanted["loss"].backward()
    settings = settings_of(case)
    anchors = settings.anchors.xyxy(*case.size)
    classes, boxes = module(x)
    numbers = flat(classes, settings.classes), flat(boxes, 4)
    loss = detection_loss(*numbers, batch.targets(anchors), anchors)
    loss.total.backward()
    return (
        Step(
            torch.stack([loss.total, loss.classes, loss.boxes]).detach(),
            {names[name]: learned(p) for name, p in module.named_parameters()},
        ),
        Step(
            torch.stack([wanted[key] for key in ("loss", "class_loss", "box_loss")]).detach(),
            {name: learned(p) for name, p in reference.named_parameters()},
        ),
    )


# --- tables ------------------------------------------------------------------------------------


def table(title: str, rows: Iterator[tuple[str, Found]]) -> Iterator[str]:
    """Lines of a table, as its rows are made."""
    for number, (name, found) in enumerate(rows):
        if not number:
            yield f"| {title} | {' | '.join(found)} |"
            yield "|---|" + "---|" * len(found)
        yield f"| {name} | {' | '.join(f'{v:.0e}' if v else '0' for v in found.values())} |"
    yield ""


NETWORKS = [
    case_of(name) for name in ("tf_efficientdet_d0", "tf_efficientdet_lite0", "efficientdet_d0")
]
SIZES = [(128, 128), SIZE, (192, 320)]


def loading() -> Iterator[tuple[str, Found]]:
    """Photographs as networks see them."""
    for size in SIZES:
        for name in ("imagenet", "centred"):
            yield f"{size[0]}x{size[1]} {name}", compare_loading(size, PIXELS[name])


def training_samples() -> Iterator[tuple[str, Found]]:
    """Samples that are turned, scaled and cut at random."""
    for size in SIZES:
        seeds = range(20)
        found = [compare_training_sample(photo, size, s) for photo in PHOTOS for s in seeds]
        yield f"{size[0]}x{size[1]}", worst(found)


def predictions() -> Iterator[tuple[str, Found]]:
    """Boxes on photographs."""
    for case in NETWORKS:
        for method in ("hard", "gaussian"):
            yield f"{case.label} {method}", compare_prediction(case, method)


def targets() -> Iterator[tuple[str, Found]]:
    """Targets and the loss of random predictions, wherever anchors differ."""
    for variant in ("tf_efficientdet_" + v for v in ("d0", "d7", "d7x", "lite0", "lite3")):
        case = case_of(variant, (128, 128))
        yield case.label, worst([compare_targets(case, seed) for seed in range(2)])


def steps() -> Iterator[tuple[str, Found]]:
    """Steps of training in both precisions."""
    for case in NETWORKS:
        yield case.label, compare_step(case)


def main() -> None:
    """Print all tables."""
    tables: dict[str, Callable[[], Iterator[tuple[str, Found]]]] = {
        "image": loading,
        "sample": training_samples,
        "prediction": predictions,
        "targets": targets,
        "step": steps,
    }
    parser = argparse.ArgumentParser(description="Compare what stands around networks.")
    parser.add_argument("tables", nargs="*", metavar="TABLE", help=", ".join(tables))
    chosen = parser.parse_args().tables or list(tables)
    if unknown := sorted(set(chosen) - tables.keys()):
        parser.error(f"no table {', '.join(unknown)}; there are {', '.join(tables)}")
    warnings.simplefilter("ignore")
    for title in chosen:
        for line in table(title, tables[title]()):
            print(line, flush=True)


if __name__ == "__main__":
    main()
