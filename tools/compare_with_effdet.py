"""Compare the EfficientDets of archgraph with effdet's, weight by weight and number by number.

Runs where effdet, timm and archgraph are installed together (see constraints-peers.txt):

    python3 -m venv peers
    peers/bin/python -m pip install -c constraints-peers.txt effdet timm torchvision .
    peers/bin/python tools/compare_with_effdet.py                     every network both have
    peers/bin/python tools/compare_with_effdet.py tf_efficientdet_d0  one of them
    peers/bin/python tools/compare_with_effdet.py --goldens tests/models/effdet_goldens.json

Every weight of effdet's network is drawn from a generator that its name seeds, saved as a file,
and loaded into ours with `load_weights`. Then both compute: maps in eval mode in both precisions;
maps, running statistics and the gradients of all weights in training mode in float64, without
stochastic depth, whose random numbers no two programs draw alike.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import tempfile
import time
import warnings
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

import archgraph
from archgraph.compiler import arguments_from_python, compile_spec
from archgraph.ir import Graph
from archgraph.weights import SCHEMES, Network, Report, load_weights

SECTIONS = ("backbone", "fpn", "class", "box")


@dataclass(frozen=True)
class Case:
    """One network: what effdet calls it, what it is here, and the image it sees."""

    effdet: str
    spec: str
    variant: str
    size: tuple[int, int] = (256, 256)
    changes: Mapping[str, object] = field(default_factory=dict)
    effdet_changes: Mapping[str, object] = field(default_factory=dict)
    trained: bool = False

    @property
    def label(self) -> str:
        """What tells it from all others."""
        changes = "".join(f" {key}={value}" for key, value in self.effdet_changes.items())
        return f"{self.effdet} {self.size[0]}x{self.size[1]}{changes}"


TF = ("d0", "d1", "d2", "d3", "d4", "d5", "d6", "d7", "d7x")
LITE = ("lite0", "lite1", "lite2", "lite3", "lite3x", "lite4")
SYMMETRIC = ("d0", "d1", "d2", "d3", "d4", "d5", "q0", "q1", "q2")
TRAINED = ("tf_efficientdet_d0", "tf_efficientdet_lite0", "efficientdet_d0", "efficientdet_q0")
CASES = [
    *(Case(f"tf_efficientdet_{v}", "efficientdet", v) for v in (*TF, *LITE)),
    *(Case(f"efficientdet_{v}", "efficientdet-symmetric", v) for v in SYMMETRIC),
]
# What the goldens hold besides: other sizes and other necks.
MORE = [
    Case("tf_efficientdet_d0", "efficientdet", "d0", (512, 512)),
    Case("tf_efficientdet_d0", "efficientdet", "d0", (128, 256)),
    Case("tf_efficientdet_lite0", "efficientdet", "lite0", (320, 320)),
    Case(
        "tf_efficientdet_d0",
        "efficientdet",
        "d0",
        changes={"fuse": "softmax"},
        effdet_changes={"fpn_name": "bifpn_attn"},
    ),
    Case(
        "efficientdet_d0",
        "efficientdet-symmetric",
        "d0",
        changes={"neck": "stacked-panet"},
        effdet_changes={"fpn_name": "pan_fa"},
    ),
]


# --- effdet's side -----------------------------------------------------------------------------


def theirs(case: Case) -> nn.Module:
    """effdet's network, filled, in float64 and eval mode."""
    from effdet import EfficientDet, get_efficientdet_config

    config = get_efficientdet_config(case.effdet)
    config.image_size = case.size
    for key, value in case.effdet_changes.items():
        config[key] = value
    network: nn.Module = EfficientDet(config, pretrained_backbone=False).double().eval()
    for key, tensor in network.state_dict().items():
        if not key.endswith("num_batches_tracked"):
            tensor.copy_(filled(key, tensor.shape))
    return network


def filled(key: str, shape: Sequence[int]) -> Tensor:
    """The numbers of one tensor; the recipe that all goldens are made by."""
    z = np.random.RandomState(zlib.crc32(key.encode())).standard_normal(int(np.prod(shape)))
    z = z.reshape(tuple(shape))
    if key.endswith("running_var"):
        z = 1 + 0.1 * np.abs(z)
    elif key.endswith("edge_weights"):
        z = 1 + 0.2 * z
    elif z.ndim == 4:
        z = z * np.sqrt(1 / np.prod(shape[1:]))
    elif key.endswith("weight"):
        z = 1 + 0.1 * z
    else:
        z = 0.1 * z
    return torch.from_numpy(np.asarray(z))


def image(size: Sequence[int], count: int = 1) -> Tensor:
    """The images that every network sees, in float64."""
    return torch.from_numpy(np.random.RandomState(0).standard_normal((count, 3, *size)))


def maps_of(network: nn.Module, x: Tensor) -> dict[str, list[Tensor]]:
    """What effdet's network computes, by section."""
    parts: Any = network
    features = parts.backbone(x)
    pyramid = parts.fpn(list(features))
    return {
        "backbone": features,
        "fpn": pyramid,
        "class": parts.class_net(pyramid),
        "box": parts.box_net(pyramid),
    }


def without_stochastic_depth(network: nn.Module) -> nn.Module:
    """The network with every dropping of paths turned off, in place."""
    for module in network.modules():
        for name in ("drop_prob", "rate"):
            if isinstance(getattr(module, name, None), float):
                setattr(module, name, 0.0)
    return network


# --- comparing ---------------------------------------------------------------------------------


def graph_of(case: Case) -> Graph:
    """Our network down to operators."""
    arguments = arguments_from_python(case.changes)
    return compile_spec(case.spec, arguments, variant=case.variant).operators.graph


def ours(case: Case, network: nn.Module) -> tuple[nn.Module, dict[str, str]]:
    """Our network with the weights of effdet's, and effdet's names by ours."""
    graph = graph_of(case)
    module = archgraph.build(case.spec, variant=case.variant, **case.changes).double().eval()
    found = take_weights(module, Network(graph, case.label), network)
    return module, SCHEMES[found.names].names(graph)


def take_weights(module: nn.Module, ours: Network, theirs: nn.Module) -> Report:
    """Give our module the weights of effdet's network, all of them, by way of a checkpoint."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "checkpoint.pth"
        torch.save({"state_dict": theirs.state_dict()}, file)
        found = load_weights(module, ours, file)
    if found.left_out:
        raise SystemExit(f"{ours.name}: no weights for {found.left_out}")
    return found


def apart(a: Tensor, b: Tensor, floor: float = 1e-300) -> float:
    """The largest difference, of the largest value of the second or of a floor."""
    return float((a - b).abs().max() / max(float(b.abs().max()), floor))


def forward(module: nn.Module, x: Tensor) -> list[Tensor]:
    """All maps of a detector, class head first."""
    classes, boxes = module(x)
    return [*classes, *boxes]


def loss(maps: Sequence[Tensor]) -> Tensor:
    """A number on which every element of every map has a say of its own."""
    total = maps[0].new_zeros(())
    for index, value in enumerate(maps):
        z = np.random.RandomState(1000 + index).standard_normal(tuple(value.shape))
        total = total + (value * torch.from_numpy(z)).mean()
    return total


def learned(weights: Tensor) -> Tensor:
    """The gradient of weights; zeros where nothing reached them."""
    return torch.zeros_like(weights) if weights.grad is None else weights.grad


def gradients_apart(given: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> float:
    """The largest relative difference of gradients that go by effdet's names."""
    if given.keys() != wanted.keys():
        raise SystemExit("other parameters")
    # A bias before a norm has no gradient but rounding errors.
    floor = 1e-3 * max(float(grad.abs().max()) for grad in wanted.values())
    return max(apart(given[name], grad, floor) for name, grad in wanted.items())


def compare(case: Case) -> dict[str, float]:
    """The largest relative differences of one network."""
    found: dict[str, float] = {}
    reference = theirs(case)
    module, names = ours(case, reference)
    with torch.no_grad():
        x = image(case.size)
        pairs = zip(forward(module, x), forward(reference, x), strict=True)
        found["eval f64"] = max(apart(a, b) for a, b in pairs)
    without_stochastic_depth(module).train()
    without_stochastic_depth(reference).train()
    x = image(case.size, 2)
    wanted, given = forward(reference, x), forward(module, x)
    found["train f64"] = max(apart(a, b) for a, b in zip(given, wanted, strict=True))
    loss(wanted).backward()
    loss(given).backward()
    their_grads = {name: learned(p) for name, p in reference.named_parameters()}
    grads = {names[name]: learned(p) for name, p in module.named_parameters()}
    found["gradients"] = gradients_apart(grads, their_grads)
    buffers = {names[name]: buffer for name, buffer in module.named_buffers()}
    found["statistics"] = max(apart(buffers[n], b) for n, b in reference.named_buffers())
    module.float().eval()
    reference.float().eval()
    x = image(case.size).float()
    with torch.no_grad():
        pairs = zip(forward(module, x), forward(reference, x), strict=True)
        found["eval f32"] = max(apart(a, b) for a, b in pairs)
        found["ms"] = milliseconds(module, x)
        found["effdet ms"] = milliseconds(reference, x)
    return found


def milliseconds(module: nn.Module, x: Tensor) -> float:
    """The fastest of three runs."""
    times = []
    for _ in range(3):
        start = time.perf_counter()
        module(x)
        times.append(time.perf_counter() - start)
    return 1000 * min(times)


def table(cases: Sequence[Case]) -> Iterator[str]:
    """The comparison as a table, line by line as it is made."""
    columns = ("eval f64", "eval f32", "train f64", "gradients", "statistics")
    yield f"| network | {' | '.join(columns)} | effdet ms | archgraph ms |"
    yield "|---|" + "---|" * (len(columns) + 2)
    for case in cases:
        found = compare(case)
        numbers = " | ".join(f"{found[c]:.0e}" if found[c] else "0" for c in columns)
        yield f"| {case.label} | {numbers} | {found['effdet ms']:.0f} | {found['ms']:.0f} |"


# --- goldens -----------------------------------------------------------------------------------


def statistics(value: Tensor) -> list[float]:
    """Mean, standard deviation (population), first, middle, last, sum, sum of sizes."""
    flat = value.detach().flatten()
    middle = flat.numel() // 2
    picked = [float(flat[i]) for i in (0, middle, -1)]
    spread = float(flat.std(correction=0))
    found = [float(flat.mean()), spread, *picked, float(flat.sum()), float(flat.abs().sum())]
    return [rounded(value) for value in found]


def rounded(value: float) -> float:
    """Thirteen digits, which is what two programs can agree on."""
    return float(f"{value:.13g}")


def norms(tensors: Mapping[str, Tensor]) -> list[float]:
    """The norm of each tensor, in the order of the names."""
    return [rounded(float(tensor.norm())) for _, tensor in sorted(tensors.items())]


def digest(shapes: Mapping[str, Sequence[int]]) -> str:
    """A short text for the names and shapes of a state dict."""
    lines = "".join(f"{name} {list(shape)}\n" for name, shape in sorted(shapes.items()))
    return hashlib.sha256(lines.encode()).hexdigest()[:16]


def multiply_adds(case: Case) -> tuple[list[int], list[int]]:
    """The image size of effdet's configuration, and what its convolutions multiply, by section."""
    from effdet import EfficientDet, get_efficientdet_config

    config = get_efficientdet_config(case.effdet)
    counts = [0] * len(SECTIONS)

    def count(section: int, conv: nn.Conv2d, _: object, result: Tensor) -> None:
        counts[section] += result.numel() * conv.weight[0].numel()

    with torch.device("meta"), torch.no_grad():
        network = EfficientDet(config, pretrained_backbone=False).eval()
        for section, part in enumerate(("backbone", "fpn", "class_net", "box_net")):
            for module in network.get_submodule(part).modules():
                if isinstance(module, nn.Conv2d):
                    module.register_forward_hook(partial(count, section))
        network(torch.zeros(1, 3, *config.image_size))
    return list(config.image_size), counts


def golden(case: Case) -> dict[str, Any]:
    """What effdet computes: statistics of every map, and of what it learns from two images."""
    reference = theirs(case)
    with torch.no_grad():
        maps = maps_of(reference, image(case.size))
    image_size, macs = multiply_adds(case)
    found: dict[str, Any] = {
        "effdet": case.effdet,
        "changes": dict(case.effdet_changes),
        "size": list(case.size),
        "parameters": sum(p.numel() for p in reference.parameters()),
        "tensors": len(reference.state_dict()),
        "digest": digest({k: tuple(t.shape) for k, t in reference.state_dict().items()}),
        "image_size": image_size,
        "macs": macs,
        "maps": {name: [statistics(value) for value in maps[name]] for name in SECTIONS},
    }
    if case.effdet in TRAINED and case.size == (256, 256) and not case.effdet_changes:
        maps = maps_of(without_stochastic_depth(reference).train(), image(case.size, 2))
        loss([*maps["class"], *maps["box"]]).backward()
        grads = {name: learned(p) for name, p in reference.named_parameters()}
        buffers = {n: b for n, b in reference.named_buffers() if n.endswith(("mean", "var"))}
        found["training"] = {
            "maps": {name: [statistics(value) for value in maps[name]] for name in SECTIONS[2:]},
            "gradients": norms(grads),
            "buffers": norms(buffers),
        }
    return found


def main() -> None:
    """Compare, or measure."""
    parser = argparse.ArgumentParser(description="Compare EfficientDets with effdet's.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="effdet's names (default: all)")
    parser.add_argument("--goldens", type=Path, metavar="FILE.json", help="measure effdet alone")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.manual_seed(0)
    if arguments.goldens:
        rows = []
        for case in [*CASES, *MORE]:
            print(case.label, flush=True)
            rows.append(json.dumps(golden(case)))
        arguments.goldens.write_text("[\n" + ",\n".join(rows) + "\n]\n", "utf-8")
        return
    known = [case.effdet for case in CASES]
    if unknown := sorted(set(arguments.names) - set(known)):
        parser.error(f"no network {', '.join(unknown)}; there are {', '.join(known)}")
    chosen = [case for case in [*CASES, *MORE] if case.effdet in (arguments.names or known)]
    for line in table(chosen):
        print(line, flush=True)


if __name__ == "__main__":
    main()
