"""Sizes of feature maps: what a level measures for an image of a given size.

A size is (height, width) in pixels, in this order everywhere.
"""

from __future__ import annotations

import math
import re

from archgraph.errors import Diagnostic, SpecError
from archgraph.ir import FeatureType, Graph

ImageSize = tuple[int, int]
LARGEST_SIDE = 999_999  # six digits; a longer number is a slip of the keyboard
_TEXT = re.compile(r"([1-9][0-9]{0,5})(?:x([1-9][0-9]{0,5}))?")


def level_size(image_size: ImageSize, level: int) -> ImageSize:
    """The size of a feature map: the image halved `level` times, each time rounded up.

    Halving with ceil again and again is one division by `2**level` with ceil, so a deep level
    of a small image is 1 x 1 and never empty.

    Args:
        image_size: (height, width) of the image in pixels, each at least 1.
        level: the level of the feature map; 0 is the image itself.

    Returns:
        (height, width) of the feature map in its own pixels, each at least 1.

    Raises:
        ValueError: a side is below 1, or the level is negative.
    """
    height, width = image_size
    if height < 1 or width < 1:
        raise ValueError(f"an image of {height} x {width} pixels has no size")
    if level < 0:
        raise ValueError(f"level {level} is finer than the image")
    return -(-height >> level), -(-width >> level)


def map_size(image_size: ImageSize, type_: FeatureType) -> ImageSize:
    """The size of a map of this type; a loose one is an exact multiple of a coarser map.

    Args:
        image_size: (height, width) of the image in pixels, each at least 1.
        type_: the type of the map.
    """
    height, width = level_size(image_size, type_.level + type_.loose)
    return height << type_.loose, width << type_.loose


def size_multiple(graph: Graph) -> int:
    """What height and width of the image must be multiples of, so that all operators fit.

    Args:
        graph: a graph at stage OPERATORS.

    Returns:
        1 where every size will do. An operator that needs a multiple of m on level l adds
        `m * 2**l`.
    """
    types = graph.infer_types()
    found = 1
    for node in graph:
        operands = [types[edge.source] for edge in graph.inputs(node.name)]
        multiple = node.op.size_multiple(operands)
        if multiple > 1:
            found = math.lcm(found, multiple * operands[0].stride)
    return found


def image_size_of(graph: Graph) -> ImageSize | None:
    """The (height, width) of the image that a model says it is meant for, if it says any."""
    root = graph.scopes.get("")
    side = dict(root.arguments).get("image_size") if root else None
    if isinstance(side, bool | str) or side is None or not 1 <= side <= LARGEST_SIDE:
        return None
    return int(side), int(side)


def parse_image_size(value: int | str) -> ImageSize:
    """Read an image size as people write it: `512`, `"512"` or `"512x640"` (height x width).

    Returns:
        (height, width) in pixels, each from 1 to `LARGEST_SIDE`; one number means a square.

    Raises:
        SpecError: E121, the value is no such size.
    """
    text = str(value)
    found = _TEXT.fullmatch(text)
    if found is None:
        shown = text if len(text) <= 40 else f"{text[:40]}..."
        hint = "write one number of pixels, or HEIGHTxWIDTH: 512 or 512x640"
        raise SpecError(Diagnostic("E121", f"'{shown}' is no image size", None, hint))
    height = int(found[1])
    return height, int(found[2]) if found[2] else height
