"""Where the nodes of a pyramid stand: rows are levels, columns are steps.

A column holds *sweeps*: runs of nodes that climb or descend from level to level, each reading
the one before it. A top-down path is one sweep and one column, as people draw it.

    1. An edge on one level goes to a later column. An edge between levels may stay in the
       column when its end continues the sweep of its start; otherwise it goes on too.
    2. The last node of a sweep that starts the next sweep, in the other direction, stands at
       the start of that one: the `td3` of a BiFPN, which is also its finest output.
    3. A sweep that nothing else reads stands in the last column of its cell: it is a result.
    4. A cell, or another section, starts after every column that was in use when its first node
       came.
    5. The values of a stack, such as a backbone, stand in one column: the first, if it reads
       nothing but inputs.

No two nodes share a place, and no edge goes from right to left, whatever the graph.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

from archgraph.ir import Edge, Graph, Node, Stage
from archgraph.ir.pyramid import Fuse, Input, Use


class EdgeKind(Enum):
    """What an edge does to the level; a skip passes over a node of its own level."""

    TOP_DOWN = "top-down"
    BOTTOM_UP = "bottom-up"
    SAME_LEVEL = "same-level"
    SKIP = "skip"
    OUTPUT = "output"


@dataclass(frozen=True, order=True)
class Place:
    """A place of the grid, counted from the top left corner, from 0."""

    column: int
    row: int


@dataclass(frozen=True)
class Link:
    """An edge of the graph, its kind and the places of its ends."""

    source: str
    target: str
    kind: EdgeKind
    start: Place
    end: Place
    edge: Edge


@dataclass(frozen=True)
class Frame:
    """A cell: the columns it fills, first and last."""

    path: str
    first: int
    last: int


@dataclass(frozen=True)
class Layout:
    """The grid of one figure.

    Attributes:
        levels: the level of each row, coarsest first; levels without nodes have no row.
        columns: how many columns there are; inputs stand in the first.
        places: node to place.
        links: every edge, in execution order of its reader and order of its operands.
        frames: cells whose columns hold nothing else.
        outputs: row to (label, node) of each result in it, in the order of the graph's results.
    """

    levels: tuple[int, ...]
    columns: int
    places: Mapping[str, Place]
    links: tuple[Link, ...]
    frames: tuple[Frame, ...]
    outputs: Mapping[int, Sequence[tuple[str, str]]]


def level_of(node: Node) -> int:
    """The level of a node of a PYRAMID graph.

    Raises:
        ValueError: the node is of another stage.
    """
    if not isinstance(node.op, Input | Fuse | Use):
        raise ValueError(f"'{node.name}' is no node of a pyramid")
    return node.op.level


def lay_out(graph: Graph, stacks: Sequence[Sequence[str]] = ()) -> Layout:
    """Give every node a place.

    Args:
        graph: a graph at stage PYRAMID without `result` nodes.
        stacks: nodes that stand in one column, each on another level; they read what the first
            of them reads.

    Raises:
        ValueError: the graph is not at stage PYRAMID.
        VerifyError: the graph has a cycle.
    """
    if graph.stage is not Stage.PYRAMID:
        raise ValueError(f"graph '{graph.name}' is at {graph.stage.value}; draw its pyramid")
    nodes = graph.order()
    levels = sorted({level_of(node) for node in nodes}, reverse=True)
    rows = {level: row for row, level in enumerate(levels)}
    placing = _Placing(graph, {node.name: rows[level_of(node)] for node in nodes}, stacks)
    columns = placing.run(nodes)
    used = {column: i for i, column in enumerate(sorted({0, *columns.values()}))}
    places = {name: Place(used[column], placing.row[name]) for name, column in columns.items()}
    outputs: dict[int, list[tuple[str, str]]] = {}
    for label, name in graph.outputs.items():
        outputs.setdefault(places[name].row, []).append((label, name))
    links = _links(graph, nodes, places)
    return Layout(tuple(levels), len(used), places, links, _frames(nodes, places), outputs)


@dataclass(eq=False)
class _Sweep:
    """Nodes of one column that follow each other: down (1), up (-1), or only one so far (0)."""

    column: int
    names: list[str]
    direction: int = 0


@dataclass
class _Placing:
    """The state of one layout: where each node stands so far."""

    graph: Graph
    row: Mapping[str, int]
    stacks: Sequence[Sequence[str]] = ()
    column: dict[str, int] = field(default_factory=dict)
    sweep: dict[str, _Sweep] = field(default_factory=dict)  # of all but inputs and stacks
    taken: set[tuple[int, int]] = field(default_factory=set)  # (column, row)
    after: dict[tuple[int, int], int] = field(default_factory=dict)  # shortcuts of `_free`
    scope_start: dict[str, int] = field(default_factory=dict)
    last: int = 0

    def run(self, nodes: Sequence[Node]) -> Mapping[str, int]:
        """The column of each node; some columns may be empty."""
        for node in nodes:
            if isinstance(node.op, Input):
                self._set(node.name, self._free(0, self.row[node.name]))
        stacked = {name: stack for stack in self.stacks for name in stack}
        for node in nodes:
            if node.name in stacked:
                self._place_stack(stacked[node.name])
            elif not isinstance(node.op, Input):
                self._place(node, self.scope_start.setdefault(node.scope, self.last + 1))
        sweeps = list(dict.fromkeys(self.sweep.values()))
        for sweep in sweeps:
            self._turn(sweep)
        self._align(sweeps)
        return self.column

    def _place(self, node: Node, start: int) -> None:
        """Place a node whose operands have their places, at column `start` or later."""
        row = self.row[node.name]
        operands = dict.fromkeys(edge.source for edge in self.graph.inputs(node.name))
        least = max([start, *(self._least(row, name) for name in operands)])
        beside = [name for name in operands if self.column[name] == least]
        sweep = self.sweep[beside[0]] if beside else None
        if sweep is None or not self._continues(node, sweep, beside):
            column = self._free(least + bool(beside), row)
            sweep = _Sweep(column, [])
        elif not sweep.direction:
            sweep.direction = _sign(row - self.row[sweep.names[-1]])
        sweep.names.append(node.name)
        self.sweep[node.name] = sweep
        self._set(node.name, sweep.column)

    def _place_stack(self, names: Sequence[str]) -> None:
        """Place all values of a stack in one column, unless they have their places."""
        if names[0] in self.column:
            return
        sources = [edge.source for edge in self.graph.inputs(names[0])]
        first = all(isinstance(self.graph[source].op, Input) for source in sources)
        column = 0 if first else self.last + 1
        while any((column, self.row[name]) in self.taken for name in names):
            column += 1
        for name in names:
            self._set(name, column)

    def _least(self, row: int, operand: str) -> int:
        """The first column where a reader in `row` may stand."""
        shares = operand in self.sweep and self.row[operand] != row
        return self.column[operand] + (not shares)

    def _continues(self, node: Node, sweep: _Sweep, beside: Sequence[str]) -> bool:
        """Whether a node that reads `beside`, all in one column, goes on with their sweep."""
        last = sweep.names[-1]
        direction = _sign(self.row[node.name] - self.row[last])
        return (
            last in beside
            and all(self.sweep[name] is sweep for name in beside)
            and direction == (sweep.direction or direction)
            and self.graph[last].scope == node.scope
            and self._clear(sweep.column, self.row[last], self.row[node.name])
        )

    def _turn(self, sweep: _Sweep) -> None:
        """Let the last node of a sweep start the sweep, in the other direction, that reads it."""
        name = sweep.names[-1]
        readers = dict.fromkeys(user for user, _ in self.graph.users(name))
        for reader in readers:
            other = self.sweep.get(reader)
            direction = _sign(self.row[reader] - self.row[name])
            if (
                other is not None
                and other.names[0] == reader
                and direction == -sweep.direction != 0
                and direction == (other.direction or direction)
                and self.graph[name].scope == self.graph[reader].scope
                and self._clear(other.column, self.row[reader], self.row[name])
                and all(self._may_follow(user, name, other) for user in readers)
            ):
                sweep.names.pop()
                other.names.insert(0, name)
                other.direction = direction
                self.sweep[name] = other
                self._move(name, other.column)
                return

    def _may_follow(self, reader: str, name: str, sweep: _Sweep) -> bool:
        """Whether `reader` could read `name` if `name` stood in the sweep."""
        if self.sweep.get(reader) is sweep:
            return self.row[reader] != self.row[name]
        return self.column[reader] > sweep.column

    def _align(self, sweeps: Sequence[_Sweep]) -> None:
        """Move sweeps that nothing else reads to the last column of their cell."""
        end: dict[str, int] = {}
        for name in self.sweep:
            scope = self.graph[name].scope
            end[scope] = max(end.get(scope, 0), self.column[name])
        for sweep in reversed(sweeps):
            if not sweep.names or any(
                self.sweep.get(user) is not sweep
                for name in sweep.names
                for user, _ in self.graph.users(name)
            ):
                continue
            target = end[self.graph[sweep.names[0]].scope]
            ways = range(sweep.column + 1, target + 1)
            rows = [self.row[name] for name in sweep.names]
            if not any((column, row) in self.taken for row in rows for column in ways):
                for name in sweep.names:
                    self._move(name, target)
                sweep.column = target

    def _clear(self, column: int, row: int, end: int) -> bool:
        """Whether the places of a column after `row`, up to and with `end`, are all free."""
        step = _sign(end - row)
        return not any((column, r) in self.taken for r in range(row + step, end + step, step))

    def _free(self, column: int, row: int) -> int:
        """The first free column of a row, from `column` on."""
        path: list[int] = []
        while (column, row) in self.taken:
            path.append(column)
            column = self.after.get((column, row), column + 1)
        for passed in path:
            self.after[passed, row] = column
        return column

    def _set(self, name: str, column: int) -> None:
        self.column[name] = column
        self.taken.add((column, self.row[name]))
        self.last = max(self.last, column)

    def _move(self, name: str, column: int) -> None:
        self.taken.remove((self.column[name], self.row[name]))
        self._set(name, column)


def _sign(value: int) -> int:
    return (value > 0) - (value < 0)


def _links(graph: Graph, nodes: Sequence[Node], places: Mapping[str, Place]) -> tuple[Link, ...]:
    by_row: dict[int, list[tuple[int, str]]] = {}
    for place, name in sorted((place, name) for name, place in places.items()):
        by_row.setdefault(place.row, []).append((place.column, graph[name].scope))
    links: list[Link] = []
    for node in nodes:
        end = places[node.name]
        for edge in graph.inputs(node.name):
            start = places[edge.source]
            kind = EdgeKind.TOP_DOWN if start.row < end.row else EdgeKind.BOTTOM_UP
            if start.row == end.row:
                columns = by_row[end.row]
                low, high = sorted((start.column, end.column))
                first, last = (bisect_left(columns, (column, "")) for column in (low + 1, high))
                # what passes a whole section, as boxes pass the classes, skips nothing of its own
                own = (node.scope, graph[edge.source].scope)
                skips = any(scope in own for _, scope in columns[first:last])
                kind = EdgeKind.SKIP if skips else EdgeKind.SAME_LEVEL
            links.append(Link(edge.source, node.name, kind, start, end, edge))
    return tuple(links)


def _frames(nodes: Sequence[Node], places: Mapping[str, Place]) -> tuple[Frame, ...]:
    scopes: dict[int, set[str]] = {}
    spans: dict[str, tuple[int, int]] = {}
    for node in nodes:
        column = places[node.name].column
        scopes.setdefault(column, set()).add(node.scope)
        first, last = spans.get(node.scope, (column, column))
        spans[node.scope] = (min(first, column), max(last, column))
    return tuple(
        Frame(path, first, last)
        for path, (first, last) in spans.items()
        if path and all(scopes[column] == {path} for column in range(first, last + 1))
    )
