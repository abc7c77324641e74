"""A statement of `forward`, and how places, paths and keys are written in one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from archgraph.codegen.access import LEVEL
from archgraph.codegen.calls import HANDED_ON
from archgraph.codegen.layout import WIDTH, Origin
from archgraph.codegen.shape import Part
from archgraph.errors import Location


@dataclass(frozen=True)
class Statement:
    """One statement, with the comment that belongs at its end and the item it comes from."""

    text: str
    comment: str = ""
    origin: Origin | None = None
    depth: int = 0
    targets: tuple[str, ...] = ()


def place(location: Location | None) -> str:
    """`panet.yaml:13`: the same on every machine, and always one line."""
    if location is None:
        return ""
    name = location.file.rpartition("/")[2]
    shown = "".join(c if c.isalnum() or c in "._-+ " else "?" for c in name)
    return f"{shown}:{location.line}"


def shown_path(path: str, inputs: Sequence[str]) -> str:
    """A path with the names that the class itself has for its inputs: `inputs.above.up`."""
    names = {f"#{k}": name for k, name in enumerate(inputs)}
    return ".".join(names.get(part, part) for part in path.split("."))


def told(part: Part) -> list[str]:
    """The key that a module is told, as an argument."""
    if not part.told:
        return []
    return [LEVEL if part.told == HANDED_ON else f'"{part.told}"']


def grouped(names: Sequence[str]) -> list[str]:
    """Names with commas, as many as fit on a line."""
    found: list[str] = []
    for name in names:
        if found and len(found[-1]) + len(name) < WIDTH - 16:
            found[-1] += f", {name}"
        else:
            found.append(name)
    return found
