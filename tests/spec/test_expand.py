"""Generators, templates, `maybe`, `else`, `when`, levels, inputs and outputs."""

from __future__ import annotations

from pathlib import Path

import pytest

from archgraph.spec import expand_topology
from tests.spec.written import (
    DEFAULTS,
    HEAD,
    expanded,
    given,
    mistakes,
    told,
    topology,
    wiring,
)


def neck(nodes: str, outputs: str = "out<l>", head: str = HEAD) -> str:
    lines = "".join(f"  - {line}\n" for line in nodes.strip().splitlines())
    return f"{head}{DEFAULTS}nodes:\n{lines}outputs: {outputs}\n"


def test_generators_run_both_ways(tmp_path: Path) -> None:
    nodes = """{for: l in hi downto lo, name: td<l>, from: [in<l>, maybe td<l+1>]}
{for: l in lo..hi, name: out<l>, from: [td<l>, maybe out<l-1>]}"""
    assert wiring(expanded(tmp_path, neck(nodes))) == [
        "td5@5 <- in5",
        "td4@4 <- in4 td5",
        "td3@3 <- in3 td4",
        "out3@3 <- td3",
        "out4@4 <- td4 out3",
        "out5@5 <- td5 out4",
    ]


@pytest.mark.parametrize("loop", ["l in lo+1..hi-1", "l in hi-1 downto lo+1", "l in hi..lo"])
def test_generators_may_be_empty(loop: str, tmp_path: Path) -> None:
    nodes = (
        f"{{for: {loop}, name: m<l>, from: in<l>}}\n{{for: l in lo..hi, name: out<l>, from: in<l>}}"
    )
    found = expanded(tmp_path, neck(nodes), given(levels="3..4"))
    assert wiring(found) == ["out3@3 <- in3", "out4@4 <- in4"]


def test_names_are_templates(tmp_path: Path) -> None:
    nodes = """{for: k in 1..2, name: step<k>_of_<hi-lo>, level: lo + k, from: in<lo + k>}
{for: l in lo..hi, name: out<l>, from: 'in<max(l, lo)>'}"""
    assert wiring(expanded(tmp_path, neck(nodes))) == [
        "step1_of_2@4 <- in4",
        "step2_of_2@5 <- in5",
        "out3@3 <- in3",
        "out4@4 <- in4",
        "out5@5 <- in5",
    ]


def test_a_step_parameter_is_inserted_as_a_word(tmp_path: Path) -> None:
    head = HEAD.replace("channels: 64", "channels: 64, kind: {step: sum}")
    nodes = "{for: l in lo..hi, name: <kind>_<l>, from: in<l>}"
    found = expanded(tmp_path, neck(nodes, "<kind>_<l>", head), given(kind="fast"))
    assert [node.name for node in found.nodes] == ["fast_3", "fast_4", "fast_5"]


def test_maybe_and_else_take_the_first_that_exists(tmp_path: Path) -> None:
    nodes = """{name: mid4, from: in4}
{for: l in lo..hi, name: out<l>, from: [mid<l> else in<l>, maybe none<l>, maybe out<l-2> else out<l-1>]}"""
    assert wiring(expanded(tmp_path, neck(nodes))) == [
        "mid4@4 <- in4",
        "out3@3 <- in3",
        "out4@4 <- mid4 out3",
        "out5@5 <- in5 out3",
    ]


def test_a_node_that_when_skips_does_not_exist(tmp_path: Path) -> None:
    nodes = """{for: l in lo..hi, name: td<l>, when: l != 4 and channels > 32, from: in<l>}
{for: l in lo..hi, name: out<l>, from: td<l> else in<l>}"""
    found = expanded(tmp_path, neck(nodes))
    assert wiring(found) == [
        "td3@3 <- in3",
        "td5@5 <- in5",
        "out3@3 <- td3",
        "out4@4 <- in4",
        "out5@5 <- td5",
    ]
    few = wiring(expanded(tmp_path, neck(nodes), given(channels=32)))
    assert few == ["out3@3 <- in3", "out4@4 <- in4", "out5@5 <- in5"]


@pytest.mark.parametrize("when", ["true", "'true'", "lo == 3", "1"])
def test_when_is_an_expression_or_a_truth_value(when: str, tmp_path: Path) -> None:
    nodes = f"{{for: l in lo..hi, name: out<l>, when: {when}, from: in<l>}}"
    assert len(expanded(tmp_path, neck(nodes)).nodes) == 3


def test_levels_of_nodes(tmp_path: Path) -> None:
    nodes = """{name: stated, level: lo + 1, from: [in3, in5]}
{for: l in 5..5, name: loop<l>, from: [in3, in4]}
{name: common, from: [stated, in4]}
{for: l in lo..hi, name: out<l>, from: in<l>}"""
    found = [(node.name, node.level) for node in expanded(tmp_path, neck(nodes)).nodes[:3]]
    assert found == [("stated", 4), ("loop5", 5), ("common", 4)]


def test_edges_keep_their_order_names_and_steps(tmp_path: Path) -> None:
    nodes = """{name: a, level: 4, from: [{from: maybe in5, name: top<lo>, up: resize}, in4, {name: again, from: in4}]}
{for: l in lo..hi, name: out<l>, from: in<l>}"""
    node = expanded(tmp_path, neck(nodes)).nodes[0]
    assert [(edge.source, edge.name) for edge in node.edges] == [
        ("in5", "top3"),
        ("in4", None),
        ("in4", "again"),
    ]
    assert node.edges[0].model is not None and node.edges[0].model.up == "resize"
    assert node.edges[1].model is None


# --- inputs ----------------------------------------------------------------------------------


def test_inputs_by_template_mapping_and_list(tmp_path: Path) -> None:
    nodes = "{for: l in lo..hi, name: out<l>, from: c<l>}"
    for inputs in (
        "c<l>",
        "{for: l in lo..hi, name: c<l>}",
        "{for: k in lo..hi, name: c<k>, level: k}",
        "[{name: c3, level: lo}, {for: l in lo+1..hi, name: c<l>}]",
    ):
        head = f"{HEAD}inputs: '{inputs}'\n" if inputs == "c<l>" else f"{HEAD}inputs: {inputs}\n"
        found = expanded(tmp_path, neck(nodes, head=head))
        assert [(i.name, i.level, i.channels) for i in found.inputs] == [
            ("c3", 3, 64),
            ("c4", 4, 64),
            ("c5", 5, 64),
        ]


# --- outputs ---------------------------------------------------------------------------------


def test_outputs_by_template_and_mapping(tmp_path: Path) -> None:
    nodes = "{for: l in lo..hi, name: out<l>, when: l != 4, from: in<l>}"
    found = expanded(tmp_path, neck(nodes, "out<l> else in<l>"))
    assert {level: name for level, (name, _) in found.outputs.items()} == {
        3: "out3",
        4: "in4",
        5: "out5",
    }
    found = expanded(tmp_path, neck(nodes, "maybe out<l>"))
    assert sorted(found.outputs) == [3, 5]
    found = expanded(tmp_path, neck(nodes, "{lo: out<lo>, hi: out5, 4: 'in<l>'}"))
    assert {level: name for level, (name, _) in found.outputs.items()} == {
        3: "out3",
        5: "out5",
        4: "in4",
    }


# --- mistakes that are not repeated ----------------------------------------------------------


@pytest.mark.parametrize(
    "broken",
    [
        "{for: l in 7..3, name: td<l>, from: in<l>}",
        "{for: l in lo..hi, name: td<l, from: in<l>}",
        "{for: l in lo..hi, name: td<ll>, from: in<l>}",
        "{for: l in lo..hi, name: td<l>, when: lll > 3, from: in<l>}",
        "{for: l in lo..hi, name: td<l>, level: 99, from: in<l>}",
        "{for: l in lo..hi, name: td<l>, from: inn<l>}",
        "{for: l in lo..hi, name: td<l>, from: inn<l> or in<l>}",
        "{for: l in lo..hi, name: td<l>}",
        "{for: k in lo..hi, name: td<k>, from: [in<k>, inn<k>]}",
        "{for: k in lo..hi, name: td<k>, from: [maybe no<k>]}",
    ],
)
def test_who_reads_a_broken_node_is_not_blamed(broken: str, tmp_path: Path) -> None:
    nodes = f"{broken}\n{{for: l in lo..hi, name: out<l>, from: [td<l>, maybe out<l-1>]}}"
    found = mistakes(tmp_path, neck(nodes))
    assert len(found) == 1, told(found)
    assert found[0].location is not None and found[0].location.line == 7
    # also where the level is known only from what is read
    nodes = f"{broken}\n{{for: k in lo..hi, name: out<k>, from: [td<k>, maybe out<k-1>]}}"
    assert len(mistakes(tmp_path, neck(nodes))) == 1


def test_a_loop_repeats_a_mistake_once(tmp_path: Path) -> None:
    nodes = "{for: l in lo..hi, name: out<l>, from: [inn<l>, maybe out<l-1>]}"
    assert told(mistakes(tmp_path, neck(nodes))) == [
        "E102 7:45 node 'out3' reads 'inn3', which does not exist (and 2 more like it)"
    ]


def test_a_later_name_says_its_line(tmp_path: Path) -> None:
    nodes = "{name: a, level: 3, from: [in3, b]}\n{name: b, from: in3}"
    (found,) = mistakes(tmp_path, neck(nodes, "{3: a}"))
    assert found.message == "node 'a' reads 'b', which comes later"
    assert "move 'b' (line 8) before 'a'" in found.hint


@pytest.mark.parametrize(
    ("name", "nearest"), [("tdd3", "td3"), ("Td4", "td4"), ("in33", "in3"), ("ni4", "in4")]
)
def test_the_nearest_name_is_suggested(name: str, nearest: str, tmp_path: Path) -> None:
    nodes = f"{{for: l in lo..hi, name: td<l>, from: in<l>}}\n{{name: a, level: 3, from: {name}}}"
    (found,) = mistakes(tmp_path, neck(nodes, "{3: a}"))
    assert found.hint == f"did you mean '{nearest}'?"


# --- bounds ----------------------------------------------------------------------------------

BUSY = {
    "nodes": "{for: i in 1..10000, name: a<i>, level: 3, from: in3}\n" * 3,
    "rounds": "{for: i in 1..10000, name: a<i>, when: false, from: in3}\n" * 20,
    "entries": "{for: i in 1..9000, name: a<i>, level: 3, from: ["
    + ", ".join(f"maybe b{i}" for i in range(4_000))
    + "]}\n",
    "a long entry": "{for: i in 1..9000, name: a<i>, level: 3, from: "
    + " else ".join(f"b{i}" for i in range(40_000))
    + "}\n",
    "unknown names": "{for: i in 1..9000, name: a<i>, level: 3, from: inn<i>}\n",
    "lost names": "{name: a<z>, from: in3}\n" * 90
    + "{for: i in 1..9000, name: b<i>, level: 3, from: [maybe aa<i> else c<i>]}\n",
}


@pytest.mark.slow
@pytest.mark.parametrize("name", BUSY)
def test_no_spec_keeps_the_compiler_busy(name: str, tmp_path: Path) -> None:
    document, _ = topology(tmp_path, neck(BUSY[name], "{3: in3}"))
    found = expand_topology(document, {})
    assert found.faults
    assert len(found.faults) <= 110
