"""Columns: numbers in a file without a name, which change nothing but where they are."""

from __future__ import annotations

import errno
import pickle
import tempfile
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from archgraph.errors import DataError
from archgraph.train.data import columns, json_entries, settle
from archgraph.train.data.columns import Column, Texts, no_flags, zeros
from tests.train.data.support import coco, entry, opened, random_file, refused, write_coco


@pytest.mark.parametrize("block", [1, 3, 100])
def test_what_is_appended_is_read(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(columns, "BLOCK", block)
    column = Column("q")
    for number in range(5):
        column.append(number)
    column.extend(np.arange(10).reshape(5, 2)[:, 1])
    assert len(column) == 10
    assert column.values.tolist() == [0, 1, 2, 3, 4, 1, 3, 5, 7, 9]
    column[2] = -7
    assert (column[2], type(column[2])) == (-7, int)
    again = pickle.loads(pickle.dumps(column))
    assert again.values.tolist() == column.values.tolist()
    again.values[:] = 0
    assert column[2] == -7
    texts = Texts()
    for text in ("", "größe", "\ud800", "a" * 9):
        texts.append(text)
    assert [texts[i] for i in range(4)] == ["", "größe", "\ud800", "a" * 9]
    assert Column("d").values.shape == (0,)
    assert zeros("q", 7).tolist() == [0] * 7 and no_flags(4).tolist() == [False] * 4


def test_files_are_gone_with_their_columns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(columns, "BLOCK", 2)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    held = zeros("q", 9)
    assert list(tmp_path.iterdir()) == []
    assert len(_maps_of(tmp_path)) == 1
    del held
    assert _maps_of(tmp_path) == []


def _maps_of(folder: Path) -> list[str]:
    lines = Path("/proc/self/maps").read_text().splitlines()
    return [line for line in lines if str(folder) in line]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("block", [1, 5])
def test_a_dataset_is_the_same_from_a_file(
    seed: int, block: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = random_file(seed)
    content["annotations"] += content["annotations"][:5]
    content["annotations"].append(entry(id=99, image_id=999))
    write_coco(tmp_path, content)
    small = opened(f"coco:{tmp_path}", bad="skip")
    monkeypatch.setattr(columns, "BLOCK", block)
    monkeypatch.setattr(settle, "_BLOCK", block)
    dataset = opened(f"coco:{tmp_path}", bad="skip")
    for large in (dataset, pickle.loads(pickle.dumps(dataset))):
        assert large.problems.counts == small.problems.counts
        for index in range(3):
            one, other = large.record(index), small.record(index)
            assert (one.name, one.image_id, one.width) == (other.name, other.image_id, other.width)
            for key in ("boxes_xyxy", "classes", "crowds", "areas", "entries"):
                assert np.array_equal(getattr(one.objects, key), getattr(other.objects, key))


def test_memory_does_not_grow_with_annotations(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module, name in ((columns, "BLOCK"), (settle, "_BLOCK")):
        monkeypatch.setattr(module, name, 64)
    monkeypatch.setattr(json_entries, "CHUNK", 1 << 12)
    peaks: list[int] = []
    for count in (50, 300, 6000):
        boxes = [[1, 1, 1 + i / 100, 2] for i in range(count)]
        entries = [entry(id=i, image_id=10 + i % 60, bbox=box) for i, box in enumerate(boxes)]
        write_coco(tmp_path, coco(entries, images=60), images=60 if not peaks else 0)
        tracemalloc.start()
        try:
            dataset = opened(f"coco:{tmp_path}")
            peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
        assert sum(len(dataset.record(i).objects) for i in range(60)) == count
    # The first one loads what is loaded once. A byte for each annotation would be 5700.
    assert peaks[2] - peaks[1] < 5700


@pytest.mark.parametrize(
    "numbers", [[], [3], [3, 3, 1, 3, 1], [5, 4, 3, 2, 1, 2], [2**62, -(2**62), 2**62]]
)
@pytest.mark.parametrize("block", [1, 2, 100])
def test_repeated_numbers(numbers: list[int], block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settle, "_BLOCK", block)
    found = settle.repeated(np.array(numbers, np.int64))
    assert found.tolist() == [number in numbers[:i] for i, number in enumerate(numbers)]


def _full(**_: Any) -> Any:
    return Path("/dev/full").open("r+b", buffering=0)


def _nowhere(**_: Any) -> Any:
    raise FileNotFoundError(errno.ENOENT, "No usable temporary directory found")


@pytest.mark.parametrize(
    ("made", "said"),
    [(_full, "No space left on device"), (_nowhere, "No usable temporary directory found")],
)
def test_a_disk_without_room_is_said(
    made: Callable[..., Any], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_coco(tmp_path, coco([entry()]))
    monkeypatch.setattr(columns, "BLOCK", 2)
    monkeypatch.setattr(tempfile, "TemporaryFile", made)
    text = refused(f"coco:{tmp_path}")
    assert "error[E507]" in text and said in text and "TMPDIR=" in text


def test_a_pickle_that_has_no_room_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    content = pickle.dumps(zeros("q", 5)), pickle.dumps(_column(5))
    monkeypatch.setattr(columns, "BLOCK", 2)
    monkeypatch.setattr(tempfile, "TemporaryFile", _full)
    assert len(pickle.loads(content[0])) == 5
    with pytest.raises(DataError, match="E507"):
        pickle.loads(content[1])


def _column(count: int) -> Column:
    column = Column("q")
    column.extend(np.arange(count))
    return column
