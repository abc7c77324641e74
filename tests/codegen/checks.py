"""What holds for every spec: source equals interpreter and export, text forms, passes, costs."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch
from hypothesis import assume
from hypothesis.errors import HypothesisException
from ruff import find_ruff_bin  # type: ignore[import-untyped]
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from archgraph.analysis import cost
from archgraph.codegen import GeneratedSource, emit, load_module
from archgraph.codegen.interpreter import Interpreter
from archgraph.compiler import Compilation, arguments_from_python, compile_spec
from archgraph.errors import ArchgraphError
from archgraph.ir import FeatureType, Graph, Model, parse_graph, print_graph
from archgraph.ir.types import GLOBAL
from archgraph.passes import Pass, run_pass
from archgraph.passes.pyramid.add_same_level_skips import AddSameLevelSkips
from archgraph.passes.pyramid.prune_single_input import PruneSingleInput
from tests.codegen.random_specs import RandomSpec

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / "pyproject.toml"
# Where specs that fail are left, shrunk, and where those are kept that once did.
FAILED = ROOT / ".hypothesis" / "failed"
FOUND = Path(__file__).parent / "found"
TOLERANCE = 1e-9
# What the strategy may meet all the same: in a cell `up` measures only what enters the cell.
REFUSALS = frozenset({"E203"})


@dataclass(frozen=True)
class Case:
    """A spec that was compiled, and the text that was made of it."""

    spec: RandomSpec
    compilation: Compilation
    source: GeneratedSource

    @property
    def graph(self) -> Graph:
        return self.compilation.operators.graph


Check = Callable[[Case], None]


@cache
def folder() -> Path:
    """An empty folder, so that the specs find nothing beside them."""
    return Path(tempfile.mkdtemp(prefix="archgraph-random-"))


def compiled(spec: RandomSpec) -> Compilation:
    """The spec, compiled."""
    path = folder() / "random.yaml"
    path.write_text(spec.text, "utf-8")
    arguments = dict(spec.arguments)
    variant = str(arguments.pop("variant", ""))
    try:
        return compile_spec(str(path), arguments_from_python(arguments), variant=variant)
    except ArchgraphError as error:
        assume(not {found.code for found in error.diagnostics} <= REFUSALS)
        raise


def case_of(spec: RandomSpec) -> Case:
    """The spec, compiled and emitted."""
    compilation = compiled(spec)
    return Case(spec, compilation, emit(compilation.operators.graph))


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


def modules(case: Case) -> tuple[nn.Module, Interpreter]:
    """The generated module and the interpreter in float64, with the same random weights."""
    torch.manual_seed(0)
    module, interpreter = load_module(case.source).double(), Interpreter(case.graph).double()
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


def run(network: nn.Module, given_maps: Sequence[Tensor]) -> dict[str, Tensor | None]:
    """Outputs of a network, and gradients of its inputs and weights."""
    network.zero_grad()
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
    found: dict[str, Tensor | None] = {f"output {i}": x for i, x in enumerate(outputs)}
    found |= {f"gradient of input {i}": x.grad for i, x in enumerate(maps)}
    return found | {f"gradient of {name}": p.grad for name, p in network.named_parameters()}


def compare(found: dict[str, Tensor | None], wanted: dict[str, Tensor | None], where: str) -> None:
    """The same values, and the same gradients."""
    assert found.keys() == wanted.keys()
    for name, value in wanted.items():
        agree(found[name], value, f"{name}, {where}")


# --- what holds for every spec -------------------------------------------------------------


def check_equal(case: Case) -> None:
    """Source and interpreter: keys, outputs, gradients; run twice; inputs as they were."""
    spec, graph = case.spec, case.graph
    module, interpreter = modules(case)
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
        maps = features(graph, spec.image_size)
        found = run(module.train(training), maps)
        compare(found, run(interpreter.train(training), maps), f"{training=}")
    maps = features(graph, spec.image_size)
    with torch.no_grad():
        once, twice = module(maps), module(maps)
    assert all(torch.equal(x, y) for x, y in zip(once, twice, strict=True))
    promised = [types[value] for value in graph.outputs.values()]
    assert [x.shape for x in once] == [shape(type_, spec.image_size) for type_ in promised]
    assert module.levels == tuple(type_.level for type_ in promised)
    assert module.channels == tuple(type_.channels for type_ in promised)


def check_source(case: Case) -> None:
    """The text imports torch only; a second run gives the same text and the same graphs."""
    text = case.source.text
    again = compiled(case.spec)
    assert printed_stages(again) == printed_stages(case.compilation)
    assert emit(again.operators.graph).text == text
    imported: set[str] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            imported |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add((node.module or "").partition(".")[0])
    assert imported <= {"__future__", "torch", *sys.stdlib_module_names}


def check_layout(case: Case) -> None:
    """The text is what the formatter would write, in lines that fit."""
    text = case.source.text
    for line in text.splitlines():
        assert len(line) <= 100 or line.lstrip().startswith("#"), line
    command = [find_ruff_bin(), "format", "--config", str(CONFIG), "--diff", "-"]
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def check_cost(case: Case) -> None:
    """Parameters and multiply-adds are those of the module."""
    module = load_module(case.source).double().eval()
    total = cost(case.graph, case.spec.image_size).total
    assert total.parameters == sum(p.numel() for p in module.parameters())
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        module([x[:1] for x in features(case.graph, case.spec.image_size)])
    assert 2 * total.macs == counter.get_total_flops()


def stages(compilation: Compilation) -> Iterator[Model]:
    """Every model of a compilation."""
    yield compilation.written
    yield from (result.after for result in compilation.results)


def printed_stages(compilation: Compilation) -> list[str]:
    """The text of every model of a compilation."""
    return [print_graph(model.graph) for model in stages(compilation)]


def check_passes(case: Case) -> None:
    """Text forms are exact; a pass leaves its input alone, and has nothing to do when run again."""
    for model in stages(case.compilation):
        text = print_graph(model.graph)
        again = parse_graph(text)
        assert again == model.graph
        assert print_graph(again) == text
    written = case.compilation.written
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


def check_weights(case: Case) -> None:
    """What shares weights in the spec shares them in its cell, and with no other cell."""
    said = {node.name: node.weights for node in case.compilation.written.graph}
    for node in case.compilation.pyramid.graph:
        cell = re.match(r"(cells\.\d+\.)?", node.name)
        assert cell
        assert node.weights == cell[0] + said[node.name.removeprefix(cell[0])]


def check_export(case: Case, training: bool = False) -> None:
    """The exported program, for any batch and for images of any multiple of the coarsest stride."""
    module, _ = modules(case)
    types = case.graph.infer_types()
    coarsest = max(type_.level for type_ in types.values() if type_.level < GLOBAL)
    levels = [types[node.name].level for node in case.graph.graph_inputs]
    batch, height, width = (torch.export.Dim(name, min=1, max=64) for name in ("b", "h", "w"))
    shapes = []
    for level in levels:
        factor = 2 ** (coarsest - level)
        sides = (factor * height, factor * width) if factor > 1 else (height, width)
        shapes.append({0: batch, 2: sides[0], 3: sides[1]})
    stride = 2**coarsest
    example = (features(case.graph, (2 * stride, 3 * stride)),)
    module.train(training)
    program = torch.export.export(module, example, dynamic_shapes=(shapes,)).module()
    program.load_state_dict(module.state_dict())
    maps = [torch.cat([x, x[:1]]) for x in features(case.graph, (3 * stride, 2 * stride))]
    compare(run(program, maps), run(module, maps), f"exported, {training=}")


CHECKS: list[Check] = [check_equal, check_source, check_cost, check_passes, check_weights]


def check_all(spec: RandomSpec, *more: Check) -> None:
    """Every check on one compilation."""
    case = case_of(spec)
    for check in (*CHECKS, *more):
        check(case)


@contextmanager
def kept(spec: RandomSpec, name: str, folder: Path = FAILED) -> Iterator[None]:
    """Leave a spec that fails in a file, so that the last is the smallest; a note says where."""
    try:
        yield
    except HypothesisException:  # hypothesis turns the spec down
        raise
    except Exception as error:
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{name}-{type(error).__name__}.yaml"
        path.write_text(spec.saved, "utf-8")
        error.add_note(f"the spec is {path}; in {FOUND.relative_to(ROOT)} it is tried every time")
        raise
