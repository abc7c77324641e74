"""A step of training as archgraph makes it, and one as effdet's own script does."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from archgraph.codegen import emit, load_module
from archgraph.codegen.standalone import detector_settings
from archgraph.compiler import Compilation
from archgraph.train.detector import Detector
from archgraph.train.evaluate import Detected
from archgraph.train.fit import Trainer, TrainSettings
from archgraph.train.records import Pixels
from archgraph.train.samples.loader import Batch
from archgraph.train.samples.resize import fit_pixels
from archgraph.weights import Network
from tools.compare_with_effdet import take_weights


class Side(Protocol):
    """What both can do."""

    def step(self, batch: Batch, rate: float) -> float:
        """Learn from a batch, which is where the network is; the loss."""
        ...

    def detect(self, images: Sequence[Pixels]) -> Sequence[Any]:
        """What the average of the weights finds."""
        ...


class Ours:
    """archgraph's side, with the weights of a network of effdet, for images of its size."""

    def __init__(
        self,
        compiled: Compilation,
        theirs: nn.Module,
        settings: TrainSettings,
        class_names: Sequence[str],
        device: str = "cpu",
    ) -> None:
        graph = compiled.operators.graph
        source = emit(graph)
        network, average = load_module(source), load_module(source)
        take_weights(network, Network(graph, compiled.name), theirs)
        config: Any = theirs.config
        self.settings = replace(detector_settings(graph), image_size=tuple(config.image_size))
        self.class_names = class_names
        network, average = network.to(device), average.to(device)
        self.trainer = Trainer(network, average, self.settings, settings)

    def step(self, batch: Batch, rate: float) -> float:
        return self.trainer.step([batch], rate).total

    def detect(self, images: Sequence[Pixels]) -> Sequence[Any]:
        ids = range(1, len(self.class_names) + 1)
        detector = Detector(self.trainer.average, self.settings, self.class_names, ids)
        return detector.detect(images)


class Theirs:
    """effdet's side, with the parts of its training script."""

    def __init__(self, network: nn.Module, settings: TrainSettings, device: str = "cpu") -> None:
        from effdet import DetBenchPredict, DetBenchTrain
        from timm.optim import create_optimizer_v2
        from timm.utils.model_ema import ModelEmaV2

        config: Any = network.config
        self.settings, self.size = settings, config.image_size
        self.bench: Any = DetBenchTrain(network, create_labeler=True).to(device)
        self.order = torch.channels_last if settings.channels_last else torch.contiguous_format
        self.bench = self.bench.to(memory_format=self.order)
        self.average = ModelEmaV2(self.bench, decay=settings.ema)
        if settings.compile:
            self.bench.model.compile()
        self.optimizer = create_optimizer_v2(
            self.bench, settings.optimizer, lr=settings.lr, weight_decay=settings.weight_decay
        )
        self.predict: Any = DetBenchPredict
        halves = settings.precision == "bfloat16"
        self.precision = torch.autocast(device, torch.bfloat16) if halves else nullcontext()

    def step(self, batch: Batch, rate: float) -> float:
        from timm.utils.clip_grad import dispatch_clip_grad

        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.bench.train()
        images = batch.images.contiguous(memory_format=self.order)
        with self.precision:
            loss = self.bench(images, target_of(batch))["loss"]
        self.optimizer.zero_grad()
        loss.backward()
        dispatch_clip_grad(self.bench.parameters(), self.settings.clip_norm, mode="norm")
        self.optimizer.step()
        self.average.update(self.bench)
        return float(loss.detach())

    def detect(self, images: Sequence[Pixels]) -> Sequence[Any]:
        bench = self.predict(self.average.module.model).eval()
        x = torch.stack([fit_pixels(each, self.size).image for each in images])
        with torch.inference_mode():
            found = bench(x)
        return [
            Detected(each[:, :4].numpy(), each[:, 4].numpy(), each[:, 5].long().numpy() - 1)
            for each in (rows[rows[:, 4] > 0].double() for rows in found)
        ]


def target_of(batch: Batch) -> dict[str, Tensor]:
    """The objects of a batch as effdet has them: padded, top first, classes from 1."""
    most = max(1, *map(len, batch.classes))
    device = batch.images.device
    boxes = torch.full((len(batch), most, 4), -1.0, device=device)
    kinds = torch.full((len(batch), most), -1.0, device=device)
    for i, (xyxy, classes) in enumerate(zip(batch.boxes_xyxy, batch.classes, strict=True)):
        boxes[i, : len(classes)] = xyxy[:, [1, 0, 3, 2]]
        kinds[i, : len(classes)] = classes + 1.0
    return {"bbox": boxes, "cls": kinds}


def peak_elsewhere(tool: str, side: str, *options: str) -> float:
    """What `peak_of` says in a process of its own, which a tool asks of itself by `--memory-of`."""
    command = [sys.executable, "-W", "ignore", "-m", tool, "--memory-of", side, *options]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def resident(which: str) -> float:
    """Megabytes of memory of this process, as Linux counts them."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(float(line.split()[1]) / 1024 for line in lines if line.startswith(f"{which}:"))


def peak_of(side: Side, batch: Batch, steps: int = 3) -> float:
    """How many megabytes a few steps add at most to what a fresh process, or the GPU, held."""
    cuda = batch.images.device.type == "cuda"
    if cuda:
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated() / 2**20
    else:
        before = resident("VmRSS")
        # From here on the kernel counts the peak anew.
        Path("/proc/self/clear_refs").write_text("5")
    for _ in range(steps):
        side.step(batch, 1e-3)
    after = torch.cuda.max_memory_allocated() / 2**20 if cuda else resident("VmHWM")
    return after - before
