"""Variants and maps: rows that override, numbers by level."""

from __future__ import annotations

from pathlib import Path

import pytest

from archgraph.assemble import assemble_topology
from archgraph.compiler import build, check_spec, compile_spec
from archgraph.errors import Diagnostic, SpecError
from archgraph.expressions import Table
from archgraph.ir.pyramid import Fuse, Use
from archgraph.spec import expand_topology, variant_of
from archgraph.spec.parameters import Bound, bind_parameters
from tests.spec.written import given, mistakes, sets, told, topology

FAMILY = """topology: neck
parameters: {levels: {levels: 3..5}, channels: 8, width: 1, fuse: {step: sum}, table: {map: {3: 1, hi: 2}}}
settings: {act: relu}
let:
  hidden: 8 * width
  twice(c): 2 * c
  last: 'twice(hidden)'
variants:
  a: {width: 2, settings: {act: silu}}
  b: {hidden: 5, fuse: fast eps=0.5, levels: 3..4, table: {map: {3: 7}}}
  c: {width: 3, channels: 2 * 8, fuse: {step: average}, levels: {levels: 4..5}, table: 9}
nodes:
  - {for: l in lo..hi, name: p<l>, fuse: <fuse>, from: in<l>, block: act}
outputs: p<l>
"""


def bound(folder: Path, variant: str, **values: object) -> Bound:
    document, _ = topology(folder, FAMILY)
    found = bind_parameters(document, given(**values), variant_of(document, variant))
    assert found.faults == (), found.faults
    return found


def test_a_row_overrides_parameters_and_values(tmp_path: Path) -> None:
    assert bound(tmp_path, "").names["last"] == 16
    assert bound(tmp_path, "a").names["last"] == 32
    b = bound(tmp_path, "b")
    assert (b.names["hidden"], b.names["last"], b.names["fuse"]) == (5, 10, "fast eps=0.5")
    assert (b.levels, b.names["table"]) == (range(3, 5), Table({3: 7}))
    c = bound(tmp_path, "c")
    assert (c.names["channels"], c.names["fuse"], c.levels) == (16, "average", range(4, 6))
    assert c.names["table"] == Table({3: 9, 4: 9, 5: 9})


def test_what_is_given_from_outside_counts_before_the_row(tmp_path: Path) -> None:
    found = bound(tmp_path, "c", width=1, levels="3..3", table={3: 4})
    assert (found.names["last"], found.levels, found.names["table"]) == (
        16,
        range(3, 4),
        Table({3: 4}),
    )


@pytest.mark.parametrize(
    ("variant", "outside", "act"),
    [("", [], "relu"), ("a", [], "silu"), ("b", [], "relu"), ("a", ["settings.act=mish"], "mish")],
)
def test_settings_of_a_row(variant: str, outside: list[str], act: str, tmp_path: Path) -> None:
    (tmp_path / "neck.yaml").write_text(FAMILY)
    found = compile_spec(f"{tmp_path}/neck.yaml", sets(*outside), variant=variant)
    inherited = found.written.graph.settings_at("").act
    assert inherited is not None
    assert inherited.text == act


def test_extends_merges_rows_by_key(tmp_path: Path) -> None:
    more = "---\ntopology: mine\nextends: neck\nvariants: {a: {hidden: 3}, d: {width: 9}}\n"
    document, _ = topology(tmp_path, FAMILY + more, "mine")
    assert list(document.variants) == ["a", "b", "c", "d"]
    assert dict(document.variants["a"].values) == {"width": 2, "hidden": 3}
    assert document.variants["a"].settings.act == "silu"


def test_an_unknown_variant_is_no_variant(tmp_path: Path) -> None:
    path = tmp_path / "neck.yaml"
    path.write_text(FAMILY.replace("  a: {", "  small: {"))
    for name, hint in (("smal", "did you mean 'small'?"), ("z", "variants: b, c, small")):
        with pytest.raises(SpecError) as caught:
            compile_spec(str(path), variant=name)
        (found,) = caught.value.diagnostics
        assert (found.code, found.hint) == ("E109", hint)
    assert [d.code for d in check_spec(str(path), variant="smal")] == ["E109"]
    with pytest.raises(SpecError) as caught:
        build("panet", variant="small")
    assert caught.value.diagnostics[0].hint == "it has no variants"


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ("{widht: 2}", "E112 9:7 this variant sets 'widht', which is no parameter and no value"),
        ("{twice: 2}", "E112 9:7 this variant sets 'twice', which is a function"),
        ("{lo: 2}", "E112 9:7 this variant sets 'lo', which is no parameter and no value"),
        ("{width: z}", "E302 9:14 unknown name 'z'"),
        (
            "{width: {step: sum}}",
            "E113 9:14 parameter 'width' is set to a step, and is declared as a number",
        ),
        (
            "{fuse: {map: {3: 1}}}",
            "E113 9:13 parameter 'fuse' is set to a map, and is declared as a step",
        ),
        ("{hidden: {map: {3: 1}}}", "E113 9:15 parameter 'hidden' is 'a mapping or a list'"),
        ("{levels: 5..3}", "E309 9:15 the range '5..3' is empty"),
        ("{settings: {akt: relu}}", "E101 9:18 unknown key 'akt'"),
        ("{settings: {act: rellu}}", "E109 9:23 there is no block 'rellu'"),
    ],
)
def test_mistakes_in_a_row_are_placed_in_it(row: str, expected: str, tmp_path: Path) -> None:
    text = FAMILY.replace("{width: 2, settings: {act: silu}}", row)
    found = told(mistakes(tmp_path, text))
    assert [line[: len(expected)] for line in found] == [expected]


def test_check_looks_at_every_variant(tmp_path: Path) -> None:
    text = FAMILY.replace("{width: 2, settings", "{width: 0.3, settings").replace(
        "block: act", "block: conv channels=hidden"
    )
    found = mistakes(tmp_path, text.replace("channels: 8,", "channels: 8.0,"))
    assert {d.code for d in found} == {"E113", "E214"}
    # one that loops and variants repeat is told once
    assert len([d for d in found if d.code == "E214"]) == 1


def test_a_document_that_only_its_variants_complete_is_checked_under_them(tmp_path: Path) -> None:
    text = FAMILY.replace("width: 1", "width: required")
    assert [d.code for d in mistakes(tmp_path, text)] == ["E111"]
    text = text.replace("{hidden: 5,", "{hidden: 5, width: 4,")
    assert told(mistakes(tmp_path, text)) == []


def test_a_chosen_variant_is_checked_alone(tmp_path: Path) -> None:
    path = tmp_path / "neck.yaml"
    path.write_text(FAMILY.replace("hidden: 5", "hiden: 5"))
    assert [d.code for d in check_spec(str(path))] == ["E112"]
    assert check_spec(str(path), variant="a") == []


# --- maps ------------------------------------------------------------------------------------

WIDE = """topology: neck
parameters: {levels: {levels: 3..5}, channels: {map: {3: 8, 4: 16, hi: 4 * 8}}}
defaults:
  node: {fuse: sum, block: conv-norm}
  edge: {up: resize, project: {use: conv-norm, when: x.channels != channels}}
nodes:
  - {for: l in hi downto lo, name: p<l>, from: [in<l>, maybe p<l+1>]}
  - {for: l in lo..hi, name: q<l>, use: conv channels=2*channels(l), from: p<l>}
outputs: q<l>
"""


def widths(folder: Path, text: str = WIDE, **values: object) -> dict[str, int]:
    document, library = topology(folder, text)
    graph = assemble_topology(expand_topology(document, given(**values)), library).graph
    return {node.name: node.op.channels for node in graph if isinstance(node.op, Fuse)}


def test_channels_by_level(tmp_path: Path) -> None:
    assert widths(tmp_path) == {"p5": 32, "p4": 16, "p3": 8}
    assert widths(tmp_path, channels={3: 1, 4: 2, 5: 3}) == {"p5": 3, "p4": 2, "p3": 1}
    assert widths(tmp_path, channels=6) == {"p5": 6, "p4": 6, "p3": 6}


def test_a_number_may_be_set_to_a_map_where_it_is_the_channels(tmp_path: Path) -> None:
    text = WIDE.replace("{map: {3: 8, 4: 16, hi: 4 * 8}}", "8").replace("2*channels(l)", "4")
    assert widths(tmp_path, text, channels={3: 1, 4: 2, 5: 3})["p5"] == 3


def test_inputs_have_the_same_channels(tmp_path: Path) -> None:
    found = bind_parameters(topology(tmp_path, WIDE)[0], {})
    assert found.input_channels == {3: 8, 4: 16, 5: 32}
    assert dict(found.shown)["channels"] == "{3: 8, 4: 16, 5: 32}"
    found = bind_parameters(topology(tmp_path, WIDE)[0], given(in_channels={3: 1, 4: 1, 5: 2}))
    assert found.input_channels == {3: 1, 4: 1, 5: 2}


def test_edges_see_the_number_of_their_node(tmp_path: Path) -> None:
    (tmp_path / "neck.yaml").write_text(WIDE)
    graph = compile_spec(f"{tmp_path}/neck.yaml").pyramid.graph
    (_, edge) = graph.inputs("p4")
    assert [step.text for step in edge.steps.project or ()] == ["conv-norm channels=16"]
    op = graph["q4"].op
    assert isinstance(op, Use) and op.use[0].text == "conv channels=32"


def test_maps_from_the_command_line(tmp_path: Path) -> None:
    found = mistakes(tmp_path, WIDE, sets("channels={3: 8, 4: 8, 5: 2 ** 4}"))
    assert told(found) == []


def only(found: list[Diagnostic]) -> str:
    return told(found)[0] if len(found) == 1 else str(told(found))


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("{map: {3: 8, 4: 8}}", "E113 2:54 'channels' has no value for level 5"),
        (
            "{map: {three: 8}}",
            "E302 2:55 unknown name 'three'",
        ),
        ("{map: {3.5: 8}}", "E113 2:55 'channels' has a value for '3.5', which is no level"),
        ("{map: {lo: 8, 3: 8}}", "E104 2:62 'channels' has two values for level 3"),
        ("{map: {3: 8.5, 4: 8, 5: 8}}", "E113 2:54 'channels(3)' is 8.5; channels are whole"),
        ("{map: {3: [8]}}", "E107 2:58 '3' is a list; expected a number or text"),
        ("{map: {}}", "E107 2:54 'map' is empty"),
    ],
)
def test_mistakes_in_a_map(written: str, expected: str, tmp_path: Path) -> None:
    text = WIDE.replace("{map: {3: 8, 4: 16, hi: 4 * 8}}", written)
    assert only(mistakes(tmp_path, text)).startswith(expected)


def test_a_node_whose_level_the_map_lacks_says_so(tmp_path: Path) -> None:
    more = "  - {name: top, level: 6, from: {from: p5, down: max-pool kernel=3 stride=2}}\n"
    text = WIDE.replace("outputs", f"{more}outputs")
    found = mistakes(tmp_path, text)
    assert told(found) == [
        "E113 9:12 the channels of node 'top' are not known: 'channels' has no value for level 6"
    ]


def test_a_map_is_no_number(tmp_path: Path) -> None:
    found = mistakes(tmp_path, WIDE.replace("2*channels(l)", "channels"))
    assert told(found) == ["E305 8:55 'channels' is read by calling it"]
    (found_one,) = mistakes(
        tmp_path,
        WIDE.replace("use: conv-norm, when", "use: conv-norm channels=channels(level), when"),
    )
    assert found_one.hint == "on an edge 'channels' is the number of its node"


def test_only_maps_take_maps(tmp_path: Path) -> None:
    found = mistakes(tmp_path, FAMILY, given(width={3: 4}))
    assert [(d.code, d.hint) for d in found] == [
        ("E113", "only a parameter declared as 'width: {map: {...}}' takes one per level")
    ]
