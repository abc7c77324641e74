"""The one exact text form of a graph: printed for people and diffs, parsed back without loss.

    graph bifpn stage=pyramid
      settings {"act": "relu", "norm": "batch-norm eps=1e-05 momentum=0.1"}
      edges {"up": ["resize mode=nearest"]}
      template conv-norm {"channels": null, "kernel": "1"} {"conv.kernel": "kernel"}
      scope <root> = bifpn(in3, in4) -> (td3, out4) {"levels": "3..4"}
      in3 = input {level=3, channels=64}  # specs/topologies/panet.yaml:3:1
      td3 = fuse(in3, in4) {level=3, channels=64, fusion=fast}  # specs/topologies/panet.yaml:9:5
      return p3=td3

Fields that have their default are left out; at OPERATORS every node shows its type. A scope whose
weights live elsewhere says `module=`, one of its calls with weights of their own `key=`, a node
likewise `weights=`. A location keeps file, line and column. What `Scope.doc` and edge locations
say is not part of the form.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import Any

from archgraph.errors import Location
from archgraph.expressions import Step
from archgraph.ir.graph import Edge, EdgeSteps, Graph, Node, Scope, Template
from archgraph.ir.settings import Settings
from archgraph.ir.types import FeatureType, Stage

ROOT = "<root>"
BARE = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*\Z")
JSON_WORDS = frozenset({"true", "false", "null", "NaN", "Infinity"})

Json = Any


def print_graph(graph: Graph) -> str:
    """The text form of `graph`; `text_parser.parse_graph` gives the graph back."""
    lines = [f"graph {graph.name} stage={graph.stage.value}"]
    for path, settings in graph.inherited.items():
        if settings:
            where = f"{path} " if path else ""
            lines.append(f"  settings {where}{json.dumps(_settings_json(settings))}")
    if graph.policy is not None:
        lines.append(f"  edges {json.dumps(_edge_steps_json(graph.policy))}")
    lines += [f"  {_template_text(template)}" for template in graph.templates.values()]
    lines += [f"  {_scope_text(scope)}" for scope in graph.scopes.values()]
    types = _types(graph)
    lines += [f"  {_node_text(graph, node, types.get(node.name))}" for node in graph]
    results = ", ".join(f"{label}={name}" for label, name in graph.outputs.items())
    lines.append(f"  return {results}")
    return "\n".join(lines) + "\n"


def fingerprint(graph: Graph) -> str:
    """A short text that two graphs share when they are the same network.

    Places and hints may change without the network changing.
    """
    text = re.sub(r"\s+# .*|  template .*\n", "", print_graph(graph))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


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


def _template_text(template: Template) -> str:
    parts = [dict(template.defaults), dict(template.expressions)]
    return f"template {template.block} {' '.join(json.dumps(part) for part in parts)}"


def _scope_text(scope: Scope) -> str:
    text = f"scope {scope.path or ROOT} = {scope.block}({', '.join(scope.inputs)})"
    text += f" -> ({', '.join(scope.outputs)})"
    if scope.module != scope.path:
        text += f" module={scope.module}"
    if scope.key:
        text += f" key={scope.key}"
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
            bare = BARE.match(value) and value not in JSON_WORDS
            return value if bare else json.dumps(value)
        case Step():
            return _value_text(_step_json(value))
        case tuple() if all(isinstance(part, str) for part in value):
            return json.dumps(value)
        case tuple():
            if len(value) == 1 and not isinstance(_step_json(value[0]), dict):
                return _value_text(value[0])
            return json.dumps([_step_json(step) for step in value])
        case Settings():
            return json.dumps(_settings_json(value))
        case _:
            return json.dumps(value)


def _step_json(step: Step) -> Json:
    """A step's short form; what that cannot say (conditions, blanks in a value) as a mapping."""
    spaced = any(" " in a.text for a in step.arguments)
    more = {
        "when": step.when and step.when.text,
        "repeat": step.repeat and step.repeat.text,
        "first": {a.key: a.text for a in step.first},
        "share": step.share,
    }
    said = {key: value for key, value in more.items() if value}
    if not said and not spaced:
        return step.text
    found: dict[str, Json] = {"use": step.use if spaced else step.text}
    if spaced:
        found["with"] = {a.key: a.text for a in step.arguments}
    return {**found, **said}


def _settings_json(settings: Settings) -> Json:
    found: dict[str, Json] = {}
    for field in fields(settings):
        value = getattr(settings, field.name)
        if value is not None:
            found[field.name] = _step_json(value) if isinstance(value, Step) else value
    return found


def _edge_steps_json(steps: EdgeSteps) -> Json:
    found: dict[str, Json] = {}
    for role in ("project", "up", "down"):
        chain: tuple[Step, ...] | None = getattr(steps, role)
        if chain is not None:
            found[role] = [_step_json(step) for step in chain]
    if not steps.resample:
        found["resample"] = False
    return found
