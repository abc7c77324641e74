"""Generated source: equal to the interpreter, and what a person would keep."""

from __future__ import annotations

import ast
import copy
import pickle
import re
import subprocess
import sys
import weakref
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from archgraph.codegen import emit, load_module
from archgraph.codegen.interpreter import Interpreter
from tests.codegen.networks import NETWORKS, SIZES, Network

slow = pytest.mark.slow
networks = pytest.mark.parametrize("network", NETWORKS, ids=str)
# Both sizes for some networks, an odd one for the others; the slow run tries all.
networks_and_sizes = pytest.mark.parametrize(
    ("network", "image_size"),
    [
        pytest.param(network, size, marks=[] if i in (2, 3) or size == SIZES[-1] else slow)
        for i, network in enumerate(NETWORKS)
        for size in SIZES
    ],
    ids=str,
)
ROOT = Path(__file__).parents[2]
GOLDEN = Path(__file__).parent / "goldens" / "bifpn.py"


def randomised(network: Network) -> tuple[nn.Module, Interpreter]:
    """The generated module and the interpreter, with the same random weights."""
    torch.manual_seed(0)
    graph = network.compiled().operators.graph
    module, interpreter = load_module(emit(graph)), Interpreter(graph)
    for name, tensor in module.state_dict().items():
        if tensor.is_floating_point():
            spread = 0.1 * torch.rand_like(tensor)
            tensor.add_(spread if "running_var" in name or "fuse" in name else spread - 0.05)
    interpreter.load_state_dict(module.state_dict())
    return module, interpreter


@networks
def test_state_dict_keys_are_the_weight_names_of_the_graph(network: Network) -> None:
    graph = network.compiled().operators.graph
    types = graph.infer_types()
    expected: dict[str, tuple[int, ...]] = {}
    for node in graph:
        inputs = [types[edge.source] for edge in graph.inputs(node.name)]
        tensors = {**node.op.parameters(inputs), **node.op.buffers(inputs)}
        expected.update({f"{node.weights}.{name}": shape for name, shape in tensors.items()})
    state = load_module(emit(graph)).state_dict()
    assert {key: tuple(tensor.shape) for key, tensor in state.items()} == expected


@networks_and_sizes
@pytest.mark.parametrize("training", [False, True])
def test_equals_the_interpreter(
    network: Network, image_size: tuple[int, int], training: bool
) -> None:
    module, interpreter = randomised(network)
    features = network.features(image_size, batch=2)
    with torch.no_grad():
        found = module.train(training)(features)
        expected = interpreter.train(training)(features)
    assert [x.shape for x in found] == [x.shape for x in expected]
    for output, wanted in zip(found, expected, strict=True):
        assert float((output - wanted).abs().max()) <= 1e-6 * float(wanted.abs().max())


@networks
def test_every_learned_weight_gets_a_gradient(network: Network) -> None:
    module, _ = randomised(network)
    outputs = module.eval()(network.features((256, 256)))
    total = sum((output * torch.randn_like(output)).sum() for output in outputs)
    assert isinstance(total, Tensor)
    if not list(module.parameters()):
        return
    total.backward()
    for name, parameter in module.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
        assert float(parameter.grad.abs().sum()) > 0, name


@pytest.mark.parametrize(
    ("network", "image_size"),
    [
        pytest.param(network, size, marks=[] if i in (2, 4) and size == SIZES[-1] else slow)
        for i, network in enumerate(NETWORKS)
        for size in SIZES
    ],
    ids=str,
)
def test_compiles_as_one_graph(network: Network, image_size: tuple[int, int]) -> None:
    torch.compiler.reset()
    module, _ = randomised(network)
    features = network.features(image_size)
    compiled = torch.compile(module.eval(), fullgraph=True, backend="eager")
    with torch.no_grad():
        for found, wanted in zip(compiled(features), module(features), strict=True):
            assert torch.equal(found, wanted)


@networks
def test_inputs_are_not_changed(network: Network) -> None:
    module, _ = randomised(network)
    features = network.features((128, 128))
    before = [x.clone() for x in features]
    module.eval()(features)
    assert len(features) == len(before)
    assert all(torch.equal(x, y) for x, y in zip(features, before, strict=True))


@pytest.mark.parametrize("network", [NETWORKS[2], NETWORKS[3]], ids=str)
def test_channels_last_is_kept(network: Network) -> None:
    module, _ = randomised(network)
    module = module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    features = [x.to(memory_format=torch.channels_last) for x in network.features((256, 256))]
    results: list[object] = []
    for child in module.modules():
        child.register_forward_hook(lambda _, __, out: results.append(out))
    module(features)
    maps = [x for x in results if isinstance(x, Tensor)]
    assert maps
    assert all(x.is_contiguous(memory_format=torch.channels_last) for x in maps)


def test_dead_values_are_freed() -> None:
    """When the last node of a cell runs, what only earlier nodes read is gone."""
    module, _ = randomised(NETWORKS[0])
    alive: dict[str, weakref.ref[Tensor]] = {}
    at_the_end: set[str] = set()

    def watch(name: str) -> None:
        def hook(_: nn.Module, __: object, output: Tensor) -> None:
            alive[name] = weakref.ref(output)

        module.get_submodule(f"cells.0.{name}").register_forward_hook(hook)

    def look(_: nn.Module, __: object) -> None:
        at_the_end.update(name for name, reference in alive.items() if reference() is not None)

    for name in ("td6", "td5", "td4", "td3", "out4", "out5", "out6"):
        watch(name)
    module.get_submodule("cells.0.out7").register_forward_pre_hook(look)
    with torch.no_grad():
        module.eval()(NETWORKS[0].features((128, 128)))
    assert at_the_end == {"td3", "out4", "out5", "out6"}  # the outputs


@networks
def test_imports_torch_and_the_standard_library_only(network: Network) -> None:
    text = emit(network.compiled().operators.graph).text
    modules: set[str] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            modules |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            modules.add((node.module or "").partition(".")[0])
    assert modules <= {"__future__", "torch", *sys.stdlib_module_names}
    assert "stack(" not in text


def test_formatter_leaves_the_files_unchanged(tmp_path: Path) -> None:
    for i, network in enumerate(NETWORKS):
        text = emit(network.compiled().operators.graph).text
        (tmp_path / f"network{i}.py").write_text(text, "utf-8")
    config = Path(__file__).parents[2] / "pyproject.toml"
    command = [sys.executable, "-m", "ruff", "format", "--diff", "--config", str(config)]
    done = subprocess.run([*command, str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
def test_type_checker_accepts_the_files(tmp_path: Path) -> None:
    for i, network in enumerate(NETWORKS):
        text = emit(network.compiled().operators.graph).text
        (tmp_path / f"network{i}.py").write_text(text, "utf-8")
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file=", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


def test_same_bytes_in_every_process(tmp_path: Path) -> None:
    program = (
        "from archgraph.compiler import arguments_from_python, emit_source\n"
        "arguments = {'cells': 2, 'levels': '3..5', 'in_channels': [24, 40, 56], 'channels': 16}\n"
        "print(emit_source('bifpn', arguments_from_python(arguments)).text, end='')"
    )
    texts = set()
    for seed in ("0", "1", "12345"):
        done = subprocess.run(
            [sys.executable, "-c", program],
            capture_output=True,
            text=True,
            check=True,
            cwd=tmp_path if seed == "1" else None,
            env={"PYTHONHASHSEED": seed, "PATH": "", "PYTHONPATH": str(ROOT)},
        )
        texts.add(done.stdout)
    assert len(texts) == 1
    assert str(tmp_path) not in texts.pop()


def test_a_file_runs_without_archgraph(tmp_path: Path) -> None:
    source = emit(NETWORKS[3].compiled().operators.graph)
    (tmp_path / "network.py").write_text(source.text, "utf-8")
    shapes = [tuple(x.shape) for x in NETWORKS[3].features((128, 128))]
    program = (
        "import sys, pickle, copy, torch, network\n"
        f"module = network.{source.class_name}().eval()\n"
        f"features = [torch.ones(shape) for shape in {shapes}]\n"
        "outputs = module(features)\n"
        "again = pickle.loads(pickle.dumps(copy.deepcopy(module)))(features)\n"
        "assert all(torch.equal(a, b) for a, b in zip(outputs, again))\n"
        "assert 'archgraph' not in sys.modules\n"
        "print(len(outputs))"
    )
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stdout.strip() == "3"


def test_built_modules_copy_pickle_and_move() -> None:
    module, _ = randomised(NETWORKS[3])
    features = NETWORKS[3].features((128, 128))
    module.eval()
    expected = module(features)
    for other in (copy.deepcopy(module), pickle.loads(pickle.dumps(module))):
        for found, wanted in zip(other(features), expected, strict=True):
            assert torch.equal(found, wanted)
    meta = copy.deepcopy(module).to("meta")
    shapes = [x.shape for x in meta([x.to("meta") for x in features])]
    assert shapes == [x.shape for x in expected]


def test_class_attributes_tell_what_the_network_is() -> None:
    module = load_module(emit(NETWORKS[3].compiled().operators.graph))
    assert module.in_levels == (3, 4, 5)
    assert module.in_channels == (24, 40, 56)
    assert module.levels == (3, 4, 5)
    assert module.channels == (16, 16, 16)
    assert module.size_multiple == 1
    other = load_module(emit(NETWORKS[1].compiled().operators.graph))
    assert module.spec_hash != other.spec_hash


def test_the_number_of_cells_changes_one_line() -> None:
    def lines(cells: int) -> list[str]:
        network = Network("bifpn", {"channels": 16, "cells": cells})
        return emit(network.compiled().operators.graph).text.splitlines()

    three, many = lines(3), lines(32)
    assert len(three) == len(many)


def test_emitted_text_is_the_golden(update_goldens: bool) -> None:
    network = Network("bifpn", {"levels": "3..5", "channels": 64, "cells": 3})
    text = emit(network.compiled().operators.graph).text
    if update_goldens:
        GOLDEN.write_text(text, "utf-8")
    assert GOLDEN.read_text("utf-8") == text


@networks
def test_origins_name_the_item_and_the_line_of_the_spec(network: Network) -> None:
    """Every line that calls an attribute, or makes one, tells which; its place is in a spec."""
    graph = network.compiled().operators.graph
    source = emit(graph)
    lines = source.text.splitlines()
    files = {node.location.file.rpartition("/")[2] for node in graph if node.location}
    for number, (path, where) in source.origins.items():
        assert re.fullmatch(r"[\w.]+", path), path
        assert where.partition(":")[0] in files, where
        assert lines[number - 1].startswith(" " * 8), lines[number - 1]
    for number, line in enumerate(lines, 1):
        made = re.match(r" {8}self\.(\w+) = (?!eps|nn.Parameter)", line)
        if made:
            assert source.origins[number][0].partition(".")[0] == made[1]


@pytest.mark.slow
@pytest.mark.parametrize("network", [NETWORKS[1], NETWORKS[2]], ids=str)
def test_exports_with_dynamic_batch_height_and_width(network: Network) -> None:
    """Height and width as multiples of `2**hi`, with symmetric and with SAME padding."""
    module, _ = randomised(network)
    module.eval()
    batch, height, width = (torch.export.Dim(name, min=1, max=64) for name in ("b", "h", "w"))
    levels = range(3, 8)
    factors = [2 ** (7 - level) for level in levels]
    shapes = [{0: batch, 2: factor * height, 3: factor * width} for factor in factors[:-1]]
    shapes.append({0: batch, 2: height, 3: width})
    example = (network.features((512, 640), batch=2),)
    program = torch.export.export(module, example, dynamic_shapes=(shapes,)).module()
    features = network.features((1024, 384), batch=3)
    with torch.no_grad():
        for found, wanted in zip(program(features), module(features), strict=True):
            assert torch.equal(found, wanted)
