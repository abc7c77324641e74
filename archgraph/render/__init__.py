"""Figures of graphs.

Comes in: a graph at PYRAMID. Goes out: text of an SVG file. May import `analysis`, `ir`,
`expressions` and `errors`; never torch. Start at `layout.py`, then `svg.py`.
"""

from archgraph.render.layout import EdgeKind, Layout, lay_out
from archgraph.render.svg import draw_svg

__all__ = ["EdgeKind", "Layout", "draw_svg", "lay_out"]
