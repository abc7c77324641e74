"""What every operator keeps, by running it: sizes, names of tensors, costs, gradients, layouts."""

from __future__ import annotations

import math
from itertools import product

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from archgraph.analysis import cost, level_size, map_size, size_multiple
from archgraph.codegen import emit, load_module, prelude
from archgraph.codegen.forms import form_of, literals, size_check
from archgraph.codegen.interpreter import Interpreter
from archgraph.codegen.prelude import check_size
from archgraph.errors import SpecError
from archgraph.ir import FeatureType, Graph, parse_graph, print_graph
from archgraph.ir.op import Op
from archgraph.ir.ops import (
    AvgPool,
    Conv,
    ConvTranspose,
    DeformConv,
    MaxPool,
    Padding,
    PixelUnshuffle,
)
from archgraph.ir.pyramid import Input
from tests.operator_cases import CASES, IDS, POOLED, Case, X, graph_of

ALL = pytest.mark.parametrize("case", CASES, ids=IDS)
# torch's generator makes the same numbers in every process.
SEED = 20


def module_of(case: Case) -> Interpreter:
    """The operator with random weights and statistics, in double precision."""
    torch.manual_seed(SEED)
    module = Interpreter(graph_of(case)).double().eval()
    with torch.no_grad():
        for tensor in [*module.parameters(), *module.buffers()]:
            if tensor.is_floating_point():
                tensor.copy_(torch.rand_like(tensor) + 0.5)
    return module


def maps_of(graph: Graph, image_size: tuple[int, int], batch: int = 2) -> list[Tensor]:
    """Random inputs of a graph for an image of this size."""
    found: list[Tensor] = []
    for node in graph.graph_inputs:
        assert isinstance(node.op, Input)
        size = level_size(image_size, node.op.level)
        found.append(torch.randn(batch, node.op.channels, *size, dtype=torch.float64))
    return found


@ALL
def test_the_text_form_says_everything(case: Case) -> None:
    graph = graph_of(case)
    assert parse_graph(print_graph(graph)) == graph


@ALL
def test_sizes_are_those_of_the_level(case: Case) -> None:
    """Every image of 1 to 40 pixels, or of the multiples that the operator asks for."""
    graph, module = graph_of(case), module_of(case)
    multiple = size_multiple(graph)
    sides = range(multiple, 41, multiple)
    for height, width in zip(sides, reversed(sides), strict=True):
        with torch.no_grad():
            (found,) = module(maps_of(graph, (height, width), batch=1))
        expected = map_size((height, width), case.result)
        assert found.shape == (1, case.result.channels, *expected), (height, width)


@ALL
def test_the_generated_module_is_the_interpreter(case: Case) -> None:
    module = module_of(case)
    built = load_module(emit(module.graph)).double().eval()
    built.load_state_dict(module.state_dict())
    multiple = size_multiple(module.graph)
    features = maps_of(module.graph, (9 * multiple, 14 * multiple))
    with torch.no_grad():
        assert torch.equal(built(features)[0], module(features)[0])


@ALL
def test_tensors_have_the_names_and_shapes_of_torch(case: Case) -> None:
    form = form_of(case.op, case.inputs)
    names = dict(case.op.parameters(case.inputs))
    buffers = dict(case.op.buffers(case.inputs))
    if form.module is None:
        assert not names and not buffers
        return
    module = module_of(case).get_submodule("y")
    assert {name: tuple(p.shape) for name, p in module.named_parameters()} == names
    assert [name for name, _ in module.named_parameters()] == list(names)
    assert {name: tuple(b.shape) for name, b in module.named_buffers()} == buffers
    assert list(module.state_dict()) == [*names, *buffers] or isinstance(module, nn.BatchNorm2d)
    assert set(module.state_dict()) == {*names, *buffers}


@ALL
def test_the_cost_is_what_torch_counts(case: Case) -> None:
    graph, module = graph_of(case), module_of(case)
    side = 16 * size_multiple(graph)
    features = maps_of(graph, (side, side + size_multiple(graph)), batch=1)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        (found,) = module(features)
    counted = cost(graph, (side, side + size_multiple(graph)), dtype_bytes=8)
    (amount,) = [operator.amount for operator in counted.operators if operator.name == "y"]
    assert 2 * counted.total.macs == counter.get_total_flops()
    assert amount.parameters == sum(p.numel() for p in module.parameters())
    assert amount.activation_bytes == found.numel() * 8


@ALL
def test_gradients_reach_everything(case: Case) -> None:
    module = module_of(case)
    features = [x.requires_grad_() for x in maps_of(module.graph, (16, 24))]
    (found,) = module(features)
    measured = [i for i, port in enumerate(case.op.ports) if port == "like"]
    read = [] if case.op.kind == "position-embedding" else features
    read = [x for i, x in enumerate(read) if i not in measured]
    wanted = [*module.parameters(), *read]
    if not wanted:
        return
    # A softmax sums to 1 whatever its inputs are, so the sum has factors of its own.
    gradients = torch.autograd.grad((found * torch.rand_like(found)).sum(), wanted)
    assert all(gradient.abs().max() > 0 for gradient in gradients)


@ALL
def test_channels_last_gives_the_same_numbers(case: Case) -> None:
    module = module_of(case)
    features = maps_of(module.graph, (16, 24))
    last = [x.contiguous(memory_format=torch.channels_last) for x in features]
    with torch.no_grad():
        (expected,), (found,) = module(features), module(last)
    assert torch.allclose(found, expected, rtol=1e-12, atol=1e-12)


@ALL
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision(case: Case, dtype: torch.dtype) -> None:
    module = module_of(case)
    features = maps_of(module.graph, (16, 24))
    with torch.no_grad():
        (expected,) = module([x.to(dtype).double() for x in features])
        (found,) = module.to(dtype)([x.to(dtype) for x in features])
    assert found.dtype == dtype
    scale = expected.abs().max()
    difference = (found.double() - expected).abs().max() / scale
    assert difference < 32 * torch.finfo(dtype).eps


@pytest.mark.slow
@ALL
def test_export_with_dynamic_sizes(case: Case) -> None:
    module = module_of(case)
    unit = 8 * size_multiple(module.graph)
    features = maps_of(module.graph, (4 * unit, 3 * unit))
    batch = torch.export.Dim("batch", min=2, max=64)
    shapes: list[dict[int, object]] = []
    height, width = torch.export.Dim("h", max=64), torch.export.Dim("w", max=64)
    for x in features:
        steps = [x.shape[2] // 4, x.shape[3] // 3]
        dims = {2: steps[0] * height, 3: steps[1] * width} if min(x.shape[2:]) > 1 else {}
        shapes.append({0: batch, **dims})
    program = torch.export.export(module, (features,), dynamic_shapes=(shapes,))
    other = maps_of(module.graph, (6 * unit, 5 * unit), batch=3)
    with torch.no_grad():
        (found,), (expected,) = program.module()(other), module(other)
    assert torch.allclose(found, expected, rtol=1e-9, atol=1e-9)


# --- windows: accepted exactly when the sizes hold -----------------------------------------------


def size_of(op: Op, size: int) -> int | None:
    """What torch makes of a map of `size` pixels; None where it makes nothing."""
    try:
        form = form_of(op, [X])
        names: dict[str, object] = {"module": None}
        known = {"torch": torch, "F": F, "nn": nn, **vars(prelude)}
        if form.module:
            names["module"] = eval(str(form.module(literals(form))), known)
        names["x"] = torch.zeros(1, X.channels, size, size)
        operands = ["module", "x"] if form.module else ["x"]
        found = eval(form.call(operands, literals(form)), known, names)
    except RuntimeError:
        return None
    assert isinstance(found, Tensor)
    return int(found.shape[-1])


def refused(op: Op, x: FeatureType) -> str:
    """The code with which an operator refuses its operand, if it does."""
    try:
        op.infer([x])
    except SpecError as error:
        return error.diagnostics[0].code
    return ""


PADDINGS: tuple[Padding, ...] = ("symmetric", "same", "valid")


@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("kind", ["conv", "dilated", "max-pool", "avg-pool", "deform-conv"])
def test_a_window_is_accepted_iff_it_keeps_the_rule(kind: str, padding: Padding) -> None:
    # `symmetric` has no size of its own beyond stride 2, where it is always refused.
    strides = (1, 2) if padding == "symmetric" else (1, 2, 4)
    for kernel, stride in product(range(1, 6), strides):
        op: Op = {
            "conv": Conv(8, kernel, stride, padding=padding),
            "dilated": Conv(8, kernel, stride, 2, padding=padding),
            "max-pool": MaxPool(kernel, stride, padding),
            "avg-pool": AvgPool(kernel, stride, padding),
            "deform-conv": DeformConv(8, kernel, stride, padding=padding),
        }[kind]
        sides = range(1, 14)
        fits = {n for n in sides if size_of(op, n) == math.ceil(n / stride)}
        code = refused(op, X)
        if code:
            assert code == "E213"
            multiples = [m for m in (1, 2, 4) if fits >= set(range(m, 14, m))]
            assert not multiples, f"{op} keeps the rule for multiples of {multiples[0]}"
            continue
        assert op.infer([X]) == FeatureType(X.level + stride.bit_length() - 1, 8)
        multiple = op.size_multiple([X])
        assert fits >= set(range(multiple, 14, multiple)), op
        if multiple > 1:  # and no smaller one would do
            assert not fits >= set(range(multiple // 2, 14, multiple // 2)), op


@pytest.mark.parametrize("kernel", range(1, 7))
@pytest.mark.parametrize("stride", [1, 2, 4])
def test_a_transposed_window_multiplies_the_size(kernel: int, stride: int) -> None:
    for padding in ("symmetric", "same"):
        op = ConvTranspose(8, kernel, stride, padding=padding)
        code = refused(op, FeatureType(3, 8))
        if code:
            assert code == "E213"
            even = stride == 1 and kernel % 2 == 0 and padding == "symmetric"
            assert kernel < stride or even
            continue
        steps = stride.bit_length() - 1
        assert op.infer([FeatureType(3, 8)]) == FeatureType(3 - steps, 8, steps)
        assert [size_of(op, n) for n in range(1, 12)] == [n * stride for n in range(1, 12)]


# --- the size multiple ----------------------------------------------------------------------------


def test_the_size_multiple_of_a_graph() -> None:
    graph = parse_graph("""
graph stems stage=operators
  scope <root> = stems(image) -> (y)
  image = input {level=0, channels=3}
  stem = conv(image) {channels=8, kernel=4, stride=4, padding=valid}
  next = conv(stem) {channels=16, kernel=2, stride=2, padding=valid}
  y = max-pool(next) {kernel=3, stride=2}
  return y=y
""")
    assert size_multiple(graph) == 8
    assert [
        size_multiple(graph_of(Case(op, (X,)))) for op in (Conv(8, 3, 2), MaxPool(2, 2, "valid"))
    ] == [1, 4]
    assert size_multiple(graph_of(Case(PixelUnshuffle(4), (X,)))) == 8


def test_the_check_of_the_size() -> None:
    assert size_check("image", 0, 8) == "check_size(image, 8)"
    assert size_check("c3", 3, 32) == "check_size(c3, 4)"
    assert size_check("c3", 3, 8) == ""
    assert size_check("c3", 3, 1) == ""
    check_size(torch.zeros(1, 1, 16, 24), 8)
    with pytest.raises(ValueError, match="a map of 16 x 20 pixels: both must be multiples of 8"):
        check_size(torch.zeros(1, 1, 16, 20), 8)


def test_pooled_maps_are_single_pixels() -> None:
    assert map_size((500, 333), POOLED) == (1, 1)
    assert map_size((500, 333), FeatureType(2, 8)) == (125, 84)
    assert map_size((500, 333), FeatureType(2, 8, 1)) == (126, 84)
    assert map_size((500, 333), FeatureType(2, 8, 3)) == (128, 88)
