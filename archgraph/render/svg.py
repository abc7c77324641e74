"""The figure of a pyramid as SVG text, written without any library.

Everything that comes from a spec is escaped, every length has one decimal at most, and nothing
depends on the order of a set: the same graph gives the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from archgraph.ir import GLOBAL, FeatureType, Graph, Node
from archgraph.ir.pyramid import Fuse, Input, Use
from archgraph.ir.signature import ALIASES, alias_meaning
from archgraph.render import style
from archgraph.render.drawing import drawing_of
from archgraph.render.layout import EdgeKind, Layout, Link, Place, lay_out, level_of
from archgraph.render.route import Point, Router, Shape, arrow_head, path_data
from archgraph.render.section import Section, Sections
from archgraph.render.tags import escaped, number, short, tag, text_at

LONGEST_TITLE = 100


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
    drawing = drawing_of(graph)
    layout = lay_out(drawing.graph, [stack.nodes for stack in drawing.stacks])
    sections = Sections(drawing, layout)
    return _Figure(drawing.graph, layout, sections, graph.name if title is None else title).text()


@dataclass(frozen=True)
class _Figure:
    """One figure: the grid, and how it becomes pixels."""

    graph: Graph
    layout: Layout
    sections: Sections
    title: str

    # --- geometry --------------------------------------------------------------------------

    @cached_property
    def node_width(self) -> float:
        longest = max((len(short(node.local_name)) for node in self.graph), default=0)
        text = longest * style.MONO_WIDTH * style.NAME_SIZE
        named = round(text + 2 * style.NODE_PADDING)
        return max(style.NODE_LEAST_WIDTH, named, self.sections.node_width)

    @cached_property
    def router(self) -> Router:
        left: float = style.MARGIN + style.ROW_LABEL_WIDTH + self.node_width / 2
        left += style.FRAME_PADDING if any(not each.first for each in self.sections.all) else 0
        top: float = style.MARGIN + style.TITLE_SIZE + style.TOP
        top += self.sections.head
        shapes = {place: self._shape(self.graph[n]) for n, place in self.layout.places.items()}
        return Router((left, top), self.node_width + style.COLUMN_GAP, shapes)

    def _shape(self, node: Node) -> Shape:
        radius = style.USE_RADIUS if isinstance(node.op, Use) else style.FUSE_RADIUS
        return Shape(self.node_width / 2, style.NODE_HEIGHT / 2, radius)

    @cached_property
    def from_below(self) -> frozenset[str]:
        """The nodes that an edge enters from below."""
        links = self.layout.links
        return frozenset(
            link.target
            for link in links
            if link.start.column == link.end.column and link.start.row > link.end.row
        )

    @cached_property
    def output_x(self) -> float:
        """Where the arrows to the output labels end."""
        x, _ = self.router.middle(Place(self.layout.columns - 1, 0))
        return x + self.node_width / 2 + style.OUTPUT_GAP

    @cached_property
    def width(self) -> float:
        labels = [
            _joined(self._labels(row, name))
            for row, outputs in self.layout.outputs.items()
            for _, name in outputs
        ]
        text = max((len(label) for label in labels), default=0) * style.NAME_SIZE
        heading = len(short(self.title, LONGEST_TITLE)) * style.SANS_WIDTH * style.TITLE_SIZE
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
            tag("rect", width=self.width, height=height, fill=style.BACKGROUND),
            text_at(
                short(self.title, LONGEST_TITLE),
                (style.MARGIN, style.MARGIN + style.TITLE_SIZE * 0.8),
                "title",
            ),
            *(self._section(section) for section in self.sections.all),
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
            f' role="img" aria-label="{escaped(self._description())}">'
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

    def _section(self, section: Section) -> str:
        """The box of a cell or section, and what it is, above its nodes."""
        left = self.router.middle(Place(section.first, 0))[0] - self.node_width / 2
        right = self.router.middle(Place(section.last, 0))[0] + self.node_width / 2
        top = self.router.origin[1] - style.TOP - self.sections.head + 10
        x, width = left - style.FRAME_PADDING, right - left + 2 * style.FRAME_PADDING
        bottom = self.plot_bottom
        if section.rows is not None:
            half = style.NODE_HEIGHT / 2 + style.STACK_PADDING
            high, low = (self.router.middle(Place(section.first, row))[1] for row in section.rows)
            top, bottom = high - half - len(section.lines) * style.CAPTION_LINE, low + half
        box = tag(
            "rect",
            x=x,
            y=top,
            width=width,
            height=bottom - top,
            rx=8,
            fill=style.FRAME_FILL,
            stroke=style.FRAME_LINE if section.rows is None else style.QUIET,
        )
        room = int((width - 2 * style.FRAME_MARGIN) / (style.MONO_WIDTH * style.SMALL_SIZE))
        start = x + style.FRAME_MARGIN
        parts = [box]
        for i, line in enumerate(section.lines):
            at = (start, top + 14 + i * style.CAPTION_LINE)
            parts.append(text_at(short(line, room), at, "cell"))
        if section.note:
            parts.append(text_at(section.note, (start, bottom - 9), "small"))
        return "".join(parts)

    def _row_label(self, row: int, level: int) -> str:
        y = self.router.middle(Place(0, row))[1]
        at = (style.MARGIN, y)
        share = text_at(_share(level), (at[0], y + 13), "small")
        return text_at(FeatureType(level, 1).place, at, "level") + share

    def _link(self, link: Link) -> str:
        steps = link.edge.steps
        chains = [*(steps.project or ()), *(steps.down or ()), *(steps.up or ())]
        lines = [f"{link.source} → {link.target}", *(str(step) for step in chains)]
        if link.edge.name != link.source.rpartition(".")[2]:
            lines[0] += f" as {link.edge.name}"
        way = self.router.way(link.start, link.end)
        if link.target in self.sections.entered and link.start.column == link.end.column:
            # it enters the box of a stack, not the node
            edge = self.router.middle(link.end)[1] + style.NODE_HEIGHT / 2 + style.STACK_PADDING
            way[-1] = (way[-1][0], edge + style.END_GAP)
        return _edge(way, link.kind, "\n".join(lines))

    def _outputs(self) -> Iterator[str]:
        """An arrow and a label for every node that is an output; those before others go above."""
        for row, outputs in self.layout.outputs.items():
            end = Place(self.layout.columns, row)
            names = dict.fromkeys(name for _, name in outputs)
            ordered = sorted(names, key=lambda name: self.layout.places[name])
            for i, name in enumerate(ordered):
                way = self.router.way(self.layout.places[name], end)
                labels = self._labels(row, name)
                y = way[-1][1] + (i - (len(ordered) - 1) / 2) * style.OUTPUT_LINE
                tooltip = f"output {', '.join(labels)} = {name}"
                most = self.output_x - style.OUTPUT_TURN
                bends = [(min(x, most), at) for x, at in way[1:-1]]
                yield _edge([way[0], *bends, (self.output_x, y)], EdgeKind.OUTPUT, tooltip)
                yield text_at(_joined(labels), (self.output_x + 6, y + 4), "output")

    def _labels(self, row: int, node: str) -> list[str]:
        return [label for label, name in self.layout.outputs[row] if name == node]

    def _node(self, node: Node) -> str:
        place = self.layout.places[node.name]
        x, y = self.router.middle(place)
        shape = self._shape(node)
        colour = level_of(node) % len(style.LEVEL_FILLS)
        fill = style.INPUT_FILL if isinstance(node.op, Input) else style.LEVEL_FILLS[colour]
        box = _box((x, y), shape, fill, style.LEVEL_LINES[colour])
        parts = [f"<title>{escaped(_tooltip(node))}</title>", box]
        parts.append(text_at(short(node.local_name), (x, y + 4), "name"))
        if mark := _mark(node):
            # at the left, since edges leave to the right; beside an edge that comes from below
            below = node.name in self.from_below
            left = x - style.ARROW_WIDTH if below else x - shape.half_width + 5
            at = (left, y + shape.half_height + 11)
            parts.append(text_at(mark, at, "small end" if below else "small"))
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
            parts.append(text_at(name, (x + style.LEGEND_SAMPLE + 5, y + 3.5), "small"))
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
.end {{ text-anchor: end; }}
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
    title = f"<title>{escaped(tooltip)}</title>" if tooltip else ""
    stroke: dict[str, str | float] = {"stroke": colour, "stroke-width": style.EDGE_WIDTH}
    if kind in style.EDGE_DASHES:
        stroke["stroke-dasharray"] = style.EDGE_DASHES[kind]
    points = " ".join(f"{number(x)},{number(y)}" for x, y in head)
    path = tag("path", {"d": path_data(line), "fill": "none", **stroke})
    return f"<g>{title}{path}{tag('polygon', points=points, fill=colour)}</g>"


def _box(middle: Point, shape: Shape, fill: str, line: str = style.QUIET) -> str:
    """The outline of a node."""
    return tag(
        "rect",
        x=middle[0] - shape.half_width,
        y=middle[1] - shape.half_height,
        width=2 * shape.half_width,
        height=2 * shape.half_height,
        rx=shape.radius,
        fill=fill,
        stroke=line,
    )


def _joined(labels: Sequence[str]) -> str:
    return short(", ".join(labels), 24)
