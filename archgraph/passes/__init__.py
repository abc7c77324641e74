"""Rewrites of models, each a frozen dataclass whose fields are its options.

Comes in: a model. Goes out: another model and a log in the user's names. May import `ir`,
`analysis`, `expressions` and `errors`; only `passes/operators` may import torch. Start at
`base.py`, then `pyramid/prune_single_input.py`.
"""

from archgraph.passes.base import Pass, PassResult, Rewrites, run_pass, run_pipeline
from archgraph.passes.context import Context
from archgraph.passes.infer import infer_chain
from archgraph.passes.lower import Lower
from archgraph.passes.pyramid.resolve_edges import ResolveEdges
from archgraph.passes.pyramid.types import PyramidTypes
from archgraph.passes.registry import PASSES, make_passes

__all__ = [
    "PASSES",
    "Context",
    "Lower",
    "Pass",
    "PassResult",
    "PyramidTypes",
    "ResolveEdges",
    "Rewrites",
    "infer_chain",
    "make_passes",
    "run_pass",
    "run_pipeline",
]
