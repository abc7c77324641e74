"""What a run leaves behind while it goes on: its state, its weights, its measurements."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from time import monotonic
from typing import Any

from torch import nn

from archgraph.errors import InputOutputError
from archgraph.ir import Graph, fingerprint
from archgraph.train.evaluate import Evaluation, place
from archgraph.train.fit.checkpoint import Checkpoint, write_checkpoint
from archgraph.train.fit.folder import (
    BEST,
    LAST,
    LAST_WEIGHTS,
    METRICS,
    REPORT,
    SAMPLES,
    RunFolder,
)
from archgraph.train.fit.metrics import Metrics
from archgraph.train.fit.pictures import LEARNED, write_found, write_learned
from archgraph.train.fit.report import write_run_report
from archgraph.train.fit.trainer import Losses, Trainer
from archgraph.train.fit.watch import Progress
from archgraph.train.records import Dataset
from archgraph.train.samples.loader import Batch
from archgraph.weights.files import write_safetensors


class Keeper:
    """Writes the files of a run, in the first of its processes.

    A file that cannot be written does not end a training: the one before it stays, the user is
    told, and it is tried again with the next. Only the last state must be written.

    Args:
        folder: of the run.
        steps: how many steps were made so far.
        noted: told what a user should know.
        clock: seconds.
    """

    def __init__(
        self,
        folder: RunFolder,
        steps: int,
        noted: Callable[[str], None],
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self.folder = folder
        self._first = place().rank == 0
        self._metrics = Metrics(folder.path / METRICS, steps) if self._first else None
        self._noted, self._clock = noted, clock
        # A kill between two files leaves one of them behind: the next save writes both.
        self._saved_at, self._saved_step = clock(), -1
        self._sums: dict[str, float] = {}
        self._counted = 0

    @property
    def graph(self) -> Graph:
        """The network, down to its operators."""
        return self.folder.graph

    def stepped(self, progress: Progress, losses: Losses) -> None:
        """Remember a step; write a line of the mean of several."""
        for each in fields(Losses):
            self._sums[each.name] = self._sums.get(each.name, 0.0) + getattr(losses, each.name)
        self._counted += 1
        if progress.step % self.folder.settings.log_steps == 0:
            self.summarize(progress)

    def summarize(self, progress: Progress) -> None:
        """Write a line about the steps since the last one, if there were any."""
        if self._counted:
            means = {name: value / self._counted for name, value in self._sums.items()}
            self._add({"kind": "train", **_place(progress), **means, **_speed(progress)})
            self._sums, self._counted = {}, 0

    def evaluated(self, step: int) -> bool:
        """Whether a step has an evaluation; as the first process knows it."""
        lines = self._metrics.of("eval") if self._metrics else ()
        return any(line["step"] == step for line in lines)

    @property
    def best(self) -> tuple[float, int] | None:
        """The AP of the best evaluation, and its step."""
        lines = self._metrics.of("eval") if self._metrics else ()
        known = [
            (line["ap"], line["step"])
            for line in lines
            if line["ap"] is not None and line.get("kept", True)
        ]
        return max(known, key=lambda each: (each[0], -each[1]), default=None)

    def record(self, trainer: Trainer, progress: Progress, found: Evaluation) -> bool:
        """Write what an evaluation has found, and its weights if none was better."""
        numbers = found.numbers.as_dict()
        ap, before = numbers["ap"], self.best
        best = ap is not None and (before is None or ap > before[0])
        line = {"kind": "eval", **_place(progress), **numbers}
        if best and not self._try(
            lambda: self._write_weights(trainer.average, BEST, trainer.steps, numbers)
        ):
            # The best of those that are there is another one.
            line["kept"] = best = False
        self._add(line)
        return best

    def save_now_and_then(self, trainer: Trainer, seconds: float) -> None:
        """Write the state if that was long ago."""
        if self._clock() - self._saved_at >= 60 * self.folder.settings.save_minutes:
            self.save(trainer, seconds)

    def save(self, trainer: Trainer, seconds: float, *, must: bool = False) -> None:
        """Write the state, unless it is on the disk already.

        Raises:
            InputOutputError: E020, it must be written and cannot.
        """
        if not self._first or trainer.steps == self._saved_step:
            return
        try:
            checkpoint = Checkpoint(trainer.state(), seconds)
            write_checkpoint(self.folder.path / LAST, checkpoint)
            self._write_weights(trainer.average, LAST_WEIGHTS, trainer.steps, {})
        except InputOutputError as error:
            if must:
                raise
            self._noted(f"{error.diagnostics[0].message}; training goes on and tries again")
        else:
            self._saved_step = trainer.steps
        self._saved_at = self._clock()

    def show_learned(self, batch: Batch) -> None:
        """Draw what is learned from, once."""
        path = self.folder.path / SAMPLES
        if self._first and not (path / LEARNED).exists():
            facts = self.folder.facts
            names = tuple(facts.class_names)
            self._try(lambda: write_learned(path, batch, facts.pixels, names))

    def show(self, dataset: Dataset, found: Evaluation) -> None:
        """Draw what an evaluation has found, and write the report."""
        self._try(lambda: write_found(self.folder.path / SAMPLES, dataset, found))
        self.report(found)

    def report(self, last: Evaluation | None) -> None:
        """Write the report of the run.

        Without an evaluation one that is there stays: of a run that has gone on it alone has the
        numbers of the last one.
        """
        if self._first and (last is not None or not (self.folder.path / REPORT).is_file()):
            self._try(lambda: write_run_report(self.folder, last))

    def _write_weights(
        self, network: nn.Module, name: str, step: int, numbers: Mapping[str, float | None]
    ) -> None:
        facts = self.folder.facts
        metadata: dict[str, Any] = {
            "model": facts.model,
            "names": "archgraph",
            "spec_hash": fingerprint(self.graph),
            "class_names": list(facts.class_names),
            "category_ids": list(facts.category_ids),
            "step": step,
            "left_out": [],
            **({"evaluation": dict(numbers)} if numbers else {}),
        }
        write_safetensors(self.folder.path / name, network.state_dict(), metadata)

    def _try(self, write: Callable[[], None]) -> bool:
        try:
            write()
        except InputOutputError as error:
            self._noted(f"{error.diagnostics[0].message}; training goes on")
            return False
        return True

    def _add(self, line: Mapping[str, Any]) -> None:
        assert self._metrics is not None
        if not self._metrics.add(line):
            self._noted(f"cannot write '{self.folder.path / METRICS}'; its lines wait")


def _place(progress: Progress) -> dict[str, Any]:
    return {"step": progress.step, "epoch": progress.epoch, "seconds": progress.seconds}


def _speed(progress: Progress) -> dict[str, Any]:
    return {
        "images_per_second": progress.images_per_second,
        "waiting": progress.waiting,
        "memory": progress.memory,
    }
