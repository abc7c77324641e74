"""The state of a training on disk: whole, or as it was before."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from archgraph.errors import DataError, Diagnostic, InputOutputError
from archgraph.weights.files import replace_file

VERSION = 1


@dataclass(frozen=True)
class Checkpoint:
    """All that the next step depends on.

    Attributes:
        trainer: what `Trainer.state` tells; it knows how many steps were made, from which follow
            the place in the data, the learning rate and all that is random.
        seconds: how long training took so far.
    """

    trainer: Mapping[str, Any]
    seconds: float


def write_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Replace a file in one step.

    Raises:
        InputOutputError: E020, it cannot be written, for one because the disk is full; the file
            is as it was.
    """
    content = {
        "version": VERSION,
        "trainer": dict(checkpoint.trainer),
        "seconds": checkpoint.seconds,
    }
    # Torch's writer would hide what a disk that is full has to say.
    buffer = io.BytesIO()
    torch.save(content, buffer)
    replace_file(path, buffer.getbuffer())


def read_checkpoint(path: Path) -> Checkpoint:
    """What was written, its tensors in main memory.

    From there each is copied to where it belongs; the counters of Adam belong where they are.

    Raises:
        InputOutputError: E001, there is no such file.
        DataError: E555, it is damaged.
    """
    try:
        stored = path.read_bytes()
    except OSError as error:
        message = f"cannot read '{path}': {error.strerror or error}"
        raise InputOutputError(Diagnostic("E001", message)) from None
    try:
        content = torch.load(io.BytesIO(stored), map_location="cpu", weights_only=True)
        if content["version"] != VERSION:
            raise ValueError(f"version {content['version']}, not {VERSION}")
        return Checkpoint(content["trainer"], float(content["seconds"]))
    except Exception as error:  # a damaged pickle raises whatever its bytes lead to
        said = str(error).splitlines()[0] if str(error) else type(error).__name__
        message = f"'{path}' is damaged, or another program wrote it: {said}"
        raise DataError(Diagnostic("E555", message)) from None
