"""What a person sees while something takes long, and what a log keeps of it."""

from __future__ import annotations

import io
import sys

import pytest

from archgraph.cli.output import QUIET_SECONDS, progress_bar


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_pipe_gets_a_line_now_and_then(capsys: pytest.CaptureFixture[str]) -> None:
    now = 0.0
    with progress_bar("counting", lambda: now) as told:
        for done in range(1, 2501):
            now += QUIET_SECONDS / 1000
            told(done, 2500)
    captured = capsys.readouterr()
    assert captured.out == ""
    lines = captured.err.splitlines()
    assert len(lines) == 2
    assert all(line.startswith("counting: ") and line.endswith(" of 2,500") for line in lines)


def test_what_is_quick_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with progress_bar("counting") as told:
        told(1, 2)
        told(2, 2)
    assert capsys.readouterr().err == ""


def test_a_terminal_shows_a_bar_and_then_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    with progress_bar("counting [red]\x1b") as told:
        told(7, 9)
    shown = terminal.getvalue()
    assert "counting [red]\\x1b" in shown and "7/9" in shown
    assert shown.endswith("\x1b[2K")  # the line is empty again


def fail() -> None:
    with progress_bar("counting") as told:
        told(1, 2)
        raise KeyError


def test_an_error_leaves_the_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    with pytest.raises(KeyError):
        fail()
    assert terminal.getvalue().endswith("\x1b[2K")
