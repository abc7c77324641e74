"""Training: a spec and data go in, a folder with a detector comes out.

Start at `run.py`, then `loop.py` and `trainer.py`. A training is a function of its settings, its
data and how many steps were made: what it draws at random follows from seed, process and step, so
whatever ends it, it goes on as if nothing had happened.
"""

from archgraph.train.fit.folder import RunFolder
from archgraph.train.fit.loop import Outcome
from archgraph.train.fit.recipes import RECIPES, recipe
from archgraph.train.fit.run import Job, load_detector, resume, train
from archgraph.train.fit.settings import TrainSettings, make_settings, read_settings
from archgraph.train.fit.trainer import Losses, NotFiniteError, Trainer
from archgraph.train.fit.watch import Lines, TensorBoard, Watcher

__all__ = [
    "RECIPES",
    "Job",
    "Lines",
    "Losses",
    "NotFiniteError",
    "Outcome",
    "RunFolder",
    "TensorBoard",
    "TrainSettings",
    "Trainer",
    "Watcher",
    "load_detector",
    "make_settings",
    "read_settings",
    "recipe",
    "resume",
    "train",
]
