"""From the first step to the last: batches, evaluations, files, and going on after any end."""

from __future__ import annotations

import signal
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from itertools import islice
from time import monotonic

from archgraph.detect import PixelScale
from archgraph.errors import DataError, Diagnostic
from archgraph.train.detector import Detector
from archgraph.train.evaluate import Detect, Evaluation, evaluate, place
from archgraph.train.fit.diagnose import not_finite
from archgraph.train.fit.keeper import Keeper
from archgraph.train.fit.processes import in_any, share_statistics, together, told
from archgraph.train.fit.schedule import Schedule
from archgraph.train.fit.settings import TrainSettings
from archgraph.train.fit.trainer import NotFiniteError, Trainer
from archgraph.train.fit.watch import Progress, Watcher, peak_memory
from archgraph.train.records import Dataset
from archgraph.train.samples.augment import (
    Augmentation,
    Flip,
    padding_of,
    reference_steps,
    strong_steps,
)
from archgraph.train.samples.loader import Batch, Share, make_loader

# Over how many steps throughput is told.
LATE = 50
# Of an epoch, so many images that were replaced are told of.
MOST_NOTES = 5


@dataclass(frozen=True)
class Plan:
    """How many steps there are, and of what.

    Attributes:
        train: images to learn from.
        val: images to evaluate on; None for none.
        settings: of the training.
        part: how many images a process looks at together.
        steps_per_epoch: of all processes together.
        steps: in all.
        schedule: of the learning rate.
    """

    train: Dataset
    val: Dataset | None
    settings: TrainSettings
    part: int
    steps_per_epoch: int
    steps: int
    schedule: Schedule

    @property
    def eval_steps(self) -> int:
        """How many steps there are from one evaluation to the next."""
        return max(1, round(self.settings.eval_every * self.steps_per_epoch))

    def due(self, step: int) -> bool:
        """Whether an evaluation belongs after a step."""
        regular = step > 0 and step % self.eval_steps == 0
        return self.val is not None and (regular or step == self.steps)


def make_plan(train: Dataset, val: Dataset | None, settings: TrainSettings) -> Plan:
    """The steps of a training.

    Raises:
        DataError: E552, there are too few images for a batch; E553, a batch cannot be divided
            between processes and parts.
    """
    parts = place().count * settings.accumulate
    if settings.batch_size % parts:
        parties = f"into {settings.accumulate} parts"
        if place().count > 1:
            parties = f"between {place().count} processes, {parties} each"
        message = f"a batch of {settings.batch_size} images cannot be divided {parties}"
        hint = f"set batch_size to a multiple of {parts}"
        raise DataError(Diagnostic("E553", message, None, hint))
    if len(train) < settings.batch_size:
        message = (
            f"{train.name} has {len(train)} images, too few for a batch of {settings.batch_size}"
        )
        raise DataError(Diagnostic("E552", message, None, "set a smaller batch_size"))
    each = len(train) // settings.batch_size
    steps = max(1, round((settings.epochs + settings.cooldown) * each))
    schedule = Schedule(
        settings.schedule,
        settings.peak_lr,
        steps,
        each,
        round(settings.warmup * each),
        settings.warmup_lr,
        settings.final_lr,
        settings.cooldown,
    )
    part = settings.batch_size // parts
    return Plan(train, val, settings, part, each, steps, schedule)


def augmentations(
    settings: TrainSettings, size: tuple[int, int], pixels: PixelScale
) -> tuple[Augmentation, ...]:
    """What becomes of images before they are learned from."""
    padding = padding_of(pixels)
    match settings.augment:
        case "reference":
            return reference_steps(size, padding, *settings.jitter)
        case "strong":
            return strong_steps(size, padding)
        case "flip":
            return (Flip(),)
        case _:
            return ()


@dataclass(frozen=True)
class Outcome:
    """How a training ended.

    Attributes:
        steps: how many steps were made in all.
        seconds: how long they took in all.
        best: the AP of the best evaluation, and its step; None where there was none.
        last: the last evaluation of this process; None where there was none.
        interrupted: a signal ended it before its time; it can go on.
    """

    steps: int
    seconds: float
    best: tuple[float, int] | None
    last: Evaluation | None = field(repr=False)
    interrupted: bool


@dataclass
class Loop:
    """A training that goes on from where its trainer is.

    Attributes:
        trainer: what makes the steps.
        plan: how many, and of what.
        detector: what is evaluated, around the average of the trainer.
        detect: the same, with the classes of the data.
        keeper: of the files of the run.
        watcher: is told of everything, in the first process.
        clock: seconds.
        seconds: how long training took so far.
    """

    trainer: Trainer
    plan: Plan
    detector: Detector
    detect: Detect
    keeper: Keeper
    watcher: Watcher
    clock: Callable[[], float] = monotonic
    seconds: float = 0.0
    _late: deque[tuple[float, float]] = field(default_factory=lambda: deque(maxlen=LATE))

    def run(self) -> Outcome:
        """Make all steps that are left.

        Raises:
            DataError: images cannot be read; E557, a loss is no number.
            InputOutputError: E020, the last state cannot be written.
        """
        start = self.clock() - self.seconds
        last: Evaluation | None = None
        batches = self._batches()
        with _signals() as stop, closing(batches):
            while True:
                self.seconds = self.clock() - start
                # Whoever starts and ends processes may ask any of them.
                now = self._told(in_any(stop.asked))
                if now.due and not now.interrupted:
                    self.keeper.save(self.trainer, self.seconds)
                    paused = self.clock()
                    last = self._evaluate()
                    # A time limit is one of training.
                    start += self.clock() - paused
                ended = now.out_of_time or self.trainer.steps >= self.plan.steps
                if ended or now.interrupted:
                    break
                self._step(batches, now.rate, start)
                if self.trainer.steps % self.plan.steps_per_epoch == 0:
                    self.keeper.save(self.trainer, self.seconds)
                else:
                    self.keeper.save_now_and_then(self.trainer, self.seconds)
            with together():
                self.keeper.save(self.trainer, self.seconds, must=True)
            self.keeper.summarize(self._progress())
            self.keeper.report(last)
        # With the last step made, its evaluation may still be missing.
        interrupted = now.interrupted and (now.due or not ended)
        best = told(self.keeper.best)
        return Outcome(self.trainer.steps, self.seconds, best, last, interrupted)

    def _told(self, interrupted: bool) -> _Told:
        """What the first process decides for all: its clock is the one that counts."""
        step, settings = self.trainer.steps, self.plan.settings
        limit = 60 * settings.time_limit
        share = self.seconds / limit if limit else 0.0
        schedule = self.plan.schedule
        # The warm-up is one of steps, whatever ends the training.
        late = min(share, 1.0) * schedule.steps if step >= schedule.warmup_steps else 0.0
        rate = schedule.rate(max(step, late))
        over = share >= 1
        ends = step >= self.plan.steps or over
        due = (self.plan.due(step) or (ends and self.plan.val is not None)) and step > 0
        due = due and not self.keeper.evaluated(step)
        return _Told(*told((rate, over, interrupted, due)))

    def _step(self, batches: Iterator[Sequence[Batch]], rate: float, start: float) -> None:
        before = self.clock()
        with together():
            parts = next(batches)
        if not self._late:
            self.keeper.show_learned(parts[0])
        waited = self.clock() - before
        try:
            losses = self.trainer.step(parts, rate)
        except NotFiniteError as error:
            raise not_finite(self.trainer, self.keeper.graph, error) from None
        now = self.clock()
        self._late.append((now - before, waited))
        self.seconds = now - start
        if place().rank == 0:
            progress = self._progress()
            self.keeper.stepped(progress, losses)
            self.watcher.stepped(progress, losses)

    def _progress(self) -> Progress:
        plan, step = self.plan, self.trainer.steps
        took = sum(each for each, _ in self._late)
        limit = 60 * plan.settings.time_limit
        share = max(step / plan.steps, self.seconds / limit if limit else 0.0)
        left = (plan.steps - step) * took / len(self._late) if self._late else None
        if left is not None and limit:
            left = min(left, limit - self.seconds)
        return Progress(
            step,
            plan.steps,
            step / plan.steps_per_epoch,
            plan.steps / plan.steps_per_epoch,
            min(1.0, share),
            self.seconds,
            left,
            len(self._late) * plan.settings.batch_size / took if took else 0.0,
            sum(waited for _, waited in self._late) / took if took else 0.0,
            peak_memory(self.trainer.device),
        )

    def _evaluate(self) -> Evaluation:
        assert self.plan.val is not None
        first = place().rank == 0
        settings = self.plan.settings
        if not settings.sync_norm:
            share_statistics(self.trainer.average)
        found = evaluate(
            self.detect,
            self.plan.val,
            batch_size=self.plan.part,
            workers=min(2, settings.workers),
            progress=self.watcher.evaluating if first else None,
            bad="refuse" if settings.bad == "refuse" else "skip",
        )
        if first:
            progress = self._progress()
            best = self.keeper.record(self.trainer, progress, found)
            self.keeper.show(self.plan.val, found)
            self.watcher.evaluated(progress, found, best=best)
        return found

    def _batches(self) -> Generator[Sequence[Batch], None, None]:
        """The images of this process for every step that is left."""
        plan, settings, where = self.plan, self.plan.settings, place()
        size, pixels = self.detector.settings.image_size, self.detector.settings.pixels
        step = self.trainer.steps
        while step < plan.steps:
            epoch, done = divmod(step, plan.steps_per_epoch)
            loader = make_loader(
                plan.train,
                size,
                plan.part,
                augment=augmentations(settings, size, pixels),
                workers=settings.workers,
                seed=settings.seed,
                epoch=epoch,
                shuffle=True,
                how=settings.resize,
                pixels=pixels,
                bad=settings.bad,
                most=settings.most_objects,
                drop_last=True,
                share=Share(where.rank, where.count, even=True),
                skip=done * settings.accumulate,
            )
            parts = iter(loader)
            for _ in range(plan.steps_per_epoch - done):
                yield list(islice(parts, settings.accumulate))
                step += 1
            for each in loader.skipped[:MOST_NOTES]:
                self.watcher.noted(f"replaced: {each.message}")


@dataclass(frozen=True)
class _Told:
    """What holds for the next step, or that there is none."""

    rate: float
    out_of_time: bool
    interrupted: bool
    due: bool


@dataclass
class _Stop:
    """Whether a signal has asked for the end."""

    asked: bool = False


@contextmanager
def _signals() -> Iterator[_Stop]:
    """Let the first signal end training after the step; the second ends it at once."""
    stop = _Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return

    def ask(*_: object) -> None:
        if stop.asked:
            raise KeyboardInterrupt
        stop.asked = True

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in before:
        signal.signal(number, ask)
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
