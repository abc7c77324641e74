"""From documents to a graph at stage PYRAMID, with the blocks its steps name.

Comes in: an expanded topology and the library it came from. Goes out: a model whose nodes know
their places, and the steps of its pass pipeline. May import `spec`, `ir` and what is below.
Start at `topology.py`.
"""

from archgraph.assemble.blocks import assemble_block
from archgraph.assemble.settings import split_settings
from archgraph.assemble.topology import Assembly, assemble_topology, dead_ends

__all__ = ["Assembly", "assemble_block", "assemble_topology", "dead_ends", "split_settings"]
