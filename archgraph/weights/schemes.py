"""Whose names a file has: archgraph's own, or those of one of the projects that we read."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from archgraph.ir import Graph
from archgraph.weights.effdet import effdet_names
from archgraph.weights.efficientnet_pytorch import HEAD, MARK, efficientnet_pytorch_names
from archgraph.weights.tensors import tensor_shapes
from archgraph.weights.timm import BACKBONE, CLASSIFIER, MARKS, timm_names


@dataclass(frozen=True)
class Scheme:
    """A way to name tensors.

    Attributes:
        name: what `--as` takes.
        names: our names of the tensors it covers, each with its own; raises E433 where it has
            none for this network.
        ignored: modules of its files that no network of ours has a use for.
    """

    name: str
    names: Callable[[Graph], dict[str, str]]
    ignored: tuple[str, ...] = ()


def own_names(graph: Graph) -> dict[str, str]:
    """Every tensor by the name it has."""
    return {name: name for name in tensor_shapes(graph)}


def own_backbone_names(graph: Graph) -> dict[str, str]:
    """The tensors of a detector's backbone by the names they have in the backbone on its own."""
    prefix = f"{BACKBONE}."
    inner = (name for name in tensor_shapes(graph) if name.startswith(prefix))
    return {name: name.removeprefix(prefix) for name in inner}


OWN = Scheme("archgraph", own_names)
OWN_BACKBONE = Scheme("archgraph-backbone", own_backbone_names)
EFFDET = Scheme("effdet", effdet_names)
LEVEL_FIRST = Scheme("effdet-level-first", lambda graph: effdet_names(graph, level_first=True))
TIMM = Scheme("timm", timm_names, CLASSIFIER)
EFFICIENTNET_PYTORCH = Scheme("efficientnet-pytorch", efficientnet_pytorch_names, HEAD)
_EVERY = (OWN, OWN_BACKBONE, EFFDET, LEVEL_FIRST, TIMM, EFFICIENTNET_PYTORCH)
SCHEMES = {scheme.name: scheme for scheme in _EVERY}

_NORM = re.compile(r"(?:class|box)_net\.bn_rep\.\d+\.\d+\.(bn\.)?")


def scheme_of(names: Iterable[str], graph: Graph) -> Scheme:
    """Whose names these are; archgraph's where nothing speaks for others."""
    every = set(names)
    norm = next((found for name in every if (found := _NORM.match(name))), None)
    if norm is not None:
        return EFFDET if norm[1] else LEVEL_FIRST
    if any(name.startswith(("fpn.cell.", "class_net.", "box_net.")) for name in every):
        return EFFDET
    if not every.isdisjoint(MARKS):
        return TIMM
    if MARK in every:
        return EFFICIENTNET_PYTORCH
    if every.isdisjoint(own_names(graph)) and not every.isdisjoint(
        own_backbone_names(graph).values()
    ):
        return OWN_BACKBONE
    return OWN
