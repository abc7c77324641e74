"""torchrun starts processes again after one has died, and they go on."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.train.fit.support import same_runs, steps_of

ROOT = Path(__file__).resolve().parents[3]


def torchrun(folder: Path, dies_at: int) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"]
    command += ["--max-restarts", "1", "--standalone", "-m", "tests.train.fit.under_torchrun"]
    command += [str(folder), str(dies_at)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300, check=False
    )


@pytest.mark.slow
def test_a_process_that_dies_is_started_again(tmp_path: Path) -> None:
    whole = torchrun(tmp_path / "whole", 0)
    assert whole.returncode == 0, whole.stderr
    # In the first epoch there is no state yet: the folder alone is there.
    for number, dies_at in enumerate((2, 8)):
        run = tmp_path / f"run{number}"
        broken = torchrun(run, dies_at)
        assert broken.returncode == 0, broken.stderr
        assert "internal error" not in broken.stderr and "Traceback" not in broken.stderr
        assert broken.stdout.count("12 steps in") == 1
        assert same_runs(run, tmp_path / "whole")
        assert steps_of(run, "eval") == [6, 12]


@pytest.mark.slow
def test_one_error_is_said_once(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "thesis.tex").write_text("")
    failed = torchrun(tmp_path / "run", 0)
    assert failed.returncode != 0
    # Of each of the two starts.
    assert failed.stderr.count("error[E020]") == 2, failed.stderr
    assert "internal error" not in failed.stderr
