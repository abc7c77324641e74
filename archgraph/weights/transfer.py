"""Weights from a file into a file of ours, into a module, and back into other people's files."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from archgraph.ir import Graph, fingerprint
from archgraph.weights.checkpoint import Weights, read_weights
from archgraph.weights.effdet import predictor_of
from archgraph.weights.files import write_safetensors, write_torch
from archgraph.weights.match import Match, changed_predictor, match, report
from archgraph.weights.schemes import SCHEMES, scheme_of
from archgraph.weights.tensors import grouped, is_optional, tensor_shapes, within

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass(frozen=True)
class Network:
    """What weights are for: a graph at OPERATORS, and what its user calls it."""

    graph: Graph
    name: str


@dataclass(frozen=True)
class Report:
    """What became of a file.

    Attributes:
        tensors: how many tensors were taken.
        numbers: how many numbers they hold.
        names: whose names the file had, a key of `SCHEMES`.
        left_out: modules that the file had nothing for; they keep their initial weights.
        notes: sentences for the user.
    """

    tensors: int
    numbers: int
    names: str
    left_out: tuple[str, ...]
    notes: tuple[str, ...]


def load_weights(
    module: nn.Module, network: Network, path: str | Path, *, averaged: bool = False
) -> Report:
    """Load a file into a module that was made from this network, if everything fits.

    Args:
        module: what `build` made.
        network: the graph it was made from.
        path: a file that `import_weights` wrote, or any that it reads.
        averaged: take the moving average (EMA) of the weights.

    Raises:
        InputOutputError: E001, the file cannot be read.
        WeightsError: E430 to E433, it is no file of weights, or does not fit.
    """
    tensors, found = _converted(read_weights(path, averaged=averaged), network)
    module.load_state_dict({**module.state_dict(), **tensors})
    return found


def import_weights(
    path: str | Path,
    network: Network,
    output: Path,
    origin: Mapping[str, object],
    *,
    averaged: bool = False,
) -> Report:
    """Write a file of ours from any that we read.

    Args:
        path: a checkpoint of effdet, timm, efficientnet-pytorch or archgraph.
        network: what it is for.
        output: the `.safetensors` file.
        origin: what the file is to say of itself.
        averaged: take the moving average (EMA) of the weights.

    Raises:
        InputOutputError: E001 or E020, a file cannot be read or written.
        WeightsError: E430 to E433, it is no file of weights, or does not fit; nothing is written.
    """
    tensors, found = _converted(read_weights(path, averaged=averaged), network)
    metadata = {
        **origin,
        "spec_hash": fingerprint(network.graph),
        "names": found.names,
        "left_out": list(found.left_out),
    }
    write_safetensors(output, tensors, metadata)
    return found


def export_weights(path: str | Path, network: Network, output: Path, names: str) -> Report:
    """Write a file under other people's names.

    Args:
        path: a file of archgraph, or any that we read.
        network: what it is for.
        output: a `.pth`, `.pt` or `.safetensors` file.
        names: whose, a key of `SCHEMES`.

    Raises:
        InputOutputError: E001 or E020, a file cannot be read or written.
        WeightsError: E430 to E433, it is no file of weights, does not fit, or lacks what the
            other program needs; nothing is written.
    """
    weights = read_weights(path)
    tensors, found = _converted(weights, network)
    theirs = SCHEMES[names].names(network.graph)
    shapes = tensor_shapes(network.graph)
    lacking = match({own: shapes[own] for own in theirs}, _shapes(tensors))
    if lacking.missing:
        only_missing = Match(lacking.missing, (), ())
        raise report(only_missing, str(weights.path), network.name, weights.origin)
    renamed = {name: tensors[own] for own, name in theirs.items() if own in tensors}
    if output.suffix == ".safetensors":
        write_safetensors(output, renamed, {})
    else:
        write_torch(output, renamed)
    rest = _modules(tensors.keys() - theirs.keys(), shapes)
    notes = [f"{names} has no place for {', '.join(rest)}"] if rest else []
    return Report(len(renamed), _numbers(renamed), names, (), (*found.notes, *notes))


def _converted(weights: Weights, network: Network) -> tuple[dict[str, Tensor], Report]:
    """The tensors of a file by our names, in the order of the network; all of them or none.

    A backbone on its own fills the backbone of a detector. The last convolution of a class head for
    another number of classes is left out. Both are said in the report.

    Raises:
        WeightsError: E432, they do not fit; E433, the file is of a network that others have,
            and this is none of theirs.
    """
    shapes = tensor_shapes(network.graph)
    scheme = scheme_of(weights.tensors, network.graph)
    theirs = scheme.names(network.graph)
    ours = {name: own for own, name in theirs.items()}
    ignored = [n for n in weights.tensors if n not in ours and within(n, scheme.ignored)]
    given = {n: tensor for n, tensor in weights.tensors.items() if n not in ignored}
    wanted = {name: shapes[own] for own, name in theirs.items()}
    found = match(wanted, _shapes(given), weights.left_out)
    notes = list(weights.notes)
    if ignored:
        classifier = ", ".join(n for n, _ in grouped(ignored, list(weights.tensors)))
        notes.append(f"left out what only a classifier has: {classifier}")
    predictor = predictor_of(network.graph)
    their_predictor = theirs.get(f"{predictor}.weight", "").rpartition(".")[0]
    changed = changed_predictor(found, their_predictor)
    if not changed and not found.is_complete:
        raise report(found, str(weights.path), network.name, weights.origin)
    named = {ours[name]: tensor for name, tensor in given.items()}
    tensors = {
        own: named[own]
        for own in shapes
        if own in named and not (changed and within(own, [predictor]))
    }
    left_out = _modules(shapes.keys() - tensors.keys(), shapes)
    if changed:
        _, shape, needed = found.misshapen[0]
        notes.append(
            f"'{predictor}' keeps its initial weights: it has {needed[0]} channels in "
            f"{network.name}, and {shape[0]} in the file"
        )
    elif left_out:
        notes.append(f"the file has nothing for {', '.join(left_out)}: initial weights stay")
    taken = Report(len(tensors), _numbers(tensors), scheme.name, tuple(left_out), tuple(notes))
    return tensors, taken


def _modules(names: Collection[str], shapes: Mapping[str, object]) -> list[str]:
    """Modules, and single tensors, that these names make up; counters of norms are none."""
    every = [name for name in shapes if not is_optional(name)]
    return [module for module, _ in grouped((n for n in every if n in names), every)]


def _shapes(tensors: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in tensors.items()}


def _numbers(tensors: Mapping[str, Tensor]) -> int:
    return sum(tensor.numel() for name, tensor in tensors.items() if not is_optional(name))
