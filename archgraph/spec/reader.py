"""YAML text to plain data that knows its places: strict YAML 1.2 core, nothing constructed.

The tree is built from the parser's events: limits stop a hostile file early, and since the depth
is one of them, the recursion here is bounded. PyYAML's composer has no such limits.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import yaml

from archgraph.errors import Diagnostic, Location, SpecError, suggest
from archgraph.spec.scalar import UNREADABLE, plain_value

Data: TypeAlias = "bool | int | float | str | list[Data] | dict[str, Data] | None"

MAX_BYTES, MAX_DEPTH, MAX_NODES = 1_000_000, 64, 10_000
_FAST: type[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_BREAK = re.compile(r"\r\n|\r|\n")
_SURROGATE = re.compile("[\ud800-\udfff]")
_ONLY_IN_C = re.compile(r"\t|[|>][-+0-9]*#|\?[\s,\[\]{}]")  # tabs between words, `|#`, `{a? b}`
_COLON = re.compile(r"\s*:")
_PROPERTY = re.compile(r"(&[\w-]*|!<[^>\s]*>|![^\s,\[\]{}]*)(?:\s|#[^\r\n]*)*")
_GLUED = re.compile(r"( *(?:- +)*\{?)([\w.<>-]+:)[^\s:/,\]}]\S*")  # `name:value`


@dataclass(frozen=True)
class Place:
    """Where a value stands, with the places of its children (by key, or by index in a list)."""

    location: Location
    key: Location | None
    children: Mapping[str | int, Place]

    def at(self, *path: str | int) -> Place:
        """The place at the end of `path`, or the deepest that exists where it leaves the tree."""
        place = self
        for step in path:
            if step not in place.children:
                break
            place = place.children[step]
        return place


@dataclass(frozen=True)
class RawDocument:
    """One document of a file: its plain data and, in the same shape, the places."""

    data: dict[str, Data]
    place: Place


def read_documents(content: bytes | str, file: str) -> list[RawDocument]:
    """Read every document of a YAML text.

    Args:
        content: the text, or the bytes of the file (UTF-8; a byte order mark is dropped).
        file: the name that the places carry, used as given.

    Returns:
        The documents in order, at least one; empty ones are left out. All keys are strings.

    Raises:
        SpecError: the text is not what archgraph reads; holds every mistake that was found.
    """
    raw = content.encode(errors="surrogatepass") if isinstance(content, str) else content
    source = _Source(raw, file)
    # The C parser only ever says yes, to texts without what it alone takes: errors are PyYAML's.
    if not _ONLY_IN_C.search(source.text):
        with suppress(SpecError):
            return _Builder(source, _FAST).documents()
    return _Builder(source, yaml.SafeLoader).documents()


class _Source:
    """The text of a file, which turns indexes of characters into places.

    Raises SpecError if the bytes are too many, not UTF-8, or hold control characters.
    """

    def __init__(self, raw: bytes, file: str) -> None:
        if len(raw) > MAX_BYTES:
            what = f"the file has {len(raw):,} bytes; a spec has at most {MAX_BYTES:,}"
            raise SpecError(Diagnostic("E007", what, Location(file, 1, 1)))
        self.file, self.text = file, raw.decode(errors="replace").removeprefix("\ufeff")
        self.lines = _BREAK.split(self.text)
        self.starts = [0, *(found.end() for found in _BREAK.finditer(self.text))]
        # ASCII in UTF-16 without a byte order mark is also UTF-8: every second byte is NUL.
        bad = 0 if len(raw) > 3 and b"\0\0" in (raw[0:4:2], raw[1:4:2]) else None
        try:
            raw.decode()
        except UnicodeDecodeError as error:
            bad = error.start
        if bad is not None:
            index = len(raw[:bad].decode().removeprefix("\ufeff"))
            what = f"the file is not UTF-8: byte {raw[bad]:#04x} at offset {bad:,}"
            raise SpecError(self.mistake("E002", what, index, index + 1, "save it as UTF-8"))
        if found := UNREADABLE.search(self.text):
            what = f"the character U+{ord(found[0]):04X} may not stand in a spec"
            hint = f'delete it, or write it in double quotes as "\\u{ord(found[0]):04x}"'
            raise SpecError(self.mistake("E003", what, *found.span(), hint))

    def span(self, start: int, end: int) -> Location:
        """The characters from `start` to `end`, without what lies on later lines."""
        row = bisect_right(self.starts, start) - 1
        text, column = self.lines[row], start - self.starts[row] + 1
        stop = min(end - self.starts[row], len(text.rstrip())) + 1
        return Location(self.file, row + 1, column, max(stop, column), text)

    def mistake(self, code: str, what: str, start: int, end: int, hint: str = "") -> Diagnostic:
        return Diagnostic(code, what, self.span(start, end), hint)


@dataclass
class _Node:
    """A YAML node under construction: `items` are its children, keys and values in turn."""

    start: int
    end: int
    plain: str | None = None  # what a plain (unquoted) scalar says
    data: Data = None
    open: bool = False
    items: list[_Node] = field(default_factory=list)
    children: dict[str | int, Place] = field(default_factory=dict)


class _Builder:
    """Builds the documents of one text; `found` collects the mistakes that do not stop it."""

    def __init__(self, source: _Source, loader: type[Any]) -> None:
        self.source, self.loader, self.count = source, loader(source.text), 0
        self.found: list[Diagnostic] = []
        self.anchors: dict[str, _Node] = {}

    def documents(self) -> list[RawDocument]:
        """All documents; raises SpecError with everything that was found."""
        documents: list[RawDocument] = []
        try:
            while self.loader.check_event():
                if not isinstance(self.loader.peek_event(), yaml.NodeEvent):
                    self.loader.get_event()
                    self.anchors = {}
                elif isinstance((node := self.node(0)).data, dict):
                    place = Place(self.source.span(node.start, node.end), None, node.children)
                    documents.append(RawDocument(node.data, place))
                elif node.plain != "":
                    what = "a list" if isinstance(node.data, list) else "a single value"
                    glued = _GLUED.match(self.source.span(node.start, node.end).text)
                    hint = _spaced(glued) if glued else ""
                    what = f"a document must be a mapping (`key: value` lines), found {what}"
                    self.report("E004", what, node, hint)
        except (yaml.YAMLError, ValueError, OverflowError) as error:  # the last two: "\UFFFFFFFF"
            index = getattr(self.loader, "index", 0)
            # The broken document is a mapping no less for the text that YAML took for all of it.
            found = [mistake for mistake in self.found if mistake.code != "E004"]
            raise SpecError([*found, _syntax_mistake(self.source, error, index)]) from None
        finally:
            self.loader.dispose()
        if not self.found and not documents:
            self.report("E004", "the file is empty: it holds no document", _Node(0, 0), _START)
        if self.found:
            raise SpecError(self.found)
        return documents

    def node(self, depth: int) -> _Node:
        """The node that the next event begins, complete, `depth` collections deep."""
        event = self.loader.get_event()
        node, size, height = _Node(event.start_mark.index, event.end_mark.index), 1, 0
        if isinstance(event, yaml.AliasEvent):
            target = self.anchors.get(name := event.anchor or "")
            if target is None:
                hint = suggest(name, self.anchors, "anchors before it")
                self.report("E003", f"no anchor '&{name}' stands before this", node, hint)
            elif target.open:
                self.report("E012", f"'*{name}' stands inside what it repeats", node)
            else:
                data, size, height = _copied(target.data)
                node = replace(target, start=node.start, end=node.end, data=data)
        else:
            self.skip_properties(node, event)
            height = int(isinstance(event, yaml.CollectionStartEvent))
        self.count += size
        if depth + height > MAX_DEPTH or self.count > MAX_NODES:
            what = f"there are more than {MAX_NODES:,} values (what an alias repeats counts too)"
            deep = f"the nesting is deeper than {MAX_DEPTH} levels"
            self.report("E007", deep if depth + height > MAX_DEPTH else what, node)
            raise SpecError(self.found)
        if isinstance(event, yaml.ScalarEvent):
            node.plain = event.value if event.implicit[0] else None
            node.data = self.scalar(event.value, node)
        elif isinstance(event, yaml.CollectionStartEvent):
            self.collection(node, event, depth)
        return node

    def skip_properties(self, node: _Node, event: Any) -> None:
        """Move the start of a node behind its anchor and tag; note the one, refuse the other."""
        while (event.anchor or event.tag) and (
            found := _PROPERTY.match(self.source.text, node.start)
        ):
            if event.tag and found[1][0] == "!":
                what = f"the tag '{found[1]}' may not stand in a spec"
                self.report("E006", what, _Node(node.start, found.end(1)), "delete it")
            node.start = found.end()
        if isinstance(event, yaml.ScalarEvent):  # an empty one ends before what follows it
            node.start = min(node.start, node.end)
        if event.anchor:  # now, not when complete: an alias from inside is a cycle
            self.anchors[event.anchor] = node

    def scalar(self, text: str, node: _Node) -> Data:
        """The value of a scalar; only plain ones are anything but text."""
        if _SURROGATE.search(text):
            self.report("E003", "an escape in this text is half a character", node)
        if node.plain is None:
            return text
        try:
            return plain_value(text)
        except OverflowError:
            self.report("E010", "a number must be finite", node)
            return text

    def collection(self, node: _Node, event: Any, depth: int) -> None:
        """Read the items of a list or mapping up to its end; fill in its data and places."""
        node.open = True
        while not isinstance(self.loader.peek_event(), yaml.CollectionEndEvent):
            node.items.append(self.node(depth + 1))
        node.open, node.end = False, self.loader.get_event().end_mark.index
        mapping = isinstance(event, yaml.MappingStartEvent)
        keys, values = (node.items[::2], node.items[1::2]) if mapping else ([], [])
        for key, value in zip(keys, values, strict=True):
            if value.plain == "":  # the parsers differ on where nothing stands
                colon = _COLON.match(self.source.text, key.end)
                value.start = value.end = colon.end() if colon else key.end
        if node.items and self.source.text[node.start] not in "[{":
            node.end = node.items[-1].end  # the parser says the start of the next token
        split = self.traps(node, keys) if event.flow_style else set()
        if not mapping:
            node.data = [item.data for item in node.items]
            node.children = {i: self.place(item, None) for i, item in enumerate(node.items)}
            return
        data: dict[str, Data] = {}
        for key, value in zip(keys, values, strict=True):
            name = None if id(key) in split else self.key(key)
            if name in data:
                first = node.children[name].key
                what = f"the key '{name}' is already given at line {first and first.line}"
                self.report("E005", what, key, "delete or rename one of the two")
            elif name is not None:
                data[name], node.children[name] = value.data, self.place(value, key)
        node.data = data

    def key(self, node: _Node) -> str | None:
        """The name that a key gives, or None after reporting why it cannot be one."""
        if isinstance(node.data, list | dict):
            self.report("E013", "a key must be text, not a list or a mapping", node)
        elif node.data is None or node.data == "":
            self.report("E013", "a key may not be null or empty", node, _QUOTE)
        elif node.plain == "<<":
            what = "the merge key '<<' may not stand in a spec"
            self.report("E009", what, node, "write the keys out, or use `extends`")
        else:  # 012 is the key 12, but true is the key it looks like
            own = node.plain is None or type(node.data) is int
            return str(node.data) if own else node.plain
        return None

    def traps(self, node: _Node, keys: list[_Node]) -> set[int]:
        """Report text in `{...}` or `[...]` that YAML split; the ids of the nodes it became."""
        # Keys with neither value nor colon, such as `b` in `{a: 1, b}`.
        bare = {
            id(k)
            for k, v in zip(keys, node.items[1::2], strict=False)
            if v.plain == "" and v.end == k.end
        }
        split: set[int] = set()
        pieces = [item for item in node.items if item.plain != ""]
        for i, piece in enumerate(pieces):
            if id(piece) in split:
                continue
            parts, depth = [piece], _unclosed(piece)
            while depth > 0 and len(parts) < min(9, len(pieces) - i):
                parts.append(pieces[i + len(parts)])
                depth += _unclosed(parts[-1])
            if len(parts) == 1 and id(piece) in bare:
                if glued := _GLUED.fullmatch(piece.plain or ""):
                    self.report("E003", "a space is missing after the ':'", piece, _spaced(glued))
                    split.add(id(piece))
                elif i and " " in (piece.plain or ""):  # `{for: c in 0..n, l in lo..hi}`
                    parts = pieces[i - 1 : i + 1]
            ids = {id(part) for part in parts}
            if len(parts) > 1 and (depth <= 0 or not keys or bare & ids):
                split |= ids
                whole, text = _Node(parts[0].start, parts[-1].end), self.source.text
                read = " and ".join(f"'{text[part.start : part.end]}'" for part in parts)
                hint = f'quote "{text[whole.start : whole.end]}", or write it on a line of its own'
                hint = _ONE_LOOP if re.match(r"\w+ in ", text[whole.start : whole.end]) else hint
                self.report("E011", f"YAML split this text at a comma: {read}", whole, hint)
        return split

    def place(self, node: _Node, key: _Node | None = None) -> Place:
        above = self.source.span(key.start, key.end) if key else None
        return Place(self.source.span(node.start, node.end), above, node.children)

    def report(self, code: str, what: str, node: _Node, hint: str = "") -> None:
        self.found.append(self.source.mistake(code, what, node.start, node.end, hint))


def _copied(data: Data) -> tuple[Data, int, int]:
    """A copy, so that two aliases of one anchor can be changed apart; its size and height."""
    if isinstance(data, dict):
        items = [_copied(value) for value in data.values()]
        size = 1 + len(items)
        copy: Data = {key: item[0] for key, item in zip(data, items, strict=True)}
    elif isinstance(data, list):
        items, size = [_copied(value) for value in data], 1
        copy = [item[0] for item in items]
    else:
        return data, 1, 0
    return copy, size + sum(i[1] for i in items), 1 + max((i[2] for i in items), default=0)


def _spaced(glued: re.Match[str]) -> str:
    return f"put a space after the colon: `{glued[2]} {glued[0][glued.end(2) :]}`"


def _unclosed(node: _Node) -> int:
    """How many parentheses a plain scalar opens and does not close."""
    return (node.plain or "").count("(") - (node.plain or "").count(")")


_QUOTE = "if this is meant as text, put it in quotes"
_ONE_LOOP = "a loop has one range, 'l in 3..5'; loops in loops are groups: {for: ..., nodes: [...]}"
_START = "a document starts with its kind: `topology: my-neck`; `archgraph new` writes one"
_INDENT = "the keys of a mapping start in one column, deeper than the key above them"
_OPEN, _COMMA = "an open bracket is not closed", f"commas separate entries; {_QUOTE}"
# PyYAML's words -> our message, help; `@` where the place of PyYAML's context says more.
_SYNTAX = [
    (r"quoted scalar.*unexpected end", "@this quote is never closed", "add the closing quote"),
    (r"unknown escape character '(.*)'", r"'\{0}' is no escape", "use single quotes"),
    (r"an anchor|an alias", "@'*' and '&' begin an alias and an anchor in YAML", _QUOTE),
    (r"\btag\b", "@a tag may not stand in a spec", _QUOTE),
    (r"directive", "@a line that starts with '%' is a directive of YAML", _QUOTE),
    (r"block scalar", "only a comment may follow '|' or '>'", "start the text on the next line"),
    (r"(got|flow node.*) '<(stream|document)", "@this bracket is never closed", "close it"),
    (r"expected (',' or '.'), but got '([]}])'", "expected {0}, found '{1}'", _OPEN),
    (r"expected (',' or '.'), but got '(.*)'", "expected {0}, found '{1}'", _COMMA),
    (r"could not find expected ':'", "@a ':' is missing after this key", _INDENT),
    (r"mapping values are not", "a ':' may not stand here", f"{_QUOTE}; {_INDENT}"),
    (r"mapping keys are not", "a '?' begins a key in YAML", _QUOTE),
    (r"sequence entries are not", "a list may not start here", "start it on a new line"),
    (r"found character '(.)'", "text cannot start with '{0}'", _QUOTE),
    (r"but found '<scalar>'", "text goes on after a closing quote", "put all of it in quotes"),
    (r"but found '(<.*|[-?])'", "this does not belong here", _INDENT),
    (r"but found '(.*)'", "'{0}' may not stand here", _QUOTE),
]


def _syntax_mistake(source: _Source, error: Exception, index: int) -> Diagnostic:
    """PyYAML's error in our words; `index` is the place of an error that has none."""
    text, told, at, before = source.text, "an escape or version is out of range", index, index
    if isinstance(error, yaml.MarkedYAMLError):
        mark: Any = error.problem_mark or error.context_mark
        at, before = mark.index, (error.context_mark or mark).index
        told = f"{error.context or ''} {error.problem}".strip()
    row = source.span(at, at).line - 1
    tab = re.match(r" *\t", source.lines[row])
    if tab or text[at : at + 1] == "\t":
        at = source.starts[row] + tab.end() - 1 if tab else at
        what = "a tab is used as indentation" if tab else "a tab stands between words"
        return source.mistake("E008", what, at, at + 1, "use spaces")
    word = re.search(r"[^\s,\[\]{}:]+$", text[max(at - 80, 0) : at])
    if word and text[at : at + 1] in ("{", "[") and "but got" in told:
        what = f"text inside braces or brackets may not hold a '{text[at]}'"
        step = re.match(r"\{(\w+=[^{}\r\n]*)\}", text[at:])
        settings = " ".join(step[1].replace(",", " ").split()) if step else ""
        hint = f"a step is written `name key=value key=value`: `{word[0]} {settings}`"
        hint = hint if step else f"put the text in quotes, or write a name as `{word[0]}<l>`"
        return source.mistake("E003", what, at, at + 1, hint)
    for near in [source.span(before, before).line - 1, row, max(row - 1, 0)]:
        glued = _GLUED.match(source.lines[near])
        if glued and re.search(r"mapping values|expected (':'|',')", told):
            start, end = (source.starts[near] + glued.span(2)[0], source.starts[near] + glued.end())
            what = "a space is missing after the ':'"
            return source.mistake("E003", what, start, end, _spaced(glued))
    if dash := re.match(r" *-(?=[\w{[])", source.lines[row]):
        what, hint = "a space is missing after the '-'", "an entry of a list is written `- entry`"
        start = source.starts[row] + dash.end() - 1
        return source.mistake("E003", what, start, start + 1, hint)
    for pattern, message, hint in _SYNTAX:
        if found := re.search(pattern, told):
            at = before if message[0] == "@" else at
            if re.search(r"\S \? .* : ", source.lines[row]):
                hint = "a choice is written `a if condition else b`"
            what = message.lstrip("@").format(*found.groups())
            return source.mistake("E006" if "tag" in pattern else "E003", what, at, at + 1, hint)
    return source.mistake("E003", f"this is not YAML: {told}", at, at + 1)
