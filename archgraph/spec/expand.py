"""From a topology document and arguments to plain nodes: no parameters, loops or choices left.

What stays open is what needs types: steps keep their texts, with the names they may use.
"""

from __future__ import annotations

from archgraph.errors import Diagnostic
from archgraph.spec.arguments import Arguments
from archgraph.spec.documents import TopologyDocument
from archgraph.spec.expanded import ExpandedNode, ExpandedTopology
from archgraph.spec.expansion import Draft, Expansion
from archgraph.spec.faults import certain, independent
from archgraph.spec.generators import Generators
from archgraph.spec.models import VariantModel
from archgraph.spec.operands import Operands
from archgraph.spec.outputs import Outputs
from archgraph.spec.parameters import LEVELS, bind_parameters


def expand_topology(
    document: TopologyDocument, arguments: Arguments, row: VariantModel | None = None
) -> ExpandedTopology:
    """Bind parameters, run generators, look every name up.

    Args:
        document: what is expanded.
        arguments: values from outside; they count before those of the variant.
        row: the chosen variant.

    Every mistake in names, parameters, levels and expressions stands in `faults`, placed.
    """
    row = row or VariantModel()
    bound = bind_parameters(document, arguments, row)
    expansion = Expansion(document, bound)
    generators = Generators(expansion)
    generators.read_inputs()
    generators.draft_nodes()
    Operands(expansion).connect()
    outputs = Outputs(expansion)
    outputs.read()
    if not outputs.found and not expansion.faults:
        where, hint = document.at("outputs"), "name a node that exists for some level"
        expansion.faults.append(Diagnostic("E114", "no output exists", where, hint))
    found = list(independent(expansion.faults, bound.failed))
    if document.doubtful or LEVELS in bound.failed:
        found = certain(found)
    return ExpandedTopology(
        document,
        bound,
        row,
        tuple(expansion.inputs.values()),
        tuple(_node(draft) for draft in expansion.drafts.values()),
        outputs.found,
        (*document.faults, *bound.faults, *found),
    )


def _node(draft: Draft) -> ExpandedNode:
    return ExpandedNode(
        draft.name,
        draft.level,
        draft.model,
        tuple(draft.edges),
        draft.names,
        draft.location,
        draft.share,
        draft.faulty,
    )
