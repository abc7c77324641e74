"""Who is told how a training goes: files, a board, a terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from time import monotonic
from typing import Any, Protocol, TextIO

import torch

from archgraph.errors import DataError, Diagnostic
from archgraph.train.evaluate import Evaluation
from archgraph.train.fit.trainer import Losses

GIB = 1 << 30


@dataclass(frozen=True)
class Progress:
    """Where a training is.

    Attributes:
        step: how many steps were made.
        steps: how many there will be.
        epoch: how often the images were seen, a fraction.
        epochs: how often they will be.
        share: how much of the training is done, from 0 to 1, by time where time is what ends it.
        seconds: how long it took so far.
        left: how many seconds it will still take; None if that cannot be told yet.
        images_per_second: of all processes together, of late.
        waiting: which part of the time is spent waiting for images, of late.
        memory: bytes that the GPU, or else this process, needed at most.
    """

    step: int
    steps: int
    epoch: float
    epochs: float
    share: float
    seconds: float
    left: float | None
    images_per_second: float
    waiting: float
    memory: int


class Watcher(Protocol):
    """Is told in the first process only, between two steps."""

    def stepped(self, progress: Progress, losses: Losses) -> None:
        """A step was made."""

    def evaluating(self, done: int, whole: int) -> None:
        """So many images of the evaluation are done."""

    def evaluated(self, progress: Progress, found: Evaluation, *, best: bool) -> None:
        """An evaluation is done; whether none was better."""

    def noted(self, text: str) -> None:
        """Something a user should know."""


class Silent:
    """A watcher that does nothing, for those that want to hear of some things only."""

    def stepped(self, progress: Progress, losses: Losses) -> None: ...

    def evaluating(self, done: int, whole: int) -> None: ...

    def evaluated(self, progress: Progress, found: Evaluation, *, best: bool) -> None: ...

    def noted(self, text: str) -> None: ...


class Lines(Silent):
    """A line now and then, for log files and notebooks.

    Args:
        stream: where they go; standard error if not given.
        every: seconds between lines about steps.
        clock: seconds.
    """

    def __init__(
        self,
        stream: TextIO | None = None,
        every: float = 10.0,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._stream, self._every, self._clock = stream, every, clock
        self._last: float | None = None

    def stepped(self, progress: Progress, losses: Losses) -> None:
        now = self._clock()
        first, last = self._last is None, progress.step == progress.steps
        if first or last or now - (self._last or 0) >= self._every:
            self._last = now
            self._write(step_line(progress, losses))

    def evaluated(self, progress: Progress, found: Evaluation, *, best: bool) -> None:
        self._write(evaluation_line(progress, found, best=best))

    def noted(self, text: str) -> None:
        self._write(text)

    def _write(self, line: str) -> None:
        print(line, file=self._stream or sys.stderr, flush=True)


class TensorBoard(Silent):
    """Curves for TensorBoard, in a folder that is made when there is something to draw.

    Raises:
        DataError: E556, the package tensorboard is not installed.
    """

    def __init__(self, folder: Path) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            hint = "pip install tensorboard"
            message = "TensorBoard's files cannot be written without the package tensorboard"
            raise DataError(Diagnostic("E556", message, None, hint)) from None
        self._folder, self._make = folder, SummaryWriter

    @cached_property
    def _writer(self) -> Any:
        return self._make(str(self._folder))

    def stepped(self, progress: Progress, losses: Losses) -> None:
        values = {
            "loss/total": losses.total,
            "loss/classes": losses.classes,
            "loss/boxes": losses.boxes,
            "train/gradient": losses.norm,
            "train/learning rate": losses.rate,
            "speed/images per second": progress.images_per_second,
        }
        for name, value in values.items():
            self._writer.add_scalar(name, value, progress.step)

    def evaluated(self, progress: Progress, found: Evaluation, *, best: bool) -> None:
        for name, value in found.numbers.as_dict().items():
            if value is not None:
                self._writer.add_scalar(f"evaluation/{name}", value, progress.step)
        self._writer.flush()


class Watchers:
    """Several of them as one. One that cannot write, as on a disk that is full, ends nothing."""

    def __init__(self, watchers: Sequence[Watcher]) -> None:
        self._watchers = watchers

    def stepped(self, progress: Progress, losses: Losses) -> None:
        for each in self._watchers:
            with suppress(OSError):
                each.stepped(progress, losses)

    def evaluating(self, done: int, whole: int) -> None:
        for each in self._watchers:
            with suppress(OSError):
                each.evaluating(done, whole)

    def evaluated(self, progress: Progress, found: Evaluation, *, best: bool) -> None:
        for each in self._watchers:
            with suppress(OSError):
                each.evaluated(progress, found, best=best)

    def noted(self, text: str) -> None:
        for each in self._watchers:
            with suppress(OSError):
                each.noted(text)


def step_line(progress: Progress, losses: Losses) -> str:
    """A step in one line."""
    parts = f"classes {losses.classes:.4f}, boxes {losses.boxes:.5f}"
    learned = f"loss {losses.total:.4f} ({parts})  lr {losses.rate:.3g}"
    return f"{where(progress)}  {learned}  {speed(progress)}"


def where(progress: Progress) -> str:
    """How far it is: of all steps, unless time ends it before them."""
    by_time = progress.share > progress.step / progress.steps
    whole = "" if by_time else f"/{progress.steps:,}"
    return f"step {progress.step:,}{whole}  epoch {progress.epoch:.2f}"


def evaluation_line(progress: Progress, found: Evaluation, *, best: bool) -> str:
    """An evaluation in one line."""
    numbers = found.numbers
    mark = "  (best so far)" if best else ""
    return (
        f"step {progress.step:,}: AP {max(0.0, numbers.ap):.3f}  "
        f"AP50 {max(0.0, numbers.ap50):.3f}  AP75 {max(0.0, numbers.ap75):.3f}{mark}"
    )


def speed(progress: Progress) -> str:
    """Throughput, memory and what is left, in a few words."""
    left = f"  {duration(progress.left)} left" if progress.left is not None else ""
    waiting = f" ({progress.waiting:.0%} waiting)" if progress.waiting >= 0.1 else ""
    return (
        f"{progress.images_per_second:.1f} images/s{waiting}  {progress.memory / GIB:.1f} GiB{left}"
    )


def duration(seconds: float) -> str:
    """`1 d 02 h`, `2 h 05 min`, `3 min 20 s` or `20 s`."""
    whole = max(0, round(seconds))
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days} d {hours:02} h"
    if hours:
        return f"{hours} h {minutes:02} min"
    return f"{minutes} min {rest:02} s" if minutes else f"{rest} s"


def peak_memory(device: torch.device) -> int:
    """Bytes that the GPU needed at most; where there is none, this process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    try:
        import resource
    except ImportError:  # there is no such thing on Windows
        return 0
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024
