"""What a graph costs: parameters, multiply-adds, elementwise operations, activation memory.

Exact integers, for one image. What each operator does for its result is said in `work.py`.
"""

from __future__ import annotations

import math
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from archgraph.analysis.shapes import ImageSize, map_size
from archgraph.analysis.work import WORK, Site
from archgraph.ir import FeatureType, Graph, Node, Scope, Stage
from archgraph.ir.op import Op
from archgraph.ir.pyramid import Input

Key = TypeVar("Key", int, str)


@dataclass(frozen=True)
class Amount:
    """What something costs; amounts add up.

    Attributes:
        parameters: learned numbers; running statistics are none.
        macs: multiply-adds of convolutions and products of matrices, for one image.
        elementwise: elementwise operations, for one image.
        activation_bytes: size of the results, for one image.
    """

    parameters: int = 0
    macs: int = 0
    elementwise: int = 0
    activation_bytes: int = 0

    def __add__(self, other: Amount) -> Amount:
        return Amount(
            self.parameters + other.parameters,
            self.macs + other.macs,
            self.elementwise + other.elementwise,
            self.activation_bytes + other.activation_bytes,
        )


@dataclass(frozen=True)
class OperatorCost:
    """The cost of one operator, and where it belongs.

    Attributes:
        name: the operator, such as `cells.0.td6.block.depthwise`.
        kind: what it is, such as `conv`.
        result: level and channels of its result.
        size: (height, width) of its result.
        node: the node of the spec, `cells.0.td6`; in a model, of its topology: `neck.cells.0.td6`.
        cell: the cell, `cells.0`; empty outside of cells.
        section: the part of the whole: a node of the model, `neck`, or of a topology, or a cell.
        amount: what it costs. Weights that several operators share count at the first of them.
    """

    name: str
    kind: str
    result: FeatureType
    size: ImageSize
    node: str
    cell: str
    section: str
    amount: Amount


@dataclass(frozen=True)
class Cost:
    """The cost of a graph for one image.

    Attributes:
        image_size: (height, width) of the image.
        dtype_bytes: bytes of one number of a feature map.
        operators: every operator in execution order; inputs are none.
        input_bytes: size of the feature maps that the caller provides, in no `Amount`.
    """

    image_size: ImageSize
    dtype_bytes: int
    operators: tuple[OperatorCost, ...]
    input_bytes: int

    @property
    def total(self) -> Amount:
        """The whole graph."""
        return sum((operator.amount for operator in self.operators), Amount())

    @property
    def by_level(self) -> Mapping[int, Amount]:
        """By the level of the result, finest first."""
        found = _group((operator.result.level, operator.amount) for operator in self.operators)
        return dict(sorted(found.items()))

    @property
    def by_node(self) -> Mapping[str, Amount]:
        """By node of the spec, in execution order; a node's edges, fusion and block together."""
        return _group((operator.node, operator.amount) for operator in self.operators)

    @property
    def by_cell(self) -> Mapping[str, Amount]:
        """By cell, in execution order; what stands in no cell is under the empty name."""
        return _group((operator.cell, operator.amount) for operator in self.operators)

    @property
    def by_section(self) -> Mapping[str, Amount]:
        """By section, in execution order."""
        return _group((operator.section, operator.amount) for operator in self.operators)


def cost(graph: Graph, image_size: ImageSize, dtype_bytes: int = 4) -> Cost:
    """Count what a graph costs, in one walk.

    Args:
        graph: a graph at stage OPERATORS.
        image_size: (height, width) of the image in pixels; inputs of level l measure
            `ceil(side / 2**l)`, also where the network takes multiples of some size only.
        dtype_bytes: bytes of one number of a feature map; 4 for float32.

    Raises:
        ValueError: the graph is at another stage, or the image has no size.
        TypeError: an operator has no row in `WORK`.
    """
    if graph.stage is not Stage.OPERATORS:
        raise ValueError(f"graph '{graph.name}' is at {graph.stage.value}; lower it first")
    cells = _cells(graph)
    parts = cells | {path for path, scope in graph.scopes.items() if path and _is_topology(scope)}
    types: dict[str, FeatureType] = {}
    counted: set[str] = set()
    operators: list[OperatorCost] = []
    input_bytes = 0
    for node in graph.order():
        operands = [types[edge.source] for edge in graph.inputs(node.name)]
        result = types[node.name] = node.op.infer(operands)
        size = map_size(image_size, result)
        result_bytes = result.channels * size[0] * size[1] * dtype_bytes
        if isinstance(node.op, Input):
            input_bytes += result_bytes
            continue
        sizes = [map_size(image_size, operand) for operand in operands]
        macs, elementwise = _work(node, Site(operands, sizes, result, size))
        parameters = 0 if node.weights in counted else _parameters(node.op, operands)
        counted.add(node.weights)
        amount = Amount(parameters, macs, elementwise, result_bytes)
        cell, _ = spec_node(node.name, cells)
        _, owner = spec_node(node.name, parts)
        section = section_of(node.name, cells)
        operators.append(
            OperatorCost(node.name, node.op.kind, result, size, owner, cell, section, amount)
        )
    return Cost(image_size, dtype_bytes, tuple(operators), input_bytes)


def spec_node(name: str, cells: Iterable[str]) -> tuple[str, str]:
    """The cell and the node of the spec that an operator belongs to.

        cells.0.td6.block.depthwise  ->  cells.0, cells.0.td6
        lat5                         ->  "", lat5

    The innermost cell counts, and the node is what stands directly in it. Numbers alone do not
    tell a cell: `lat5.0` may be the first step of the node `lat5`.

    Args:
        name: the name of an operator.
        cells: the paths of all cells; a set, for speed.
    """
    segments = name.split(".")
    cell, depth = "", 0
    for end in range(1, len(segments)):
        path = ".".join(segments[:end])
        if path in cells:
            cell, depth = path, end
    return cell, ".".join(segments[: depth + 1])


def section_of(name: str, cells: Container[str]) -> str:
    """The part of the whole that an operator belongs to: `neck`, `stage2`, `cells.0`."""
    first, _, rest = name.partition(".")
    cell = f"{first}.{rest.partition('.')[0]}"
    return cell if cell in cells else first


def _cells(graph: Graph) -> set[str]:
    """The paths of all cells: the scopes `cells.N`, a name that no node of a spec can have."""
    return {path for path in graph.scopes if path.split(".")[-2:-1] == ["cells"]}


def _is_topology(scope: Scope) -> bool:
    """Whether a scope is a topology that a model uses; nothing else stands on levels."""
    return {"levels", "in_channels"} <= dict(scope.arguments).keys()


def _work(node: Node, site: Site) -> tuple[int, int]:
    row = WORK.get(type(node.op))
    if row is None:
        raise TypeError(f"'{node.op.kind}' has no row in archgraph.analysis.work.WORK")
    return row(node.op, site)


def _parameters(op: Op, operands: Sequence[FeatureType]) -> int:
    return sum(math.prod(shape) for shape in op.parameters(operands).values())


def _group(amounts: Iterable[tuple[Key, Amount]]) -> dict[Key, Amount]:
    found: dict[Key, Amount] = {}
    for key, amount in amounts:
        found[key] = found.get(key, Amount()) + amount
    return found
