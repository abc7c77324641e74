"""Graphs as PyTorch source.

Comes in: a graph at stage OPERATORS. Goes out: the text of a file that imports torch only, or
a live module made from it. May import `ir`, `analysis` and what is below; torch is imported by
`interpreter`, `prelude` and by what `load` runs. Start at `forms.py`, then `source.py`.
"""

from archgraph.codegen.load import load_module
from archgraph.codegen.source import GeneratedSource, emit

__all__ = ["GeneratedSource", "emit", "load_module"]
