"""The names that timm gives to the tensors of an EfficientNet or a ResNet, from a graph.

timm counts stages (`blocks.2.0`, from 0; `layer3.0`, from 1) and the norms of a block in their
order (`bn1`), where archgraph has the names of the spec (`stage3.0`, `depthwise.norm`). Its
feature extractors and its classifiers have the same names, and ResNets have torchvision's too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from archgraph.errors import WeightsError
from archgraph.ir import Graph
from archgraph.weights.failure import failed
from archgraph.weights.tensors import Holder, holders

Path = tuple[str, ...]

# Modules of a classifier that no feature extractor has.
CLASSIFIER = ("conv_head", "bn2", "classifier", "fc")
# A tensor by which a file of EfficientNets, or of ResNets, is known.
MARKS = ("conv_stem.weight", "layer1.0.conv1.weight")
BACKBONE = "backbone"

_STEM: dict[Path, str] = {("stem", "conv"): "conv_stem", ("stem", "norm"): "bn1"}
_BLOCK: dict[Path, str] = {
    ("expand_conv", "conv"): "conv_pw",
    ("depthwise", "conv"): "conv_dw",
    ("squeeze", "reduce"): "se.conv_reduce",
    ("squeeze", "expand"): "se.conv_expand",
}
_RESNET_STEM: dict[Path, str] = {("stem", "conv"): "conv1", ("stem", "norm"): "bn1"}
_RESNET_BLOCK: dict[Path, str] = {
    ("shortcut", "conv"): "downsample.0",
    ("shortcut", "norm"): "downsample.1",
}
_RESNET_CONV = re.compile(r"conv([123])")


def timm_names(graph: Graph) -> dict[str, str]:
    """Our names of a backbone's tensors, each with timm's.

    Args:
        graph: a backbone on its own, or a detector with a node `backbone`, at OPERATORS.

    Raises:
        WeightsError: E433, timm has no such network.
    """
    every = holders(graph)
    inner = [holder for holder in every if holder.segments[0] == BACKBONE]
    return {
        f"{holder.path}.{tensor}": f"{theirs}.{tensor}"
        for holder, theirs in backbone_modules(inner or every, skipped=1 if inner else 0)
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
    resnet = any(_RESNET_CONV.fullmatch(path[2]) for path in listed)
    for holder, path in zip(found, paths, strict=True):
        stem = (_RESNET_STEM if resnet else _STEM).get(path)
        if stem is not None:
            yield holder, stem
            continue
        if len(path) < 3 or path[0] not in stages:
            raise unknown(holder, "timm")
        inner = path[2:]
        named = _resnet(inner) if resnet else _inverted(inner, expanded=path[:2] in expanded)
        if named is None:
            raise unknown(holder, "timm")
        number = stages.index(path[0])
        stage = f"layer{number + 1}" if resnet else f"blocks.{number}"
        yield holder, f"{stage}.{path[1]}.{named}"


def _inverted(path: Path, *, expanded: bool) -> str | None:
    """The name inside an inverted residual, which may lack its first convolution."""
    if path in _BLOCK:
        return _BLOCK[path]
    if path == ("project", "conv"):
        return "conv_pwl" if expanded else "conv_pw"
    norms = (["expand_conv"] if expanded else []) + ["depthwise", "project"]
    if len(path) == 2 and path[1] == "norm" and path[0] in norms:
        return f"bn{norms.index(path[0]) + 1}"
    return None


def _resnet(path: Path) -> str | None:
    """The name inside a residual block."""
    conv = _RESNET_CONV.fullmatch(path[0])
    if conv is not None and path[1:] in (("conv",), ("norm",)):
        return path[0] if path[1] == "conv" else f"bn{conv[1]}"
    return _RESNET_BLOCK.get(path)


def unknown(holder: Holder, scheme: str) -> WeightsError:
    """The exception for a module that other people's network does not have."""
    message = f"{scheme} has no name for '{holder.path}'"
    hint = f"only networks that {scheme} has can be read from its files or written for it"
    return failed("E433", message, hint)
