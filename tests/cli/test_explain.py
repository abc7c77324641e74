"""Every code that the sources can raise is explained, by an example that really has it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from archgraph.cli.explain import EXAMPLE_FILE, shown
from archgraph.cli.explanations import explanations, manual_tables
from archgraph.compiler import check_spec
from tests.cli.support import Command

ROOT = Path(__file__).resolve().parents[2]
MANUAL = ROOT / "docs" / "errors.md"
TABLE = re.compile(
    r"^## (?P<section>.+)\n(?P<prose>(?:(?!## |\|).*\n)*)(?P<table>(?:\|.*\n)+)", re.M
)
# Codes that neither a text file nor a command line can cause.
WITHOUT_EXAMPLE = {"E002", "E131", "E401", "E402", "E403", "E410", "E412", "E413"}
WITHOUT_EXAMPLE |= {"E502", "E503", "E504", "E505", "E506", "E507", "W510", "W511", "W512"}
WITHOUT_EXAMPLE |= {"E140", "E141", "E142", "E431", "E432", "E433", "E540", "E541"}
WITHOUT_EXAMPLE |= {"E521", "E522", "E523", "E531", "E532", "E533"}
WITHOUT_EXAMPLE |= {"E554", "E555", "E556", "E557", "E558", "E559", "E560"}

CODES = list(explanations())


def codes_of_the_sources() -> set[str]:
    sources = (path.read_text("utf-8") for path in (ROOT / "archgraph").rglob("*.py"))
    return {code for text in sources for code in re.findall(r'"([EW]\d{3})"', text)}


def test_every_code_of_the_sources_is_explained_and_no_other() -> None:
    assert sorted(codes_of_the_sources() - set(CODES)) == []
    assert sorted(set(CODES) - codes_of_the_sources()) == []


@pytest.mark.parametrize("code", CODES)
def test_an_example_has_its_code_and_no_other(code: str, archgraph: Command, folder: Path) -> None:
    row = explanations()[code]
    assert row.says
    assert row.do
    assert not row.do.endswith(".")
    assert (not row.example and not row.command) == (code in WITHOUT_EXAMPLE)
    if row.example:
        (folder / EXAMPLE_FILE).write_text(row.example, "utf-8")
        found = check_spec(EXAMPLE_FILE)
        assert {diagnostic.code for diagnostic in found} == {code}
        assert "".join(f"{diagnostic.render()}\n" for diagnostic in found) == shown(row)
    if row.command:
        program, *arguments = row.command.split()
        assert program == "archgraph"
        outcome = archgraph(*arguments)
        assert outcome.code != 0
        assert outcome.out + outcome.err == row.prints
        assert f"error[{code}]" in row.prints


def test_the_tables_of_the_manual_are_these(update_goldens: bool) -> None:
    text, tables = MANUAL.read_text("utf-8"), manual_tables()
    if update_goldens:
        text = TABLE.sub(lambda m: f"## {m['section']}\n{m['prose']}{tables[m['section']]}", text)
        MANUAL.write_text(text, "utf-8")
    assert {found["section"]: found["table"] for found in TABLE.finditer(text)} == tables


def test_codes_stand_in_order() -> None:
    assert sorted(CODES) == CODES


def test_one_code(archgraph: Command) -> None:
    outcome = archgraph("explain", "E106")
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out == (
        "E106: something needed is missing\n\n"
        "What to do: add the key that the message names.\n\n"
        "A neck.yaml with this mistake:\n\n"
        "  block: b\n  nodes:\n    - {name: a}\n\n"
        "archgraph check neck.yaml prints:\n\n"
        "neck.yaml:3:5: error[E106]: entry 1 of 'nodes' needs 'use'\n"
        "  3 |   - {name: a}\n"
        "    |     ^^^^^^^^^\n"
    )
    assert archgraph("explain", "e106").out == outcome.out


def test_a_code_that_a_command_shows(archgraph: Command) -> None:
    out = archgraph("explain", "E120").out
    assert "\narchgraph check bifpn --set channels prints:\n\n--set:1:1: error[E120]" in out


def test_a_code_without_an_example(archgraph: Command) -> None:
    out = archgraph("explain", "E131").out
    assert out.startswith("E131: ")
    assert "prints:" not in out


def test_all_codes(archgraph: Command) -> None:
    outcome = archgraph("explain")
    assert outcome.code == 0
    assert re.findall(r"^  (\w+)  ", outcome.out, re.MULTILINE) == CODES
    assert outcome.out.startswith("Reading and writing files\n  E001  a file cannot be read\n")


def test_json(archgraph: Command) -> None:
    one = archgraph("explain", "E106", "--json").json
    assert sorted(one) == sorted(
        ["code", "section", "says", "do", "more", "example", "command", "prints"]
    )
    assert one["more"] is None
    assert "error[E106]" in one["prints"]
    every = archgraph("explain", "--json").json["codes"]
    assert [row["code"] for row in every] == CODES


@pytest.mark.parametrize(
    ("code", "hint"), [("E10", "did you mean"), ("mistake", "lists all codes")]
)
def test_an_unknown_code(archgraph: Command, code: str, hint: str) -> None:
    outcome = archgraph("explain", code)
    assert (outcome.code, outcome.out) == (2, "")
    assert f"there is no code '{code}'" in outcome.err
    assert hint in outcome.err
