"""The graph and its vocabulary.

Comes in: nothing but the values of other rooms. Goes out: graphs that can be read, edited,
verified, printed and parsed. May import `errors` and `expressions`; never torch. Start at
`ops.py`, then `graph.py`.
"""

from archgraph.ir.block import (
    NUMBER,
    WORD,
    Block,
    BlockGroup,
    BlockNode,
    BlockParameter,
    Definition,
    Model,
    Operand,
    Variant,
)
from archgraph.ir.graph import MAX_NODES, Edge, EdgeSteps, Graph, Node, Scope, Template
from archgraph.ir.hoist import hoisted
from archgraph.ir.settings import INITS, PADDINGS, ROOT_SETTINGS, Settings
from archgraph.ir.text import fingerprint, print_graph
from archgraph.ir.text_parser import parse_graph
from archgraph.ir.types import GLOBAL, FeatureType, Stage
from archgraph.ir.verify import verify

__all__ = [
    "GLOBAL",
    "INITS",
    "MAX_NODES",
    "NUMBER",
    "PADDINGS",
    "ROOT_SETTINGS",
    "WORD",
    "Block",
    "BlockGroup",
    "BlockNode",
    "BlockParameter",
    "Definition",
    "Edge",
    "EdgeSteps",
    "FeatureType",
    "Graph",
    "Model",
    "Node",
    "Operand",
    "Scope",
    "Settings",
    "Stage",
    "Template",
    "Variant",
    "fingerprint",
    "hoisted",
    "parse_graph",
    "print_graph",
    "verify",
]
