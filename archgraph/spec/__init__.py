"""YAML text to validated documents.

Comes in: files. Goes out: located documents, and topologies expanded to plain nodes. May import
`errors` and `expressions`; the only room that imports yaml. Start at `reader.py`, then
`models.py`, `library.py`, `expand.py`.
"""

from archgraph.spec.arguments import (
    Arguments,
    ArgumentValue,
    parse_setting,
    python_argument,
    split_definition,
)
from archgraph.spec.expand import (
    ExpandedEdge,
    ExpandedNode,
    ExpandedTopology,
    expand_topology,
)
from archgraph.spec.forms import expression_of, steps_of, with_arguments
from archgraph.spec.library import Library, SpecFile
from archgraph.spec.models import (
    BlockDocument,
    Document,
    EdgeDefaults,
    EdgeModel,
    Located,
    SettingsModel,
    StepParameter,
    TopologyDocument,
)
from archgraph.spec.names import name_fault

__all__ = [
    "ArgumentValue",
    "Arguments",
    "BlockDocument",
    "Document",
    "EdgeDefaults",
    "EdgeModel",
    "ExpandedEdge",
    "ExpandedNode",
    "ExpandedTopology",
    "Library",
    "Located",
    "SettingsModel",
    "SpecFile",
    "StepParameter",
    "TopologyDocument",
    "expand_topology",
    "expression_of",
    "name_fault",
    "parse_setting",
    "python_argument",
    "split_definition",
    "steps_of",
    "with_arguments",
]
