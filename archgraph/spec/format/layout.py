"""Nodes to lines: what fits stands on one line, the rest in blocks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from archgraph.spec.format.grammar import Role, child_role, document_role, in_order, one_line
from archgraph.spec.format.scalars import folded_lines, literal_lines, text_of
from archgraph.spec.format.tree import Alias, Collection, Comment, Entry, Node, Scalar, Tree

WIDTH = 100
INDENT = "  "
# The one key whose text is prose, which may be broken at every space.
PROSE = "doc"


def lay_out(tree: Tree) -> str:
    """The text of a tree."""
    layout = _Layout(reorder=not tree.anchored)
    documents = [layout.document(document) for document in tree.documents]
    return "---\n".join("".join(f"{line}\n" for line in lines) for lines in documents)


@dataclass(frozen=True)
class _Layout:
    """Writes the nodes of a file.

    An alias must come after what it repeats, so with aliases keys stay where they are.
    """

    reorder: bool

    def document(self, root: Collection) -> list[str]:
        """The lines of a document."""
        return self.block(root, document_role(_keys(root)), 0)

    def block(self, collection: Collection, role: Role, depth: int) -> list[str]:
        """A collection as lines, an entry after the other."""
        lines: list[str] = []
        indent = INDENT * depth
        for entry in self.entries(collection, role):
            _add_comments(lines, entry.leading, indent)
            if entry.blank and lines:
                lines.append("")
            child = child_role(role, entry.name if collection.mapping else None, _names(entry))
            lines += self.entry(entry, child, depth)
        _add_comments(lines, collection.ending, indent)
        return lines

    def entries(self, collection: Collection, role: Role) -> Sequence[Entry]:
        """The entries as the layout has them."""
        if not collection.mapping or not self.reorder:
            return collection.entries
        named = {entry.name: entry for entry in collection.entries}
        return [named[key] for key in in_order(role, _keys(collection))]

    def entry(self, entry: Entry, role: Role, depth: int) -> list[str]:
        """An entry as lines: on one if it fits, else its value begins below it."""
        indent = INDENT * depth
        trailing = f"  {entry.trailing.text}" if entry.trailing else ""
        head = f"{indent}{_key(entry.key, flow=False)}" if entry.key else f"{indent}-"
        value = None if entry.beside else self.flow(entry.value, role)
        block = self.lines_of(entry, f"{head} {value}")
        if block:
            first, *rest = block
            return [f"{head} {first}{trailing}", *_indented(rest, INDENT * (depth + 1))]
        nested = isinstance(entry.value, Collection) and bool(entry.value.entries)
        if value is not None and (len(f"{head} {value}") <= WIDTH or not nested):
            return [f"{head} {value}{trailing}"]
        if not isinstance(entry.value, Collection):
            raise AssertionError("only collections have no form on one line")
        return self.opened(entry, entry.value, role, depth, head)

    def opened(
        self, entry: Entry, value: Collection, role: Role, depth: int, head: str
    ) -> list[str]:
        """An entry whose value begins on the line below its key, or beside its dash.

        A comment that stood behind the whole goes to the head, or to the end.
        """
        anchor = f" &{value.anchor}" if value.anchor else ""
        lines = self.block(value, role, depth + 1)
        beside = entry.beside or entry.trailing
        if entry.beside and entry.trailing:
            lines.append(INDENT * (depth + 1) + entry.trailing.text)
        if entry.key:
            return [f"{head}{anchor}  {beside.text}" if beside else f"{head}{anchor}", *lines]
        above = [INDENT * depth + beside.text] if beside else []
        if anchor:
            return [*above, f"{head}{anchor}", *lines]
        first = next(k for k, line in enumerate(lines) if line.lstrip()[:1] not in ("", "#"))
        above += [line.removeprefix(INDENT) for line in lines[:first]]  # they stood above a key
        return [*above, f"{head} {lines[first].lstrip()}", *lines[first + 1 :]]

    def lines_of(self, entry: Entry, line: str) -> list[str] | None:
        """A text that has several lines, or is too long for one; None for everything else."""
        value = entry.value
        if not isinstance(value, Scalar) or not isinstance(value.value, str) or value.anchor:
            return None
        if literal := literal_lines(value.value):
            return literal
        if entry.name != PROSE or len(line) <= WIDTH:
            return None
        indent = len(line) - len(line.lstrip()) + len(INDENT)
        return folded_lines(value.value, WIDTH - indent)

    def flow(self, node: Node, role: Role) -> str | None:
        """A value on one line; None where it has to have several, whatever the width."""
        anchor = f"&{node.anchor} " if node.anchor else ""
        if isinstance(node, Alias):
            return f"*{node.name}"
        if isinstance(node, Scalar):
            return f"{anchor}{_scalar(node, flow=False)}"
        if not isinstance(node, Collection) or node.commented:
            return None
        if not node.entries:
            return anchor + ("{}" if node.mapping else "[]")
        nested = any(isinstance(e.value, Collection) and e.value.mapping for e in node.entries)
        if not one_line(role, _keys(node), nested=nested):
            return None
        parts: list[str] = []
        for entry in self.entries(node, role):
            child = child_role(role, entry.name if node.mapping else None, _names(entry))
            value = self.flow_entry(entry.value, child)
            if value is None:
                return None
            parts.append(f"{_key(entry.key, flow=True)} {value}" if entry.key else value)
        inside = ", ".join(parts)
        return anchor + (f"{{{inside}}}" if node.mapping else f"[{inside}]")

    def flow_entry(self, node: Node, role: Role) -> str | None:
        """A value between braces or brackets, where more has to be quoted."""
        if not isinstance(node, Scalar):
            return self.flow(node, role)
        if isinstance(node.value, str) and literal_lines(node.value):
            return None
        anchor = f"&{node.anchor} " if node.anchor else ""
        return f"{anchor}{_scalar(node, flow=True)}"


def _scalar(node: Scalar, *, flow: bool) -> str:
    value = node.value
    if isinstance(value, str):
        return text_of(value, flow=flow)
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return node.text


def _key(node: Node, *, flow: bool) -> str:
    """A key with its colon; an alias needs a space before it."""
    anchor = f"&{node.anchor} " if node.anchor else ""
    if isinstance(node, Alias):
        return f"*{node.name} :"
    text = node.text if isinstance(node, Scalar) else ""
    return f"{anchor}{text_of(text, flow=flow, key=True)}:"


def _keys(collection: Collection) -> list[str]:
    return [entry.name for entry in collection.entries] if collection.mapping else []


def _names(entry: Entry) -> list[str] | None:
    value = entry.value
    return _keys(value) if isinstance(value, Collection) and value.mapping else None


def _add_comments(lines: list[str], comments: Sequence[Comment], indent: str) -> None:
    for comment in comments:
        if comment.blank and lines:
            lines.append("")
        lines.append(f"{indent}{comment.text}")


def _indented(lines: Sequence[str], indent: str) -> list[str]:
    return [f"{indent}{line}" if line else "" for line in lines]
