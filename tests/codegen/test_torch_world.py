"""Built modules do what people do with modules: compile, export, shard, checkpoint, cast, wrap."""

from __future__ import annotations

import copy
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch._dynamo.testing import CompileCounter
from torch.func import functional_call
from torch.nn.utils import parametrizations
from torch.utils.checkpoint import checkpoint

import archgraph
from archgraph.codegen import emit, load_module
from tests.codegen.golden_vectors import TF
from tests.codegen.networks import Network

ROOT = Path(__file__).parents[2]
SAME = {"settings": TF}
NETWORKS = [
    Network("bifpn", {"levels": "3..5", "channels": 8, "cells": 2}),
    Network("bifpn", {"levels": "3..5", "channels": 8, "cells": 2, **SAME}),
    Network("panet", {"levels": "3..5", "channels": 8, "fuse": "softmax"}),
    Network("fpn", {"levels": "3..5", "channels": 8, "in_channels": [4, 6, 10], **SAME}),
]
NAMES = ["bifpn", "bifpn-same", "panet", "fpn-same"]
networks = pytest.mark.parametrize("network", NETWORKS, ids=NAMES)
BIFPN = NETWORKS[0]


def built(network: Network) -> nn.Module:
    """A module for inference, with weights and statistics that no fresh one has."""
    torch.manual_seed(0)
    module = load_module(emit(network.compiled().operators.graph)).eval()
    with torch.no_grad():
        for name, tensor in module.state_dict().items():
            if tensor.is_floating_point():
                spread = 0.1 * torch.rand_like(tensor)
                tensor.add_(spread if "running_var" in name or "fuse" in name else spread - 0.05)
    return module


def assert_close(found: list[Tensor], wanted: list[Tensor], tolerance: float = 0.0) -> None:
    """As many maps, of equal shapes, equal up to `tolerance` of the largest value."""
    assert [x.shape for x in found] == [x.shape for x in wanted]
    for one, other in zip(found, wanted, strict=True):
        x, y = one.detach().float(), other.detach().float()
        assert float((x - y).abs().max()) <= tolerance * float(y.abs().max())


# --- types, memory, devices -----------------------------------------------------------------


@networks
def test_channels_last_is_kept_to_the_end_and_changes_no_number(network: Network) -> None:
    module = built(network)
    features = network.features((100, 64))
    with torch.no_grad():
        wanted = module(features)
        module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        found = module([x.to(memory_format=torch.channels_last) for x in features])
    assert_close(found, wanted, 1e-5)
    assert all(x.is_contiguous(memory_format=torch.channels_last) for x in found)


@networks
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float16, 0.01), (torch.bfloat16, 0.08)])
def test_half_precision_stays_half(network: Network, dtype: torch.dtype, tolerance: float) -> None:
    module = built(network)
    features = network.features((64, 64))
    with torch.no_grad():
        wanted = module(features)
        found = module.to(dtype)([x.to(dtype) for x in features])
    assert {x.dtype for x in found} == {dtype}
    assert_close(found, wanted, tolerance)


@networks
def test_autocast_runs_forward_and_backward(network: Network) -> None:
    module = built(network)
    features = network.features((64, 64))
    with torch.no_grad():
        wanted = module(features)
    with torch.autocast("cpu", torch.bfloat16):
        found = module(features)
    assert_close([x.detach() for x in found], wanted, 0.08)
    total = torch.stack([x.float().sum() for x in found]).sum()
    total.backward()
    gradients = [x.grad for x in module.parameters()]
    assert all(x is not None and bool(torch.isfinite(x).all()) for x in gradients)


@networks
def test_is_made_on_the_meta_device_and_filled_later(network: Network) -> None:
    source = emit(network.compiled().operators.graph)
    with torch.device("meta"):
        module = load_module(source)
    tensors = [*module.parameters(), *module.buffers()]
    assert {x.device.type for x in tensors} == {"meta"}
    shapes = [x.shape for x in module([x.to("meta") for x in network.features((64, 64))])]
    other = built(network)
    module = module.to_empty(device="cpu").eval()
    module.load_state_dict(other.state_dict(), strict=True)
    features = network.features((64, 64))
    assert shapes == [x.shape for x in other(features)]
    assert_close(module(features), other(features))


def test_loading_is_strict_about_keys_and_shapes() -> None:
    module = built(BIFPN)
    state = module.state_dict()
    module.load_state_dict(state, strict=True)
    missing = dict(state)
    del missing["cells.1.td4.block.depthwise.weight"]
    with pytest.raises(RuntimeError, match=r"Missing key.*cells\.1\.td4\.block\.depthwise"):
        module.load_state_dict(missing)
    with pytest.raises(RuntimeError, match=r"Unexpected key.*cells\.9"):
        module.load_state_dict({**state, "cells.9.weight": torch.ones(1)})
    with pytest.raises(RuntimeError, match="size mismatch"):
        module.load_state_dict({**state, "cells.1.td4.fuse.weight": torch.ones(5)})
    archgraph.build("bifpn", levels="3..5", channels=8, cells=2).load_state_dict(state)


# --- transformations ------------------------------------------------------------------------


def test_functional_call_uses_the_given_weights() -> None:
    module = built(BIFPN)
    features = BIFPN.features((64, 64))
    before = module(features)
    weights = {name: 0.5 * x.detach() for name, x in module.named_parameters()}
    found = functional_call(module, weights, (features,))
    halved = copy.deepcopy(module)
    with torch.no_grad():
        for parameter in halved.parameters():
            parameter.mul_(0.5)
    assert_close(found, halved(features))
    assert_close(module(features), before)


def test_a_parametrized_convolution_works_and_goes_away() -> None:
    module = built(BIFPN)
    features = BIFPN.features((64, 64))
    wanted = module(features)
    keys = list(module.state_dict())
    path = "cells.1.td4.block.pointwise"
    parametrizations.weight_norm(module.get_submodule(path))
    assert f"{path}.parametrizations.weight.original0" in module.state_dict()
    assert_close(module(features), wanted, 1e-5)
    assert_close(copy.deepcopy(module)(features), wanted, 1e-5)
    torch.nn.utils.parametrize.remove_parametrizations(module.get_submodule(path), "weight")
    assert sorted(module.state_dict()) == sorted(keys)


def test_a_parametrized_fusion_works() -> None:
    """The class of the fusion is generated too, and torch derives another from it."""
    module = built(BIFPN)
    features = BIFPN.features((64, 64))
    wanted = module(features)
    fuse = module.get_submodule("cells.1.td4.fuse")
    torch.nn.utils.parametrize.register_parametrization(fuse, "weight", nn.ReLU())
    assert_close(module(features), wanted)
    assert_close(copy.deepcopy(module)(features), wanted)


def test_cells_can_be_checkpointed() -> None:
    """Recomputed in the backward pass: the same outputs and the same gradients."""
    module = built(BIFPN)
    other = copy.deepcopy(module)
    features = [x.requires_grad_() for x in BIFPN.features((64, 64))]

    class Checkpointed(nn.Module):
        def __init__(self, cell: nn.Module) -> None:
            super().__init__()
            self.cell = cell

        def forward(self, *maps: Tensor) -> tuple[Tensor, ...]:
            found: tuple[Tensor, ...] = checkpoint(self.cell, *maps, use_reentrant=False)
            return found

    cells = other.get_submodule("cells")
    assert isinstance(cells, nn.ModuleList)
    for i, cell in enumerate(cells):
        cells[i] = Checkpointed(cell)
    gradients: list[list[Tensor]] = []
    outputs: list[list[Tensor]] = []
    for network in (module, other):
        outputs.append(network(features))
        total = torch.stack([(x * x).sum() for x in outputs[-1]]).sum()
        gradients.append(list(torch.autograd.grad(total, list(network.parameters()) + features)))
    assert_close(outputs[1], outputs[0])
    assert_close(gradients[1], gradients[0], 1e-5)


def test_repeated_cells_are_one_class() -> None:
    """What FSDP wraps and `torch.compile` compiles once: the repeated block."""
    module = archgraph.build("bifpn", channels=8, cells=5)
    cells = module.get_submodule("cells")
    assert isinstance(cells, nn.ModuleList)
    assert len(cells) == 5
    assert len({type(cell) for cell in cells}) == 1


# --- tracing --------------------------------------------------------------------------------


@networks
@pytest.mark.filterwarnings("ignore")  # torch warns of tracing as such
def test_traces(network: Network) -> None:
    module = built(network)
    features = network.features((64, 64))
    traced = torch.jit.trace(module, (features,), strict=False)
    assert_close(traced(features), module(features))


def test_is_traced_symbolically_without_cells() -> None:
    """A stack of cells is a loop over a list, which symbolic tracing cannot unpack."""
    module = built(NETWORKS[2])
    features = NETWORKS[2].features((64, 64))
    assert_close(torch.fx.symbolic_trace(module)(features), module(features))
    with pytest.raises(torch.fx.proxy.TraceError, match="cannot be iterated"):
        torch.fx.symbolic_trace(built(BIFPN))


@networks
def test_compiles_as_one_graph_without_recompiling(network: Network) -> None:
    torch.compiler.reset()
    module = built(network)
    counter = CompileCounter()
    compiled = torch.compile(module, fullgraph=True, backend=counter)
    features = network.features((64, 64))
    with torch.no_grad():
        for _ in range(2):
            assert_close(compiled(features), module(features))
    assert counter.frame_count == 1


def test_a_users_graph_break_costs_no_more_than_in_the_emitted_file() -> None:
    """What `build` adds for the sake of errors is nothing that the compiler stumbles over."""
    source = emit(NETWORKS[2].compiled().operators.graph)
    emitted: dict[str, Any] = {"__name__": "emitted"}
    exec(source.text, emitted)
    features = NETWORKS[2].features((64, 64))
    counts: list[tuple[int, int]] = []
    for module in (load_module(source), emitted[source.class_name]()):
        torch.compiler.reset()
        counter = CompileCounter()
        module.get_submodule("td3").register_forward_hook(lambda *_: torch._dynamo.graph_break())
        with torch.no_grad():
            torch.compile(module, backend=counter)(features)
        counts.append((counter.frame_count, counter.op_count))
    assert counts[0] == counts[1]
    assert counts[0][0] > 1


@pytest.mark.slow
@networks
@pytest.mark.parametrize("strict", [False, True])
def test_exports_with_dynamic_batch_height_and_width(network: Network, strict: bool) -> None:
    """Height and width as multiples of `2**hi`, with symmetric and with SAME padding."""
    module = built(network)
    batch, height, width = (torch.export.Dim(name, min=1, max=64) for name in ("b", "h", "w"))
    levels: tuple[int, ...] = getattr(module, "in_levels")  # noqa: B009
    shapes = []
    for level in levels:
        factor = 2 ** (levels[-1] - level)
        sides = (factor * height, factor * width) if factor > 1 else (height, width)
        shapes.append({0: batch, 2: sides[0], 3: sides[1]})
    example = (network.features((256, 320), batch=2),)
    exported = torch.export.export(module, example, dynamic_shapes=(shapes,), strict=strict)
    assert set(exported.state_dict) == set(module.state_dict())
    program = exported.module()
    for image_size, count in (((512, 96), 3), ((64, 64), 1)):
        features = network.features(image_size, batch=count)
        with torch.no_grad():
            assert_close(program(features), module(features))


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="the default back end needs a C compiler")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of torch's own use of itself
def test_one_cell_compiles_with_the_default_back_end() -> None:
    torch.compiler.reset()
    module = built(BIFPN)
    features = BIFPN.features((64, 64))
    cell = module.get_submodule("cells.0")
    with torch.no_grad():
        wanted = list(cell(*features))
        assert_close(list(torch.compile(cell, fullgraph=True)(*features)), wanted, 1e-4)


# --- many processes -------------------------------------------------------------------------

GROUP = """
import sys; sys.path.insert(0, {root!r})
import copy, torch, torch.distributed as dist, archgraph
dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
module = archgraph.build("bifpn", levels="3..5", channels=8, cells=2)
plain = copy.deepcopy(module)
features = [torch.randn(2, 8, 2 ** (3 - i) * 2, 2 ** (3 - i) * 2) for i in range(3)]
total = lambda outputs: torch.stack([(x * x).sum() for x in outputs]).sum()
outputs = plain(features)
total(outputs).backward()
{body}
dist.destroy_process_group()
print("passed")
"""


def run_in_group(body: str, folder: Path) -> None:
    """Run a program as the one process of a group."""
    program = GROUP.format(root=str(ROOT), body=body)
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)
    assert done.stdout.strip() == "passed", done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.skipif(not torch.distributed.is_available(), reason="torch has no distributed part")
def test_data_parallel_training_gives_the_same_gradients(tmp_path: Path) -> None:
    body = """
from torch.nn.parallel import DistributedDataParallel
wrapped = DistributedDataParallel(module)
found = wrapped(features)
total(found).backward()
assert all(torch.equal(a, b) for a, b in zip(found, outputs, strict=True))
for a, b in zip(module.parameters(), plain.parameters(), strict=True):
    torch.testing.assert_close(a.grad, b.grad)
assert list(wrapped.module.state_dict()) == list(plain.state_dict())
"""
    run_in_group(body, tmp_path)


@pytest.mark.slow
@pytest.mark.skipif(not torch.distributed.is_available(), reason="torch has no distributed part")
def test_cells_are_sharded_one_by_one(tmp_path: Path) -> None:
    body = """
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
mesh = init_device_mesh("cpu", (1,))
for cell in module.cells:
    fully_shard(cell, mesh=mesh)
fully_shard(module, mesh=mesh)
assert list(module.state_dict()) == list(plain.state_dict())
assert len({type(cell) for cell in module.cells}) == 1
found = module(features)
total(found).backward()
assert all(torch.allclose(a, b) for a, b in zip(found, outputs, strict=True))
for a, b in zip(module.parameters(), plain.parameters(), strict=True):
    torch.testing.assert_close(a.grad.full_tensor(), b.grad)
"""
    run_in_group(body, tmp_path)
