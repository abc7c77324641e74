"""What a network of images is given, what it returns, what its class says of itself."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
import torch
from torch import nn

from archgraph.codegen import emit, load_module
from archgraph.ir import Graph, Node
from archgraph.ir.ops import Activation
from tests.codegen.detectors import SIZE, body_of, checked, detector
from tests.codegen.printed import class_of

# --- what goes in and out ---------------------------------------------------------------------


def test_facts() -> None:
    module = load_module(emit(detector()))
    assert (
        vars(type(module)).items()
        >= {
            "in_channels": 3,
            "levels": (3, 4, 5),
            "channels": {"classes": 36, "boxes": 12},
            "image_size": (64, 96),
            "size_multiple": 1,
        }.items()
    )
    assert not hasattr(module, "in_levels")
    classes, boxes = module(torch.randn(1, 3, *SIZE))
    assert [x.shape[1:] for x in classes] == [(36, 4, 8), (36, 2, 4), (36, 1, 2)]
    assert [x.shape[1] for x in boxes] == [12, 12, 12]
    (named,) = (module(image=torch.randn(1, 3, *SIZE))[0][:1],)
    assert named[0].shape == (1, 36, 4, 8)


def test_a_backbone_gives_one_list() -> None:
    graph = detector()
    graph.set_outputs({f"p{i}": f"backbone.stage{i - 1}.act" for i in (3, 4, 5)})
    graph.remove_unneeded()
    text = checked(graph)
    network = body_of(text, "TinyDetector")
    assert "def forward(self, image: Tensor) -> list[Tensor]:" in network
    assert "p3, p4, p5 = self.backbone(image) return [p3, p4, p5]" in network
    assert "levels = (3, 4, 5) channels = (16, 24, 32)" in network


def test_outputs_that_differ_say_so() -> None:
    graph = detector()
    outputs = dict(graph.outputs)
    del outputs["boxes.p3"]
    graph.set_outputs({**outputs, "boxes.p6": "neck.cells.0.td3.block.norm"})
    module = load_module(emit(graph))
    assert module.levels == {"classes": (3, 4, 5), "boxes": (4, 5, 3)}
    assert module.channels == {"classes": 36, "boxes": (12, 12, 16)}


def test_a_level_that_another_part_reads_is_no_comprehension() -> None:
    graph = detector()
    graph.add(Node("again", Activation("relu")), graph.inputs("classes.p4.tower.0.depthwise"))
    (edge,) = graph.inputs("classes.p4.tower.0.depthwise")
    graph.set_inputs("again", [replace(edge, source="classes.p4.predict.pointwise")])
    graph.set_outputs({**graph.outputs, "again.p4": "again"})
    network = body_of(checked(graph), "TinyDetector")
    assert 'classes_p4 = self.classes(p4, "p4")' in network
    assert "boxes = [self.boxes(x, level) for level, x in features.items()]" in network
    assert network.endswith("return [classes_p3, classes_p4, classes_p5], boxes, [again]")


def test_shared_heads_without_own_weights_take_no_level() -> None:
    graph = detector()
    other = Graph(graph.name, graph.stage)
    other.scopes = {path: replace(scope, key="") for path, scope in graph.scopes.items()}
    for node in graph:
        weights = re.sub(r"norm\.p\d", "norm", node.weights)
        other.add(replace(node, weights=weights), graph.inputs(node.name))
    other.set_outputs(graph.outputs)
    text = checked(other)
    assert "level" not in re.sub(r'""".*?"""|levels', "", text, flags=re.S)
    assert "classes = [self.classes(x) for x in (p3, p4, p5)]" in text


@pytest.mark.parametrize(
    ("given", "note"),
    [
        (torch.zeros(1, 4, 8, 8), "was given shape (1, 4, 8, 8)"),
        (torch.zeros(3, 8, 8), "was given shape (3, 8, 8)"),
        ([torch.zeros(1, 3, 8, 8)], "was given a list"),
        (torch.zeros(1, 3, 8, 8).double(), "the image is torch.float64; the weights are"),
    ],
)
def test_errors_say_what_image_is_taken(given: object, note: str) -> None:
    module = load_module(emit(detector(cells=1)))
    with pytest.raises(Exception) as caught:  # noqa: PT011
        module(given)
    (found,) = caught.value.__notes__
    assert "TinyDetector takes an image (N, 3, height, width)" in found
    assert note in found


def test_an_error_in_a_head_names_its_module() -> None:
    module = load_module(emit(detector(cells=1)))
    module.get_submodule("classes.tower.1").depthwise = nn.Conv2d(3, 8, 3)
    with pytest.raises(RuntimeError) as caught:
        module(torch.zeros(1, 3, *SIZE))
    assert "in node 'classes.tower.1.depthwise'" in caught.value.__notes__[0]


def test_cells_inside_of_a_neck_are_cells() -> None:
    text = checked(detector())
    assert '"""One cell of Bifpn."""' in text
    cell = class_of(text, "BifpnCell")
    assert "# P4: (N, 16, H/16, W/16)" in cell
