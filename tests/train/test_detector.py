"""What stands around a network: sizes, names, devices, and whose boxes they are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from archgraph.compiler import arguments_from_python, compile_spec
from archgraph.detect import PostprocessSettings
from archgraph.errors import ArchgraphError
from archgraph.train.coco_names import COCO_NAMES
from archgraph.train.detector import Detector, make_detector
from archgraph.train.records import Pixels
from archgraph.weights import Network, import_weights
from archgraph.weights.files import write_safetensors
from tests.small_detector import shaken, toy_spec


@pytest.fixture(scope="module")
def toy() -> Detector:
    found = make_detector(toy_spec())
    shaken(found.network)
    return found


def photo(height: int, width: int, seed: int = 0) -> Pixels:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_a_batch_of_sizes_is_each_on_its_own(toy: Detector) -> None:
    photos = [photo(40, 90), photo(200, 100, 1), photo(96, 96, 2)]
    together = toy.detect(photos)
    for each, found in zip(photos, together, strict=True):
        (alone,) = toy.detect([each])
        torch.testing.assert_close(found.boxes_xyxy, alone.boxes_xyxy, atol=1e-3, rtol=1e-4)
        torch.testing.assert_close(found.scores, alone.scores)
        height, width, _ = each.shape
        limit = torch.tensor([width, height, width, height]) * (1 + 1e-6)
        assert (found.boxes_xyxy <= limit).all() and (found.boxes_xyxy >= 0).all()
    assert toy.detect([]) == []


def test_a_larger_photograph_of_the_same_has_the_same_boxes(toy: Detector) -> None:
    blurred = Image.fromarray(photo(5, 5))
    small, large = (np.asarray(blurred.resize((side, side))) for side in (96, 288))
    one, other = toy.detect([small, large])
    near = (one.boxes_xyxy * 3)[:, None] - other.boxes_xyxy[None]
    assert near.abs().amax(-1).min(1).values[:5].max() < 6


def test_the_network_is_left_as_it_was(toy: Detector) -> None:
    toy.network.train()
    before = {key: value.clone() for key, value in toy.network.state_dict().items()}
    toy.detect([photo(30, 30)])
    assert toy.network.training
    toy.network.eval()
    assert all(torch.equal(v, before[k]) for k, v in toy.network.state_dict().items())


def test_settings_reach_the_boxes() -> None:
    chosen = PostprocessSettings(least=0.02, most=3)
    found = make_detector(toy_spec(), postprocess=chosen)
    shaken(found.network)
    (boxes,) = found.detect([photo(96, 96)])
    assert 0 < len(boxes.scores) <= 3 and (boxes.scores > 0.02).all()


def test_names_of_classes(tmp_path: Path) -> None:
    plain = make_detector(toy_spec())
    assert plain.class_names == ("class 0", "class 1", "class 2")
    assert plain.category_ids == (1, 2, 3)
    given = make_detector(toy_spec(), class_names=["a", "b", "c"], category_ids=[4, 7, 9])
    assert (given.class_names, given.category_ids) == (("a", "b", "c"), (4, 7, 9))
    ninety = make_detector(toy_spec(), arguments=arguments_from_python({"classes": 90}))
    assert ninety.class_names == COCO_NAMES
    assert ninety.category_ids == tuple(range(1, 91))
    assert [COCO_NAMES[i - 1] for i in (1, 17, 18, 62, 90)] == [
        *("person", "cat", "dog", "chair", "toothbrush")
    ]
    assert [i + 1 for i, name in enumerate(COCO_NAMES) if not name] == [
        *(12, 26, 29, 30, 45, 66, 68, 69, 71, 83)
    ]

    path = tmp_path / "toy.safetensors"
    names = {"class_names": ["x", "y", "z"], "category_ids": [2, 4, 6]}
    write_safetensors(path, plain.network.state_dict(), names)
    told = make_detector(toy_spec(), weights=path)
    assert (told.class_names, told.category_ids) == (("x", "y", "z"), (2, 4, 6))
    for odd in ({"class_names": 3}, {"class_names": [1, 2, 3]}):
        write_safetensors(path, plain.network.state_dict(), odd)
        assert make_detector(toy_spec(), weights=path).class_names == plain.class_names


def test_weights_are_those_of_the_file(tmp_path: Path, toy: Detector) -> None:
    torch.save(toy.network.state_dict(), tmp_path / "toy.pth")
    network = Network(compile_spec(toy_spec()).operators.graph, "toy")
    path = tmp_path / "toy.safetensors"
    import_weights(tmp_path / "toy.pth", network, path, {})
    for file in (tmp_path / "toy.pth", path):
        found = make_detector(toy_spec(), weights=file)
        (one,), (other,) = found.detect([photo(96, 96)]), toy.detect([photo(96, 96)])
        assert torch.equal(one.boxes_xyxy, other.boxes_xyxy)


def test_what_does_not_fit_is_said() -> None:
    def code(**options: object) -> str:
        with pytest.raises(ArchgraphError) as error:
            make_detector(toy_spec(), **options)  # type: ignore[arg-type]
        return error.value.diagnostics[0].code

    assert code(class_names=["a"]) == "E540"
    assert code(category_ids=[1]) == "E540"
    assert code(device="nowhere") == "E541"
    assert code(device="cuda:77") == "E541"
