"""The table of forms: complete, and the interpreter is what the forms say."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from archgraph.codegen.forms import FORMS
from archgraph.codegen.interpreter import Interpreter
from archgraph.ir import parse_graph
from archgraph.ir.ops import OPERATORS


def test_every_operator_has_a_form() -> None:
    missing = [op.kind for op in OPERATORS.values() if op not in FORMS]
    assert not missing, f"no torch form for {missing}"


def test_interpreter_by_hand() -> None:
    graph = parse_graph("""
graph hand stage=operators
  scope <root> = hand(a, b) -> (r)
  a = input {level=3, channels=2}
  b = input {level=4, channels=2}
  c = conv(b) {channels=2, kernel=3, groups=2, bias=false}
  n = batch-norm(c) {eps=0.01}
  u = resize(n, a) {mode=bilinear}
  s = weighted-sum(a, u) {normalize=softmax}
  t = add(s, a)
  m = affine(t) {factor=0.5, offset=1.0}
  r = activation(m) {function=silu}
  p = max-pool(r) {kernel=3, stride=2}
  return p3=r, p4=p
""")
    module = Interpreter(graph).double().eval()
    weight = torch.randn(2, 1, 3, 3, dtype=torch.float64)
    module.load_state_dict({**module.state_dict(), "c.weight": weight})
    a = torch.randn(1, 2, 7, 9, dtype=torch.float64)
    b = torch.randn(1, 2, 4, 5, dtype=torch.float64)
    conv = F.conv2d(b, weight, padding=1, groups=2) / (1 + 0.01) ** 0.5
    up = F.interpolate(conv, size=(7, 9), mode="bilinear", align_corners=False)
    r = F.silu((0.5 * a + 0.5 * up + a) * 0.5 + 1)
    found = module([a, b])
    assert torch.allclose(found[0], r, atol=1e-12)
    assert torch.allclose(found[1], F.max_pool2d(r, 3, 2, 1), atol=1e-12)
