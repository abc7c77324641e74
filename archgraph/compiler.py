"""The whole flow of a spec on one screen: start reading here.

    text -> documents -> expanded -> graph at PYRAMID -> passes -> resolve-edges -> lower -> source

Everything a command or a caller needs goes through this module, and nothing else calls across
rooms. torch is imported by `build` only.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from archgraph.assemble import (
    BACKBONE,
    Tools,
    assemble_backbone,
    assemble_block,
    assemble_model,
    assemble_topology,
    dead_ends,
    pass_steps,
    split_settings,
)
from archgraph.entry_points import load_plugins
from archgraph.errors import ArchgraphError, Diagnostic, Severity, SpecError
from archgraph.ir import Model, hoisted, verify
from archgraph.passes import (
    Lower,
    Pass,
    PassResult,
    PyramidTypes,
    ResolveEdges,
    make_passes,
    run_pipeline,
)
from archgraph.spec import (
    AnyDocument,
    Arguments,
    ArgumentValue,
    BackboneDocument,
    BlockDocument,
    ExpandedModel,
    ExpandedModelNode,
    ExpandedTopology,
    Library,
    ModelDocument,
    TopologyDocument,
    expand_model,
    expand_topology,
    independent,
    python_argument,
    variant_of,
)

if TYPE_CHECKING:
    from torch import nn

    from archgraph.codegen import GeneratedSource


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


def compile_spec(
    reference: str,
    arguments: Arguments | None = None,
    library: Library | None = None,
    variant: str = "",
) -> Compilation:
    """Compile a topology down to operators.

    Args:
        reference: a name of the library, a file, or `file.yaml#name`.
        arguments: values of parameters, and settings as `settings.act` etc.; they count before
            those of the variant.
        library: where names are looked up; the one that comes with archgraph if not given.
        variant: the row of `variants` that is chosen, if any.

    Raises:
        SpecError: every mistake that was found, placed.
        PassError: a pass refuses this graph.
        InputOutputError: a file cannot be read.
    """
    load_plugins()
    library = library or Library()
    document = library.document(*library.open(reference))
    return _compile(document, arguments or {}, library, variant)


def check_spec(
    reference: str,
    arguments: Arguments | None = None,
    library: Library | None = None,
    variant: str = "",
) -> list[Diagnostic]:
    """Every mistake and warning of a spec, sorted by place; an empty list if all is well.

    A file is checked whole: each topology down to operators, with each of its variants, and
    each block as a template. `arguments` and `variant` go to the document that `reference`
    means; where a variant is given, that document is checked with no other.

    Raises:
        InputOutputError: a file cannot be read.
    """
    load_plugins()
    library = library or Library()
    found: list[Diagnostic] = []
    try:
        file, main = library.open(reference)
    except SpecError as error:
        return list(error.diagnostics)
    names = [main] if "#" in reference or not _is_file(reference) else list(file.documents)
    for name in names:
        given = (arguments or {}) if name == main else {}
        chosen = variant if name == main else ""
        try:
            document = library.document(file, name)
            if isinstance(document, BlockDocument):
                assemble_block(document, library)
            else:
                found.extend(_check_variants(document, given, library, chosen))
        except ArchgraphError as error:
            if error.exit_code != 1:
                raise
            found.extend(error.diagnostics)
    return sorted(dict.fromkeys(found), key=Diagnostic.sort_key)


def _check_variants(
    document: AnyDocument, arguments: Arguments, library: Library, chosen: str
) -> list[Diagnostic]:
    """What is wrong or odd with a topology under the chosen variant, or under each of them."""
    found: list[Diagnostic] = []
    for variant in [chosen] if chosen else [*_stands_alone(document), *document.variants]:
        try:
            found.extend(_compile(document, arguments, library, variant).warnings)
        except ArchgraphError as error:
            if error.exit_code != 1:
                raise
            found.extend(error.diagnostics)
    return _merged(found)


def _stands_alone(document: AnyDocument) -> list[str]:
    """No variant, unless every variant gives what a document without one would lack."""
    rows = document.variants.values()
    needed = (name for name, form in document.parameters.items() if form == "required")
    return [] if rows and any(all(n in row.values for row in rows) for n in needed) else [""]


def emit_source(
    reference: str,
    arguments: Arguments | None = None,
    library: Library | None = None,
    variant: str = "",
) -> GeneratedSource:
    """The PyTorch source of a topology. Raises what `compile_spec` raises."""
    from archgraph.codegen import emit

    return emit(compile_spec(reference, arguments, library, variant).operators.graph)


def build(reference: str, **parameters: object) -> nn.Module:
    """A fresh module: the emitted source, imported.

    Args:
        reference: a name of the library, a file, or `file.yaml#name`.
        **parameters: values of the topology's parameters. Besides these `settings` takes a
            mapping of settings, such as `{"act": "silu"}`; `variant` the name of a variant; and
            `search` a list of folders in which names are looked up before the library.

    Returns:
        A module with `forward(features: list[Tensor]) -> list[Tensor]`, levels ascending; each
        feature of level l has shape (batch, channels, ceil(H / 2**l), ceil(W / 2**l)).
    """
    from archgraph.codegen import load_module

    variant, search = parameters.pop("variant", ""), parameters.pop("search", ())
    if not isinstance(variant, str):
        raise SpecError(Diagnostic("E113", f"'variant' is the name of one, not {variant!r}"))
    arguments, library = arguments_from_python(parameters), Library(search=_folders(search))
    return load_module(emit_source(reference, arguments, library, variant))


def _folders(search: object) -> list[str | Path]:
    """The folders of a search path.

    Raises:
        SpecError: E113, it is no list of folders.
    """
    listed = search if isinstance(search, list | tuple) else [None]
    folders = [each for each in listed if isinstance(each, str | Path)]
    if len(folders) < len(listed):
        raise SpecError(Diagnostic("E113", f"'search' is a list of folders, not {search!r}"))
    return folders


def arguments_from_python(parameters: Mapping[str, object]) -> Arguments:
    """Keyword arguments of Python as arguments of a spec.

    Raises:
        SpecError: E113, a value is neither a number, text, range, sequence nor mapping.
    """
    settings = parameters.get("settings", {})
    if not isinstance(settings, Mapping):
        message = "'settings' is a mapping such as {'act': 'silu'}"
        raise SpecError(Diagnostic("E113", message))
    flat = {key: value for key, value in parameters.items() if key != "settings"}
    flat |= {f"settings.{key}": value for key, value in settings.items()}
    found: dict[str, ArgumentValue] = {}
    for key, value in flat.items():
        try:
            found[key] = python_argument(value)
        except TypeError as error:
            raise SpecError(Diagnostic("E113", f"'{key}': {error}")) from None
    return found


def _compile(
    document: AnyDocument, arguments: Arguments, library: Library, variant: str
) -> Compilation:
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
        raise SpecError(_merged([*found, *error.diagnostics])) from None
    if found:
        raise SpecError(_merged(found))
    verify(model.graph)
    try:
        results = tuple(run_pipeline([*passes, ResolveEdges(), Lower()], model))
    except ArchgraphError as error:
        raise type(error)(_merged(error.diagnostics)) from None
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

    try:
        tools = Tools(lambda growing: PyramidTypes(growing).all_of, refine)
        model = assemble_model(expanded, library, tools, settings)
    except ArchgraphError as error:
        raise type(error)(_merged([*found, *error.diagnostics])) from None
    if found:
        raise SpecError(_merged(found))
    return _lowered(model, results)


def _compile_backbone(
    document: BackboneDocument, arguments: Arguments, library: Library, variant: str
) -> Compilation:
    rest, settings, found = split_settings(arguments)
    variant_of(document, variant)
    if found:
        raise SpecError(_merged(found))
    done = _lowered(assemble_backbone(document, rest, library, settings, variant))
    *results, lowered = done.results
    after = Model(hoisted(lowered.after.graph, BACKBONE), lowered.after.blocks)
    return replace(done, results=(*results, replace(lowered, after=after)))


def _lowered(model: Model, results: Sequence[PassResult] = ()) -> Compilation:
    try:
        *more, lowered = run_pipeline([ResolveEdges(), Lower()], model)
    except ArchgraphError as error:
        raise type(error)(_merged(error.diagnostics)) from None
    more = more if model.graph.policy is not None else []
    return Compilation(model, (*results, *more, lowered), _warnings(model))


def _merged(found: Iterable[Diagnostic]) -> list[Diagnostic]:
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
    return tuple(sorted(_merged(found), key=Diagnostic.sort_key))


def _is_file(reference: str) -> bool:
    return Path(reference.partition("#")[0]).suffix in (".yaml", ".yml")
