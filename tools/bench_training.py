"""How fast training steps of EfficientDet are here and in effdet, and how much memory they take.

Runs where effdet, timm and archgraph are installed together (see constraints-peers.txt):

    peers/bin/python -m tools.bench_training --device cuda --variants d0,d2 --batch-size 16

Both sides start from effdet's weights and get the very same images and boxes, which are on the
device already; a step is what each side's training script does: targets, loss, backward, clipping,
optimizer, average. Steps of both alternate in one process, so they share whatever else the machine
does; peak memory is that of a process of its own for each. effdet is compiled as a whole, ours
block by block, as the setting `compile` does.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn

from archgraph.compiler import compile_spec
from archgraph.train.fit import TrainSettings
from archgraph.train.samples.loader import Batch
from tools.training_sides import Ours, Side, Theirs, peak_elsewhere, peak_of

TOOL = "tools.bench_training"
SIDES = ("archgraph", "effdet")
PLAIN = TrainSettings(clip_each=0.0, clip_norm=10.0, ema_warmup=False)
MODES: Mapping[str, TrainSettings] = {
    "float32": PLAIN,
    "float32, channels last": replace(PLAIN, channels_last=True),
    "amp": replace(PLAIN, precision="bfloat16"),
    "amp, channels last": replace(PLAIN, precision="bfloat16", channels_last=True),
    "amp, channels last, compiled": replace(
        PLAIN, precision="bfloat16", channels_last=True, compile=True
    ),
}
CLASSES, OBJECTS, WARMUP = 90, 8, 3


@dataclass(frozen=True)
class Case:
    """What is measured."""

    variant: str
    mode: str
    device: str
    batch_size: int
    image_size: int
    steps: int

    @property
    def words(self) -> list[str]:
        """The options that ask for it."""
        found = ["--variants", self.variant, "--modes", self.mode, "--device", self.device]
        return [*found, "--batch-size", f"{self.batch_size}", "--image-size", f"{self.image_size}"]


def network_of(variant: str, size: int) -> nn.Module:
    """effdet's network with its own initial weights."""
    from effdet import EfficientDet, get_efficientdet_config

    config = get_efficientdet_config(f"tf_efficientdet_{variant}")
    if size:
        config.image_size = (size, size)
    torch.manual_seed(0)
    network: nn.Module = EfficientDet(config, pretrained_backbone=False)
    return network


def side_of(name: str, network: nn.Module, case: Case) -> Side:
    """One of the two."""
    settings = MODES[case.mode]
    if name == "effdet":
        return Theirs(network, settings, case.device)
    compiled = compile_spec("efficientdet", variant=case.variant)
    names = [str(number) for number in range(CLASSES)]
    return Ours(compiled, network, settings, names, case.device)


def batch_of(count: int, size: int, device: str) -> Batch:
    """Noise with boxes of many sizes."""
    torch.manual_seed(1)
    corner, sides = torch.rand(count, OBJECTS, 2), torch.rand(count, OBJECTS, 2)
    far = corner + (1 - corner) * (0.1 + 0.9 * sides)
    boxes = (size * torch.cat([corner, far], 2)).to(device)
    classes = torch.randint(CLASSES, (count, OBJECTS), device=device)
    crowds = torch.zeros(count, OBJECTS, dtype=torch.bool, device=device)
    images = torch.randn(count, 3, size, size, device=device)
    sizes = [(size, size)] * count
    return Batch(images, [*boxes], [*classes], [*crowds], [1.0] * count, sizes, range(count))


def made(case: Case, names: Sequence[str]) -> tuple[dict[str, Side], Batch]:
    """Sides of one start, and a batch for them."""
    network = network_of(case.variant, case.image_size)
    config: Any = network.config
    sides = {name: side_of(name, network, case) for name in names}
    return sides, batch_of(case.batch_size, config.image_size[0], case.device)


def measure(case: Case) -> dict[str, Any]:
    """Images per second and megabytes of both sides."""
    sides, batch = made(case, SIDES)
    took: dict[str, list[float]] = {name: [] for name in SIDES}
    for step in range(WARMUP + case.steps):
        for name in SIDES if step % 2 else SIDES[::-1]:
            wait(case.device)
            start = time.perf_counter()
            sides[name].step(batch, 1e-4)
            wait(case.device)
            took[name].append(time.perf_counter() - start)
    late = {name: each[WARMUP:] for name, each in took.items()}
    ratios = [b / a for a, b in zip(late["archgraph"], late["effdet"], strict=True)]
    return {
        "images_per_second": {n: case.batch_size / statistics.median(s) for n, s in late.items()},
        "times_as_fast": statistics.median(ratios),
        "peak_megabytes": {name: peak_elsewhere(TOOL, name, *case.words) for name in SIDES},
    }


def wait(device: str) -> None:
    """Until what was asked of the device is done."""
    if device == "cuda":
        torch.cuda.synchronize()


def rows(found: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The results as a table."""
    lines = [
        "| network | mode | archgraph, images/s | effdet, images/s | ratio | MB | effdet, MB |",
        "|---|---|---|---|---|---|---|",
    ]
    for variant, modes in found.items():
        for mode, each in modes.items():
            speeds = [f"{each['images_per_second'][name]:.1f}" for name in SIDES]
            peaks = [f"{each['peak_megabytes'][name]:.0f}" for name in SIDES]
            cells = [variant, mode, *speeds, f"{each['times_as_fast']:.2f}", *peaks]
            lines.append(f"| {' | '.join(cells)} |")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--variants", type=lambda text: text.split(","), default=["d0", "d2"])
    parser.add_argument("--modes", nargs="+", choices=MODES, default=list(MODES))
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--image-size", type=int, default=0, help="0 for that of the variant")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--memory-of", choices=SIDES, help=argparse.SUPPRESS)
    given = parser.parse_args()
    found: dict[str, dict[str, Any]] = {}
    for variant in given.variants:
        for mode in given.modes:
            size = given.image_size
            case = Case(variant, mode, given.device, given.batch_size, size, given.steps)
            if given.memory_of:
                sides, batch = made(case, [given.memory_of])
                print(peak_of(sides[given.memory_of], batch))
                return
            found.setdefault(variant, {})[mode] = measure(case)
            print(json.dumps({variant: {mode: found[variant][mode]}}), file=sys.stderr)
    print("\n".join(rows(found)))


if __name__ == "__main__":
    main()
