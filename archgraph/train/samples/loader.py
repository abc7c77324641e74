"""Batches of images and what stands on them, made by any number of processes, always the same."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import torch
from numpy.random import Generator
from torch import Tensor
from torch.utils.data import DataLoader

from archgraph.detect import PIXELS, PixelScale
from archgraph.errors import DataError, Diagnostic
from archgraph.train.records import Dataset, Integers, Objects, Sample
from archgraph.train.samples.augment import Augmentation, augmented
from archgraph.train.samples.objects import clipped, picked
from archgraph.train.samples.resize import Way, fit_pixels

Bad = Literal["refuse", "replace", "drop"]
# What torch says where a process of its loader has ended.
_DEAD = ("exited unexpectedly", "killed by signal")


@dataclass(frozen=True)
class Batch:
    """B images of one size.

    Attributes:
        images: shape (B, 3, height, width), float32, normalised.
        boxes_xyxy: in pixels of these images; B of shape (N, 4), float32; N may be 0.
        classes: from 0; B of shape (N,), int64.
        crowds: which boxes stand for many objects; B of shape (N,), bool.
        scales: how many pixels of the original image make one of these.
        sizes: height and width of each image before it was made to fit.
        image_ids: of the records.
        skipped: why other images are not here.
    """

    images: Tensor
    boxes_xyxy: Sequence[Tensor]
    classes: Sequence[Tensor]
    crowds: Sequence[Tensor]
    scales: Sequence[float]
    sizes: Sequence[tuple[int, int]]
    image_ids: Sequence[int]
    skipped: Sequence[Diagnostic] = ()

    def __len__(self) -> int:
        return len(self.image_ids)

    def with_images(self, images: Tensor) -> Batch:
        """The same objects on other tensors of the images."""
        return replace(self, images=images)

    def to(self, device: torch.device | str) -> Batch:
        """The batch with its tensors there."""
        moved = [
            tuple(x.to(device, non_blocking=True) for x in tensors)
            for tensors in (self.boxes_xyxy, self.classes, self.crowds)
        ]
        images = self.images.to(device, non_blocking=True)
        return replace(self, images=images, boxes_xyxy=moved[0], classes=moved[1], crowds=moved[2])


@dataclass(frozen=True)
class Share:
    """Which images are for this of several processes that train or evaluate together.

    Attributes:
        rank: of this process, from 0.
        world: how many there are.
        even: all get equally many, some images twice, as training needs it; else each image is
            for one of them, as evaluation needs it.
    """

    rank: int = 0
    world: int = 1
    even: bool = False


def order_of(count: int, *, shuffle: bool, seed: int, epoch: int, share: Share) -> Integers:
    """The images of an epoch for a process, in order; shape (N,)."""
    order = np.arange(count)
    if shuffle:
        order = np.random.default_rng((seed, epoch)).permutation(count)
    if share.even and count:
        order = np.resize(order, -(-count // share.world) * share.world)
    return order[share.rank :: share.world]


def make_loader(
    dataset: Dataset,
    size: tuple[int, int],
    batch_size: int,
    *,
    augment: Sequence[Augmentation] = (),
    workers: int = 0,
    seed: int = 0,
    epoch: int = 0,
    shuffle: bool = False,
    how: Way = "torch",
    pixels: PixelScale = PIXELS["imagenet"],
    bad: Bad = "refuse",
    crowds: bool = False,
    most: int | None = None,
    drop_last: bool = False,
    share: Share | None = None,
    skip: int = 0,
) -> Loader:
    """Batches of a data set, bit for bit the same for every number of workers.

    Args:
        dataset: where images come from.
        size: height and width of what the detector sees.
        batch_size: how many images there are in a batch; the last one may have fewer.
        augment: what becomes of each sample before it is made to fit.
        workers: how many processes read; 0 for this one.
        seed: of the order and of the augmentations.
        epoch: likewise; the same image is another one in the next epoch.
        shuffle: in a random order.
        how: a way to resize.
        pixels: how the detector has its pixels.
        bad: images that cannot be read end all (`refuse`), are replaced by the next one that can
            (`replace`), or are left out (`drop`).
        crowds: boxes that stand for many objects are kept.
        most: how many objects of an image are kept, the first ones; all if not given. The
            references keep 100.
        drop_last: leave a last batch of fewer images out.
        share: which images are for this process; all if not given.
        skip: so many batches are left out, to go on in the middle of an epoch.
    """
    order = order_of(len(dataset), shuffle=shuffle, seed=seed, epoch=epoch, share=share or Share())
    order = order[skip * batch_size :]
    items = _Items(
        dataset, order, size, tuple(augment), seed, epoch, how, pixels, bad, crowds, most
    )
    return Loader(items, batch_size, workers, drop_last)


class Loader:
    """The batches of an epoch; iterating again gives the same ones again.

    Attributes:
        skipped: why images were replaced or left out, so far in this iteration.
    """

    def __init__(self, items: _Items, batch_size: int, workers: int, drop_last: bool) -> None:
        self.skipped: list[Diagnostic] = []
        self._loader: DataLoader[Any] = DataLoader(
            items,  # type: ignore[arg-type]  # a sequence is all that is needed
            batch_size,
            num_workers=workers,
            drop_last=drop_last,
            collate_fn=collate,
            worker_init_fn=_deaf,
            # Its own, or the loader would draw from torch's.
            generator=torch.Generator().manual_seed(0),
        )

    def __len__(self) -> int:
        """How many batches there are, with no image left out."""
        return len(self._loader)

    def __iter__(self) -> Iterator[Batch]:
        """The batches in order.

        Raises:
            DataError: an image cannot be read and is to be refused; E522 a process that reads
                images ended; E523 no image can be read.
        """
        self.skipped = []
        batches = _iterator(self._loader)
        while True:
            try:
                batch = next(batches)
            except StopIteration:
                return
            except RuntimeError as error:
                if not any(words in str(error) for words in _DEAD):
                    raise
                raise _dead(error) from None
            if isinstance(batch, Refused):
                raise DataError(batch.diagnostics)
            self.skipped += batch.skipped
            if len(batch):
                yield batch


def _deaf(_: int) -> None:
    """What asks every process of a command to end asks this one too, which ends with the others.

    A terminal interrupts all of them, and a cluster terminates all of them.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)


def _iterator(loader: DataLoader[Any]) -> Iterator[Any]:
    """An iterator whose dead processes are told of where it is asked for a batch.

    torch has a signal handler raise in whatever the main thread is just doing; without it torch
    looks for them every five seconds of waiting.
    """
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "SIGCHLD"):
        return iter(loader)
    handler = signal.getsignal(signal.SIGCHLD)
    try:
        return iter(loader)
    finally:
        signal.signal(signal.SIGCHLD, handler)


def _dead(error: RuntimeError) -> DataError:
    message = f"a process that reads images ended: {str(error).split('. ')[0]}"
    hint = "memory may be short, shared memory (/dev/shm) too: try fewer workers, or none"
    return DataError(Diagnostic("E522", message, None, hint))


@dataclass(frozen=True)
class Loaded:
    """One image on its way into a batch; `image` is None where it was left out."""

    image: Tensor | None
    objects: Objects
    scale: float
    size: tuple[int, int]
    image_id: int
    skipped: tuple[Diagnostic, ...]


@dataclass(frozen=True)
class Refused:
    """Why there is no batch; exceptions of ours do not survive the way between processes."""

    diagnostics: tuple[Diagnostic, ...]


def collate(found: Sequence[Loaded | Refused]) -> Batch | Refused:
    """A batch of images. Objects are not padded: each image has as many as it has."""
    refused = [each for each in found if isinstance(each, Refused)]
    if refused:
        return Refused(tuple(d for each in refused for d in each.diagnostics))
    loaded = [each for each in found if isinstance(each, Loaded)]
    good = [each for each in loaded if each.image is not None]
    images = [each.image for each in good if each.image is not None]
    return Batch(
        torch.stack(images) if images else torch.zeros(0, 3, 0, 0),
        [torch.from_numpy(each.objects.boxes_xyxy.astype(np.float32)) for each in good],
        [torch.from_numpy(each.objects.classes.astype(np.int64)) for each in good],
        [torch.from_numpy(each.objects.crowds.astype(np.bool_)) for each in good],
        [each.scale for each in good],
        [each.size for each in good],
        [each.image_id for each in good],
        tuple(d for each in loaded for d in each.skipped),
    )


@dataclass(frozen=True)
class _Items:
    """The images of an epoch, made when asked for; a process has its own copy of this."""

    dataset: Dataset
    order: Integers
    size: tuple[int, int]
    augment: tuple[Augmentation, ...]
    seed: int
    epoch: int
    how: Way
    pixels: PixelScale
    bad: Bad
    crowds: bool
    most: int | None

    def __len__(self) -> int:
        return len(self.order)

    def __getitem__(self, place: int) -> Loaded | Refused:
        if not 0 <= place < len(self.order):
            raise IndexError(f"image {place} of {len(self.order)}")
        index = int(self.order[place])
        rng = np.random.default_rng((self.seed, self.epoch, index))
        skipped: list[Diagnostic] = []
        try:
            sample = self._sample(index, skipped)
            if sample is None:
                image_id = self.dataset.record(index).image_id
                return Loaded(None, Objects(), 1.0, (0, 0), image_id, tuple(skipped))
            sample = augmented(sample, self.augment, rng, lambda g: self._drawn(g, skipped))
        except DataError as error:
            return Refused(error.diagnostics)
        fitted = fit_pixels(sample.pixels, self.size, self.how, self.pixels)
        objects = self._wanted(sample)
        seen = replace(objects, boxes_xyxy=fitted.seen_xyxy(objects.boxes_xyxy))
        size = (fitted.height, fitted.width)
        return Loaded(fitted.image, seen, fitted.scale, size, sample.image_id, tuple(skipped))

    def _wanted(self, sample: Sample) -> Objects:
        """The objects that a detector learns from: inside the image, and of some size."""
        objects = sample.objects
        if not self.crowds:
            objects = picked(objects, ~objects.crowds)
        height, width = sample.pixels.shape[:2]
        objects = clipped(objects, width, height)
        return (
            objects if self.most is None else picked(objects, np.arange(len(objects))[: self.most])
        )

    def _sample(self, index: int, skipped: list[Diagnostic]) -> Sample | None:
        """An image, or the next one that can be read; None if it is to be left out."""
        for step in range(len(self.dataset)):
            tried = (index + step) % len(self.dataset)
            try:
                record = self.dataset.record(tried)
                return Sample(self.dataset.pixels(tried), record.objects, record.image_id)
            except DataError as error:
                if self.bad == "refuse":
                    raise
                skipped += error.diagnostics
            if self.bad == "drop":
                return None
        message = f"none of the {len(self.dataset)} images of {self.dataset.name} can be read"
        raise DataError([*skipped[:3], Diagnostic("E523", message)])

    def _drawn(self, rng: Generator, skipped: list[Diagnostic]) -> Sample:
        """A random image that can be read, for augmentations that need several."""
        keep = replace(self, bad="refuse" if self.bad == "refuse" else "replace")
        sample = keep._sample(int(rng.integers(len(self.dataset))), skipped)
        assert sample is not None  # nothing is left out here
        return sample
