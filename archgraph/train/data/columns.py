"""Numbers by the million, of which only as many are in memory as are looked at."""

from __future__ import annotations

import mmap
import tempfile
from array import array
from collections.abc import Iterator
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from archgraph.errors import DataError
from archgraph.train.data.problems import failed
from archgraph.train.records import Flags

# So many numbers are kept in memory; columns that have no more need no file.
BLOCK = 1 << 13


class Column:
    """Numbers of one type that are first appended and then read; nothing is appended after.

    They are in a temporary file without a name, which goes with them, and are read through a map of
    it: its pages are the kernel's, to take back where memory is wanted, and processes that are
    forked share them. A pickle is a copy of the numbers, and becomes such a column again.

    Raises:
        DataError: E507, by whatever appends: the folder of temporary files has no room.
    """

    def __init__(self, kind: str) -> None:
        """An empty column of a type code of `array`."""
        self._file: IO[bytes] | None = None
        self._tail: array[Any] = array(kind)
        self._written = 0
        self._values: NDArray[Any] | None = None

    def __len__(self) -> int:
        return self._written + len(self._tail)

    def append(self, number: float) -> None:
        self._tail.append(number)
        if len(self._tail) >= BLOCK:
            self._write()

    def extend(self, numbers: NDArray[Any]) -> None:
        for part in blocks(numbers.size, BLOCK):
            here = numbers.reshape(-1)[part]
            self.extend_bytes(here.astype(self._tail.typecode, copy=False).tobytes())

    def extend_bytes(self, content: bytes) -> None:
        """Append the numbers that these are the bytes of."""
        self._tail.frombytes(content)
        if len(self._tail) >= BLOCK:
            self._write()

    @property
    def values(self) -> NDArray[Any]:
        """The numbers themselves, not a copy: what is written to it is written to them."""
        if self._values is None:
            self._values = np.frombuffer(self._held(), np.dtype(self._tail.typecode))
        return self._values

    def __getitem__(self, index: int) -> Any:
        return self.values[index].item()

    def __setitem__(self, index: int, number: float) -> None:
        self.values[index] = number

    def __del__(self) -> None:
        if self._file is not None:
            self._file.close()

    def __reduce__(self) -> tuple[Any, ...]:
        return _restored, (self._tail.typecode, self.values)

    def _held(self) -> array[Any] | mmap.mmap:
        if self._file is None:
            return self._tail
        self._write()
        try:
            with self._file as file:
                return mmap.mmap(file.fileno(), 0)
        except OSError as error:
            raise _no_room(error) from None

    def _write(self) -> None:
        try:
            if self._file is None:
                self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - kept to be mapped
            # Written and not stretched: a map of what the disk has no room for ends the process.
            left = memoryview(self._tail).cast("B")
            while left:
                left = left[self._file.write(left) :]
        except OSError as error:
            raise _no_room(error) from None
        self._written += len(self._tail)
        self._tail = array(self._tail.typecode)


def _restored(kind: str, values: NDArray[Any]) -> Column:
    column = Column(kind)
    column.extend(values)
    return column


def _no_room(error: OSError) -> DataError:
    message = f"cannot keep what is read in a temporary file: {error.strerror or error}"
    return failed("E507", message, "make room, or name a folder that has some: TMPDIR=FOLDER")


def zeros(kind: str, count: int) -> NDArray[Any]:
    """So many zeros to write numbers into, kept as those of a column."""
    column = Column(kind)
    for part in blocks(count, BLOCK):
        column.extend(np.zeros(part.stop - part.start, kind))
    return column.values


def no_flags(count: int) -> Flags:
    """So many flags that are not set, kept as the numbers of a column."""
    return zeros("b", count).view(np.bool_)


def blocks(count: int, size: int) -> Iterator[slice]:
    """All of so many, in order, so many at a time."""
    for start in range(0, count, size):
        yield slice(start, min(start + size, count))


class Texts:
    """Many short texts in one column of bytes."""

    def __init__(self) -> None:
        self._bytes, self._ends = Column("B"), Column("q")

    def __len__(self) -> int:
        return len(self._ends)

    def append(self, text: str) -> None:
        self._bytes.extend_bytes(text.encode("utf-8", "surrogatepass"))
        self._ends.append(len(self._bytes))

    def __getitem__(self, index: int) -> str:
        start = self._ends[index - 1] if index else 0
        found = self._bytes.values[start : self._ends[index]]
        return found.tobytes().decode("utf-8", "surrogatepass")
