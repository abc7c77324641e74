"""Groups, loops in loops, and entries that a loop repeats."""

from __future__ import annotations

from pathlib import Path

import pytest

from archgraph.spec import expand_topology
from tests.spec.test_expand import neck
from tests.spec.written import DEFAULTS, HEAD, expanded, given, mistakes, told, topology, wiring

COLUMNS = """{for: c in 1..2, nodes: [
    {for: l in hi downto lo, when: c == 1, name: k<c>_<l>, from: [in<l>, maybe k<c>_<l+1>]},
    {for: l in lo..hi, when: c == 2, name: k<c>_<l>, from: [k<c-1>_<l>, maybe k<c>_<l-1>]}]}"""


def test_each_round_makes_its_nodes_in_order(tmp_path: Path) -> None:
    text = neck(COLUMNS.replace("\n", " "), "k2_<l>")
    assert wiring(expanded(tmp_path, text, given(levels="3..4"))) == [
        "k1_4@4 <- in4",
        "k1_3@3 <- in3 k1_4",
        "k2_3@3 <- k1_3",
        "k2_4@4 <- k1_4 k2_3",
    ]


def test_the_level_variable_may_be_of_the_outer_loop(tmp_path: Path) -> None:
    nodes = (
        "{for: l in lo..hi, nodes: [{name: a<l>, from: in<l>},"
        " {for: i in 1..2, name: b<l>_<i>, from: [a<l>, maybe b<l>_<i-1>]}]}"
    )
    assert wiring(expanded(tmp_path, neck(nodes, "a<l>"), given(levels="3..4"))) == [
        "a3@3 <- in3",
        "b3_1@3 <- a3",
        "b3_2@3 <- a3 b3_1",
        "a4@4 <- in4",
        "b4_1@4 <- a4",
        "b4_2@4 <- a4 b4_1",
    ]


def test_groups_in_groups_and_bounds_of_outer_variables(tmp_path: Path) -> None:
    nodes = (
        "{for: a in 1..2, nodes: [{for: b in a..2, nodes: [{for: c in b downto a,"
        " name: n<a><b><c>, level: 3, from: in3}]}]}"
    )
    names = [node.name for node in expanded(tmp_path, neck(nodes, "{3: n111}")).nodes]
    assert names == ["n111", "n122", "n121", "n222"]


def test_when_of_a_group_decides_about_its_round(tmp_path: Path) -> None:
    nodes = "{for: l in lo..hi, when: l != 4, nodes: [{name: a<l>, from: in<l>}]}"
    names = [node.name for node in expanded(tmp_path, neck(nodes, "maybe a<l>")).nodes]
    assert names == ["a3", "a5"]
    nodes = "{when: channels > 64, nodes: [{name: a, from: in3}]}"
    assert expanded(tmp_path, neck(nodes, "in<l>")).nodes == ()


def test_a_loop_in_an_entry_makes_edges(tmp_path: Path) -> None:
    nodes = """{for: l in hi downto lo, name: k<l>, from: [in<l>, {for: i in 0..2, from: maybe k<l+2**i>}]}
{name: last, level: 3, from: {for: l in lo..hi, name: skip<l>, from: k<l>, up: resize}}"""
    found = expanded(tmp_path, neck(nodes, "k<l>"))
    assert wiring(found) == [
        "k5@5 <- in5",
        "k4@4 <- in4 k5",
        "k3@3 <- in3 k4 k5",
        "last@3 <- k3 k4 k5",
    ]
    assert [edge.name for edge in found.nodes[-1].edges] == ["skip3", "skip4", "skip5"]
    assert [edge.names["l"] for edge in found.nodes[-1].edges] == [3, 4, 5]


def test_a_loop_of_entries_may_be_empty(tmp_path: Path) -> None:
    nodes = "{for: l in lo..hi, name: k<l>, from: [in<l>, {for: i in hi..lo, from: nothing}]}"
    assert wiring(expanded(tmp_path, neck(nodes, "k<l>")))[0] == "k3@3 <- in3"


def test_outputs_by_a_loop_go_beyond_the_levels(tmp_path: Path) -> None:
    nodes = "{for: l in lo..hi+1, name: p<l>, from: in<l> else p<l-1>}"
    found = expanded(tmp_path, neck(nodes, "{for: l in lo+1..hi+1, from: p<l>}"))
    assert {level: name for level, (name, _) in found.outputs.items()} == {
        4: "p4",
        5: "p5",
        6: "p6",
    }


def test_results_exist_where_their_node_does(tmp_path: Path) -> None:
    nodes = """{name: lf, level: 3, use: anything, from: in3}
{for: l in lo..hi, name: p<l>, from: [hf.a else lf.l<l>, maybe hf.b]}"""
    assert wiring(expanded(tmp_path, neck(nodes, "p<l>")))[1:] == [
        "p3@3 <- lf.l3",
        "p4@4 <- lf.l4",
        "p5@5 <- lf.l5",
    ]


# --- mistakes --------------------------------------------------------------------------------


def test_a_mistake_in_a_group_is_told_once_and_costs_nobody_else(tmp_path: Path) -> None:
    nodes = (
        "{for: i in 1..9, nodes: [{name: a<i>, level: 3, from: in3}, {name: b<z>, from: a<i>},"
        " {name: c<i>, level: 3, from: [a<i>, b<i>]}]}"
    )
    assert told(mistakes(tmp_path, neck(nodes, "{3: c9}"))) == ["E302 7:74 unknown name 'z'"]


def test_all_nodes_of_a_broken_group_are_lost(tmp_path: Path) -> None:
    nodes = """{for: l in lo..z, nodes: [{name: a<l>, from: in<l>}, {nodes: [{name: b<l>, from: in<l>}]}]}
{for: l in lo..hi, name: c<l>, from: [a<l>, b<l>]}"""
    assert [d.code for d in mistakes(tmp_path, neck(nodes, "c<l>"))] == ["E302"]


def test_an_inner_loop_hides_no_outer_variable(tmp_path: Path) -> None:
    nodes = "{for: l in lo..hi, nodes: [{for: l in lo..hi, name: a<l>, from: in<l>}]}"
    (found,) = mistakes(tmp_path, neck(nodes, "{3: in3}"))
    assert found.code == "E104" and "'l' hides a name" in found.message


def test_names_of_rounds_must_differ(tmp_path: Path) -> None:
    nodes = "{for: i in 1..2, nodes: [{name: a, level: 3, from: in3}]}"
    (found,) = mistakes(tmp_path, neck(nodes, "{3: a}"))
    assert (found.code, found.hint) == ("E104", "put the loop variable into the name: td<l>")


@pytest.mark.parametrize(
    "nodes",
    [
        pytest.param(
            "{for: a in 1..400, nodes: [{for: b in 1..400, name: n<a>_<b>, level: 3, from: in3}]}",
            marks=pytest.mark.slow,
        ),
        "{for: a in 1..400, nodes: [{for: b in 1..400, name: n, when: false, from: in3}]}",
        "{for: a in 1..9000, name: n<a>, level: 3, from: [in3, {for: b in 1..9000, from: maybe x}]}",
        "{for: a in 1..99, nodes: [{for: b in 1..9999, nodes: [{for: c in 1..0-a, name: n, from: in3}]}]}",
    ],
)
def test_loops_in_loops_are_bounded(nodes: str, tmp_path: Path) -> None:
    document, _ = topology(tmp_path, neck(nodes, "{3: in3}"))
    found = expand_topology(document, {})
    assert [fault.code for fault in found.faults] == ["E304"]


# --- extends ---------------------------------------------------------------------------------

BASE = (
    HEAD.replace("neck", "base")
    + DEFAULTS
    + "nodes:\n  - for: l in lo..hi\n    nodes:\n"
    + "      - {name: a<l>, from: in<l>}\n      - {name: b<l>, from: a<l>}\n"
    + "outputs: b<l>\n---\n"
)


def extending(folder: Path, more: str) -> list[str]:
    return wiring(expanded(folder, f"{BASE}topology: neck\nextends: base\n{more}"))


def test_nodes_in_groups_are_merged_by_name(tmp_path: Path) -> None:
    found = extending(tmp_path, "nodes: [{name: b<l>, from: [a<l>, in<l>]}]\n")
    assert found[:2] == ["a3@3 <- in3", "b3@3 <- a3 in3"]
    assert len(found) == 6


def test_groups_are_appended(tmp_path: Path) -> None:
    more = "nodes: [{for: l in lo..hi, nodes: [{name: c<l>, from: b<l>}]}]\n"
    assert extending(tmp_path, more)[-3:] == ["c3@3 <- b3", "c4@4 <- b4", "c5@5 <- b5"]
    # twice: neither group is taken for the other
    two = f"---\ntopology: neck\nextends: middle\n{more.replace('c<l>', 'd<l>')}"
    text = f"{BASE}topology: middle\nextends: base\n{more}{two}"
    assert len(wiring(expanded(tmp_path, text))) == 12


def test_nodes_in_groups_are_removed(tmp_path: Path) -> None:
    found = extending(tmp_path, "remove: [b<l>]\noutputs: a<l>\n")
    assert found == ["a3@3 <- in3", "a4@4 <- in4", "a5@5 <- in5"]
    found = extending(
        tmp_path,
        "remove: [a<l>, b<l>]\nnodes: [{for: l in lo..hi, name: a<l>, from: in<l>}]\noutputs: a<l>\n",
    )
    assert found == ["a3@3 <- in3", "a4@4 <- in4", "a5@5 <- in5"]


def test_what_cannot_be_removed_from_a_group(tmp_path: Path) -> None:
    more = "remove: [c<l>]\n"
    (found,) = mistakes(tmp_path, f"{BASE}topology: neck\nextends: base\n{more}")
    assert (found.code, found.hint) == ("E117", "did you mean 'b<l>'?")
