"""The documents of the language as data: which keys exist and what may stand under them.

Comes in: plain data from `reader`. Goes out: frozen models that know where every value stands.
Texts stay texts here; `expand` and `assemble` parse them where their meaning is known.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    PrivateAttr,
    Tag,
    ValidationError,
    model_validator,
)
from pydantic_core import PydanticCustomError

from archgraph.errors import Diagnostic, Location, SpecError, nearest, suggest
from archgraph.spec.faults import GIVEN, UNKNOWN_KEYS, faults_of
from archgraph.spec.reader import Place, RawDocument

Scalar = bool | int | float


class Located(BaseModel):
    """A mapping of a spec; `at` tells where it, or something under it, stands."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, validate_by_name=False, validate_by_alias=True
    )

    _place: Place | None = PrivateAttr(default=None)

    def at(self, *path: str | int) -> Location | None:
        """The place of the value under `path`, or of the nearest thing around it."""
        return self._place.at(*path).location if self._place else None

    def key_at(self, *path: str | int) -> Location | None:
        """The place of the key at the end of `path`, else of the value there."""
        place = self._place.at(*path) if self._place else None
        return (place.key or place.location) if place else None

    @classmethod
    def known_keys(cls) -> list[str]:
        """The keys the mapping may have, as written in YAML."""
        return [field.alias or name for name, field in cls.model_fields.items()]

    @model_validator(mode="before")
    @classmethod
    def _refuse_unknown_keys(cls, data: Any) -> Any:
        # Done here rather than by `extra="forbid"`, so that the message can name the keys.
        if isinstance(data, dict) and cls.model_config.get("extra") == "forbid":
            known = cls.known_keys()
            unknown = [key for key in data if key not in known]
            if unknown:
                free = [key for key in known if key not in data]
                context = {"keys": unknown, "free": free, "known": known}
                raise PydanticCustomError(UNKNOWN_KEYS, "keys", context)
        return data

    def _attach(self, place: Place) -> Self:
        """Give this model and the models under it their places."""
        self._place = place
        for name, field in type(self).model_fields.items():
            key = field.alias or name
            if key in place.children:
                _attach_value(getattr(self, name), place.children[key])
        for key, value in (self.__pydantic_extra__ or {}).items():
            if key in place.children:
                _attach_value(value, place.children[key])
        return self


def _attach_value(value: object, place: Place) -> None:
    if isinstance(value, Located):
        value._attach(place)
    elif isinstance(value, list | tuple):
        for i, item in enumerate(value):
            if i in place.children:
                _attach_value(item, place.children[i])
    elif isinstance(value, Mapping):
        for key, item in value.items():
            if key in place.children:
                _attach_value(item, place.children[key])


def _form(value: object) -> str | None:
    """Which of the ways to write a thing this is."""
    if value is None:
        return "nothing"
    if isinstance(value, bool | int | float):
        return "number"
    forms: list[tuple[type | tuple[type, ...], str]] = [
        (str, "text"),
        ((dict, Located), "mapping"),
        (list, "list"),
    ]
    return next((name for kind, name in forms if isinstance(value, kind)), None)


Text = Annotated[str, Tag("text")]
Number = Annotated[Scalar, Tag("number")]
ScalarForm = Annotated[Number | Text, Discriminator(_form)]


class StepMapping(Located):
    """The long form of a step."""

    use: str
    with_: dict[str, ScalarForm] = Field(default={}, alias="with")
    when: ScalarForm | None = None


Mapped = Annotated[StepMapping, Tag("mapping")]
StepList = Annotated[
    list[Annotated[Text | Mapped, Discriminator(_form)]], Field(min_length=1), Tag("list")
]
StepForm = Annotated[Text | Mapped | StepList, Discriminator(_form)]


class StepParameter(Located):
    """`fuse: {step: sum}`: a parameter that holds a step."""

    step: str


class LevelsParameter(Located):
    """`levels: {levels: 3..7}`: a parameter that holds a range of levels."""

    levels: ScalarForm


def _parameter_form(value: object) -> str | None:
    if isinstance(value, dict):
        return "levels" if "levels" in value else "step"
    return _form(value)


ParameterForm = Annotated[
    Number
    | Text
    | Annotated[StepParameter, Tag("step")]
    | Annotated[LevelsParameter, Tag("levels")]
    | Annotated[list[ScalarForm], Field(min_length=1), Tag("list")],
    Discriminator(_parameter_form),
]


class SettingsModel(Located):
    """Inherited habits: exactly these."""

    act: StepForm | None = None
    norm: StepForm | None = None
    padding: Literal["same", "symmetric"] | None = None
    bias: bool | None = None


class EdgeDefaults(Located):
    """What edges do that say nothing themselves."""

    project: StepForm | None = None
    up: StepForm | None = None
    down: StepForm | None = None


class EdgeModel(EdgeDefaults):
    """An entry of `from` with its own steps."""

    name: str | None = None
    from_: str = Field(alias="from")
    resample: Literal["none"] | None = None


class NodeDefaults(Located):
    """What `fuse` nodes are that say nothing themselves."""

    fuse: StepForm | None = None
    block: StepForm | None = None


class Defaults(Located):
    """Parameters for every use of a block by its name."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, dict[str, ScalarForm]] = Field(init=False)

    def block_parameters(self, block: str) -> Mapping[str, Scalar | str]:
        """The parameters that every use of `block` in this document gets."""
        return (self.__pydantic_extra__ or {}).get(block, {})

    def block_names(self) -> list[str]:
        """The blocks that have such parameters."""
        return list(self.__pydantic_extra__ or {})


class TopologyDefaults(Defaults):
    """The same, and what nodes and edges are that say nothing themselves."""

    node: NodeDefaults = NodeDefaults()
    edge: EdgeDefaults = EdgeDefaults()


Entries = Annotated[
    Text
    | Annotated[EdgeModel, Tag("mapping")]
    | Annotated[
        list[Annotated[Text | Annotated[EdgeModel, Tag("mapping")], Discriminator(_form)]],
        Field(min_length=1),
        Tag("list"),
    ],
    Discriminator(_form),
]


class NodeModel(Located):
    """A node: `fuse` with a list of inputs, or `use` of a block."""

    name: str
    for_: str | None = Field(default=None, alias="for")
    when: ScalarForm | None = None
    level: ScalarForm | None = None
    from_: Entries | None = Field(default=None, alias="from")
    fuse: StepForm | None = None
    use: StepForm | None = None
    with_: dict[str, ScalarForm] = Field(default={}, alias="with")
    block: StepForm | None = None
    settings: SettingsModel = SettingsModel()
    pin: bool = False
    doc: str = ""


class BlockNodeModel(Located):
    """A node of a block: the use of an operator or another block."""

    name: str
    when: ScalarForm | None = None
    from_: (
        Annotated[
            Text | Annotated[list[str], Field(min_length=1), Tag("list")], Discriminator(_form)
        ]
        | None
    ) = Field(default=None, alias="from")
    use: StepForm
    with_: dict[str, ScalarForm] = Field(default={}, alias="with")
    settings: SettingsModel = SettingsModel()
    doc: str = ""


class InputModel(Located):
    """An input of a topology, or with `for` one per level."""

    name: str
    for_: str | None = Field(default=None, alias="for")
    level: ScalarForm | None = None


class Document(Located):
    """What every kind of document may say."""

    kind: ClassVar[str] = ""

    _faults: tuple[Diagnostic, ...] = PrivateAttr(default=())
    _doubtful: bool = PrivateAttr(default=False)

    archgraph: Literal[1] = 1
    doc: str = ""
    extends: str | None = None
    remove: list[str] = []
    parameters: dict[str, ParameterForm] = {}
    let: dict[str, ScalarForm] = {}
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


class BlockDocument(Document):
    """A template: one input `x`, nodes in order, one result."""

    kind: ClassVar[str] = "block"

    block: str
    nodes: list[BlockNodeModel] = Field(min_length=1)
    outputs: str | None = None


class TopologyDocument(Document):
    """A pyramid of features made from a pyramid of features."""

    kind: ClassVar[str] = "topology"

    topology: str
    defaults: TopologyDefaults = TopologyDefaults()
    inputs: Annotated[
        Text
        | Annotated[InputModel, Tag("mapping")]
        | Annotated[list[InputModel], Field(min_length=1), Tag("list")],
        Discriminator(_form),
    ] = "in<l>"
    nodes: list[NodeModel] = Field(min_length=1)
    outputs: Annotated[
        Text | Annotated[dict[str, str], Field(min_length=1), Tag("mapping")],
        Discriminator(_form),
    ]
    passes: list[Annotated[Text | Mapped, Discriminator(_form)]] = []


KINDS: Mapping[str, type[Document]] = {
    "block": BlockDocument,
    "topology": TopologyDocument,
}
# Kinds that the language plans and this version does not read.
LATER_KINDS = ("backbone", "model")


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
    kinds = " or ".join(f"'{kind}: NAME'" for kind in KINDS)
    later = next((key for key in keys if key in KINDS), None)
    if keys and keys[0] in LATER_KINDS:
        message = f"documents of kind '{keys[0]}' cannot be read yet"
        raise SpecError(Diagnostic("E108", message, where, f"this version reads {kinds}"))
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


def make_document(raw: RawDocument) -> BlockDocument | TopologyDocument:
    """The document in `raw`.

    A document whose only faults are unknown keys (E101) is made without them, so that its other
    mistakes are found too; its `faults` hold them, and whoever uses it reports them.

    Raises:
        SpecError: every missing key (E106) and wrong type (E107), with the unknown keys.
    """
    model = BlockDocument if kind_of(raw) == "block" else TopologyDocument
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
