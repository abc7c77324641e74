"""EfficientDet from the library, read as a reviewer would."""

from __future__ import annotations

import ast
import re
from functools import cache

import pytest

from archgraph.codegen import emit
from archgraph.compiler import compile_spec
from tests.codegen.detectors import body_of
from tests.codegen.printed import class_of, formatted
from tests.codegen.source_whitelist import strange

# Parameters of a constructor that a reader still takes in.
MAX_PARAMETERS = 8


@cache
def text_of(variant: str) -> str:
    """The source of a released model."""
    return emit(compile_spec("efficientdet", variant=variant).operators.graph).text


def signatures(text: str) -> dict[str, str]:
    """The parameters of each constructor, by class."""
    found = {}
    for node in ast.parse(text).body:
        if isinstance(node, ast.ClassDef):
            inside = {f.name: f for f in node.body if isinstance(f, ast.FunctionDef)}
            made = inside.get("__init__")
            found[node.name] = ast.unparse(made.args) if made else ""
    return found


@pytest.mark.parametrize("variant", ["d0", "d7x", "lite0"])
def test_files_are_formatted_and_hold_nothing_strange(variant: str) -> None:
    formatted(text_of(variant))
    assert not strange(text_of(variant))


def test_the_smallest_is_short_and_the_largest_no_longer() -> None:
    small, large = (text_of(variant).count("\n") for variant in ("d0", "d7x"))
    assert small <= 500
    assert large <= 1.1 * small


def test_sizes_have_the_same_classes() -> None:
    small, middle, large = (signatures(text_of(v)) for v in ("d0", "d3", "d7x"))
    assert small == middle
    assert {**large, "FastFusion": small["FastFusion"]} == small
    assert all(text.count(",") < MAX_PARAMETERS + 1 for text in small.values())


def test_one_class_for_what_a_person_would_call_one_thing() -> None:
    names = set(signatures(text_of("d0")))
    assert names >= {"Mbconv", "SqueezeExcite", "BifpnCell", "DetectionHead", "Efficientnet"}
    assert not [name for name in names if re.search(r"Mbconv.|Variant|DetectionHead.", name)]


def test_an_inverted_residual() -> None:
    mbconv = body_of(text_of("d0"), "Mbconv")
    residual = "self.residual = stride == 1 and channels == in_channels"
    assert residual in mbconv
    drop = "DropPath(drop_path) if self.residual and drop_path > 0 else nn.Identity()"
    assert f"self.drop = {drop}" in mbconv
    assert "if self.residual: y = x + y return y" in mbconv


def test_drop_rates_are_shares() -> None:
    backbone = body_of(text_of("d0"), "Efficientnet")
    assert (
        "*(Mbconv(192, 192, kernel=5, drop_path=0.2 * i / 16) for i in range(12, 15))" in backbone
    )
    assert "Mbconv(192, 320, drop_path=0.2 * 15 / 16)" in backbone
    names = "x = self.stage2(x) stage3 = self.stage3(x) x = self.stage4(stage3)"
    assert names in backbone


def test_the_network_reads_like_the_paper() -> None:
    network = body_of(text_of("d0"), "Efficientdet")
    assert "p3, p4, p5 = self.backbone(image) p6, p7 = self.extra(p5)" in network
    assert "p3, p4, p5, p6, p7 = self.neck(p3, p4, p5, p6, p7)" in network
    cell = class_of(text_of("d0"), "BifpnCell")
    assert "        td6 = self.td6(in6, in7)  # P6: (N, 64, H/64, W/64)\n" in cell
