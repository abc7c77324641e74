from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.support import Command


def test_a_name_of_the_library(archgraph: Command) -> None:
    outcome = archgraph("check", "bifpn")
    assert (outcome.code, outcome.out, outcome.err) == (0, "bifpn: ok\n", "")


def test_several_files_each_with_its_summary(archgraph: Command, folder: Path) -> None:
    two = (folder / "good.yaml").read_text("utf-8")
    (folder / "two.yaml").write_text(f"{two}---\ntopology: two\nextends: neck\n", "utf-8")
    outcome = archgraph("check", "two.yaml", "good.yaml", "two.yaml#two")
    assert outcome.code == 0
    assert outcome.out.splitlines() == [
        "two.yaml: ok, 2 documents",
        "good.yaml: ok",
        "two.yaml#two: ok",
    ]


def test_every_mistake_stands_there_with_its_place(archgraph: Command) -> None:
    outcome = archgraph("check", "wrong.yaml")
    assert outcome.code == 1
    assert outcome.err == ""
    lines = outcome.out.splitlines()
    heads = [line for line in lines if line.startswith("wrong.yaml:") and "error[" in line]
    assert len(heads) >= 2
    assert any(line.endswith("^^^^") for line in lines)
    assert "  help: did you mean 'sum'?" in lines
    assert lines[-1] == f"wrong.yaml: {len(heads)} errors"


def test_json_holds_everything_and_stands_alone(archgraph: Command) -> None:
    outcome = archgraph("check", "wrong.yaml", "good.yaml", "--json")
    assert outcome.code == 1
    assert outcome.err == ""
    assert sorted(outcome.json) == ["diagnostics", "errors", "warnings"]
    assert outcome.json["errors"] == len(outcome.json["diagnostics"]) >= 2
    assert outcome.json["warnings"] == 0
    first = outcome.json["diagnostics"][0]
    assert sorted(first) == sorted(
        ["code", "severity", "message", "hint", "file", "line", "column", "end_column"]
    )
    assert (first["file"], first["severity"]) == ("wrong.yaml", "error")


def test_json_of_a_good_spec(archgraph: Command) -> None:
    outcome = archgraph("check", "bifpn", "--json")
    assert (outcome.code, outcome.json) == (0, {"diagnostics": [], "errors": 0, "warnings": 0})


def test_a_mistake_in_a_shared_file_is_one_mistake(archgraph: Command) -> None:
    once = archgraph("check", "wrong.yaml", "--json")
    assert archgraph("check", "wrong.yaml", "wrong.yaml#neck", "--json").json == once.json


def test_a_warning_fails_with_strict_only(archgraph: Command) -> None:
    outcome = archgraph("check", "odd.yaml")
    assert (outcome.code, outcome.out.splitlines()[-1]) == (0, "odd.yaml: ok, 1 warning")
    assert "warning[W501]" in outcome.out
    assert archgraph("check", "odd.yaml", "--strict").code == 1
    assert archgraph("check", "good.yaml", "--strict").code == 0


def test_a_file_that_is_not_there(archgraph: Command) -> None:
    outcome = archgraph("check", "missing.yaml", "good.yaml")
    assert outcome.code == 3
    assert "cannot read 'missing.yaml'" in outcome.out
    assert outcome.out.splitlines()[-1] == "good.yaml: ok"
    assert archgraph("check", "missing.yaml", "--json").json["diagnostics"][0]["code"] == "E001"


@pytest.mark.parametrize(
    ("arguments", "suggestion"),
    [
        (["bifpm"], "did you mean 'bifpn'?"),
        (["bifpn", "--set", "chanels=64"], "did you mean 'channels'?"),
        (["good"], "did you mean the file 'good.yaml'?"),
        (["good.yaml#nek"], "did you mean 'neck'?"),
    ],
)
def test_misspelt_names(archgraph: Command, arguments: list[str], suggestion: str) -> None:
    outcome = archgraph("check", *arguments)
    assert outcome.code == 1
    assert suggestion in outcome.out


def test_set_goes_to_the_spec(archgraph: Command) -> None:
    assert archgraph("check", "good.yaml", "--set", "levels=2..6", "--set", "channels=4").code == 0
    outcome = archgraph("check", "good.yaml", "--set", "in_channels=[1, 2]")
    assert outcome.code == 1
    assert "E113" in outcome.out
