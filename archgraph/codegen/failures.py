"""Errors out of a generated module, told in the words of the spec.

The note is made when an exception passes the whole network: from its traceback, and from what
the network was given. Nothing is recorded before, so a run without errors costs nothing. Errors
of a backward pass do not come by here, and neither do those of a compiled or exported network.
"""

from __future__ import annotations

import linecache
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from archgraph.codegen.layout import Origin

if TYPE_CHECKING:
    from torch import nn

# By line of the text: the item that it computes, as its path inside the module, and its place.
Origins = Mapping[int, Origin]


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
            given = arguments[0] if arguments else next(iter(options.values()), None)
            faults = [f"    {fault}" for fault in input_faults(self, given)]
            note = "\n".join([*_where(error, self, file, origins), *faults])
            if note not in getattr(error, "__notes__", ()):
                error.add_note(note)
            raise

    return __call__


@dataclass(frozen=True)
class _Frame:
    """A call in the traceback: the module it belongs to, and its line if the text is generated."""

    module: nn.Module
    path: str
    line: int


def _where(error: Exception, network: nn.Module, file: str, origins: Origins) -> list[str]:
    """The node in which it happened, its places in the spec from the inside out, its line."""
    frames = _frames(error, network, file)
    ends = [frame.path for frame in frames[1:]]
    written = [(frame, end) for frame, end in zip(frames, [*ends, ""], strict=True) if frame.line]
    path = frames[-1].path if frames else ""
    if written and written[-1][0] is frames[-1]:
        item = _function(frames[-1], network, origins)
        path = ".".join(part for part in (path, item) if part)
    found = (_place(frame, end, file, origins) for frame, end in reversed(written))
    places = list(dict.fromkeys(place for place in found if place))
    where = f"archgraph: in node '{path}'" if path else f"archgraph: in {type(network).__name__}"
    if places:
        where += f" ({', used at '.join(places)})"
    if not written:
        return [where]
    line = written[-1][0].line
    text = linecache.getline(file, line).strip()
    return [where, f"    line {line} of the generated source: {text}"]


def _frames(error: Exception, network: nn.Module, file: str) -> list[_Frame]:
    """The calls of the network's modules, from the outside in."""
    known = {id(module): (module, path) for path, module in network.named_modules()}
    found: list[_Frame] = []
    # From the second frame on: a look into the first, which holds the error, would tie a knot.
    first = error.__traceback__
    for frame, line in traceback.walk_tb(first and first.tb_next):
        owner = known.get(id(frame.f_locals.get("self")))
        if owner is not None:
            if owner[0] is network and frame.f_code.co_filename == file:
                found.clear()  # an error that is raised again brings its older frames along
            found.append(_Frame(*owner, line if frame.f_code.co_filename == file else 0))
    return found


def _function(frame: _Frame, network: nn.Module, origins: Origins) -> str:
    """The name of the function that a line calls, if every instance of the class has it.

    A class shows the names of its first instance. Nodes of one name, such as those of stacked
    cells, have one text in the spec; what nodes of other names read has other names.
    """
    kind = type(frame.module)
    names = {path.rpartition(".")[2] for path, m in network.named_modules() if type(m) is kind}
    words = {name for name in names if not name.isdigit()}
    return origins.get(frame.line, ("", ""))[0] if len(words) <= 1 else ""


def _place(frame: _Frame, end: str, file: str, origins: Origins) -> str:
    """Where the spec says what a line does.

    A line may call several modules; the one at `end` was made by a line of its own.
    """
    child = end.removeprefix(f"{frame.path}." if frame.path else "")
    code = getattr(type(frame.module).__init__, "__code__", None)
    lines = [line for *_, line in code.co_lines()] if code and code.co_filename == file else []
    made = [origins[line] for line in lines if line in origins]
    places = [place for item, place in made if item == child and place]
    return places[0] if places else origins.get(frame.line, ("", ""))[1]


# --- what the network was given -------------------------------------------------------------


def input_faults(network: nn.Module, features: object) -> list[str]:
    """What is wrong with the maps that a network was given, by what its class says it takes."""
    levels: Sequence[int] = getattr(network, "in_levels", ())
    channels: Sequence[int] | int = getattr(network, "in_channels", ())
    if isinstance(channels, int):
        return _image_faults(network, features, channels)
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


def _image_faults(network: nn.Module, image: object, channels: int) -> list[str]:
    takes = f"{type(network).__name__} takes an image (N, {channels}, height, width)"
    shape = tuple(getattr(image, "shape", ()))
    if not shape:
        return [f"{takes}; it was given a {type(image).__name__}"]
    if len(shape) != 4 or shape[1] != channels:
        return [f"{takes}; it was given shape {shape}"]
    faults = list(_odd_facts(network, image, "the image"))
    return [takes, *faults] if faults else []


def _odd_facts(network: nn.Module, given: object, label: str) -> Iterator[str]:
    """Where the type or the device is not that of the weights."""
    weight = next(network.parameters(), None)
    for fact in ("dtype", "device") if weight is not None else ():
        found, wanted = getattr(given, fact), getattr(weight, fact)
        if found != wanted:
            yield f"{label} is {found}; the weights are {wanted}"


def _map_faults(
    network: nn.Module, features: Sequence[object], levels: Sequence[int], channels: Sequence[int]
) -> Iterator[str]:
    shapes = [tuple(getattr(feature, "shape", ())) for feature in features]
    for i, (level, width, shape) in enumerate(zip(levels, channels, shapes, strict=True)):
        label = f"map {i} (P{level})"
        if len(shape) != 4:
            kind = f"shape {shape}" if shape else f"a {type(features[i]).__name__}"
            yield f"{label} is {kind}, not (N, {width}, height, width)"
            continue
        if shape[1] != width:
            yield f"{label} has {shape[1]} channels, not {width}: {shape}"
        yield from _odd_facts(network, features[i], label)
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
