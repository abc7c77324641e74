"""A compiled detector with all that stands around it: photographs in, boxes out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from archgraph.codegen import emit, load_module
from archgraph.codegen.standalone import detector_settings
from archgraph.compiler import Compilation, compile_spec
from archgraph.detect import (
    Anchors,
    Detections,
    DetectorSettings,
    PostprocessSettings,
    flat,
    postprocess,
)
from archgraph.errors import DataError, Diagnostic
from archgraph.spec import Arguments, Library
from archgraph.train.coco_names import COCO_NAMES
from archgraph.train.records import Pixels
from archgraph.train.samples.resize import Way, fit_pixels
from archgraph.weights import Network, load_weights, read_metadata


@dataclass(frozen=True, eq=False)
class Detector:
    """A network, and how its boxes are told.

    Attributes:
        network: image in, maps of classes and boxes out, as `archgraph.build` makes it; it is
            called in evaluation mode.
        settings: anchors, pixels, suppression.
        class_names: one for each class, in order; "" for a gap.
        category_ids: the id of each class in files of results.
        how: photographs are made to fit, see `fit_pixels`; by default as a detector that stands
            alone does it.
    """

    network: nn.Module
    settings: DetectorSettings
    class_names: Sequence[str]
    category_ids: Sequence[int]
    how: Way = "torch"

    @cached_property
    def anchors(self) -> Tensor:
        """What boxes are told from; shape (N, 4)."""
        return self.settings.anchors.xyxy(*self.settings.image_size)

    def detect(self, images: Sequence[Pixels]) -> list[Detections]:
        """Boxes on photographs of any sizes, in their own pixels, best first.

        Args:
            images: RGB; each of shape (height, width, 3), uint8.
        """
        if not images:
            return []
        device = next(self.network.parameters()).device
        settings = self.settings
        fitted = [
            fit_pixels(each, settings.image_size, self.how, settings.pixels) for each in images
        ]
        was_training = self.network.training
        self.network.eval()
        try:
            with torch.inference_mode():
                batch = torch.stack([each.image for each in fitted]).to(device)
                class_maps, box_maps = self.network(batch)
                found = postprocess(
                    flat(class_maps, settings.classes),
                    flat(box_maps, 4),
                    self.anchors.to(device),
                    settings.postprocess,
                    [(each.height, each.width) for each in fitted],
                    [each.scale for each in fitted],
                )
        finally:
            self.network.train(was_training)
        return [Detections(d.boxes_xyxy.cpu(), d.scores.cpu(), d.classes.cpu()) for d in found]


def make_detector(
    reference: str,
    *,
    arguments: Arguments | None = None,
    library: Library | None = None,
    variant: str = "",
    weights: str | Path | None = None,
    class_names: Sequence[str] = (),
    category_ids: Sequence[int] = (),
    anchors: Anchors | None = None,
    postprocess: PostprocessSettings | None = None,
    device: str = "cpu",
) -> Detector:
    """Compile a detector, load its weights, and put what tells boxes around it.

    Args:
        reference: a name of the library, a file, or `file.yaml#name`.
        arguments: values of parameters, as of `compile_spec`.
        library: where names are looked up.
        variant: the row of `variants` that is chosen, if any.
        weights: a file that `import-weights` or training wrote; initial weights if not given.
        class_names: one for each class; those of the file of weights if not given, else COCO's
            where there are 90 classes, else `class 0` and so on.
        category_ids: the ids of the classes in files of results; from 1 on if not given.
        anchors: others than the spec's.
        postprocess: how predictions are thinned out.
        device: where the network runs, as torch names it.

    Raises:
        SpecError: every mistake of the spec.
        CodegenError: E414, it is no detector.
        WeightsError: the weights do not fit.
        DataError: E540 the number of names or ids is not that of the classes, E541 torch cannot
            use the device.
    """
    compiled = compile_spec(reference, arguments, library, variant)
    graph = compiled.operators.graph
    settings = detector_settings(graph, anchors)
    if postprocess is not None:
        settings = replace(settings, postprocess=postprocess)
    names, ids = _names(compiled, settings.classes, class_names, category_ids, weights)
    network = load_module(emit(graph))
    if weights is not None:
        load_weights(network, Network(graph, compiled.name), weights)
    return Detector(network.to(check_device(device)).eval(), settings, names, ids)


def check_device(name: str) -> torch.device:
    """The device of a name.

    Raises:
        DataError: E541, torch cannot use it here.
    """
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).strip().partition("\n")[0]
        message = f"torch cannot use the device '{name}' here: {reason}"
        raise DataError(Diagnostic("E541", message, None, "cpu is always there")) from None
    return device


def _names(
    compiled: Compilation,
    classes: int,
    names: Sequence[str],
    ids: Sequence[int],
    weights: str | Path | None,
) -> tuple[Sequence[str], Sequence[int]]:
    """What classes are called, and their ids."""
    said: Mapping[str, object] = read_metadata(weights) if weights is not None else {}
    if not names:
        names = _listed(said.get("class_names"), str, classes)
        ids = ids or _listed(said.get("category_ids"), int, classes)
    if not names:
        names = COCO_NAMES if classes == len(COCO_NAMES) else [f"class {i}" for i in range(classes)]
    ids = ids or range(1, classes + 1)
    if len(names) != classes or len(ids) != classes:
        message = (
            f"'{compiled.name}' tells {classes} classes apart, and there are {len(names)} names"
            f" and {len(ids)} ids"
        )
        hint = f"set classes={len(names)}, or give as many names as there are classes"
        raise DataError(Diagnostic("E540", message, None, hint))
    return tuple(names), tuple(ids)


def _listed(said: object, kind: type, count: int) -> list[Any]:
    """A list of a file of weights, if it is one; other programs may have written anything."""
    listed = said if isinstance(said, list) and len(said) == count else []
    return listed if all(isinstance(each, kind) for each in listed) else []
