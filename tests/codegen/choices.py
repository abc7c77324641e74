"""What random specs are made of: pools of names and steps, plain ones first, and how to choose."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar, cast

from hypothesis import strategies as st

T = TypeVar("T")

# What generated modules say themselves.
EXCLUDED_NAMES: frozenset[str] = frozenset(
    """levels channels in_channels in_levels size_multiple spec_hash max_pool_same
    keys items pop update values""".split()
)
EXCLUDED_DOCUMENTS: frozenset[str] = frozenset()
EXCLUDED_PARAMETERS: frozenset[str] = frozenset({"x"})
WITH_LONG_NAMES = False  # lines of more than 100 columns

NAMES = """a b c d above below same in_l like cell element input output inputs fuse block use project
    up down levels channels in_channels in_levels size_multiple spec_hash weight weights norm act conv
    list tuple range int len max max_pool_same FastFusion Conv2dSame Any none a_2 a_ x0 x1 x_
    eps kernel node edge keys items pop update values module mean sum in3_project td6_in5_up
    Project Net cells_ cells0 annotations annotation bool str object print math""".split()
LONG_NAMES = ["n" * 100, "m" * 60, "long_" * 16 + "a", "long_" * 16 + "b"]
BLOCK_NAMES = """mine other fast-fusion conv2d-same tensor f nn any project edge inputs net
    net-cell cell max-pool-same a-b a_b A-B Conv-Norm softmax-fusion torch list""".split()
TOPOLOGY_NAMES = """net f nn torch tensor any fast-fusion a_b max_pool_same Net list edge none true
    conv2d-same module""".split()
PARAMETER_NAMES = """k size kernel ratio in_channels groups conv_channels eps nn torch F self super
    stride width x_channels bias conv_kernel kernel_size inputs out Conv2dSame int Tensor""".split()

FUSIONS = "sum,fast,average,softmax,unbounded,fast eps=0.001,fast eps=1e-6,add".split(",")
FUSIONS += ["weighted-sum normalize=softmax", "weighted-sum normalize=none", "softmax eps=0.1"]
FUSIONS += ["max", "multiply", "fast per=channel", "softmax per=channel", "unbounded per=channel"]
ACTIVATIONS = ["act", "relu", "silu", "sigmoid", "hard-swish", "gelu", "mish", "relu6"]
SETTINGS = ["act: silu", "norm: batch-norm eps=0.001 momentum=0.01", "padding: same", "bias: true"]
SUMS = ["add", "weighted-sum", "weighted-sum normalize=softmax", "weighted-sum eps=0.01"]
SUMS += ["maximum", "multiply", "weighted-sum per=channel"]
IMAGE_SIZES = [(131, 67), (65, 97), (33, 161), (128, 64)]
# Steps that keep level and width, whatever the input.
KEEPING = ["conv-norm channels=x.channels", "depthwise-norm kernel=3", "depthwise kernel=5", "norm"]
KEEPING += ["conv channels=x.channels kernel=3 dilation=2 groups=2 bias=false", "max-pool kernel=3"]
KEEPING += ["batch-norm eps=0.01", "affine factor=0.5", "affine factor=2 offset=-0.25", "affine"]
KEEPING += ["conv channels=x.channels kernel=2 padding=same", "separable-conv channels=x.channels"]
KEEPING += ["weighted-sum", "weighted-sum normalize=none", "add", *ACTIVATIONS]
# Steps to a width; `{}` is the width.
WIDENING = ["conv channels={}", "conv-norm channels={}", "conv channels={} kernel=3 bias=false"]
WIDENING += ["separable-conv-norm-act channels={} kernel=3", "act-separable-conv-norm channels={}"]
WIDENING += [
    "conv-norm-act channels={} kernel=5",
    "conv channels={} kernel=4 padding=same groups=2",
]
HALVING = ["conv channels=x.channels kernel=3 stride=2", "max-pool kernel=3 stride=2"]
HALVING += ["max-pool kernel=1 stride=2", "max-pool kernel=2 stride=2 padding=same"]
HALVING += ["conv channels=x.channels kernel=2 stride=2 padding=same groups=2"]
HALVING += ["depthwise-norm stride=2"]
UP = ["resize", "resize mode=bilinear", "[resize mode=nearest, depthwise-norm]"]
UP += ["[conv channels=x.channels, resize mode=bilinear, relu]"]
_POOL = "max-pool kernel=scale+1 stride=scale padding=same"
DOWN = [_POOL, "conv channels=x.channels kernel=3 stride=scale padding=same"]
DOWN += [f"[conv-norm channels=x.channels kernel=3 stride=2, {{use: {_POOL}, when: distance > 0}}]"]
DOWN += ["{use: conv channels=x.channels kernel=3 stride=2, repeat: distance}"]
PROJECT = ["{use: conv-norm, when: x.channels != channels}", "conv channels=channels kernel=3"]
PROJECT += ["conv-norm", "[conv-norm-act channels=channels, depthwise]"]
PROJECT += ["{use: conv channels=channels kernel=3, repeat: two, first: {kernel: 1}}"]
# Steps of edges that share weights with those of other edges, as far as they are the same.
SHARED_PROJECT = ["{use: conv-norm, when: x.channels != channels, share: p<x.channels>_<channels>}"]
SHARED_PROJECT += ["{use: conv channels=channels, repeat: 2, share: p<x.channels>_<channels>}"]
SHARED_DOWN = [f"{{use: {DOWN[1]}, share: d<x.channels>_<distance>}}"]
SHARED_DOWN += [f"{DOWN[-1][:-1]}, share: d<x.channels>_<distance>}}"]


class Choices:
    """Choices that list the plain first, so that failures shrink to plain specs."""

    def __init__(self, draw: Any) -> None:
        self._draw = draw

    def pick(self, options: Sequence[T]) -> T:
        """One of them; the first is the plainest."""
        return cast(T, self._draw(st.sampled_from(options)))

    def number(self, low: int, high: int) -> int:
        """A whole number; the lowest is the plainest."""
        return cast(int, self._draw(st.integers(low, high)))

    def rarely(self, one_in: int) -> bool:
        """Whether something out of the ordinary happens."""
        return self.number(1, one_in) == one_in

    def some(self, options: Sequence[T], most: int) -> list[T]:
        """One or more of them, in any order, also repeated."""
        several = st.lists(st.sampled_from(options), min_size=1, max_size=most)
        return cast(list[T], self._draw(several))

    def names(self, pool: Sequence[str], count: int, excluded: frozenset[str]) -> list[str]:
        kept = st.sampled_from([name for name in pool if name not in excluded])
        several = st.lists(kept, min_size=count, max_size=count, unique=True)
        return cast(list[str], self._draw(several))
