from __future__ import annotations

from pathlib import Path

import pytest

from archgraph.compiler import compile_spec
from archgraph.ir import parse_graph, print_graph
from tests.cli.support import GOOD, Command


@pytest.mark.parametrize("stage", ["written", "pyramid", "operators"])
def test_the_text_is_exact(archgraph: Command, stage: str) -> None:
    outcome = archgraph("show", "bifpn", "--stage", stage)
    assert outcome.code == 0
    compilation = compile_spec("bifpn")
    graph = getattr(compilation, stage).graph
    assert outcome.out == print_graph(graph)
    assert parse_graph(outcome.out) == graph


def test_the_default_is_the_graph_after_its_passes(archgraph: Command) -> None:
    outcome = archgraph("show", "bifpn")
    assert outcome.out == archgraph("show", "bifpn", "--stage", "pyramid").out
    assert "cells.0.td6 = fuse(in6, in7 via" in outcome.out


def test_set_is_heard(archgraph: Command) -> None:
    outcome = archgraph("show", "bifpn", "--set", "levels=3..6", "--set", "cells=2")
    assert "cells.1.out6 = " in outcome.out
    assert "in7" not in outcome.out


def test_where_every_document_was_found(archgraph: Command) -> None:
    outcome = archgraph("show", "bifpn")
    lines = outcome.err.splitlines()
    assert lines[:2] == [
        "# topology bifpn: specs/topologies/bifpn.yaml:3 (library)",
        "# topology panet: specs/topologies/panet.yaml:3 (library)",
    ]
    found = [line for line in lines if line.startswith("# block act-separable-conv-norm: ")]
    assert len(found) == 1
    assert found[0].endswith("(library)")


def test_the_first_match_wins_and_is_shown(archgraph: Command, folder: Path) -> None:
    block = "block: act-separable-conv-norm\nnodes: [{name: only, use: act}]\n"
    (folder / "mine.yaml").write_text(
        f"{GOOD.replace('block: none', 'block: act-separable-conv-norm')}---\n{block}", "utf-8"
    )
    outcome = archgraph("show", "mine.yaml")
    assert outcome.err.splitlines() == [
        "# topology neck: mine.yaml:1",
        "# block act-separable-conv-norm: mine.yaml:10",
    ]


def test_warnings_stand_beside_the_graph(archgraph: Command) -> None:
    outcome = archgraph("show", "odd.yaml")
    assert outcome.code == 0
    assert "warning[W501]" in outcome.err
    assert outcome.out.startswith("graph neck ")
