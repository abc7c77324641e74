"""A small network as a person would write it, and its graph: no printer had a hand in either."""

from __future__ import annotations

from pathlib import Path

from archgraph.ir import Edge, Graph, Node, Scope, Stage
from archgraph.ir.op import Op
from archgraph.ir.ops import Activation, Add, Affine, BatchNorm, Conv, MaxPool, Resize, WeightedSum
from archgraph.ir.pyramid import Input

PRELUDE = Path(__file__).parents[2] / "archgraph" / "codegen" / "prelude.py"


def _definition(name: str) -> str:
    """A class of the prelude, as it stands there."""
    text = PRELUDE.read_text("utf-8")
    return next(part for part in text.split("\n\n\n") if part.startswith(f"class {name}("))


TEXT = f'''"""A tower on two levels, and a step up and a step down between them."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


{_definition("FastFusion")}


class Unit(nn.Module):
    """A convolution; with a residual if `eps` is given."""

    def __init__(self, channels: int, kernel: int = 3, eps: float | None = None) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, kernel, padding=kernel // 2, bias=False)
        self.norm = nn.BatchNorm2d(channels)
        self.fuse = None if eps is None else FastFusion(2, eps=eps)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.norm(self.conv(x)))
        if self.fuse is not None:
            y = self.fuse(x, y)
        return y


class Tower(nn.Sequential):
    """Units one after the other."""

    def __init__(self, channels: int, depth: int) -> None:
        rest = [Unit(channels, eps=0.5) for _ in range(depth - 1)]
        super().__init__(Unit(channels, 1), *rest)


class Hand(nn.Module):
    """The network."""

    in_levels = (3, 4)
    in_channels = (4, 4)
    levels = (3, 4)
    channels = (4, 4)

    def __init__(self) -> None:
        super().__init__()
        self.factor = 0.5
        self.tower = Tower(4, 3)
        self.norms = nn.ModuleList(nn.BatchNorm2d(4) for _ in range(2))
        self.ways = nn.ModuleDict({{"up": nn.Conv2d(4, 4, 1), "down": nn.Identity()}})

    def forward(self, features: list[Tensor]) -> list[Tensor]:
        low, high = [norm(self.tower(x)) for x, norm in zip(features, self.norms)]
        del features
        up = F.interpolate(self.ways["up"](high), size=low.shape[-2:], mode="nearest")
        half = high * self.factor
        down = F.max_pool2d(self.ways["down"](low), 3, 2, padding=1)
        return [low + up, half + down]
'''


def handwritten_graph() -> Graph:
    """The graph of the text, without a record of any scope."""
    graph = Graph("hand", Stage.OPERATORS)
    graph.scopes = {"": Scope("", "hand", inputs=("in3", "in4"), outputs=("out3", "out4"))}

    def add(name: str, op: Op, *sources: str, weights: str = "") -> str:
        node = Node(name, op, scope="", weights=weights)
        graph.add(node, [Edge(source, source) for source in sources])
        return name

    values: list[str] = []
    for i, level in enumerate((3, 4)):
        x = add(f"in{level}", Input(level, 4))
        for unit in range(3):
            path, weights = f"p{level}.{unit}", f"tower.{unit}"
            conv = Conv(4, kernel=3 if unit else 1, bias=False)
            y = add(f"{path}.conv", conv, x, weights=f"{weights}.conv")
            y = add(f"{path}.norm", BatchNorm(), y, weights=f"{weights}.norm")
            y = add(f"{path}.relu", Activation("relu"), y)
            if unit:
                fuse = WeightedSum(eps=0.5)
                y = add(f"{path}.fuse", fuse, x, y, weights=f"{weights}.fuse")
            x = y
        values.append(add(f"norm{level}", BatchNorm(), x, weights=f"norms.{i}"))
    low, high = values
    add("up_conv", Conv(4), high, weights="ways.up")
    add("up", Resize(), "up_conv", low)
    add("half", Affine(factor=0.5), high)
    add("down", MaxPool(3, 2), low)
    add("out3", Add(), low, "up")
    add("out4", Add(), "half", "down")
    graph.set_outputs({"p3": "out3", "p4": "out4"})
    return graph
