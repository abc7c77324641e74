"""Add the edge from a level's original input to its output (EfficientDet, section 3.2, second)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from archgraph.errors import Diagnostic, PassError
from archgraph.ir import Edge, Model, Node, Stage
from archgraph.ir.pyramid import Fuse, Input
from archgraph.passes.base import Pass, Rewrites


@dataclass(frozen=True)
class AddSameLevelSkips(Pass):
    """Let the output node of each level read the level's original input, first in order.

        out4 = fuse(td4, td3)   ->   out4 = fuse(in4, td4, td3)

    1. The original of a level is the graph's input of that level.
    2. An output that reads its original already is left as it is; so is one that is no `fuse`
       node, or is pinned, or whose level has no input.

    Refused when two inputs share a level: then "the original" is not a name for one value.
    """

    name: ClassVar[str] = "add-same-level-skips"
    stage: ClassVar[Stage] = Stage.PYRAMID

    def rewrite(self, model: Model) -> Rewrites:
        graph = model.graph
        originals = _originals(graph.graph_inputs)
        log: list[str] = []
        kept: list[str] = []
        for name in dict.fromkeys(graph.outputs.values()):
            op = graph[name].op
            original = originals.get(op.level) if isinstance(op, Fuse) else None
            if original is None or not isinstance(op, Fuse):
                continue
            edges = graph.inputs(name)
            if any(edge.source == original for edge in edges):
                continue
            if op.pin:
                kept.append(f"{name} kept (pinned)")
            else:
                # After stacking, an edge of a later cell has the cell's name for its input.
                taken = {edge.name for edge in edges}
                label = original if original not in taken else f"{original}_skip"
                skip = Edge(original, label, location=graph[name].location)
                graph.set_inputs(name, [skip, *edges])
                log.append(f"{name} now also reads {original}, first")
        return Rewrites(model, tuple(log), tuple(kept))


def _originals(inputs: list[Node]) -> dict[int, str]:
    found: dict[int, str] = {}
    for node in inputs:
        assert isinstance(node.op, Input)
        other = found.setdefault(node.op.level, node.name)
        if other != node.name:
            message = (
                f"inputs '{other}' and '{node.name}' share level {node.op.level}, so"
                " 'add-same-level-skips' cannot tell which is the original"
            )
            raise PassError(Diagnostic("E404", message, node.location))
    return found
