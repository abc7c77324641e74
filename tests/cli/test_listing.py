"""`archgraph list` names everything that a spec may use."""

from __future__ import annotations

from pathlib import Path

import pytest

from archgraph.cli.vocabulary import groups, words_for_editors
from archgraph.ir.ops import OPERATORS
from archgraph.ir.signature import ALIASES, FUSIONS, SPLIT
from archgraph.passes import PASSES
from archgraph.spec import KINDS, Library, SettingsModel
from tests.cli.support import Command

OWN = """\
topology: own
doc: Mine.
extends: panet
variants: {small: {channels: 16}, big: {channels: 256, settings: {act: silu}}}
---
block: pair
inputs: [left, right]
parameters: {width: required, table: {map: {3: 8, 4: 16}}, list: [1, 2], flag: false}
nodes: [{name: a, use: add, from: [left, right]}]
outputs: {sum: a, left: left}
"""


def test_everything_has_its_group(archgraph: Command) -> None:
    found = archgraph("list", "--json").json["names"]
    named: dict[str, list[str]] = {}
    for entry in found:
        named.setdefault(entry["kind"], []).append(entry["name"])
    assert list(named) == list(groups().values())
    assert sorted(name for kind in KINDS for name in named[kind]) == sorted(Library().names())
    assert named["operator"] == [*OPERATORS, SPLIT]
    assert named["fusion"] == list(FUSIONS)
    assert named["pass"] == list(PASSES)
    assert named["activation"] == list(ALIASES)
    assert named["setting"] == SettingsModel.known_keys()
    for entry in found:
        assert entry["doc"], entry["name"]
        assert not entry["doc"].endswith(".")
        assert entry["origin"] == "built in" or entry["origin"].startswith("specs/")


def test_groups_in_lines(archgraph: Command) -> None:
    outcome = archgraph("list")
    assert (outcome.code, outcome.err) == (0, "")
    heads = [line for line in outcome.out.splitlines() if line and line[0] != " "]
    assert heads == list(groups())
    assert "\n\ntopologies\n  bifpn             specs/topologies/bifpn.yaml:3  " in outcome.out


@pytest.mark.parametrize("group", ["blocks", "topologies", "passes", "settings"])
def test_one_group(archgraph: Command, group: str) -> None:
    outcome = archgraph("list", group)
    first, *rest = outcome.out.splitlines()
    assert first == group
    assert rest
    assert all(line.startswith("  ") and line == line.rstrip() for line in rest)


def test_a_document_with_what_it_takes(archgraph: Command) -> None:
    assert archgraph("list", "bifpn").out == (
        "bifpn: topology\n"
        "  Weighted bi-directional feature pyramid\n"
        "  in specs/topologies/bifpn.yaml:3, extends panet\n"
        "\nparameters\n"
        "  levels       levels  3..7\n"
        "  channels     number  64\n"
        "  fuse         step    fast\n"
        "  cells        number  1\n"
        "  in_channels  number  channels\n"
        "\ninputs\n  in<l>\n"
        "\noutputs\n  out<l>\n"
        "\npasses\n"
        "  prune-single-input\n  add-same-level-skips\n  repeat-cells count=cells\n"
    )


def test_what_is_built_in(archgraph: Command) -> None:
    pool = archgraph("list", "max-pool").out
    assert pool.startswith("max-pool: operator\n")
    assert "  built in\n" in pool
    assert "  kernel   number                    required\n" in pool
    assert "  padding  symmetric | same | valid  symmetric\n" in pool
    assert "  count  number  required\n" in archgraph("list", "repeat-cells").out
    assert "  slope  number  0.01\n" in archgraph("list", "leaky-relu").out
    assert "\ninputs\n  any number\n" in archgraph("list", "add").out
    assert "  act  step  relu\n" in archgraph("list", "act").out
    assert "parameters" not in archgraph("list", "relu").out


def test_documents_of_a_file(archgraph: Command, folder: Path) -> None:
    (folder / "own.yaml").write_text(OWN, "utf-8")
    every = archgraph("list", "own.yaml")
    assert every.out == ("blocks\n  pair  own.yaml:6\n\ntopologies\n  own  own.yaml:1  Mine\n")
    own, pair = (archgraph("list", f"own.yaml#{name}").out for name in ("own", "pair"))
    assert "\nvariants\n  small: {channels: 16}\n" in own
    assert "  big: {channels: 256, settings: {act: silu}}\n" in own
    assert "\ninputs\n  left\n  right\n" in pair
    assert "\noutputs\n  sum: a\n  left: left\n" in pair
    for line in (
        "  width  number  required",
        "  table  map     {3: 8, 4: 16}",
        "  list   list    [1, 2]",
        "  flag   number  false",
    ):
        assert line in pair.splitlines()


def test_names_of_the_search_path(archgraph: Command, folder: Path) -> None:
    (folder / "more").mkdir()
    (folder / "more" / "own.yaml").write_text(OWN, "utf-8")
    assert archgraph("list", "pair").code == 1
    assert "pair: block" in archgraph("list", "pair", "--search", "more").out


@pytest.mark.parametrize(
    ("name", "hint"),
    [("bifpm", "did you mean 'bifpn'?"), ("topologys", "'topologies'"), ("???", "groups are")],
)
def test_an_unknown_name(archgraph: Command, name: str, hint: str) -> None:
    outcome = archgraph("list", name)
    assert (outcome.code, outcome.out) == (1, "")
    assert "error[E109]" in outcome.err
    assert hint in outcome.err


def test_a_file_with_mistakes(archgraph: Command, folder: Path) -> None:
    assert archgraph("list", "missing.yaml").code == 3
    (folder / "wrong.yaml").write_text("topology: neck\nnodes: 3\n", "utf-8")
    outcome = archgraph("list", "wrong.yaml")
    assert (outcome.code, outcome.out) == (1, "")
    assert "error[E107]" in outcome.err


def test_editors_are_offered_names_that_exist(archgraph: Command) -> None:
    known = {entry["name"] for entry in archgraph("list", "--json").json["names"]} | {"none"}
    for key, words in words_for_editors(Library()).items():
        assert words, key
        assert {word.split()[0] for word in words} <= known
