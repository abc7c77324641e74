"""A value of a parameter as it is written, in a document or outside, with its places."""

from __future__ import annotations

from dataclasses import dataclass

from archgraph.errors import Location
from archgraph.spec.located import Located
from archgraph.spec.models import LevelsParameter, MapParameter, ParameterForm, StepParameter
from archgraph.spec.reader import Data


@dataclass(frozen=True)
class Written:
    """What a parameter is given: the plain value and its place.

    `owner` is the mapping that holds it where it was written as one, for the places inside.
    `default` says that it is the document's own value.
    """

    value: Data
    where: Location | None
    owner: Located | None = None
    default: bool = False

    def entry_places(self, key: str) -> tuple[Location | None, Location | None]:
        """Where the key and the value of an entry of a map stand."""
        if isinstance(self.owner, MapParameter):
            return self.owner.key_at("map", key), self.owner.at("map", key)
        return self.where, self.where


def written(form: ParameterForm, where: Location | None, default: bool) -> Written:
    """A value as a document writes it, as a plain one."""
    match form:
        case StepParameter():
            return Written(form.step, form.at("step"), form, default)
        case LevelsParameter():
            return Written(form.levels, form.at("levels"), form, default)
        case MapParameter():
            return Written(dict(form.map), form.at("map"), form, default)
        case list():
            return Written(list(form), where, None, default)
        case _:
            return Written(form, where, None, default)
