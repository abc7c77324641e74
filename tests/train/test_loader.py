"""Batches: the same for every number of processes, and no image is lost without a word."""

from __future__ import annotations

import os
import pickle
import signal
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest
import torch

from archgraph.errors import DataError, Diagnostic
from archgraph.train.records import ImageRecord, Objects, Pixels
from archgraph.train.samples.augment import reference_steps, strong_steps
from archgraph.train.samples.loader import Batch, Loader, Share, collate, make_loader, order_of
from archgraph.train.samples.shapes import Shapes

SIZE = (64, 96)


@dataclass(frozen=True)
class Small:
    """Images of a few pixels, some of which cannot be read."""

    count: int = 10
    bad: tuple[int, ...] = ()
    deadly: int = -1
    objects: Objects = field(default_factory=Objects)
    name: str = "small"
    class_names: Sequence[str] = ("a", "b")
    category_ids: Sequence[int] = (1, 2)

    def __len__(self) -> int:
        return self.count

    def record(self, index: int) -> ImageRecord:
        return ImageRecord(100 + index, f"{index}.png", None, 8, 6, self.objects)

    def pixels(self, index: int) -> Pixels:
        if index == self.deadly:
            os.kill(os.getpid(), signal.SIGKILL)
        if index in self.bad:
            raise DataError(Diagnostic("E501", f"'{index}.png' is cut off"))
        return np.full((6, 8, 3), index, np.uint8)


def same(first: Batch, second: Batch) -> bool:
    lists = [(first.boxes_xyxy, second.boxes_xyxy), (first.classes, second.classes)]
    return (
        torch.equal(first.images, second.images)
        and all(torch.equal(a, b) for x, y in lists for a, b in zip(x, y, strict=True))
        and first.scales == second.scales
        and first.sizes == second.sizes
        and first.image_ids == second.image_ids
        and first.skipped == second.skipped
    )


def ids(loader: Loader) -> list[list[int]]:
    return [list(batch.image_ids) for batch in loader]


def boxes(*corners: tuple[float, float, float, float], crowds: Sequence[bool] = ()) -> Objects:
    count = len(corners)
    flags = np.array(crowds or [False] * count)
    return Objects(np.array(corners), np.arange(count), flags, np.ones(count), np.arange(count))


def test_no_number_of_workers_changes_a_bit() -> None:
    data = Shapes(count=9, size=64)
    state = torch.random.get_rng_state()
    made = [
        list(
            make_loader(
                data, SIZE, 4, augment=strong_steps(SIZE), workers=workers, seed=3, shuffle=True
            )
        )
        for workers in (0, 1, 2)
    ]
    assert [len(batch) for batch in made[0]] == [4, 4, 1]
    for others in made[1:]:
        assert all(same(a, b) for a, b in zip(made[0], others, strict=True))
    assert torch.equal(torch.random.get_rng_state(), state)


def test_epochs_and_seeds_differ_and_repeat() -> None:
    data = Shapes(count=6, size=64)

    def first(seed: int, epoch: int) -> Batch:
        steps = reference_steps(SIZE)
        return next(iter(make_loader(data, SIZE, 6, augment=steps, seed=seed, epoch=epoch)))

    assert same(first(0, 0), first(0, 0))
    assert not same(first(0, 0), first(0, 1)) and not same(first(0, 0), first(1, 0))


def test_the_order_is_that_of_the_data_unless_shuffled() -> None:
    assert ids(make_loader(Small(5), SIZE, 2)) == [[100, 101], [102, 103], [104]]
    assert ids(make_loader(Small(5), SIZE, 2, drop_last=True)) == [[100, 101], [102, 103]]
    (mixed,) = ids(make_loader(Small(10), SIZE, 10, shuffle=True))
    assert sorted(mixed) == list(range(100, 110)) and mixed != sorted(mixed)


def test_iterating_again_gives_the_same() -> None:
    loader = make_loader(Small(5), SIZE, 2, shuffle=True)
    assert len(loader) == 3 and ids(loader) == ids(loader)


def test_a_batch_says_where_boxes_are() -> None:
    data = Small(2, objects=boxes((2, 1, 4, 5), (0, 0, 8, 6)))
    (batch,) = make_loader(data, SIZE, 2)
    assert batch.images.shape == (2, 3, *SIZE) and batch.images.dtype == torch.float32
    scale = 6 / 64
    assert batch.scales == [scale] * 2 and batch.sizes == [(6, 8)] * 2
    expected = torch.tensor([[2, 1, 4, 5], [0, 0, 8, 6]]) / scale
    assert torch.allclose(batch.boxes_xyxy[1], expected) and batch.classes[1].tolist() == [0, 1]
    assert batch.boxes_xyxy[0].dtype == torch.float32 and batch.classes[0].dtype == torch.int64


def test_images_without_objects_are_images() -> None:
    (batch,) = make_loader(Small(3), SIZE, 3, augment=reference_steps(SIZE))
    assert [tuple(b.shape) for b in batch.boxes_xyxy] == [(0, 4)] * 3
    assert [tuple(c.shape) for c in batch.classes] == [(0,)] * 3


def test_crowds_and_boxes_of_no_size_are_not_learned_from() -> None:
    data = Small(
        1,
        objects=boxes(
            (0, 0, 4, 4),
            (1, 1, 5, 5),
            (3, 3, 3, 6),
            (2, 2, 99, 99),
            crowds=(False, True, False, False),
        ),
    )
    (batch,) = make_loader(data, (6, 8), 1)
    assert batch.classes[0].tolist() == [0, 3]
    assert batch.boxes_xyxy[0][1].tolist() == [2, 2, 8, 6]
    (kept,) = make_loader(data, (6, 8), 1, crowds=True)
    assert kept.classes[0].tolist() == [0, 1, 3] and kept.crowds[0].tolist() == [False, True, False]
    (few,) = make_loader(data, (6, 8), 1, most=1)
    assert few.classes[0].tolist() == [0]


@pytest.mark.parametrize("workers", [0, 2])
def test_a_bad_image_is_refused_by_name(workers: int) -> None:
    loader = make_loader(Small(6, bad=(3,)), SIZE, 2, workers=workers)
    with pytest.raises(DataError) as caught:
        list(loader)
    assert str(caught.value) == "error[E501]: '3.png' is cut off"


@pytest.mark.parametrize("workers", [0, 2])
def test_a_bad_image_is_replaced_by_the_next_good_one(workers: int) -> None:
    loader = make_loader(Small(6, bad=(2, 3, 5)), SIZE, 3, workers=workers, bad="replace")
    assert ids(loader) == [[100, 101, 104], [104, 104, 100]]
    assert [d.message for d in loader.skipped] == [
        f"'{number}.png' is cut off" for number in (2, 3, 3, 5)
    ]


def test_a_bad_image_is_left_out() -> None:
    loader = make_loader(Small(6, bad=(1, 2, 3)), SIZE, 2, bad="drop")
    assert ids(loader) == [[100], [104, 105]]
    assert len(loader.skipped) == 3


def test_a_bad_image_among_those_of_a_mosaic() -> None:
    steps = strong_steps(SIZE)
    data = Small(3, bad=(1,))
    assert len(ids(make_loader(data, SIZE, 3, augment=steps, bad="replace", seed=1))) == 1
    with pytest.raises(DataError, match=r"1\.png"):
        list(make_loader(data, SIZE, 3, augment=steps))


def test_no_good_image_at_all() -> None:
    loader = make_loader(Small(3, bad=(0, 1, 2)), SIZE, 2, bad="replace")
    with pytest.raises(DataError, match="none of the 3 images of small can be read"):
        list(loader)


@pytest.mark.slow  # torch looks for dead processes every five seconds
def test_a_process_that_dies_is_told_of() -> None:
    loader = make_loader(Small(8, deadly=5), SIZE, 2, workers=2)
    with pytest.raises(DataError, match=r"E522\]: a process that reads images ended"):
        list(loader)


def test_what_torch_says_of_a_dead_process_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(loader: object) -> Iterator[Batch]:
        raise RuntimeError("DataLoader worker (pid 7) is killed by signal: Killed. ")
        yield

    monkeypatch.setattr("archgraph.train.samples.loader._iterator", broken)
    with pytest.raises(DataError, match=r"pid 7.*\n.*fewer workers"):
        list(make_loader(Small(2), SIZE, 2))


def test_other_failures_are_bugs_and_stay_what_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: Small, index: int) -> Pixels:
        raise RuntimeError("a bug")

    monkeypatch.setattr(Small, "pixels", broken)
    with pytest.raises(RuntimeError, match="a bug"):
        list(make_loader(Small(2), SIZE, 2))


@pytest.mark.parametrize(("count", "world"), [(10, 3), (2, 4), (0, 2), (9, 3)])
def test_shares(count: int, world: int) -> None:
    def shares(even: bool) -> list[list[int]]:
        return [
            order_of(count, shuffle=True, seed=1, epoch=2, share=Share(rank, world, even)).tolist()
            for rank in range(world)
        ]

    apart = shares(even=False)
    assert sorted(i for each in apart for i in each) == list(range(count))
    even = shares(even=True)
    assert len({len(each) for each in even}) == 1
    assert {i for each in even for i in each} == set(range(count))


def test_batches_travel() -> None:
    (batch,) = make_loader(Small(2, objects=boxes((0, 0, 4, 4))), SIZE, 2)
    assert same(batch.to("cpu"), batch) and same(pickle.loads(pickle.dumps(batch)), batch)
    empty = collate([])
    assert isinstance(empty, Batch) and len(empty) == 0


def test_an_image_alters_nothing_of_another() -> None:
    """The same image alone and in a batch, where its neighbours are other ones."""
    data = Shapes(count=4, size=64)
    steps = reference_steps(SIZE)
    (whole,) = make_loader(data, SIZE, 4, augment=steps)
    singles = list(make_loader(data, SIZE, 1, augment=steps))
    assert all(torch.equal(whole.images[i], singles[i].images[0]) for i in range(4))


@pytest.mark.parametrize("workers", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_going_on_in_the_middle_gives_the_rest(workers: int) -> None:
    def loader(skip: int) -> Loader:
        steps = reference_steps(SIZE)
        share = Share(1, 2, even=True)
        options = {"augment": steps, "workers": workers, "seed": 3, "epoch": 2, "share": share}
        return make_loader(Shapes("val", 14, 64), SIZE, 2, shuffle=True, skip=skip, **options)  # type: ignore[arg-type]

    whole = list(loader(0))
    assert [len(batch) for batch in whole] == [2, 2, 2, 1]
    for skip in range(5):
        rest = list(loader(skip))
        assert len(rest) == 4 - skip == len(loader(skip))
        assert all(same(a, b) for a, b in zip(rest, whole[skip:], strict=True))
