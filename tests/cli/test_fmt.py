"""`archgraph fmt`: files written whole or not at all."""

from __future__ import annotations

import io
import os
import stat
import sys
from pathlib import Path

import pytest

from archgraph.spec.format import format_spec
from tests.cli.support import Command

UGLY = "block: 'b'   # mine\nnodes: [{use: relu, name: a}]\n"
NEAT = "block: b  # mine\nnodes:\n  - {name: a, use: relu}\n"


@pytest.fixture
def ugly(folder: Path) -> Path:
    path = folder / "ugly.yaml"
    path.write_text(UGLY, "utf-8")
    return path


def test_a_file_is_formatted_once(archgraph: Command, ugly: Path) -> None:
    outcome = archgraph("fmt", "ugly.yaml")
    assert (outcome.code, outcome.out, outcome.err) == (
        0,
        "ugly.yaml formatted\n",
        "1 file formatted\n",
    )
    assert ugly.read_text("utf-8") == NEAT
    before = ugly.stat().st_mtime_ns
    again = archgraph("fmt", "ugly.yaml")
    assert (again.code, again.out, again.err) == (0, "", "1 file unchanged\n")
    assert ugly.stat().st_mtime_ns == before


def test_the_mode_of_the_file_stays_and_nothing_else_is_left(
    archgraph: Command, ugly: Path, folder: Path
) -> None:
    ugly.chmod(0o640)
    before = sorted(folder.iterdir())
    assert archgraph("fmt", "ugly.yaml").code == 0
    assert stat.S_IMODE(ugly.stat().st_mode) == 0o640
    assert sorted(folder.iterdir()) == before


def test_check_writes_nothing(archgraph: Command, ugly: Path) -> None:
    outcome = archgraph("fmt", "ugly.yaml", "good.yaml", "--check")
    assert (outcome.code, outcome.out) == (1, "ugly.yaml would change\n")
    assert outcome.err == "1 file would change, 1 file unchanged\n"
    assert ugly.read_text("utf-8") == UGLY
    assert archgraph("fmt", "good.yaml", "--check").code == 0


def test_diff_writes_nothing(archgraph: Command, ugly: Path) -> None:
    outcome = archgraph("fmt", "ugly.yaml", "--diff")
    assert outcome.code == 1
    assert outcome.out.startswith("--- ugly.yaml\n+++ ugly.yaml\n@@ ")
    assert "\n-block: 'b'   # mine\n" in outcome.out
    assert "\n+  - {name: a, use: relu}\n" in outcome.out
    assert ugly.read_text("utf-8") == UGLY
    assert archgraph("fmt", "good.yaml", "--diff").out == ""


def test_only_line_ends_differ(archgraph: Command, ugly: Path) -> None:
    ugly.write_bytes(NEAT.replace("\n", "\r\n").encode())
    assert "only its line ends would change" in archgraph("fmt", "ugly.yaml", "--diff").out
    assert archgraph("fmt", "ugly.yaml").code == 0
    assert ugly.read_bytes() == NEAT.encode()


def test_mistakes_of_yaml_leave_the_file_and_the_others_are_formatted(
    archgraph: Command, ugly: Path, folder: Path
) -> None:
    (folder / "broken.yaml").write_text("block: b: c\n", "utf-8")
    outcome = archgraph("fmt", "broken.yaml", "missing.yaml", "ugly.yaml")
    assert (outcome.code, outcome.out) == (3, "ugly.yaml formatted\n")
    assert "broken.yaml:1:9: error[E003]" in outcome.err
    assert "error[E001]: cannot read 'missing.yaml'" in outcome.err
    assert outcome.err.endswith("1 file formatted, 2 files with mistakes\n")
    assert (folder / "broken.yaml").read_text("utf-8") == "block: b: c\n"
    assert archgraph("fmt", "broken.yaml").code == 1


def test_mistakes_of_meaning_do_not_matter(archgraph: Command) -> None:
    assert archgraph("fmt", "wrong.yaml").code == 0


def test_standard_input(archgraph: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def typed(text: str) -> None:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))

    typed(UGLY)
    outcome = archgraph("fmt", "-")
    assert (outcome.code, outcome.out) == (0, NEAT)
    typed(NEAT)
    assert archgraph("fmt", "-").out == NEAT
    typed(UGLY)
    assert archgraph("fmt", "-", "--check").code == 1
    typed("block: [")
    outcome = archgraph("fmt", "-")
    assert (outcome.code, outcome.out) == (1, "")
    assert "<stdin>:1:9: error[E003]" in outcome.err


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write all")
def test_a_file_that_cannot_be_written(archgraph: Command, ugly: Path) -> None:
    ugly.chmod(0o440)
    assert archgraph("fmt", "ugly.yaml").code == 3


def test_a_link_stays_a_link(archgraph: Command, ugly: Path, folder: Path) -> None:
    (folder / "link.yaml").symlink_to(ugly)
    assert archgraph("fmt", "link.yaml").code == 0
    assert (folder / "link.yaml").is_symlink()
    assert ugly.read_text("utf-8") == format_spec(UGLY.encode(), "ugly.yaml")
