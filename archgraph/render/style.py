"""How figures look: every colour, size and font. Lengths are pixels of the SVG.

The colours of edges keep apart for readers who are colour-blind (Okabe and Ito's set); dashes
say the same a second time for skips.
"""

from __future__ import annotations

from collections.abc import Mapping

from archgraph.render.layout import EdgeKind

# --- text ---
SANS = "Helvetica, Arial, 'DejaVu Sans', sans-serif"
MONO = "Menlo, Consolas, 'DejaVu Sans Mono', monospace"
MONO_WIDTH = 0.61  # of the font size, for one character
SANS_WIDTH = 0.56  # on average
NAME_SIZE = 12
SMALL_SIZE = 10
TITLE_SIZE = 15
LONGEST_NAME = 14  # characters; longer names are shortened, tooltips have them in full

# --- sizes ---
NODE_HEIGHT = 28
NODE_LEAST_WIDTH = 46
NODE_PADDING = 8
FUSE_RADIUS = 14
USE_RADIUS = 3
COLUMN_GAP = 58  # between the nodes of neighbouring columns
ROW_PITCH = 74  # between the middles of neighbouring rows
MARGIN = 16
ROW_LABEL_WIDTH = 46
OUTPUT_GAP = 30  # between the last column and the output labels
FRAME_PADDING = 17
FRAME_MARGIN = 8  # between a frame and what is written in it
LONGEST_CAPTION = 18  # characters
TOP = 40  # from the title to the middle of the top row: room for arcs
FRAME_TOP = 18  # more of it, for the label of a frame
FRAME_BELOW = 30
CAPTION_LINE = 13  # between the lines that say what a section is
CAPTION_ROOM = 26  # for the second of them, above the highest arc
STACK_PADDING = 14  # around the nodes of a stack
OUTPUT_TURN = 20  # an arrow that comes from above another node turns this far from its label
OUTPUT_LINE = 15  # between the labels of several outputs on one level
LEGEND_LINE = 20
LEGEND_SAMPLE = 26
LEGEND_GAP = 14

# --- routes ---
ARROW_LENGTH = 8
ARROW_WIDTH = 6.5
END_GAP = 1.5  # between an arrow head and its node
CLEARANCE = 4  # an edge keeps this far from nodes that are none of its ends
LANE_FIRST = 11  # from the border of a node to the nearest arc that goes around it
LANE_PITCH = 7
LANES = 3
CORNER = 26  # largest rounding of a bend

# --- colours ---
BACKGROUND = "#ffffff"
INK = "#1f2933"
QUIET = "#6b7785"
FRAME_FILL = "#f6f8fa"
FRAME_LINE = "#c9d1d9"
INPUT_FILL = "#ffffff"
# Nodes by level, so that a level looks the same in every figure; level 8 looks like level 0.
LEVEL_FILLS = (
    "#dfe3e8",
    "#f2d6e8",
    "#dcd7f2",
    "#cfe3f5",
    "#d3ebcb",
    "#f5efb8",
    "#fbe3c0",
    "#f6d5d0",
)
LEVEL_LINES = (
    "#66727f",
    "#a9528a",
    "#6a5fb0",
    "#3d7bb3",
    "#4c8f3f",
    "#978a1f",
    "#bd7a1e",
    "#b9534a",
)

EDGE_COLOURS: Mapping[EdgeKind, str] = {
    EdgeKind.TOP_DOWN: "#0067a5",
    EdgeKind.BOTTOM_UP: "#d04a02",
    EdgeKind.SAME_LEVEL: "#4b5563",
    EdgeKind.SKIP: "#9b3f8f",
    EdgeKind.OUTPUT: "#9aa5b1",
}
EDGE_NAMES: Mapping[EdgeKind, str] = {
    EdgeKind.TOP_DOWN: "top-down",
    EdgeKind.BOTTOM_UP: "bottom-up",
    EdgeKind.SAME_LEVEL: "same level",
    EdgeKind.SKIP: "skip",
    EdgeKind.OUTPUT: "output",
}
EDGE_DASHES: Mapping[EdgeKind, str] = {EdgeKind.SKIP: "5 3"}
EDGE_WIDTH = 1.6

# What a `use` node does, under its box: one word for the operator of its last step.
OPERATOR_MARKS: dict[str, str] = {
    "conv": "conv",
    "conv-transpose": "transposed",
    "deform-conv": "deformed",
    "max-pool": "max pool",
    "avg-pool": "mean pool",
    "batch-norm": "norm",
    "group-norm": "norm",
    "layer-norm": "norm",
    "activation": "act",
    "softmax": "softmax",
    "affine": "affine",
    "scale": "scale",
    "drop-path": "drop",
    "drop-block": "drop",
    "resize": "resize",
    "adaptive-pool": "pool",
    "global-pool": "pool",
    "crop": "crop",
    "pixel-shuffle": "shuffle",
    "pixel-unshuffle": "unshuffle",
    "add": "+",
    "multiply": "×",
    "maximum": "max",
    "weighted-sum": "weighted +",
    "concat": "concat",
    "slice": "slice",
    "attention": "attention",
    "position-embedding": "positions",
    "reassemble": "reassemble",
}
