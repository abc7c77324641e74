"""How values flow through a class: where each is used last, which statements one line can hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from archgraph.codegen.classes import ModuleClass
from archgraph.codegen.shape import Part, Ref

# So long may the paths of statements on one line be together.
MAX_NESTING = 70


class Flow:
    """The uses of every value of a class.

    Args:
        group: the class.
        named: whether items are nodes of the spec, each of which has a line of its own.

    Attributes:
        last_use: the last statement that reads a value; what leaves is read after all of them.
        nested: statements that are written inside of the one that alone reads them.
        node_end: the last statement of each node of the spec.
    """

    def __init__(self, group: ModuleClass, named: bool) -> None:
        self.group = group
        self.named = named
        self.parts = group.template.parts
        self.last_use, self.readers = self._uses()
        self.node_end = {part.path.partition(".")[0]: i for i, part in enumerate(self.parts)}
        self.nested = self._nested(self.readers)

    def _uses(self) -> tuple[dict[Ref, int], dict[Ref, list[int]]]:
        readers: dict[Ref, list[int]] = {}
        for i, part in enumerate(self.parts):
            for ref in part.operands:
                readers.setdefault(ref, []).append(i)
        for ref in self.group.template.outputs:
            readers.setdefault(ref, []).append(len(self.parts))
        return {ref: found[-1] for ref, found in readers.items()}, readers

    def goes_on(self, i: int) -> bool:
        """Whether a value is only the next step of a chain, so that its name says nothing."""
        uses = self.readers.get(("part", i, 0), ())
        if len(uses) != 1 or uses[0] == len(self.parts):
            return False
        operands = [ref for ref in self.parts[uses[0]].operands if ref[0] != "module"]
        return len(operands) == 1

    def _nested(self, readers: Mapping[Ref, Sequence[int]]) -> dict[int, int]:
        """Statements that are written inside of the one that alone reads them."""
        found: dict[int, int] = {}
        heavy = {i: int(self.is_heavy(part)) for i, part in enumerate(self.parts)}
        length = {i: len(part.path) + 12 for i, part in enumerate(self.parts)}
        for i in reversed(range(len(self.parts))):
            part = self.parts[i]
            uses = readers.get(("part", i, 0), ())
            if len(part.results) != 1 or len(uses) != 1 or uses[0] == len(self.parts):
                continue
            reader = uses[0]
            outer = found.get(reader, reader) if not self.named else reader
            if not self._may_hold(i, reader) or any(
                found.get(k) not in (reader, outer) for k in range(i + 1, reader)
            ):
                continue
            fits = length[i] + length[outer] <= MAX_NESTING and heavy[i] + heavy[outer] < 2
            if self.named or fits:
                found[i] = reader if self.named else outer
                heavy[outer] += heavy[i]
                length[outer] += length[i]
        return found

    def is_heavy(self, part: Part) -> bool:
        """Whether a statement deserves a line of its own: more than a norm or a function."""
        form = part.item.form
        return bool(part.item.module) and not (form and form.structure[0] == "batch-norm")

    def _may_hold(self, i: int, reader: int) -> bool:
        part, other = self.parts[i], self.parts[reader]
        if reader in self.group.bypass and not self.is_identity(reader):
            return False
        if i in self.group.bypass and not self.is_identity(i):
            return False
        if part.is_loop or other.is_loop:
            return False
        if not self.named:
            return other.operands.index(("part", i, 0)) == 0 and other.operands[1:] == ()
        node, own = (p.path.partition(".") for p in (other, part))
        return (
            node[0] == own[0]
            and other.function is not None
            and other.function.structure[0] == "add"
            and not part.item.module
        )

    def is_identity(self, i: int) -> bool:
        """Whether an optional part is a module that hands on its one operand when absent."""
        part = self.parts[i]
        one = len(part.operands) == 1 and len(part.results) == 1
        return bool(part.called) and one and self.group.bypass[i] == part.operands[0]
