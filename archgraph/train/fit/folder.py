"""The folder of a run: all that it takes to go on with it, to use it and to read about it.

spec.yaml          the file of the spec
graph.txt          what became of it, as `archgraph show` prints it
model.py           the network as source, which imports nothing but torch
settings.yaml      how it is trained
run.json           versions, data, classes, what boxes are told from
metrics.jsonl      a line for every few steps, and for every evaluation
last.pt            all that the next step depends on
last.safetensors   the weights to use
best.safetensors   those of the best evaluation
samples/           what the detector was shown, and what it found
report.html        curves, samples, numbers
"""

from __future__ import annotations

import json
import platform
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

import torch

from archgraph.detect import Anchors, DetectorSettings, PixelScale
from archgraph.errors import DataError, Diagnostic, InputOutputError
from archgraph.ir import Graph, Stage, parse_graph, print_graph
from archgraph.train.data import Ids
from archgraph.train.fit.settings import TrainSettings, read_settings
from archgraph.train.runs import RUN, is_run
from archgraph.weights import Network
from archgraph.weights.files import replace_file

LAST, BEST, METRICS = "last.pt", "best.safetensors", "metrics.jsonl"
LAST_WEIGHTS, REPORT, SAMPLES = "last.safetensors", "report.html", "samples"
SETTINGS, MODEL, GRAPH, SPEC = "settings.yaml", "model.py", "graph.txt", "spec.yaml"


@dataclass(frozen=True)
class Facts:
    """What a run is about.

    Attributes:
        name: of the model.
        model: its reference and variant, as in a command line.
        class_name: of the network in `model.py`.
        train: the source of the images it learns from.
        val: of those it is evaluated on; "" for none.
        ids: how the categories of these became classes, see `open_dataset`.
        digests: of what these two say of their images; "" for none.
        class_names: one for each class.
        category_ids: likewise.
        image_size: height and width of what the network sees.
        anchors: what its boxes are told from.
        classes: how many classes it tells apart.
        pixels: how it has its pixels.
        weights: the file it began with; "" for initial weights.
        versions: of archgraph, torch and Python.
    """

    name: str
    model: str
    class_name: str
    train: str
    val: str
    ids: Ids
    digests: tuple[str, str]
    class_names: Sequence[str]
    category_ids: Sequence[int]
    image_size: tuple[int, int]
    anchors: Anchors
    classes: int
    pixels: PixelScale
    weights: str
    versions: Mapping[str, str]

    @property
    def detector(self) -> DetectorSettings:
        """How boxes are told from the maps."""
        return DetectorSettings(self.image_size, self.anchors, self.classes, self.pixels)


def versions() -> Mapping[str, str]:
    """Of what a run depends on."""
    from importlib.metadata import version

    return {
        "archgraph": version("archgraph-compiler"),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}",
    }


class RunFolder:
    """A folder of a run that is there; `make` makes one.

    Raises:
        InputOutputError: E001, it cannot be read, or is none.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        if not is_run(path):
            what = "is no folder of a run" if path.is_dir() else "is not there"
            message = f"cannot read '{path}': it {what}"
            hint = f"a run has a file '{RUN}', which `archgraph train -o DIR` writes"
            raise InputOutputError(Diagnostic("E001", message, None, hint))

    @classmethod
    def make(
        cls,
        path: Path,
        facts: Facts,
        settings: TrainSettings,
        texts: Mapping[str, str],
    ) -> RunFolder:
        """Make the folder and write what is known before the first step.

        Args:
            path: where; it may be there, and empty but for what a process that was killed at this
                has left.
            facts: what the run is about.
            settings: how it is trained.
            texts: further files.

        Raises:
            InputOutputError: E020, it cannot be written, or holds something.
        """
        try:
            path.mkdir(parents=True, exist_ok=True)
            # The first thing that is made, and empty until the last one is.
            samples = path / SAMPLES
            begun = not is_run(path) and samples.is_dir() and not any(samples.iterdir())
            ours = {*texts, SETTINGS, SAMPLES} if begun else set()
            names = (each.name for each in path.iterdir() if not _half_written(each.name, ours))
            holds = next((name for name in names if name not in ours), None)
            if holds is None:
                samples.mkdir(exist_ok=True)
        except OSError as error:
            message = f"cannot make the folder '{path}': {error.strerror or error}"
            raise InputOutputError(Diagnostic("E020", message)) from None
        if holds is not None:
            hint = "name another folder"
            if is_run(path):
                hint = f"go on with it by `archgraph train --resume {path}`, or {hint}"
            message = f"the folder '{path}' is not empty: it has '{holds}'"
            raise InputOutputError(Diagnostic("E020", message, None, hint))
        run = f"{json.dumps(asdict(facts), indent=2)}\n"
        # The last one makes it the folder of a run.
        files = {**texts, SETTINGS: settings.as_yaml(), RUN: run}
        try:
            for name, text in files.items():
                replace_file(path / name, text.encode())
        except InputOutputError:
            # Half a folder would be in the way of the next try.
            for name in files:
                (path / name).unlink(missing_ok=True)
            (path / SAMPLES).rmdir()
            raise
        return cls(path)

    @cached_property
    def settings(self) -> TrainSettings:
        """How it is trained. Raises what `read_settings` raises."""
        return read_settings(self.path / SETTINGS)

    @cached_property
    def facts(self) -> Facts:
        """What it is about.

        Raises:
            DataError: E555, the file is damaged.
        """
        try:
            said = json.loads(self._text(RUN))
            anchors, pixels = said["anchors"], said["pixels"]
            scale = anchors["scale"]
            return Facts(
                **{
                    **said,
                    "class_names": tuple(said["class_names"]),
                    "category_ids": tuple(said["category_ids"]),
                    "image_size": tuple(said["image_size"]),
                    "anchors": Anchors(
                        tuple(anchors["levels"]),
                        tuple(scale) if isinstance(scale, list) else scale,
                        tuple(anchors["octaves"]),
                        tuple(tuple(each) for each in anchors["ratios"]),
                    ),
                    "pixels": PixelScale(tuple(pixels["mean"]), tuple(pixels["std"])),
                }
            )
        except (ValueError, KeyError, TypeError) as error:
            raise self.damaged(RUN, error) from None

    @cached_property
    def graph(self) -> Graph:
        """The network, down to its operators. Raises TextError."""
        return parse_graph(self._text(GRAPH))

    @property
    def network(self) -> Network:
        """What weights of this run are for."""
        return Network(self.graph, self.facts.name)

    @property
    def weights(self) -> Path:
        """The file of the weights to use: of the best evaluation, else the last ones."""
        best = self.path / BEST
        return best if best.is_file() else self.path / LAST_WEIGHTS

    @property
    def source(self) -> str:
        """The text of the network."""
        return self._text(MODEL)

    def _text(self, name: str) -> str:
        try:
            return (self.path / name).read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
            message = f"cannot read '{self.path / name}': {reason}"
            raise InputOutputError(Diagnostic("E001", message)) from None

    def damaged(self, name: str, error: Exception) -> DataError:
        """A file of the folder is not what was written."""
        message = f"'{self.path / name}' is damaged: {type(error).__name__}: {error}"
        hint = "the run cannot go on from it; its weights can still be used"
        return DataError(Diagnostic("E555", message, None, hint))


def _half_written(name: str, ours: Collection[str]) -> bool:
    """Whether this is what a killed process leaves of one of these files."""
    return any(name.startswith(f".{each}.") and name.endswith(".tmp") for each in ours)


def graph_text(graph: Graph) -> str:
    """The text of a graph for a folder."""
    assert graph.stage is Stage.OPERATORS
    return print_graph(graph)
