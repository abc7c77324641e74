"""Parameters and multiply-adds of every EfficientDet and EfficientNet, section by section.

Parameters were counted in effdet and timm. Multiply-adds are those of convolutions, at each
network's own image size: those of the paper less what it counts for norms and activations.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import pytest

from archgraph.analysis import Amount, cost
from archgraph.compiler import compile_spec
from tests.weights.support import network

# (backbone, neck with extra levels, class head, box head)
PARAMETERS = {
    "d0": (3_595_388, 196_281, 69_354, 19_044),
    "d1": (6_101_024, 390_972, 101_394, 32_508),
    "d2": (7_202_562, 708_159, 136_890, 49_428),
    "d3": (10_103_336, 1_559_474, 247_050, 122_436),
    "d4": (16_742_216, 3_349_829, 402_890, 228_740),
    "d5": (27_288_112, 5_405_893, 591_498, 367_812),
    "d6": (39_403_992, 10_583_808, 1_090_986, 792_996),
    "d7": (39_403_992, 10_583_808, 1_090_986, 792_996),
    "d7x": (62_143_440, 13_112_064, 1_094_826, 796_836),
    "lite0": (2_958_848, 196_224, 69_354, 19_044),
    "lite1": (3_723_520, 390_896, 101_394, 32_508),
    "lite2": (4_357_952, 708_064, 136_890, 49_428),
    "lite3": (6_422_016, 1_559_360, 247_050, 122_436),
    "lite3x": (6_422_016, 2_333_200, 340_610, 185_036),
    "lite4": (11_149_568, 3_349_696, 402_890, 228_740),
}
SYMMETRIC = {
    "d0": 3_877_763,
    "d1": 6_622_026,
    "d2": 8_091_215,
    "d3": 12_022_376,
    "d4": 20_723_675,
    "d5": 33_653_315,
    "q0": 4_126_234,
    "q1": 6_976_294,
    "q2": 8_815_280,
}
# Feature extractors, up to the last stage.
BACKBONES = {
    "b0": 3_595_388,
    "b1": 6_101_024,
    "b2": 7_202_562,
    "b3": 10_103_336,
    "b4": 16_742_216,
    "b5": 27_288_112,
    "b6": 39_403_992,
    "b7": 62_143_440,
    "lite0": 2_958_848,
    "lite1": 3_723_520,
    "lite2": 4_357_952,
    "lite3": 6_422_016,
    "lite4": 11_149_568,
}
# Image size; multiply-adds in billions, to four digits: in all, and where known of the sections.
MACS: Mapping[str, tuple[int, str, tuple[str, ...]]] = {
    "d0": (512, "2.492", ("1.901", ".136", ".363", ".092")),
    "d1": (640, "6.003", ("4.468", ".451", ".833", ".252")),
    "d2": (768, "10.83", ("7.430", "1.216", "1.625", ".561")),
    "d3": (896, "24.57", ("14.89", "3.756", "3.997", "1.928")),
    "d4": (1024, "54.58", ("30.50", "10.74", "8.560", "4.776")),
    "d5": (1280, "134.1", ("75.04", "27.28", "19.71", "12.11")),
    "d6": (1280, "224.1", ("107.3", "54.06", "36.45", "26.32")),
    "d7": (1536, "322.7", ("154.5", "77.85", "52.49", "37.90")),
    "d7x": (1536, "407.6", ("238.6", "78.52", "52.53", "37.93")),
    "lite0": (320, ".974", ()),
    "lite1": (384, "1.967", ()),
    "lite2": (448, "3.371", ()),
    "lite3": (512, "7.480", ()),
    "lite3x": (640, "13.98", ()),
    "lite4": (640, "20.17", ()),
}
SECTIONS = (("backbone",), ("extra", "neck"), ("classes",), ("boxes",))


@cache
def sections(model: str, variant: str, side: int) -> dict[str, Amount]:
    """What each node of a model costs."""
    found: dict[str, Amount] = {}
    for operator in cost(network(model, variant).graph, (side, side)).operators:
        name = operator.name.partition(".")[0]
        found[name] = found.get(name, Amount()) + operator.amount
    return found


def amounts(variant: str, side: int) -> list[Amount]:
    """What the sections that are published cost."""
    found = sections("efficientdet", variant, side)
    assert found.keys() == {name for names in SECTIONS for name in names}
    return [sum((found[name] for name in names), Amount()) for names in SECTIONS]


def total(model: str, variant: str) -> int:
    return sum(amount.parameters for amount in sections(model, variant, 512).values())


@pytest.mark.parametrize("variant", PARAMETERS)
def test_parameters(variant: str) -> None:
    side = MACS[variant][0]
    found = tuple(amount.parameters for amount in amounts(variant, side))
    assert found == PARAMETERS[variant]


@pytest.mark.parametrize("variant", SYMMETRIC)
def test_parameters_of_the_symmetric_ones(variant: str) -> None:
    assert total("efficientdet-symmetric", variant) == SYMMETRIC[variant]


@pytest.mark.parametrize("variant", BACKBONES)
def test_parameters_of_backbones(variant: str) -> None:
    assert total("efficientnet", variant) == BACKBONES[variant]


@pytest.mark.parametrize("variant", MACS)
def test_multiply_adds(variant: str) -> None:
    side, whole, parts = MACS[variant]
    found = amounts(variant, side)
    assert as_published(sum(amount.macs for amount in found), whole)
    for amount, part in zip(found, parts, strict=False):
        assert as_published(amount.macs, part)


@pytest.mark.parametrize("variant", MACS)
def test_a_model_knows_its_image_size(variant: str) -> None:
    scope = compile_spec("efficientdet", variant=variant).operators.graph.scopes[""]
    assert dict(scope.arguments)["image_size"] == MACS[variant][0]


def as_published(macs: int, text: str) -> bool:
    """Whether a number is the published one in its digits."""
    decimals = len(text.partition(".")[2])
    return f"{macs / 1e9:.{decimals}f}".lstrip("0") == text
