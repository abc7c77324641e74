"""What a run has measured, a line of JSON each: appended to, and read however it was cut off."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from archgraph.errors import Diagnostic, InputOutputError
from archgraph.weights.files import replace_file

Line = Mapping[str, Any]


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """The lines of a file, in order; what is no whole line is left out. None if there is no file.

    Raises:
        InputOutputError: E001, it cannot be read.
    """
    try:
        text = path.read_text("utf-8", errors="replace") if path.exists() else ""
    except OSError as error:
        message = f"cannot read '{path}': {error.strerror or error}"
        raise InputOutputError(Diagnostic("E001", message)) from None
    found: list[dict[str, Any]] = []
    for line in text.splitlines():
        try:
            each = json.loads(line)
        except ValueError:
            continue
        if isinstance(each, dict) and {"kind", "step"} <= each.keys():
            found.append(each)
    return found


class Metrics:
    """The lines of a run while it goes on.

    A line that cannot be written, because the disk is full, waits for the next one.

    Args:
        path: the file.
        steps: how many steps were made: lines about later ones are of work that was lost.
    """

    def __init__(self, path: Path, steps: int = 0) -> None:
        self._path = path
        self.lines: list[Line] = [each for each in read_metrics(path) if each["step"] <= steps]
        text = "".join(f"{json.dumps(line)}\n" for line in self.lines)
        replace_file(path, text.encode())
        self._waiting = ""

    def add(self, line: Line) -> bool:
        """Append a line; whether it is on the disk."""
        line = {key: _plain(value) for key, value in line.items()}
        self.lines.append(line)
        self._waiting += f"{json.dumps(line)}\n"
        try:
            size = self._path.stat().st_size
            with self._path.open("ab") as file:
                try:
                    file.write(self._waiting.encode())
                    file.flush()
                    os.fsync(file.fileno())
                except OSError:
                    # Half a line must not be the beginning of the next one.
                    os.truncate(self._path, size)
                    raise
        except OSError:
            return False
        self._waiting = ""
        return True

    def of(self, kind: str) -> Sequence[Line]:
        """The lines of a kind."""
        return [line for line in self.lines if line["kind"] == kind]


def _plain(value: Any) -> Any:
    """A number that JSON knows: nothing for what is none."""
    if isinstance(value, float):
        return round(value, 9) if math.isfinite(value) else None
    return value
