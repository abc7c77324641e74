"""What effdet computes: measured by running it, by `tools/compare_with_effdet.py --goldens`.

Every weight is filled from a generator seeded with effdet's name of it, so that the numbers can
be had without effdet. Image: normal numbers from generator 0.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

import archgraph
from tests.codegen.golden_vectors import filled
from tests.weights.support import names, network

# How a neck of effdet is chosen here.
CHANGES: Mapping[str, Mapping[str, str]] = {
    "bifpn_attn": {"fuse": "softmax"},
    "pan_fa": {"neck": "stacked-panet"},
}


@dataclass(frozen=True)
class Golden:
    """One network of effdet on one image.

    Attributes:
        effdet: effdet's name of it.
        changes: what is not as effdet's configuration of that name has it.
        size: height and width of the image.
        parameters: how many numbers it learns.
        tensors: how many tensors its state dict has.
        digest: a short text for their names and shapes.
        image_size: height and width that effdet configures.
        macs: multiply-adds of the convolutions at that size: backbone, neck, class head, box head.
        maps: for each section its maps, finest first: mean, deviation, first, middle and last
            value, sum, sum of sizes.
        training: the same for two images in training mode, with the norms of gradients and running
            statistics in the order of effdet's names; empty where it was not measured.
    """

    effdet: str
    changes: Mapping[str, str]
    size: tuple[int, int]
    parameters: int
    tensors: int
    digest: str
    image_size: Sequence[int]
    macs: Sequence[int]
    maps: Mapping[str, Sequence[Sequence[float]]]
    training: Mapping[str, Any] = field(default_factory=dict)

    @property
    def variant(self) -> str:
        """The row of our spec."""
        return self.effdet.rpartition("_")[2]

    @property
    def spec(self) -> str:
        """Our spec."""
        return "efficientdet" if self.effdet.startswith("tf_") else "efficientdet-symmetric"

    @property
    def scheme(self) -> str:
        """Whose names it has."""
        return "effdet-level-first" if self.variant.startswith("q") else "effdet"

    @property
    def our_changes(self) -> Mapping[str, str]:
        """The same changes in our words."""
        return CHANGES[self.changes["fpn_name"]] if self.changes else {}

    @property
    def label(self) -> str:
        """What tells it from all others."""
        return "-".join([self.effdet, *self.changes.values(), "x".join(map(str, self.size))])

    def image(self, count: int = 1) -> Tensor:
        """What the network sees."""
        shape = (count, 3, *self.size)
        return torch.from_numpy(np.random.RandomState(0).standard_normal(shape))

    def module(self) -> nn.Module:
        """Our network with the weights of the recipe, in float64 and eval mode."""
        module = archgraph.build(self.spec, variant=self.variant, **self.our_changes)
        of = network(self.spec, self.variant, **self.our_changes)
        theirs = names(of, self.scheme)
        # One by one: the whole of a large network would be there twice.
        for name, tensor in module.double().eval().state_dict().items():
            if not name.endswith("num_batches_tracked"):
                tensor.copy_(filled(theirs[name], tensor))
        return module


def read_goldens() -> list[Golden]:
    """All that was measured."""
    file = Path(__file__).with_name("effdet_goldens.json")
    rows = json.loads(file.read_text("utf-8"))
    return [Golden(**{**row, "size": tuple(row["size"])}) for row in rows]


GOLDENS = read_goldens()


def networks(goldens: Iterable[Golden]) -> list[Golden]:
    """One golden for each name of effdet."""
    return [golden for golden in goldens if golden.size == (256, 256) and not golden.changes]
