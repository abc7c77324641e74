"""A training as torchrun starts it; the second process dies once if it is told to."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import torch

from archgraph.train.fit.trainer import Trainer
from tests.train.fit.scenario import Run, _command, after, die
from tests.train.fit.support import SMALL

if __name__ == "__main__":
    torch.set_num_threads(1)
    folder, dies_at = Path(sys.argv[1]), int(sys.argv[2])
    died = folder.with_suffix(".died")

    def die_once() -> None:
        died.touch()
        die()

    if os.environ["RANK"] == "1" and dies_at and not died.exists():
        after(dies_at, die_once, Trainer, "_backward")
    sys.exit(_command(Run(folder, SMALL)))
