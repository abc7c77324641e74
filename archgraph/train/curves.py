"""Charts as the text of an SVG: lines, bars, histograms and heat maps.

They follow the reader's choice of a light or a dark screen, and stand in a page or in a file of
their own. Same input, same bytes. Lengths are pixels of the SVG.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

from archgraph.errors import visible
from archgraph.train.axes import (
    CHARACTER,
    DASHES,
    FONT_SIZE,
    LEGEND_LINE,
    LEGEND_SAMPLE,
    LIGHT,
    MOST_POINTS,
    ROW,
    WIDTH,
    Plot,
    Point,
    Range,
    axis_of,
    is_finite,
    number_of,
    shortened,
    span_of,
    svg_of,
    text_of,
    tipped,
    title_of,
)


def line_chart(
    series: Mapping[str, Sequence[Point]],
    x_label: str,
    y_label: str,
    *,
    x_range: Range | None = None,
    y_range: Range | None = None,
) -> str:
    """Lines through points, each with its name in a legend where there are several.

    Args:
        series: the points of every line, in the order in which they are joined; a line is broken
            where a number is not finite.
        x_label: what the numbers along the bottom are.
        y_label: what the numbers at the side are.
        x_range: what the bottom spans; the points if not given.
        y_range: what the side spans; round numbers around the points if not given.
    """
    points = [p for line in series.values() for p in line if is_finite(p)]
    x_axis = axis_of(x_range or span_of([p[0] for p in points]), round_ends=False)
    y_axis = axis_of(y_range or span_of([p[1] for p in points]), round_ends=y_range is None)
    plot = Plot(x_axis, y_axis, x_label, y_label)
    body = plot.frame(vertical_grid=True)
    for index, (name, line) in enumerate(series.items()):
        body += _line(plot, name, _thinned(line), index)
    legend = _legend(list(series), plot.below) if len(series) > 1 else _Legend([], 0)
    return svg_of(WIDTH, plot.below + legend.height, [*body, *legend.parts])


def histogram(edges: Sequence[float], counts: Sequence[float], x_label: str, y_label: str) -> str:
    """How many there are between neighbouring edges.

    Args:
        edges: ascending, one more than there are counts.
        counts: the height of every bar.
        x_label: what the edges are.
        y_label: what the counts are.

    Raises:
        ValueError: there is not one edge more than there are counts.
    """
    if len(edges) != len(counts) + 1:
        raise ValueError(f"{len(counts)} bars have {len(counts) + 1} edges, not {len(edges)}")
    x_axis = axis_of((edges[0], edges[-1]), round_ends=False)
    y_axis = axis_of(span_of([0.0, *counts]), round_ends=True)
    plot = Plot(x_axis, y_axis, x_label, y_label)
    body = plot.frame(vertical_grid=False)
    for low, high, height in zip(edges, edges[1:], counts, strict=False):
        left, right, top = plot.x(low), plot.x(high), plot.y(height)
        gap = 1 if right - left > 4 else 0
        tip = title_of(f"{number_of(low)} to {number_of(high)}: {number_of(height)}")
        body.append(
            f'<rect class="f0" x="{left + gap / 2:.1f}" y="{top:.1f}" '
            f'width="{max(right - left - gap, 0.5):.1f}" height="{plot.bottom - top:.1f}">'
            f"{tip}</rect>"
        )
    return svg_of(WIDTH, plot.below, body)


def bar_chart(bars: Mapping[str, float], label: str, *, most: float | None = None) -> str:
    """A bar to the right for every name, with its number.

    Args:
        bars: how long each is, from top to bottom; what is not finite is shown as a dash.
        label: what the numbers are.
        most: what a bar across the whole chart is; the longest bar if not given.
    """
    names = [shortened(name) for name in bars]
    left = 14 + CHARACTER * max(map(len, names), default=0)
    ends = [number_of(value) if math.isfinite(value) else "–" for value in bars.values()]
    room = WIDTH - left - 12 - CHARACTER * max(map(len, ends), default=0)
    whole = most or max((v for v in bars.values() if math.isfinite(v)), default=0) or 1
    body = []
    for row, (name, value) in enumerate(bars.items()):
        middle = row * ROW + ROW / 2
        width = room * min(max(value / whole, 0), 1) if math.isfinite(value) else 0
        body += [
            text_of(left - 8, middle + 4, names[row], "end", tip=name),
            f'<rect class="f0" x="{left:.1f}" y="{middle - 7:.1f}" width="{width:.1f}" '
            f'height="14">{title_of(f"{name}: {ends[row]}")}</rect>',
            text_of(left + width + 6, middle + 4, ends[row], "start"),
        ]
    below = len(bars) * ROW
    body.append(f'<path class="axis" d="M{left:.1f} 0V{below}"/>')
    body.append(text_of(left, below + 18, label, "start", quiet=True))
    return svg_of(WIDTH, below + 26, body)


def spread_chart(rows: Mapping[str, Sequence[float]], label: str) -> str:
    """For every name its values as dots, on a line that reaches a standard deviation either way.

    Args:
        rows: from top to bottom; the mean stands beside each.
        label: what the values are.
    """
    names = [shortened(name) for name in rows]
    means = [statistics.fmean(values) for values in rows.values()]
    spreads = [statistics.stdev(v) if len(v) > 1 else 0.0 for v in rows.values()]
    ends = [f"{mean:.3f} ± {spread:.3f}" for mean, spread in zip(means, spreads, strict=True)]
    left = 14 + CHARACTER * max(map(len, names), default=0)
    right = WIDTH - 16 - CHARACTER * max(map(len, ends), default=0)
    reach = [end for m, s in zip(means, spreads, strict=True) for end in (m - s, m + s)]
    axis = axis_of(
        span_of([*reach, *(v for values in rows.values() for v in values)]), round_ends=True
    )
    below = len(rows) * 2 * ROW

    def x(value: float) -> float:
        return left + axis.share(value) * (right - left)

    body = [f'<path class="axis" d="M{left:.1f} {below}H{right:.1f}"/>']
    for tick, text in zip(axis.ticks, axis.names(), strict=True):
        body.append(f'<path class="grid" d="M{x(tick):.1f} 0V{below}"/>')
        body.append(text_of(x(tick), below + 18, text, "middle"))
    for row, (name, values) in enumerate(rows.items()):
        middle, mean, spread = row * 2 * ROW + ROW, means[row], spreads[row]
        body.append(text_of(left - 8, middle + 4, names[row], "end", tip=name))
        body.append(text_of(right + 10, middle + 4, ends[row], "start"))
        line = f"M{x(mean - spread):.1f} {middle}H{x(mean + spread):.1f}"
        body.append(f'<path class="line s0" d="{line}M{x(mean):.1f} {middle - 8}v16"/>')
        body += [
            f'<circle class="f1" cx="{x(value):.1f}" cy="{middle}" r="4">'
            f"{title_of(number_of(value))}</circle>"
            for value in values
        ]
    body.append(text_of(left, below + 38, label, "start", quiet=True))
    return svg_of(WIDTH, below + 46, body)


def heat_map(
    matrix: Sequence[Sequence[float]],
    labels: Sequence[str],
    *,
    x_label: str = "predicted",
    y_label: str = "true",
) -> str:
    """A square of cells, each as dark as its share of its row, with its number where there is room.

    Args:
        matrix: as many rows and columns as there are labels.
        labels: of the rows and of the columns.
        x_label: what the columns are.
        y_label: what the rows are.
    """
    size = len(labels)
    cell = min(max(560 / max(size, 1), 9), 44)
    font = min(cell * 0.9, FONT_SIZE)
    names = [shortened(label) for label in labels]
    # Names of columns lean to the right above them.
    long = font / FONT_SIZE * CHARACTER * max(map(len, names), default=0)
    left, top = long + 32, long * 0.71 + 34
    width, height = left + size * cell + long * 0.71 + 10, top + size * cell + 4
    body = [
        text_of(left, 14, f"{x_label} →", "start", quiet=True),
        f'<text class="quiet" text-anchor="end" transform="translate(14 {top:.1f}) rotate(-90)">'
        f"← {escape(visible(y_label))}</text>",
    ]
    for i, name in enumerate(names):
        x, y, tip = left + (i + 0.5) * cell, top + (i + 0.5) * cell, title_of(labels[i])
        style = f'style="font-size:{font:.1f}px"'
        body.append(
            f'<text {style} transform="translate({x + font / 3:.1f} {top - 6:.1f}) rotate(-45)">'
            f"{tipped(name, tip)}</text>"
        )
        body.append(
            f'<text {style} x="{left - 6:.1f}" y="{y + font / 3:.1f}" text-anchor="end">'
            f"{tipped(name, tip)}</text>"
        )
    for row, values in enumerate(matrix):
        whole = sum(values)
        for column, value in enumerate(values):
            if value:
                place = (left + column * cell, top + row * cell)
                what = f"{y_label} {labels[row]}, {x_label} {labels[column]}: {number_of(value)}"
                body += _cell(place, cell, value, value / whole if whole else 0, what)
    end, low = left + size * cell, top + size * cell
    body.append(
        f'<path class="axis" fill="none" d="M{left:.1f} {top:.1f}H{end:.1f}V{low:.1f}'
        f'H{left:.1f}Z"/>'
    )
    return svg_of(math.ceil(width), math.ceil(height), body)


def _cell(place: Point, size: float, value: float, share: float, what: str) -> list[str]:
    x, y = place
    parts = [
        f'<rect class="heat" fill-opacity="{0.06 + 0.94 * share:.2f}" x="{x:.1f}" y="{y:.1f}" '
        f'width="{size:.1f}" height="{size:.1f}">{title_of(what)}</rect>'
    ]
    text = number_of(value)
    if size > CHARACTER * len(text) + 2 and size > FONT_SIZE:
        kind = ' class="over"' if share > 0.4 else ""
        parts.append(
            f'<text{kind} x="{x + size / 2:.1f}" y="{y + size / 2 + 4:.1f}" '
            f'text-anchor="middle" pointer-events="none">{text}</text>'
        )
    return parts


def _line(plot: Plot, name: str, points: Sequence[Point], index: int) -> list[str]:
    colour, dash = f"s{index % len(LIGHT)}", _dash(index)
    tip = title_of(name) if name else ""
    parts, run = [], []
    for point in [*points, (math.nan, math.nan)]:
        if is_finite(point):
            run.append(f"{plot.x(point[0]):.1f} {plot.y(point[1]):.1f}")
            continue
        if len(run) == 1:
            x, y = run[0].split()
            parts.append(
                f'<circle class="f{index % len(LIGHT)}" cx="{x}" cy="{y}" r="3">{tip}</circle>'
            )
        elif run:
            parts.append(f'<path class="line {colour}"{dash} d="M{"L".join(run)}">{tip}</path>')
        run = []
    return parts


@dataclass(frozen=True)
class _Legend:
    parts: Sequence[str]
    height: int


def _legend(names: Sequence[str], top: int) -> _Legend:
    """A sample of every line with its name, in as many rows as they need."""
    parts, x, row = [], 14.0, 0
    for index, name in enumerate(names):
        short = shortened(name)
        room = LEGEND_SAMPLE + 8 + CHARACTER * len(short) + 18
        if x > 14 and x + room > WIDTH:
            x, row = 14.0, row + 1
        y = top + row * LEGEND_LINE + 10
        colour = f"s{index % len(LIGHT)}"
        parts.append(
            f'<path class="line {colour}"{_dash(index)} d="M{x:.1f} {y}h{LEGEND_SAMPLE}"/>'
        )
        parts.append(text_of(x + LEGEND_SAMPLE + 8, y + 4, short, "start", tip=name))
        x += room
    return _Legend(parts, (row + 1) * LEGEND_LINE + 4 if names else 0)


def _dash(index: int) -> str:
    dash = DASHES[index // len(LIGHT) % len(DASHES)]
    return f' stroke-dasharray="{dash}"' if dash else ""


def _thinned(points: Sequence[Point]) -> Sequence[Point]:
    """Of a long line the highest and the lowest points of every stretch, in their order."""
    if len(points) <= MOST_POINTS:
        return points
    stretch = math.ceil(2 * len(points) / MOST_POINTS)
    parts = (points[start : start + stretch] for start in range(0, len(points), stretch))
    return [point for part in parts for point in _extremes(part)]


def _extremes(part: Sequence[Point]) -> Sequence[Point]:
    if not all(map(is_finite, part)):
        return part
    places = range(len(part))
    low = min(places, key=lambda i: part[i][1])
    high = max(places, key=lambda i: part[i][1])
    return [part[i] for i in sorted({low, high})]
