from __future__ import annotations

from pathlib import Path

from tests.cli.support import PINNED, Command


def test_a_row_per_pass(archgraph: Command) -> None:
    outcome = archgraph("passes", "bifpn")
    assert outcome.code == 0
    rows = [" ".join(line.split()) for line in outcome.out.splitlines()]
    assert rows == [
        "pass rewrites nodes edges parameters",
        "prune-single-input 2 10 -> 8 18 -> 16 48,018 -> 38,416",
        "add-same-level-skips 3 8 16 -> 19 38,416 -> 38,419",
        "repeat-cells 1 8 19 38,419",
        "resolve-edges 8 8 19 38,419",
        "lower - 8 -> 48 19 -> 63 38,419",
    ]


def test_the_passes_of_a_model_are_those_of_its_parts(archgraph: Command) -> None:
    outcome = archgraph("passes", "efficientdet")
    rows = [" ".join(line.split()) for line in outcome.out.splitlines()]
    assert rows[1] == "extra: resolve-edges 2 2 2 20,672"
    assert rows[2] == "neck: prune-single-input 2 10 -> 8 18 -> 16 79,442 -> 69,712"
    # the whole network, with backbone and heads
    assert rows[-1].endswith(" 3,880,067")


def test_explain_names_nodes_and_shows_what_changed(archgraph: Command) -> None:
    outcome = archgraph("passes", "bifpn", "--explain")
    assert outcome.code == 0
    lines = outcome.out.splitlines()
    assert "prune-single-input: 2 rewrites, nodes 10 -> 8, edges 18 -> 16" in lines
    assert "  td7 removed (1 input, same level): td6, out7 now read in7" in lines
    attributes = "{level=6, channels=64, fusion=fast, block=act-separable-conv-norm}"
    assert f"  -  td6 = fuse(in6, td7) {attributes}" in lines
    assert f"  +  td6 = fuse(in6, in7) {attributes}" in lines
    assert "lower: 8 nodes to 48 operators" in lines
    assert "     16 conv" in lines
    assert all(line == line.rstrip() for line in lines)


def test_what_a_pass_left_alone_is_said_too(archgraph: Command, folder: Path) -> None:
    (folder / "pinned.yaml").write_text(PINNED, "utf-8")
    outcome = archgraph("passes", "pinned.yaml", "--explain")
    assert outcome.code == 0
    assert any(line.startswith("  td5 kept (") for line in outcome.out.splitlines())


def test_a_spec_without_passes(archgraph: Command) -> None:
    rows = archgraph("passes", "good.yaml").out.splitlines()
    assert [row.split()[0] for row in rows] == ["pass", "resolve-edges", "lower"]
