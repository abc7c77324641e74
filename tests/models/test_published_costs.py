"""Parameters and multiply-adds of every EfficientDet and EfficientNet, section by section.

Parameters were counted in effdet and timm, and so were the multiply-adds of convolutions, at the
image size of each network. The paper's are these and what it counts for norms and activations.
"""

from __future__ import annotations

from functools import cache

import pytest

from archgraph.analysis import Amount, cost
from tests.models.effdet import GOLDENS, Golden, networks
from tests.weights.support import mostly_slow, network

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
# Multiply-adds in billions, to four digits; the published ones count a little more.
MACS = {
    **{"d0": "2.492", "d1": "6.003", "d2": "10.83", "d3": "24.57", "d4": "54.58", "d5": "134.1"},
    **{"d6": "224.1", "d7": "322.7", "d7x": "407.6"},
    **{"lite0": ".9736", "lite1": "1.967", "lite2": "3.371", "lite3": "7.480", "lite3x": "13.98"},
    **{"lite4": "20.17"},
}
# The others are slow.
QUICK = {"tf_efficientdet_d0", "tf_efficientdet_d7x", "tf_efficientdet_lite0"}
QUICK |= {"efficientdet_d0", "efficientdet_q0", "b0", "b7", "lite0"}
measured = pytest.mark.parametrize(
    "golden", mostly_slow(networks(GOLDENS), QUICK, lambda golden: golden.effdet)
)
SECTIONS = (("backbone",), ("extra", "neck"), ("classes",), ("boxes",))


@cache
def sections(model: str, variant: str, size: tuple[int, int] = (512, 512)) -> dict[str, Amount]:
    """What each node of a model costs."""
    found: dict[str, Amount] = {}
    for operator in cost(network(model, variant).graph, size).operators:
        name = operator.name.partition(".")[0]
        found[name] = found.get(name, Amount()) + operator.amount
    return found


def amounts(golden: Golden) -> list[Amount]:
    """What the sections that effdet has cost at effdet's image size."""
    height, width = golden.image_size
    found = sections(golden.spec, golden.variant, (height, width))
    assert found.keys() == {name for names in SECTIONS for name in names}
    return [sum((found[name] for name in names), Amount()) for names in SECTIONS]


def total(model: str, variant: str) -> int:
    return sum(amount.parameters for amount in sections(model, variant).values())


@measured
def test_every_section_costs_what_it_costs_in_effdet(golden: Golden) -> None:
    found = amounts(golden)
    assert [amount.macs for amount in found] == golden.macs
    assert sum(amount.parameters for amount in found) == golden.parameters
    arguments = dict(network(golden.spec, golden.variant).graph.scopes[""].arguments)
    assert [arguments["image_size"]] * 2 == golden.image_size
    if golden.spec == "efficientdet":
        parameters = tuple(amount.parameters for amount in found)
        assert parameters == PARAMETERS[golden.variant]
        assert as_published(sum(amount.macs for amount in found), MACS[golden.variant])
    else:
        assert golden.parameters == SYMMETRIC[golden.variant]


@pytest.mark.parametrize("variant", mostly_slow(BACKBONES, QUICK, str))
def test_parameters_of_backbones(variant: str) -> None:
    assert total("efficientnet", variant) == BACKBONES[variant]


def as_published(macs: int, text: str) -> bool:
    """Whether a number is the published one in its digits."""
    decimals = len(text.partition(".")[2])
    return f"{macs / 1e9:.{decimals}f}".lstrip("0") == text
