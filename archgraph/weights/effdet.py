"""The names that effdet gives to the tensors of an EfficientDet, computed from a graph.

effdet counts where archgraph has names. The nodes of a cell are numbered in execution order
(`fnode.0`); an edge has the position of its source among the inputs and nodes of the cell
(`resample.8`); a level has its position among the levels of the pyramid, so `fpn.resample.3`
makes P6. The heads have one norm per repetition and level, in either order: `bn_rep.2.0.bn` is
repetition 2, level 0, and where the levels come first it is `bn_rep.0.2`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from archgraph.ir import Graph
from archgraph.weights.failure import failed
from archgraph.weights.tensors import holders
from archgraph.weights.timm import BACKBONE, backbone_modules, unknown

# The heads by the order of the outputs.
HEADS = ("class_net", "box_net")
_CONVS = {"depthwise": "conv_dw", "pointwise": "conv_pw", "conv": "conv"}
_PROJECT = {"conv": "conv", "norm": "bn"}


@dataclass(frozen=True)
class Detector:
    """What the names depend on.

    Attributes:
        heads: effdet's heads by the names of ours.
        levels: the keys of the levels, finest first: `p3`, `p4`.
        cells: for each cell its path and the values that its edges read: inputs, then nodes.
        made: for each node that makes a coarser level, the position of that level.
    """

    heads: Mapping[str, str]
    levels: Sequence[str]
    cells: Mapping[str, Cell]
    made: Mapping[str, int]


@dataclass(frozen=True)
class Cell:
    """The names in a cell: what enters, and its nodes in execution order."""

    inputs: Sequence[str]
    nodes: Sequence[str]

    def offset(self, name: str) -> int | None:
        """The position of a value among the inputs and nodes."""
        values = [*self.inputs, *self.nodes]
        return values.index(name) if name in values else None


def effdet_names(graph: Graph, *, level_first: bool = False) -> dict[str, str]:
    """Our names of a detector's tensors, each with effdet's.

    Args:
        graph: an EfficientDet at OPERATORS.
        level_first: the norms of the heads are numbered by level, then by repetition, as in
            the later networks of effdet.

    Raises:
        WeightsError: E433, effdet has no such network.
    """
    detector = _read_detector(graph)
    every = holders(graph)
    inner = [holder for holder in every if holder.segments[0] == BACKBONE]
    names = {
        f"{holder.path}.{tensor}": f"{BACKBONE}.{theirs}.{tensor}"
        for holder, theirs in backbone_modules(inner, 1)
        for tensor in holder.shapes
    }
    for holder in every:
        if holder.segments[0] == BACKBONE:
            continue
        theirs = _module(detector, holder.segments, level_first)
        if theirs is None:
            raise unknown(holder, "effdet")
        for tensor in holder.shapes:
            # The weights of a fusion are its only tensor, and stand in the combining module.
            edge = holder.segments[-1] == "fuse"
            name = f"{theirs}.edge_weights" if edge else f"{theirs}.{tensor}"
            names[f"{holder.path}.{tensor}"] = name
    return {f"{h.path}.{t}": names[f"{h.path}.{t}"] for h in every for t in h.shapes}


def _read_detector(graph: Graph) -> Detector:
    """What the names depend on.

    Raises:
        WeightsError: E433, the graph is no detector with a class head and a box head.
    """
    labels = [label.split(".") for label in graph.outputs]
    heads = list(dict.fromkeys(label[0] for label in labels if len(label) == 2))
    if len(heads) != len(HEADS) or any(len(label) != 2 for label in labels):
        message = f"'{graph.name}' is no detector of effdet: it has no two heads on its levels"
        raise failed("E433", message, "timm's names are those of a backbone alone")
    levels = list(dict.fromkeys(key for _, key in labels))
    cells = {path: _cell(graph, path) for path in _cell_paths(graph)}
    return Detector(dict(zip(heads, HEADS, strict=True)), levels, cells, _made(graph))


def predictor_of(graph: Graph) -> str:
    """The module of the last convolution of the class head; empty if there is no such head."""
    label = next(iter(graph.outputs), "")
    node = graph[graph.outputs[label]] if "." in label else None
    return node.weights if node is not None and "weight" in _tensors_of(graph, node.name) else ""


def _tensors_of(graph: Graph, name: str) -> Mapping[str, object]:
    types = graph.infer_types()
    return graph[name].op.parameters([types[edge.source] for edge in graph.inputs(name)])


def _cell_paths(graph: Graph) -> Iterator[str]:
    for path in graph.scopes:
        parts = path.split(".")
        if len(parts) == 3 and parts[1] == "cells" and parts[2].isdecimal():
            yield path


def _cell(graph: Graph, path: str) -> Cell:
    depth = path.count(".") + 1
    inside = [node.name for node in graph.order() if node.name.startswith(f"{path}.")]
    nodes = list(dict.fromkeys(name.split(".")[depth] for name in inside))
    return Cell(graph.scopes[path].inputs, nodes)


def _made(graph: Graph) -> dict[str, int]:
    """The nodes whose last operator has the levels of the pyramid, with the position there."""
    types = graph.infer_types()
    finest = min(types[value].level for value in graph.outputs.values())
    return {
        ".".join(node.name.split(".")[:2]): types[node.name].level - finest
        for node in graph.order()
        if node.name.count(".") > 1
    }


def _module(detector: Detector, path: Sequence[str], level_first: bool) -> str | None:
    """The name of a module outside the backbone, or None."""
    if path[0] in detector.heads:
        inner = _in_head(detector, path[1:], level_first)
        return inner and f"{detector.heads[path[0]]}.{inner}"
    match list(path):
        case [neck, "cells", number, node, *rest] if f"{neck}.cells.{number}" in detector.cells:
            cell = detector.cells[f"{neck}.cells.{number}"]
            inner = _in_node(cell, rest)
            return inner and f"fpn.cell.{number}.fnode.{cell.nodes.index(node)}.{inner}"
        case [extra, node, "inputs", _, "project", part] if part in _PROJECT:
            return f"fpn.resample.{detector.made[f'{extra}.{node}']}.conv.{_PROJECT[part]}"
    return None


def _in_head(detector: Detector, path: Sequence[str], level_first: bool) -> str | None:
    """The name inside a head."""
    match list(path):
        case ["tower", repetition, "norm", key] if key in detector.levels:
            level = detector.levels.index(key)
            order = f"{level}.{repetition}" if level_first else f"{repetition}.{level}.bn"
            return f"bn_rep.{order}"
        case ["tower", repetition, part] if part in _CONVS:
            return f"conv_rep.{repetition}.{_CONVS[part]}"
        case ["predict", part] if part in _CONVS:
            return f"predict.{_CONVS[part]}"
        case ["predict"]:
            return "predict.conv"
    return None


def _in_node(cell: Cell, path: Sequence[str]) -> str | None:
    """The name inside a node of a cell."""
    match list(path):
        case ["fuse"]:
            return "combine"
        case ["inputs", edge, "project", part] if part in _PROJECT:
            offset = cell.offset(edge)
            return None if offset is None else f"combine.resample.{offset}.conv.{_PROJECT[part]}"
        case ["block", part] if part in _CONVS:
            return f"after_combine.conv.{_CONVS[part]}"
        case ["block", "norm"]:
            return "after_combine.conv.bn"
    return None
