"""Figures and sources: whole files, or none."""

from __future__ import annotations

import ast
import os
import stat
from pathlib import Path
from xml.etree import ElementTree

import pytest

from archgraph.cli.output import write_file
from archgraph.compiler import emit_source
from archgraph.errors import InputOutputError
from tests.cli.support import Command
from tests.small_detector import toy_spec


def test_a_figure(archgraph: Command, folder: Path) -> None:
    outcome = archgraph("draw", "bifpn", "--set", "cells=2", "-o", "figure.svg")
    assert (outcome.code, outcome.out) == (0, "")
    assert outcome.err.startswith("wrote figure.svg (")
    text = (folder / "figure.svg").read_bytes()
    assert b"\r" not in text
    assert ElementTree.fromstring(text).tag.endswith("svg")


def test_a_figure_is_named_after_its_spec(archgraph: Command, folder: Path) -> None:
    assert archgraph("draw", "good.yaml").code == 0
    assert (folder / "neck.svg").is_file()


def test_a_figure_on_standard_output(archgraph: Command, folder: Path) -> None:
    outcome = archgraph("draw", "bifpn", "-o", "-")
    assert archgraph("draw", "bifpn", "-o", "bifpn.svg").code == 0
    assert outcome.out == (folder / "bifpn.svg").read_text("utf-8")
    assert outcome.err == ""


def test_a_figure_of_the_graph_as_written(archgraph: Command) -> None:
    written = archgraph("draw", "bifpn", "--stage", "written", "-o", "-").out
    assert "td7" in written
    assert written != archgraph("draw", "bifpn", "-o", "-").out


def test_operators_are_not_drawn(archgraph: Command) -> None:
    assert archgraph("draw", "bifpn", "--stage", "operators").code == 2


def test_source_goes_to_standard_output(archgraph: Command) -> None:
    outcome = archgraph("emit", "bifpn")
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out == emit_source("bifpn").text
    ast.parse(outcome.out)


def test_a_detector_thins_boxes_out_as_it_is_told(archgraph: Command) -> None:
    command = ["emit", toy_spec(), "--with-postprocess"]
    outcome = archgraph(*command, "--nms", "linear", "--iou", "0.3", "--agnostic")
    assert outcome.code == 0
    for line in ('method = "linear"', "threshold = 0.3", "agnostic = True", "def softened("):
        assert line in outcome.out
    assert "def softened(" not in archgraph(*command).out


def test_source_goes_to_a_file(archgraph: Command, folder: Path) -> None:
    outcome = archgraph("emit", "bifpn", "-o", "bifpn.py")
    assert (outcome.code, outcome.out) == (0, "")
    text = (folder / "bifpn.py").read_bytes()
    assert text.decode("utf-8") == emit_source("bifpn").text
    lines = text.count(b"\n")
    assert outcome.err == f"wrote bifpn.py ({lines} lines)\n"


@pytest.mark.parametrize(("command", "name"), [("draw", "old.svg"), ("emit", "old.py")])
def test_a_wrong_spec_leaves_the_file_as_it_was(
    archgraph: Command, folder: Path, command: str, name: str
) -> None:
    (folder / name).write_text("old", "utf-8")
    before = sorted(folder.iterdir())
    assert archgraph(command, "wrong.yaml", "-o", name).code == 1
    assert (folder / name).read_text("utf-8") == "old"
    assert sorted(folder.iterdir()) == before


def test_no_folder_is_made(archgraph: Command, folder: Path) -> None:
    outcome = archgraph("emit", "bifpn", "-o", "new/bifpn.py")
    assert outcome.code == 3
    assert outcome.err == "error[E020]: cannot write 'new/bifpn.py': there is no folder 'new'\n"
    assert not (folder / "new").exists()


def test_a_folder_is_no_file(archgraph: Command, folder: Path) -> None:
    (folder / "x.py").mkdir()
    outcome = archgraph("emit", "bifpn", "-o", "x.py")
    assert (outcome.code, "it is a folder" in outcome.err) == (3, True)


def test_only_ordinary_files_are_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(InputOutputError, match="no ordinary file"):
        write_file(pipe, "text")
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_a_link_stays_a_link_and_a_mode_stays_a_mode(tmp_path: Path) -> None:
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_text("old", "utf-8")
    target.chmod(0o640)
    link.symlink_to(target)
    write_file(link, "new\n")
    assert link.is_symlink()
    assert target.read_bytes() == b"new\n"
    assert stat.S_IMODE(target.stat().st_mode) == 0o640


def test_a_write_that_fails_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    path.write_text("old", "utf-8")

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(InputOutputError, match="No space left on device"):
        write_file(path, "new")
    assert path.read_text("utf-8") == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_output_that_cannot_be_written_is_no_bug(
    archgraph: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("archgraph.cli.show.write", full)
    outcome = archgraph("show", "bifpn")
    assert outcome.code == 3
    assert "error[E020]: cannot write the output: No space left on device" in outcome.err
