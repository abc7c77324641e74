"""Modules made by `build` travel: pickles carry the source, and any process with archgraph reads them."""

from __future__ import annotations

import copy
import copyreg
import io
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import archgraph
from archgraph.codegen import emit, load_module
from archgraph.codegen.load import import_program
from tests.codegen.networks import Network

ROOT = Path(__file__).parents[2]
NETWORK = Network("bifpn", {"levels": "3..5", "channels": 8, "cells": 2})
READ = """
import pickle, sys, torch
{load}
assert sum(name.startswith("archgraph_generated_") for name in sys.modules) == 1
features, outputs = torch.load("maps.pt")
{use}
"""


def run(program: str, folder: Path) -> str:
    """What a fresh process prints, in which nothing was built before."""
    program = f"import sys; sys.path.insert(0, {str(ROOT)!r})\n{program}"
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)
    assert done.returncode == 0, done.stderr
    return done.stdout


def built() -> nn.Module:
    """A module with weights and statistics that no fresh one has."""
    torch.manual_seed(0)
    module = load_module(emit(NETWORK.compiled().operators.graph))
    with torch.no_grad():
        for tensor in module.state_dict().values():
            if tensor.is_floating_point():
                tensor.add_(0.1 * torch.rand_like(tensor))
    return module.eval()


def write_maps(module: nn.Module, folder: Path) -> None:
    """Maps and what the module makes of them, for another process to compare with."""
    features = NETWORK.features((64, 64))
    with torch.no_grad():
        torch.save((features, module(features)), folder / "maps.pt")


def test_a_fresh_process_reads_a_pickle(tmp_path: Path) -> None:
    module = built()
    write_maps(module, tmp_path)
    module.get_submodule("cells.1").requires_grad_(False)
    module.get_submodule("cells.0.out4").train()
    module.get_submodule("cells.1.td3").to(torch.bfloat16)
    (tmp_path / "module.pickle").write_bytes(pickle.dumps(module))
    facts = {
        "training": [child.training for child in module.modules()],
        "learned": {name: x.requires_grad for name, x in module.named_parameters()},
        "types": {name: str(x.dtype) for name, x in module.state_dict().items()},
        "hooks": [len(child._forward_hooks) for child in module.modules()],
    }
    load = 'module = pickle.load(open("module.pickle", "rb"))'
    use = """
print({
    "training": [child.training for child in module.modules()],
    "learned": {name: x.requires_grad for name, x in module.named_parameters()},
    "types": {name: str(x.dtype) for name, x in module.state_dict().items()},
    "hooks": [len(child._forward_hooks) for child in module.modules()],
})
module.float().eval()
close = [torch.allclose(a, b, atol=0.1) for a, b in zip(module(features), outputs, strict=True)]
assert all(close)
"""
    assert run(READ.format(load=load, use=use), tmp_path).strip() == str(facts)


def test_a_fresh_process_reads_what_torch_saved_and_a_submodule(tmp_path: Path) -> None:
    module = built()
    write_maps(module, tmp_path)
    torch.save({"module": module, "cell": module.get_submodule("cells.0")}, tmp_path / "module.pt")
    (tmp_path / "cell.pickle").write_bytes(pickle.dumps(module.get_submodule("cells.1")))
    load = """
cell = pickle.load(open("cell.pickle", "rb"))
saved = torch.load("module.pt", weights_only=False)
"""
    use = """
module = saved["module"]
assert saved["cell"] is module.cells[0]
assert type(cell) is type(module.cells[1])
module.cells[1] = cell
found = module(features)
assert all(torch.equal(a, b) for a, b in zip(found, outputs, strict=True))
"""
    run(READ.format(load=load, use=use), tmp_path)


@pytest.mark.slow
def test_spawned_processes_take_and_give_modules(tmp_path: Path) -> None:
    program = f"""
import multiprocessing, pickle, sys
sys.path.insert(0, {str(ROOT)!r})
import torch

def doubled(module, features):
    with torch.no_grad():
        for parameter in module.parameters():
            parameter *= 2
        return pickle.dumps((module, module(features)))

if __name__ == "__main__":
    import archgraph
    module = archgraph.build("fpn", levels="3..4", channels=4).eval()
    features = [torch.randn(1, 4, 8, 8), torch.randn(1, 4, 4, 4)]
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        other, outputs = pickle.loads(pool.apply(doubled, (module, features)))
    assert type(other) is type(module)
    assert all(torch.equal(a, b) for a, b in zip(other(features), outputs, strict=True))
    print(len(outputs))
"""
    (tmp_path / "script.py").write_text(program, "utf-8")
    command = [sys.executable, "script.py"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "2"


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_every_protocol_works(protocol: int) -> None:
    module = built()
    again = pickle.loads(pickle.dumps(module, protocol))
    assert type(again) is type(module)
    assert_equal_states(again, module)


def test_a_pickle_holds_the_source_once() -> None:
    module = built()
    data = pickle.dumps([module, module.get_submodule("cells.0"), copy.deepcopy(module)])
    assert data.count(b"Generated by archgraph") == 1


def test_equal_sources_share_one_python_module() -> None:
    one, other = built(), built()
    assert type(one) is type(other) is type(pickle.loads(pickle.dumps(one)))
    assert type(one.get_submodule("cells.0")) is type(other.get_submodule("cells.1"))
    wider = load_module(emit(Network("bifpn", {"channels": 16}).compiled().operators.graph))
    assert type(wider) is not type(one)


def test_deep_copies_share_the_class_and_no_tensor() -> None:
    module = built()
    again = copy.deepcopy(module)
    assert type(again) is type(module)
    assert_equal_states(again, module)
    pointers = {x.data_ptr() for x in module.parameters()}
    assert not pointers & {x.data_ptr() for x in again.parameters()}
    cell = copy.deepcopy(module.get_submodule("cells.0"))
    assert type(cell) is type(module.get_submodule("cells.0"))


def test_copies_keep_shared_parameters_shared() -> None:
    module = built()
    first, second = (module.get_submodule(f"cells.{i}.td3.fuse") for i in (0, 1))
    second.weight = first.weight
    for again in (copy.deepcopy(module), pickle.loads(pickle.dumps(module))):
        weights = [again.get_parameter(f"cells.{i}.td3.fuse.weight") for i in (0, 1)]
        assert weights[0] is weights[1]
        assert weights[0] is not first.weight


def test_loading_weights_only_refuses_source_and_takes_a_state_dict() -> None:
    module = built()
    file = io.BytesIO()
    torch.save(module, file)
    file.seek(0)
    with pytest.raises(pickle.UnpicklingError, match=r"archgraph\.codegen"):
        torch.load(file, weights_only=True)
    file = io.BytesIO()
    torch.save(module.state_dict(), file)
    file.seek(0)
    fresh = load_module(emit(NETWORK.compiled().operators.graph))
    fresh.load_state_dict(torch.load(file, weights_only=True), strict=True)
    assert_equal_states(fresh, module)


def test_a_class_of_a_users_own_pickles_by_reference() -> None:
    """What is derived from a generated class is an ordinary class of its module."""
    base = type(built())
    derived = type("Derived", (base,), {"__module__": __name__})
    globals()["Derived"] = derived
    try:
        again = pickle.loads(pickle.dumps(derived()))
    finally:
        del globals()["Derived"]
    assert type(again) is derived
    assert derived not in copyreg.dispatch_table


def test_an_emitted_file_pickles_without_archgraph(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = emit(NETWORK.compiled().operators.graph)
    (tmp_path / "emitted_network.py").write_text(source.text, "utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    import emitted_network  # type: ignore[import-not-found]

    module = getattr(emitted_network, source.class_name)()
    data = pickle.dumps(module)
    assert b"archgraph" not in data
    assert type(pickle.loads(data)) is type(module)


def test_origins_are_part_of_a_program() -> None:
    """The same text from two places of a spec gives two modules, each with its own places."""
    source = emit(NETWORK.compiled().operators.graph)
    plain = import_program(source.text, source.class_name, {})
    placed = import_program(source.text, source.class_name, {44: ("depthwise", "a.yaml:1")})
    assert plain is not placed
    assert plain is import_program(source.text, source.class_name, {})
    assert pickle.loads(pickle.dumps(placed)) is placed
    assert copy.deepcopy(placed) is placed


def test_a_built_module_moves_between_types_and_devices() -> None:
    module = archgraph.build("bifpn", levels="3..4", channels=4)
    module.get_submodule("cells.0").to("meta")
    again = pickle.loads(pickle.dumps(module.double()))
    assert {x.device.type for x in again.parameters()} == {"meta"}
    assert {x.dtype for x in again.parameters()} == {torch.float64}


def assert_equal_states(one: nn.Module, other: nn.Module) -> None:
    """The same keys with the same tensors."""
    states = one.state_dict(), other.state_dict()
    assert list(states[0]) == list(states[1])
    pairs: list[tuple[Tensor, Tensor]] = list(
        zip(states[0].values(), states[1].values(), strict=True)
    )
    assert pairs
    assert all(torch.equal(a, b) for a, b in pairs)
