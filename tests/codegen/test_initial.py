"""How weights start: what the constructor of a network says of it."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
import torch

from archgraph.codegen import GeneratedSource, emit, load_module
from archgraph.codegen.proof import prove
from archgraph.errors import CodegenError
from archgraph.ir import Graph, parse_graph
from archgraph.ir.ops import Conv
from tests.codegen.detectors import changed, checked, detector

# --- how weights start ------------------------------------------------------------------------


def starting(graph: Graph) -> list[str]:
    """The lines that say how weights start."""
    found = re.findall(r"^ +(.*(?:\.apply\(|nn\.init\.constant_).*)$", emit(graph).text, re.M)
    return [line for line in found if line.startswith(("self.", "nn.init.constant_"))]


PREDICT = "classes.predict.pointwise"


def test_the_largest_modules_that_start_alike() -> None:
    graph = detector()
    first = [
        "self.backbone.apply(he_normal)",
        "self.classes.apply(lecun_normal)",
        "self.boxes.apply(lecun_normal)",
    ]
    bias = 'nn.init.constant_(self.get_parameter("{}.predict.pointwise.bias"), -4.5)'
    assert starting(graph) == [*first, bias.format("classes"), bias.format("boxes")]
    conv = graph["backbone.stage1.conv"].op
    assert isinstance(conv, Conv)
    one = changed(graph, "backbone.stage1.conv", op=replace(conv, init="torch"))
    assert starting(one)[:2] == [
        "self.backbone.stem.apply(he_normal)",
        "self.backbone.stage2.apply(he_normal)",
    ]
    other = changed(graph, "backbone.stage1.conv", op=replace(conv, init="glorot-uniform"))
    assert starting(other)[1] == "self.backbone.stage1.apply(glorot_uniform)"
    checked(other)


def test_elements_of_lists_start_on_their_own() -> None:
    graph = detector()
    for i in range(3):
        name = f"classes.p{3 + i}.tower.1.depthwise"
        conv = graph[name].op
        assert isinstance(conv, Conv)
        graph.replace_op(name, replace(conv, init="he-normal"))
    assert starting(graph)[1:4] == [
        'self.get_submodule("classes.tower.0").apply(lecun_normal)',
        'self.get_submodule("classes.tower.1.depthwise").apply(he_normal)',
        'self.get_submodule("classes.tower.1.pointwise").apply(lecun_normal)',
    ]
    checked(graph)


def test_everything_alike_is_one_line() -> None:
    graph = detector()
    for node in list(graph):
        if isinstance(node.op, Conv):
            graph.replace_op(node.name, replace(node.op, init="glorot-uniform", bias_init=0.0))
    assert starting(graph) == ["self.apply(glorot_uniform)"]
    checked(graph)


def test_nothing_is_said_of_what_torch_does() -> None:
    graph = detector()
    for node in list(graph):
        if isinstance(node.op, Conv):
            graph.replace_op(node.name, replace(node.op, init="torch"))
    assert starting(graph) == []
    assert "nn.init" not in emit(graph).text


def test_a_convolution_inside_of_an_operator_is_left_alone() -> None:
    text = """graph net stage=operators
      x = input {level=0, channels=3}
      a = conv(x) {channels=4, init=he-normal}
      b = deform-conv(a) {channels=4}
      return p0=b
    """
    graph = parse_graph(text)
    assert starting(graph) == ["self.a.apply(he_normal)"]
    source = emit(graph)
    wrong = source.text.replace("self.a.apply", "self.apply")
    with pytest.raises(CodegenError, match="module 'b' starts as he_normal"):
        prove(graph, graph.infer_types(), GeneratedSource(wrong, source.class_name))


def test_shared_weights_start_in_one_way() -> None:
    graph = detector()
    conv = graph["classes.p4.predict.pointwise"].op
    assert isinstance(conv, Conv)
    graph.replace_op("classes.p4.predict.pointwise", replace(conv, bias_init=1.0))
    with pytest.raises(CodegenError, match=f"'{PREDICT}' are shared, but start in two ways"):
        emit(graph)


def test_weights_start_as_they_should() -> None:
    torch.manual_seed(0)
    module = load_module(emit(detector(width=64)))
    state = module.state_dict()
    stem = state["backbone.stage4.conv.weight"]  # 32 x 24 x 3 x 3
    assert stem.std().item() == pytest.approx((2 / (32 * 9)) ** 0.5, rel=0.05)
    depthwise = state["classes.tower.0.depthwise.weight"]
    assert depthwise.std().item() == pytest.approx((1 / 9) ** 0.5, rel=0.1)
    pointwise = state["classes.tower.0.pointwise.weight"]
    assert pointwise.std().item() == pytest.approx((1 / 64) ** 0.5, rel=0.05)
    assert torch.equal(state[f"{PREDICT}.bias"], torch.full((36,), -4.5))
    assert not state["classes.tower.0.pointwise.bias"].any()


def test_uniform_weights_stay_within_glorots_limit() -> None:
    text = """graph net stage=operators
      x = input {level=0, channels=32}
      a = conv(x) {channels=64, kernel=3, groups=4, init=glorot-uniform}
      return p0=a
    """
    weight = load_module(emit(parse_graph(text))).get_parameter("a.weight")
    limit = (6 / (8 * 9 + 64 * 9 // 4)) ** 0.5  # fans as timm counts them
    assert 0.98 * limit < weight.abs().max().item() <= limit


# --- wrong texts ---

START = "        self.backbone.apply(he_normal)\n"
BIAS = 'nn.init.constant_(self.get_parameter("classes.predict.pointwise.bias"), -4.5)'
WRONG = [
    (START, "", "module 'backbone.stem.conv' starts as torch with bias 0.0, not he_normal"),
    (START, START.replace("backbone.", "backbone.stem."), "module 'backbone.stage1.conv' starts"),
    (START, START.replace("backbone.", ""), "module 'neck.cells.0."),
    (START, START.replace("he_normal", "lecun_normal"), "starts as lecun_normal"),
    (START, START.replace("he_normal", "F.relu"), "only functions of the prelude"),
    (START, START.replace("he_normal", "len"), "only functions of the prelude"),
    (BIAS, BIAS.replace("-4.5", "4.5"), "lecun_normal with bias 4.5, not lecun_normal with bias"),
    (BIAS, BIAS.replace("-4.5", "-4"), "only a bias is set to a number"),
    (BIAS, BIAS.replace("predict.pointwise", "tower.0.pointwise"), "'classes.tower.0.pointwise'"),
    (BIAS, BIAS.replace("predict.pointwise", "tower.0.depthwise"), "'classes.tower.0.depthwise'"),
    (BIAS, BIAS.replace("bias", "weight"), "is no bias"),
    (
        BIAS,
        f"pass\n        self.classes.apply({{}})\n        {BIAS}".format("he_normal"),
        "he_norm",
    ),
    (BIAS, f"{BIAS}\n        self.classes.apply(lecun_normal)", "with bias 0.0, not lecun_normal"),
    (BIAS, "nn.init.zeros_(self.classes.predict.pointwise.bias)", "zeros_"),
    (BIAS, BIAS.replace("constant_(self", "constant_(F.relu(self"), ""),
    ('"p3": p3, "p4": p4', '"p4": p3, "p3": p4', "nothing in it computes"),
    ("self.norm[level]", 'self.norm["p3"]', "nothing in it computes"),
    ("x = block(x, level)", 'x = block(x, "p4")', "nothing in it computes"),
    ("return classes, boxes", "return boxes, classes", "it returns boxes"),
    ("return classes, boxes", "return classes + boxes", "no tuple of 2 lists"),
    ("return classes, boxes", "return classes[:2], boxes", "an output has 2 maps, not 3"),
    ('("p3", "p4", "p5")', '("p3", "p4")', "it has no module 'classes.tower.0.norm.p5'"),
    ('("p3", "p4", "p5")', '("p3", "p4", "p5", "p6")', "it has a module 'classes.tower.0.norm.p6'"),
    ('"boxes": 12}', '"boxes": 11}', "its channels are"),
    ("image_size = (64, 96)", "image_size = (96, 64)", "its image_size are"),
    ("in_channels = 3", "in_channels = (3,)", "its in_channels are"),
]


@pytest.mark.parametrize(("old", "new", "message"), WRONG)
def test_wrong_text_is_refused(old: str, new: str, message: str) -> None:
    graph = detector()
    source = emit(graph)
    assert old in source.text
    wrong = source.text.replace(old, new)
    with pytest.raises(CodegenError) as caught:
        prove(graph, graph.infer_types(), GeneratedSource(wrong, source.class_name))
    assert message in str(caught.value)
