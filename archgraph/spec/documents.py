"""The documents of the language as data.

Comes in: plain data from `reader`. Goes out: frozen models that know where every value stands.
Texts stay texts here; `expand` and `assemble` parse them where their meaning is known.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal, TypeAlias

from pydantic import Discriminator, Field, PrivateAttr, Tag, ValidationError

from archgraph.errors import Diagnostic, SpecError, nearest, suggest
from archgraph.spec.faults import GIVEN, faults_of
from archgraph.spec.located import Located, ScalarForm, Text, form_of
from archgraph.spec.models import (
    BlockNodeEntry,
    Defaults,
    InputModel,
    Mapped,
    ModelNodeModel,
    NodeEntry,
    OutputsLoop,
    ParameterForm,
    SettingsModel,
    TopologyDefaults,
    VariantModel,
)
from archgraph.spec.reader import RawDocument


class Document(Located):
    """What every kind of document may say."""

    kind: ClassVar[str] = ""
    # Whether it stands on a range of levels, which is a parameter of it then.
    on_levels: ClassVar[bool] = False

    _faults: tuple[Diagnostic, ...] = PrivateAttr(default=())
    _doubtful: bool = PrivateAttr(default=False)

    archgraph: Literal[1] = 1
    doc: str = ""
    extends: str | None = None
    remove: list[str] = Field(default=[])
    parameters: dict[str, ParameterForm] = Field(default={})
    let: dict[str, ScalarForm] = Field(default={})
    variants: dict[str, VariantModel] = Field(default={})
    settings: SettingsModel = SettingsModel()
    defaults: Defaults = Defaults()

    @property
    def name(self) -> str:
        """The name of the document, which stands under its kind."""
        name: str = getattr(self, self.kind)
        return name

    @property
    def faults(self) -> tuple[Diagnostic, ...]:
        """Keys that were left out because nobody knows them."""
        return self._faults

    @property
    def doubtful(self) -> bool:
        """Whether what was left out may have given a name, so that unknown names mean little."""
        return self._doubtful


class _Template(Document):
    """What is made where it is used, once the types of its inputs are known."""

    inputs: list[str] = Field(default=["x"], min_length=1)
    nodes: list[BlockNodeEntry] = Field(min_length=1)


class BlockDocument(_Template):
    """A template: inputs, nodes in order, results."""

    kind: ClassVar[str] = "block"

    block: str
    outputs: (
        Annotated[
            Text | Annotated[dict[str, str], Field(min_length=1), Tag("mapping")],
            Discriminator(form_of),
        ]
        | None
    ) = None


class BackboneDocument(_Template):
    """A template that makes a pyramid of features: its results stand under their levels."""

    kind: ClassVar[str] = "backbone"

    backbone: str
    outputs: dict[str, str] = Field(min_length=1)


def _outputs_form(value: object) -> str | None:
    loop = isinstance(value, OutputsLoop) or (isinstance(value, dict) and "from" in value)
    return "loop" if loop else form_of(value)


class TopologyDocument(Document):
    """A pyramid of features made from a pyramid of features."""

    kind: ClassVar[str] = "topology"
    on_levels: ClassVar[bool] = True

    topology: str
    defaults: TopologyDefaults = TopologyDefaults()
    inputs: Annotated[
        Text
        | Annotated[InputModel, Tag("mapping")]
        | Annotated[list[InputModel], Field(min_length=1), Tag("list")],
        Discriminator(form_of),
    ] = "in<l>"
    nodes: list[NodeEntry] = Field(min_length=1)
    outputs: Annotated[
        Text
        | Annotated[OutputsLoop, Tag("loop")]
        | Annotated[dict[str, str], Field(min_length=1), Tag("mapping")],
        Discriminator(_outputs_form),
    ]
    passes: list[Annotated[Text | Mapped, Discriminator(form_of)]] = Field(default=[])


class ModelDocument(Document):
    """A graph of pyramids: backbone, necks and heads, from an image to what they make of it."""

    kind: ClassVar[str] = "model"

    model: str
    nodes: list[ModelNodeModel] = Field(min_length=1)
    outputs: Annotated[
        Text | Annotated[list[str], Field(min_length=1), Tag("list")], Discriminator(form_of)
    ]


TemplateDocument: TypeAlias = BlockDocument | BackboneDocument
AnyDocument: TypeAlias = TemplateDocument | TopologyDocument | ModelDocument
KINDS: Mapping[str, type[AnyDocument]] = {
    "block": BlockDocument,
    "backbone": BackboneDocument,
    "topology": TopologyDocument,
    "model": ModelDocument,
}


def kind_of(raw: RawDocument) -> str:
    """The kind of a document: its first key, after an optional `archgraph: 1`.

    Raises:
        SpecError: E108, the first key names no kind.
    """
    keys = [key for key in raw.data if key != "archgraph"]
    if keys and keys[0] in KINDS:
        return keys[0]
    place = raw.place.children.get(keys[0]) if keys else None
    where = (place.key if place else None) or raw.place.location
    *most, last = [f"'{kind}: NAME'" for kind in KINDS]
    kinds = f"{', '.join(most)} or {last}"
    later = next((key for key in keys if key in KINDS), None)
    if later:
        hint = f"move '{later}' to the top"
    elif keys and nearest(keys[0], KINDS):
        hint = suggest(keys[0], KINDS)
    else:
        hint = f"a document starts with {kinds}"
    message = f"'{keys[0]}' is not a kind of document" if keys else "the document has no kind"
    raise SpecError(Diagnostic("E108", message, where, hint))


# Misspelt keys that give no name to anything.
_HARMLESS = {
    f"did you mean '{key}'?"
    for key in "act bias block defaults doc down fuse norm padding passes pin project settings"
    " up use with".split()
}


def make_document(raw: RawDocument) -> AnyDocument:
    """The document in `raw`.

    A document whose only faults are unknown keys (E101) is made without them, so that its other
    mistakes are found too; its `faults` hold them, and whoever uses it reports them.

    Raises:
        SpecError: every missing key (E106) and wrong type (E107), with the unknown keys.
    """
    model = KINDS[kind_of(raw)]
    data, found = raw.data, list[Diagnostic]()
    excused: set[tuple[str | int, ...]] = set()
    while True:
        try:
            document = model.model_validate(data)
        except ValidationError as error:
            errors = error.errors(include_url=False)
            more, rest = faults_of(errors, raw.place, data, excused)
            found.extend(more)
            if rest == data:
                raise SpecError(found) from None
            data = rest
        else:
            document._faults = tuple(dict.fromkeys(found))
            harmless = (f.hint in _HARMLESS or f.hint.endswith(GIVEN) for f in found)
            document._doubtful = not all(harmless)
            document._attach(raw.place)
            return document
