"""A training as torchrun starts it; the second process dies once if it is told to."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import torch

from archgraph.train.fit.processes import restarts
from archgraph.train.fit.trainer import Trainer
from tests.train.fit.scenario import Run, _command, after, die
from tests.train.fit.support import SMALL

if __name__ == "__main__":
    torch.set_num_threads(1)
    folder, dies_at = Path(sys.argv[1]), int(sys.argv[2])
    if os.environ["RANK"] == "1" and restarts() == 0 and dies_at:
        after(dies_at, die, Trainer, "_backward")
    sys.exit(_command(Run(folder, SMALL)))
