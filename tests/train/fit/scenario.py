"""Trainings in processes of their own, which end as they would in the world.

They are forked from a server that has loaded torch, so one takes a second.
"""

from __future__ import annotations

import multiprocessing
import os
import resource
import signal
import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import IO, Any

import torch
import torch._dynamo  # what the first step of an optimizer would load

from archgraph.cli.main import main
from archgraph.train.detector import Detector
from archgraph.train.fit import TrainSettings
from archgraph.train.fit.metrics import Metrics
from archgraph.train.fit.trainer import Trainer
from tests.train.fit.support import job, opened

PRELOAD = ["tests.train.fit.scenario"]


@dataclass(frozen=True)
class Run:
    """A training in its process.

    Attributes:
        output: the folder of the run.
        settings: None to go on with it.
        harm: what happens to it, a function of this module and its arguments.
        workers: of the loader, where it goes on.
    """

    output: Path
    settings: TrainSettings | None = None
    harm: tuple[Any, ...] = ()
    workers: int | None = None


def start(run: Run) -> int:
    """Its exit code, negative for a signal; what it says is in a file beside the folder."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOAD)
    process = context.Process(target=_child, args=(run,))
    process.start()
    process.join()
    assert process.exitcode is not None
    return process.exitcode


def said(run: Run) -> str:
    """What the last process of a run has told that was not killed."""
    return _log(run).read_text() if _log(run).exists() else ""


def _log(run: Run) -> Path:
    return run.output.with_suffix(".log")


def _child(run: Run) -> None:
    torch.set_num_threads(1)
    # As outside of tests; this process was told to start others as it was started.
    multiprocessing.set_start_method("fork", force=True)
    torch.set_warn_always(False)
    log = StringIO()
    with redirect_stderr(log), redirect_stdout(log):
        if run.harm:
            run.harm[0](*run.harm[1:])
        code = _command(run)
    _limit_files(resource.RLIM_INFINITY)
    _log(run).write_text(log.getvalue())
    sys.exit(code)


def _command(run: Run) -> int:
    """As the command line does it, errors and all."""
    import archgraph.train.data as data

    data.open_dataset = lambda source, ids="dense", progress=None: opened(source, ids)  # type: ignore[assignment,misc]
    if run.settings is None:
        given = ["--resume", str(run.output)]
        given += [] if run.workers is None else ["--workers", str(run.workers)]
    else:
        settings = run.output.with_suffix(".yaml")
        settings.write_text(run.settings.as_yaml())
        given = [job().reference, "--data", "shapes", "--set", "classes=6", "-o", str(run.output)]
        given += ["--settings", str(settings)]
    return main(["train", *given])


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def after(count: int, act: Callable[[], None], owner: Any, name: str) -> None:
    """Do something at the call of that number, before it does its work."""
    real, calls = getattr(owner, name), 0

    def counted(*args: Any, **named: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == count:
            act()
        return real(*args, **named)

    setattr(owner, name, counted)


def die_in_step(number: int) -> None:
    after(number, die, Trainer, "_backward")


def die_in_evaluation(number: int) -> None:
    after(number, die, Detector, "detect")


def die_before_replacing(number: int) -> None:
    """The new file is whole, and beside the old one."""
    after(number, die, Path, "replace")


def die_while_writing(number: int) -> None:
    """Half of the new file is there."""
    real, calls = Path.open, 0

    def halved(path: Path, mode: str = "r", *args: Any, **named: Any) -> Any:
        nonlocal calls
        file = real(path, mode, *args, **named)
        if mode != "xb":
            return file
        calls += 1
        return _Half(file) if calls == number else file

    Path.open = halved  # type: ignore[assignment,method-assign]


class _Half:
    """A file in which only half of what is written arrives before all ends."""

    def __init__(self, file: IO[Any]) -> None:
        self._file = file

    def __enter__(self) -> _Half:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def write(self, content: bytes) -> int:
        self._file.write(content[: len(content) // 2])
        self._file.flush()
        die()
        return 0


def die_in_line(number: int) -> None:
    """Half a line of measurements is written."""

    def act() -> None:
        with Path(LINES[0]).open("ab") as file:
            file.write(b'{"kind": "train", "step": 1, "to')
        die()

    real = Metrics.__init__

    def init(self: Metrics, path: Path, steps: int = 0) -> None:
        LINES[:] = [str(path)]
        real(self, path, steps)

    Metrics.__init__ = init  # type: ignore[method-assign]
    after(number, act, Metrics, "add")


LINES: list[str] = []


def ask_to_end(number: int, which: int) -> None:
    """A signal arrives within a step."""
    after(number, lambda: os.kill(os.getpid(), which), Trainer, "_backward")


def ask_the_group_to_end(number: int, which: int) -> None:
    """As a cluster or a terminal does it: every process of the command gets the signal."""
    os.setsid()
    after(number, lambda: os.killpg(os.getpgid(0), which), Trainer, "_backward")


def allow_files_of(size: int, step: int = 1, again: int = 0) -> None:
    """No file may become larger from a step on, as on a disk that is full; until another one."""

    after(step, lambda: _limit_files(size), Trainer, "_backward")
    if again:
        after(again, lambda: _limit_files(resource.RLIM_INFINITY), Trainer, "_backward")


def _limit_files(most: int) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, resource.RLIM_INFINITY))
