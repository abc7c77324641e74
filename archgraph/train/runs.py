"""What makes a folder the one of a run; told without loading anything."""

from __future__ import annotations

from pathlib import Path

RUN = "run.json"


def is_run(path: str | Path) -> bool:
    """Whether something is the folder of a run, and no name of a spec."""
    return (Path(path) / RUN).is_file()
