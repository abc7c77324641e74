"""The operators: everything a graph at stage OPERATORS may hold.

An op is a frozen dataclass; its fields are its meaning. `infer` gives the type of its result
and refuses what it cannot compute; `parameters` names its learned weights and their shapes,
`buffers` the running statistics that travel with them. An operator needs a row here, in
`analysis.work`, in `codegen.forms` and in `render.style`.
"""

from __future__ import annotations

from collections import ChainMap

from archgraph.ir.op import Op
from archgraph.ir.operators.combine import Add, Concat, Maximum, Multiply, Slice, WeightedSum
from archgraph.ir.operators.pointwise import (
    Activation,
    ActivationFunction,
    Affine,
    BatchNorm,
    DropBlock,
    DropPath,
    GroupNorm,
    LayerNorm,
    Scale,
    Softmax,
)
from archgraph.ir.operators.positions import Attention, PositionEmbedding, Reassemble
from archgraph.ir.operators.sizes import (
    AdaptivePool,
    Crop,
    GlobalPool,
    PixelShuffle,
    PixelUnshuffle,
    Resize,
)
from archgraph.ir.operators.windows import (
    AvgPool,
    Conv,
    ConvTranspose,
    DeformConv,
    Init,
    MaxPool,
    Padding,
    symmetric_padding,
)
from archgraph.ir.pyramid import Fuse, Input, Result, Use

OPERATORS: dict[str, type[Op]] = {
    # windows
    "conv": Conv,
    "conv-transpose": ConvTranspose,
    "deform-conv": DeformConv,
    "max-pool": MaxPool,
    "avg-pool": AvgPool,
    # pixel by pixel
    "batch-norm": BatchNorm,
    "group-norm": GroupNorm,
    "layer-norm": LayerNorm,
    "activation": Activation,
    "softmax": Softmax,
    "affine": Affine,
    "scale": Scale,
    "drop-path": DropPath,
    "drop-block": DropBlock,
    # sizes
    "resize": Resize,
    "adaptive-pool": AdaptivePool,
    "global-pool": GlobalPool,
    "crop": Crop,
    "pixel-shuffle": PixelShuffle,
    "pixel-unshuffle": PixelUnshuffle,
    # several maps, and parts of one
    "add": Add,
    "multiply": Multiply,
    "maximum": Maximum,
    "weighted-sum": WeightedSum,
    "concat": Concat,
    "slice": Slice,
    # positions that see one another
    "attention": Attention,
    "position-embedding": PositionEmbedding,
    "reassemble": Reassemble,
}
PYRAMID: dict[str, type[Op]] = {"input": Input, "fuse": Fuse, "use": Use, "result": Result}
# A view of both: what is added to one of them is in it.
VOCABULARY = ChainMap(OPERATORS, PYRAMID)

__all__ = [
    "OPERATORS",
    "PYRAMID",
    "VOCABULARY",
    "Activation",
    "ActivationFunction",
    "AdaptivePool",
    "Add",
    "Affine",
    "Attention",
    "AvgPool",
    "BatchNorm",
    "Concat",
    "Conv",
    "ConvTranspose",
    "Crop",
    "DeformConv",
    "DropBlock",
    "DropPath",
    "GlobalPool",
    "GroupNorm",
    "Init",
    "LayerNorm",
    "MaxPool",
    "Maximum",
    "Multiply",
    "Padding",
    "PixelShuffle",
    "PixelUnshuffle",
    "PositionEmbedding",
    "Reassemble",
    "Resize",
    "Scale",
    "Slice",
    "Softmax",
    "WeightedSum",
    "symmetric_padding",
]
