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


def test_where_the_documents_of_a_model_were_found(archgraph: Command) -> None:
    lines = archgraph("show", "efficientdet").err.splitlines()
    found = [line.split(":")[0] for line in lines]
    assert found[:4] == [
        "# model efficientdet",
        "# topology pooled-levels",
        "# topology bifpn",
        "# topology panet",
    ]
    assert {"# backbone efficientnet", "# block mbconv", "# block detection-head"} <= set(found)
    assert len(set(found)) == len(found)


def test_a_summary_of_sections(archgraph: Command) -> None:
    """Shapes of EfficientDet-D0 for its image of 512 pixels, and its published parameters."""
    outcome = archgraph("show", "efficientdet", "--variant", "d0", "--summary")
    lines = [line.split() for line in outcome.out.splitlines()]
    assert lines[0][-5:] == "of 512 x 512 pixels".split()
    assert lines[2] == "section level channels size parameters MACs".split()
    assert lines[3] == "image P0 3 512 x 512 0 0".split()
    assert lines[4] == "backbone P3 40 64 x 64 3.60M 1.90G".split()
    assert lines[5] == "P4 112 32 x 32".split()
    sections = [line[0] for line in lines[3:] if line and not line[0].startswith("P")]
    assert sections[:7] == "image backbone extra neck classes boxes total".split()
    assert ["total", "3.88M", "2.49G"] in lines


def test_a_summary_as_data(archgraph: Command) -> None:
    outcome = archgraph("show", "efficientdet", "--variant", "d0", "--json")
    assert (outcome.code, outcome.err) == (0, "")
    found = outcome.json
    assert found["image_size"] == [512, 512]
    assert found["total"]["parameters"] == 3_880_067  # effdet's tf_efficientdet_d0
    for key, whole in found["total"].items():
        assert sum(section[key] for section in found["sections"]) == whole
    shapes = {
        section["section"]: [(o["level"], o["channels"], *o["size"]) for o in section["outputs"]]
        for section in found["sections"]
    }
    assert shapes["extra"] == [(6, 64, 8, 8), (7, 64, 4, 4)]
    assert shapes["boxes"] == [(level, 36, 512 >> level, 512 >> level) for level in range(3, 8)]
    given = archgraph("show", "efficientdet", "--json", "--image-size", "256x320").json
    assert given["sections"][0]["outputs"][0]["size"] == [256, 320]


def test_a_summary_of_a_neck_has_cells(archgraph: Command) -> None:
    outcome = archgraph("show", "bifpn", "--summary", "--set", "cells=2")
    lines = [line.split() for line in outcome.out.splitlines()]
    assert lines[0][-5:] == "of 512 x 512 pixels".split()
    sections = [line[0] for line in lines[3:] if line and not line[0].startswith("P")]
    assert sections[:8] == [*(f"in{i}" for i in range(3, 8)), "cells.0", "cells.1", "total"]
