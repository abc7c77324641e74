"""Stack the cell (EfficientDet, section 3.2, third step)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from archgraph.errors import Diagnostic, PassError
from archgraph.ir import MAX_NODES, Edge, Graph, Model, Node, Scope, Stage
from archgraph.ir.pyramid import Fuse, Input, Use
from archgraph.passes.base import Pass, Rewrites
from archgraph.passes.pyramid.types import PyramidTypes


@dataclass(frozen=True)
class RepeatCells(Pass):
    """Repeat the whole graph `count` times; the outputs of a cell feed the next by level.

        td3 = fuse(in3, in4)   ->   cells.0.td3 = fuse(in3, in4)
        p3 = td3, p4 = out4         cells.1.td3 = fuse(cells.0.td3 as in3, cells.0.out4 as in4)

    Names inside the cell stay, edges keep the names they have in the cell, and every cell has
    its own weights. One cell is `cells.0` too, so a deeper network has the same names.
    Refused when an input has no output of its level or two inputs share a level.
    """

    name: ClassVar[str] = "repeat-cells"
    stage: ClassVar[Stage] = Stage.PYRAMID

    count: int

    def rewrite(self, model: Model) -> Rewrites:
        cell = model.graph
        feeds = _feeds(model)
        body = [node for node in cell.order() if not isinstance(node.op, Input)]
        if self.count * max(len(body), 1) > MAX_NODES:
            message = f"{self.count:,} cells of {len(body)} nodes are more than {MAX_NODES:,} nodes"
            raise PassError(Diagnostic("E304", message))
        graph = Graph(cell.name, cell.stage, cell.settings_at(""), cell.policy)
        for node in cell.graph_inputs:
            graph.add(node)
        values = {node.name: node.name for node in cell.graph_inputs}
        graph.scopes[""] = cell.scopes[""]
        for i in range(self.count):
            prefix = f"cells.{i}"
            graph.scopes[prefix] = _cell_scope(cell, prefix)
            for path, scope in cell.scopes.items():
                if path:
                    inner, module = f"{prefix}.{path}", f"{prefix}.{scope.module}"
                    graph.scopes[inner] = replace(scope, path=inner, module=module)
            for node in body:
                _add_to_cell(graph, cell, node, prefix, values)
            if i + 1 < self.count:
                results = {name: values[output] for name, output in feeds.items()}
                values = results
        graph.set_outputs({label: values[name] for label, name in cell.outputs.items()})
        times = "1 cell" if self.count == 1 else f"{self.count} cells"
        line = f"{len(body)} nodes stacked into {times}; each level's output feeds its next input"
        loose = [label for label, name in cell.outputs.items() if name not in feeds.values()]
        kept = f"output {', '.join(loose)} of a cell feeds no input of the next"
        lost = (kept,) if loose and self.count > 1 else ()
        return Rewrites(Model(graph, model.blocks), (line,), lost)


def _add_to_cell(
    graph: Graph, cell: Graph, node: Node, prefix: str, values: dict[str, str]
) -> None:
    """Add a node's copy; `values` maps the cell's names to the graph's."""
    name = f"{prefix}.{node.name}"
    edges = [
        Edge(values[edge.source], edge.name, edge.steps, edge.location)
        for edge in cell.inputs(node.name)
    ]
    scope = f"{prefix}.{node.scope}" if node.scope else prefix
    graph.add(Node(name, node.op, scope, f"{prefix}.{node.weights}", node.location), edges)
    values[node.name] = name


def _cell_scope(cell: Graph, path: str) -> Scope:
    root = cell.scopes[""]
    inputs = tuple(node.name for node in cell.graph_inputs)
    outputs = tuple(cell.outputs.values())
    return Scope(path, f"{cell.name}-cell", (), inputs, outputs, root.location)


def _feeds(model: Model) -> dict[str, str]:
    """For each input, the output of its level."""
    cell, types = model.graph, PyramidTypes(model)
    by_level: dict[int, str] = {}
    for name in cell.outputs.values():
        op = cell[name].op
        level = op.level if isinstance(op, Input | Fuse | Use) else types[name].level
        by_level[level] = name
    feeds: dict[str, str] = {}
    levels: dict[int, str] = {}
    for node in cell.graph_inputs:
        assert isinstance(node.op, Input)
        level = node.op.level
        if level in levels:
            message = f"inputs '{levels[level]}' and '{node.name}' share level {level}"
            raise PassError(Diagnostic("E405", f"{message}; cells stack level by level"))
        if level not in by_level:
            message = f"no output of level {level} can feed input '{node.name}' of the next cell"
            raise PassError(Diagnostic("E405", message, node.location))
        levels[level] = node.name
        feeds[node.name] = by_level[level]
    return feeds
