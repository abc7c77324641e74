"""Training that begins with weights: of other classes, of a backbone alone, and partly frozen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from archgraph.compiler import compile_spec
from archgraph.errors import DataError, WeightsError
from archgraph.spec import ArgumentValue
from archgraph.train.fit import Job, TrainSettings, recipe, train
from archgraph.train.fit.watch import Silent
from archgraph.train.samples.shapes import Shapes
from archgraph.weights import tensor_shapes
from tests.small_detector import toy_spec

BACKBONE = "the file has nothing for neck, classes, boxes: initial weights stay"
PREDICTOR = (
    "'classes.predict.pointwise' keeps its initial weights: "
    "it has 54 channels in toy, and 27 in the file"
)


class Notes(Silent):
    """Hears what a user should know."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def noted(self, text: str) -> None:
        self.texts.append(text)


def settings(**changes: object) -> TrainSettings:
    small = replace(recipe("small"), epochs=1.0, batch_size=4, workers=0, ema=0.0)
    return replace(small, **changes)  # type: ignore[arg-type]


def job(weights: Path | None) -> Job:
    return Job(toy_spec(), Shapes("train", count=8, size=96), weights=weights)


def weights_of(classes: int, prefix: str = "") -> dict[str, Tensor]:
    """A state dict of the toy, of which no number is an initial one."""
    graph = compile_spec(toy_spec(), {"classes": ArgumentValue(classes)}).operators.graph
    generator = torch.Generator().manual_seed(1)
    return {
        name.removeprefix(prefix): 0.1 + 0.05 * torch.rand(shape, generator=generator)
        for name, shape in tensor_shapes(graph).items()
        if name.startswith(prefix) and not name.endswith("num_batches_tracked")
    }


def saved(state: Mapping[str, Tensor], folder: Path) -> Path:
    path = folder / "given.pth"
    torch.save(dict(state), path)
    return path


def trained(
    folder: Path, weights: Path | None, **changes: object
) -> tuple[Mapping[str, Tensor], Notes]:
    """What a training of two steps has learned, and said."""
    notes = Notes()
    train(job(weights), settings(**changes), folder / "run", watchers=[notes])
    return load_file(folder / "run" / "last.safetensors"), notes


def moved(found: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> set[str]:
    """The modules at the top of which a tensor is not as it was given."""
    return {
        name.split(".")[0]
        for name, tensor in given.items()
        if found[name].shape != tensor.shape or not torch.equal(found[name], tensor)
    }


def test_other_classes_leave_one_layer_and_say_so(tmp_path: Path) -> None:
    given = weights_of(classes=3)
    # A rate of nearly nothing shows what training began with.
    found, notes = trained(tmp_path, saved(given, tmp_path), lr=1e-12)
    assert notes.texts == [f"note: {PREDICTOR}"]
    changed = {
        name
        for name, tensor in given.items()
        if "running" not in name
        and not (
            found[name].shape == tensor.shape and torch.allclose(found[name], tensor, atol=1e-6)
        )
    }
    assert changed == {"classes.predict.pointwise.weight", "classes.predict.pointwise.bias"}
    assert found["classes.predict.pointwise.bias"].shape == (9 * 6,)
    assert torch.allclose(
        found["classes.predict.pointwise.bias"], torch.tensor(-4.59512), atol=1e-4
    )


def test_what_is_frozen_stays_with_its_statistics(tmp_path: Path) -> None:
    given = weights_of(classes=3)
    found, notes = trained(tmp_path, saved(given, tmp_path), freeze=("backbone", "neck.*"))
    assert moved(found, given) == {"classes", "boxes"}
    assert notes.texts == [f"note: {PREDICTOR}"]


def test_without_freezing_everything_learns(tmp_path: Path) -> None:
    given = weights_of(classes=3)
    found, _ = trained(tmp_path, saved(given, tmp_path))
    assert moved(found, given) == {"backbone", "neck", "classes", "boxes"}


def test_a_backbone_alone_begins_a_training(tmp_path: Path) -> None:
    given = weights_of(classes=3, prefix="backbone.")
    found, notes = trained(tmp_path, saved(given, tmp_path), freeze=("backbone",))
    inner = {f"backbone.{name}": tensor for name, tensor in given.items()}
    assert moved(found, inner) == set()
    assert notes.texts == [f"note: {BACKBONE}"]


def test_the_average_begins_with_the_weights(tmp_path: Path) -> None:
    given = weights_of(classes=6)
    average, notes = trained(tmp_path, saved(given, tmp_path), ema=0.9, lr=1e-12)
    assert notes.texts == []
    learned = [name for name in given if "running" not in name]
    assert all(torch.allclose(average[name], given[name], atol=1e-6) for name in learned)


def test_a_run_begins_another_with_its_weights(tmp_path: Path) -> None:
    first, _ = trained(tmp_path, None)
    best = tmp_path / "run" / "last.safetensors"
    second, notes = trained(tmp_path / "second", best, lr=1e-12, freeze=("backbone", "neck"))
    assert notes.texts == []
    assert all(torch.equal(second[name], first[name]) for name in first if "backbone" in name)


def test_what_does_not_fit_stops_before_the_first_step(tmp_path: Path) -> None:
    given = weights_of(classes=3)
    given["boxes.predict.pointwise.bias"] = torch.zeros(8)
    with pytest.raises(WeightsError, match="E432"):
        trained(tmp_path, saved(given, tmp_path))
    with pytest.raises(DataError, match=r"E554.*'backbon'"):
        trained(tmp_path / "again", None, freeze=("backbon",))
