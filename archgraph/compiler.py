"""The whole flow of a spec on one screen: start reading here.

    text -> documents -> expanded -> graph at PYRAMID -> passes -> resolve-edges -> lower -> source

Everything a command or a caller needs goes through this module, and nothing else calls across
rooms. torch is imported by `build` only.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeGuard

from archgraph.assemble import assemble_block
from archgraph.entry_points import load_plugins
from archgraph.errors import ArchgraphError, Diagnostic, SpecError
from archgraph.spec import (
    REQUIRED,
    AnyDocument,
    Arguments,
    ArgumentValue,
    BackboneDocument,
    BlockDocument,
    Library,
    TemplateDocument,
    python_argument,
)
from archgraph.stages import Compilation, compile_document, merged

if TYPE_CHECKING:
    from torch import nn

    from archgraph.codegen import GeneratedSource
    from archgraph.detect import PostprocessSettings


__all__ = [
    "Compilation",
    "arguments_from_python",
    "build",
    "check_spec",
    "compile_spec",
    "emit_detector",
    "emit_source",
]


def compile_spec(
    reference: str,
    arguments: Arguments | None = None,
    library: Library | None = None,
    variant: str = "",
) -> Compilation:
    """Compile a backbone, topology or model down to operators.

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
    return compile_document(document, arguments or {}, library, variant)


def check_spec(
    reference: str,
    arguments: Arguments | None = None,
    library: Library | None = None,
    variant: str = "",
) -> list[Diagnostic]:
    """Every mistake and warning of a spec, sorted by place; an empty list if all is well.

    A file is checked whole: each backbone, topology and model down to operators, with each of its
    variants, and each block as a template. `arguments` and `variant` go to the document that
    `reference` means; where a variant is given, that document is checked with no other.

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
            if isinstance(document, BlockDocument) or _only_in_models(document):
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
    """What is wrong or odd with a document under the chosen variant, or under each of them."""
    found: list[Diagnostic] = []
    for variant in [chosen] if chosen else [*_stands_alone(document), *document.variants]:
        try:
            found.extend(compile_document(document, arguments, library, variant).warnings)
        except ArchgraphError as error:
            if error.exit_code != 1:
                raise
            found.extend(error.diagnostics)
    return merged(found)


def _only_in_models(document: AnyDocument) -> TypeGuard[TemplateDocument]:
    """Whether a backbone needs what only a model can give it."""
    if not isinstance(document, BackboneDocument):
        return False
    return len(document.inputs) > 1 or (
        not document.variants and REQUIRED in document.parameters.values()
    )


def _stands_alone(document: AnyDocument) -> list[str]:
    """No variant, unless every variant gives what a document without one would lack."""
    rows = document.variants.values()
    needed = (name for name, form in document.parameters.items() if form == REQUIRED)
    return [] if rows and any(all(n in row.values for row in rows) for n in needed) else [""]


def emit_source(
    reference: str,
    arguments: Arguments | None = None,
    library: Library | None = None,
    variant: str = "",
) -> GeneratedSource:
    """The PyTorch source of a backbone, topology or model. Raises what `compile_spec` raises."""
    from archgraph.codegen import emit

    return emit(compile_spec(reference, arguments, library, variant).operators.graph)


def emit_detector(
    reference: str,
    arguments: Arguments | None = None,
    library: Library | None = None,
    variant: str = "",
    class_names: Sequence[str] = (),
    postprocess: PostprocessSettings | None = None,
) -> GeneratedSource:
    """The source of a detector that stands alone: photographs in, boxes out.

    Args:
        reference: as of `compile_spec`, like the next three.
        arguments: values of parameters.
        library: where names are looked up.
        variant: the row of `variants` that is chosen, if any.
        class_names: one for each class, in order; none if they are not known.
        postprocess: how predictions are thinned out.

    Raises:
        CodegenError: E414, it is no detector, or the names are not as many as its classes.
    """
    from archgraph.codegen import emit
    from archgraph.codegen.standalone import detector_settings, stand_alone

    graph = compile_spec(reference, arguments, library, variant).operators.graph
    settings = detector_settings(graph)
    if postprocess is not None:
        settings = replace(settings, postprocess=postprocess)
    return stand_alone(emit(graph), settings, class_names)


def build(reference: str, **parameters: object) -> nn.Module:
    """A fresh module: the emitted source, imported.

    Args:
        reference: a name of the library, a file, or `file.yaml#name`.
        **parameters: values of the document's parameters. Besides these `settings` takes a
            mapping of settings, such as `{"act": "silu"}`; `variant` the name of a variant;
            `weights` a file of weights, such as `import-weights` writes; and `search` a list of
            folders in which names are looked up before the library.

    Returns:
        Of a topology a module with `forward(features: list[Tensor]) -> list[Tensor]`, levels
        ascending; each feature of level l has shape (batch, channels, ceil(H / 2**l),
        ceil(W / 2**l)). Of a backbone or model one with `forward(image: Tensor)`, which gives
        such a list, or a tuple of lists where the model has several outputs.

    Raises:
        SpecError: every mistake that was found, placed.
        WeightsError: the weights do not fit, all of them but those of another number of classes,
            which is warned of.
    """
    from archgraph.codegen import emit, load_module

    variant, search = parameters.pop("variant", ""), parameters.pop("search", ())
    if not isinstance(variant, str):
        raise SpecError(Diagnostic("E113", f"'variant' is the name of one, not {variant!r}"))
    weights = parameters.pop("weights", None)
    if not isinstance(weights, str | Path | None):
        raise SpecError(Diagnostic("E113", f"'weights' is the path of a file, not {weights!r}"))
    arguments, library = arguments_from_python(parameters), Library(search=_folders(search))
    compiled = compile_spec(reference, arguments, library, variant)
    module = load_module(emit(compiled.operators.graph))
    if weights is not None:
        _load(module, compiled, weights)
    return module


def _load(module: nn.Module, compiled: Compilation, path: str | Path) -> None:
    """Load a file of weights; what it has nothing for is warned of."""
    from archgraph.weights import Network, load_weights

    found = load_weights(module, Network(compiled.operators.graph, compiled.name), path)
    for note in found.notes:
        warnings.warn(note, stacklevel=3)


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


def _is_file(reference: str) -> bool:
    return Path(reference.partition("#")[0]).suffix in (".yaml", ".yml")
