"""Small graphs for the tests of passes, and ways to look at them."""

from __future__ import annotations

import re
from pathlib import Path

from archgraph.compiler import Compilation, arguments_from_python, compile_spec
from archgraph.expressions import parse_step
from archgraph.ir import Edge, EdgeSteps, Graph, Model, Node, Scope, Stage, print_graph
from archgraph.ir.pyramid import Fuse, Input, Use
from archgraph.passes import Pass, PassResult, run_pass
from archgraph.passes.pyramid.prune_single_input import PruneSingleInput

# name -> (level, operands in order)
Cell = dict[str, tuple[int, tuple[str, ...]]]

HEAD = """\
topology: t
parameters: {levels: {levels: 3..5}, channels: 64}
defaults:
  node: {fuse: sum, block: none}
  edge:
    project: {use: conv-norm, when: x.channels != channels}
    up: resize mode=nearest
    down: max-pool kernel=3 stride=2
"""


def compiled(reference: str, **parameters: object) -> Compilation:
    """A spec of the library, or a file."""
    return compile_spec(reference, arguments_from_python(parameters))


def compiled_text(
    folder: Path, text: str, head: str = HEAD, /, **parameters: object
) -> Compilation:
    """A spec written in a test."""
    path = folder / "t.yaml"
    path.write_text(head + text, encoding="utf-8")
    return compiled(str(path), **parameters)


def written(reference: str, **parameters: object) -> Model:
    """The model before any pass."""
    return compiled(reference, **parameters).written


def pyramid(text: str, channels: int = 64) -> Model:
    """A graph from the notation of `topologies.md`: `name | level | inputs | ... pin`.

    Edges say nothing and there is no policy; every node is `sum` without a block.
    """
    graph = Graph("g", Stage.PYRAMID, policy=EdgeSteps())
    graph.scopes[""] = Scope("", "g")
    for line in text.strip().splitlines():
        head, _, rest = line.strip().partition(": ")
        if head == "inputs":
            for word in rest.split():
                name, level = word.split(":")
                graph.add(Node(name, Input(int(level), channels), "", name))
        elif head == "outputs":
            graph.set_outputs({f"p{k}": v for k, v in (w.split("=") for w in rest.split())})
        else:
            name, level, operands = (part.strip() for part in line.split("|")[:3])
            sources = re.sub(r"\[.*?\]", "", operands).replace(" ", "").split(",")
            fuse = Fuse(int(level), channels, parse_step("sum"), pin=line.endswith(" pin"))
            graph.add(Node(name, fuse, "", name), [Edge(s, s) for s in sources])
    return Model(graph)


def run(model: Model, *passes: Pass) -> list[PassResult]:
    """Run passes one after another, making sure that each leaves its input alone."""
    results: list[PassResult] = []
    for step in passes:
        before = print_graph(model.graph)
        copy = model.graph.copy()
        result = run_pass(step, model)
        assert print_graph(model.graph) == before
        assert model.graph == copy
        assert result.before is model
        results.append(result)
        model = result.after
    return results


def after(model: Model, *passes: Pass) -> Graph:
    """The graph after these passes."""
    return run(model, *passes)[-1].after.graph


def cell(graph: Graph) -> Cell:
    """The nodes that are no inputs, in order, with their levels and operands."""
    return {
        node.name: (node.op.level, tuple(edge.source for edge in graph.inputs(node.name)))
        for node in graph.order()
        if isinstance(node.op, Fuse | Use)
    }


def edge_names(graph: Graph, node: str) -> tuple[str, ...]:
    return tuple(edge.name for edge in graph.inputs(node))


def counts(graph: Graph) -> tuple[int, int]:
    """Nodes without the inputs, and edges."""
    nodes = cell(graph)
    return len(nodes), sum(len(operands) for _, operands in nodes.values())


def prune(model: Model) -> PassResult:
    """One run; a second one must find nothing."""
    (result,) = run(model, PruneSingleInput())
    (again,) = run(result.after, PruneSingleInput())
    assert again.rewrites == 0
    assert again.after.graph == result.after.graph
    return result


def pruned_text(folder: Path, nodes: str, **parameters: object) -> PassResult:
    text = "passes: [prune-single-input]\nnodes:\n" + nodes
    result = compiled_text(folder, text, **parameters).results[0]
    assert prune(result.before).log == result.log
    return result
