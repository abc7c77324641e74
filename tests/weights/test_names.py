"""Our names and other people's are one to one, and theirs are those that they really have."""

from __future__ import annotations

import pytest

from archgraph.errors import WeightsError
from archgraph.weights import SCHEMES, tensor_shapes
from archgraph.weights.effdet import predictor_of
from archgraph.weights.schemes import scheme_of
from tests.models.effdet import GOLDENS, Golden, networks
from tests.weights.support import digest, mostly_slow, names, network

# One row for each form of name that effdet has (D0; QuFPN below).
EFFDET = {
    "backbone.stem.conv.weight": "backbone.conv_stem.weight",
    "backbone.stem.norm.running_var": "backbone.bn1.running_var",
    "backbone.stage1.0.depthwise.conv.weight": "backbone.blocks.0.0.conv_dw.weight",
    "backbone.stage1.0.depthwise.norm.bias": "backbone.blocks.0.0.bn1.bias",
    "backbone.stage1.0.squeeze.reduce.bias": "backbone.blocks.0.0.se.conv_reduce.bias",
    "backbone.stage1.0.project.conv.weight": "backbone.blocks.0.0.conv_pw.weight",
    "backbone.stage1.0.project.norm.weight": "backbone.blocks.0.0.bn2.weight",
    "backbone.stage6.3.expand_conv.conv.weight": "backbone.blocks.5.3.conv_pw.weight",
    "backbone.stage6.3.expand_conv.norm.weight": "backbone.blocks.5.3.bn1.weight",
    "backbone.stage6.3.depthwise.norm.weight": "backbone.blocks.5.3.bn2.weight",
    "backbone.stage6.3.squeeze.expand.weight": "backbone.blocks.5.3.se.conv_expand.weight",
    "backbone.stage6.3.project.conv.weight": "backbone.blocks.5.3.conv_pwl.weight",
    "backbone.stage6.3.project.norm.weight": "backbone.blocks.5.3.bn3.weight",
    "extra.p6.inputs.in5.project.conv.bias": "fpn.resample.3.conv.conv.bias",
    "extra.p6.inputs.in5.project.norm.weight": "fpn.resample.3.conv.bn.weight",
    "neck.cells.2.td6.fuse.weight": "fpn.cell.2.fnode.0.combine.edge_weights",
    "neck.cells.0.td3.inputs.in3.project.conv.weight": (
        "fpn.cell.0.fnode.3.combine.resample.0.conv.conv.weight"
    ),
    "neck.cells.0.out5.inputs.in5.project.norm.bias": (
        "fpn.cell.0.fnode.5.combine.resample.2.conv.bn.bias"
    ),
    "neck.cells.1.out7.block.depthwise.weight": (
        "fpn.cell.1.fnode.7.after_combine.conv.conv_dw.weight"
    ),
    "neck.cells.1.out7.block.pointwise.bias": "fpn.cell.1.fnode.7.after_combine.conv.conv_pw.bias",
    "neck.cells.1.out7.block.norm.weight": "fpn.cell.1.fnode.7.after_combine.conv.bn.weight",
    "classes.tower.2.depthwise.weight": "class_net.conv_rep.2.conv_dw.weight",
    "classes.tower.2.norm.p4.weight": "class_net.bn_rep.2.1.bn.weight",
    "classes.predict.pointwise.bias": "class_net.predict.conv_pw.bias",
    "boxes.tower.0.norm.p7.running_mean": "box_net.bn_rep.0.4.bn.running_mean",
    "boxes.predict.depthwise.weight": "box_net.predict.conv_dw.weight",
}
# timm's feature extractors: how many tensors, and a short text for their names and shapes.
TIMM = {
    ("resnet", "r18"): (120, "c192d15300f0bef7"),
    ("resnet", "r34"): (216, "64d0b4d09ea554d0"),
    ("resnet", "r50"): (318, "eb0d12e7bc0b54b6"),
    ("efficientnet", "b0"): (352, "d57f3fecd3821e93"),
    ("efficientnet", "b1"): (500, "5754605e66b145c5"),
    ("efficientnet", "b2"): (500, "f001c2444e08665d"),
    ("efficientnet", "b3"): (566, "698ff3deadbbbb6f"),
    ("efficientnet", "b4"): (698, "7233120041acf7f1"),
    ("efficientnet", "b5"): (846, "542bd4785b4767be"),
    ("efficientnet", "b6"): (978, "5f41ee1c6c462750"),
    ("efficientnet", "b7"): (1192, "a477f8601eba3cbd"),
    ("efficientnet", "b8"): (1324, "bbf687c3efdd1c77"),
    ("efficientnet", "l2"): (1906, "8339ddc0c9e4085f"),
    ("efficientnet", "lite0"): (288, "f8187eec5645a67a"),
    ("efficientnet", "lite1"): (378, "73c4fe9d8b42e7c3"),
    ("efficientnet", "lite2"): (378, "999776707690713d"),
    ("efficientnet", "lite3"): (432, "fa4e2fd9a61d05d1"),
    ("efficientnet", "lite4"): (540, "0943b9409261fd91"),
}
# The others are slow.
QUICK = {
    *("tf_efficientdet_d0", "tf_efficientdet_d7x", "tf_efficientdet_lite0"),
    *("efficientdet_d0", "efficientdet_q0", "resnet r18", "resnet r50", "efficientnet b0"),
}
measured = pytest.mark.parametrize(
    "golden", mostly_slow(networks(GOLDENS), QUICK, lambda golden: golden.effdet)
)


def test_each_form_of_name() -> None:
    found = names(network(), "effdet")
    assert {name: found[name] for name in EFFDET} == EFFDET
    first = names(network(), "effdet-level-first")
    assert first["classes.tower.2.norm.p4.weight"] == "class_net.bn_rep.1.2.weight"
    assert first["boxes.tower.0.norm.p7.bias"] == "box_net.bn_rep.4.0.bias"
    differ = {name for name in found if found[name] != first[name]}
    assert differ == {name for name in found if ".norm.p" in name}


@measured
def test_effdet_has_these_names_and_shapes(golden: Golden) -> None:
    of = network(golden.spec, golden.variant)
    shapes = tensor_shapes(of.graph)
    theirs = names(of, golden.scheme)
    assert theirs.keys() == shapes.keys()
    named = {theirs[name]: shape for name, shape in shapes.items()}
    assert len(named) == len(shapes) == golden.tensors
    assert digest(named) == golden.digest
    assert scheme_of(named, of.graph).name == golden.scheme


@pytest.mark.parametrize(("model", "variant"), mostly_slow(TIMM, QUICK, " ".join))
def test_timm_has_these_names_and_shapes(model: str, variant: str) -> None:
    of = network(model, variant)
    theirs = names(of, "timm")
    named = {theirs[name]: shape for name, shape in tensor_shapes(of.graph).items()}
    assert (len(named), digest(named)) == TIMM[model, variant]
    assert scheme_of(named, of.graph).name == "timm"


def test_the_backbone_of_a_detector_has_the_names_of_a_backbone() -> None:
    detector, alone = names(network(), "timm"), names(network("efficientnet", "b0"), "timm")
    effdet = names(network(), "effdet")
    assert {f"backbone.{name}": their for name, their in alone.items()} == detector
    assert all(effdet[name] == f"backbone.{their}" for name, their in detector.items())
    retina, resnet = (
        names(network("retinanet", ""), "timm"),
        names(network("resnet", "r50"), "timm"),
    )
    assert {f"backbone.{name}": their for name, their in resnet.items()} == retina


def test_whose_names_a_file_has() -> None:
    graph = network().graph
    for scheme in SCHEMES:
        assert scheme_of(names(network(), scheme).values(), graph).name == scheme
    assert scheme_of(["layers.0.weight"], graph).name == "archgraph"
    assert scheme_of(["fpn.cell.0.fnode.0.combine.edge_weights"], graph).name == "effdet"


def test_networks_that_others_do_not_have() -> None:
    neck = network("bifpn", "", channels=64)
    with pytest.raises(WeightsError, match=r"E433.*'bifpn' is no detector of effdet"):
        names(neck, "effdet")
    with pytest.raises(WeightsError, match=r"E433.*timm has no name for 'cells.0.td6"):
        names(neck, "timm")
    with pytest.raises(WeightsError, match=r"E433.*effdet has no name for 'neck.lat5"):
        names(network("retinanet", ""), "effdet")
    with pytest.raises(WeightsError, match=r"E433.*'efficientnet' is no detector"):
        names(network("efficientnet", "b0"), "effdet")


def test_the_predictor_of_the_classes() -> None:
    assert predictor_of(network().graph) == "classes.predict.pointwise"
    assert predictor_of(network("efficientnet", "b0").graph) == ""
