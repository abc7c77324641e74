"""From documents to a graph: blocks, steps, settings, defaults and edges."""

from __future__ import annotations

from pathlib import Path

import pytest

from archgraph.assemble import assemble_block, dead_ends, pass_steps
from archgraph.assemble.settings import split_settings
from archgraph.errors import SpecError
from archgraph.ir.ops import Activation, BatchNorm, Conv
from archgraph.ir.pyramid import Use
from archgraph.spec import BlockDocument, Library
from tests.assemble.necks import assembled, block_of, compiled, fuse, neck, operator
from tests.spec.written import DEFAULTS, HEAD, mistakes, pointed, sets, topology

# --- steps and words -------------------------------------------------------------------------


def test_a_parameter_may_hold_the_fusion_and_the_block(tmp_path: Path) -> None:
    head = "parameters: {levels: {levels: 3..5}, channels: 64, mix: {step: fast eps=1e-3}, b: {step: none}}\n"
    text = neck(block="<b>").replace(HEAD, "topology: neck\n" + head).replace("sum", "<mix>")
    op = fuse(assembled(tmp_path, text))
    assert (op.fusion.text, op.block) == ("fast eps=0.001", ())
    compilation = compiled(tmp_path, text, sets("mix=softmax", "b=conv-norm kernel=3"))
    op = fuse(compilation.written)
    assert (op.fusion.text, [step.text for step in op.block]) == (
        "softmax",
        ["conv-norm kernel=3"],
    )


def test_arguments_are_expressions_or_words_as_the_parameter_is(tmp_path: Path) -> None:
    more = (
        "---\nblock: mine\nparameters: {channels: required, mode: {step: relu}, width: 3}\n"
        "nodes: [{name: conv, use: conv channels=channels kernel=width}]\n"
    )
    head = "let: {three: 1 + 2, mode: 7, silu: 9}\n"
    text = neck(block="mine mode=silu width=three*1", head=head, more=more)
    compilation = compiled(tmp_path, text)
    assert [step.text for step in fuse(compilation.written).block] == ["mine mode=silu width=3"]
    assert operator(compilation, "out3.block.conv", Conv).kernel == 3


@pytest.mark.parametrize("mode", ["silu", "depthwise-norm", "mine"])
def test_a_block_takes_a_step_by_name(mode: str, tmp_path: Path) -> None:
    more = "---\nblock: outer\nparameters: {mode: {step: conv-norm}}\nnodes: [{name: a, use: <mode>}]\n"
    more += block_of("mine")
    found = compiled(tmp_path, neck(block=f"outer mode={mode}", more=more))
    assert any(node.name.startswith("out3.block.a") for node in found.operators.graph)


def test_names_of_the_edge_stay_open_until_the_edge_is_known(tmp_path: Path) -> None:
    text = neck().replace(
        "up: resize", "up: resize, project: {use: conv-norm, when: x.channels != channels}"
    )
    policy = assembled(tmp_path, text).graph.policy
    assert policy is not None and policy.project is not None
    (step,) = policy.project
    assert step.when is not None and step.when.text == "x.channels != channels"


def test_long_form_and_short_form_are_the_same(tmp_path: Path) -> None:
    short = fuse(assembled(tmp_path, neck(block="conv-norm kernel=3 stride=1"))).block
    long = "{use: conv-norm, with: {kernel: 3, stride: 1}}"
    mixed = "{use: conv-norm kernel=3, with: {stride: 2 - 1}}"
    assert fuse(assembled(tmp_path, neck(block=long))).block == short
    assert fuse(assembled(tmp_path, neck(block=mixed))).block == short
    assert fuse(assembled(tmp_path, neck(block=f"[{long}]"))).block == short


def test_chains_run_in_order(tmp_path: Path) -> None:
    compilation = compiled(tmp_path, neck(block="[silu, conv-norm kernel=3, relu]"))
    names = [node.name for node in compilation.operators.graph]
    assert [name for name in names if name.startswith("out3.block")] == [
        "out3.block.0",
        "out3.block.1.conv",
        "out3.block.1.norm",
        "out3.block.2",
    ]


@pytest.mark.parametrize(("when", "there"), [("level > 3", False), ("channels == 64", True)])
def test_a_step_may_have_a_condition(when: str, there: bool, tmp_path: Path) -> None:
    compilation = compiled(tmp_path, neck(block=f"{{use: conv-norm, when: {when}}}"))
    names = {node.name for node in compilation.operators.graph}
    assert ("out3.block.conv" in names) == there
    assert "out5.block.conv" in names


def test_use_nodes_have_with_and_a_block(tmp_path: Path) -> None:
    text = (
        HEAD
        + DEFAULTS
        + (
            "nodes:\n  - {for: l in lo..hi, name: out<l>, use: conv kernel=1, with: {channels: channels},"
            " from: in<l>, block: relu}\noutputs: out<l>\n"
        )
    )
    compilation = compiled(tmp_path, text)
    op = compilation.written.graph["out3"].op
    assert isinstance(op, Use)
    assert [step.text for step in (*op.use, *op.block)] == ["conv kernel=1 channels=64", "relu"]


# --- edges -----------------------------------------------------------------------------------

DOWN = "nodes:\n  - {name: a, level: 4, from: [in4, {from: in3%s}]}\noutputs: {4: a}\n"
WIDE = HEAD.replace("channels: 64", "channels: 64, in_channels: 32")


def test_edges_follow_the_policy_unless_they_say_more(tmp_path: Path) -> None:
    text = HEAD + DEFAULTS + DOWN % ", down: conv kernel=3 stride=2"
    names = {node.name for node in compiled(tmp_path, text).operators.graph}
    assert "a.inputs.in3.down" in names
    edges = compiled(tmp_path, text).pyramid.graph.inputs("a")
    assert edges[0].steps.down is None
    assert [step.text for step in edges[1].steps.down or ()] == [
        "conv channels=64 kernel=3 stride=2"
    ]


def test_project_none_means_none(tmp_path: Path) -> None:
    policy = DEFAULTS.replace("up: resize", "up: resize, project: conv-norm")
    text = WIDE + policy + DOWN % ", project: none"
    (found,) = (d for d in mistakes(tmp_path, text) if d.code.startswith("E"))
    assert (found.code, pointed(found)) == ("E210", "in3")
    text = HEAD + policy + DOWN % ", project: none"
    names = {node.name for node in compiled(tmp_path, text).operators.graph}
    assert "a.inputs.in4.project.conv" in names
    assert not any(name.startswith("a.inputs.in3.project") for name in names)


def test_resample_none_hands_a_value_on(tmp_path: Path) -> None:
    model = assembled(tmp_path, HEAD + DEFAULTS + DOWN % ", resample: none")
    assert [edge.steps.resample for edge in model.graph.inputs("a")] == [True, False]


# --- settings --------------------------------------------------------------------------------


def act(folder: Path, text: str, *outside: str) -> str:
    found = compiled(folder, text, sets(*outside))
    return operator(found, "out3.block.act", Activation).function


def test_settings_document_node_and_outside(tmp_path: Path) -> None:
    block = "conv-norm-act"
    assert act(tmp_path, neck(block=block)) == "relu"
    head = "settings: {act: silu}\n"
    assert act(tmp_path, neck(block=block, head=head)) == "silu"
    assert act(tmp_path, neck(block=block, head=head), "settings.act=gelu") == "gelu"
    node = ", settings: {act: mish}"
    assert act(tmp_path, neck(block=block, head=head, node=node)) == "mish"
    assert act(tmp_path, neck(block=block, head=head, node=node), "settings.act=gelu") == "mish"


def test_settings_of_a_block_count_inside_it(tmp_path: Path) -> None:
    more = "---\nblock: mine\nsettings: {act: sigmoid}\nnodes: [{name: act, use: act}]\n"
    assert act(tmp_path, neck(block="mine", more=more), "settings.act=gelu") == "sigmoid"
    node = more.replace("settings: {act: sigmoid}\n", "").replace(
        "use: act}", "use: act, settings: {act: relu6}}"
    )
    assert act(tmp_path, neck(block="mine", more=node)) == "relu6"


def test_norm_padding_and_bias_are_inherited(tmp_path: Path) -> None:
    head = "settings: {norm: batch-norm eps=1e-3 momentum=0.01, padding: same, bias: true}\n"
    compilation = compiled(tmp_path, neck(block="conv-norm kernel=3", head=head))
    conv = operator(compilation, "out3.block.conv", Conv)
    assert (conv.padding, conv.bias) == ("same", True)
    norm = operator(compilation, "out3.block.norm", BatchNorm)
    assert (norm.eps, norm.momentum) == (1e-3, 0.01)
    outside = sets("settings.padding=symmetric", "settings.bias=false", "settings.norm=batch-norm")
    compilation = compiled(tmp_path, neck(block="conv-norm kernel=3", head=head), outside)
    conv = operator(compilation, "out3.block.conv", Conv)
    assert (conv.padding, conv.bias) == ("symmetric", False)
    assert operator(compilation, "out3.block.norm", BatchNorm).eps == 1e-5


def test_init_is_inherited(tmp_path: Path) -> None:
    head = "settings: {init: he-normal}\n"
    mine = "---\nblock: mine\nnodes: [{name: conv, use: conv channels=64 %s}]\n"
    text = neck(block="mine", head=head, more=mine % "bias_init=-2.5")
    conv = operator(compiled(tmp_path, text), "out3.block.conv", Conv)
    assert (conv.init, conv.bias_init) == ("he-normal", -2.5)
    outside = sets("settings.init=lecun-normal")
    conv = operator(compiled(tmp_path, text, outside), "out3.block.conv", Conv)
    assert conv.init == "lecun-normal"
    text = neck(block="mine", head=head, more=mine % "init=torch")
    assert operator(compiled(tmp_path, text), "out3.block.conv", Conv).init == "torch"


def test_a_setting_may_be_a_block_of_the_file(tmp_path: Path) -> None:
    more = "---\nblock: double\nnodes: [{name: a, use: relu}, {name: b, use: silu}]\n"
    compilation = compiled(
        tmp_path, neck(block="conv-norm-act", more=more), sets("settings.act=double")
    )
    assert operator(compilation, "out3.block.act.b", Activation).function == "silu"


def test_split_settings_keeps_the_rest() -> None:
    rest, settings, faults = split_settings(sets("channels=8", "settings.act=silu"))
    assert (list(rest), faults) == (["channels"], [])
    assert settings.act is not None and settings.act.text == "silu"


# --- defaults --------------------------------------------------------------------------------


def test_inherited_then_document_then_use_site(tmp_path: Path) -> None:
    def kernel(text: str) -> int:
        return operator(compiled(tmp_path, text), "out3.block.conv", Conv).kernel

    assert kernel(neck(block="conv-norm")) == 1
    defaults = "  conv-norm: {kernel: 2 + 1}\n"
    assert kernel(neck(block="conv-norm", defaults=defaults)) == 3
    assert kernel(neck(block="conv-norm kernel=5", defaults=defaults)) == 5
    # a document's defaults are for what it writes, not for what its blocks write
    more = "---\nblock: mine\nnodes: [{name: conv, use: conv-norm channels=x.channels}]\n"
    inner = compiled(tmp_path, neck(block="mine", defaults=defaults, more=more))
    assert operator(inner, "out3.block.conv.conv", Conv).kernel == 1


def test_defaults_of_nodes_are_for_nodes_that_say_nothing(tmp_path: Path) -> None:
    text = neck(block="conv-norm", node=", fuse: fast, block: none")
    op = fuse(assembled(tmp_path, text))
    assert (op.fusion.use, op.block) == ("fast", ())


# --- the graph -------------------------------------------------------------------------------


def test_names_of_nodes_are_names_of_weights(tmp_path: Path) -> None:
    compilation = compiled(tmp_path, neck(block="conv-norm", node=", fuse: fast"))
    weights = {node.weights for node in compilation.operators.graph if node.name.startswith("out3")}
    assert weights == {"out3.fuse", "out3.block.conv", "out3.block.norm"}


def test_every_node_knows_its_place(tmp_path: Path) -> None:
    for node in assembled(tmp_path, neck(block="conv-norm")).graph:
        assert node.location is not None
        assert node.location.line == (1 if node.name.startswith("in") else 7)


def test_outputs_ascend_and_are_named_by_level(tmp_path: Path) -> None:
    text = neck().replace("outputs: out<l>", "outputs: {5: out5, lo: out3}")
    assert assembled(tmp_path, text).graph.outputs == {"p3": "out3", "p5": "out5"}


def test_dead_ends(tmp_path: Path) -> None:
    text = neck().replace("outputs: out<l>", "outputs: {3: out3}")
    nodes, inputs = dead_ends(assembled(tmp_path, text).graph)
    assert [node.name for node in nodes] == ["out4", "out5"]
    assert [node.name for node in inputs] == ["in4", "in5"]


def test_pass_steps(tmp_path: Path) -> None:
    document, _ = topology(tmp_path, neck(more="passes: [a b=1, {use: c, with: {d: 2}}]\n"))
    assert [step.text for step in pass_steps(document)] == ["a b=1", "c d=2"]
    document, _ = topology(tmp_path, neck(more="passes: ['a b', 'c,']\n"))
    with pytest.raises(SpecError) as caught:
        pass_steps(document)
    assert [d.code for d in caught.value.diagnostics] == ["E306", "E306"]


def test_assembling_raises_what_expanding_found(tmp_path: Path) -> None:
    with pytest.raises(SpecError) as caught:
        assembled(tmp_path, neck(block="convv").replace("from: in<l>", "from: inn<l>"))
    assert {d.code for d in caught.value.diagnostics} == {"E102", "E109"}


def test_assemble_block_gives_the_template() -> None:
    library = Library()
    document = library.document(*library.open("conv-norm"))
    assert isinstance(document, BlockDocument)
    found = assemble_block(document, library)
    assert [parameter.name for parameter in found.parameters] == ["channels", "kernel", "stride"]
    assert [node.name for node in found.walk()] == ["conv", "norm"]
