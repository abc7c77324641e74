"""YAML text to validated documents.

Comes in: files. Goes out: located documents, and topologies expanded to plain nodes. May import
`errors` and `expressions`; the only room that imports yaml. Start at `reader.py`, then
`models.py`, `library.py`, `expand.py`. Beside that way: `schema.py`, the language as JSON Schema,
and `format/`, the layout of a file.
"""

from archgraph.spec.arguments import (
    OUTSIDE,
    Arguments,
    ArgumentValue,
    parse_setting,
    python_argument,
)
from archgraph.spec.documents import KINDS, BlockDocument, Document, TopologyDocument
from archgraph.spec.expand import expand_topology
from archgraph.spec.expanded import ExpandedEdge, ExpandedNode, ExpandedTopology
from archgraph.spec.faults import certain, fits, independent
from archgraph.spec.forms import (
    expression_of,
    split_definition,
    steps_of,
    used_steps,
    with_arguments,
)
from archgraph.spec.keys import describe
from archgraph.spec.library import Library, SpecFile
from archgraph.spec.located import Located
from archgraph.spec.models import (
    BlockEntryModel,
    BlockGroupModel,
    BlockNodeModel,
    BlockPortsModel,
    EdgeDefaults,
    EdgeModel,
    NodeModel,
    SettingsModel,
    StepParameter,
)
from archgraph.spec.names import SHARED, name_fault, parameter_fault
from archgraph.spec.operands import level_unknown
from archgraph.spec.parameters import MAX_NAMES, variant_of
from archgraph.spec.reader import read_documents

__all__ = [
    "KINDS",
    "MAX_NAMES",
    "OUTSIDE",
    "SHARED",
    "ArgumentValue",
    "Arguments",
    "BlockDocument",
    "BlockEntryModel",
    "BlockGroupModel",
    "BlockNodeModel",
    "BlockPortsModel",
    "Document",
    "EdgeDefaults",
    "EdgeModel",
    "ExpandedEdge",
    "ExpandedNode",
    "ExpandedTopology",
    "Library",
    "Located",
    "NodeModel",
    "SettingsModel",
    "SpecFile",
    "StepParameter",
    "TopologyDocument",
    "certain",
    "describe",
    "expand_topology",
    "expression_of",
    "fits",
    "independent",
    "level_unknown",
    "name_fault",
    "parameter_fault",
    "parse_setting",
    "python_argument",
    "read_documents",
    "split_definition",
    "steps_of",
    "used_steps",
    "variant_of",
    "with_arguments",
]
