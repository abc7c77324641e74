"""One step after the other: what a loop over batches calls, this one or a loop of one's own."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from archgraph.detect import DetectorSettings, Targets, detection_loss, flat, match
from archgraph.train.evaluate import place
from archgraph.train.fit.average import decay_at, update_average
from archgraph.train.fit.blocks import checkpoint_blocks, compile_blocks
from archgraph.train.fit.freeze import freeze, train_mode
from archgraph.train.fit.optimizer import clip, make_optimizer, set_rate
from archgraph.train.fit.processes import summed, with_shared_norms
from archgraph.train.fit.settings import TrainSettings
from archgraph.train.samples.loader import Batch

_TYPES = {"bfloat16": torch.bfloat16, "float16": torch.float16}


@dataclass(frozen=True)
class Losses:
    """What a step has found, over all processes.

    Attributes:
        total: the loss.
        classes: of it, the focal loss.
        boxes: Huber's loss, before its weight.
        overlap: the loss of overlaps, before its weight.
        norm: the length of the gradient before it was clipped.
        positives: how many anchors answer for an object.
        rate: the learning rate.
    """

    total: float
    classes: float
    boxes: float
    overlap: float
    norm: float
    positives: int
    rate: float


class NotFiniteError(Exception):
    """A loss or a gradient is no number; the weights are those before the step.

    Attributes:
        batches: of this process.
        of: `loss` or `gradient`.
    """

    def __init__(self, batches: Sequence[Batch], of: str) -> None:
        super().__init__(f"the {of} is not finite")
        self.batches, self.of = batches, of


class Trainer:
    """A network that learns, with its average, its optimizer and how many steps it has made.

    In a group of processes every one of them has a trainer, and all make each step together.

    Args:
        network: a detector as `archgraph.build` makes it, where it is to be trained; it is
            changed: norms are shared between processes, blocks compiled, as the settings say.
        average: another instance of it, for the moving average; None for none.
        detector: anchors and number of classes.
        settings: loss, optimizer, precision and the like; of schedules and data nothing.

    Attributes:
        network: the same one.
        average: what to evaluate: the average, or the network where there is none.
        steps: how many steps were made.
    """

    def __init__(
        self,
        network: nn.Module,
        average: nn.Module | None,
        detector: DetectorSettings,
        settings: TrainSettings,
    ) -> None:
        self.settings, self._detector = settings, detector
        self.device = next(network.parameters()).device
        freeze(network, settings.freeze)
        if settings.sync_norm:
            network = with_shared_norms(network)
        if settings.channels_last:
            network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
            if average is not None:
                average = average.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        if settings.compile:
            compile_blocks(network)
        if settings.checkpoint:
            checkpoint_blocks(network)
        self.network = network
        self._averaged = average is not None
        self.average = average if average is not None else network
        self.begin_again()
        if average is not None:
            average.requires_grad_(False).eval()
        self._called = self._wrapped(network)
        self.optimizer = make_optimizer(
            network,
            settings.optimizer,
            momentum=settings.momentum,
            weight_decay=settings.weight_decay,
        )
        halves = settings.precision == "float16"
        self._scaler = torch.amp.GradScaler(self.device.type, enabled=halves)
        self._anchors = detector.anchors.xyxy(*detector.image_size).to(self.device)
        self.steps = 0

    def _wrapped(self, network: nn.Module) -> nn.Module:
        if place().count == 1:
            return network
        ids = [self.device.index] if self.device.type == "cuda" else None
        # Statistics of norms are the same everywhere already, or each process's own.
        with warnings.catch_warnings():
            # Newer releases of torch have another name for it, older ones do not.
            warnings.simplefilter("ignore", FutureWarning)
            return DistributedDataParallel(network, device_ids=ids, broadcast_buffers=False)

    def step(self, batches: Sequence[Batch], rate: float) -> Losses:
        """Learn from some images.

        What drops out at random depends on seed, process and step alone, so a training that goes
        on where another stopped draws what that would have drawn.

        Args:
            batches: parts of the images of this process, of one size each; their gradients are
                added up.
            rate: the learning rate.

        Raises:
            NotFiniteError: a loss or a gradient is no number; nothing was learned, though the
                statistics of norms have seen the images.
        """
        torch.manual_seed(_mixed(self.settings.seed, place().rank, self.steps))
        train_mode(self.network, self.settings.freeze)
        set_rate(self.optimizer, rate)
        self.optimizer.zero_grad(set_to_none=True)
        moved = [self._moved(batch) for batch in batches]
        targets = [self._targets(batch) for batch in moved]
        positives = torch.stack([each.positives for part in targets for each in part]).sum()
        positives = summed(positives)
        normalizer = positives.to(self._anchors.dtype) + 1
        parts = torch.zeros(4, device=self.device)
        for number, (batch, wanted) in enumerate(zip(moved, targets, strict=True), 1):
            with self._quiet(last=number == len(moved)):
                parts += self._backward(batch, wanted, normalizer)
        self._scaler.unscale_(self.optimizer)
        norm = clip(
            self.network.parameters(), each=self.settings.clip_each, whole=self.settings.clip_norm
        )
        found = torch.cat([summed(parts), norm.to(parts)[None], positives.to(parts)[None]])
        total, classes, boxes, overlap, length, count = found.tolist()
        losses = Losses(total, classes, boxes, overlap, length, int(count), rate)
        try:
            self._check(losses, moved)
        except NotFiniteError:
            self._scaler.update()  # or the next step, of a loop of one's own, could not unscale
            raise
        self._scaler.step(self.optimizer)
        self._scaler.update()
        self.steps += 1
        if self._averaged:
            settings = self.settings
            decay = decay_at(self.steps, settings.ema, warmup=settings.ema_warmup)
            update_average(self.average, self.network, decay)
        return losses

    def _moved(self, batch: Batch) -> Batch:
        moved = batch.to(self.device)
        order = torch.channels_last if self.settings.channels_last else torch.contiguous_format
        precision = next(self.network.parameters()).dtype
        return moved.with_images(moved.images.to(precision, memory_format=order))

    def _targets(self, batch: Batch) -> list[Targets]:
        threshold = self.settings.match_threshold
        return [
            match(self._anchors, boxes, classes, threshold)
            for boxes, classes in zip(batch.boxes_xyxy, batch.classes, strict=True)
        ]

    def _quiet(self, *, last: bool) -> AbstractContextManager[Any]:
        """Gradients of several parts are sent to other processes once, with the last one."""
        if last or not isinstance(self._called, DistributedDataParallel):
            return nullcontext()
        return self._called.no_sync()

    def _backward(self, batch: Batch, targets: Sequence[Targets], normalizer: Tensor) -> Tensor:
        """Add to the gradients; the loss and its parts, shape (4,)."""
        with autocast(self.device, self.settings.precision):
            class_maps, box_maps = self._called(batch.images)
        loss = detection_loss(
            flat(class_maps, self._detector.classes),
            flat(box_maps, 4),
            targets,
            self._anchors,
            self.settings.loss,
            normalizer,
        )
        # Gradients of processes are averaged where ours are to be added up.
        self._scaler.scale(loss.total * place().count).backward()
        return torch.stack([loss.total, loss.classes, loss.boxes, loss.overlap]).detach().float()

    def _check(self, losses: Losses, batches: Sequence[Batch]) -> None:
        """Stop before anything is learned from what is no number.

        Gradients of float16 may overflow: the scaler then leaves the step out, and scales less,
        until at 1, which is that of one that is off, scaling is no excuse.
        """
        if not _finite(losses.total):
            raise NotFiniteError(batches, "loss")
        if not _finite(losses.norm) and self._scaler.get_scale() <= 1:
            raise NotFiniteError(batches, "gradient")

    def begin_again(self) -> None:
        """Let the average be what the network is now."""
        if self._averaged:
            self.average.load_state_dict(self.network.state_dict())

    def state(self) -> dict[str, Any]:
        """All that the next step depends on, of tensors and plain values."""
        return {
            "steps": self.steps,
            "network": self.network.state_dict(),
            "average": self.average.state_dict() if self._averaged else None,
            "optimizer": self.optimizer.state_dict(),
            "scaler": self._scaler.state_dict(),
        }

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state` has told."""
        self.network.load_state_dict(state["network"])
        if self._averaged:
            self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self._scaler.load_state_dict(state["scaler"])
        self.steps = state["steps"]


def autocast(device: torch.device, precision: str) -> torch.autocast:
    """Where operations are of a precision of the settings."""
    wanted = _TYPES.get(precision)
    return torch.autocast(device.type, wanted, enabled=wanted is not None)


def _mixed(*numbers: int) -> int:
    """One seed of several numbers, for torch: 64 bits."""
    mixed = 0x9E3779B97F4A7C15
    for number in numbers:
        mixed = (mixed ^ number) * 0xBF58476D1CE4E5B9 % 2**64
        mixed ^= mixed >> 27
    return mixed - 2**63


def _finite(number: float) -> bool:
    return number - number == 0
