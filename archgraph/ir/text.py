"""The one exact text form of a graph: printed for people and diffs, parsed back without loss.

    graph bifpn stage=pyramid
      settings {"act": "relu", "norm": "batch-norm eps=1e-05 momentum=0.1"}
      edges {"up": ["resize mode=nearest"]}
      scope <root> = bifpn(in3, in4) -> (td3, out4) {"levels": "3..4"}
      in3 = input {level=3, channels=64}  # specs/topologies/panet.yaml:3:1
      td3 = fuse(in3, in4) {level=3, channels=64, fusion=fast}  # specs/topologies/panet.yaml:9:5
      return p3=td3

Fields that have their default are left out; at OPERATORS every node shows its type. A location
keeps file, line and column. What `Scope.doc` and edge locations say is not part of the form.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import Any

from archgraph.errors import Diagnostic, Location, SpecError, TextError
from archgraph.expressions import Step, parse_expression, parse_step
from archgraph.ir.graph import Edge, EdgeSteps, Graph, Node, Scope
from archgraph.ir.ops import VOCABULARY, Op
from archgraph.ir.settings import Settings
from archgraph.ir.types import FeatureType, Stage

ROOT = "<root>"
BARE = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*\Z")
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z0-9_]+)*")
BLOCK_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
LOCATION = re.compile(r"#\s(.+):(\d+):(\d+)\Z")
TYPE = re.compile(r"P(-?\d+) x (\d+)")

Json = Any


# --- printing ------------------------------------------------------------------------------


def print_graph(graph: Graph) -> str:
    """The text form of `graph`; `parse_graph` gives the graph back."""
    lines = [f"graph {graph.name} stage={graph.stage.value}"]
    if graph.settings.given():
        lines.append(f"  settings {json.dumps(dict(graph.settings.given()))}")
    if graph.policy is not None:
        lines.append(f"  edges {json.dumps(_edge_steps_json(graph.policy))}")
    lines += [f"  {_scope_text(scope)}" for scope in graph.scopes.values()]
    types = _types(graph)
    lines += [f"  {_node_text(graph, node, types.get(node.name))}" for node in graph]
    results = ", ".join(f"{label}={name}" for label, name in graph.outputs.items())
    lines.append(f"  return {results}")
    return "\n".join(lines) + "\n"


def _types(graph: Graph) -> Mapping[str, FeatureType]:
    return graph.infer_types() if graph.stage is Stage.OPERATORS else {}


def _node_text(graph: Graph, node: Node, result: FeatureType | None) -> str:
    operands = ", ".join(_edge_text(edge) for edge in graph.inputs(node.name))
    text = f"{node.name} = {node.op.kind}"
    if operands:
        text += f"({operands})"
    values = [
        f"{field.name}={_value_text(getattr(node.op, field.name))}"
        for field in fields(node.op)
        if field.default is MISSING or getattr(node.op, field.name) != field.default
    ]
    if values:
        text += f" {{{', '.join(values)}}}"
    if node.scope != node.name.rpartition(".")[0]:
        text += f" scope={node.scope or ROOT}"
    if node.weights != node.name:
        text += f" weights={node.weights}"
    if result:
        text += f" : {result}"
    return text + _location_text(node.location)


def _edge_text(edge: Edge) -> str:
    text = edge.source
    if edge.name != edge.source.rpartition(".")[2]:
        text += f" as {edge.name}"
    if edge.steps.written:
        text += f" via {json.dumps(_edge_steps_json(edge.steps))}"
    return text


def _scope_text(scope: Scope) -> str:
    text = f"scope {scope.path or ROOT} = {scope.block}({', '.join(scope.inputs)})"
    text += f" -> ({', '.join(scope.outputs)})"
    if scope.arguments:
        text += f" {json.dumps(dict(scope.arguments))}"
    return text + _location_text(scope.location)


def _location_text(location: Location | None) -> str:
    return f"  # {location}" if location else ""


def _value_text(value: object) -> str:
    match value:
        case bool() | int() | float():
            return json.dumps(value)
        case str():
            return value if BARE.match(value) else json.dumps(value)
        case Step():
            return _value_text(_step_json(value))
        case tuple():
            if len(value) == 1 and not isinstance(_step_json(value[0]), dict):
                return _value_text(value[0])
            return json.dumps([_step_json(step) for step in value])
        case Settings():
            return json.dumps(dict(value.given()))
        case _:
            return json.dumps(value)


def _step_json(step: Step) -> Json:
    return {"use": step.text, "when": step.when.text} if step.when else step.text


def _edge_steps_json(steps: EdgeSteps) -> Json:
    found: dict[str, Json] = {}
    for role in ("project", "up", "down"):
        chain: tuple[Step, ...] | None = getattr(steps, role)
        if chain is not None:
            found[role] = [_step_json(step) for step in chain]
    if not steps.resample:
        found["resample"] = False
    return found


# --- parsing -------------------------------------------------------------------------------


def parse_graph(text: str) -> Graph:
    """The graph whose text form is `text`.

    Raises:
        TextError: E402, placed by line, where the text is not of this form or a type shown is
            not the one the operators give.
    """
    lines = text.splitlines()
    graph: Graph | None = None
    shown: dict[str, FeatureType] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        reader = _LineReader(line, number)
        try:
            if graph is None:
                graph = _parse_head(reader)
            else:
                _parse_line(graph, reader, shown)
        except (ValueError, KeyError, TypeError) as error:
            raise reader.error(str(error)) from None
        except SpecError as error:
            raise reader.error(error.diagnostics[0].message) from None
    if graph is None:
        raise TextError(Diagnostic("E402", "the text of a graph is empty"))
    for name, result in (_types(graph) if shown else {}).items():
        if shown.get(name, result) != result:
            message = f"'{name}' is shown as {shown[name]}, but its operator gives {result}"
            raise TextError(Diagnostic("E402", message))
    return graph


def _parse_head(reader: _LineReader) -> Graph:
    reader.expect("graph")
    name = reader.match(BLOCK_NAME)
    reader.expect("stage=")
    graph = Graph(name, Stage(reader.match(BLOCK_NAME)))
    reader.end()
    return graph


def _parse_line(graph: Graph, reader: _LineReader, shown: dict[str, FeatureType]) -> None:
    if reader.accept("settings "):
        graph.settings = _settings_from(reader.json())
        reader.end()
    elif reader.accept("edges "):
        graph.policy = _edge_steps_from(reader.json())
        reader.end()
    elif reader.accept("scope "):
        _parse_scope(graph, reader)
    elif reader.accept("return"):
        outputs: dict[str, str] = {}
        while not reader.done():
            label = reader.match(NAME)
            reader.expect("=")
            outputs[label] = reader.match(NAME)
            reader.accept(",")
        graph.set_outputs(outputs)
    else:
        _parse_node(graph, reader, shown)


def _parse_scope(graph: Graph, reader: _LineReader) -> None:
    path = "" if reader.accept(ROOT) else reader.match(NAME)
    reader.expect("=")
    block = reader.match(BLOCK_NAME)
    inputs = reader.names()
    reader.expect("->")
    outputs = reader.names()
    arguments = reader.json() if reader.peek("{") else {}
    graph.scopes[path] = Scope(
        path, block, tuple(arguments.items()), inputs, outputs, reader.location()
    )
    reader.end()


def _parse_node(graph: Graph, reader: _LineReader, shown: dict[str, FeatureType]) -> None:
    name = reader.match(NAME)
    reader.expect("=")
    kind = reader.match(BLOCK_NAME)
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
    if reader.accept(":"):
        found = reader.pattern(TYPE)
        shown[name] = FeatureType(int(found[1]), int(found[2]))
    graph.add(Node(name, op, scope, weights, reader.location()), edges)
    reader.end()


def _parse_edge(reader: _LineReader) -> Edge:
    source = reader.match(NAME)
    name = source.rpartition(".")[2]
    if reader.accept("as "):
        name = reader.match(NAME)
    steps = _edge_steps_from(reader.json()) if reader.accept("via ") else EdgeSteps()
    return Edge(source, name, steps)


def _parse_op(kind: type[Op], reader: _LineReader) -> Op:
    types = {field.name: str(field.type) for field in fields(kind)}
    values: dict[str, Json] = {}
    if reader.accept("{"):
        while not reader.accept("}"):
            key = reader.match(NAME)
            reader.expect("=")
            if key not in types:
                raise reader.error(f"'{kind.kind}' has no field '{key}'")
            raw = reader.json() if reader.special() else reader.match(BLOCK_NAME)
            values[key] = _value_from(types[key], raw)
            reader.accept(",")
    return kind(**values)


def _value_from(hint: str, raw: Json) -> Json:
    if hint == "Step":
        return _step_from(raw)
    if hint == "tuple[Step, ...]":
        return _steps_from(raw)
    if hint == "Settings":
        return _settings_from(raw)
    return float(raw) if hint == "float" else raw


def _step_from(raw: Json) -> Step:
    if isinstance(raw, dict):
        step = parse_step(raw["use"])
        return Step(step.use, step.arguments, parse_expression(raw["when"]))
    return parse_step(raw)


def _steps_from(raw: Json) -> tuple[Step, ...]:
    return tuple(_step_from(part) for part in (raw if isinstance(raw, list) else [raw]))


def _edge_steps_from(raw: Json) -> EdgeSteps:
    chains = {role: _steps_from(raw[role]) for role in ("project", "up", "down") if role in raw}
    return EdgeSteps(**chains, resample=raw.get("resample", True))


def _settings_from(raw: Json) -> Settings:
    act, norm = (parse_step(raw[key]) if key in raw else None for key in ("act", "norm"))
    return Settings(act, norm, raw.get("padding"), raw.get("bias"))


class _LineReader:
    """Reads one line from left to right; blanks between parts do not matter."""

    def __init__(self, text: str, number: int) -> None:
        self.text = text
        self.number = number
        self.position = 0
        self._skip()

    def error(self, message: str) -> TextError:
        column = self.position + 1
        where = Location("<text>", self.number, column, column + 1, self.text)
        return TextError(Diagnostic("E402", message, where))

    def accept(self, word: str) -> bool:
        if not self.text.startswith(word, self.position):
            return False
        self.position += len(word)
        self._skip()
        return True

    def expect(self, word: str) -> None:
        if not self.accept(word):
            raise self.error(f"expected '{word}'")

    def peek(self, word: str) -> bool:
        return self.text.startswith(word, self.position)

    def special(self) -> bool:
        """Whether the next value is JSON rather than a bare word."""
        rest = self.text[self.position :]
        return bool(re.match(r'[-\d"\[{]|(?:true|false|null|NaN|Infinity)\b', rest))

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
