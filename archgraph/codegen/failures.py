"""Errors out of a generated module, told in the words of the spec.

The note is made when an exception passes the whole network: from its traceback, and from what
the network was given. Nothing is recorded before, so a run without errors costs nothing. Errors
of a backward pass do not come by here, and neither do those of a compiled or exported network.
"""

from __future__ import annotations

import linecache
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn

# By line of the text: the item that it computes, as its path inside the module, and its place.
Origins = Mapping[int, tuple[str, str]]


def explained(file: str, origins: Origins) -> Callable[..., object]:
    """The `__call__` of a network, which adds a note to every exception that comes out of it.

    Args:
        file: the name under which the text of the network was compiled.
        origins: what the lines of the text compute, and where the spec says so.
    """
    import torch
    from torch import nn

    def __call__(self: nn.Module, *arguments: object, **options: object) -> object:  # noqa: N807
        if torch.compiler.is_compiling():  # not every compiler can break a graph inside a `try`
            return nn.Module.__call__(self, *arguments, **options)
        try:
            return nn.Module.__call__(self, *arguments, **options)
        except Exception as error:
            features = arguments[0] if arguments else options.get("features")
            faults = [f"    {fault}" for fault in input_faults(self, features)]
            note = "\n".join([*_where(error, self, file, origins), *faults])
            if note not in getattr(error, "__notes__", ()):
                error.add_note(note)
            raise

    return __call__


def _where(error: Exception, network: nn.Module, file: str, origins: Origins) -> list[str]:
    """The node in which it happened, its places in the spec from the inside out, its line."""
    names = {id(module): name for name, module in network.named_modules()}
    name, line = "", 0
    places: list[str] = []
    # From the second frame on: a look into the first, which holds the error, would tie a knot.
    first = error.__traceback__
    for frame, number in traceback.walk_tb(first and first.tb_next):
        owner = names.get(id(frame.f_locals.get("self")))
        name = name if owner is None else owner
        if frame.f_code.co_filename != file:
            continue
        if frame.f_locals.get("self") is network:
            places.clear()  # an error that is raised again brings its older frames along
        line = number
        item, place = origins.get(number, ("", ""))
        if place and place not in places[:1]:
            places.insert(0, place)
        # The module of a step comes next in the traceback; a function has no module.
        name = ".".join(part for part in (owner or "", item) if part) or name
    where = f"archgraph: in node '{name}'" if name else f"archgraph: in {type(network).__name__}"
    if places:
        where += f" ({', used at '.join(places)})"
    text = linecache.getline(file, line).strip()
    return [where, f"    line {line} of the generated source: {text}"] if line else [where]


# --- what the network was given -------------------------------------------------------------


def input_faults(network: nn.Module, features: object) -> list[str]:
    """What is wrong with the maps that a network was given, by what its class says it takes."""
    levels: Sequence[int] = getattr(network, "in_levels", ())
    channels: Sequence[int] = getattr(network, "in_channels", ())
    if not levels or len(channels) != len(levels):
        return []
    wanted = ", ".join(f"P{x} x {n}" for x, n in zip(levels, channels, strict=True))
    takes = f"{type(network).__name__} takes a list of {len(levels)} maps: {wanted}"
    if not isinstance(features, list | tuple):
        return [f"{takes}; it was given a {type(features).__name__}"]
    if len(features) != len(levels):
        return [f"{takes}; it was given {len(features)}"]
    faults = list(_map_faults(network, features, levels, channels))
    return [takes, *faults] if faults else []


def _map_faults(
    network: nn.Module, features: Sequence[object], levels: Sequence[int], channels: Sequence[int]
) -> Iterator[str]:
    weight = next(network.parameters(), None)
    shapes = [tuple(getattr(feature, "shape", ())) for feature in features]
    for i, (level, width, shape) in enumerate(zip(levels, channels, shapes, strict=True)):
        label = f"map {i} (P{level})"
        if len(shape) != 4:
            kind = f"shape {shape}" if shape else f"a {type(features[i]).__name__}"
            yield f"{label} is {kind}, not (N, {width}, height, width)"
            continue
        if shape[1] != width:
            yield f"{label} has {shape[1]} channels, not {width}: {shape}"
        if weight is not None:
            for fact in ("dtype", "device"):
                given, wanted = getattr(features[i], fact), getattr(weight, fact)
                if given != wanted:
                    yield f"{label} is {given}; the weights are {wanted}"
        if i and len(shapes[i - 1]) == 4:
            scale = 2 ** (level - levels[i - 1])
            size = tuple(-(-side // scale) for side in shapes[i - 1][2:])
            if shape[2:] != size:
                yield (
                    f"{label} measures {_size(shape[2:])}; {_size(size)} is"
                    f" 1/{scale} of map {i - 1}, rounded up"
                )


def _size(size: Sequence[int]) -> str:
    return " x ".join(map(str, size))
