"""A small training that all tests here share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from archgraph.codegen import GeneratedSource, emit, load_module
from archgraph.codegen.standalone import detector_settings
from archgraph.compiler import Compilation, compile_spec
from archgraph.detect import DetectorSettings
from archgraph.spec import ArgumentValue
from archgraph.train.data import Ids
from archgraph.train.evaluate import place
from archgraph.train.fit import Job, Trainer, TrainSettings, recipe
from archgraph.train.fit.metrics import read_metrics
from archgraph.train.records import Dataset
from archgraph.train.samples.augment import Flip
from archgraph.train.samples.loader import Batch, Share, make_loader
from archgraph.train.samples.shapes import Shapes
from archgraph.weights.files import read_file
from tests.small_detector import toy_spec

SIZE = (96, 96)
# Twelve steps, three to an epoch, and two evaluations.
SMALL = replace(
    recipe("small"),
    lr=2e-3,
    final_lr=0.0,
    weight_decay=0.01,
    ema=0.998,
    epochs=4.0,
    batch_size=4,
    workers=0,
    log_steps=1,
    eval_every=2.0,
    warmup=0.0,
)
IMAGES, EVALUATED = 12, 4


def opened(source: str, ids: Ids) -> Dataset:
    """So few images of the embedded scenes that a training takes a second."""
    split = source.partition(":")[2]
    return Shapes(split, IMAGES if split == "train" else EVALUATED, SIZE[0])


@cache
def compiled() -> Compilation:
    return compile_spec(toy_spec(), {"classes": ArgumentValue(6)})


@cache
def source() -> GeneratedSource:
    return emit(compiled().operators.graph)


@cache
def detector() -> DetectorSettings:
    return detector_settings(compiled().operators.graph)


def job(**changes: Any) -> Job:
    return replace(Job(toy_spec(), "shapes"), **changes)


def network(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return load_module(source())


def trainer(
    settings: TrainSettings = SMALL, *, average: bool = True, double: bool = False
) -> Trainer:
    """One that starts from the same weights every time."""
    nets = network(), network()
    if double:
        nets = nets[0].double(), nets[1].double()
    return Trainer(nets[0], nets[1] if average else None, detector(), settings)


def batches(size: int, count: int, accumulate: int = 1) -> list[list[Batch]]:
    """For each of some steps, the parts of a batch that are for this process."""
    where = place()
    loader = make_loader(
        opened("shapes:train", "dense"),
        SIZE,
        size // where.count // accumulate,
        augment=(Flip(),),
        shuffle=True,
        drop_last=True,
        share=Share(where.rank, where.count, even=True),
    )
    found: list[Batch] = []
    while len(found) < count * accumulate:
        found += islice(loader, IMAGES // size * accumulate)
    return [found[i * accumulate : (i + 1) * accumulate] for i in range(count)]


def weights(path: Path) -> dict[str, Tensor]:
    """The tensors of a file."""
    content = read_file(path).content
    assert isinstance(content, dict)
    return content


def same(first: Mapping[str, Tensor], second: Mapping[str, Tensor]) -> bool:
    """Whether all tensors are equal, bit by bit."""
    return first.keys() == second.keys() and all(torch.equal(first[k], second[k]) for k in first)


def same_runs(first: Path, second: Path, *, best: bool = True) -> bool:
    """Whether two runs ended with the same state and weights, and were evaluated alike."""
    states = [
        torch.load(each / "last.pt", weights_only=True)["trainer"] for each in (first, second)
    ]
    numbers = [
        [
            {**line, "seconds": 0, "kept": True}
            for line in read_metrics(each / "metrics.jsonl")
            if is_eval(line)
        ]
        for each in (first, second)
    ]
    assert states[0]["steps"] == states[1]["steps"]
    assert numbers[0] == numbers[1]
    return all(same(states[0][name], states[1][name]) for name in ("network", "average")) and all(
        same(weights(first / name), weights(second / name))
        for name in ("last.safetensors", *(["best.safetensors"] if best else []))
    )


def is_eval(line: Mapping[str, object]) -> bool:
    return line["kind"] == "eval"


def steps_of(path: Path, kind: str) -> Sequence[int]:
    """The steps that the lines of a kind are about."""
    return [line["step"] for line in read_metrics(path / "metrics.jsonl") if line["kind"] == kind]
