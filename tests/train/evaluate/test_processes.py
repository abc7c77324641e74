"""Two processes give the numbers of one, and both of them the same error."""

from __future__ import annotations

import dataclasses
import json
import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch.distributed as distributed
from torch.multiprocessing.spawn import spawn

from archgraph.errors import DataError
from archgraph.train.evaluate import Detected, evaluate
from archgraph.train.evaluate.gather import Place, Share, gather, place
from archgraph.train.records import Pixels
from tests.train.evaluate.support import detected, random_set

SEED, COUNT = 6, 15
BROKEN = 3  # the place of an image that one process cannot read


SEEN: list[int] = []  # how many images this process was given, batch by batch


def detect(images: Sequence[Pixels]) -> Sequence[Detected]:
    _, found = random_set(SEED, COUNT)
    SEEN.append(len(images))
    return [found.get(int(image[0, 0, 0]), detected([], [], [])) for image in images]


def work(rank: int, count: int, folder: str) -> None:
    """What each process does; its answers are left in files."""
    init = f"file://{folder}/meet"
    distributed.init_process_group("gloo", init_method=init, rank=rank, world_size=count)
    dataset, found = random_set(SEED, COUNT)
    answers: dict[str, Any] = {"whole": evaluate(detect, dataset, batch_size=2)}
    seen = [*SEEN]
    results = Path(folder) / "results.json"
    answers["written"] = evaluate(detect, dataset, batch_size=4, results=results)
    # Samplers that pad give some images to several processes.
    mine = {i: one for i, one in found.items() if i % count == rank or i % 5 == 0}
    answers["padded"] = sorted(gather(Share(mine)).found)
    bad = dataclasses.replace(dataset, broken=frozenset({dataset.records[BROKEN].image_id}))
    answers["skipped"] = evaluate(detect, bad, batch_size=2, bad="skip")
    try:
        evaluate(detect, bad, batch_size=2)
    except DataError as error:
        answers["error"] = str(error)
    (Path(folder) / f"answers-{rank}").write_bytes(pickle.dumps((answers, seen)))
    distributed.barrier()
    distributed.destroy_process_group()


@pytest.mark.slow
def test_two_processes_are_as_good_as_one(tmp_path: Path) -> None:
    spawn(work, (2, str(tmp_path)), nprocs=2)
    (first, early), (second, late) = [
        pickle.loads((tmp_path / f"answers-{r}").read_bytes()) for r in (0, 1)
    ]
    assert first == second
    assert (early, late) == ([2, 2, 2, 2], [2, 2, 2, 1])
    dataset, found = random_set(SEED, COUNT)
    assert first["whole"] == first["written"] == evaluate(detect, dataset)
    assert first["padded"] == sorted(found)
    bad = dataclasses.replace(dataset, broken=frozenset({dataset.records[BROKEN].image_id}))
    assert first["skipped"] == evaluate(detect, bad, bad="skip")
    assert "is broken" in first["error"]
    entries = json.loads((tmp_path / "results.json").read_text())
    assert len(entries) == sum(map(len, found.values()))
    assert not list(tmp_path.glob("*.partial"))


def test_one_process_is_alone() -> None:
    assert place() == Place(0, 1)
    share = Share({4: detected([], [], []), 2: detected([], [], [])})
    assert list(gather(share).found) == [2, 4]


def test_of_equal_images_those_of_the_first_process_count(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = detected([(0, 0, 1, 1)], [0.5], [0]), detected([], [], [])

    def everyone(shares: list[Share | None], share: Share) -> None:
        shares[:] = [share, Share({1: second, 2: second})]

    monkeypatch.setattr("archgraph.train.evaluate.gather.place", lambda: Place(0, 2))
    monkeypatch.setattr("torch.distributed.all_gather_object", everyone)
    whole = gather(Share({1: first}))
    assert whole.found[1] is first and list(whole.found) == [1, 2]
