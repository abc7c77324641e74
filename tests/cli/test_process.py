"""What only a process of its own can show: imports, pipes, terminals, signals."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.support import GOOD

ARCHGRAPH = (sys.executable, "-m", "archgraph")
ESCAPE = "\x1b"


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FORCE_COLOR", "NO_COLOR", "COLUMNS", "GITHUB_ACTIONS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")


def on_a_terminal(*arguments: str) -> str:
    """What a command prints on a terminal."""
    ours, its = pty.openpty()
    with subprocess.Popen((*ARCHGRAPH, *arguments), stdout=its, stderr=its) as process:
        os.close(its)
        chunks: list[bytes] = []
        try:
            while chunk := os.read(ours, 4096):
                chunks.append(chunk)
        except OSError:  # how Linux says that the other side is closed
            pass
        os.close(ours)
    assert process.returncode == 0
    return b"".join(chunks).decode("utf-8").replace("\r\n", "\n")


def test_no_command_that_looks_at_a_spec_imports_torch(tmp_path: Path) -> None:
    script = """
import sys
from archgraph.cli.main import main
for line in sys.argv[1:]:
    assert main(line.split()) == 0, line
    assert "torch" not in sys.modules, line
assert main(["--help"]) == 0
"""
    lines = [
        "check bifpn",
        "show bifpn --stage operators",
        "passes bifpn --explain",
        "cost bifpn",
        "draw bifpn -o -",
        "emit bifpn",
        "list",
        "explain E106",
        "schema",
        "new topology mine -o -",
    ]
    done = subprocess.run(
        [sys.executable, "-c", script, *lines],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert (done.returncode, done.stderr.count("Error")) == (0, 0), done.stderr


def test_help_and_version_load_no_compiler() -> None:
    script = """
import sys
from archgraph.cli.main import main
assert main(["check", "--help"]) == main(["--version"]) == 0
assert not {"networkx", "yaml", "archgraph.compiler", "archgraph.spec"} & set(sys.modules)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.usefixtures("environment")
def test_colour_on_a_terminal_and_the_same_text(tmp_path: Path) -> None:
    path = tmp_path / "good.yaml"
    path.write_text(GOOD, "utf-8")
    arguments = ("show", str(path))
    coloured = on_a_terminal(*arguments)
    assert ESCAPE in coloured
    piped = subprocess.run((*ARCHGRAPH, *arguments), capture_output=True, text=True, check=False)
    assert ESCAPE not in piped.stdout + piped.stderr
    # a terminal shows both streams; remarks come first
    plain = "".join(part.partition("m")[2] for part in f"m{coloured}".split(f"{ESCAPE}["))
    assert plain == piped.stderr + piped.stdout


@pytest.mark.usefixtures("environment")
def test_no_colour_where_none_is_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    assert ESCAPE not in on_a_terminal("passes", "bifpn")


def test_a_closed_pipe_ends_it_silently() -> None:
    command = f"'{sys.executable}' -m archgraph show bifpn --set cells=60 | head -n 1"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)
    assert done.stdout == "graph bifpn stage=pyramid\n"
    assert all(line.startswith("# ") for line in done.stderr.splitlines())


def test_an_interrupt_ends_watching_and_is_no_failure(tmp_path: Path) -> None:
    spec = tmp_path / "good.yaml"
    spec.write_text(GOOD, "utf-8")
    # A shell that starts tests in the background has them ignore interrupts.
    heeding = "import runpy, signal; signal.signal(signal.SIGINT, signal.default_int_handler);"
    heeding += "runpy.run_module('archgraph', run_name='__main__', alter_sys=True)"
    with subprocess.Popen(
        (sys.executable, "-c", heeding, "check", str(spec), "--watch"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr
        assert process.stderr.readline() == "watching 1 file; Ctrl-C ends\n"
        process.send_signal(signal.SIGINT)
        out, err = process.communicate()
    assert (process.returncode, err) == (0, "")
    assert out.splitlines()[1:] == [f"{spec}: ok", ""]
