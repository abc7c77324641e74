"""What each operator does: its multiply-adds, and its elementwise operations at inference.

`macs` are the multiply-adds of convolutions and products of matrices, half of what
`torch.utils.flop_counter.FlopCounterMode` counts. Elementwise operations, per element of the
result, with n operands and a window of k x k:

    activation           1          whatever the function
    batch-norm           2          a factor and an offset
    group-, layer-norm   7          mean 1, deviation 1, variance 2, division 1, factor and offset 2
    softmax              3          exponential, sum, division
    affine               2          a factor and an offset
    scale                1
    add, multiply        n - 1      maximum too
    weighted-sum         2n - 1     `none`, `softmax`: n multiplications, n - 1 additions
                         3n - 1     `fast`: n divisions more, since every term is divided
    max-pool             k*k - 1    comparisons
    avg-pool             k*k        additions and a division
    resize               0          `nearest` copies
                         9          `bilinear`: 3 interpolations of 2 products and an addition
    conv, conv-transpose 0          the bias starts the sum, so the multiply-adds contain it
    reassemble           0          k*k multiply-adds

Others do something for each element of what they read: `global-pool` and `adaptive-pool` 1,
`attention` 4 for each pair of positions and head (the factor and the softmax), `deform-conv` 9 for
each sample it interpolates, and 1 more for its weight if it is modulated. `drop-path` and
`drop-block` do nothing at inference; `crop`, `slice`, `concat`, `pixel-shuffle` and
`pixel-unshuffle` only move numbers, `position-embedding` has a few sines for each row and column.

The few operations on the fusion weights themselves do not depend on the image and are left out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from archgraph.analysis.shapes import ImageSize
from archgraph.ir import FeatureType
from archgraph.ir import ops as ir
from archgraph.ir.op import Op

Work = tuple[int, int]


@dataclass(frozen=True)
class Site:
    """Where an operator works: types and sizes of its operands and of its result."""

    operands: Sequence[FeatureType]
    sizes: Sequence[ImageSize]
    result: FeatureType
    size: ImageSize

    @property
    def elements(self) -> int:
        """Numbers in the result, for one image."""
        return self.result.channels * self.size[0] * self.size[1]

    def pixels(self, operand: int = 0) -> int:
        """Positions of an operand."""
        height, width = self.sizes[operand]
        return height * width

    def read(self, operand: int = 0) -> int:
        """Numbers in an operand, for one image."""
        return self.operands[operand].channels * self.pixels(operand)


def _conv(op: ir.Conv, site: Site) -> Work:
    # padding counts like pixels, as in torch's counter
    per_element = site.operands[0].channels // op.groups * op.kernel**2
    return site.elements * per_element, 0


def _conv_transpose(op: ir.ConvTranspose, site: Site) -> Work:
    # every number that is read goes into a whole window
    return site.read() * (op.channels // op.groups) * op.kernel**2, 0


def _deform_conv(op: ir.DeformConv, site: Site) -> Work:
    taps, width = op.kernel**2, site.operands[0].channels
    places = site.size[0] * site.size[1]
    told = (3 if op.modulated else 2) * taps
    macs = site.elements * (width // op.groups) * taps + places * told * width * taps
    samples = places * width * taps
    return macs, samples * (10 if op.modulated else 9)


def _max_pool(op: ir.MaxPool, site: Site) -> Work:
    return 0, (op.kernel**2 - 1) * site.elements


def _avg_pool(op: ir.AvgPool, site: Site) -> Work:
    return 0, op.kernel**2 * site.elements


def _resize(op: ir.Resize, site: Site) -> Work:
    return 0, (9 if op.mode == "bilinear" else 0) * site.elements


def _pool(_: Op, site: Site) -> Work:
    return 0, site.read()


def _combine(_: Op, site: Site) -> Work:
    return 0, (len(site.operands) - 1) * site.elements


def _weighted_sum(op: ir.WeightedSum, site: Site) -> Work:
    terms = len(site.operands)
    per_term = 2 if op.normalize == "fast" else 1
    return 0, (per_term * terms + terms - 1) * site.elements


def _attention(op: ir.Attention, site: Site) -> Work:
    query, _, value = site.operands
    pairs = site.pixels(0) * site.pixels(1)
    return pairs * (query.channels + value.channels), 4 * op.heads * pairs


def _reassemble(op: ir.Reassemble, site: Site) -> Work:
    return op.kernel**2 * site.elements, 0


def _per_element(count: int) -> Callable[[Op, Site], Work]:
    """The same number of operations for every element of the result."""
    return lambda _, site: (0, count * site.elements)


# Each row: (op, site) -> (macs, elementwise). Every operator needs one, also a free one.
WORK: dict[type[Op], Callable[[Any, Site], Work]] = {
    ir.Conv: _conv,
    ir.ConvTranspose: _conv_transpose,
    ir.DeformConv: _deform_conv,
    ir.MaxPool: _max_pool,
    ir.AvgPool: _avg_pool,
    ir.BatchNorm: _per_element(2),
    ir.GroupNorm: _per_element(7),
    ir.LayerNorm: _per_element(7),
    ir.Activation: _per_element(1),
    ir.Softmax: _per_element(3),
    ir.Affine: _per_element(2),
    ir.Scale: _per_element(1),
    ir.DropPath: _per_element(0),
    ir.DropBlock: _per_element(0),
    ir.Resize: _resize,
    ir.AdaptivePool: _pool,
    ir.GlobalPool: _pool,
    ir.Crop: _per_element(0),
    ir.PixelShuffle: _per_element(0),
    ir.PixelUnshuffle: _per_element(0),
    ir.Add: _combine,
    ir.Multiply: _combine,
    ir.Maximum: _combine,
    ir.WeightedSum: _weighted_sum,
    ir.Concat: _per_element(0),
    ir.Slice: _per_element(0),
    ir.Attention: _attention,
    ir.PositionEmbedding: _per_element(0),
    ir.Reassemble: _reassemble,
}
