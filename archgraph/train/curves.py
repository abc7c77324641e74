"""Charts as the text of an SVG: lines, bars, histograms and heat maps.

They follow the reader's choice of a light or a dark screen, and stand in a page or in a file of
their own. Same input, same bytes. Lengths are pixels of the SVG.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape

from archgraph.errors import visible

Point = tuple[float, float]
Range = tuple[float, float]

WIDTH, HEIGHT = 640, 360
FONT_SIZE = 12
CHARACTER = 6.6  # the width of one, on average
LONGEST_LABEL = 24  # characters; tooltips have longer names in full
LEGEND_LINE, LEGEND_SAMPLE = 20, 22
ROW = 22  # of a bar chart
# A line of more points than this shows no more than one of its highest and lowest.
MOST_POINTS = 1200
# Okabe and Ito's colours, which keep apart for the colour-blind; on dark ground brighter ones.
LIGHT = ("#0072b2", "#d55e00", "#009e73", "#b5548c", "#7a6a00", "#4b3f9e", "#8a3b12", "#555b61")
DARK = ("#56b4e9", "#ef8a3c", "#2fc79a", "#dd8fbd", "#e5d24a", "#a99cf0", "#d99a6c", "#b4bbc2")
DASHES = ("", "6 3", "2 3", "8 3 2 3")
HEAT = "#0072b2"


def _colours(colours: Sequence[str]) -> str:
    return "".join(
        f".chart .s{i}{{stroke:{colour}}}.chart .f{i}{{fill:{colour}}}"
        for i, colour in enumerate(colours)
    )


STYLE = (
    ".chart text{fill:#1f2933;font:12px system-ui,Helvetica,Arial,'DejaVu Sans',sans-serif}"
    ".chart .quiet{fill:#5b6773}.chart .grid{stroke:#dde2e7}.chart .axis{stroke:#8a949e}"
    ".chart .line{fill:none;stroke-width:2;stroke-linejoin:round}"
    f".chart .heat{{fill:{HEAT}}}.chart .over{{fill:#fff}}"
    + _colours(LIGHT)
    + "@media (prefers-color-scheme:dark){.chart text{fill:#e4e8ec}.chart .quiet{fill:#9aa5b1}"
    ".chart .over{fill:#fff}.chart .heat{fill:#2f8fd0}"
    ".chart .grid{stroke:#333b44}.chart .axis{stroke:#6b7785}" + _colours(DARK) + "}"
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
    points = [p for line in series.values() for p in line if _finite(p)]
    x_axis = _axis(x_range or _span([p[0] for p in points]), round_ends=False)
    y_axis = _axis(y_range or _span([p[1] for p in points]), round_ends=y_range is None)
    plot = _Plot(x_axis, y_axis, x_label, y_label)
    body = plot.frame(vertical_grid=True)
    for index, (name, line) in enumerate(series.items()):
        body += _line(plot, name, _thinned(line), index)
    legend = _legend(list(series), plot.below) if len(series) > 1 else _Legend([], 0)
    return _svg(WIDTH, plot.below + legend.height, [*body, *legend.parts])


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
    x_axis = _axis((edges[0], edges[-1]), round_ends=False)
    y_axis = _axis(_span([0.0, *counts]), round_ends=True)
    plot = _Plot(x_axis, y_axis, x_label, y_label)
    body = plot.frame(vertical_grid=False)
    for low, high, height in zip(edges, edges[1:], counts, strict=False):
        left, right, top = plot.x(low), plot.x(high), plot.y(height)
        gap = 1 if right - left > 4 else 0
        tip = _title(f"{_number(low)} to {_number(high)}: {_number(height)}")
        body.append(
            f'<rect class="f0" x="{left + gap / 2:.1f}" y="{top:.1f}" '
            f'width="{max(right - left - gap, 0.5):.1f}" height="{plot.bottom - top:.1f}">'
            f"{tip}</rect>"
        )
    return _svg(WIDTH, plot.below, body)


def bar_chart(bars: Mapping[str, float], label: str, *, most: float | None = None) -> str:
    """A bar to the right for every name, with its number.

    Args:
        bars: how long each is, from top to bottom; what is not finite is shown as a dash.
        label: what the numbers are.
        most: what a bar across the whole chart is; the longest bar if not given.
    """
    names = [_short(name) for name in bars]
    left = 14 + CHARACTER * max(map(len, names), default=0)
    ends = [_number(value) if math.isfinite(value) else "–" for value in bars.values()]
    room = WIDTH - left - 12 - CHARACTER * max(map(len, ends), default=0)
    whole = most or max((v for v in bars.values() if math.isfinite(v)), default=0) or 1
    body = []
    for row, (name, value) in enumerate(bars.items()):
        middle = row * ROW + ROW / 2
        width = room * min(max(value / whole, 0), 1) if math.isfinite(value) else 0
        body += [
            _text(left - 8, middle + 4, names[row], "end", tip=name),
            f'<rect class="f0" x="{left:.1f}" y="{middle - 7:.1f}" width="{width:.1f}" '
            f'height="14">{_title(f"{name}: {ends[row]}")}</rect>',
            _text(left + width + 6, middle + 4, ends[row], "start"),
        ]
    below = len(bars) * ROW
    body.append(f'<path class="axis" d="M{left:.1f} 0V{below}"/>')
    body.append(_text(left, below + 18, label, "start", quiet=True))
    return _svg(WIDTH, below + 26, body)


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
    names = [_short(label) for label in labels]
    # Names of columns lean to the right above them.
    long = font / FONT_SIZE * CHARACTER * max(map(len, names), default=0)
    left, top = long + 32, long * 0.71 + 34
    width, height = left + size * cell + long * 0.71 + 10, top + size * cell + 4
    body = [
        _text(left, 14, f"{x_label} →", "start", quiet=True),
        f'<text class="quiet" text-anchor="end" transform="translate(14 {top:.1f}) rotate(-90)">'
        f"← {escape(visible(y_label))}</text>",
    ]
    for i, name in enumerate(names):
        x, y, tip = left + (i + 0.5) * cell, top + (i + 0.5) * cell, _title(labels[i])
        style = f'style="font-size:{font:.1f}px"'
        body.append(
            f'<text {style} transform="translate({x + font / 3:.1f} {top - 6:.1f}) rotate(-45)">'
            f"{_tipped(name, tip)}</text>"
        )
        body.append(
            f'<text {style} x="{left - 6:.1f}" y="{y + font / 3:.1f}" text-anchor="end">'
            f"{_tipped(name, tip)}</text>"
        )
    for row, values in enumerate(matrix):
        whole = sum(values)
        for column, value in enumerate(values):
            if value:
                place = (left + column * cell, top + row * cell)
                what = f"{y_label} {labels[row]}, {x_label} {labels[column]}: {_number(value)}"
                body += _cell(place, cell, value, value / whole if whole else 0, what)
    end, low = left + size * cell, top + size * cell
    body.append(
        f'<path class="axis" fill="none" d="M{left:.1f} {top:.1f}H{end:.1f}V{low:.1f}'
        f'H{left:.1f}Z"/>'
    )
    return _svg(math.ceil(width), math.ceil(height), body)


def _cell(place: Point, size: float, value: float, share: float, what: str) -> list[str]:
    x, y = place
    parts = [
        f'<rect class="heat" fill-opacity="{0.06 + 0.94 * share:.2f}" x="{x:.1f}" y="{y:.1f}" '
        f'width="{size:.1f}" height="{size:.1f}">{_title(what)}</rect>'
    ]
    text = _number(value)
    if size > CHARACTER * len(text) + 2 and size > FONT_SIZE:
        kind = ' class="over"' if share > 0.4 else ""
        parts.append(
            f'<text{kind} x="{x + size / 2:.1f}" y="{y + size / 2 + 4:.1f}" '
            f'text-anchor="middle" pointer-events="none">{text}</text>'
        )
    return parts


@dataclass(frozen=True)
class _Axis:
    """What an axis spans, and where it has marks."""

    low: float
    high: float
    ticks: Sequence[float]
    step: float

    def share(self, value: float) -> float:
        return (value - self.low) / (self.high - self.low)

    def names(self) -> list[str]:
        return [_number(tick, self.step) for tick in self.ticks]


def _axis(span: Range, *, round_ends: bool) -> _Axis:
    """An axis with about five marks at round numbers, which are its ends if so wanted."""
    low, high = span
    if not high > low:
        around = abs(low) / 10 or 0.5
        low, high = low - around, high + around
    rough = high / 5 - low / 5
    power = 10.0 ** math.floor(math.log10(rough))
    step = power * next(factor for factor in (1, 2, 5, 10) if factor * power >= rough * 0.999)
    # The smallest and the largest numbers leave a little room for what arithmetic loses.
    first, last = math.ceil(low / step - 1e-6), math.floor(high / step + 1e-6)
    if round_ends:
        first, last = math.floor(low / step + 1e-6), math.ceil(high / step - 1e-6)
        low, high = first * step, last * step
    return _Axis(low, high, [i * step for i in range(first, last + 1)], step)


class _Plot:
    """The ground of a chart with two axes: where its numbers stand."""

    def __init__(self, x_axis: _Axis, y_axis: _Axis, x_label: str, y_label: str) -> None:
        self.x_axis, self.y_axis = x_axis, y_axis
        self._labels = (x_label, y_label)
        self.left = 20 + CHARACTER * max((len(name) for name in y_axis.names()), default=0)
        self.right, self.top, self.bottom = WIDTH - 18, 30, HEIGHT - 44
        self.below = HEIGHT

    def x(self, value: float) -> float:
        return self.left + min(max(self.x_axis.share(value), 0), 1) * (self.right - self.left)

    def y(self, value: float) -> float:
        return self.bottom - min(max(self.y_axis.share(value), 0), 1) * (self.bottom - self.top)

    def frame(self, *, vertical_grid: bool) -> list[str]:
        """Marks, their numbers, the lines behind them and what they are."""
        parts = [_text(self.left, 16, self._labels[1], "start", quiet=True)]
        for tick, name in zip(self.y_axis.ticks, self.y_axis.names(), strict=True):
            y = self.y(tick)
            parts.append(f'<path class="grid" d="M{self.left:.1f} {y:.1f}H{self.right}"/>')
            parts.append(_text(self.left - 8, y + 4, name, "end"))
        for tick, name in zip(self.x_axis.ticks, self.x_axis.names(), strict=True):
            x = self.x(tick)
            kind, end = ("grid", self.top) if vertical_grid else ("axis", self.bottom + 5)
            parts.append(f'<path class="{kind}" d="M{x:.1f} {self.bottom}V{end}"/>')
            parts.append(_text(x, self.bottom + 18, name, "middle"))
        parts.append(f'<path class="axis" d="M{self.left:.1f} {self.bottom}H{self.right}"/>')
        middle = (self.left + self.right) / 2
        parts.append(_text(middle, self.bottom + 37, self._labels[0], "middle", quiet=True))
        return parts


def _line(plot: _Plot, name: str, points: Sequence[Point], index: int) -> list[str]:
    colour, dash = f"s{index % len(LIGHT)}", _dash(index)
    tip = _title(name) if name else ""
    parts, run = [], []
    for point in [*points, (math.nan, math.nan)]:
        if _finite(point):
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
        short = _short(name)
        room = LEGEND_SAMPLE + 8 + CHARACTER * len(short) + 18
        if x > 14 and x + room > WIDTH:
            x, row = 14.0, row + 1
        y = top + row * LEGEND_LINE + 10
        colour = f"s{index % len(LIGHT)}"
        parts.append(
            f'<path class="line {colour}"{_dash(index)} d="M{x:.1f} {y}h{LEGEND_SAMPLE}"/>'
        )
        parts.append(_text(x + LEGEND_SAMPLE + 8, y + 4, short, "start", tip=name))
        x += room
    return _Legend(parts, (row + 1) * LEGEND_LINE + 4 if names else 0)


def _dash(index: int) -> str:
    dash = DASHES[index // len(LIGHT) % len(DASHES)]
    return f' stroke-dasharray="{dash}"' if dash else ""


def _svg(width: int, height: int, parts: Iterable[str]) -> str:
    body = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="chart" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}" role="img">\n<style>{STYLE}</style>\n{body}\n</svg>'
    )


def _text(x: float, y: float, text: str, anchor: str, *, quiet: bool = False, tip: str = "") -> str:
    kind = ' class="quiet"' if quiet else ""
    inside = _tipped(text, _title(tip) if tip else "")
    return f'<text{kind} x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{inside}</text>'


def _tipped(text: str, tip: str) -> str:
    """The text, with its tooltip where it was shortened."""
    return f"{escape(visible(text))}{tip if text.endswith('…') else ''}"


def _title(text: str) -> str:
    return f"<title>{escape(visible(text))}</title>"


def _short(text: str) -> str:
    return text if len(text) <= LONGEST_LABEL else f"{text[: LONGEST_LABEL - 1]}…"


def _number(value: float, step: float = 0) -> str:
    """A number as a person writes it; `step` says how many decimals its neighbours need."""
    if value and not 1e-4 <= abs(value) < 1e7:
        return f"{value:.3g}"
    if not step:
        return f"{value:,.4g}" if abs(value) < 1000 and value % 1 else f"{value:,.0f}"
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))
    return f"{value:,.{decimals}f}" if decimals < 5 else f"{value:g}"


def _span(values: Sequence[float]) -> Range:
    return (min(values), max(values)) if values else (0.0, 1.0)


def _finite(point: Point) -> bool:
    return math.isfinite(point[0]) and math.isfinite(point[1])


def _thinned(points: Sequence[Point]) -> Sequence[Point]:
    """Of a long line the highest and the lowest points of every stretch, in their order."""
    if len(points) <= MOST_POINTS:
        return points
    stretch = math.ceil(2 * len(points) / MOST_POINTS)
    parts = (points[start : start + stretch] for start in range(0, len(points), stretch))
    return [point for part in parts for point in _extremes(part)]


def _extremes(part: Sequence[Point]) -> Sequence[Point]:
    if not all(map(_finite, part)):
        return part
    places = range(len(part))
    low = min(places, key=lambda i: part[i][1])
    high = max(places, key=lambda i: part[i][1])
    return [part[i] for i in sorted({low, high})]
