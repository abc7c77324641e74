"""Remove fusion nodes that fuse nothing (EfficientDet, section 3.2, first step)."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from archgraph.errors import SpecError, listing
from archgraph.ir import Edge, EdgeSteps, FeatureType, Model, Node, Stage
from archgraph.ir.pyramid import Fuse, Use
from archgraph.ir.signature import input_names
from archgraph.passes.base import Pass, Rewrites
from archgraph.passes.fusion import keeps_channels
from archgraph.passes.pyramid.types import PyramidTypes


@dataclass(frozen=True)
class PruneSingleInput(Pass):
    """Remove `fuse` nodes with one input of their own level, to a fixpoint.

        td7  = fuse(in7)                      (gone)
        td6  = fuse(in6, td7)           ->    td6  = fuse(in6, in7)
        out7 = fuse(td7, out6)                out7 = fuse(in7, out6)

    1. Readers and outputs move to the one input. An edge that was named after the removed node
       takes the name under which that node read its input.
    2. A reader that now reads one value twice in the same way keeps the first, unless each has
       channels of its own in the result (`concat`); a reader that is left with one input is
       looked at in turn.
    3. Kept, with the reason in the log: a node that is pinned; a node whose edge carries steps
       written on it; an output whose channels would change; a node whose readers do not project
       and would get other channels.

    Never touched: `use` nodes, and nodes whose one input is of another level (EfficientDet's
    own P6 and P7 are made by such nodes).
    """

    name: ClassVar[str] = "prune-single-input"
    stage: ClassVar[Stage] = Stage.PYRAMID

    def rewrite(self, model: Model) -> Rewrites:
        return _Pruning(model).run()


class _Pruning:
    """The state of one run.

    A node may read thousands that go, so its operands are worked on in `pending` and written to
    the graph once. Until the end, nodes that go stay in the graph, where nothing asks for them.
    """

    def __init__(self, model: Model) -> None:
        self.model = model
        self.graph = model.graph
        self.types = PyramidTypes(model)
        self.pending: dict[str, _Operands] = {}
        # Who reads a node according to `pending`, but not yet according to the graph.
        self.arrived: dict[str, list[str]] = {}
        self.gone: dict[str, None] = {}  # a set that keeps its order

    def run(self) -> Rewrites:
        log: list[str] = []
        kept: list[str] = []
        waiting = deque(node.name for node in self.graph if isinstance(node.op, Fuse))
        while waiting:
            name = waiting.popleft()
            if name in self.gone or not self._is_candidate(name):
                continue
            reason = self._reason_to_keep(name)
            if reason:
                kept.append(f"{name} kept ({reason})")
            else:
                text, shrunk = self._remove(name)
                log.append(text)
                waiting.extend(shrunk)
        for name in list(self.pending):
            self._write(name)
        for name in self.gone:
            self.graph.remove(name)
        return Rewrites(self.model, tuple(log), tuple(dict.fromkeys(kept)))

    def _write(self, name: str) -> None:
        operands = self.pending.pop(name, None)
        if operands:
            self.graph.set_inputs(name, operands.in_order())

    def _is_candidate(self, name: str) -> bool:
        """Whether a node reads one value, of its own level; then the graph is right about it."""
        op = self.graph[name].op
        if not isinstance(op, Fuse) or (name in self.pending and len(self.pending[name]) != 1):
            return False
        self._write(name)
        inputs = self.graph.inputs(name)
        if len(inputs) != 1 or self.types[inputs[0].source].level != op.level:
            return False
        for reader in self.arrived.pop(name, ()):
            self._write(reader)
        return True

    def _readers(self, name: str) -> list[tuple[str, int]]:
        return [use for use in self.graph.users(name) if use[0] not in self.gone]

    def _reason_to_keep(self, name: str) -> str:
        node = self.graph[name]
        (edge,) = self.graph.inputs(name)
        if isinstance(node.op, Fuse) and node.op.pin:
            return "pinned"
        if edge.steps.written:
            return f"its edge from {edge.source} carries steps of its own"
        before, after = self.types[name].channels, self.types[edge.source].channels
        labels = [label for label, output in self.graph.outputs.items() if output == name]
        if labels and before != after:
            return f"output {listing(labels)} would have {after} channels instead of {before}"
        if before != after:
            for reader, position in self._readers(name):
                if not self._adapts(reader, position, self.types[edge.source]):
                    return f"{reader} would read {after} channels instead of {before}"
        return ""

    def _adapts(self, reader: str, position: int, given: FeatureType) -> bool:
        """Whether a reader gives the same type when one operand has other channels."""
        node = self.graph[reader]
        edges = self.graph.inputs(reader)
        if self._merges(node):
            steps, policy = edges[position].steps, self.graph.policy
            project = steps.project if steps.project is not None else policy and policy.project
            return bool(project)
        operands = [self.types[edge.source] for edge in edges]
        operands[position] = given
        try:
            return self.types.given(reader, operands) == self.types.all_of(reader)
        except SpecError:
            return False

    def _remove(self, name: str) -> tuple[str, list[str]]:
        """Take a node out; returns the line of the log and the readers that lost an operand."""
        (only,) = self.graph.inputs(name)
        readers = list(dict.fromkeys(user for user, _ in self._readers(name)))
        dropped = [reader for reader in readers if self._move(reader, self.graph[name], only)]
        self.gone[name] = None
        outputs = self.graph.outputs
        moved = [label for label, output in outputs.items() if output == name]
        self.graph.set_outputs({k: only.source if v == name else v for k, v in outputs.items()})
        root = self.graph.scopes[""]
        names = tuple(only.source if output == name else output for output in root.outputs)
        self.graph.scopes[""] = replace(root, outputs=names)
        text = f"{name} removed (1 input, same level)"
        effects = []
        if readers:
            verb = "reads" if len(readers) == 1 else "read"
            effects.append(f"{', '.join(readers)} now {verb} {only.source}")
        if dropped:
            effects.append(f"{', '.join(dropped)} had it already, so one operand is dropped")
        if moved:
            verb = "is" if len(moved) == 1 else "are"
            effects.append(f"output {', '.join(moved)} {verb} now {only.source}")
        return f"{text}: {'; '.join(effects)}" if effects else text, dropped

    def _move(self, reader: str, gone: Node, only: Edge) -> bool:
        """Let a reader read what `gone` read; returns whether it lost an operand thereby."""
        node = self.graph[reader]
        if reader not in self.pending:
            self.pending[reader] = _Operands(self.graph.inputs(reader))
        operands = self.pending[reader]
        fixed = input_names(node.op.use[0], self.model.blocks) if isinstance(node.op, Use) else ()
        before = len(operands)
        operands.move(gone, only, fixed, self._merges(node))
        if self._merges(node):
            self.arrived.setdefault(only.source, []).append(reader)
        else:  # the type of what comes out follows from what the graph says goes in
            self._write(reader)
        return len(operands) < before

    def _merges(self, node: Node) -> bool:
        """Whether operands that say the same may be merged: each has the node's channels."""
        return isinstance(node.op, Fuse) and keeps_channels(node.op, self.model.blocks)


class _Operands:
    """The operands of one node by position, found by source and by name."""

    def __init__(self, edges: Sequence[Edge]) -> None:
        self.edges: dict[int, Edge] = {}
        self.by_source: dict[str, set[int]] = {}
        self.by_name: dict[str, set[int]] = {}
        for position, edge in enumerate(edges):
            self._put(position, edge)

    def __len__(self) -> int:
        return len(self.edges)

    def in_order(self) -> list[Edge]:
        """The operands as the graph takes them."""
        return [self.edges[position] for position in sorted(self.edges)]

    def move(self, gone: Node, only: Edge, fixed: Sequence[str], merge: bool) -> None:
        """Let `gone` give way to the one value it read.

        An operand that thereby arises twice is kept once; what the spec wrote twice stays. The
        operands of a `use` node are `fixed`, and those of `concat` each have channels of their
        own, so they are never merged. An edge that is called like an input of a block keeps its
        name.
        """
        moved = set(self.by_source[gone.name])
        for position in moved:
            edge = self._take(position)
            given = edge.name != gone.local_name or edge.name in fixed
            name = edge.name if given else only.name
            self._put(position, replace(edge, source=only.source, name=name))
        if merge:
            self._merge(only.source, moved)
        for position in sorted(moved & set(self.edges)):
            # Where the new name is taken, the operand stays called after the removed node.
            if len(self.by_name[self.edges[position].name]) > 1:
                self._put(position, replace(self._take(position), name=gone.local_name))

    def _merge(self, source: str, moved: set[int]) -> None:
        """Drop operands that say what an earlier one says, if one of the two moved."""
        earlier: dict[EdgeSteps, bool] = {}  # whether one of them moved
        for position in sorted(self.by_source[source]):
            steps = self.edges[position].steps
            known = earlier.get(steps)
            if known is not None and (known or position in moved):
                self._take(position)
            earlier[steps] = bool(known) or position in moved

    def _put(self, position: int, edge: Edge) -> None:
        self.edges[position] = edge
        self.by_source.setdefault(edge.source, set()).add(position)
        self.by_name.setdefault(edge.name, set()).add(position)

    def _take(self, position: int) -> Edge:
        edge = self.edges.pop(position)
        self.by_source[edge.source].discard(position)
        self.by_name[edge.name].discard(position)
        return edge
