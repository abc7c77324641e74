"""Random specs through the whole compiler: source equals interpreter, text forms, passes, costs."""

from __future__ import annotations

import ast
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, Phase, assume, given, settings
from ruff import find_ruff_bin  # type: ignore[import-untyped]
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from archgraph.analysis import cost
from archgraph.codegen import emit, load_module
from archgraph.codegen.interpreter import Interpreter
from archgraph.compiler import Compilation, arguments_from_python, compile_spec
from archgraph.errors import ArchgraphError
from archgraph.ir import FeatureType, Graph, Model, parse_graph, print_graph
from archgraph.passes import Pass, run_pass
from archgraph.passes.pyramid.add_same_level_skips import AddSameLevelSkips
from archgraph.passes.pyramid.prune_single_input import PruneSingleInput
from tests.codegen.random_specs import RandomSpec, random_specs

CONFIG = Path(__file__).parents[2] / "pyproject.toml"
TOLERANCE = 1e-9
# What the strategy may meet all the same: in a cell `up` measures only what enters the cell.
REFUSALS = frozenset({"E203"})
Check = Callable[[RandomSpec, Compilation], None]


@cache
def folder() -> Path:
    """An empty folder, so that the specs find nothing beside them."""
    return Path(tempfile.mkdtemp(prefix="archgraph-random-"))


def compiled(spec: RandomSpec) -> Compilation:
    """The spec, compiled."""
    path = folder() / "random.yaml"
    path.write_text(spec.text, "utf-8")
    try:
        return compile_spec(str(path), arguments_from_python(spec.arguments))
    except ArchgraphError as error:
        assume(not {found.code for found in error.diagnostics} <= REFUSALS)
        raise


def features(graph: Graph, image_size: tuple[int, int]) -> list[Tensor]:
    """Random inputs in float64, two images."""
    found: list[Tensor] = []
    for node in graph.graph_inputs:
        size = shape(node.op.infer(()), image_size)
        found.append(torch.randn(*size, dtype=torch.float64))
    return found


def shape(type_: FeatureType, image_size: tuple[int, int]) -> tuple[int, ...]:
    """What a value of this type measures, for two images."""
    return (2, type_.channels, *(-(-side // type_.stride) for side in image_size))


def modules(graph: Graph) -> tuple[nn.Module, Interpreter]:
    """The generated module and the interpreter in float64, with the same random weights."""
    torch.manual_seed(0)
    module, interpreter = load_module(emit(graph)).double(), Interpreter(graph).double()
    with torch.no_grad():
        for name, tensor in module.state_dict().items():
            if tensor.is_floating_point():
                tensor.add_(torch.rand_like(tensor) * (0.2 if "running_var" in name else 0.1))
    interpreter.load_state_dict(module.state_dict())
    return module, interpreter


def agree(found: Tensor | None, wanted: Tensor | None, what: str) -> None:
    """Both missing, or equal up to the order of additions."""
    assert (found is None) == (wanted is None), what
    if found is None or wanted is None:
        return
    assert found.shape == wanted.shape, what
    assert torch.isfinite(wanted).all(), what
    found, wanted = found.detach(), wanted.detach()
    difference = float((found - wanted).abs().max())
    assert difference <= TOLERANCE * max(float(wanted.abs().max()), 1e-3), (what, difference)


# --- what holds for every spec -------------------------------------------------------------


def check_equal(spec: RandomSpec, compilation: Compilation) -> None:
    """Source and interpreter: keys, outputs, gradients; run twice; inputs as they were."""
    graph = compilation.operators.graph
    module, interpreter = modules(graph)
    types = graph.infer_types()
    expected: dict[str, tuple[int, ...]] = {}
    for node in graph:
        operands = [types[edge.source] for edge in graph.inputs(node.name)]
        tensors = {**node.op.parameters(operands), **node.op.buffers(operands)}
        expected.update({f"{node.weights}.{name}": shape for name, shape in tensors.items()})
    state = module.state_dict()
    assert {key: tuple(tensor.shape) for key, tensor in state.items()} == expected
    for training in (True, False):
        torch.manual_seed(1)
        given_maps = features(graph, spec.image_size)
        results: list[list[Tensor | None]] = []
        for network in (module, interpreter):
            network.train(training).zero_grad()
            maps = [x.clone().requires_grad_() for x in given_maps]
            listed = list(maps)
            outputs = network(listed)
            assert isinstance(outputs, list)
            assert all(x is y for x, y in zip(listed, maps, strict=True))
            assert all(torch.equal(x, y) for x, y in zip(maps, given_maps, strict=True))
            torch.manual_seed(2)
            total = sum((x * torch.randn_like(x)).sum() for x in outputs)
            if isinstance(total, Tensor) and total.requires_grad:
                total.backward()
            weights = dict(network.named_parameters())
            gradients = [x.grad for x in maps] + [weights[name].grad for name in sorted(weights)]
            results.append([*outputs, *gradients])
        for i, (found, wanted) in enumerate(zip(*results, strict=True)):
            agree(found, wanted, f"{i} of {len(graph.outputs)} outputs and gradients, {training=}")
    maps = features(graph, spec.image_size)
    with torch.no_grad():
        once, twice = module(maps), module(maps)
    assert all(torch.equal(x, y) for x, y in zip(once, twice, strict=True))
    promised = [types[value] for value in graph.outputs.values()]
    assert [x.shape for x in once] == [shape(type_, spec.image_size) for type_ in promised]
    assert module.levels == tuple(type_.level for type_ in promised)
    assert module.channels == tuple(type_.channels for type_ in promised)


def check_source(spec: RandomSpec, compilation: Compilation) -> None:
    """The text imports torch only, and is the same every time."""
    graph = compilation.operators.graph
    text = emit(graph).text
    assert emit(graph).text == text == emit(compiled(spec).operators.graph).text
    imported: set[str] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            imported |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add((node.module or "").partition(".")[0])
    assert imported <= {"__future__", "torch", *sys.stdlib_module_names}


def check_layout(spec: RandomSpec, compilation: Compilation) -> None:
    """The text is what the formatter would write, in lines that fit."""
    text = emit(compilation.operators.graph).text
    for line in text.splitlines():
        assert len(line) <= 100 or line.lstrip().startswith("#"), line
    command = [find_ruff_bin(), "format", "--config", str(CONFIG), "--diff", "-"]
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def check_cost(spec: RandomSpec, compilation: Compilation) -> None:
    """Parameters and multiply-adds are those of the module."""
    graph = compilation.operators.graph
    module = load_module(emit(graph)).double().eval()
    total = cost(graph, spec.image_size).total
    assert total.parameters == sum(p.numel() for p in module.parameters())
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        module([x[:1] for x in features(graph, spec.image_size)])
    assert 2 * total.macs == counter.get_total_flops()


def stages(compilation: Compilation) -> Iterator[Model]:
    """Every model of a compilation."""
    yield compilation.written
    yield from (result.after for result in compilation.results)


def check_passes(spec: RandomSpec, compilation: Compilation) -> None:
    """Text forms are exact; a pass leaves its input alone, and has nothing to do when run again."""
    for model in stages(compilation):
        text = print_graph(model.graph)
        again = parse_graph(text)
        assert again == model.graph
        assert print_graph(again) == text
    assert [print_graph(m.graph) for m in stages(compiled(spec))] == [
        print_graph(m.graph) for m in stages(compilation)
    ]
    written = compilation.written
    before, copied = print_graph(written.graph), written.graph.copy()
    steps: list[Pass] = [PruneSingleInput()]
    levels = [node.op.infer(()).level for node in written.graph.graph_inputs]
    if len(set(levels)) == len(levels):
        steps.append(AddSameLevelSkips())
    for step in steps:
        result = run_pass(step, written)
        assert print_graph(written.graph) == before
        assert written.graph == copied
        second = run_pass(step, result.after)
        assert second.rewrites == 0
        assert second.after.graph == result.after.graph


CHECKS: list[Check] = [check_equal, check_source, check_cost, check_passes]


# --- tests ---------------------------------------------------------------------------------


def check_all(spec: RandomSpec, *more: Check) -> None:
    """Every check on one compilation."""
    compilation = compiled(spec)
    for check in (*CHECKS, *more):
        check(spec, compilation)


QUIET = [HealthCheck.too_slow, HealthCheck.data_too_large]


@settings(max_examples=60, suppress_health_check=QUIET)
@given(spec=random_specs())
def test_random_specs(spec: RandomSpec) -> None:
    check_all(spec, check_layout)


# Shrinking a rare failure would take longer than the run itself, and the spec is printed anyway.
@pytest.mark.slow
@settings(max_examples=1000, suppress_health_check=QUIET, phases=[Phase.explicit, Phase.generate])
@given(spec=random_specs())
def test_many_random_specs(spec: RandomSpec) -> None:
    check_all(spec)
