"""Every name that a spec may use: what it is, where it comes from, what it takes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import MISSING, asdict, dataclass, fields, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from archgraph.spec import Document, Library, SpecFile

BUILT_IN = "built in"
SPLITS = "Parts of the channels: `split kept=32 deep=16` has the results `kept` and `deep`"
AVERAGED = "add: The sum of its operands, divided by their number"


@dataclass(frozen=True)
class Parameter:
    """What a name takes: `number`, `word`, `step`, `levels`, `map` or `list`.

    `default` is its text; None if it is required. `words` are what a word may be.
    """

    name: str
    kind: str
    default: str | None = None
    words: tuple[str, ...] = ()


@dataclass(frozen=True)
class Entry:
    """One name.

    Attributes:
        kind: `block`, `backbone`, `topology`, `model`, `operator`, `fusion`, `pass`, `activation`
            or `setting`.
        origin: the file and line of a document, the Python module of what a plugin adds, else
            `built in`.
        variants: the named rows of a document, each with what it says.
    """

    kind: str
    name: str
    doc: str
    origin: str = BUILT_IN
    extends: str = ""
    parameters: tuple[Parameter, ...] = ()
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    passes: tuple[str, ...] = ()
    variants: tuple[tuple[str, str], ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """The entry as plain data, for `--json`."""
        return {**asdict(self), "variants": dict(self.variants)}


def groups() -> Mapping[str, str]:
    """What `archgraph list` can be asked for, and the kind of entry that this is."""
    from archgraph.spec import KINDS

    kinds = [*KINDS, "fusion", "operator", "pass", "activation", "setting"]
    return {_plural(kind): kind for kind in kinds}


def vocabulary(library: Library) -> Iterator[Entry]:
    """Every name of the search path, of the library and of the compiler, by kind."""
    from archgraph.entry_points import load_plugins
    from archgraph.spec import KINDS

    load_plugins()
    documents = [library.find(name, None) for name in sorted(library.names())]
    entries = [entry_of(library, *found) for found in documents if found]
    for kind in KINDS:
        yield from (entry for entry in entries if entry.kind == kind)
    yield from _fusions()
    yield from _operators()
    yield from _passes()
    yield from _activations()
    yield from _settings()


def entry_of(library: Library, file: SpecFile, name: str) -> Entry:
    """A document, with what it inherits by `extends`."""
    document = library.document(file, name)
    raw = file.documents[name]
    line = raw.place.at(document.kind).location.line
    variants = tuple((row, _row_text(document, row)) for row in document.variants)
    return Entry(
        kind=document.kind,
        name=name,
        doc=document.doc.rstrip("."),
        origin=f"{file.display}:{line}",
        extends=str(raw.data.get("extends") or ""),
        parameters=tuple(_parameters(document)),
        inputs=tuple(_texts(getattr(document, "inputs", None))),
        outputs=tuple(_texts(getattr(document, "outputs", None))),
        passes=tuple(_texts(getattr(document, "passes", None))),
        variants=variants,
    )


def _plural(kind: str) -> str:
    if kind.endswith("y"):
        return f"{kind[:-1]}ies"
    return f"{kind}es" if kind.endswith("s") else f"{kind}s"


# --- documents -------------------------------------------------------------------------------


# The parameters that every topology has, with what they are where it declares none.
_OF_TOPOLOGIES = (
    Parameter("levels", "levels"),
    Parameter("channels", "number"),
    Parameter("in_channels", "number", "channels"),
)


def _parameters(document: Document) -> Iterator[Parameter]:
    for name, form in document.parameters.items():
        kind, text = _form(form)
        yield Parameter(name, kind, None if text == "required" else text)
    if document.kind == "topology":
        yield from (p for p in _OF_TOPOLOGIES if p.name not in document.parameters)


def _form(form: object) -> tuple[str, str]:
    """The kind of a parameter and the text of its default."""
    from archgraph.spec import Located

    if isinstance(form, Located):
        ((key, value),) = form.model_dump(by_alias=True).items()
        return key, _text(value)
    return ("list" if isinstance(form, list) else "number"), _text(form)


def _row_text(document: Document, row: str) -> str:
    """What a variant says, as a flow mapping."""
    said = document.variants[row].model_dump(by_alias=True, exclude_unset=True)
    values = {key: said[key] for key in document.variants[row].values}
    return _text({**values, **said})


def _texts(form: object) -> list[str]:
    """The entries of a list, or the one thing that stands instead of a list."""
    from archgraph.spec import Located

    if form is None:
        return []
    if isinstance(form, Located):
        form = form.model_dump(by_alias=True, exclude_unset=True)
    if isinstance(form, dict):
        return [f"{key}: {_text(value)}" for key, value in form.items()]
    if isinstance(form, list):
        return [text for each in form for text in _texts(each)]
    return [_text(form)]


def _text(value: object) -> str:
    """A value as a spec has it, in one line."""
    match value:
        case bool():
            return str(value).lower()
        case dict():
            return f"{{{', '.join(f'{key}: {_text(each)}' for key, each in value.items())}}}"
        case list() | tuple():
            return f"[{', '.join(map(_text, value))}]"
        case _:
            return str(value)


# --- built in --------------------------------------------------------------------------------


def _operators() -> Iterator[Entry]:
    from archgraph.ir.ops import OPERATORS
    from archgraph.ir.signature import SPLIT, operator_fields

    for name, operator in OPERATORS.items():
        known = operator_fields(name)
        parameters = [
            Parameter(
                field.name,
                _kind(known[field.name][0], known[field.name][1]),
                None if field.default is MISSING else _text(field.default),
                known[field.name][1],
            )
            for field in fields(operator)
        ]
        several = operator.arity[1] != 1
        inputs = operator.ports or (("any number",) if several else ("x",))
        doc = _first_sentence(operator)
        yield Entry("operator", name, doc, _origin(operator), "", tuple(parameters), inputs)
    yield Entry("operator", SPLIT, SPLITS, inputs=("x",), outputs=("one for each argument",))


def _kind(hint: type, words: Sequence[str]) -> str:
    return "word" if words else "true or false" if hint is bool else "number"


def _fusions() -> Iterator[Entry]:
    from archgraph.expressions import Step
    from archgraph.ir.signature import AVERAGE, FUSIONS, fusion_kinds
    from archgraph.plugins import FUSION_ORIGINS

    operators = {entry.name: entry for entry in _operators()}
    for name, step in FUSIONS.items():
        open_options = fusion_kinds(Step(name)) or {}
        operator = operators[step.use]
        parameters = [p for p in operator.parameters if p.name in open_options]
        meaning = AVERAGED if name == AVERAGE else f"{step.text}: {operator.doc}"
        origin = FUSION_ORIGINS.get(name, BUILT_IN)
        yield Entry("fusion", name, meaning, origin, parameters=tuple(parameters))


def _passes() -> Iterator[Entry]:
    from archgraph.passes import PASSES

    for name, kind in PASSES.items():
        options = [field for field in fields(kind) if field.name != "location"]
        parameters = [
            Parameter(f.name, "number", None if f.default is MISSING else _text(f.default))
            for f in options
        ]
        doc = _first_sentence(kind)
        yield Entry("pass", name, doc, _origin(kind), parameters=tuple(parameters))


def _activations() -> Iterator[Entry]:
    from archgraph.ir.signature import ALIASES, argument_kinds

    of_all = {p.name: p for entry in _operators() for p in entry.parameters}
    for name, step in ALIASES.items():
        parameters = tuple(of_all[key] for key in argument_kinds(replace(step, use=name), {}) or ())
        yield Entry("activation", name, step.text, parameters=parameters)


def _settings() -> Iterator[Entry]:
    from archgraph.expressions import Step
    from archgraph.ir.settings import ROOT_SETTINGS
    from archgraph.spec import SettingsModel, describe

    for key in SettingsModel.known_keys():
        value = getattr(ROOT_SETTINGS, key, None)
        default = value.text if isinstance(value, Step) else _text(value)
        kind = "step" if isinstance(value, Step) else "true or false" if key == "bias" else "word"
        doc = describe(SettingsModel.__name__, key).rstrip(".")
        yield Entry("setting", key, doc, parameters=(Parameter(key, kind, default),))


def _origin(kind: type) -> str:
    """The Python module of what a plugin adds."""
    package = __name__.partition(".")[0]
    return BUILT_IN if kind.__module__.startswith(f"{package}.") else kind.__module__


def _first_sentence(kind: type) -> str:
    """The first line of a docstring, without its full stop."""
    return (kind.__doc__ or "").strip().partition("\n")[0].rstrip(".")


def words_for_editors(library: Library) -> Mapping[str, Sequence[str]]:
    """What an editor may offer as the value of a key: the names that fit there."""
    from archgraph.passes.registry import FINAL
    from archgraph.spec import KINDS

    named: dict[str, list[str]] = {}
    for entry in vocabulary(library):
        named.setdefault(entry.kind, []).append(entry.name)
    steps = [*named["block"], *named["operator"], *named["activation"], "act", "norm"]
    return {
        "fuse": named["fusion"],
        "use": steps,
        "block": [*steps, "none"],
        "project": [*named["block"], "none"],
        "up": ["resize mode=nearest", "resize mode=bilinear", "none"],
        "down": ["max-pool kernel=3 stride=2", "conv-norm kernel=3 stride=2", "none"],
        "act": named["activation"],
        "norm": [name for name in named["operator"] if name.endswith("norm")],
        "passes": [name for name in named["pass"] if name not in FINAL],
        "extends": [name for kind in KINDS for name in named[kind]],
    }
