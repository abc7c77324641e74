"""Small detectors as graphs at stage OPERATORS: a backbone, a neck of the library, shared heads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import torch
from torch import Tensor

from archgraph.codegen import emit, load_module
from archgraph.codegen.interface import interface
from archgraph.codegen.interpreter import Interpreter
from archgraph.compiler import arguments_from_python, compile_spec
from archgraph.ir import Edge, Graph, Node, Scope, Stage, Template
from archgraph.ir.op import Op
from archgraph.ir.ops import Activation, BatchNorm, Conv, Init
from archgraph.ir.pyramid import Input
from tests.codegen.printed import class_of, formatted
from tests.codegen.source_whitelist import strange

NORM = BatchNorm(eps=0.001, momentum=0.01)


class Builder:
    """Adds nodes one by one."""

    def __init__(self, name: str = "net") -> None:
        self.graph = Graph(name, Stage.OPERATORS)

    def add(self, name: str, op: Op, *inputs: str, scope: str = "", weights: str = "") -> str:
        """A node and the name of its value."""
        edges = [Edge(source, source.rpartition(".")[2]) for source in inputs]
        self.graph.add(Node(name, op, scope or name.rpartition(".")[0], weights), edges)
        return name

    def scope(self, path: str, block: str, module: str = "", key: str = "", **more: Any) -> None:
        """A scope with inputs, outputs and arguments, such as `inputs=("x",), channels=64`."""
        inputs, outputs = (more.pop(name, ()) for name in ("inputs", "outputs"))
        assert isinstance(inputs, tuple) and isinstance(outputs, tuple)
        given = tuple(more.items())
        self.graph.scopes[path] = Scope(
            path,
            block,
            given,
            inputs,
            outputs,
            module=module,
            key=key,
        )

    def conv_norm_act(self, path: str, x: str, channels: int, init: Init, **options: Any) -> str:
        """A convolution, its norm, an activation, in a scope of their own."""
        self.scope(path, "conv-norm-act", inputs=("x",), channels=channels, **options)
        conv = Conv(channels, bias=False, init=init, **options)
        self.add(f"{path}.conv", conv, x)
        self.add(f"{path}.norm", NORM, f"{path}.conv")
        return self.add(f"{path}.act", Activation("silu"), f"{path}.norm")

    def neck(self, name: str, inputs: Sequence[str], spec: str, **options: object) -> list[str]:
        """A topology of the library on these values; the names of its outputs."""
        compiled = compile_spec(spec, arguments_from_python(options)).operators.graph
        prefix = f"{name}."
        names = dict(zip((node.name for node in compiled.graph_inputs), inputs, strict=True))
        for path, scope in compiled.scopes.items():
            module = f"{prefix}{scope.module}" if scope.module else name
            path = f"{prefix}{path}" if path else name
            self.graph.scopes[path] = replace(scope, path=path, module=module)
        self.graph.templates.update(compiled.templates)
        for node in compiled:
            if node.name in names:
                continue
            edges = [
                replace(edge, source=names[edge.source]) for edge in compiled.inputs(node.name)
            ]
            names[node.name] = prefix + node.name
            moved = replace(
                node,
                name=prefix + node.name,
                scope=f"{prefix}{node.scope}" if node.scope else name,
                weights=prefix + node.weights,
            )
            self.graph.add(moved, edges)
        return [names[value] for value in compiled.outputs.values()]

    def head(self, name: str, key: str, x: str, width: int, repeats: int, channels: int) -> str:
        """One call of a head whose norms are of that call only."""
        path = f"{name}.{key}"
        self.scope(
            path, "head", name, key, inputs=("x",), channels=channels, width=width, repeats=repeats
        )

        def leaf(local: str, op: Op, *inputs: str, own: bool = False) -> str:
            weights = f"{name}.{local}.{key}" if own else f"{name}.{local}"
            return self.add(f"{path}.{local}", op, *inputs, weights=weights)

        init: Init = "lecun-normal"
        for r in range(repeats):
            step = f"tower.{r}"
            module = f"{name}.{step}"
            self.scope(f"{path}.{step}", "tower-step", module, inputs=("x",), channels=width)
            conv = Conv(width, 3, groups=width, bias=False, padding="same", init=init)
            x = leaf(f"{step}.depthwise", conv, x)
            x = leaf(f"{step}.pointwise", Conv(width, init=init), x)
            x = leaf(f"{step}.norm", NORM, x, own=True)
            x = leaf(f"{step}.act", Activation("silu"), x)
        module = f"{name}.predict"
        self.scope(f"{path}.predict", "separable", module, inputs=("x",), channels=channels)
        conv = Conv(width, 3, groups=width, bias=False, padding="same", init=init)
        x = leaf("predict.depthwise", conv, x)
        return leaf("predict.pointwise", Conv(channels, init=init, bias_init=-4.5), x)


def detector(levels: int = 3, cells: int = 1, width: int = 16) -> Graph:
    """A detector with `levels` levels from P3 on, a BiFPN and two heads with norms per level."""
    return _detector(levels, cells, width).copy()


@cache
def _detector(levels: int, cells: int, width: int) -> Graph:
    net = Builder("tiny-detector")
    net.scope("", "tiny-detector", inputs=("image",), image_size="[64, 96]")
    x = net.add("image", Input(0, 3), scope="")
    names = [f"p{3 + i}" for i in range(levels)]
    net.scope("backbone", "tiny", inputs=("image",), outputs=tuple(names), width=width)
    net.graph.templates["conv-norm-act"] = Template(
        "conv-norm-act",
        (("channels", None), ("kernel", "1"), ("stride", "1")),
        (("conv.channels", "channels"), ("conv.kernel", "kernel"), ("conv.stride", "stride")),
    )
    options = {"kernel": 3, "stride": 2}
    x = net.conv_norm_act("backbone.stem", x, 8, "he-normal", **options)
    x = net.conv_norm_act("backbone.stage1", x, 8, "he-normal", **options)
    found: list[str] = []
    for i in range(levels):
        x = net.conv_norm_act(f"backbone.stage{i + 2}", x, 16 + 8 * i, "he-normal", **options)
        found.append(x)
    found = net.neck(
        "neck",
        found,
        "bifpn",
        levels=f"3..{2 + levels}",
        cells=cells,
        channels=width,
        in_channels=[16 + 8 * i for i in range(levels)],
    )
    outputs: dict[str, str] = {}
    for head, channels in (("classes", 36), ("boxes", 12)):
        for key, value in zip(names, found, strict=True):
            outputs[f"{head}.{key}"] = net.head(head, key, value, width, 2, channels)
    net.graph.set_outputs(outputs)
    return net.graph


# --- what tests do with them ------------------------------------------------------------------

SIZE = (32, 64)


def flat(result: object) -> list[Tensor]:
    """All maps of a result, in order."""
    assert isinstance(result, list | tuple)
    return [x for each in result for x in (each if isinstance(each, list) else [each])]


def checked(graph: Graph, plain: bool = False) -> str:
    """The source of a graph, once it is formatted and runs as the graph does."""
    source = emit(graph)
    if not plain:
        formatted(source.text)
        assert not strange(source.text)
    torch.manual_seed(0)
    module, interpreter = load_module(source).double(), Interpreter(graph).double()
    interpreter.load_state_dict(module.state_dict())
    image = torch.randn(2, 3, *SIZE, dtype=torch.float64)
    with torch.no_grad():
        for training in (True, False):
            found = flat(module.train(training)(image))
            results = zip(graph.outputs.values(), interpreter.train(training)([image]), strict=True)
            by_value = dict(results)
            outputs = interface(graph).outputs.values()
            wanted = [by_value[value] for values in outputs for value in values]
            assert len(found) == len(wanted)
            assert all(torch.equal(one, other) for one, other in zip(found, wanted, strict=True))
    return source.text


def body_of(text: str, name: str) -> str:
    """The text of a class, blanks and line breaks made one blank."""
    return " ".join(class_of(text, name).split())


def changed(graph: Graph, name: str, **fields: object) -> Graph:
    """The graph with other fields in one node."""
    other = Graph(graph.name, graph.stage)
    other.scopes, other.templates = dict(graph.scopes), dict(graph.templates)
    for node in graph:
        new = replace(node, **fields) if node.name == name else node  # type: ignore[arg-type]
        other.add(new, graph.inputs(node.name))
    other.set_outputs(graph.outputs)
    return other
