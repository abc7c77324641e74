"""effdet's own pipeline beside ours; runs where both are installed, see constraints-peers.txt."""

from __future__ import annotations

import warnings
from importlib import import_module

import pytest
import torch

from archgraph.detect import PIXELS
from tools.compare_detection_with_effdet import (
    NETWORKS,
    case_of,
    compare_prediction,
    compare_step,
    compare_targets,
)
from tools.compare_with_effdet import Case
from tools.effdet_samples import PHOTOS, compare_loading, compare_training_sample


@pytest.fixture(scope="module", autouse=True)
def effdet() -> None:
    try:
        with warnings.catch_warnings(action="ignore"):
            import_module("effdet")
    except Exception:  # a torchvision for another torch fails in other ways than ImportError
        pytest.skip("effdet is not there, or its torchvision is for another torch")


pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]
NAMES = [case.effdet for case in NETWORKS]


@pytest.mark.parametrize("size", [(128, 128), (192, 320)])
@pytest.mark.parametrize("pixels", ["imagenet", "centred"])
def test_images_are_effdets_to_the_bit(size: tuple[int, int], pixels: str) -> None:
    assert compare_loading(size, PIXELS[pixels]) == {"pixels": 0, "scale": 0}


@pytest.mark.parametrize("photo", PHOTOS)
def test_training_samples_are_effdets(photo: tuple[int, int]) -> None:
    for seed in range(10):
        found = compare_training_sample(photo, (128, 128), seed)
        assert found["pixels"] == 0 and found["objects"] == 0
        # effdet's boxes follow the scale, ours the whole pixels that the image is rounded to.
        assert found["boxes"] <= 1


@pytest.mark.parametrize("case", NETWORKS, ids=NAMES)
@pytest.mark.parametrize("method", ["hard", "gaussian"])
def test_predictions_are_effdets(case: Case, method: str) -> None:
    found = compare_prediction(case, method)
    assert found["classes"] == 0 and found["boxes"] == 0
    assert found["scores"] <= (1e-4 if method == "gaussian" else 0)


@pytest.mark.parametrize("name", [f"tf_efficientdet_{v}" for v in ("d0", "d7", "d7x", "lite0")])
def test_targets_and_losses_are_effdets(name: str) -> None:
    found = compare_targets(case_of(name, (128, 128)), 0)
    assert found["anchors"] == found["classes"] == found["positives"] == 0
    assert found["deltas"] < 1e-6
    assert max(found["loss"], found["loss, smoothing 0.1"]) < 1e-5


@pytest.mark.parametrize("case", NETWORKS, ids=NAMES)
def test_a_step_is_effdets(case: Case) -> None:
    torch.manual_seed(0)
    found = compare_step(case)
    assert found["loss f64"] < 1e-5 and found["gradients f64"] < 1e-5
    assert found["loss f32"] < 1e-5 and found["gradients f32"] < 5e-3
