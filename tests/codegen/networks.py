"""The networks that code generation is tried on: every topology of the library, in many shapes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from archgraph.compiler import Compilation, arguments_from_python, compile_spec
from tests.codegen.golden_vectors import TF

SIZES = [(512, 512), (500, 333)]


@dataclass(frozen=True)
class Network:
    """A spec with its arguments."""

    spec: str
    options: Mapping[str, object] = field(default_factory=dict)

    def __str__(self) -> str:
        shown = [f"{k}={v}" for k, v in self.options.items() if k not in ("channels", "settings")]
        return "-".join([self.spec, *shown]).replace(" ", "")

    def compiled(self) -> Compilation:
        """The network, compiled."""
        return compile_spec(self.spec, arguments_from_python(self.options))

    def features(self, image_size: tuple[int, int], batch: int = 1) -> list[Tensor]:
        """Random inputs for an image of this size."""
        generator = torch.Generator().manual_seed(0)
        graph = self.compiled().operators.graph
        found = []
        for node in graph.graph_inputs:
            type_ = node.op.infer(())
            size = [-(-side // type_.stride) for side in image_size]
            found.append(torch.randn(batch, type_.channels, *size, generator=generator))
        return found


def _network(spec: str, **options: object) -> Network:
    return Network(spec, {"channels": 16, **options})


RAW: Sequence[int] = [24, 40, 56]
NETWORKS = [
    _network("bifpn"),
    _network("bifpn", cells=3),
    _network("bifpn", cells=3, settings=TF),
    _network("bifpn", cells=2, levels="3..5", in_channels=RAW, settings=TF),
    _network("bifpn", cells=2, levels="2..7", fuse="softmax"),
    _network("bifpn", levels="4..5", fuse="unbounded"),
    _network("bifpn", levels="5..5"),
    _network("bifpn", levels="5..5", in_channels=24),
    _network("panet"),
    _network("panet", fuse="fast", levels="3..5"),
    _network("panet", fuse="average", settings={"act": "hard-swish"}),
    _network("fpn"),
    _network("fpn", levels="3..5", in_channels=RAW),
    _network("fpn-efficientdet", levels="3..5", in_channels=RAW),
]
