"""Named tensors for a graph: files are read with care, matched whole, and written whole.

Comes in: a graph at OPERATORS, and files of effdet, timm, efficientnet-pytorch or archgraph.
Goes out: a module with weights, or a file. May import `analysis`, `spec`, `ir`, `expressions` and
`errors`; torch, safetensors. Start at `transfer.py`.
"""

from archgraph.weights.files import read_metadata
from archgraph.weights.schemes import SCHEMES
from archgraph.weights.tensors import tensor_shapes
from archgraph.weights.transfer import (
    Network,
    Report,
    export_weights,
    import_weights,
    load_weights,
)

__all__ = [
    "SCHEMES",
    "Network",
    "Report",
    "export_weights",
    "import_weights",
    "load_weights",
    "read_metadata",
    "tensor_shapes",
]
