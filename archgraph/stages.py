"""The stages of one document: from what is written to a graph of operators.

    documents -> expanded -> graph at PYRAMID -> passes -> resolve-edges -> lower

A topology goes through them as a whole. In a model every topology does up to `resolve-edges`, and
is written out in the graph of the model, which is lowered as one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from archgraph.assemble import (
    BACKBONE,
    Tools,
    assemble_backbone,
    assemble_model,
    assemble_topology,
    dead_ends,
    pass_steps,
    split_settings,
)
from archgraph.errors import ArchgraphError, Diagnostic, Severity, SpecError
from archgraph.expressions import Step
from archgraph.ir import FeatureType, Model, Settings, hoisted, verify
from archgraph.passes import (
    Context,
    Lower,
    Pass,
    PassResult,
    PyramidTypes,
    ResolveEdges,
    infer_chain,
    make_passes,
    run_pipeline,
)
from archgraph.spec import (
    AnyDocument,
    Arguments,
    BackboneDocument,
    ExpandedModel,
    ExpandedModelNode,
    ExpandedTopology,
    Library,
    ModelDocument,
    TopologyDocument,
    expand_model,
    expand_topology,
    independent,
    variant_of,
)

_NUMBER, _QUOTED = re.compile(r"\d+"), re.compile(r"'[^']*'")
_MORE = re.compile(r" \(and (\d+) more like it\)\Z")


@dataclass(frozen=True)
class Compilation:
    """Every stage of one spec.

    Attributes:
        written: the graph as the spec says it, at PYRAMID.
        results: the passes that ran, in order; the last two are `resolve-edges` and `lower`.
        warnings: what is odd but no mistake.
    """

    written: Model
    results: tuple[PassResult, ...]
    warnings: tuple[Diagnostic, ...]

    @property
    def name(self) -> str:
        """The name of the document."""
        return self.written.graph.name

    @property
    def pyramid(self) -> Model:
        """The graph after its passes, with every edge resolved."""
        return self.results[-1].before

    @property
    def operators(self) -> Model:
        """The graph of operators."""
        return self.results[-1].after


def compile_document(
    document: AnyDocument, arguments: Arguments, library: Library, variant: str
) -> Compilation:
    """Every stage of a document.

    Args:
        document: what is compiled.
        arguments: values of parameters, and settings as `settings.act` etc.
        library: where names are looked up.
        variant: the row of `variants` that is chosen, if any.

    Raises:
        SpecError: every mistake that was found, placed.
        PassError: a pass refuses this graph.
    """
    match document:
        case TopologyDocument():
            return _compile_topology(document, arguments, library, variant)
        case ModelDocument():
            return _compile_model(document, arguments, library, variant)
        case BackboneDocument():
            return _compile_backbone(document, arguments, library, variant)
    message = f"'{document.name}' is a block; only a backbone, topology or model stands on its own"
    raise SpecError(Diagnostic("E116", message, document.at(document.kind)))


def _compile_topology(
    document: TopologyDocument, arguments: Arguments, library: Library, variant: str
) -> Compilation:
    rest, settings, found = split_settings(arguments)
    topology = expand_topology(document, rest, variant_of(document, variant))
    passes: list[Pass] = []
    try:
        passes = make_passes(pass_steps(document), topology.bound.names)
    except SpecError as error:
        found.extend(independent(error.diagnostics, topology.bound.failed))
    try:
        model = assemble_topology(topology, library, settings)
    except SpecError as error:
        raise SpecError(merged([*found, *error.diagnostics])) from None
    if found:
        raise SpecError(merged(found))
    verify(model.graph)
    try:
        results = tuple(run_pipeline([*passes, ResolveEdges(), Lower()], model))
    except ArchgraphError as error:
        raise type(error)(merged(error.diagnostics)) from None
    return Compilation(model, results, _warnings(model))


def _compile_model(
    document: ModelDocument, arguments: Arguments, library: Library, variant: str
) -> Compilation:
    rest, settings, found = split_settings(arguments)
    expanded = expand_model(document, rest, variant_of(document, variant))
    results: list[PassResult] = []

    def refine(
        topology: ExpandedTopology, part: Model, node: ExpandedModelNode, model: ExpandedModel
    ) -> Model:
        """The passes of a topology, and those that its node adds; its edges resolved."""
        own = make_passes(pass_steps(topology.document), topology.bound.names)
        added = make_passes(pass_steps(node.model), model.bound.names)
        done = run_pipeline([*own, *added, ResolveEdges()], part)
        results.extend(replace(result, name=f"{node.name}: {result.name}") for result in done)
        return done[-1].after

    def infer(
        steps: Sequence[Step],
        operands: Sequence[tuple[str, FeatureType]],
        part: Model,
        inherited: Settings,
    ) -> FeatureType:
        context = Context({}, inherited, "", None)
        return infer_chain(steps, operands, part.blocks, context)

    try:
        tools = Tools(lambda growing: PyramidTypes(growing).all_of, infer, refine)
        model = assemble_model(expanded, library, tools, settings)
    except ArchgraphError as error:
        raise type(error)(merged([*found, *error.diagnostics])) from None
    if found:
        raise SpecError(merged(found))
    return _lowered(model, results)


def _compile_backbone(
    document: BackboneDocument, arguments: Arguments, library: Library, variant: str
) -> Compilation:
    rest, settings, found = split_settings(arguments)
    variant_of(document, variant)
    if found:
        raise SpecError(merged(found))
    done = _lowered(assemble_backbone(document, rest, library, settings, variant))
    *results, lowered = done.results
    after = Model(hoisted(lowered.after.graph, BACKBONE), lowered.after.blocks)
    return replace(done, results=(*results, replace(lowered, after=after)))


def _lowered(model: Model, results: Sequence[PassResult] = ()) -> Compilation:
    try:
        *more, lowered = run_pipeline([ResolveEdges(), Lower()], model)
    except ArchgraphError as error:
        raise type(error)(merged(error.diagnostics)) from None
    more = more if model.graph.policy is not None else []
    return Compilation(model, (*results, *more, lowered), _warnings(model))


def merged(found: Iterable[Diagnostic]) -> list[Diagnostic]:
    """One diagnostic for a mistake that a loop repeats: same place, same way out.

    Numbers may differ, and where there is no hint also names.
    """
    groups: dict[tuple[object, ...], list[Diagnostic]] = {}
    for d in dict.fromkeys(found):
        said = _NUMBER.sub("#", d.hint or _QUOTED.sub("'#'", _MORE.sub("", d.message)))
        span = (d.location, d.location.end_column) if d.location else d
        groups.setdefault((d.code, span, said), []).append(d)
    merged: list[Diagnostic] = []
    for same in groups.values():
        # What was merged under one variant is merged again with that of the next.
        told = [_MORE.search(d.message) for d in same]
        more = max(len(same) - 1, *(int(match[1]) if match else 0 for match in told))
        message = _MORE.sub("", same[0].message)
        message += f" (and {more} more like it)" if more else ""
        merged.append(replace(same[0], message=message))
    return merged


def _warnings(model: Model) -> tuple[Diagnostic, ...]:
    nodes, inputs = dead_ends(model.graph)
    found = [
        Diagnostic(
            "W501",
            f"nothing reads node '{node.name}', and it is no output",
            node.location,
            "name it under 'outputs', read it, or remove it; it is left out of the module",
            Severity.WARNING,
        )
        for node in nodes
    ]
    found += [
        Diagnostic(
            "W502",
            f"nothing reads input '{node.name}'",
            node.location,
            "the module takes it all the same, so that its levels stay complete",
            Severity.WARNING,
        )
        for node in inputs
    ]
    return tuple(sorted(merged(found), key=Diagnostic.sort_key))
