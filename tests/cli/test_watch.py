"""`archgraph check --watch`, with the ticks and the changes made by the test."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import pytest

from archgraph.cli import watch as watching
from archgraph.cli.watch import dependencies, watch
from archgraph.spec import Library
from tests.cli.support import Command

NOON = datetime(2026, 1, 2, 12, 0, 0)


def touch(path: Path, text: str | None = None) -> None:
    """Change a file so that its time differs, whatever the clock of the disk."""
    if text is not None:
        path.write_text(text, "utf-8")
    touch.seconds += 10  # type: ignore[attr-defined]
    os.utime(path, (touch.seconds, touch.seconds))  # type: ignore[attr-defined]


touch.seconds = 1_000_000  # type: ignore[attr-defined]


def script(*steps: Callable[[], object] | None) -> Callable[[], Iterator[None]]:
    """Ticks with something done before each; then the user interrupts."""

    def ticks() -> Iterator[None]:
        for step in steps:
            if step:
                step()
            yield
        raise KeyboardInterrupt

    return ticks


def runs(paths: set[Path], *steps: Callable[[], object] | None) -> int:
    """How often a check of these paths runs while this happens."""
    done = 0

    def run() -> set[Path]:
        nonlocal done
        done += 1
        return paths

    watch(run, script(*steps), lambda: NOON)
    return done


def test_a_check_runs_once_and_again_after_a_change(folder: Path) -> None:
    file = folder / "good.yaml"
    touch(file)
    assert runs({file}) == 1
    assert runs({file}, None, None, None) == 1
    assert runs({file}, lambda: touch(file), None, None) == 2
    assert runs({file}, lambda: touch(file), None, lambda: touch(file), None) == 3


def test_it_waits_until_a_file_is_written(folder: Path) -> None:
    file = folder / "good.yaml"
    touch(file)
    changes = [lambda: touch(file)] * 3
    assert runs({file}, *changes) == 1
    assert runs({file}, *changes, None, None) == 2


def test_files_that_go_and_come(folder: Path) -> None:
    file = folder / "good.yaml"
    text = file.read_text("utf-8")
    assert runs({file}, file.unlink, None, lambda: touch(file, text), None) == 3


def test_a_change_during_the_check_is_not_missed(folder: Path) -> None:
    file = folder / "good.yaml"
    touch(file)
    done: list[None] = []

    def run() -> set[Path]:
        done.append(None)
        if len(done) == 2:  # the user saves while the check of the first change runs
            touch(file)
        return {file}

    watch(run, script(lambda: touch(file), None, None, None), lambda: NOON)
    assert len(done) == 3


def test_what_a_check_depends_on(folder: Path) -> None:
    (folder / "uses.yaml").write_text("topology: uses\nextends: panet\n", "utf-8")
    library = Library()
    library.document(*library.open("uses.yaml"))
    found = dependencies(["uses.yaml#uses", "bifpn"], library)
    names = {path.name for path in found if path.is_relative_to(folder)}
    assert names == {folder.name, "good.yaml", "odd.yaml", "uses.yaml", "wrong.yaml"}
    assert any(path.name == "panet.yaml" for path in found)


def test_the_command(archgraph: Command, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    good = (folder / "good.yaml").read_text("utf-8")
    steps = script(
        lambda: touch(folder / "good.yaml", good.replace("sum", "summ")),
        None,
        lambda: touch(folder / "good.yaml", good),
        None,
    )
    monkeypatch.setattr(watching, "every_moment", steps)
    outcome = archgraph("check", "good.yaml", "--watch")
    assert outcome.code == 0
    lines = outcome.out.splitlines()
    results = [line for line in lines if line.startswith("good.yaml: ")]
    assert results == ["good.yaml: ok", "good.yaml: 1 error", "good.yaml: ok"]
    assert "  help: did you mean 'sum'?" in lines
    assert len([line for line in lines if line.endswith("  good.yaml changed")]) == 2
    assert "\x1b" not in outcome.out
    assert outcome.err.splitlines() == ["watching 3 files; Ctrl-C ends"] * 3


def test_a_file_beside_it_that_comes_later(
    archgraph: Command, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = (folder / "good.yaml").read_text("utf-8")
    touch(folder / "good.yaml", good.replace("block: none", "block: mine"))
    block = "block: mine\nnodes: [{name: a, use: relu}]\n"
    steps = script(lambda: touch(folder / "mine.yaml", block), None, None)
    monkeypatch.setattr(watching, "every_moment", steps)
    out = archgraph("check", "good.yaml", "--watch").out
    assert [line for line in out.splitlines() if line.startswith("good.yaml: ")] == [
        "good.yaml: 1 error",
        "good.yaml: ok",
    ]


def test_json_is_one_result(archgraph: Command) -> None:
    outcome = archgraph("check", "good.yaml", "--watch", "--json")
    assert (outcome.code, outcome.out) == (2, "")
    assert "one result" in outcome.err
