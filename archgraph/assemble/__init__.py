"""From documents to a graph at stage PYRAMID, with the blocks its steps name.

Comes in: an expanded topology and the library it came from. Goes out: a model whose nodes know
their places. May import `spec`, `ir` and what is below.
Start at `topology.py`.
"""

from archgraph.assemble.backbone import BACKBONE, assemble_backbone
from archgraph.assemble.blocks import assemble_block
from archgraph.assemble.model import Tools, assemble_model
from archgraph.assemble.settings import split_settings
from archgraph.assemble.topology import assemble_topology, dead_ends, pass_steps

__all__ = [
    "BACKBONE",
    "Tools",
    "assemble_backbone",
    "assemble_block",
    "assemble_model",
    "assemble_topology",
    "dead_ends",
    "pass_steps",
    "split_settings",
]
