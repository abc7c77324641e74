"""The ways of edges: from grid places to pixels, around nodes that stand between.

An edge is straight where nothing stands in its way; else it takes a lane of the corridor
between two rows or two columns, where no node can be.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from archgraph.render import style
from archgraph.render.layout import Place

Point = tuple[float, float]
_STEP = 5.0  # pixels between the points of a way that are tested against nodes


@dataclass(frozen=True)
class Shape:
    """The outline of a node around its middle: a rectangle with round corners."""

    half_width: float
    half_height: float
    radius: float

    def distance(self, x: float, y: float) -> float:
        """Pixels from a point, relative to the middle, to the outline; negative inside."""
        dx = abs(x) - self.half_width + self.radius
        dy = abs(y) - self.half_height + self.radius
        return math.hypot(max(dx, 0), max(dy, 0)) + min(max(dx, dy), 0) - self.radius


@dataclass
class Router:
    """Finds ways on one grid, and remembers which lanes are in use.

    Args:
        origin: the middle of column 0, row 0.
        column_pitch: pixels between the middles of neighbouring columns.
        shapes: the node outlines by place.
    """

    origin: Point
    column_pitch: float
    shapes: Mapping[Place, Shape]
    lanes: dict[tuple[str, int, int], int] = field(default_factory=dict)
    pairs: set[tuple[Place, Place]] = field(default_factory=set)

    def middle(self, place: Place) -> Point:
        """The middle of a place."""
        x, y = self.origin
        return x + place.column * self.column_pitch, y + place.row * style.ROW_PITCH

    def way(self, start: Place, end: Place) -> list[Point]:
        """The corners of an edge's way, from outline to outline.

        Of the candidates, simplest first, it is the one that touches the fewest other nodes. A
        second edge between the same nodes never lies on the first.
        """
        twin = (start, end) in self.pairs
        self.pairs.add((start, end))
        best: list[Point] = []
        fewest = math.inf
        for way in self._candidates(start, end, twin):
            hits = self._hits(way, start, end)
            if hits < fewest:
                best, fewest = way, hits
            if not hits:
                break
        return self._clipped(best, start, end)

    def _candidates(self, start: Place, end: Place, twin: bool) -> Iterator[list[Point]]:
        a, b = self.middle(start), self.middle(end)
        if not twin:
            yield [a, b]
        if start.column == end.column:
            yield self._beside(a, b, start, end)
        elif start.row == end.row:
            yield self._above(a, b, start, end)
        else:
            yield from self._bent(a, b, start, end)

    def _above(self, a: Point, b: Point, start: Place, end: Place) -> list[Point]:
        """An arc over the nodes of one row."""
        lane = self._lane("row", start.row, start.column, end.column)
        y = a[1] - style.NODE_HEIGHT / 2 - lane
        reach = self.column_pitch * 0.42
        return [a, (a[0] + reach, y), (b[0] - reach, y), b]

    def _beside(self, a: Point, b: Point, start: Place, end: Place) -> list[Point]:
        """An arc to the right of the nodes of one column."""
        lane = self._lane("column", start.column, *sorted((start.row, end.row)))
        x = a[0] + self._half_width + lane
        reach = math.copysign(style.ROW_PITCH * 0.4, b[1] - a[1])
        return [a, (x, a[1] + reach), (x, b[1] - reach), b]

    def _bent(self, a: Point, b: Point, start: Place, end: Place) -> Iterator[list[Point]]:
        """Along the row of one end, in the corridor on the side of the other, then across."""
        side = math.copysign(style.NODE_HEIGHT / 2 + style.LANE_FIRST, b[1] - a[1])
        half = self.column_pitch / 2
        late, early = b[0] - half, a[0] + half
        yield [a, (early, a[1] + side), (late, a[1] + side), b]
        yield [a, (early, b[1] - side), (late, b[1] - side), b]
        yield [a, (early, a[1]), (early, b[1] - side), (late, b[1] - side), b]
        yield [a, (early, a[1] + side), (late, a[1] + side), (late, b[1]), b]

    @property
    def _half_width(self) -> float:
        return (self.column_pitch - style.COLUMN_GAP) / 2

    def _lane(self, axis: str, index: int, first: int, last: int) -> float:
        """Pixels from the nodes to the first lane that is free from `first` to `last`.

        Lanes are bit sets of the gaps in use. When all are in use, the last is shared.
        """
        gaps = (1 << last) - (1 << first)
        lane = 0
        while lane < style.LANES - 1 and self.lanes.get((axis, index, lane), 0) & gaps:
            lane += 1
        self.lanes[axis, index, lane] = self.lanes.get((axis, index, lane), 0) | gaps
        return style.LANE_FIRST + lane * style.LANE_PITCH

    def _hits(self, way: Sequence[Point], start: Place, end: Place) -> int:
        """How many nodes, its ends aside, a way touches or comes too close to."""
        touched: set[Place] = set()
        for (ax, ay), (bx, by) in pairwise(way):
            steps = max(1, math.ceil(math.hypot(bx - ax, by - ay) / _STEP))
            for i in range(steps + 1):
                x, y = ax + (bx - ax) * i / steps, ay + (by - ay) * i / steps
                place = self._nearest(x, y)
                shape = self.shapes.get(place)
                if shape is None or place in (start, end):
                    continue
                mx, my = self.middle(place)
                if shape.distance(x - mx, y - my) < style.CLEARANCE:
                    touched.add(place)
        return len(touched)

    def _nearest(self, x: float, y: float) -> Place:
        column = round((x - self.origin[0]) / self.column_pitch)
        return Place(column, round((y - self.origin[1]) / style.ROW_PITCH))

    def _clipped(self, way: list[Point], start: Place, end: Place) -> list[Point]:
        """The way without what lies inside its two end nodes."""
        first = self._border(way[0], way[1], self.shapes.get(start), 0)
        last = self._border(way[-1], way[-2], self.shapes.get(end), style.END_GAP)
        return [first, *way[1:-1], last]

    def _border(self, inner: Point, outer: Point, shape: Shape | None, gap: float) -> Point:
        """Where the line from a node's middle leaves the node; a place without one is a point."""
        if shape is None:
            return inner
        dx, dy = outer[0] - inner[0], outer[1] - inner[1]
        low, high = 0.0, 1.0
        for _ in range(30):
            half = (low + high) / 2
            if shape.distance(dx * half, dy * half) < gap:
                low = half
            else:
                high = half
        return inner[0] + dx * high, inner[1] + dy * high


def path_data(way: Sequence[Point]) -> str:
    """A way as SVG path data, with round bends."""
    parts = [f"M{_pair(way[0])}"]
    for before, corner, after in zip(way, way[1:], way[2:], strict=False):
        parts.append(f"L{_pair(_toward(corner, before))}")
        parts.append(f"Q{_pair(corner)} {_pair(_toward(corner, after))}")
    parts.append(f"L{_pair(way[-1])}")
    return "".join(parts)


def arrow_head(way: Sequence[Point]) -> tuple[list[Point], list[Point]]:
    """The way up to the base of its arrow head, and the three corners of the head."""
    (ax, ay), (bx, by) = way[-2], way[-1]
    length = math.hypot(bx - ax, by - ay) or 1.0
    ux, uy = (bx - ax) / length, (by - ay) / length
    base = (bx - ux * style.ARROW_LENGTH, by - uy * style.ARROW_LENGTH)
    half = style.ARROW_WIDTH / 2
    head = [
        (bx, by),
        (base[0] - uy * half, base[1] + ux * half),
        (base[0] + uy * half, base[1] - ux * half),
    ]
    # the line ends a little inside the head, so that no gap shows between them
    return [*way[:-1], (base[0] + ux, base[1] + uy)], head


def number(value: float) -> str:
    """A coordinate as short text, the same on every machine."""
    text = f"{value:.1f}".removesuffix(".0")
    return "0" if text == "-0" else text


def _pair(point: Point) -> str:
    return f"{number(point[0])} {number(point[1])}"


def _toward(corner: Point, other: Point) -> Point:
    """Where a rounded bend begins or ends: on the line to `other`, half way at most."""
    length = math.hypot(other[0] - corner[0], other[1] - corner[1]) or 1.0
    share = min(style.CORNER, length / 2) / length
    return (
        corner[0] + (other[0] - corner[0]) * share,
        corner[1] + (other[1] - corner[1]) * share,
    )
