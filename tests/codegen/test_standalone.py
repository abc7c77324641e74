"""A detector that stands alone gives the boxes that the package gives."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from archgraph.codegen import emit, load_module
from archgraph.codegen.standalone import detector_settings, stand_alone
from archgraph.compiler import compile_spec, emit_detector
from archgraph.detect import AUTOML_SERVING, PIXELS, Anchors, PostprocessSettings
from archgraph.errors import CodegenError
from archgraph.train.detector import make_detector
from tests.codegen.hostile import TEXTS
from tests.codegen.printed import formatted
from tests.small_detector import shaken, toy_spec


@pytest.mark.parametrize(("height", "width"), [(96, 96), (60, 200), (301, 77), (7, 5)])
def test_boxes_are_those_of_the_package(height: int, width: int) -> None:
    generator = np.random.default_rng(height)
    photo = generator.integers(0, 256, (height, width, 3), dtype=np.uint8)
    package = make_detector(toy_spec())
    shaken(package.network)
    alone = load_module(emit_detector(toy_spec())).eval()
    alone.load_state_dict({f"network.{k}": v for k, v in package.network.state_dict().items()})
    assert alone.state_dict().keys() == {f"network.{k}" for k in package.network.state_dict()}
    (expected,) = package.detect([photo])
    given = torch.from_numpy(photo).permute(2, 0, 1)[None]
    with torch.no_grad():
        boxes, scores, classes = alone(given)
    count = len(expected.scores)
    assert count > 10
    assert torch.equal(boxes[0, :count], expected.boxes_xyxy)
    assert torch.equal(scores[0, :count], expected.scores)
    assert torch.equal(classes[0, :count], expected.classes)
    assert (classes[0, count:] == -1).all()
    assert (boxes[..., 2] <= width * (1 + 1e-6)).all() and (boxes >= 0).all()


WAYS = [
    PostprocessSettings(method="gaussian", agnostic=True, sigma=0.3, least=0.02),
    replace(AUTOML_SERVING, most=30),
]
MORE_WAYS = [
    PostprocessSettings(agnostic=True),
    PostprocessSettings(method="gaussian"),
    PostprocessSettings(method="linear", threshold=0.3, most=20),
    PostprocessSettings(method="linear", agnostic=True, candidates=300),
    PostprocessSettings(choose="best-class", threshold=0.6),
]
SLOW = pytest.mark.slow


@pytest.mark.parametrize("way", [*WAYS, *(pytest.param(way, marks=SLOW) for way in MORE_WAYS)])
def test_boxes_are_those_of_the_package_however_they_are_thinned_out(
    way: PostprocessSettings,
) -> None:
    photos = np.random.default_rng(1).integers(0, 256, (2, 60, 90, 3), dtype=np.uint8)
    torch.manual_seed(1)
    package = make_detector(toy_spec(), postprocess=way)
    shaken(package.network)
    source = emit_detector(toy_spec(), postprocess=way)
    formatted(source.text)
    alone = load_module(source).eval()
    alone.load_state_dict({f"network.{k}": v for k, v in package.network.state_dict().items()})
    with torch.no_grad():
        boxes, scores, classes = alone(torch.from_numpy(photos).permute(0, 3, 1, 2).contiguous())
    assert boxes.shape == (2, way.most, 4)
    for i, expected in enumerate(package.detect(list(photos))):
        count = len(expected.scores)
        assert count > 3
        assert torch.equal(boxes[i, :count], expected.boxes_xyxy)
        assert torch.equal(scores[i, :count], expected.scores)
        assert torch.equal(classes[i, :count], expected.classes)
        assert (classes[i, count:] == -1).all() and not scores[i, count:].any()


@pytest.mark.parametrize(
    "few",
    [
        PostprocessSettings(candidates=50, most=4),
        pytest.param(
            PostprocessSettings(candidates=50, most=4, method="gaussian", choose="best-class"),
            marks=SLOW,
        ),
        pytest.param(
            PostprocessSettings(candidates=50, most=4, method="linear", agnostic=True), marks=SLOW
        ),
    ],
)
def test_it_is_exported_whole(few: PostprocessSettings) -> None:
    graph = compile_spec(toy_spec()).operators.graph
    settings = replace(detector_settings(graph), postprocess=few)
    alone = load_module(stand_alone(emit(graph), settings)).eval()
    example = torch.randint(0, 256, (1, 3, 50, 80), dtype=torch.uint8)
    program = torch.export.export(alone, (example,))
    other = torch.randint(0, 256, (1, 3, 50, 80), dtype=torch.uint8)
    with torch.no_grad():
        for found, expected in zip(program.module()(other), alone(other), strict=True):
            assert torch.equal(found, expected)


def test_the_file_needs_torch_alone_and_is_as_a_formatter_leaves_it(tmp_path: Path) -> None:
    source = emit_detector(toy_spec(), class_names=["a", "b", "c"])
    formatted(source.text)
    assert source.class_name == "Detector"
    (tmp_path / "detector.py").write_text(source.text)
    code = (
        "import sys, torch, detector; d = detector.Detector().eval()\n"
        "print(d.class_names, [tuple(x.shape) for x in d(torch.zeros(1, 3, 40, 40))])\n"
        "assert not [name for name in sys.modules if name.startswith('archgraph')]"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout == "('a', 'b', 'c') [(1, 100, 4), (1, 100), (1, 100)]\n"


def test_lines_still_say_where_they_come_from() -> None:
    plain = emit(compile_spec(toy_spec()).operators.graph)
    alone = emit_detector(toy_spec())
    for line, origin in plain.origins.items():
        shift = next(iter(alone.origins)) - next(iter(plain.origins))
        assert alone.origins[line + shift] == origin
        assert alone.text.split("\n")[line + shift - 1] == plain.text.split("\n")[line - 1]


def test_names_are_texts_and_nothing_else() -> None:
    graph = compile_spec(toy_spec()).operators.graph
    plain, settings = emit(graph), detector_settings(graph)
    for start in range(0, len(TEXTS) - 3, 3):
        names = TEXTS[start : start + 3]
        source = stand_alone(plain, settings, names)
        assert source.text.isascii() or source.text == source.text.encode().decode()
        assert [*vars(type(load_module(source)))["class_names"]] == list(names)


def test_settings_are_those_of_the_spec() -> None:
    found = detector_settings(compile_spec("efficientdet", variant="d7").operators.graph)
    assert (found.image_size, found.classes, found.anchors.scale) == ((1536, 1536), 90, 5)
    assert found.anchors.levels == (3, 4, 5, 6, 7)
    assert found.pixels == PIXELS["imagenet"]
    lite = detector_settings(compile_spec("efficientdet", variant="lite0").operators.graph)
    assert (lite.image_size, lite.anchors.scale) == ((320, 320), 3)
    assert lite.pixels == PIXELS["centred"]


def test_what_is_no_detector_is_refused() -> None:
    def refused(reference: str, **options: object) -> str:
        graph = compile_spec(reference, variant=str(options.pop("variant", ""))).operators.graph
        with pytest.raises(CodegenError) as error:
            stand_alone(emit(graph), detector_settings(graph, **options), ["one"])  # type: ignore[arg-type]
        (found,) = error.value.diagnostics
        assert found.code == "E414" and found.hint
        return found.message

    assert "boxes are told from 'classes' and 'boxes'" in refused("bifpn")
    assert "boxes are told from" in refused("efficientnet", variant="b0")
    anchors = Anchors(levels=(3, 4, 5), octaves=(1.0,))
    assert "'boxes' has 36 channels, where 3 anchors" in refused(toy_spec(), anchors=anchors)
    assert "1 names for 3 classes" in refused(toy_spec())
