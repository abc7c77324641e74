"""`archgraph new`: scaffolds that check, and never over something that is there."""

from __future__ import annotations

from pathlib import Path

import pytest

from archgraph.cli.new import Kind
from archgraph.spec.format import format_spec
from tests.cli.support import Command

KINDS = [kind.value for kind in Kind]


@pytest.mark.parametrize("kind", KINDS)
def test_a_scaffold_checks_and_is_formatted(archgraph: Command, folder: Path, kind: str) -> None:
    outcome = archgraph("new", kind, "my-own")
    assert (outcome.code, outcome.out) == (0, "")
    assert outcome.err.startswith("wrote my-own.yaml (")
    text = (folder / "my-own.yaml").read_text("utf-8")
    assert f"{kind}: my-own\n" in text
    assert "archgraph check my-own.yaml" in text
    assert format_spec(text.encode(), "my-own.yaml") == text
    checked = archgraph("check", "my-own.yaml", "--strict")
    assert (checked.code, checked.out) == (0, "my-own.yaml: ok\n")


def test_what_a_scaffold_advises_works(archgraph: Command, folder: Path) -> None:
    archgraph("new", "topology", "my-own")
    archgraph("new", "block", "my-block", "-o", "blocks.yml")
    assert "archgraph check blocks.yml" in (folder / "blocks.yml").read_text("utf-8")
    text = (folder / "my-own.yaml").read_text("utf-8")
    assert (
        archgraph("check", "my-own.yaml", "--set", "levels=3..6", "--set", "channels=128").code == 0
    )
    assert archgraph("passes", "my-own.yaml", "--explain").code == 0
    (folder / "my-own.yaml").write_text(
        text.replace("act-separable-conv-norm", "my-block"), "utf-8"
    )
    assert archgraph("check", "my-own.yaml", "--strict").code == 0
    used = text.replace("from: [in<l>, maybe td<l+1>]", "use: my-block channels=64, from: in<l>")
    (folder / "used.yaml").write_text(used, "utf-8")
    assert archgraph("check", "used.yaml", "--strict").code == 0


def test_a_backbone_and_a_model_meet(archgraph: Command, folder: Path) -> None:
    archgraph("new", "backbone", "mine")
    assert archgraph("cost", "mine.yaml", "--variant", "large", "--set", "width=8").code == 0
    archgraph("new", "model", "detector")
    more = ("--set", "classes=20", "--set", "neck=panet")
    assert archgraph("check", "detector.yaml", *more).code == 0
    assert archgraph("show", "detector.yaml", "--summary").code == 0
    own = (*more, "--set", "backbone=mine width=32")
    outcome = archgraph("check", "detector.yaml", *own)
    assert "'extra' reads level 5, which 'backbone' does not give" in outcome.out
    text = (folder / "detector.yaml").read_text("utf-8").replace("levels=3..5", "levels=3..4")
    (folder / "detector.yaml").write_text(text, "utf-8")
    assert archgraph("check", "detector.yaml", *own).out == "detector.yaml: ok\n"


@pytest.mark.parametrize("kind", KINDS)
def test_standard_output(archgraph: Command, folder: Path, kind: str) -> None:
    before = sorted(folder.iterdir())
    outcome = archgraph("new", kind, "mine", "-o", "-")
    assert (outcome.code, outcome.err) == (0, "")
    assert f"\n{kind}: mine\n" in outcome.out
    assert sorted(folder.iterdir()) == before


def test_nothing_is_overwritten(archgraph: Command, folder: Path) -> None:
    before = (folder / "good.yaml").read_bytes()
    for arguments in (["good"], ["other", "-o", "good.yaml"]):
        outcome = archgraph("new", "topology", *arguments)
        assert (outcome.code, outcome.out) == (3, "")
        assert "error[E020]: cannot write 'good.yaml': it is there already" in outcome.err
    assert (folder / "good.yaml").read_bytes() == before


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("topology", "my neck"),
        ("topology", "9-levels"),
        ("topology", "../neck"),
        ("topology", ""),
        ("topology", "neck: {"),
        ("block", "conv"),
        ("block", "act"),
        ("block", "silu"),
        ("backbone", "conv"),
        ("model", "my model"),
    ],
)
def test_a_name_that_cannot_be(archgraph: Command, folder: Path, kind: str, name: str) -> None:
    before = sorted(folder.iterdir())
    outcome = archgraph("new", kind, name)
    assert (outcome.code, outcome.out) == (2, "")
    assert f"error[E105]: '{name}' cannot name a {kind}" in outcome.err
    assert sorted(folder.iterdir()) == before


def test_wrong_command_lines(archgraph: Command) -> None:
    assert archgraph("new", "modle", "x").code == 2
    outcome = archgraph("new", "topology", "x", "-o", "x.txt")
    assert (outcome.code, "ends in .yaml" in outcome.err) == (2, True)
    assert archgraph("new", "topology", "x", "-o", "missing/x.yaml").code == 3
