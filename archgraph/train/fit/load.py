"""The detector of a run, out of its folder."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from torch import nn

from archgraph.codegen.load import import_program
from archgraph.detect import PostprocessSettings
from archgraph.train.detector import Detector, check_device
from archgraph.train.fit.folder import MODEL, RunFolder
from archgraph.weights import load_weights


def load_detector(
    path: Path,
    *,
    weights: Path | None = None,
    postprocess: PostprocessSettings | None = None,
    device: str = "cpu",
) -> Detector:
    """The detector of a run.

    Args:
        path: the folder of the run.
        weights: a file; if not given those of the best evaluation, or the last ones where there
            was none.
        postprocess: how predictions are thinned out.
        device: where it runs.

    Raises:
        InputOutputError: E001, there is no such run, or it has no weights yet.
        DataError: E555, a file of it is damaged.
        WeightsError: its weights are damaged.
    """
    check_device(device)
    folder = RunFolder(path)
    facts = folder.facts
    network = network_of(folder)
    load_weights(network, folder.network, weights or folder.weights)
    settings = facts.detector
    return Detector(
        network.to(device).eval(),
        replace(settings, postprocess=postprocess) if postprocess else settings,
        facts.class_names,
        facts.category_ids,
        folder.settings.resize,
    )


def network_of(folder: RunFolder) -> nn.Module:
    """The network as the run has it, whatever archgraph would print today."""
    name, source = folder.facts.class_name, folder.source
    try:
        program = import_program(source, name, {})
        network: nn.Module = getattr(program.module, name)()
    except Exception as error:  # a file of Python that was changed raises anything
        raise folder.damaged(MODEL, error) from None
    return network
