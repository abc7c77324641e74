"""The text form of a graph, read back."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, fields
from typing import Any, Literal, get_args, get_origin, get_type_hints

from archgraph.errors import ArchgraphError, Diagnostic, Location, TextError
from archgraph.expressions import Argument, Step, parse_expression, parse_step
from archgraph.ir.graph import Edge, EdgeSteps, Graph, Node, Scope, Template
from archgraph.ir.op import Op, least
from archgraph.ir.ops import VOCABULARY
from archgraph.ir.settings import INITS, PADDINGS, Settings
from archgraph.ir.text import ROOT
from archgraph.ir.types import GLOBAL, FeatureType, Stage

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z0-9_]+)*")
KEY = re.compile(r"[A-Za-z0-9_]+")
WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
LOCATION = re.compile(r"#\s(.+):(\d+):(\d+)\Z")
TYPE = re.compile(r"(?:P(\d+)|global) x (\d+)(?:( loose)(?: (\d+))?)?")
SCOPE = re.compile(r"scope\s+[^\s=]+\s*=")
TEMPLATE = re.compile(r"template\s+[^\s={]+\s*\{")
JSON_VALUE = re.compile(r'[-\d"\[{]|(?:true|false|null|NaN|Infinity)(?![\w-])')

Json = Any


@dataclass
class _ParsedNode:
    """A node's line: operands are connected once all nodes are known."""

    node: Node
    edges: list[Edge]
    shown: FeatureType | None
    reader: _LineReader


def parse_graph(text: str) -> Graph:
    """The graph whose text form is `text`.

    Raises:
        TextError: E402, placed by line, where the text is not of this form, an operator does
            not fit its operands, or a type shown is not the one the operator gives.
    """
    graph: Graph | None = None
    nodes: dict[str, _ParsedNode] = {}
    results: list[_LineReader] = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        reader = _LineReader(line, number)
        with reader:
            if graph is None:
                graph = _parse_head(reader)
            elif reader.accept_word("return"):
                results.append(reader)
            else:
                _parse_line(graph, reader, nodes)
    if graph is None:
        raise TextError(Diagnostic("E402", "the text of a graph is empty"))
    for parsed in nodes.values():
        graph.add(parsed.node)
    for name, parsed in nodes.items():
        with parsed.reader:
            graph.set_inputs(name, parsed.edges)
    for reader in results:
        with reader:
            _parse_return(graph, reader)
    if graph.stage is Stage.OPERATORS:
        _check_types(graph, nodes)
    return graph


def _check_types(graph: Graph, nodes: dict[str, _ParsedNode]) -> None:
    types: dict[str, FeatureType] = {}
    for node in graph.order():
        parsed = nodes[node.name]
        with parsed.reader:
            low, high = node.op.arity
            if len(parsed.edges) < low or (high is not None and len(parsed.edges) > high):
                raise ValueError(f"{node.op.kind} does not take {len(parsed.edges)} operands")
            types[node.name] = node.op.infer([types[edge.source] for edge in parsed.edges])
            found = types[node.name]
            if parsed.shown not in (None, found):
                shown = f"'{node.name}' is shown as {parsed.shown}"
                raise ValueError(f"{shown}, but its operator gives {found}")


def _parse_head(reader: _LineReader) -> Graph:
    reader.expect("graph")
    name = reader.match(WORD)
    reader.expect("stage=")
    graph = Graph(name, Stage(reader.match(WORD)))
    reader.end()
    return graph


def _parse_line(graph: Graph, reader: _LineReader, nodes: dict[str, _ParsedNode]) -> None:
    if not reader.is_node() and reader.accept_word("settings"):
        path = "" if reader.peek("{") else reader.match(NAME)
        graph.inherited[path] = _settings_from(reader.json())
        reader.end()
    elif not reader.is_node() and reader.accept_word("edges"):
        graph.policy = _edge_steps_from(reader.json())
        reader.end()
    elif SCOPE.match(reader.text, reader.position):
        reader.accept_word("scope")
        _parse_scope(graph, reader)
    elif TEMPLATE.match(reader.text, reader.position):
        reader.accept_word("template")
        _parse_template(graph, reader)
    else:
        parsed = _parse_node(reader)
        if parsed.node.name in nodes:
            raise ValueError(f"'{parsed.node.name}' is in the graph already")
        nodes[parsed.node.name] = parsed


def _parse_return(graph: Graph, reader: _LineReader) -> None:
    outputs: dict[str, str] = {}
    while not reader.done():
        label = reader.match(NAME)
        reader.expect("=")
        outputs[label] = reader.match(NAME)
        reader.accept(",")
    graph.set_outputs(outputs)


def _parse_template(graph: Graph, reader: _LineReader) -> None:
    block = reader.match(WORD)
    defaults, expressions = _mapping(reader.json()), _mapping(reader.json())
    reader.end()
    template = Template(block, tuple(defaults.items()), tuple(expressions.items()))
    graph.templates[block] = template


def _parse_scope(graph: Graph, reader: _LineReader) -> None:
    path = "" if reader.accept(ROOT) else reader.match(NAME)
    reader.expect("=")
    block = reader.match(WORD)
    inputs = reader.names()
    reader.expect("->")
    outputs = reader.names()
    module = reader.match(NAME) if reader.accept("module=") else path
    key = reader.match(KEY) if reader.accept("key=") else ""
    arguments = _mapping(reader.json()) if reader.peek("{") else {}
    location = reader.location()
    reader.end()
    given = tuple(arguments.items())
    scope = Scope(path, block, given, inputs, outputs, location, module=module, key=key)
    graph.scopes[path] = scope


def _parse_node(reader: _LineReader) -> _ParsedNode:
    name = reader.match(NAME)
    reader.expect("=")
    kind = reader.match(WORD)
    if kind not in VOCABULARY:
        raise reader.error(f"'{kind}' is not an operation")
    edges: list[Edge] = []
    if reader.accept("("):
        while not reader.accept(")"):
            edges.append(_parse_edge(reader))
            reader.accept(",")
    op = _parse_op(VOCABULARY[kind], reader)
    scope, weights = name.rpartition(".")[0], name
    if reader.accept("scope="):
        scope = "" if reader.accept(ROOT) else reader.match(NAME)
    if reader.accept("weights="):
        weights = reader.match(NAME)
    shown: FeatureType | None = None
    if reader.accept(":"):
        found = reader.pattern(TYPE)
        level = GLOBAL if found[1] is None else int(found[1])
        loose = int(found[4] or 1) if found[3] else 0
        shown = FeatureType(level, int(found[2]), loose)
    node = Node(name, op, scope, weights, reader.location())
    reader.end()
    return _ParsedNode(node, edges, shown, reader)


def _parse_edge(reader: _LineReader) -> Edge:
    source = reader.match(NAME)
    name = source.rpartition(".")[2]
    if reader.accept("as "):
        name = reader.match(NAME)
    steps = _edge_steps_from(reader.json()) if reader.accept("via ") else EdgeSteps()
    return Edge(source, name, steps)


def _parse_op(kind: type[Op], reader: _LineReader) -> Op:
    hints = get_type_hints(kind)
    known = {field.name: field for field in fields(kind)}
    values: dict[str, Json] = {}
    if reader.accept("{"):
        while not reader.accept("}"):
            key = reader.match(NAME)
            reader.expect("=")
            if key not in known:
                raise reader.error(f"'{kind.kind}' has no field '{key}'")
            json_value = JSON_VALUE.match(reader.text, reader.position)
            raw = reader.json() if json_value else reader.match(WORD)
            values[key] = _value_from(key, hints[key], raw, least(known[key]))
            reader.accept(",")
    return kind(**values)


def _value_from(key: str, hint: Any, raw: Json, smallest: int | None) -> Json:
    """A field's value; what is not of the field's type is refused."""
    if hint is Step:
        return _step_from(raw)
    if hint == tuple[Step, ...]:
        return _steps_from(raw)
    if hint is Settings:
        return _settings_from(raw)
    if hint == tuple[str, ...] and isinstance(raw, list):
        return tuple(str(part) for part in raw)
    number = isinstance(raw, int | float) and not isinstance(raw, bool)
    if hint is float and number and (smallest is None or raw >= smallest):
        return float(raw)
    first = 1 if smallest is None else smallest
    if hint is int and number and isinstance(raw, int) and raw >= first:
        return raw
    if hint is str and isinstance(raw, str):
        return raw
    if hint is bool and isinstance(raw, bool):
        return raw
    if get_origin(hint) is Literal and raw in get_args(hint):
        return raw
    raise ValueError(f"'{key}' cannot be {raw!r}")


def _mapping(raw: Json) -> dict[str, Json]:
    if not isinstance(raw, dict):
        raise ValueError(f"expected a mapping, not {raw!r}")
    return raw


def _step_from(raw: Json) -> Step:
    if isinstance(raw, str):
        return parse_step(raw)
    given = _mapping(raw)
    step = parse_step(given["use"])
    extra = tuple(Argument(key, text) for key, text in given.get("with", {}).items())
    when = parse_expression(given["when"]) if "when" in given else None
    repeat = parse_expression(given["repeat"]) if "repeat" in given else None
    first = tuple(Argument(key, text) for key, text in given.get("first", {}).items())
    arguments = (*step.arguments, *extra)
    return Step(step.use, arguments, when, None, repeat, first, given.get("share", ""))


def _steps_from(raw: Json) -> tuple[Step, ...]:
    return tuple(_step_from(part) for part in (raw if isinstance(raw, list) else [raw]))


def _edge_steps_from(raw: Json) -> EdgeSteps:
    given = _mapping(raw)
    project, up, down = (
        _steps_from(given[role]) if role in given else None for role in ("project", "up", "down")
    )
    return EdgeSteps(project, up, down, resample=given.get("resample", True))


def _settings_from(raw: Json) -> Settings:
    given = _mapping(raw)
    for key, value in given.items():
        allowed = {
            "act": isinstance(value, str | dict),
            "norm": isinstance(value, str | dict),
            "padding": value in PADDINGS,
            "bias": isinstance(value, bool),
            "init": value in INITS,
        }
        if not allowed.get(key, False):
            raise ValueError(f"setting '{key}' cannot be {value!r}")
    act, norm = (_step_from(given[key]) if key in given else None for key in ("act", "norm"))
    return Settings(act, norm, given.get("padding"), given.get("bias"), given.get("init"))


class _LineReader:
    """Reads one line from left to right; blanks between parts do not matter.

    As a context it places whatever goes wrong inside it.
    """

    def __init__(self, text: str, number: int) -> None:
        self.text = text
        self.number = number
        self.position = 0
        self._skip()

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, _: object) -> None:
        if isinstance(error, TextError) or error is None:
            return
        if isinstance(error, ArchgraphError):
            raise self.error(error.diagnostics[0].message) from None
        if isinstance(error, ValueError | KeyError | TypeError | AttributeError):
            raise self.error(str(error)) from None
        if isinstance(error, RecursionError):
            raise self.error("values are nested too deeply") from None

    def error(self, message: str) -> TextError:
        column = self.position + 1
        where = Location("<text>", self.number, column, column + 1, self.text)
        return TextError(Diagnostic("E402", message, where))

    def is_node(self) -> bool:
        """Whether the line gives a value a name, whatever the name is."""
        found = NAME.match(self.text, self.position)
        return bool(found) and self.text[found.end() :].lstrip().startswith("=") if found else False

    def accept(self, word: str) -> bool:
        if not self.text.startswith(word, self.position):
            return False
        self.position += len(word)
        self._skip()
        return True

    def accept_word(self, word: str) -> bool:
        following = self.text[self.position + len(word) :][:1]
        return not following.strip() and self.accept(word)

    def expect(self, word: str) -> None:
        if not self.accept(word):
            raise self.error(f"expected '{word}'")

    def peek(self, word: str) -> bool:
        return self.text.startswith(word, self.position)

    def pattern(self, pattern: re.Pattern[str]) -> re.Match[str]:
        found = pattern.match(self.text, self.position)
        if not found:
            raise self.error("unexpected text")
        self.position = found.end()
        self._skip()
        return found

    def match(self, pattern: re.Pattern[str]) -> str:
        return self.pattern(pattern)[0]

    def names(self) -> tuple[str, ...]:
        self.expect("(")
        found: list[str] = []
        while not self.accept(")"):
            found.append(self.match(NAME))
            self.accept(",")
        return tuple(found)

    def json(self) -> Json:
        value, self.position = json.JSONDecoder().raw_decode(self.text, self.position)
        self._skip()
        return value

    def location(self) -> Location | None:
        if not self.peek("# "):
            return None
        file, line, column = self.pattern(LOCATION).groups()
        return Location(file, int(line), int(column))

    def done(self) -> bool:
        return self.position >= len(self.text)

    def end(self) -> None:
        if not self.done():
            raise self.error("unexpected text")

    def _skip(self) -> None:
        while self.position < len(self.text) and self.text[self.position] == " ":
            self.position += 1
