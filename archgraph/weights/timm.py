"""The names that timm gives to the tensors of an EfficientNet, computed from a graph.

timm counts stages from 0 (`blocks.2.0`), and the norms of a block in their order (`bn1`), where
archgraph has the names of the spec (`stage3.0`, `depthwise.norm`). Its feature extractors and its
classifiers have the same names; what only classifiers have is in `CLASSIFIER`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from archgraph.ir import Graph
from archgraph.weights.failure import failed
from archgraph.weights.tensors import Holder, holders

# Modules of a classifier that no feature extractor has: EfficientNet's, and ResNet's.
CLASSIFIER = ("conv_head", "bn2", "classifier", "fc")
BACKBONE = "backbone"

_BLOCK = {
    ("expand_conv", "conv"): "conv_pw",
    ("depthwise", "conv"): "conv_dw",
    ("squeeze", "reduce"): "se.conv_reduce",
    ("squeeze", "expand"): "se.conv_expand",
}
_STEM = {("stem", "conv"): "conv_stem", ("stem", "norm"): "bn1"}


def timm_names(graph: Graph) -> dict[str, str]:
    """Our names of a backbone's tensors, each with timm's.

    Args:
        graph: a backbone on its own, or a detector with a node `backbone`, at OPERATORS.

    Raises:
        WeightsError: E433, timm has no such network.
    """
    every = holders(graph)
    inner = [holder for holder in every if holder.segments[0] == BACKBONE]
    skipped = 1 if inner else 0
    return {
        f"{holder.path}.{tensor}": f"{theirs}.{tensor}"
        for holder, theirs in backbone_modules(inner or every, skipped)
        for tensor in holder.shapes
    }


def backbone_modules(found: Sequence[Holder], skipped: int) -> Iterator[tuple[Holder, str]]:
    """The modules of a backbone, each with timm's name.

    Args:
        found: the modules, in execution order.
        skipped: how many segments of their paths stand before the names of the backbone.
    """
    paths = [holder.segments[skipped:] for holder in found]
    listed = [path for path in paths if len(path) > 2 and path[1].isdecimal()]
    stages = list(dict.fromkeys(stage for stage, *_ in listed))
    expanded = {path[:2] for path in listed if path[2] == "expand_conv"}
    for holder, path in zip(found, paths, strict=True):
        if path in _STEM:
            yield holder, _STEM[path]
        elif path in listed:
            inner = _in_block(path[2:], expanded=path[:2] in expanded)
            if inner is None:
                raise unknown(holder, "timm")
            yield holder, f"blocks.{stages.index(path[0])}.{path[1]}.{inner}"
        else:
            raise unknown(holder, "timm")


def _in_block(path: tuple[str, ...], *, expanded: bool) -> str | None:
    """The name inside an inverted residual, which may lack its first convolution."""
    if path in _BLOCK:
        return _BLOCK[path]
    if path == ("project", "conv"):
        return "conv_pwl" if expanded else "conv_pw"
    norms = (["expand_conv"] if expanded else []) + ["depthwise", "project"]
    if len(path) == 2 and path[1] == "norm" and path[0] in norms:
        return f"bn{norms.index(path[0]) + 1}"
    return None


def unknown(holder: Holder, scheme: str) -> Exception:
    """The exception for a module that other people's network does not have."""
    message = f"{scheme} has no name for '{holder.path}'"
    hint = f"only networks that {scheme} has can be read from its files or written for it"
    return failed("E433", message, hint)
