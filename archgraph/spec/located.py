"""Mappings of a spec that know where every value in them stands, and the ways to write a value."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Discriminator, PrivateAttr, Tag, model_validator
from pydantic_core import PydanticCustomError

from archgraph.errors import Location
from archgraph.spec.faults import UNKNOWN_KEYS
from archgraph.spec.reader import Place

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


def form_of(value: object) -> str | None:
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
ScalarForm = Annotated[Number | Text, Discriminator(form_of)]
