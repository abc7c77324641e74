"""Blocks of operators in whole networks: compiled, printed, run, compared."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import archgraph
from archgraph.codegen import emit, load_module
from archgraph.codegen.interpreter import Interpreter
from archgraph.compiler import compile_spec

NECK = """\
topology: neck
parameters: {levels: {levels: 3..5}, channels: 16, fuse: {step: fast per=channel}}
settings: {act: leaky-relu slope=0.1}
defaults:
  node: {fuse: <fuse>, block: gated}
  edge: {up: carafe hidden=8 groups=2, down: max-pool kernel=3 stride=2}
nodes:
  - {for: l in hi downto lo, name: td<l>, from: [in<l>, maybe td<l+1>]}
  - {name: out4, level: 4, fuse: concat, block: c2f, from: [td4, td3]}
  - {name: out5, level: 5, fuse: max, block: none, from: [td5, out4]}
  - {name: pooled, use: sppf channels=16, from: td3}
outputs: {3: pooled, 4: out4, 5: out5}
---
block: gated
parameters: {channels: required}
nodes:
  - {name: conv, use: conv-norm-act channels=channels kernel=3}
  - {name: se, use: squeeze-excite channels=4}
  - {name: drop, use: drop-path rate=0.1}
  - {name: total, use: add, from: [x, drop]}
---
block: c2f
parameters: {channels: required}
let: {half: channels // 2}
nodes:
  - {name: cv1, use: conv-norm-act channels=2*half}
  - {name: parts, use: split kept=half deep=half}
  - {name: inner, use: conv-norm-act kernel=3 channels=half, from: parts.deep}
  - {name: all, use: concat, from: [parts.kept, parts.deep, inner]}
  - {name: cv2, use: conv-norm-act channels=channels}
"""


def neck(folder: Path) -> str:
    (folder / "neck.yaml").write_text(NECK, "utf-8")
    return (folder / "neck.yaml").as_posix()


def randomized(module: nn.Module) -> nn.Module:
    torch.manual_seed(5)
    with torch.no_grad():
        for tensor in [*module.parameters(), *module.buffers()]:
            if tensor.is_floating_point():
                tensor.copy_(torch.rand_like(tensor) + 0.5)
    return module.double().eval()


@pytest.mark.parametrize("size", [(64, 96), (70, 33), (9, 100)])
def test_the_printed_network_is_the_graph(tmp_path: Path, size: tuple[int, int]) -> None:
    graph = compile_spec(neck(tmp_path)).operators.graph
    interpreter = randomized(Interpreter(graph))
    built = load_module(emit(graph)).double().eval()
    built.load_state_dict(interpreter.state_dict())
    sides = [[-(-side // 2**level) for side in size] for level in (3, 4, 5)]
    features = [torch.randn(2, 16, *side, dtype=torch.float64) for side in sides]
    with torch.no_grad():
        found, expected = built(features), interpreter(features)
    assert [list(y.shape[-2:]) for y in found] == sides
    for one, other in zip(found, expected, strict=True):
        assert torch.allclose(one, other, rtol=1e-9, atol=1e-9)


def test_weights_are_called_by_the_blocks(tmp_path: Path) -> None:
    module = archgraph.build(neck(tmp_path))
    shapes = {name: list(tensor.shape) for name, tensor in module.state_dict().items()}
    assert shapes["td4.fuse.weight"] == [2, 16]
    assert shapes["td4.inputs.td5.up.encode.weight"] == [200, 8, 3, 3]
    assert shapes["td3.block.se.reduce.weight"] == [4, 16, 1, 1]
    assert shapes["out4.block.cv1.conv.weight"] == [16, 32, 1, 1]
    assert not any("drop" in name or "parts" in name for name in shapes)


def only(folder: Path, use: str) -> nn.Module:
    """A network that applies one block to a map of 8 channels."""
    text = (
        "topology: only\nparameters: {levels: {levels: 3..3}, channels: 8}\n"
        f"nodes:\n  - {{name: out, use: {use}, from: in3}}\noutputs: {{3: out}}\n"
    )
    (folder / "only.yaml").write_text(text, "utf-8")
    return randomized(archgraph.build((folder / "only.yaml").as_posix()))


def noise() -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(2, 8, 7, 5, dtype=torch.float64, generator=generator)


def weight(module: nn.Module, name: str) -> Tensor:
    return module.get_parameter(f"out.{name}").detach()


def test_squeeze_excite(tmp_path: Path) -> None:
    module, x = only(tmp_path, "squeeze-excite channels=3"), noise()
    hidden = x.mean(dim=(2, 3)) @ weight(module, "reduce.weight")[:, :, 0, 0].T
    hidden = (hidden + weight(module, "reduce.bias")).clamp(min=0)
    gate = hidden @ weight(module, "expand.weight")[:, :, 0, 0].T + weight(module, "expand.bias")
    expected = x * torch.sigmoid(gate)[:, :, None, None]
    assert torch.allclose(module([x])[0], expected, rtol=1e-10, atol=1e-10)


def test_sppf(tmp_path: Path) -> None:
    module, x = only(tmp_path, "sppf channels=6"), noise()
    inner = module.get_submodule("out.reduce")(x)
    pools = [F.max_pool2d(inner, size, 1, size // 2) for size in (5, 9, 13)]
    expected = module.get_submodule("out.project")(torch.cat([inner, *pools], dim=1))
    assert torch.allclose(module([x])[0], expected, rtol=1e-10, atol=1e-10)
