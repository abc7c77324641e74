"""The built-in proof: what is printed is the graph, whatever the graph; what is not is refused."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from random import Random

import pytest
import torch
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from torch import Tensor

from archgraph.codegen import GeneratedSource, emit, load_module, source
from archgraph.codegen.interpreter import Interpreter
from archgraph.codegen.proof import prove
from archgraph.codegen.symbols import Recorder
from archgraph.errors import CodegenError
from archgraph.ir import Graph, parse_graph
from tests.codegen.checks import agree, compiled, features
from tests.codegen.handwritten import TEXT, handwritten_graph
from tests.codegen.mutations import MUTATIONS
from tests.codegen.networks import NETWORKS, Network
from tests.codegen.random_specs import RandomSpec, random_specs
from tests.codegen.text_mutations import mutants

# The codes with which `emit` may refuse a valid graph at stage OPERATORS.
CODES = frozenset({"E411", "E412", "E413"})
IMAGE_SIZE = (64, 32)
SMALL = [
    Network("bifpn", {"channels": 4, "cells": 2, "levels": "3..5", "in_channels": [4, 6, 8]}),
    Network("panet", {"channels": 4, "levels": "3..5", "fuse": "average"}),
    Network("fpn-efficientdet", {"channels": 4, "levels": "3..5", "in_channels": [4, 6, 8]}),
]


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Maps are so small that threads only wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def holds(graph: Graph, printed: GeneratedSource) -> None:
    """Source equals interpreter: keys, outputs, statistics after a step of training."""
    torch.manual_seed(0)
    module, interpreter = load_module(printed).double(), Interpreter(graph).double()
    shapes = [{k: t.shape for k, t in m.state_dict().items()} for m in (module, interpreter)]
    assert shapes[0] == shapes[1]
    with torch.no_grad():
        for name, tensor in module.state_dict().items():
            if tensor.is_floating_point():
                tensor.add_(torch.rand_like(tensor) * (0.2 if "running_var" in name else 0.1))
        interpreter.load_state_dict(module.state_dict())
        # What drops at random does so in the order of the calls, which is not part of the graph.
        drops = any(node.op.kind.startswith("drop") for node in graph)
        for training in (False,) if drops else (True, False):
            maps = features(graph, IMAGE_SIZE)
            results: list[Sequence[Tensor]] = []
            for network in (module, interpreter):
                network.train(training)
                outputs = network(list(maps))
                results.append([*outputs, *[network.state_dict()[key] for key in shapes[0]]])
            for found, wanted in zip(*results, strict=True):
                agree(found.double(), wanted.double(), "outputs and statistics")


def prints(graph: Graph) -> None:
    """Whatever is printed for a graph is right; what is not printed says why."""
    try:
        printed = emit(graph)
    except CodegenError as error:
        codes = {found.code for found in error.diagnostics}
        if not codes <= CODES:
            raise
    else:
        holds(graph, printed)


def refusal(graph: Graph, text: str) -> str:
    """Why the proof refuses a text; nothing if it does not."""
    try:
        prove(graph, graph.infer_types(), GeneratedSource(text, "Hand"))
    except CodegenError as error:
        return error.diagnostics[0].message
    return ""


def mutated(graph: Graph, names: Sequence[str], random: Random) -> Graph:
    """The graph after these mutations; one that finds nothing to change is left out."""
    for name in names if len(graph) > len(graph.graph_inputs) else ():
        graph = MUTATIONS[name](graph, random) or graph
    return graph


# --- the proof itself ----------------------------------------------------------------------


def test_what_a_person_would_write_is_the_graph() -> None:
    """Shared modules, optional parts, loops, sequences, mappings, `*features`, defaults."""
    graph = handwritten_graph()
    prove(graph, graph.infer_types(), GeneratedSource(TEXT, "Hand"))
    holds(graph, GeneratedSource(TEXT, "Hand"))


SAME = [
    ('self.ways["up"](high)', 'self.get_submodule("ways.up")(high)'),
    ("self.norm = nn.BatchNorm2d(channels)", 'self.add_module("norm", nn.BatchNorm2d(channels))'),
    ("nn.BatchNorm2d(channels)", "nn.BatchNorm2d(channels, momentum=0.1, eps=1e-5)"),
    ("channels, kernel, padding=", "channels, kernel, groups=1, padding="),
    ("norm(self.tower(x)) for x, norm in zip(features, self.norms)",
     "self.norms[i](self.tower(x)) for i, x in enumerate(features)"),
    ("self.tower(x)", "self.tower[2](self.tower[1](self.tower[0](x)))"),
    ("self.fuse = None if eps is None else FastFusion(2, eps=eps)",
     "if eps is not None:\n            self.fuse = FastFusion(2, eps=eps)\n"
     "        else:\n            self.fuse = None"),
    ("high * self.factor", "high * self.factor + 0.0"),
    ("return [low + up, half + down]", "results = [low + up]\n        results.append(half + down)\n"
     "        return results"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new"), SAME)
def test_other_ways_to_write_the_same_are_accepted(old: str, new: str) -> None:
    assert TEXT.count(old) == 1, old
    changed = TEXT.replace(old, new)
    assert not refusal(handwritten_graph(), changed)
    holds(handwritten_graph(), GeneratedSource(changed, "Hand"))


WRONG = [
    ("Unit(channels, 1)", "Unit(channels, 3)", "module 'tower.0.conv' is nn.Conv2d(4, 4, 3, bias"),
    ("eps=eps", "eps=1e-5", "module 'tower.1.fuse' is FastFusion(2, eps=1e-05), not FastFusion(2"),
    ("self.norm =", "self.norms =", "it has no module 'tower.0.norm', nn.BatchNorm2d(4)"),
    ('"up": nn', '"upwards": nn', "it has no module 'ways.up', nn.Conv2d(4, 4, 1)"),
    ("nn.Identity()", "nn.BatchNorm2d(4)", "it has a module 'ways.down', which the graph has not"),
    ("depth - 1", "depth", "it has a module 'tower.3.conv', which the graph has not"),
    ("= Tower(4, 3)", "= self.other = Tower(4, 3)", "a module 'other.0.conv', which the graph"),
    ("norm(self.tower(x))", "self.tower(norm(x))", "nothing in it computes 'p3.0.conv'"),
    ("self.tower(x)", "self.tower[1:](self.tower[0](x))", "a slice would be another Tower"),
    ("self.fuse(x, y)", "self.fuse(y, x)", "nothing in it computes 'p3.1.fuse'"),
    ("is not None", "is None", "line 39: TypeError"),
    ("F.relu(self.norm", "F.gelu(self.norm", "nothing in it computes 'p3.0.relu'"),
    ('"nearest"', '"bilinear"', "nothing in it computes 'up'"),
    ("size=low.shape", "size=high.shape", "nothing in it computes 'up'"),
    ("3, 2, padding=1", "3, 2, padding=True", "nothing in it computes 'down'"),
    (
        "nn.BatchNorm2d(4) for",
        "nn.BatchNorm2d(4, 1e-3) for",
        "'norms.0' is nn.BatchNorm2d(4, 0.001)",
    ),
    ("low + up", "up + low", "nothing in it computes 'out3'"),
    ("self.factor = 0.5", "self.factor = 0.25", "nothing in it computes 'half'"),
    ("high * self.factor", "high / self.factor", "nothing in it computes 'half'"),
    ("[low + up, half + down]", "[half + down, low + up]", "it returns out4, out3, not out3, out4"),
    ("[low + up, half + down]", "[low + up]", "nothing in it computes 'out4'"),
    ("[low + up, half + down]", "low + up, half + down", "returns no list of tensors"),
    ("        del features\n", "        F.relu(low)\n", "calls F.relu where the graph does not"),
    ("        del features\n", "        self.norms[0](low)\n", "calls 'norms.0' where the graph"),
    ("        del features\n", "        self.tower(features[0])\n", "is computed 2 times, not 1"),
    ("        del features\n", "        features.pop()\n", "changes the list of its inputs"),
    ("        del features\n", "        low += 1\n", "a value is changed in place"),
    ("        del features\n", "        low.relu_()\n", "'relu_' changes a value in place"),
    ("        del features\n", "        del high\n", "UnboundLocalError"),
    ("        del features\n", "        if low.sum() > 0: low = up\n", "TypeError"),
    ("in_levels = (3, 4)", "in_levels = (3, 5)", "its in_levels are (3, 5), not (3, 4)"),
    ("    channels = (4, 4)\n", "", "its channels are None, not (4, 4)"),
    ("import torch.nn.functional as F\n", "", "NameError"),
    ("total = weight.sum() + self.eps", "total = weight.sum()", "it has no module 'tower.1.fuse'"),
    (
        "        super().__init__()\n        self.conv",
        "        self.conv",
        "before super().__init__",
    ),
    ("self.conv =", "self.forward =", "no module can be called 'forward'"),
    ("(nn.BatchNorm2d(4) for _ in range(2))", "([nn.BatchNorm2d(4)] * 2)", "are one module"),
    ("class Hand(", "class Hands(", "'Hand' is no module"),
    ("class Hand(", "class Unit(", "'Unit' is defined twice"),
]


@pytest.mark.parametrize(("old", "new", "message"), WRONG)
def test_wrong_text_is_refused(old: str, new: str, message: str) -> None:
    assert TEXT.count(old) == 1, old
    assert message in refusal(handwritten_graph(), TEXT.replace(old, new))


NUMBERS = """
import torch.nn.functional as F
from torch import nn


class Scale(nn.Module):
    def __init__(self, factor, offset):
        super().__init__()
        self.factor = factor
        self.offset = offset

    def forward(self, x):
        return F.max_pool2d(x * self.factor + self.offset, 1, 1, padding=0)


class Hand(nn.Module):
    in_levels = levels = (3,)
    in_channels = channels = (4,)

    def __init__(self):
        super().__init__()
        self.scales = nn.ModuleList([Scale(2.0, 0.0), Scale(1.0, 0.5), Scale(1.0, 0.0)])

    def forward(self, features):
        (x,) = features
        for scale in self.scales:
            x = scale(x)
        return [x]
"""


def test_numbers_may_be_parameters() -> None:
    """What a literal leaves out (`* 1.0`, `+ 0.0`, `padding=0`), a parameter says; only that."""
    graph = parse_graph("""
graph hand stage=operators
  scope <root> = hand(x) -> (r)
  x = input {level=3, channels=4}
  a = affine(x) {factor=2.0}
  b = max-pool(a) {kernel=1}
  c = affine(b) {offset=0.5}
  d = max-pool(c) {kernel=1}
  e = affine(d)
  f = max-pool(e) {kernel=1}
  return p3=f
""")
    assert not refusal(graph, NUMBERS)
    holds(graph, GeneratedSource(NUMBERS, "Hand"))
    for old, new in [
        ("2.0, 0.0", "2.0, 0.5"),
        ("2.0, 0.0", "2, 0.0"),
        ("Scale(1.0, 0.0)", "Scale(True, 0.0)"),
        ("padding=0", "padding=1"),
        ("1, 1, padding", "1, 2, padding"),
        ("self.factor + self", "self.factor - self"),
        ("x * self.factor + self.offset", "self.offset + x * self.factor"),
        ("x * self.factor", "self.factor * x"),
    ]:
        assert "nothing in it computes" in refusal(graph, NUMBERS.replace(old, new)), (old, new)


HOSTILE = [
    "import os",
    "from typing import sys",
    "import torch.os; open('/etc/passwd')",
    "().__class__",
    "__import__('os')",
    "eval('1')",
    "exec('1')",
    "getattr(F, 'x')",
    "globals()",
    "while True: pass",
    "range(10**9)",
    "def __getattr__(name): return 1",
]


@pytest.mark.parametrize("line", HOSTILE)
def test_text_that_does_more_than_a_network_is_refused(line: str) -> None:
    assert refusal(handwritten_graph(), f"{TEXT}\n{line}\n")


def refuses_mutants(graph: Graph, printed: GeneratedSource, every: int) -> None:
    """Every so many of the small changes of a text are refused, or change nothing."""
    types, refused, accepted = graph.infer_types(), 0, 0
    for what, text in mutants(printed.text, every):
        changed = GeneratedSource(text, printed.class_name)
        try:
            prove(graph, types, changed)
        except CodegenError:
            refused += 1
            continue
        accepted += 1
        try:
            holds(graph, changed)
        except Exception as error:
            raise AssertionError(f"the proof accepts a wrong text: {what}\n{text}") from error
    assert refused > accepted > 0


def test_small_changes_are_refused_or_change_nothing() -> None:
    refuses_mutants(handwritten_graph(), GeneratedSource(TEXT, "Hand"), every=5)


@pytest.mark.slow
def test_all_small_changes_are_refused_or_change_nothing() -> None:
    refuses_mutants(handwritten_graph(), GeneratedSource(TEXT, "Hand"), every=1)


@pytest.mark.slow
@pytest.mark.parametrize("network", SMALL, ids=str)
def test_small_changes_of_printed_texts_are_refused(network: Network) -> None:
    graph = network.compiled().operators.graph
    refuses_mutants(graph, emit(graph), every=1)


def test_emit_proves_what_it_prints(monkeypatch: pytest.MonkeyPatch) -> None:
    proved: list[GeneratedSource] = []
    monkeypatch.setattr(source, "prove", lambda _, __, printed: proved.append(printed))
    printed = emit(SMALL[0].compiled().operators.graph)
    assert proved == [printed]


def test_torch_is_not_needed() -> None:
    program = (
        "import sys\n"
        "from archgraph.compiler import arguments_from_python, emit_source\n"
        "emit_source('bifpn', arguments_from_python({'channels': 16}))\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_work_grows_with_the_graph_and_no_faster(monkeypatch: pytest.MonkeyPatch) -> None:
    """Values recorded per node: the same for 4 cells and for 32."""
    calls = 0
    record = Recorder.value

    def counted(recorder: Recorder, *key: object) -> object:
        nonlocal calls
        calls += 1
        return record(recorder, *key)

    monkeypatch.setattr(Recorder, "value", counted)
    found: list[float] = []
    for cells in (4, 32):
        calls = 0
        graph = Network("bifpn", {"channels": 4, "cells": cells}).compiled().operators.graph
        emit(graph)
        found.append(calls / len(graph))
    assert found[1] <= 1.05 * found[0] < 8


# --- graphs that no spec gives -------------------------------------------------------------


@pytest.mark.parametrize(
    "network",
    [SMALL[0], *(pytest.param(network, marks=pytest.mark.slow) for network in SMALL[1:])],
    ids=str,
)
@pytest.mark.parametrize("name", MUTATIONS)
def test_mutated_graphs_print_right_or_not_at_all(name: str, network: Network) -> None:
    graph = network.compiled().operators.graph
    prints(mutated(graph, [name], Random(f"{name} {network}")))


@pytest.mark.slow
@pytest.mark.parametrize("network", NETWORKS, ids=str)
def test_many_mutated_graphs(network: Network) -> None:
    random, graph = Random(str(network)), network.compiled().operators.graph
    for _ in range(30):
        names = random.sample(list(MUTATIONS), random.choice([1, 1, 2, 3]))
        prints(mutated(graph, names, random))


QUIET = [HealthCheck.too_slow, HealthCheck.data_too_large]
several = st.lists(st.sampled_from(list(MUTATIONS)), min_size=1, max_size=3)


@settings(max_examples=15, suppress_health_check=QUIET)
@given(spec=random_specs(), names=several, seed=st.integers(0, 99))
def test_random_specs_mutated(spec: RandomSpec, names: list[str], seed: int) -> None:
    prints(mutated(compiled(spec).operators.graph, names, Random(seed)))


@pytest.mark.slow
@settings(max_examples=400, suppress_health_check=QUIET, phases=[Phase.explicit, Phase.generate])
@given(spec=random_specs(), names=several, seed=st.integers(0, 99))
def test_many_random_specs_mutated(spec: RandomSpec, names: list[str], seed: int) -> None:
    prints(mutated(compiled(spec).operators.graph, names, Random(seed)))
