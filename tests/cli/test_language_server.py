"""What the YAML language server makes of the schema; skipped where there is none on the path."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.support import GOOD
from tools.check_language_server import Server, find, main, write_schema

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find() is None, reason="no yaml-language-server"),
]
SPECS = sorted((Path(__file__).resolve().parents[2] / "specs").rglob("*.yaml"))
URI = "file:///specs/neck.yaml"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    program = find()
    assert program
    with Server(program, write_schema(tmp_path)) as running:
        yield running


def opened(server: Server, text: str) -> list[str]:
    """Mistakes as `line:column message`."""
    return [
        f"{found['range']['start']['line'] + 1}:{found['range']['start']['character'] + 1} "
        f"{found['message']}"
        for found in server.open(URI, text)
    ]


def offered(server: Server, text: str) -> list[str]:
    """What is offered at the bar in the text."""
    before = text.partition("|")[0]
    line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
    uri = URI.replace("neck", "other")
    server.open(uri, text.replace("|", ""))
    return server.complete(uri, line, column)


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.stem)
def test_nothing_is_wrong_with_the_library(server: Server, spec: Path) -> None:
    assert opened(server, spec.read_text("utf-8")) == []


@pytest.mark.parametrize(
    ("wrong", "place", "message"),
    [
        (GOOD.replace("block: none", "blok: none"), "4:21", "Property blok is not allowed."),
        (GOOD.replace("outputs", "output"), "8:1", "Property output is not allowed."),
        (GOOD.replace("outputs: td<l>\n", ""), "1:1", 'Missing property "outputs".'),
        (GOOD + "settings: {padding: sme}\n", "9:21", 'Valid values: "same", "symmetric".'),
        (GOOD.replace("from:", "pin: 3, from:"), "7:48", 'Expected "boolean".'),
        ("topology: t\nextends: panet\nnods: []\n", "3:1", "Property nods is not allowed."),
        ("toplogy: t\n", "1:1", "Property toplogy is not allowed."),
    ],
)
def test_mistakes_have_their_places(server: Server, wrong: str, place: str, message: str) -> None:
    found = opened(server, wrong)
    assert any(each.startswith(f"{place} ") and message in each for each in found), found


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("|\n", {"topology", "block", "archgraph"}),
        ("topology: t\n|\n", {"nodes", "outputs", "parameters", "passes", "settings"}),
        ("topology: t\nsettings: {padding: |}\n", {"same", "symmetric"}),
        ("topology: t\ndefaults:\n  node:\n    fuse: |\n", {"fast", "sum", "softmax"}),
        ("topology: t\nnodes:\n  - name: a\n    |\n", {"from", "fuse", "use", "level"}),
        ("block: b\nnodes:\n  - name: a\n    use: |\n", {"conv", "conv-norm-act", "silu"}),
        ("topology: t\npasses:\n  - |\n", {"prune-single-input", "repeat-cells"}),
    ],
)
def test_words_are_offered(server: Server, text: str, words: set[str]) -> None:
    assert words - set(offered(server, text)) == set()


def test_a_line_of_the_file_names_the_schema(server: Server, tmp_path: Path) -> None:
    server.settings["schemas"] = {}
    server.tell("workspace/didChangeConfiguration", settings={"yaml": server.settings})
    line = f"# yaml-language-server: $schema={server.schema.as_uri()}\n"
    assert opened(server, line + "block: b\nnods: []\n")
    assert offered(server, line + "block: b\nsettings: {padding: |}\n") == ["same", "symmetric"]


def test_the_script(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "good.yaml").write_text(GOOD, "utf-8")
    (tmp_path / "wrong.yaml").write_text(GOOD + "settings: {padding: }\n", "utf-8")
    assert main([str(tmp_path / "good.yaml")]) == 0
    assert main([str(tmp_path / "wrong.yaml"), "9:21"]) == 1
    assert {"same", "symmetric"} <= set(capsys.readouterr().out.splitlines())
