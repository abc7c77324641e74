"""Heads that are called once a level, with norms of their own for each."""

from __future__ import annotations

import pickle
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from archgraph.codegen import emit, load_module
from archgraph.errors import CodegenError
from archgraph.ir import Graph, Node, parse_graph, print_graph
from archgraph.ir.ops import Activation, BatchNorm, Conv
from tests.codegen.detectors import SIZE, body_of, changed, checked, detector, flat
from tests.codegen.printed import class_of

# --- weights of one call ----------------------------------------------------------------------


def test_a_tower_with_norms_per_level_is_what_a_person_would_write() -> None:
    text = checked(detector())
    step = body_of(text, "TowerStep")
    norm = "level: nn.BatchNorm2d(channels, eps=0.001, momentum=0.01)"
    assert 'levels = ("p3", "p4", "p5") self.norm' in step
    assert f"nn.ModuleDict( {{{norm} for level in levels}} )" in step
    assert "def forward(self, x: Tensor, level: str) -> Tensor:" in step
    assert "self.norm[level](self.pointwise(x))" in step
    head = body_of(text, "Head")
    assert "self.tower = nn.ModuleList([TowerStep(in_channels, in_channels) for" in head
    assert "for block in self.tower: x = block(x, level) x = self.predict(x)" in head
    assert "level" not in body_of(text, "Separable")
    network = body_of(text, "TinyDetector")
    assert 'features = {"p3": p3, "p4": p4, "p5": p5}' in network
    assert "classes = [self.classes(x, level) for level, x in features.items()]" in network
    assert "boxes = [self.boxes(x, level) for level, x in features.items()]" in network
    assert network.endswith("return classes, boxes")


def test_keys_are_those_of_the_graph() -> None:
    graph = detector()
    keys = set(load_module(emit(graph)).state_dict())
    types = graph.infer_types()
    wanted = set()
    for node in graph:
        operands = [types[edge.source] for edge in graph.inputs(node.name)]
        names = [*node.op.parameters(operands), *node.op.buffers(operands)]
        wanted |= {f"{node.weights}.{name}" for name in names}
    assert keys == wanted
    assert "classes.tower.0.norm.p4.running_mean" in keys
    assert "classes.tower.0.depthwise.weight" in keys


@pytest.mark.parametrize("levels", [1, 2, 5])
def test_any_number_of_levels(levels: int) -> None:
    text = checked(detector(levels, cells=1))
    assert "level: str" in class_of(text, "Head")
    assert text.count("class TowerStep(") == 1


def test_the_text_form_keeps_keys() -> None:
    graph = detector()
    text = print_graph(graph)
    assert "  scope classes.p4 = head(x) -> () module=classes key=p4 {" in text
    again = parse_graph(text)
    assert again == graph
    assert "level: str" in class_of(emit(again).text, "Head")


def test_levels_in_a_list_written_out_by_hand() -> None:
    """A norm that differs from the others is written out in the mapping."""
    text = checked(detector())
    assert 'levels = ("p3", "p4", "p5")' in text
    one = checked(detector(levels=1, cells=1))
    assert 'nn.ModuleDict({"p3": nn.BatchNorm2d(channels, eps=0.001, momentum=0.01)})' in one


# --- mutations --------------------------------------------------------------------------------


def scoped(graph: Graph, path: str, **fields: object) -> Graph:
    """The graph with other fields in one scope."""
    other = graph.copy()
    other.scopes[path] = replace(graph.scopes[path], **fields)  # type: ignore[arg-type]
    return other


ACT = "classes.p4.tower.0.act"
NORM, DEPTHWISE = "classes.p4.tower.0.norm", "classes.p4.tower.1.depthwise"


def without(graph: Graph, name: str) -> Graph:
    """The graph without a node, whose readers read its operand."""
    other = graph.copy()
    (source,) = (edge.source for edge in graph.inputs(name))
    for user, _ in graph.users(name):
        edges = [replace(e, source=source) if e.source == name else e for e in graph.inputs(user)]
        other.set_inputs(user, edges)
    other.remove(name)
    return other


def without_outputs(graph: Graph, label: str) -> Graph:
    """The graph without an output and what it alone needs."""
    other = graph.copy()
    other.set_outputs({k: v for k, v in graph.outputs.items() if k != label})
    other.remove_unneeded()
    return other


def reordered(graph: Graph) -> Graph:
    """The graph with its outputs the other way round."""
    other = graph.copy()
    other.set_outputs(dict(reversed(list(graph.outputs.items()))))
    return other


def every_step(graph: Graph) -> Graph:
    """The graph with a key on every scope in the heads."""
    other = graph.copy()
    for path, scope in graph.scopes.items():
        match = re.match(r"(?:classes|boxes)\.(p\d)", path)
        other.scopes[path] = replace(scope, key=match[1]) if match else scope
    return other


def dropped(graph: Graph, *paths: str) -> Graph:
    """The graph without some records of scopes."""
    other = Graph(graph.name, graph.stage)
    other.scopes = {path: scope for path, scope in graph.scopes.items() if path not in paths}
    for node in graph:
        scope = node.scope
        while scope not in other.scopes:
            scope = scope.rpartition(".")[0]
        other.add(replace(node, scope=scope), graph.inputs(node.name))
    other.set_outputs(graph.outputs)
    return other


def also(graph: Graph, value: str) -> Graph:
    """The graph with one more output."""
    other = graph.copy()
    other.set_outputs({**graph.outputs, "classes.p9": value})
    return other


def rewired(graph: Graph, name: str) -> Graph:
    """The graph with one node reading what the same head gave on the level before."""
    other = graph.copy()
    (edge,) = graph.inputs(name)
    source = "classes.p3.tower.1.act"
    resized = Node("between", Conv(16, 3, stride=2))
    other.add(resized, [replace(edge, source=source)])
    other.set_inputs(name, [replace(edge, source="between")])
    return other


MUTATIONS: dict[str, Callable[[Graph], Graph]] = {
    "an own weight of a shared module": lambda g: changed(g, DEPTHWISE, weights="other"),
    "one weight like an own one": lambda g: changed(
        g, DEPTHWISE, weights="classes.tower.1.depthwise2.p4"
    ),
    "no key": lambda g: scoped(g, "classes.p4", key=""),
    "the key of another call": lambda g: scoped(g, "classes.p4", key="p3"),
    "a key nothing has": lambda g: scoped(g, "classes.p4", key="p9"),
    "two levels, one norm": lambda g: changed(g, NORM, weights="classes.tower.0.norm.p3"),
    "the key in the middle": lambda g: changed(g, NORM, weights="classes.p4.tower.0.norm"),
    "the key before the last": lambda g: changed(g, NORM, weights="classes.tower.0.p4.norm"),
    "a norm that is not in the tower": lambda g: changed(g, NORM, weights="norms.p4"),
    "another key at the end": lambda g: changed(g, NORM, weights="classes.tower.0.norm.p9"),
    "another norm in one call": lambda g: changed(g, NORM, op=BatchNorm(eps=0.01)),
    "another activation in one call": lambda g: changed(g, ACT, op=Activation("gelu"), weights=ACT),
    "an activation less in one call": lambda g: without(g, "classes.p4.tower.0.act"),
    "a norm less in one call": lambda g: without(g, NORM),
    "a level less": lambda g: without_outputs(g, "classes.p4"),
    "outputs in another order": reordered,
    "a key inside of a call": lambda g: scoped(g, "classes.p4.tower.0", key="p4"),
    "keys on every step": every_step,
    "no scope of the call": lambda g: dropped(
        g, *(p for p in g.scopes if p.startswith("classes.p4"))
    ),
    "no scope of a step": lambda g: dropped(g, "classes.p4.tower.0"),
    "no scopes of any step": lambda g: dropped(g, *(p for p in g.scopes if ".tower." in p)),
    "no scopes of any head": lambda g: dropped(g, *(p for p in g.scopes if "s.p" in p)),
    "a value inside leaves": lambda g: also(g, "classes.p4.tower.0.norm"),
    "one call reads another": lambda g: rewired(g, "classes.p4.tower.0.depthwise"),
    "a module of another head": lambda g: changed(
        g, "boxes.p4.predict.pointwise", weights="extra.predict"
    ),
    "the other head's norm": lambda g: changed(
        g, "boxes.p4.tower.0.norm", weights="classes.tower.0.norm.p4"
    ),
}


# One of each sort is tried in every run: a weight, a scope, a value, an order.
QUICK = ["an own weight of a shared module", "no scope of a step", "outputs in another order"]
assert set(QUICK) <= set(MUTATIONS)


@pytest.mark.parametrize(
    "what",
    [pytest.param(m, marks=[] if m in QUICK else pytest.mark.slow) for m in MUTATIONS],
)
def test_mutations_print_what_they_are_or_are_refused(what: str) -> None:
    graph = MUTATIONS[what](detector(cells=1))
    try:
        checked(graph, plain=True)
    except CodegenError as error:
        (found,) = error.diagnostics
        assert found.code == "E412", found


def test_what_has_a_key_by_chance_is_no_weight_of_its_own() -> None:
    """A shared leaf called as the key is: `classes.p3` in every call."""
    graph = detector(levels=2, cells=1)
    other = Graph(graph.name, graph.stage)
    other.scopes, other.templates = dict(graph.scopes), dict(graph.templates)
    for node in graph:
        weights = node.weights.replace(".predict.pointwise", ".predict.p3")
        other.add(replace(node, weights=weights), graph.inputs(node.name))
    other.set_outputs(graph.outputs)
    checked(other)


# --- torch ------------------------------------------------------------------------------------


def test_it_pickles() -> None:
    module = load_module(emit(detector(cells=1))).eval()
    again = pickle.loads(pickle.dumps(module))
    image = torch.randn(1, 3, *SIZE)
    with torch.no_grad():
        pairs = zip(flat(module(image)), flat(again(image)), strict=True)
        assert all(torch.equal(one, other) for one, other in pairs)


def test_compile_and_export_see_no_break() -> None:
    module = load_module(emit(detector(cells=1))).eval()
    image = torch.randn(1, 3, *SIZE)
    compiled = torch.compile(module, fullgraph=True, backend="eager")
    exported = torch.export.export(module, (image,)).module()
    with torch.no_grad():
        wanted = flat(module(image))
        for network in (compiled, exported):
            found = flat(network(image))
            assert all(torch.equal(one, other) for one, other in zip(found, wanted, strict=True))


@pytest.mark.slow
def test_type_checker_accepts_the_file(tmp_path: Path) -> None:
    graphs: Sequence[Graph] = [detector(), MUTATIONS["no key"](detector())]
    for i, graph in enumerate(graphs):
        (tmp_path / f"network{i}.py").write_text(emit(graph).text, "utf-8")
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file=", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
