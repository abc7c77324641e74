"""Traps in the literature and in released code, each against what the language does about it.

A spec that would fall into one is right, reported, or impossible to write.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from archgraph.codegen import emit, load_module
from archgraph.compiler import Compilation, compile_spec
from archgraph.expressions import parse_expression
from archgraph.ir import Graph, print_graph
from archgraph.ir.ops import Activation, BatchNorm, Concat, Conv, GroupNorm, MaxPool
from archgraph.ir.pyramid import Fuse
from archgraph.passes import PassResult
from tests.passes.support import compiled, compiled_text
from tests.spec.written import mistakes

HEAD = """\
topology: neck
parameters: {levels: {levels: 3..5}, channels: 16}
defaults:
  node: {fuse: sum, block: none}
  edge:
    project: {use: conv-norm, when: x.channels != channels}
    up: resize mode=nearest
    down: max-pool kernel=3 stride=2
"""


def reads(graph: Graph, name: str) -> list[str]:
    """What a node reads, in order."""
    return [edge.source for edge in graph.inputs(name)]


def said(folder: Path, text: str) -> list[tuple[str, str]]:
    """The codes and messages of what is wrong with a spec."""
    return [(found.code, found.message) for found in mistakes(folder, text)]


def result_of(compilation: Compilation, name: str) -> PassResult:
    return next(result for result in compilation.results if result.name == name)


def operators(compilation: Compilation, kind: type) -> list[str]:
    """The operators of one kind by name."""
    return [node.name for node in compilation.operators.graph if isinstance(node.op, kind)]


def block_of(graph: Graph, name: str) -> str:
    op = graph[name].op
    assert isinstance(op, Fuse)
    return " ".join(step.use for step in op.block)


def test_1_the_two_equations_of_fpn() -> None:
    """The published FPN hands down what is not yet convolved, EfficientDet's what is."""
    published = compiled("fpn", levels="3..5").pyramid.graph
    assert reads(published, "m3") == ["lat3", "m4"]
    assert block_of(published, "m4") == ""
    assert reads(published, "p4") == ["m4"]
    rewritten = compiled("fpn-efficientdet", levels="3..5").pyramid.graph
    assert reads(rewritten, "td3") == ["in3", "td4"]
    assert block_of(rewritten, "td4") == "act-separable-conv-norm"
    assert rewritten.outputs["p4"] == "td4"


def test_2_what_the_bottom_up_path_of_pafpn_carries(tmp_path: Path) -> None:
    """The paper's path carries convolved maps, mmdet's the sums; a spec says which it reads."""
    nodes = """\
nodes:
  - {for: l in lo..hi, name: sum<l>, from: [in<l>, maybe SOURCE<l-1>]}
  - {for: l in lo..hi, name: out<l>, use: conv kernel=3 channels=channels, from: sum<l>}
outputs: out<l>
"""
    sums = compiled_text(tmp_path, nodes.replace("SOURCE", "sum"), HEAD).pyramid.graph
    assert reads(sums, "sum4") == ["in4", "sum3"]
    # The convolution of a level comes after all sums: read too early, it is reported.
    ((code, message), *_) = said(tmp_path, HEAD + nodes.replace("SOURCE", "out"))
    assert code == "E103" and message.startswith("node 'sum4' reads 'out3', which comes later")
    grouped = """\
nodes:
  - for: l in lo..hi
    nodes:
      - {name: sum<l>, from: [in<l>, maybe out<l-1>]}
      - {name: out<l>, use: conv kernel=3 channels=channels, from: sum<l>}
outputs: out<l>
"""
    convolved = compiled_text(tmp_path, grouped, HEAD).pyramid.graph
    assert reads(convolved, "sum4") == ["in4", "out3"]


def test_3_the_finest_output_of_bifpn_is_no_output_node() -> None:
    """Outputs are named by level, so no order of nodes decides which they are."""
    graph = compiled("bifpn", levels="3..5").pyramid.graph
    assert graph.outputs == {"p3": "cells.0.td3", "p4": "cells.0.out4", "p5": "cells.0.out5"}
    assert "cells.0.out3" not in graph


def test_4_which_input_of_nas_fpn_is_the_gate(tmp_path: Path) -> None:
    """Two implementations gate different inputs; here the inputs of the block have names."""
    graph = compiled("nas-fpn", cells=1).pyramid.graph
    assert {e.name: e.source for e in graph.inputs("cells.0.m0")} == {"gate": "in6", "gated": "in4"}
    assert "in5" in reads(graph, "cells.0.m4") and "in7" in reads(graph, "cells.0.m5")
    listed = "nodes:\n  - {name: a, level: 3, use: gp-attention, from: [in4, in3]}\n"
    listed += "outputs: {3: a, 4: in4, 5: in5}\n"
    assert said(tmp_path, HEAD + listed) == [("E215", "'gp-attention' has 2 inputs that differ")]


def test_5_skip_edges_of_the_first_cell_project_by_themselves() -> None:
    compilation = compiled("bifpn", levels="3..5", channels=16, in_channels=8, cells=2)
    weights = {node.weights for node in compilation.operators.graph if isinstance(node.op, Conv)}
    inside, skip = (f"cells.0.{name}.inputs.in4.project.conv" for name in ("td4", "out4"))
    assert {inside, skip} <= weights
    assert not [name for name in weights if name.startswith("cells.1.") and ".project." in name]


@pytest.mark.parametrize("channels", [256, 64])
def test_6_what_p6_is_made_of(channels: int) -> None:
    """Said by the spec, and not by whether two widths happen to be equal."""
    for source in ("in", "p"):
        made = compiled("fpn-retinanet", source=source, in_channels=channels, channels=256)
        assert reads(made.pyramid.graph, "p6") == [f"{source}5"]


def test_7_the_order_of_a_concatenation(tmp_path: Path) -> None:
    """The order of `from`, whatever the levels; YOLO's is [resampled, lateral]."""
    graph = compiled("yolov8-pafpn").pyramid.graph
    assert reads(graph, "t4") == ["in5", "in4"] and reads(graph, "o4") == ["t3", "t4"]
    shown = set[str]()
    for order in (["in4", "in3"], ["in3", "in4"]):
        text = f"nodes:\n  - {{name: a, level: 3, fuse: concat, from: [{', '.join(order)}]}}\n"
        made = compiled_text(tmp_path, text + "outputs: {3: a, 4: in4, 5: in5}\n", HEAD)
        assert reads(made.pyramid.graph, "a") == order
        (concat,) = operators(made, Concat)
        first = reads(made.operators.graph, concat)[0]
        assert (first == "in3") is (order[0] == "in3")
        shown.add(print_graph(made.operators.graph))
    assert len(shown) == 2


def test_8_widths_are_clamped_before_they_are_scaled() -> None:
    """`m` has max_channels 768 and width 0.75: 768 * 0.75 and not min(1024 * 0.75, 768)."""
    for variant, widest in (("n", 256), ("s", 512), ("m", 576), ("l", 512), ("x", 640)):
        graph = compile_spec("yolov8-pafpn", variant=variant).operators.graph
        assert graph.infer_types()[graph.outputs["p5"]].channels == widest


def test_9_published_models_leave_their_formulas(tmp_path: Path) -> None:
    """A row of `variants` overrides what `let` computes, so that the exception is in sight."""
    text = """\
topology: scaled
parameters: {levels: {levels: 3..4}, channels: 8, phi: 0}
let: {depth: 3 + phi}
variants: {d5: {phi: 5}, d6: {phi: 6}, d7: {phi: 7, depth: 8}}
nodes:
  - {for: i in 1..depth, name: n<i>, level: 3, use: relu, from: n<i-1> else in3}
outputs: {3: n<depth>, 4: in4}
"""
    path = tmp_path / "scaled.yaml"
    path.write_text(text, "utf-8")
    for variant, depth in (("", 3), ("d5", 8), ("d6", 9), ("d7", 8)):
        graph = compile_spec(path.as_posix(), variant=variant).pyramid.graph
        assert graph.outputs["p3"] == f"n{depth}"


def test_10_nodes_of_efficientdet_begin_with_their_activation() -> None:
    """What leaves a node is not activated: heads, pools and the next cell see it as it is."""
    compilation = compiled("bifpn", levels="3..5", cells=2)
    graph = compilation.operators.graph
    for value in graph.outputs.values():
        assert isinstance(graph[value].op, BatchNorm)
    for name in operators(compilation, Activation):
        (source,) = reads(graph, name)
        assert graph[source].op.kind in ("weighted-sum", "add")


def test_11_windows_of_pooling_where_sizes_are_odd(tmp_path: Path) -> None:
    """Kernel 2 and kernel 3 differ; what would break ceil sizes is refused."""
    node = (
        "nodes:\n  - {name: a, level: 4, use: STEP, from: in3}\noutputs: {3: in3, 4: a, 5: in5}\n"
    )
    for step in ("max-pool kernel=3 stride=2", "max-pool kernel=2 stride=2 padding=same"):
        made = compiled_text(tmp_path, node.replace("STEP", step), HEAD)
        module = load_module(emit(made.operators.graph))
        sizes = [(9, 5), (5, 3), (3, 2)]
        found = module([torch.zeros(1, 16, *size) for size in sizes])
        assert [tuple(x.shape[-2:]) for x in found] == [(9, 5), (5, 3), (3, 2)]
        (pool,) = [n.op for n in made.operators.graph if isinstance(n.op, MaxPool)]
        assert pool.kernel == int(step.partition("kernel=")[2][0])
    ((code, _),) = said(tmp_path, HEAD + node.replace("STEP", "max-pool kernel=2 stride=2"))
    assert code == "E213"


def test_12_maps_are_resized_to_a_map_and_not_by_a_factor(tmp_path: Path) -> None:
    source = emit(compiled("bifpn", levels="3..5").operators.graph)
    assert "scale_factor" not in source.text and "size=" in source.text
    module = load_module(source)
    sizes = [(13, 9), (7, 5), (4, 3)]
    found = module([torch.zeros(1, 64, *size) for size in sizes])
    assert [tuple(x.shape[-2:]) for x in found] == sizes
    text = HEAD.replace("resize mode=nearest", "resize scale=2") + "nodes:\n"
    text += "  - {name: a, level: 3, from: [in3, in4]}\noutputs: {3: a, 4: in4, 5: in5}\n"
    assert said(tmp_path, text) == [("E112", "'resize' has no argument 'scale'")]


PRUNED = HEAD + "passes: [prune-single-input]\nnodes:\n"


def test_13_pruning_an_output_moves_it_unless_its_width_would_change(tmp_path: Path) -> None:
    text = (
        "  - {for: l in hi downto lo, name: td<l>, from: [in<l>, maybe td<l+1>]}\noutputs: td<l>\n"
    )
    moved = compiled_text(tmp_path, text, PRUNED)
    assert moved.pyramid.graph.outputs == {"p3": "td3", "p4": "td4", "p5": "in5"}
    kept = compiled_text(tmp_path, text, PRUNED, in_channels=8)
    assert kept.pyramid.graph.outputs == {"p3": "td3", "p4": "td4", "p5": "td5"}
    (why,) = result_of(kept, "prune-single-input").kept
    assert "td5" in why and "channels" in why


@pytest.mark.parametrize(("value", "rounded"), [(0.5, 0), (1.5, 2), (2.5, 2), (3.5, 4), (-0.5, 0)])
def test_14_a_half_is_rounded_to_even(value: float, rounded: int) -> None:
    assert parse_expression("round(v)").evaluate({"v": value}) == rounded


def test_15_a_node_whose_edge_has_weights_of_its_own_is_not_pruned(tmp_path: Path) -> None:
    text = """\
  - {name: a, level: 3, from: [{from: in3, project: conv channels=channels}]}
  - {name: b, from: a}
  - {name: c, from: [a, b]}
outputs: {3: c, 4: in4, 5: in5}
"""
    done = compiled_text(tmp_path, text, PRUNED)
    assert reads(done.pyramid.graph, "a") == ["in3"] and "b" not in done.pyramid.graph
    (why,) = result_of(done, "prune-single-input").kept
    assert "'a'" in why or "a " in why


def test_16_what_a_node_says_is_not_ignored(tmp_path: Path) -> None:
    """Elsewhere a node's own fusion, a norm, or whose weights are shared, is silently dropped."""
    text = """\
nodes:
  - {name: a, level: 3, fuse: fast, from: [in3, in4]}
  - {name: b, level: 3, from: [a, in3], block: conv-norm kernel=3}
  - {name: c, level: 3, from: [b, in3], block: conv-norm kernel=3}
outputs: {3: c, 4: in4, 5: in5}
"""
    norm = "settings: {norm: group-norm groups=4}\n"
    made = compiled_text(tmp_path, text, HEAD + norm)
    kinds = {node.name: node.op.kind for node in made.operators.graph}
    assert kinds["a.fuse"] == "weighted-sum" and kinds["b.fuse"] == "add"
    assert operators(made, BatchNorm) == [] and len(operators(made, GroupNorm)) == 2
    weights = [n.weights for n in made.operators.graph if isinstance(n.op, Conv)]
    assert len(weights) == len(set(weights)) == 2


def test_17_edges_side_by_side(tmp_path: Path) -> None:
    """Two edges between two nodes stay two, with steps and weights of their own."""
    text = """\
nodes:
  - name: a
    level: 4
    from: [in4, {name: one, from: in3, down: conv channels=channels kernel=3 stride=2},
           {name: two, from: in3, down: conv channels=channels kernel=3 stride=2}, {name: three, from: in3}]
outputs: {3: in3, 4: a, 5: in5}
"""
    made = compiled_text(tmp_path, text, HEAD)
    assert reads(made.pyramid.graph, "a") == ["in4", "in3", "in3", "in3"]
    convolutions = [n.weights for n in made.operators.graph if isinstance(n.op, Conv)]
    assert convolutions == ["a.inputs.one.down", "a.inputs.two.down"]
    grids = compiled("fpg", pathways=2).pyramid.graph
    assert reads(grids, "g1_7").count("in7") == 2
    unnamed = "nodes:\n  - {name: a, level: 3, from: [in3, in3]}\noutputs: {3: a, 4: in4, 5: in5}\n"
    assert said(tmp_path, HEAD + unnamed) == [("E104", "node 'a' has two edges named 'in3'")]


def test_every_trap_has_its_test() -> None:
    numbers = [
        int(name.split("_")[1])
        for name in globals()
        if name.startswith("test_") and name[5].isdigit()
    ]
    assert numbers == list(range(1, 18))
