"""Train one small EfficientDet here and by effdet: same data, schedule and initial weights.

Runs where effdet, timm and archgraph are installed together (see constraints-peers.txt):

    python3 -m venv peers
    peers/bin/python -m pip install -c constraints-peers.txt effdet timm torchvision \\
        ".[glyphs,eval]"
    peers/bin/python -m tools.compare_training_with_effdet --output glyphs.json --figure glyphs.svg

The network is D0's scaled down: a backbone of 0.35 times the width and half the depth, a neck of 32
channels and two cells, heads of two convolutions, norms that follow few steps, images of 96 pixels.
The data are scenes of handwritten digits. effdet trains it as its own script
does: `DetBenchTrain`, timm's optimizer, clipping and moving average. The steps of both alternate in
one process, first one side first, then the other, each on the very same batch; the average weights
of both are evaluated by one evaluator. Peak memory is that of a process of its own for each side.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from archgraph.compiler import compile_spec
from archgraph.train.curves import line_chart
from archgraph.train.evaluate import evaluate
from archgraph.train.fit import TrainSettings
from archgraph.train.fit.schedule import Schedule
from archgraph.train.samples.augment import Flip
from archgraph.train.samples.glyphs import Glyphs
from archgraph.train.samples.loader import make_loader
from tools.training_sides import Ours, Side, Theirs, peak_elsewhere, peak_of

SIZE, CLASSES, WIDTH, REPEATS, SCALE = 96, 10, 32, 2, 2.0
THIN, SHALLOW, EPS, MOMENTUM = 0.35, 0.5, 1e-3, 0.1
SPEC = f"""\
model: small-efficientdet
extends: efficientdet
parameters:
  classes: {CLASSES}
  backbone: {{step: efficientnet width={THIN} depth={SHALLOW} drop_path=0}}
let:
  {{image_size: {SIZE}, width: {WIDTH}, cells: {REPEATS}, depth: {REPEATS}, anchor_scale: {SCALE}}}
settings: {{norm: batch-norm eps={EPS} momentum={MOMENTUM}}}
"""
SETTINGS = TrainSettings(
    batch_size=16,
    optimizer="adamw",
    lr=1e-2,
    lr_batch=0,
    weight_decay=0.01,
    clip_each=0.0,
    clip_norm=10.0,
    ema=0.99,
    ema_warmup=False,
)
TOOL = "tools.compare_training_with_effdet"
# Of the evaluations that the curves show.
POINTS = 4


def ours_of(network: nn.Module) -> Ours:
    with tempfile.TemporaryDirectory() as folder:
        spec = Path(folder) / "small.yaml"
        spec.write_text(SPEC)
        return Ours(compile_spec(str(spec)), network, SETTINGS, Glyphs("val").class_names)


def network_of(seed: int) -> nn.Module:
    """effdet's network with its own initial weights."""
    from effdet import EfficientDet, get_efficientdet_config

    config = get_efficientdet_config("tf_efficientdet_d0")
    config.image_size = (SIZE, SIZE)
    config.num_classes, config.anchor_scale = CLASSES, SCALE
    config.fpn_channels, config.fpn_cell_repeats, config.box_class_repeats = WIDTH, REPEATS, REPEATS
    config.norm_kwargs = {"eps": EPS, "momentum": MOMENTUM}
    config.backbone_name, config.backbone_args = thin_backbone(), {}
    torch.manual_seed(seed)
    network: nn.Module = EfficientDet(config, pretrained_backbone=False)
    return network


def thin_backbone() -> str:
    """timm's name of the backbone, which its registry is told of first."""
    from timm.models import is_model, register_model
    from timm.models.efficientnet import _gen_efficientnet

    def efficientnet_thin(**options: Any) -> nn.Module:
        options.pop("pretrained", None)
        made: nn.Module = _gen_efficientnet(
            "tf_efficientnet_b0",
            channel_multiplier=THIN,
            depth_multiplier=SHALLOW,
            pad_type="same",
            bn_eps=EPS,
            bn_momentum=MOMENTUM,
            **{k: v for k, v in options.items() if not k.startswith("pretrained_")},
        )
        return made

    if not is_model("efficientnet_thin"):
        efficientnet_thin.__module__ = "timm.models.efficientnet"
        register_model(efficientnet_thin)
    return "efficientnet_thin"


def train(seed: int, steps: int) -> dict[str, Any]:
    """Both sides from one start: AP as they learn, milliseconds of every step."""
    network = network_of(seed)
    sides: dict[str, Side] = {"archgraph": ours_of(network), "effdet": Theirs(network, SETTINGS)}
    data, held_out = Glyphs("train", size=SIZE), Glyphs("val", size=SIZE)
    schedule = Schedule("cosine", SETTINGS.lr, steps, steps, steps // 20)
    found: dict[str, Any] = {name: {"ap": [], "ms": [], "loss": []} for name in sides}
    step = 0
    while step < steps:
        loader = make_loader(
            data,
            (SIZE, SIZE),
            SETTINGS.batch_size,
            augment=[Flip()],
            seed=seed,
            epoch=step,
            shuffle=True,
            drop_last=True,
        )
        for batch in loader:
            order = list(sides) if step % 2 else list(sides)[::-1]
            for name in order:
                start = time.perf_counter()
                loss = sides[name].step(batch, schedule.rate(step))
                found[name]["ms"].append(1000 * (time.perf_counter() - start))
                found[name]["loss"].append(loss)
            step += 1
            if step % math.ceil(steps / POINTS) == 0 or step == steps:
                for name, side in sides.items():
                    numbers = evaluate(side.detect, held_out, batch_size=10, workers=0).numbers
                    found[name]["ap"].append([step, numbers.ap, numbers.ap50])
                print(json.dumps({"seed": seed, **{n: f["ap"][-1] for n, f in found.items()}}))
            if step == steps:
                break
    return found


def measure_memory(side: str) -> None:
    """How much a few steps add to what the process has before them."""
    network = network_of(0)
    chosen: Side = ours_of(network) if side == "archgraph" else Theirs(network, SETTINGS)
    (batch, *_) = make_loader(Glyphs("train", 8, SIZE), (SIZE, SIZE), 8)
    print(peak_of(chosen, batch))


def summary(runs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What the runs of all seeds come to."""
    sides = list(runs[0])
    final = {name: [run[name]["ap"][-1][1] for run in runs] for name in sides}
    # The first steps warm up; the rest of all seeds are one interleaved run.
    times = {name: [ms for run in runs for ms in run[name]["ms"][5:]] for name in sides}
    pooled = math.sqrt(statistics.mean(statistics.variance(each) for each in final.values()))
    means = {name: statistics.mean(each) for name, each in final.items()}
    ratios = [a / b for a, b in zip(times["archgraph"], times["effdet"], strict=True)]
    return {
        "ap": final,
        "mean_ap": means,
        "pooled_standard_deviation": pooled,
        "below_by_deviations": (means["effdet"] - means["archgraph"]) / pooled if pooled else 0.0,
        "median_ms": {name: statistics.median(each) for name, each in times.items()},
        "median_ratio_of_steps": statistics.median(ratios),
        "peak_megabytes": {name: peak_elsewhere(TOOL, name) for name in sides},
    }


def figure_of(runs: Sequence[dict[str, Any]]) -> str:
    """AP as both learn, a line for each seed."""
    curves = {
        f"{name}, seed {seed}": [(step, ap) for step, ap, _ in run[name]["ap"]]
        for name in ("archgraph", "effdet")
        for seed, run in enumerate(runs)
    }
    return line_chart(curves, "step", "AP")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=1200)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--output", type=Path, help="a file of JSON with every number")
    parser.add_argument("--figure", type=Path, help="an SVG with the curves")
    parser.add_argument("--memory-of", choices=["archgraph", "effdet"], help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.memory_of:
        measure_memory(given.memory_of)
        return
    runs = [train(seed, given.steps) for seed in range(given.seeds)]
    found = summary(runs) if given.seeds > 1 else {}
    print(json.dumps(found, indent=2))
    if given.output:
        given.output.write_text(json.dumps({"summary": found, "runs": runs}))
    if given.figure:
        given.figure.write_text(figure_of(runs))
    # The tool fails only where the stated bound is missed twice over.
    if found and found["below_by_deviations"] > 2:
        sys.exit("archgraph is more than two pooled standard deviations below effdet")


if __name__ == "__main__":
    main()
