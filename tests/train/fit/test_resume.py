"""However a training ends, it goes on and comes to the weights of one that was never ended."""

from __future__ import annotations

import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from archgraph.train.fit.metrics import read_metrics
from archgraph.weights import read_metadata
from tests.train.fit import scenario
from tests.train.fit.scenario import Run, said, start
from tests.train.fit.support import SMALL, is_eval, same_runs, steps_of

# A state after every step.
OFTEN = replace(SMALL, save_minutes=1e-9)
KILLED = -signal.SIGKILL


@pytest.fixture(scope="session")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = Run(tmp_path_factory.mktemp("runs") / "unbroken", SMALL)
    assert start(run) == 0, said(run)
    assert steps_of(run.output, "eval") == [6, 12]
    return run.output


@pytest.mark.slow
@pytest.mark.parametrize(
    ("harm", "settings"),
    [
        ((scenario.die_in_step, 1), SMALL),
        ((scenario.die_in_step, 8), SMALL),
        ((scenario.die_in_step, 12), SMALL),
        ((scenario.die_in_step, 5), OFTEN),
        ((scenario.die_in_step, 11), replace(OFTEN, workers=2)),
        ((scenario.die_in_step, 8), replace(SMALL, workers=2)),
        ((scenario.die_in_evaluation, 1), SMALL),
        ((scenario.die_in_evaluation, 2), OFTEN),
        *[((scenario.die_before_replacing, n), OFTEN) for n in (7, 13, 20, 21)],
        *[((scenario.die_while_writing, n), OFTEN) for n in (7, 12, 20)],
        ((scenario.die_in_line, 2), SMALL),
        ((scenario.die_in_line, 8), OFTEN),
    ],
    ids=lambda each: (
        "-".join(str(getattr(x, "__name__", x)) for x in each)
        if isinstance(each, tuple)
        else f"{each.workers}w-{'often' if each.save_minutes < 1 else 'seldom'}"
    ),
)
def test_a_killed_training_goes_on(
    harm: tuple[Any, ...], settings: Any, tmp_path: Path, unbroken: Path
) -> None:
    run = Run(tmp_path / "run", settings, harm)
    assert start(run) == KILLED, said(run)
    again = Run(run.output)
    assert start(again) == 0, said(again)
    assert same_runs(run.output, unbroken)
    assert steps_of(run.output, "eval") == [6, 12]
    assert steps_of(run.output, "train") == list(range(1, 13))


@pytest.mark.slow
def test_a_training_that_is_killed_again_and_again(tmp_path: Path, unbroken: Path) -> None:
    """Each process makes two or three steps and dies in another way; workers come and go."""
    run = Run(tmp_path / "run", OFTEN, (scenario.die_in_step, 3))
    assert start(run) == KILLED
    ways = [(scenario.die_while_writing, 7), (scenario.die_in_step, 3)]
    ways += [(scenario.die_before_replacing, 9), (scenario.die_in_evaluation, 1)]
    for number, harm in enumerate(ways * 3):
        code = start(Run(run.output, None, harm, workers=number % 3))
        assert code in (KILLED, 0)
        if code == 0:
            break
    assert start(Run(run.output)) == 0
    assert same_runs(run.output, unbroken)


@pytest.mark.slow
@pytest.mark.parametrize("which", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize(
    ("harm", "workers"), [("ask_to_end", 0), ("ask_to_end", 2), ("ask_the_group_to_end", 2)]
)
def test_a_signal_ends_it_after_the_step(
    which: signal.Signals, harm: str, workers: int, tmp_path: Path, unbroken: Path
) -> None:
    settings = replace(SMALL, workers=workers)
    run = Run(tmp_path / "run", settings, (getattr(scenario, harm), 5, which))
    assert start(run) == 130, said(run)
    assert "interrupted after step 5; go on with\n" in said(run)
    assert f"  archgraph train --resume {run.output}\n" in said(run)
    assert start(Run(run.output)) == 0
    assert same_runs(run.output, unbroken)


@pytest.mark.slow
def test_a_signal_in_the_last_step_leaves_its_evaluation_to_do(
    tmp_path: Path, unbroken: Path
) -> None:
    run = Run(tmp_path / "run", SMALL, (scenario.ask_to_end, 12, signal.SIGTERM))
    assert start(run) == 130
    assert steps_of(run.output, "eval") == [6]
    assert start(Run(run.output)) == 0
    assert same_runs(run.output, unbroken)


@pytest.mark.slow
def test_a_finished_training_stays_as_it_is(tmp_path: Path, unbroken: Path) -> None:
    run = Run(tmp_path / "run", SMALL)
    assert start(run) == 0
    lines = read_metrics(run.output / "metrics.jsonl")
    assert start(Run(run.output)) == 0
    assert read_metrics(run.output / "metrics.jsonl") == lines
    assert same_runs(run.output, unbroken)


@pytest.mark.slow
def test_a_disk_that_is_full_for_a_while(tmp_path: Path, unbroken: Path) -> None:
    run = Run(tmp_path / "run", OFTEN, (scenario.allow_files_of, 20_000, 5, 9))
    assert start(run) == 0, said(run)
    assert "cannot write" in said(run) and "last.pt': File too large; training goes on" in said(run)
    assert same_runs(run.output, unbroken, best=False)
    assert steps_of(run.output, "train") == list(range(1, 13))
    # The best weights of then could not be written, so the best of those that are there are others.
    kept = [
        line.get("kept", True)
        for line in read_metrics(run.output / "metrics.jsonl")
        if is_eval(line)
    ]
    assert kept == [False, True]
    assert read_metadata(run.output / "best.safetensors")["step"] == 12


@pytest.mark.slow
def test_a_disk_that_stays_full(tmp_path: Path, unbroken: Path) -> None:
    """The last whole state stays, the end is said, and with room it goes on."""
    run = Run(tmp_path / "run", OFTEN, (scenario.allow_files_of, 1_000, 5))
    assert start(run) == 3, said(run)
    assert "error[E020]: cannot write" in said(run)
    assert "Traceback" not in said(run) and "internal" not in said(run)
    assert not list(run.output.glob(".*.tmp"))
    assert start(Run(run.output)) == 0
    assert same_runs(run.output, unbroken)
    assert steps_of(run.output, "eval") == [6, 12]
