"""Nodes, edges, parameters and settings as data: which keys exist, what may stand under them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import ConfigDict, Discriminator, Field, Tag

from archgraph.spec.located import Located, Number, Scalar, ScalarForm, Text, form_of


class StepMapping(Located):
    """The long form of a step."""

    use: str
    with_: dict[str, ScalarForm] = Field(default={}, alias="with")
    when: ScalarForm | None = None
    repeat: ScalarForm | None = None
    first: dict[str, ScalarForm] = Field(default={})
    share: str = ""


Mapped = Annotated[StepMapping, Tag("mapping")]
StepList = Annotated[
    list[Annotated[Text | Mapped, Discriminator(form_of)]], Field(min_length=1), Tag("list")
]
StepForm = Annotated[Text | Mapped | StepList, Discriminator(form_of)]


class StepParameter(Located):
    """`fuse: {step: sum}`: a parameter that holds a step."""

    step: str


class LevelsParameter(Located):
    """`levels: {levels: 3..7}`: a parameter that holds a range of levels."""

    levels: ScalarForm


class MapParameter(Located):
    """`channels: {map: {3: 256, 4: 512}}`: numbers by level, read by calling `channels(l)`."""

    map: dict[str, ScalarForm] = Field(min_length=1)


def _parameter_form(value: object) -> str | None:
    if isinstance(value, dict):
        return next((key for key in ("levels", "map") if key in value), "step")
    return form_of(value)


ParameterForm = Annotated[
    Number
    | Text
    | Annotated[StepParameter, Tag("step")]
    | Annotated[LevelsParameter, Tag("levels")]
    | Annotated[MapParameter, Tag("map")]
    | Annotated[list[ScalarForm], Field(min_length=1), Tag("list")],
    Discriminator(_parameter_form),
]


class SettingsModel(Located):
    """Inherited habits: exactly these."""

    act: StepForm | None = None
    norm: StepForm | None = None
    padding: Literal["same", "symmetric"] | None = None
    bias: bool | None = None
    init: Literal["torch", "he-normal", "glorot-uniform", "lecun-normal"] | None = None


class EdgeDefaults(Located):
    """What edges do that say nothing themselves."""

    project: StepForm | None = None
    up: StepForm | None = None
    down: StepForm | None = None


class EdgeModel(EdgeDefaults):
    """An entry of `from` with its own steps, or with `for` one for every round."""

    name: str | None = None
    for_: str | None = Field(default=None, alias="for")
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


Edge = Annotated[EdgeModel, Tag("mapping")]
OneEntry = Annotated[Text | Edge, Discriminator(form_of)]


class PortsModel(Located):
    """`from: {gate: m3, gated: m2}`: what each input of a block reads, by the input's name."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, OneEntry] = Field(init=False)

    @property
    def entries(self) -> Mapping[str, str | EdgeModel]:
        """What each input reads, as written."""
        return self.__pydantic_extra__ or {}


def _entries_form(value: object) -> str | None:
    """An edge says what it reads under `from`; names of inputs cannot be called so."""
    if isinstance(value, dict) and "from" not in value:
        return "ports"
    return "ports" if isinstance(value, PortsModel) else form_of(value)


Entries = Annotated[
    Text
    | Edge
    | Annotated[PortsModel, Tag("ports")]
    | Annotated[list[OneEntry], Field(min_length=1), Tag("list")],
    Discriminator(_entries_form),
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
    repeat: ScalarForm | None = None
    first: dict[str, ScalarForm] = Field(default={})
    settings: SettingsModel = SettingsModel()
    share: str = ""
    pin: bool = False
    doc: str = ""


class GroupModel(Located):
    """Nodes that a loop repeats together."""

    for_: str | None = Field(default=None, alias="for")
    when: ScalarForm | None = None
    nodes: list[NodeEntry] = Field(min_length=1)


def _node_form(value: object) -> str | None:
    """Nodes have names; what has `nodes` instead is a group of them."""
    if isinstance(value, dict) and "nodes" in value:
        return "group"
    return "group" if isinstance(value, GroupModel | BlockGroupModel) else form_of(value)


NodeEntry = Annotated[
    Annotated[NodeModel, Tag("mapping")] | Annotated[GroupModel, Tag("group")],
    Discriminator(_node_form),
]


class BlockEntryModel(Located):
    """An entry of `from` in a block that a loop repeats."""

    for_: str | None = Field(default=None, alias="for")
    from_: str = Field(alias="from")


class BlockPortsModel(Located):
    """What each input of a block reads, inside a block."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, str] = Field(init=False)

    @property
    def entries(self) -> Mapping[str, str]:
        """What each input reads, as written."""
        return self.__pydantic_extra__ or {}


def _block_entries_form(value: object) -> str | None:
    return "ports" if isinstance(value, BlockPortsModel) else _entries_form(value)


BlockEntry = Annotated[BlockEntryModel, Tag("mapping")]
BlockEntries = Annotated[
    Text
    | BlockEntry
    | Annotated[BlockPortsModel, Tag("ports")]
    | Annotated[
        list[Annotated[Text | BlockEntry, Discriminator(form_of)]],
        Field(min_length=1),
        Tag("list"),
    ],
    Discriminator(_block_entries_form),
]


class BlockNodeModel(Located):
    """A node of a block: the use of an operator or another block."""

    name: str
    for_: str | None = Field(default=None, alias="for")
    when: ScalarForm | None = None
    from_: BlockEntries | None = Field(default=None, alias="from")
    use: StepForm
    with_: dict[str, ScalarForm] = Field(default={}, alias="with")
    repeat: ScalarForm | None = None
    first: dict[str, ScalarForm] = Field(default={})
    settings: SettingsModel = SettingsModel()
    share: str = ""
    doc: str = ""


class BlockGroupModel(Located):
    """Nodes of a block that a loop repeats together."""

    for_: str | None = Field(default=None, alias="for")
    when: ScalarForm | None = None
    nodes: list[BlockNodeEntry] = Field(min_length=1)


BlockNodeEntry = Annotated[
    Annotated[BlockNodeModel, Tag("mapping")] | Annotated[BlockGroupModel, Tag("group")],
    Discriminator(_node_form),
]
GroupModel.model_rebuild()
BlockGroupModel.model_rebuild()


class VariantModel(Located):
    """A named row that overrides parameters, values of `let` and settings."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, ParameterForm] = Field(init=False)

    doc: str = ""
    settings: SettingsModel = SettingsModel()

    @property
    def values(self) -> Mapping[str, ParameterForm]:
        """What the row says of parameters and of values, as written."""
        return self.__pydantic_extra__ or {}

    def without(self, name: str) -> VariantModel:
        """The row, saying nothing of this name."""
        row = self.model_copy()
        (row.__pydantic_extra__ or {}).pop(name, None)
        return row


ModelEntries = Annotated[
    Text
    | Annotated[BlockPortsModel, Tag("mapping")]
    | Annotated[list[str], Field(min_length=1), Tag("list")],
    Discriminator(form_of),
]


class ModelNodeModel(Located):
    """A node of a model: a backbone, a topology, or a block on every level of a pyramid."""

    name: str
    when: ScalarForm | None = None
    from_: ModelEntries | None = Field(default=None, alias="from")
    use: StepForm | None = None
    fuse: StepForm | None = None
    with_: dict[str, ScalarForm] = Field(default={}, alias="with")
    settings: SettingsModel = SettingsModel()
    share: str = ""
    own: list[Literal["norm"]] = Field(default=[])
    passes: list[Annotated[Text | Mapped, Discriminator(form_of)]] = Field(default=[])
    doc: str = ""


class OutputsLoop(Located):
    """`outputs: {for: l in lo..hi+2, from: p<l>}`: one output for every round, of level `l`."""

    for_: str = Field(alias="for")
    from_: str = Field(alias="from")


class InputModel(Located):
    """An input of a topology, or with `for` one per level."""

    name: str
    for_: str | None = Field(default=None, alias="for")
    level: ScalarForm | None = None
