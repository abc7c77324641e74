"""The figure of a pyramid as SVG text, written without any library.

Everything that comes from a spec is escaped, every length has one decimal at most, and nothing
depends on the order of a set: the same graph gives the same bytes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from xml.sax.saxutils import escape

from archgraph.ir import GLOBAL, FeatureType, Graph, Node
from archgraph.ir.pyramid import Fuse, Input, Use
from archgraph.ir.signature import ALIASES, alias_meaning
from archgraph.render import style
from archgraph.render.collapse import collapsed
from archgraph.render.layout import EdgeKind, Frame, Layout, Link, Place, lay_out, level_of
from archgraph.render.route import Point, Router, Shape, arrow_head, number, path_data

LONGEST_TITLE = 100
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def draw_svg(graph: Graph, title: str | None = None) -> str:
    """Draw a pyramid: rows are levels, coarsest on top; columns are steps, from left to right.

    Args:
        graph: a graph at stage PYRAMID, before or after its passes.
        title: the heading; the name of the graph if not given.

    Returns:
        A whole SVG document that ends with a line break.

    Raises:
        ValueError: the graph is at another stage.
        VerifyError: the graph has a cycle.
    """
    graph = collapsed(graph)
    return _Figure(graph, lay_out(graph), graph.name if title is None else title).text()


@dataclass(frozen=True)
class _Figure:
    """One figure: the grid, and how it becomes pixels."""

    graph: Graph
    layout: Layout
    title: str

    # --- geometry --------------------------------------------------------------------------

    @cached_property
    def node_width(self) -> float:
        longest = max((len(_short(node.local_name)) for node in self.graph), default=0)
        text = longest * style.MONO_WIDTH * style.NAME_SIZE
        return max(style.NODE_LEAST_WIDTH, round(text + 2 * style.NODE_PADDING))

    @cached_property
    def router(self) -> Router:
        left = style.MARGIN + style.ROW_LABEL_WIDTH + self.node_width / 2
        top = style.MARGIN + style.TITLE_SIZE + style.TOP
        top += style.FRAME_TOP if self.layout.frames else 0
        shapes = {place: self._shape(self.graph[n]) for n, place in self.layout.places.items()}
        return Router((left, top), self.node_width + style.COLUMN_GAP, shapes)

    def _shape(self, node: Node) -> Shape:
        radius = style.USE_RADIUS if isinstance(node.op, Use) else style.FUSE_RADIUS
        return Shape(self.node_width / 2, style.NODE_HEIGHT / 2, radius)

    @cached_property
    def output_x(self) -> float:
        """Where the arrows to the output labels end."""
        x, _ = self.router.middle(Place(self.layout.columns - 1, 0))
        return x + self.node_width / 2 + style.OUTPUT_GAP

    @cached_property
    def width(self) -> float:
        labels = [self._output_label(row) for row in self.layout.outputs]
        text = max((len(label) for label in labels), default=0) * style.NAME_SIZE
        heading = len(_short(self.title, LONGEST_TITLE)) * style.SANS_WIDTH * style.TITLE_SIZE
        plot = self.output_x + 6 + text * style.MONO_WIDTH
        return max(plot, heading + style.MARGIN) + style.MARGIN

    @cached_property
    def plot_bottom(self) -> float:
        rows = max(1, len(self.layout.levels))
        return self.router.middle(Place(0, rows - 1))[1] + style.FRAME_BELOW

    # --- parts -----------------------------------------------------------------------------

    def text(self) -> str:
        legend, height = self._legend()
        body = [
            _tag("rect", width=self.width, height=height, fill=style.BACKGROUND),
            _text(
                _short(self.title, LONGEST_TITLE),
                (style.MARGIN, style.MARGIN + style.TITLE_SIZE * 0.8),
                "title",
            ),
            *(self._frame(frame) for frame in self.layout.frames),
            *(self._row_label(row, level) for row, level in enumerate(self.layout.levels)),
            *(self._link(link) for link in self.layout.links),
            *self._outputs(),
            *(self._node(node) for node in self.graph),
            *legend,
        ]
        width, high = number(self.width), number(height)
        head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{high}"'
            f' viewBox="0 0 {width} {high}"'
            f' role="img" aria-label="{_escaped(self._description())}">'
        )
        return "\n".join([head, _STYLE, *body, "</svg>"]) + "\n"

    def _description(self) -> str:
        levels = self.layout.levels
        places = [FeatureType(level, 1).place for level in levels]
        names = f"level {places[0]}" if len(places) == 1 else ""
        if len(places) > 1:
            names = f"levels {places[-1]} to {places[0]}"
        inputs = len(self.graph.graph_inputs)
        counts = (
            f"{inputs} inputs, {len(self.graph) - inputs} nodes, {len(self.layout.links)} edges"
        )
        return f"{self.title}: a feature pyramid, {names}, {counts}"

    def _frame(self, frame: Frame) -> str:
        left = self.router.middle(Place(frame.first, 0))[0] - self.node_width / 2
        right = self.router.middle(Place(frame.last, 0))[0] + self.node_width / 2
        top = self.router.origin[1] - style.TOP - style.FRAME_TOP + 10
        x, width = left - style.FRAME_PADDING, right - left + 2 * style.FRAME_PADDING
        box = _tag(
            "rect",
            x=x,
            y=top,
            width=width,
            height=self.plot_bottom - top,
            rx=8,
            fill=style.FRAME_FILL,
            stroke=style.FRAME_LINE,
        )
        room = int((width - 14) / (style.MONO_WIDTH * style.SMALL_SIZE))
        return box + _text(_short(frame.path, room), (x + 8, top + 14), "cell")

    def _row_label(self, row: int, level: int) -> str:
        y = self.router.middle(Place(0, row))[1]
        at = (style.MARGIN, y)
        share = _text(_share(level), (at[0], y + 13), "small")
        return _text(FeatureType(level, 1).place, at, "level") + share

    def _link(self, link: Link) -> str:
        steps = link.edge.steps
        chains = [*(steps.project or ()), *(steps.down or ()), *(steps.up or ())]
        lines = [f"{link.source} → {link.target}", *(str(step) for step in chains)]
        if link.edge.name != link.source.rpartition(".")[2]:
            lines[0] += f" as {link.edge.name}"
        return _edge(self.router.way(link.start, link.end), link.kind, "\n".join(lines))

    def _outputs(self) -> Iterator[str]:
        for row, outputs in self.layout.outputs.items():
            end = Place(self.layout.columns, row)
            y = self.router.middle(end)[1]
            for name in dict.fromkeys(name for _, name in outputs):
                way = self.router.way(self.layout.places[name], end)
                labels = ", ".join(label for label, source in outputs if source == name)
                yield _edge(
                    [*way[:-1], (self.output_x, y)], EdgeKind.OUTPUT, f"output {labels} = {name}"
                )
            yield _text(self._output_label(row), (self.output_x + 6, y + 4), "output")

    def _output_label(self, row: int) -> str:
        return _short(", ".join(label for label, _ in self.layout.outputs[row]), 24)

    def _node(self, node: Node) -> str:
        place = self.layout.places[node.name]
        x, y = self.router.middle(place)
        shape = self._shape(node)
        colour = level_of(node) % len(style.LEVEL_FILLS)
        fill = style.INPUT_FILL if isinstance(node.op, Input) else style.LEVEL_FILLS[colour]
        box = _box((x, y), shape, fill, style.LEVEL_LINES[colour])
        parts = [f"<title>{_escaped(_tooltip(node))}</title>", box]
        parts.append(_text(_short(node.local_name), (x, y + 4), "name"))
        if mark := _mark(node):
            # at the left, since edges leave to the right
            at = (x - shape.half_width + 5, y + shape.half_height + 11)
            parts.append(_text(mark, at, "small"))
        return f"<g>{''.join(parts)}</g>"

    # --- legend ----------------------------------------------------------------------------

    def _legend(self) -> tuple[list[str], float]:
        """Samples of what the figure holds, in as many lines as they need; the figure's height."""
        present = {link.kind for link in self.layout.links}
        kinds = [kind for kind in style.EDGE_COLOURS if kind in present]
        samples: list[tuple[str, EdgeKind | Shape]] = []
        samples += [(style.EDGE_NAMES[kind], kind) for kind in kinds]
        samples += self._node_samples()
        x, y = float(style.MARGIN), self.plot_bottom + style.LEGEND_LINE
        parts: list[str] = []
        for name, sample in samples:
            text = len(name) * style.SANS_WIDTH * style.SMALL_SIZE
            length = style.LEGEND_SAMPLE + 5 + text
            if x > style.MARGIN and x + length > self.width - style.MARGIN:
                x, y = float(style.MARGIN), y + style.LEGEND_LINE
            if isinstance(sample, EdgeKind):
                parts.append(_edge([(x, y), (x + style.LEGEND_SAMPLE, y)], sample))
            else:
                parts.append(_box((x + style.LEGEND_SAMPLE / 2, y), sample, style.FRAME_FILL))
            parts.append(_text(name, (x + style.LEGEND_SAMPLE + 5, y + 3.5), "small"))
            x += length + style.LEGEND_GAP
        return parts, (y if parts else self.plot_bottom) + style.MARGIN

    def _node_samples(self) -> list[tuple[str, Shape]]:
        """Both sorts of node, where a figure has both."""
        kinds = {type(node.op) for node in self.graph}
        half = style.LEGEND_SAMPLE / 2
        fuse, use = Shape(half, 6, 6), Shape(half, 6, style.USE_RADIUS * 6 / style.FUSE_RADIUS)
        return [("fuse", fuse), ("use", use)] if {Fuse, Use} <= kinds else []


_STYLE = f"""<style>
text {{ font-family: {style.SANS}; font-size: {style.SMALL_SIZE}px; fill: {style.INK}; }}
.title {{ font-size: {style.TITLE_SIZE}px; font-weight: bold; }}
.level {{ font-size: {style.NAME_SIZE}px; font-weight: bold; }}
.small {{ fill: {style.QUIET}; }}
.cell {{ font-family: {style.MONO}; fill: {style.QUIET}; }}
.name, .output {{ font-family: {style.MONO}; font-size: {style.NAME_SIZE}px; }}
.output {{ font-weight: bold; }}
.name {{ text-anchor: middle; }}
</style>"""


def _mark(node: Node) -> str:
    """What stands under a node: the width of an input, the operator of a `use` node."""
    match node.op:
        case Input(channels=channels):
            return f"{channels} ch"
        case Use(use=steps):
            last = alias_meaning(steps[-1]) if steps[-1].use in ALIASES else steps[-1]
            return style.OPERATOR_MARKS.get(last.use, "")
        case _:
            return ""


def _share(level: int) -> str:
    """What a map of a level is to the image, along each side."""
    return "1 pixel" if level == GLOBAL else f"1/{2**level}"


def _tooltip(node: Node) -> str:
    """Everything that does not fit into a node: full name, fusion, block, type and place."""
    lines = [node.name]
    match node.op:
        case Input(channels=channels):
            lines.append(f"input, {channels} channels")
        case Fuse(fusion=fusion, block=block, channels=channels):
            lines.append(f"fuse: {fusion}, {channels} channels")
            lines += [f"block: {_chain(block)}"] if block else []
        case Use(use=use, block=block):
            lines.append(f"use: {_chain(use)}")
            lines += [f"block: {_chain(block)}"] if block else []
    level = level_of(node)
    lines.append(f"{FeatureType(level, 1).place}, {_share(level)} of the image")
    if node.location:
        lines.append(f"{node.location.file}:{node.location.line}")
    return "\n".join(lines)


def _chain(steps: Sequence[object]) -> str:
    return ", then ".join(str(step) for step in steps)


def _edge(way: Sequence[Point], kind: EdgeKind, tooltip: str = "") -> str:
    line, head = arrow_head(way)
    colour = style.EDGE_COLOURS[kind]
    title = f"<title>{_escaped(tooltip)}</title>" if tooltip else ""
    stroke: dict[str, str | float] = {"stroke": colour, "stroke-width": style.EDGE_WIDTH}
    if kind in style.EDGE_DASHES:
        stroke["stroke-dasharray"] = style.EDGE_DASHES[kind]
    points = " ".join(f"{number(x)},{number(y)}" for x, y in head)
    path = _tag("path", {"d": path_data(line), "fill": "none", **stroke})
    return f"<g>{title}{path}{_tag('polygon', points=points, fill=colour)}</g>"


def _box(middle: Point, shape: Shape, fill: str, line: str = style.QUIET) -> str:
    """The outline of a node."""
    return _tag(
        "rect",
        x=middle[0] - shape.half_width,
        y=middle[1] - shape.half_height,
        width=2 * shape.half_width,
        height=2 * shape.half_height,
        rx=shape.radius,
        fill=fill,
        stroke=line,
    )


def _text(text: str, at: Point, role: str) -> str:
    return f'<text x="{number(at[0])}" y="{number(at[1])}" class="{role}">{_escaped(text)}</text>'


def _tag(
    name: str, attributes: Mapping[str, str | float] | None = None, **more: str | float
) -> str:
    given = {**(attributes or {}), **more}
    texts = {key: v if isinstance(v, str) else number(v) for key, v in given.items()}
    pairs = " ".join(f'{key}="{_escaped(text)}"' for key, text in texts.items())
    return f"<{name} {pairs}/>"


def _escaped(text: str) -> str:
    """Text that is safe in elements and in quoted attributes; what XML cannot hold is replaced."""
    return escape(_NOT_XML.sub("\ufffd", text), {'"': "&quot;", "\n": "&#10;"})


def _short(text: str, longest: int = style.LONGEST_NAME) -> str:
    return text if len(text) <= longest else f"{text[: max(1, longest - 1)]}…"
