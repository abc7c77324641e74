from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.support import Command


def test_the_whole_tour(archgraph: Command, folder: Path) -> None:
    outcome = archgraph("demo", "--minutes", "0")
    assert (outcome.code, outcome.err) == (0, "")
    for step in range(1, 9):
        assert f"\n{step}/9  " in outcome.out
    assert "td7 removed (1 input, same level): td6, out7 now read in7" in outcome.out
    for level in range(3, 8):
        size = 512 // 2**level
        assert f"     P{level}: (1, 64, {size}, {size})\n" in outcome.out
    assert "115,257 parameters" in outcome.out
    assert "120 of 120 weights got a gradient" in outcome.out
    assert ["total", "3.88M", "2.49G"] in [line.split() for line in outcome.out.splitlines()]
    assert sorted(path.name for path in (folder / "archgraph-demo").iterdir()) == [
        "bifpn.py",
        "bifpn.svg",
        "efficientdet.svg",
        "run.py",
    ]


@pytest.mark.slow
def test_what_it_leaves_runs_alone(archgraph: Command, folder: Path) -> None:
    assert archgraph("demo", "--keep", "a/b", "--minutes", "0").code == 0
    texts = [path.read_text("utf-8") for path in (folder / "a/b").glob("*.py")]
    assert len(texts) == 2
    assert all("import archgraph" not in text for text in texts)
    command = [sys.executable, "a/b/run.py"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.slow
def test_it_trains_for_as_long_as_it_is_told(archgraph: Command, folder: Path) -> None:
    (folder / "archgraph-demo/run").mkdir(parents=True)  # of an earlier demo
    outcome = archgraph("demo", "--minutes", "0.05")
    assert outcome.code == 0
    assert "\n9/9  a small one learns" in outcome.out
    assert re.search(
        r"\d steps in 0\.\d minutes\n     AP50 0\.\d{3}, AP 0\.\d{3} on 200", outcome.out
    )
    run = folder / "archgraph-demo/run-2"
    assert {"report.html", "best.safetensors", "settings.yaml"} <= {p.name for p in run.iterdir()}
    assert (run / "samples/found.png").is_file()


def test_a_folder_that_cannot_be_made(archgraph: Command, folder: Path) -> None:
    (folder / "file").touch()
    outcome = archgraph("demo", "--keep", "file")
    assert (outcome.code, outcome.out) == (3, "")
    assert outcome.err == "error[E020]: cannot make the folder 'file': File exists\n"
