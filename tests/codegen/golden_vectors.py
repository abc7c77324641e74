"""Values of effdet's BiFpn module: measured once, in float64 and eval mode, by running effdet.

Every weight is filled from a generator seeded with the name that effdet gives it, so that the
numbers can be had without effdet. Each row: mean, standard deviation (population), first,
middle and last value of one output.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn

TF = {"act": "silu", "norm": "batch-norm eps=1e-3 momentum=0.01", "padding": "same", "bias": True}
SYMMETRIC = {**TF, "padding": "symmetric", "bias": False}


@dataclass(frozen=True)
class Golden:
    """One network, how it is built here, and what effdet computed with it."""

    name: str
    topology: str
    levels: range
    settings: Mapping[str, object]
    sizes: Sequence[tuple[int, int]]
    parameters: int
    rows: Sequence[tuple[float, float, float, float, float]]
    options: Mapping[str, object] = field(default_factory=dict)
    in_channels: Sequence[int] = ()

    def features(self) -> list[Tensor]:
        """The inputs: normal numbers, seeded by level."""
        widths = self.in_channels or [64] * len(self.levels)
        shapes = zip(self.levels, widths, self.sizes, strict=True)
        return [
            torch.from_numpy(np.random.RandomState(300 + level).standard_normal((1, c, *size)))
            for level, c, size in shapes
        ]


def published_nodes(golden: Golden) -> list[str]:
    """The nodes of one cell in effdet's order."""
    lo, hi = golden.levels[0], golden.levels[-1]
    if golden.topology == "panet":
        down = [f"td{level}" for level in range(hi, lo - 1, -1)]
        return down + [f"out{level}" for level in range(lo, hi + 1)]
    down = [f"td{level}" for level in range(hi - 1, lo - 1, -1)]
    return down + [f"out{level}" for level in range(lo + 1, hi + 1)]


def key_map(golden: Golden, keys: Sequence[str]) -> dict[str, str]:
    """Our state-dict keys as effdet's."""
    nodes = published_nodes(golden)
    offsets = [*(f"in{level}" for level in golden.levels), *nodes]
    return {key: _effdet_key(key, nodes, offsets) for key in keys}


def _effdet_key(key: str, nodes: Sequence[str], offsets: Sequence[str]) -> str:
    parts = key.split(".")
    cell = "0"
    if parts[0] == "cells":
        cell, parts = parts[1], parts[2:]
    prefix = f"fpn.cell.{cell}.fnode.{nodes.index(parts[0])}"
    match parts[1:]:
        case ["fuse", "weight"]:
            return f"{prefix}.combine.edge_weights"
        case ["inputs", edge, "project", "conv", last]:
            return f"{prefix}.combine.resample.{offsets.index(edge)}.conv.conv.{last}"
        case ["inputs", edge, "project", "norm", last]:
            return f"{prefix}.combine.resample.{offsets.index(edge)}.conv.bn.{last}"
        case ["block", "depthwise", last]:
            return f"{prefix}.after_combine.conv.conv_dw.{last}"
        case ["block", "pointwise", last]:
            return f"{prefix}.after_combine.conv.conv_pw.{last}"
        case ["block", "norm", last]:
            return f"{prefix}.after_combine.conv.bn.{last}"
        case _:
            raise KeyError(key)


def fill(module: nn.Module, names: Mapping[str, str]) -> None:
    """Fill a module's tensors by the recipe; `names` are the keys that seed it."""
    state = module.state_dict()
    for key, tensor in state.items():
        if not key.endswith("num_batches_tracked"):
            tensor.copy_(filled(names[key], tensor))


def filled(key: str, tensor: Tensor) -> Tensor:
    seed = zlib.crc32(key.encode())
    numbers = np.random.RandomState(seed).standard_normal(tensor.numel())
    z = torch.from_numpy(numbers).reshape(tensor.shape)
    if key.endswith("running_var"):
        return 1 + 0.1 * z.abs()
    if key.endswith("running_mean"):
        return 0.1 * z
    if key.endswith("edge_weights"):
        return 1 + 0.2 * z
    if tensor.dim() == 4:
        fan_in = tensor[0].numel()
        return torch.from_numpy(numbers.reshape(tensor.shape) * np.sqrt(1 / fan_in))
    return 1 + 0.1 * z if key.endswith("weight") else 0.1 * z


def statistics(value: Tensor) -> Iterator[float]:
    """Mean, standard deviation, first, middle, last: what a row of the tables holds."""
    flat = value.detach().double().flatten()
    yield float(flat.mean())
    yield float(flat.std(correction=0))
    yield from (float(flat[i]) for i in (0, flat.numel() // 2, -1))


SQUARE = [(32, 32), (16, 16), (8, 8), (4, 4), (2, 2)]

GOLDENS = [
    Golden(
        "equal-widths",
        "bifpn",
        range(3, 8),
        TF,
        SQUARE,
        116793,
        [
            (
                3.293674034561e-02,
                1.914500568685e-01,
                1.745914285006e-01,
                -6.477576324278e-03,
                2.084185390686e-02,
            ),
            (
                4.145808387550e-03,
                2.062723949874e-01,
                6.496268755311e-02,
                1.136658307054e-02,
                -3.735178439525e-02,
            ),
            (
                -2.081105991200e-02,
                1.803329781898e-01,
                3.130696559104e-01,
                1.091239545667e-01,
                1.814490500461e-01,
            ),
            (
                -1.237388307519e-02,
                1.574237262661e-01,
                4.462953310174e-03,
                2.124182074591e-01,
                2.649570857149e-01,
            ),
            (
                -2.841493312324e-03,
                1.694664570566e-01,
                -1.698470333124e-02,
                -1.552017348697e-01,
                -5.272779290295e-02,
            ),
        ],
        {"cells": 3},
    ),
    Golden(
        "softmax",
        "bifpn",
        range(3, 8),
        TF,
        SQUARE,
        38931,
        [
            (
                -3.397519958067e-02,
                3.212782753129e-01,
                -3.357534235014e-02,
                -3.336492158366e-02,
                -2.595628065482e-01,
            ),
            (
                2.403720688037e-02,
                2.527517004461e-01,
                1.486619586060e-01,
                -3.672167590801e-02,
                -2.430820513738e-01,
            ),
            (
                -1.452257892300e-02,
                2.616155019126e-01,
                1.229606210755e-01,
                2.087822498899e-01,
                2.237361802706e-01,
            ),
            (
                -2.199264270766e-02,
                2.144888894937e-01,
                -1.191490927575e-01,
                -1.381832318583e-01,
                -2.499161006298e-01,
            ),
            (
                -3.452303027131e-02,
                3.176340174979e-01,
                2.125118371776e-01,
                2.216525192274e-01,
                9.463379006298e-02,
            ),
        ],
        {"cells": 1, "fuse": "softmax"},
    ),
    Golden(
        "raw-widths-odd-sizes",
        "bifpn",
        range(3, 6),
        TF,
        [(26, 20), (13, 10), (7, 5)],
        97746,
        [
            (
                -2.300137454977e-02,
                1.989799972745e-01,
                1.667718571731e-01,
                3.284780609191e-01,
                -2.252218861024e-01,
            ),
            (
                1.254051630787e-02,
                1.712116463918e-01,
                -7.710156610856e-02,
                -6.194105715852e-03,
                2.766441308359e-02,
            ),
            (
                4.479098974630e-02,
                2.146727700674e-01,
                2.712860537607e-01,
                -2.019296998788e-02,
                -3.086811996180e-02,
            ),
        ],
        {"cells": 2},
        [40, 112, 320],
    ),
    Golden(
        "unpruned-pan",
        "panet",
        range(3, 8),
        TF,
        SQUARE,
        48658,
        [
            (
                -1.974131989249e-02,
                2.291594215000e-01,
                1.482450788536e-01,
                -4.219312717337e-02,
                3.947769035554e-01,
            ),
            (
                -2.873734907230e-02,
                1.762104796979e-01,
                -1.482854429482e-01,
                -7.437464514996e-02,
                -1.281777845963e-01,
            ),
            (
                -2.652039742880e-02,
                2.214553700670e-01,
                -3.436828954961e-02,
                1.426418993473e-01,
                2.133489839123e-01,
            ),
            (
                -2.570651238261e-02,
                1.511157483002e-01,
                2.963309732836e-01,
                -1.235811222396e-01,
                3.722986231748e-02,
            ),
            (
                1.976207799429e-02,
                1.789857026066e-01,
                -9.913949361354e-02,
                -2.197075033057e-02,
                1.618830776871e-01,
            ),
        ],
        {"fuse": "fast"},
    ),
    Golden(
        "sum-symmetric",
        "bifpn",
        range(3, 7),
        SYMMETRIC,
        SQUARE[:4],
        57600,
        [
            (
                8.451136236525e-02,
                1.012166397252e00,
                -1.729866945342e-01,
                -2.237784891016e-01,
                1.909210690682e-02,
            ),
            (
                6.615454084320e-02,
                1.959345358343e00,
                -2.277438409273e-01,
                -1.407415741087e-01,
                3.316228135803e-01,
            ),
            (
                2.868918635820e-02,
                2.761790291847e00,
                -6.955330046260e-01,
                1.814241122062e-01,
                -4.093172911648e00,
            ),
            (
                -1.375823126607e-01,
                2.481196050511e00,
                4.175781124296e-01,
                1.427060476024e00,
                6.658941662253e-01,
            ),
        ],
        {"cells": 2, "fuse": "sum"},
    ),
]
