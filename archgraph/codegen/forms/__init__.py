"""The one table that knows how each operator is written in torch.

The printer writes these texts into files; the interpreter evaluates the same texts node by
node. Meaning is written once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from archgraph.codegen.forms import combine, pointwise, positions, sizes, windows
from archgraph.codegen.forms.form import Constructed, Form, Texts
from archgraph.ir import FeatureType
from archgraph.ir import ops as ir
from archgraph.ir.op import Op

# Each row: (op, types of its operands) -> form.
FORMS: dict[type[Op], Callable[[Op, Sequence[FeatureType]], Form]] = {
    ir.Conv: windows.conv,
    ir.ConvTranspose: windows.conv_transpose,
    ir.DeformConv: windows.deform_conv,
    ir.MaxPool: windows.max_pool,
    ir.AvgPool: windows.avg_pool,
    ir.BatchNorm: pointwise.batch_norm,
    ir.GroupNorm: pointwise.group_norm,
    ir.LayerNorm: pointwise.layer_norm,
    ir.Activation: pointwise.activation,
    ir.Softmax: pointwise.softmax,
    ir.Affine: pointwise.affine,
    ir.Scale: pointwise.scale,
    ir.DropPath: pointwise.drop_path,
    ir.DropBlock: pointwise.drop_block,
    ir.Resize: sizes.resize,
    ir.AdaptivePool: sizes.adaptive_pool,
    ir.GlobalPool: sizes.global_pool,
    ir.Crop: sizes.crop,
    ir.PixelShuffle: sizes.pixel_shuffle,
    ir.PixelUnshuffle: sizes.pixel_unshuffle,
    ir.Add: combine.add,
    ir.Multiply: combine.multiply,
    ir.Maximum: combine.maximum,
    ir.WeightedSum: combine.weighted_sum,
    ir.Concat: combine.concat,
    ir.Slice: combine.slice_,
    ir.Attention: positions.attention,
    ir.PositionEmbedding: positions.position_embedding,
    ir.Reassemble: positions.reassemble,
}


def form_of(op: Op, inputs: Sequence[FeatureType]) -> Form:
    """The form of an operator on operands of these types."""
    return FORMS[type(op)](op, inputs)


def literals(form: Form) -> Texts:
    """The slots of a form as literals."""
    return {name: repr(value) for name, value in form.slots.items()}


def size_check(operand: str, level: int, size_multiple: int) -> str:
    """The statement that refuses an input of a size that the network cannot take, or nothing.

    Args:
        operand: the variable of the input.
        level: the level of the input.
        size_multiple: what height and width of the image must be multiples of.
    """
    multiple, rest = divmod(size_multiple, 2**level)
    return f"check_size({operand}, {multiple})" if multiple > 1 and not rest else ""


__all__ = ["FORMS", "Constructed", "Form", "Texts", "form_of", "literals", "size_check"]
