"""YAML text to validated documents.

Comes in: files. Goes out: located documents, expanded to plain nodes. May import
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
from archgraph.spec.documents import (
    KINDS,
    AnyDocument,
    BackboneDocument,
    BlockDocument,
    Document,
    ModelDocument,
    TemplateDocument,
    TopologyDocument,
    kind_of,
)
from archgraph.spec.expand import expand_topology
from archgraph.spec.expand_model import (
    IMAGE,
    ExpandedModel,
    ExpandedModelNode,
    Read,
    expand_model,
)
from archgraph.spec.expanded import ExpandedEdge, ExpandedNode, ExpandedTopology
from archgraph.spec.family import Choice, Member, family
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
    LevelsParameter,
    MapParameter,
    ModelNodeModel,
    NodeModel,
    SettingsModel,
    StepParameter,
    VariantModel,
)
from archgraph.spec.names import SHARED, name_fault, parameter_fault
from archgraph.spec.operands import level_unknown
from archgraph.spec.parameters import (
    IMAGE_CHANNELS,
    INPUT_CHANNELS,
    MAX_NAMES,
    REQUIRED,
    variant_of,
)
from archgraph.spec.reader import Data, read_documents

__all__ = [
    "IMAGE",
    "IMAGE_CHANNELS",
    "INPUT_CHANNELS",
    "KINDS",
    "MAX_NAMES",
    "OUTSIDE",
    "REQUIRED",
    "SHARED",
    "AnyDocument",
    "ArgumentValue",
    "Arguments",
    "BackboneDocument",
    "BlockDocument",
    "BlockEntryModel",
    "BlockGroupModel",
    "BlockNodeModel",
    "BlockPortsModel",
    "Choice",
    "Data",
    "Document",
    "EdgeDefaults",
    "EdgeModel",
    "ExpandedEdge",
    "ExpandedModel",
    "ExpandedModelNode",
    "ExpandedNode",
    "ExpandedTopology",
    "LevelsParameter",
    "Library",
    "Located",
    "MapParameter",
    "Member",
    "ModelDocument",
    "ModelNodeModel",
    "NodeModel",
    "Read",
    "SettingsModel",
    "SpecFile",
    "StepParameter",
    "TemplateDocument",
    "TopologyDocument",
    "VariantModel",
    "certain",
    "describe",
    "expand_model",
    "expand_topology",
    "expression_of",
    "family",
    "fits",
    "independent",
    "kind_of",
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
