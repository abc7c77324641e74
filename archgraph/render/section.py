"""The boxes behind the nodes of a figure: cells, sections of a model, stacks."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

from archgraph.ir.pyramid import Use
from archgraph.render import style
from archgraph.render.drawing import Drawing, Stack
from archgraph.render.layout import Frame, Layout


@dataclass(frozen=True)
class Section:
    """A box behind nodes.

    Attributes:
        first, last: its columns.
        lines: what it is called, and what it uses.
        note: what stands at its end.
        rows: its rows, first and last; None for the whole height.
    """

    first: int
    last: int
    lines: tuple[str, ...]
    note: str = ""
    rows: tuple[int, int] | None = None


@dataclass(frozen=True)
class Sections:
    """The boxes of one figure."""

    drawing: Drawing
    layout: Layout

    @cached_property
    def all(self) -> tuple[Section, ...]:
        """Every box, in the order of columns for those of the whole height."""
        stacks = {stack.name for stack in self.drawing.stacks}
        frames = [frame for frame in self.layout.frames if frame.path not in stacks]
        return (
            *(self._of_frame(frame) for frame in frames),
            *(self._of_stack(stack) for stack in self.drawing.stacks),
        )

    @cached_property
    def head(self) -> float:
        """How much room the lines of the boxes need above the nodes."""
        longest = max((len(section.lines) for section in self.all), default=0)
        more = style.CAPTION_ROOM + (longest - 2) * style.CAPTION_LINE if longest > 1 else 0
        return style.FRAME_TOP + more if longest else 0

    @cached_property
    def node_width(self) -> int:
        """How wide nodes must be for boxes of one column to hold their lines."""
        narrow = [each for each in self.all if each.first == each.last]
        lines = [min(style.LONGEST_CAPTION, len(line)) for each in narrow for line in each.lines]
        widths = [length * style.MONO_WIDTH for length in lines]
        widths += [len(each.note) * style.SANS_WIDTH for each in narrow]
        text = max(widths, default=0) * style.SMALL_SIZE + 2 * style.FRAME_MARGIN
        return math.ceil(text - 2 * style.FRAME_PADDING)

    @cached_property
    def entered(self) -> frozenset[str]:
        """The nodes at which edges enter a stack."""
        return frozenset(stack.nodes[0] for stack in self.drawing.stacks)

    def _of_frame(self, frame: Frame) -> Section:
        graph = self.drawing.graph
        nodes = [node for node in graph if node.scope == frame.path]
        first = nodes[0].op
        scope = graph.scopes.get(frame.path)
        used, note = "", ""
        if scope is not None and frame.path:
            used = scope.block.removesuffix("-cell")
        elif isinstance(first, Use):
            used = first.use[0].use
            note = "shared weights" if len({node.weights for node in nodes}) < len(nodes) else ""
        lines = (frame.path, used) if used and used != graph.name else (frame.path,)
        return Section(frame.first, frame.last, lines, note)

    def _of_stack(self, stack: Stack) -> Section:
        places = [self.layout.places[name] for name in stack.nodes]
        rows = sorted(place.row for place in places)
        step = stack.steps[-1]
        arguments = (f"{argument.key}={argument.text}" for argument in step.arguments)
        lines = (stack.name, step.use, *arguments)
        return Section(places[0].column, places[0].column, lines[:3], "", (rows[0], rows[-1]))
