"""The text of a file as nodes, with the comments that belong to them.

A comment belongs to what follows it, or to what stands before it on its line. Comments at the end
of a collection stay there, as long as they are indented as it is.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import yaml

from archgraph.spec.reader import Data
from archgraph.spec.scalar import plain_value


@dataclass(frozen=True)
class Comment:
    """A comment: where it starts, whether it has a line for itself, and is below a blank one."""

    text: str
    index: int
    line: int
    column: int
    alone: bool
    blank: bool


@dataclass
class Node:
    """A value as it is written."""

    start: int
    end: int
    anchor: str = ""


@dataclass
class Scalar(Node):
    """A text, number, truth value or null; `plain` is what a plain one says."""

    text: str = ""
    plain: bool = False

    @property
    def value(self) -> Data:
        """What the reader reads."""
        return plain_value(self.text) if self.plain else self.text


@dataclass
class Alias(Node):
    """A repetition of what has an anchor."""

    name: str = ""


@dataclass
class Entry:
    """An item of a list, or a key with its value, and the comments that belong to it.

    Attributes:
        blank: whether a blank line stands before it.
        leading: comments above it.
        beside: the comment on the line of a key whose value begins below it.
        trailing: the comment on the line on which it ends.
    """

    key: Node | None
    value: Node
    blank: bool = False
    leading: list[Comment] = field(default_factory=list)
    beside: Comment | None = None
    trailing: Comment | None = None

    @property
    def start(self) -> int:
        """Where it begins."""
        return (self.key or self.value).start

    @property
    def name(self) -> str:
        """Its key as text."""
        return self.key.text if isinstance(self.key, Scalar) else ""


@dataclass
class Collection(Node):
    """A list or a mapping; `ending` are the comments after its last entry."""

    flow: bool = False
    mapping: bool = False
    entries: list[Entry] = field(default_factory=list)
    ending: list[Comment] = field(default_factory=list)

    @property
    def commented(self) -> bool:
        """Whether a comment stands in it."""
        return bool(self.ending) or any(
            each.leading
            or each.beside
            or each.trailing
            or (isinstance(each.value, Collection) and each.value.commented)
            for each in self.entries
        )


@dataclass(frozen=True)
class Tree:
    """The documents of a file.

    `comments` are the texts of all comments; `anchored` is whether an alias repeats anything.
    """

    documents: list[Collection]
    comments: list[str]
    anchored: bool


def read_tree(content: bytes) -> Tree:
    """The tree of a text that the reader accepts."""
    text = content.decode().removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    loader, events = _parsed(text)
    comments = list(_comments(text, loader))
    roots, marks = _Builder(iter(events)).documents()
    attacher = _Attacher(text, comments)
    for index, root in enumerate(roots):
        attacher.attach(root, marks[index], -1)
    roots[-1].ending += attacher.rest
    anchored = any(isinstance(event, yaml.AliasEvent) for event in events)
    return Tree(roots, [comment.text for comment in comments], anchored)


def _parsed(text: str) -> tuple[Any, list[Any]]:
    """The parser that takes this text, and its events; that in C takes more (`{a: b?c}`)."""
    try:
        return yaml.SafeLoader, list(yaml.parse(text, yaml.SafeLoader))
    except yaml.YAMLError:
        return yaml.CSafeLoader, list(yaml.parse(text, yaml.CSafeLoader))


def _comments(text: str, loader: Any) -> Iterator[Comment]:
    """Every comment: what begins with `#` between two tokens, or after the head of a block."""
    lines = text.split("\n")
    starts = [0, *(match.end() for match in re.finditer("\n", text))]

    def between(first: int, last: int) -> Iterator[Comment]:
        while (index := text.find("#", first, last)) >= 0:
            row = bisect_right(starts, index) - 1
            column = index - starts[row]
            first = index + len(lines[row]) - column
            alone = not lines[row][:column].strip()
            blank = row > 0 and not lines[row - 1].strip()
            yield Comment(lines[row][column:].rstrip(), index, row, column, alone, blank)

    end = 0
    tokens: Iterator[Any] = iter(yaml.scan(text, loader))
    for token in tokens:
        start, stop = token.start_mark.index, token.end_mark.index
        yield from between(end, start)
        if isinstance(token, yaml.ScalarToken) and token.style in ("|", ">"):
            head = text.find("\n", start)
            yield from between(start, len(text) if head < 0 else head)
        end = max(end, stop)
    yield from between(end, len(text))


class _Builder:
    """Builds the nodes of a text from the parser's events."""

    def __init__(self, events: Iterator[Any]) -> None:
        self.events: Iterator[Any] = events

    def documents(self) -> tuple[list[Collection], list[int]]:
        """The documents that are not empty; and for each, where what follows it begins."""
        roots: list[Collection] = []
        ends: list[int] = []
        for event in self.events:
            mark: Any = event.start_mark
            if not isinstance(event, yaml.DocumentStartEvent | yaml.StreamEndEvent):
                continue
            if len(ends) < len(roots):
                ends.append(mark.index)
            if isinstance(event, yaml.DocumentStartEvent):
                node = self.node(next(self.events))
                roots += [node] if isinstance(node, Collection) else []
        return roots, ends

    def node(self, event: Any) -> Node:
        """The node that this event begins."""
        start, end, anchor = event.start_mark.index, event.end_mark.index, event.anchor or ""
        if isinstance(event, yaml.AliasEvent):
            return Alias(start, end, name=anchor)
        if isinstance(event, yaml.ScalarEvent):
            return Scalar(start, end, anchor, event.value, event.implicit[0])
        mapping = isinstance(event, yaml.MappingStartEvent)
        found = Collection(start, end, anchor, bool(event.flow_style), mapping)
        while not isinstance(event := next(self.events), yaml.CollectionEndEvent):
            key = self.node(event) if mapping else None
            found.entries.append(Entry(key, self.node(next(self.events) if mapping else event)))
        mark: Any = event.end_mark
        # of a block the parser says where the next thing starts
        block = found.entries and not found.flow
        found.end = found.entries[-1].value.end if block else mark.index
        return found


class _Attacher:
    """Gives every comment to the entry or the collection it belongs to, in order."""

    def __init__(self, text: str, comments: Iterable[Comment]) -> None:
        self.lines = text.split("\n")
        self.starts = [0, *(match.end() for match in re.finditer("\n", text))]
        self.rest = deque(comments)

    def attach(self, collection: Collection, limit: int, column: int) -> None:
        """Attach what stands in a collection.

        Comments from `limit` on are not its own, nor those at its end that are not indented
        deeper than `column`.
        """
        follows = [*(entry.start for entry in collection.entries), limit][1:]
        for entry, following in zip(collection.entries, follows, strict=True):
            entry.leading += self.until(entry.start)
            row, inner = self.row(entry.start), entry.value
            entry.blank = row > 0 and not self.lines[row - 1].strip()
            if isinstance(inner, Collection) and inner.entries:
                self.inside(entry, inner, following)
            else:
                entry.leading += self.until(
                    inner.end if isinstance(inner, Collection) else inner.start
                )
            last = self.row(inner.end) if inner.end > inner.start else row
            entry.trailing = self.trailing(inner, last, following)
        while comment := self.peek(limit):
            if not collection.flow and comment.column <= column:
                break
            collection.ending.append(self.rest.popleft())

    def inside(self, entry: Entry, inner: Collection, limit: int) -> None:
        """Attach what stands in the value of an entry."""
        comment = self.peek(inner.entries[0].start)
        if entry.key and comment and comment.line == self.row(entry.key.end) and not comment.alone:
            entry.beside = self.rest.popleft()
        start = self.starts[self.row(entry.start)]
        # a list item stands one column or more to the right of its dash
        column = entry.start - start if entry.key else inner.start - start - 1
        self.attach(inner, inner.end if inner.flow else limit, column)
        if not entry.key:  # what follows a dash stands above it
            entry.leading += inner.entries[0].leading
            inner.entries[0].leading = []

    def hoist(self, entry: Entry, limit: int) -> None:
        """Put comments between a key and a value without entries above the key."""
        if found := self.until(limit):
            found[0] = replace(found[0], blank=entry.blank)
            entry.leading += found
            entry.blank = False

    def trailing(self, value: Node, row: int, limit: int) -> Comment | None:
        """The comment after a value that ends on this line; for a block, after its head."""
        comment = self.peek(limit)
        if comment is None:
            return None
        head = isinstance(value, Scalar) and comment.index < value.end
        return self.rest.popleft() if head or (comment.line == row and not comment.alone) else None

    def until(self, index: int) -> list[Comment]:
        """The comments before `index`, taken."""
        found: list[Comment] = []
        while self.peek(index):
            found.append(self.rest.popleft())
        return found

    def peek(self, limit: int) -> Comment | None:
        """The next comment, if it stands before `limit`."""
        return self.rest[0] if self.rest and self.rest[0].index < limit else None

    def row(self, index: int) -> int:
        """The line of a place, from 0."""
        return bisect_right(self.starts, index) - 1
