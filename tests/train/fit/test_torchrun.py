"""torchrun starts processes again after one has died, and they go on."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.train.fit.support import same_runs, steps_of

ROOT = Path(__file__).resolve().parents[3]


@dataclass(frozen=True)
class Ended:
    """An agent of torchrun that has ended, with its processes."""

    returncode: int
    stdout: str
    stderr: str


def torchrun(folder: Path, dies_at: int, machines: int = 1) -> list[Ended]:
    """Two processes, of one agent or of one each; what became of every agent."""
    command = [sys.executable, "-m", "torch.distributed.run", "--max-restarts", "1"]
    command += ["--nproc-per-node", str(2 // machines)]
    if machines == 1:
        command += ["--standalone"]
    else:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            end = f"127.0.0.1:{free.getsockname()[1]}"
        command += ["--nnodes", str(machines), "--rdzv-backend", "c10d", "--rdzv-endpoint", end]
        command += ["--local-addr", "127.0.0.1"]
    command += ["-m", "tests.train.fit.under_torchrun", str(folder), str(dies_at)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    begun = [
        subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(machines)
    ]
    said = [agent.communicate(timeout=300) for agent in begun]
    return [Ended(a.returncode, *texts) for a, texts in zip(begun, said, strict=True)]


@pytest.mark.slow
def test_a_process_that_dies_is_started_again(tmp_path: Path) -> None:
    (whole,) = torchrun(tmp_path / "whole", 0)
    assert whole.returncode == 0, whole.stderr
    # In the first epoch there is no state yet: the folder alone is there.
    for number, dies_at in enumerate((2, 8)):
        run = tmp_path / f"run{number}"
        (broken,) = torchrun(run, dies_at)
        assert broken.returncode == 0, broken.stderr
        assert "internal error" not in broken.stderr and "Traceback" not in broken.stderr
        assert broken.stdout.count("12 steps in") == 1
        assert same_runs(run, tmp_path / "whole")
        assert steps_of(run, "eval") == [6, 12]


@pytest.mark.slow
def test_machines_that_count_their_starts_differently(tmp_path: Path) -> None:
    """The agent whose process has died counts a start; the other one need not."""
    run = tmp_path / "run"
    agents = torchrun(run, 8, machines=2)
    assert [agent.returncode for agent in agents] == [0, 0], [agent.stderr for agent in agents]
    assert run.with_suffix(".died").exists()
    assert sum(agent.stdout.count("12 steps in") for agent in agents) == 1
    assert steps_of(run, "eval") == [6, 12]


@pytest.mark.slow
def test_one_error_is_said_once(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "thesis.tex").write_text("")
    (failed,) = torchrun(tmp_path / "run", 0)
    assert failed.returncode != 0
    # Of each of the two starts.
    assert failed.stderr.count("error[E020]") == 2, failed.stderr
    assert "internal error" not in failed.stderr
