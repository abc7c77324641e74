"""What tests of generated source share: a text that is formatted and runs as its graph does."""

from __future__ import annotations

import subprocess
from pathlib import Path

import torch
from ruff import find_ruff_bin  # type: ignore[import-untyped]

from archgraph.codegen import emit, load_module
from archgraph.codegen.interpreter import Interpreter
from archgraph.ir import Graph, parse_graph

CONFIG = Path(__file__).parents[2] / "pyproject.toml"


def formatted(text: str) -> None:
    """Check that the formatter leaves a text unchanged."""
    command = [find_ruff_bin(), "format", "--config", str(CONFIG), "--diff", "-"]
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def text_of(graph: Graph) -> str:
    """The source of a graph, once it is formatted and runs as the graph does."""
    source = emit(graph)
    formatted(source.text)
    torch.manual_seed(0)
    module, interpreter = load_module(source).double(), Interpreter(graph).double()
    with torch.no_grad():
        for tensor in module.state_dict().values():
            if tensor.is_floating_point():
                tensor.add_(torch.rand_like(tensor) * 0.1)
    interpreter.load_state_dict(module.state_dict())
    maps = []
    for node in graph.graph_inputs:
        type_ = node.op.infer(())
        size = [-(-side // type_.stride) for side in (64, 96)]
        maps.append(torch.randn(2, type_.channels, *size, dtype=torch.float64))
    for training in (True, False):
        results = []
        for network in (module, interpreter):
            torch.manual_seed(1)
            results.append(network.train(training)(list(maps)))
        for found, wanted in zip(*results, strict=True):
            assert torch.allclose(found, wanted, rtol=1e-9, atol=1e-9)
    return source.text


def class_of(text: str, name: str) -> str:
    """The text of one class."""
    start = text.index(f"class {name}(")
    end = text.find("\n\n\nclass ", start)
    return text[start : end if end > 0 else len(text)]


def graph_of(body: str) -> Graph:
    """A graph at stage OPERATORS from the lines of its text form."""
    return parse_graph(f"graph net stage=operators\n{body}")
