"""What charts are made of: axes, texts, colours. Lengths are pixels of the SVG."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
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


@dataclass(frozen=True)
class Axis:
    """What an axis spans, and where it has marks."""

    low: float
    high: float
    ticks: Sequence[float]
    step: float

    def share(self, value: float) -> float:
        return (value - self.low) / (self.high - self.low)

    def names(self) -> list[str]:
        return [number_of(tick, self.step) for tick in self.ticks]


def axis_of(span: Range, *, round_ends: bool) -> Axis:
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
    return Axis(low, high, [i * step for i in range(first, last + 1)], step)


class Plot:
    """The ground of a chart with two axes: where its numbers stand."""

    def __init__(self, x_axis: Axis, y_axis: Axis, x_label: str, y_label: str) -> None:
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
        parts = [text_of(self.left, 16, self._labels[1], "start", quiet=True)]
        for tick, name in zip(self.y_axis.ticks, self.y_axis.names(), strict=True):
            y = self.y(tick)
            parts.append(f'<path class="grid" d="M{self.left:.1f} {y:.1f}H{self.right}"/>')
            parts.append(text_of(self.left - 8, y + 4, name, "end"))
        for tick, name in zip(self.x_axis.ticks, self.x_axis.names(), strict=True):
            x = self.x(tick)
            kind, end = ("grid", self.top) if vertical_grid else ("axis", self.bottom + 5)
            parts.append(f'<path class="{kind}" d="M{x:.1f} {self.bottom}V{end}"/>')
            parts.append(text_of(x, self.bottom + 18, name, "middle"))
        parts.append(f'<path class="axis" d="M{self.left:.1f} {self.bottom}H{self.right}"/>')
        middle = (self.left + self.right) / 2
        parts.append(text_of(middle, self.bottom + 37, self._labels[0], "middle", quiet=True))
        return parts


def svg_of(width: int, height: int, parts: Iterable[str]) -> str:
    """The whole chart."""
    body = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="chart" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}" role="img">\n<style>{STYLE}</style>\n{body}\n</svg>'
    )


def text_of(
    x: float, y: float, text: str, anchor: str, *, quiet: bool = False, tip: str = ""
) -> str:
    """A text; `anchor` is SVG's."""
    kind = ' class="quiet"' if quiet else ""
    inside = tipped(text, title_of(tip) if tip else "")
    return f'<text{kind} x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{inside}</text>'


def tipped(text: str, tip: str) -> str:
    """The text, with its tooltip where it was shortened."""
    return f"{escape(visible(text))}{tip if text.endswith('…') else ''}"


def title_of(text: str) -> str:
    """A tooltip."""
    return f"<title>{escape(visible(text))}</title>"


def shortened(text: str) -> str:
    """A text for which there is room beside an axis."""
    return text if len(text) <= LONGEST_LABEL else f"{text[: LONGEST_LABEL - 1]}…"


def number_of(value: float, step: float = 0) -> str:
    """A number as a person writes it; `step` says how many decimals its neighbours need."""
    if value and not 1e-4 <= abs(value) < 1e7:
        return f"{value:.3g}"
    if not step:
        return f"{value:,.4g}" if abs(value) < 1000 and value % 1 else f"{value:,.0f}"
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))
    return f"{value:,.{decimals}f}" if decimals < 5 else f"{value:g}"


def span_of(values: Sequence[float]) -> Range:
    """The smallest and the largest."""
    return (min(values), max(values)) if values else (0.0, 1.0)


def is_finite(point: Point) -> bool:
    """Whether a point can be drawn."""
    return math.isfinite(point[0]) and math.isfinite(point[1])
