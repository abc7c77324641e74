"""Structure comes back: optional parts, lists, shared modules, inputs and results."""

from __future__ import annotations

import ast
import builtins
from pathlib import Path

from archgraph.compiler import arguments_from_python, compile_spec
from archgraph.ir import Graph
from tests.codegen.printed import class_of, text_of

BLOCKS = """
---
block: mbconv
doc: Inverted residual with squeeze-and-excitation.
parameters: {channels: required, kernel: 3, stride: 1, expand: 6, se: 0.25, drop_path: 0}
let:
  squeezed: max(1, floor(x.channels * se))
  same: stride == 1 and channels == x.channels
nodes:
  - {name: expand_conv, when: expand != 1, use: conv-norm-act channels=x.channels*expand}
  - {name: depthwise, use: depthwise-norm-act kernel=kernel stride=stride}
  - {name: squeeze, when: se > 0, use: squeeze channels=squeezed}
  - {name: project, use: conv-norm channels=channels}
  - {name: drop, when: same and drop_path > 0, use: drop-path rate=drop_path}
  - {name: residual, when: same, use: add, from: [x, drop else project]}
---
block: squeeze
parameters: {channels: required}
nodes:
  - {name: pool, use: global-pool}
  - {name: reduce, use: conv channels=channels}
  - {name: widen, use: conv channels=x.channels}
  - {name: scaled, use: multiply, from: [x, widen]}
---
block: stages
nodes:
  - {name: stage1, repeat: 1, use: mbconv channels=8 expand=1}
  - {name: stage2, repeat: 3, use: mbconv channels=16 drop_path=0.1}
  - {name: stage3, repeat: 4, use: mbconv channels=24 kernel=5, first: {stride: 2}}
---
block: tower
parameters: {channels: required, depth: 2}
nodes:
  - {name: convs, repeat: depth, use: conv-norm-act kernel=3 channels=channels}
---
block: two
parameters: {channels: required}
outputs: {low: second, high: first}
nodes:
  - {name: first, use: conv channels=channels}
  - {name: second, use: conv channels=channels kernel=3, from: first}
---
block: reads-two
parameters: {channels: required}
nodes:
  - {name: pair, use: two channels=channels}
  - {name: sum, use: add, from: [pair.low, pair.high]}
---
block: gate
inputs: [gate, gated]
nodes:
  - {name: pool, use: global-pool, from: gate}
  - {name: weight, use: sigmoid}
  - {name: scaled, use: multiply, from: [gated, weight]}
  - {name: sum, use: add, from: [gate, scaled]}
---
block: shares
parameters: {channels: required}
nodes:
  - {name: first, use: conv-norm channels=channels}
  - {name: again, use: conv-norm channels=channels, share: first}
  - {name: sum, use: add, from: [first, again]}
---
block: misleading
inputs: [input, object]
parameters: {filter: 8, hash: 3}
outputs: {min: dir, max: range}
nodes:
  - {name: map, use: conv kernel=hash channels=filter, from: input}
  - {name: map_, use: conv channels=input.channels*2, from: input}
  - {name: sum, use: add, from: [map, object]}
  - {name: dir, use: add, from: [sum, map]}
  - {name: range, use: multiply, from: [sum, dir]}
  - {name: l, use: concat, from: [range, map_]}
---
block: sums
nodes:
  - {name: gate, use: sigmoid}
  - {name: scaled, use: multiply, from: [x, gate]}
  - {name: conv, use: conv channels=x.channels}
  - {name: total, use: add, from: [x, conv, scaled]}
"""


def compiled(tmp_path: Path, text: str, **arguments: object) -> Graph:
    """The operators of a topology; it may use the blocks above."""
    path = tmp_path / "net.yaml"
    path.write_text(text + BLOCKS, "utf-8")
    return compile_spec(str(path), arguments_from_python(arguments)).operators.graph


def test_optional_parts_share_a_class_under_the_conditions_of_the_spec(tmp_path: Path) -> None:
    graph = compiled(
        tmp_path,
        """topology: net
parameters: {levels: {levels: 3..3}, channels: 8}
nodes: [{name: body, use: stages, from: in3, level: 4}]
outputs: {4: body}""",
    )
    text = text_of(graph)
    mbconv = class_of(text, "Mbconv")
    assert text.count("class Mbconv") == 1
    assert (
        "\n        kernel: int = 3,\n        stride: int = 1,\n        expand: int = 6," in mbconv
    )
    assert "ConvNormAct(in_channels, in_channels * expand) if expand != 1" in mbconv
    assert "Squeeze(in_channels * expand, max(1, math.floor(in_channels * se)))" in mbconv
    assert "self.residual = stride == 1 and channels == in_channels\n" in mbconv
    assert "        if self.residual:\n            y = x + y\n        return y" in mbconv
    stages = class_of(text, "Stages")
    assert "self.stage1 = nn.Sequential(Mbconv(8, 8, expand=1))" in stages
    assert "*(Mbconv(16, 16, drop_path=0.1) for _ in range(2))" in stages
    assert "*(Mbconv(24, 24, kernel=5) for _ in range(3))" in stages


def test_lists_of_different_lengths_share_a_class(tmp_path: Path) -> None:
    graph = compiled(
        tmp_path,
        """topology: net
parameters: {levels: {levels: 3..5}, channels: 8}
nodes: [{for: l in lo..hi, name: a<l>, use: tower channels=6+l depth=l-2, from: in<l>}]
outputs: a<l>""",
    )
    text = text_of(graph)
    tower = class_of(text, "Tower")
    assert "def __init__(self, in_channels: int, channels: int, depth: int = 2) -> None:" in tower
    assert "ConvNormAct(in_channels, channels, kernel=3)," in tower
    assert "*(ConvNormAct(channels, channels, kernel=3) for _ in range(depth - 1))," in tower
    assert "self.a3 = Tower(8, 9, depth=1)" in text
    assert "self.a4 = Tower(8, 10)" in text


def test_several_inputs_and_results_have_the_declared_order(tmp_path: Path) -> None:
    graph = compiled(
        tmp_path,
        """topology: net
parameters: {levels: {levels: 3..4}, channels: 8}
nodes:
  - {for: l in lo..hi, name: a<l>, use: reads-two channels=8, from: in<l>}
  - {for: l in lo..hi, name: b<l>, use: gate, from: {gated: in<l>, gate: a<l>}}
outputs: b<l>""",
    )
    text = text_of(graph)
    assert "def forward(self, gate: Tensor, gated: Tensor) -> Tensor:" in class_of(text, "Gate")
    assert "return second, first\n" in class_of(text, "Two") + "\n"
    assert "second, first = self.pair(x)" in class_of(text, "ReadsTwo")
    assert "b3 = self.b3(a3, in3)" in text


def test_a_shared_module_is_one_attribute(tmp_path: Path) -> None:
    graph = compiled(
        tmp_path,
        """topology: net
parameters: {levels: {levels: 3..4}, channels: 8}
nodes: [{for: l in lo..hi, name: a<l>, use: shares channels=8, from: in<l>}]
outputs: a<l>""",
    )
    shares = class_of(text_of(graph), "Shares")
    assert shares.count("ConvNorm(in_channels, channels)") == 1
    assert shares.count("self.first(") == 2


def test_a_module_of_an_outer_scope_is_handed_in(tmp_path: Path) -> None:
    graph = compiled(
        tmp_path,
        """topology: net
parameters: {levels: {levels: 3..5}, channels: 8}
passes: [repeat-cells count=2]
defaults:
  node: {fuse: fast, block: act-separable-conv-norm}
  edge: {project: {use: conv-norm channels=8, share: lateral}, up: resize mode=nearest}
nodes: [{for: l in hi downto lo, name: td<l>, from: [in<l>, maybe td<l+1>]}]
outputs: td<l>""",
    )
    text = text_of(graph)
    cell = class_of(text, "NetCell")
    assert text.count("class NetCell") == 1
    assert "self.lateral = ConvNorm(channels, channels)" in cell
    assert "td4 = self.td4(in4, td5, self.lateral)" in cell
    assert "def forward(self, in_l: Tensor, above: Tensor, lateral: nn.Module)" in text


def test_edges_of_other_names_share_a_class() -> None:
    arguments = {"levels": "3..6", "channels": 16, "cells": 3, "in_channels": [24, 40, 56, 16]}
    graph = compile_spec("bifpn", arguments_from_python(arguments)).operators.graph
    text = text_of(graph)
    assert [line for line in text.splitlines() if line.startswith("class BifpnCell")] == [
        "class BifpnCell(nn.Module):"
    ]
    assert text.count("\nclass Td") == 1
    edge = "Project(in_l_channels, channels) if in_l_channels != channels else nn.Identity()"
    assert f"        in_l_edge = {edge}\n" in text


def test_variables_and_parameters_hide_nothing_of_python(tmp_path: Path) -> None:
    """Attributes keep the names of the spec, since they are keys of the state dict."""
    graph = compiled(
        tmp_path,
        """topology: net
parameters: {levels: {levels: 3..4}, channels: 8}
nodes:
  - {for: l in lo..hi, name: wide<l>, use: conv channels=l+5, from: in<l>}
  - for: l in lo..hi
    name: all<l>
    use: misleading filter=l+5 hash=2*l-3
    from: {input: in<l>, object: wide<l>}
  - {name: O, level: 3, use: add, from: [all3.min, all3.max]}
  - {name: list, level: 4, use: add, from: [all4.min, all4.max]}
outputs: {3: O, 4: list}""",
    )
    text = text_of(graph)
    misleading = class_of(text, "Misleading")
    assert "def forward(self, input_: Tensor, object_: Tensor)" in misleading
    assert "map_ = self.map(input_)" in misleading
    assert "O_ = " in text and "list_ = " in text
    tree = ast.parse(text)
    arguments = {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}
    variables = {
        node.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }
    assert (arguments | variables) & ({*dir(builtins), "l", "O", "I"} - {"_"}) == set()


def test_a_sum_is_returned_where_a_type_checker_knows_it(tmp_path: Path) -> None:
    """What a module gives is Any to a type checker, and so is a sum with it."""
    graph = compiled(
        tmp_path,
        """topology: net
parameters: {levels: {levels: 3..3}, channels: 8}
nodes: [{name: a, use: sums, from: in3}, {name: b, use: gate, from: {gate: a, gated: in3}}]
outputs: {3: b}""",
    )
    text = text_of(graph)
    assert "x = x + conv + scaled\n        return x" in class_of(text, "Sums")
    assert "return gate + scaled" in class_of(text, "Gate")


def test_a_letter_is_no_name_of_a_class(tmp_path: Path) -> None:
    graph = compiled(
        tmp_path,
        """topology: net
parameters: {levels: {levels: 3..5}, channels: 8}
defaults: {node: {fuse: sum, block: conv-norm}, edge: {up: resize}}
nodes:
  - {for: l in hi downto lo, name: o<l>, from: [in<l>, maybe o<l+1>]}
outputs: o<l>""",
    )
    text = text_of(graph)
    assert "class ONode(nn.Module)" in text
    assert "class O5(nn.Module)" in text or "class ONodeOf1(nn.Module)" in text


def test_a_block_that_keeps_its_width_takes_one_width(tmp_path: Path) -> None:
    graph = compiled(
        tmp_path,
        """topology: net
parameters: {levels: {levels: 3..4}, channels: 8, in_channels: [8, 16]}
nodes: [{for: l in lo..hi, name: a<l>, use: residual, from: in<l>}]
outputs: a<l>""",
    )
    text = text_of(graph)
    residual = class_of(text, "Residual")
    assert "def __init__(self, in_channels: int) -> None:" in residual
    assert "ConvNormAct(in_channels, in_channels, kernel=3)" in residual
    assert "self.a4 = Residual(16)" in text
