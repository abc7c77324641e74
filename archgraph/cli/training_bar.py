"""How a training looks on a terminal: one bar that says all; in a log file lines now and then."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from archgraph.cli.output import QUIET_SECONDS

if TYPE_CHECKING:
    from archgraph.train.evaluate import Evaluation
    from archgraph.train.fit.trainer import Losses
    from archgraph.train.fit.watch import Progress, Watcher


def is_later_process() -> bool:
    """Whether torchrun started this process beside a first one."""
    return os.environ.get("RANK", "0") != "0"


@contextmanager
def watching(folder: Path, *, tensorboard: bool = False) -> Iterator[Sequence[Watcher]]:
    """Who is told of a training: the terminal, and TensorBoard where it is asked for.

    Of several processes on one terminal only the first one speaks.
    """
    from archgraph.train.fit.watch import Lines, TensorBoard

    if is_later_process():
        yield []
        return
    boards: list[Watcher] = [TensorBoard(folder / "tensorboard")] if tensorboard else []
    if not sys.stderr.isatty():
        yield [Lines(every=QUIET_SECONDS), *boards]
        return
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn
    from rich.progress import Progress as Bars

    columns = (TextColumn("{task.description}", markup=False), BarColumn())
    detail = TextColumn("{task.percentage:>3.0f}%  {task.fields[detail]}", markup=False)
    with Bars(*columns, detail, console=Console(stderr=True), transient=True) as bars:
        yield [_Bar(bars), *boards]


class _Bar:
    """The bar of the training, and a second one while it is evaluated."""

    def __init__(self, bars: Any) -> None:
        self._bars = bars
        self._training = bars.add_task("training", total=1, detail="starting")
        self._evaluating: Any = None

    def stepped(self, progress: Progress, losses: Losses) -> None:
        from archgraph.train.fit.watch import speed, where

        learned = f"loss {losses.total:.3f}  lr {losses.rate:.2g}"
        detail = f"{where(progress)}  {learned}  {speed(progress)}"
        self._bars.update(self._training, completed=progress.share, detail=detail)

    def evaluating(self, done: int, whole: int) -> None:
        if self._evaluating is None:
            self._evaluating = self._bars.add_task("evaluating", total=whole, detail="")
        self._bars.update(self._evaluating, completed=done, detail=f"{done:,}/{whole:,} images")

    def evaluated(self, progress: Progress, found: Evaluation, *, best: bool) -> None:
        from archgraph.train.fit.watch import evaluation_line

        if self._evaluating is not None:
            self._bars.remove_task(self._evaluating)
            self._evaluating = None
        self.noted(evaluation_line(progress, found, best=best))

    def noted(self, text: str) -> None:
        self._bars.console.print(text, markup=False, highlight=False)
