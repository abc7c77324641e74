"""How weights start: which modules are drawn from what, said at the end of a constructor.

self.backbone.apply(he_normal)
nn.init.constant_(self.get_parameter("classes.predict.pointwise.bias"), -4.6)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from archgraph.codegen.access import Access
from archgraph.codegen.forms import form_of, literals
from archgraph.codegen.snippets import ADDED, definitions
from archgraph.errors import CodegenError, Diagnostic
from archgraph.ir import FeatureType, Graph
from archgraph.ir.op import Op
from archgraph.ir.ops import Conv
from archgraph.ir.pyramid import Input

# The functions of the prelude, by what a convolution says.
HELPERS: Mapping[str, str] = {
    "he-normal": "he_normal",
    "glorot-uniform": "glorot_uniform",
    "lecun-normal": "lecun_normal",
}
# Classes whose instances such a function changes.
CONVOLUTIONS = frozenset({"torch.nn.Conv2d", "nn.Conv2d", "Conv2dSame"})


@dataclass(frozen=True)
class Start:
    """How the weights of a module start: what they are drawn from, and what its bias is then."""

    helper: str = ""
    bias: float = 0.0


# Of a module that has convolutions inside: no function may come near it.
CLOSED = Start("closed")


def start_of(op: Op) -> Start:
    """How the weights of an operator start."""
    helper = HELPERS.get(op.init, "") if isinstance(op, Conv) else ""
    bias = op.bias_init if isinstance(op, Conv) and op.bias and helper else 0.0
    return Start(helper, float(bias))


def is_closed(target: str) -> bool:
    """Whether a class may have convolutions inside, which start as the class says."""
    return target in ADDED or "nn.Conv2d(" in definitions().get(target, "")


def starts(graph: Graph, types: Mapping[str, FeatureType]) -> dict[str, Start]:
    """How each convolution starts, and what must be left alone, by path.

    Raises:
        CodegenError: E412, a module starts in two ways.
    """
    found: dict[str, Start] = {}
    for node in graph:
        if isinstance(node.op, Input):
            continue
        if isinstance(node.op, Conv):
            start = start_of(node.op)
        else:
            form = form_of(node.op, [types[edge.source] for edge in graph.inputs(node.name)])
            made = form.module(literals(form)) if form.module else None
            if made is None or not is_closed(made.target):
                continue
            start = CLOSED
        if found.setdefault(node.weights, start) != start:
            message = f"the weights '{node.weights}' are shared, but start in two ways"
            raise CodegenError(Diagnostic("E412", message, node.location))
    return found


def initial_texts(found: Mapping[str, Start], access: Access) -> Iterator[str]:
    """The statements of a constructor that let all weights start as they should.

    Args:
        found: how each convolution starts, by path.
        access: how the class of the whole network reaches modules.
    """
    inside: dict[str, set[str]] = {}
    children: dict[str, dict[str, None]] = {}
    for path, start in found.items():
        parts = path.split(".")
        for i in range(len(parts) + 1):
            around = ".".join(parts[:i])
            inside.setdefault(around, set()).add(start.helper)
            if i < len(parts):
                children.setdefault(around, {})[".".join(parts[: i + 1])] = None
    waiting = [""] if any(inside.values()) else []
    while waiting:
        path = waiting.pop()
        if len(inside[path]) > 1:
            waiting.extend(reversed(children[path]))
            continue
        (helper,) = inside[path]
        if helper in HELPERS.values():
            yield f"{access.typed(path)}.apply({helper})"
    for path, start in found.items():
        if start.bias:
            yield f'nn.init.constant_(self.get_parameter("{path}.bias"), {start.bias!r})'
