"""Facts about a graph: sizes and costs. Never changes the graph.

Comes in: a graph. Goes out: frozen values made of integers. May import `ir`, `expressions`
and `errors`; never torch. Start at `cost.py`.
"""

from archgraph.analysis.cost import Amount, Cost, OperatorCost, cost
from archgraph.analysis.sections import Leaving, Section, sections
from archgraph.analysis.shapes import (
    ImageSize,
    image_size_of,
    level_size,
    map_size,
    parse_image_size,
    size_multiple,
)

__all__ = [
    "Amount",
    "Cost",
    "ImageSize",
    "Leaving",
    "OperatorCost",
    "Section",
    "cost",
    "image_size_of",
    "level_size",
    "map_size",
    "parse_image_size",
    "sections",
    "size_multiple",
]
