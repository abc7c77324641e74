from __future__ import annotations

import io

import pytest
import torch

from archgraph import __version__
from archgraph.cli import main as main_module
from archgraph.cli import show
from archgraph.cli.main import main
from tests.cli.support import Command

COMMANDS = tuple(main_module.COMMANDS)


def test_version(archgraph: Command) -> None:
    outcome = archgraph("--version")
    assert (outcome.code, outcome.out, outcome.err) == (0, f"archgraph {__version__}\n", "")


def test_help_lists_every_command_and_the_exit_codes(archgraph: Command) -> None:
    outcome = archgraph("--help")
    assert outcome.code == 0
    for word in (*COMMANDS, "Examples", "Exit codes", "130 interrupted"):
        assert word in outcome.out


@pytest.mark.parametrize("command", COMMANDS)
def test_every_help_has_examples_that_stay_on_their_lines(
    archgraph: Command, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    outcome = archgraph(command, "--help")
    assert outcome.code == 0
    _, _, examples = outcome.out.partition("Examples")
    lines = [line.strip() for line in examples.splitlines() if line.strip()]
    assert lines
    assert all(line.startswith(f"archgraph {command}") for line in lines)
    assert "\\" not in examples


@pytest.mark.parametrize("command", COMMANDS)
def test_every_example_parses(
    archgraph: Command, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No example is refused as a wrong command line; specs they name need not be there."""
    _, _, examples = archgraph(command, "--help").out.partition("Examples")
    monkeypatch.setattr("archgraph.cli.demo._run", lambda *_: None)
    monkeypatch.setattr("archgraph.cli.demo._train", lambda *_: [])
    monkeypatch.setattr("archgraph.cli.watch.every_moment", lambda: iter(()))
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"block: b")))
    for line in examples.split("archgraph ")[1:]:
        words = line.split("|")[0].split(">")[0].split()
        assert archgraph(*words).code in (0, 1, 3), line


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["chek"], "Did you mean 'check'"),
        (["check"], "Missing argument 'SPEC"),
        (["check", "bifpn", "--jsn"], "--json"),
        (["show", "bifpn", "--stage", "operator"], "operators"),
        (["cost", "bifpn", "--by", "nodes"], "'node'"),
        (["cost", "bifpn", "--image-size", "512*512"], "is no image size"),
        (["show", "bifpn", "--set", "channels"], "is not KEY=VALUE"),
        (["show", "bifpn", "--set", "channels=[1"], "never closed"),
        (["show", "bifpn", "--set", "a=1", "--set", "a=2"], "'a' is set twice"),
        (["draw", "bifpn", "-o", "bifpn.png"], "ends in .svg"),
        (["emit", "bifpn", "-o", "bifpn.yaml"], "ends in .py"),
        (["emit", "bifpn", "--nms", "gaussian"], "'--nms' is of use with '--with-postprocess'"),
        (["emit", "bifpn", "--agnostic"], "'--agnostic' is of use with '--with-postprocess'"),
    ],
)
def test_a_wrong_command_line(archgraph: Command, arguments: list[str], message: str) -> None:
    outcome = archgraph(*arguments)
    assert (outcome.code, outcome.out) == (2, "")
    assert message in outcome.err
    assert "Traceback" not in outcome.err


@pytest.mark.parametrize("command", ["show", "passes", "cost", "draw", "emit"])
def test_a_wrong_spec(archgraph: Command, command: str) -> None:
    outcome = archgraph(command, "wrong.yaml#neck")
    assert (outcome.code, outcome.out) == (1, "")
    assert outcome.err.startswith("wrong.yaml:")
    assert "help: did you mean 'sum'?" in outcome.err


def test_a_device_with_too_little_memory(
    archgraph: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has")

    monkeypatch.setattr("archgraph.cli.demo._check", full)
    outcome = archgraph("demo", "--keep", "x")
    assert outcome.code == 1
    assert outcome.err.startswith(
        "error[E560]: the device has too little memory: CUDA out of memory. Tried to allocate 2.00 GiB\n"
    )


@pytest.mark.parametrize("command", ["show", "passes", "cost", "draw", "emit"])
def test_a_file_that_is_not_there(archgraph: Command, command: str) -> None:
    outcome = archgraph(command, "missing.yaml")
    assert (outcome.code, outcome.out) == (3, "")
    assert outcome.err == "error[E001]: cannot read 'missing.yaml': No such file or directory\n"


def test_an_interrupt(archgraph: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(show, "graph_at", interrupt)
    outcome = archgraph("show", "bifpn")
    assert (outcome.code, outcome.out) == (130, "")
    assert "Traceback" not in outcome.err


def test_a_bug_is_one_line_and_says_how_to_report_it(
    archgraph: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise KeyError("td 9")

    monkeypatch.setattr(show, "graph_at", fail)
    outcome = archgraph("show", "bifpn", "--set", "levels=3..4")
    assert outcome.code == 70
    assert "internal error: KeyError: 'td 9'\n" in outcome.err
    assert "archgraph --debug show bifpn --set levels=3..4\n" in outcome.err
    assert "Traceback" not in outcome.err
    outcome = archgraph("--debug", "show", "bifpn")
    assert outcome.code == 70
    assert "Traceback (most recent call last)" in outcome.err
    assert outcome.err.count("--debug") == 1


def test_without_arguments_it_prints_its_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "Usage: archgraph" in "".join(capsys.readouterr())


def test_a_spec_cannot_drive_the_terminal(archgraph: Command) -> None:
    outcome = archgraph("show", "\x1b[31mred\udcff.yaml")
    assert outcome.code == 3
    assert "\x1b" not in outcome.err
    assert r"\x1b[31mred\udcff.yaml" in outcome.err
