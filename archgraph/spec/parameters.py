"""Parameters of a topology or model get their values, then `let` is evaluated."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from archgraph.errors import Diagnostic, Location, SpecError, suggest
from archgraph.expressions import (
    Function,
    Names,
    Scalar,
    Table,
    Value,
    expand_template,
    parse_step,
    scalar_text,
)
from archgraph.expressions.template import parse_range
from archgraph.spec.arguments import Arguments
from archgraph.spec.documents import Document
from archgraph.spec.faults import UNKNOWN_NAME, independent
from archgraph.spec.forms import expression_of, split_definition
from archgraph.spec.located import Located
from archgraph.spec.models import (
    LevelsParameter,
    MapParameter,
    ParameterForm,
    StepParameter,
    VariantModel,
)
from archgraph.spec.names import parameter_fault
from archgraph.spec.reader import Data
from archgraph.spec.written import Written, written

REQUIRED = "required"
# Parameters that every topology has, whether it says so or not; a model has the last.
LEVELS, CHANNELS, INPUT_CHANNELS = "levels", "channels", "in_channels"
# Parameters that may be a map whatever they are declared as.
_MAPS = (CHANNELS, INPUT_CHANNELS)
# Channels of an image, unless a model is told of others.
IMAGE_CHANNELS = 3
MAX_LEVELS = 32
MAX_NAMES = 1_000
_LEVELS_HINT = f"levels ascend, from 0 at the finest to {MAX_LEVELS - 1}: 3..7"
_KINDS: Mapping[type[Located], str] = {
    StepParameter: "a step",
    LevelsParameter: "a range",
    MapParameter: "a map",
}


@dataclass(frozen=True)
class Bound:
    """The names of a document with their values: parameters, `lo`, `hi`, then `let`.

    `levels` ascends, and is empty where there are none; `input_channels` is by level (an image is
    level 0); `shown` are the parameters as a person would write them; `places` says where the
    step stands that a parameter holds. With `faults` the names in `failed` have no value.
    """

    names: Names
    levels: range
    input_channels: Mapping[int, int]
    shown: tuple[tuple[str, Scalar | str], ...]
    places: Mapping[str, Location | None]
    faults: tuple[Diagnostic, ...]
    failed: frozenset[str]


def variant_of(document: Document, name: str) -> VariantModel:
    """The row of a document that is called `name`; an empty one where no name is given.

    Raises:
        SpecError: E109, there is no such row.
    """
    if not name:
        return VariantModel()
    if name not in document.variants:
        hint = suggest(name, document.variants, "variants") or "it has no variants"
        message = f"'{document.name}' has no variant '{name}'"
        raise SpecError(Diagnostic("E109", message, None, hint))
    return document.variants[name]


def bind_parameters(
    document: Document, arguments: Arguments, row: VariantModel | None = None
) -> Bound:
    """Give every parameter of a topology or model its value, then evaluate `let`.

    A value from outside counts before that of the variant's `row`, which counts before the
    document's own. What is wrong stands in its `faults`: E111 a required parameter is missing,
    E112 a name that there is not, E113 a value of the wrong kind, and what expressions say.
    """
    return _Binder(document, arguments, row or VariantModel()).run()


class _Binder:
    def __init__(self, document: Document, arguments: Arguments, row: VariantModel) -> None:
        self.document = document
        self.arguments = arguments
        self.row = row
        self.names: dict[str, Value] = {}
        self.shown: dict[str, Scalar | str] = {}
        self.places: dict[str, Location | None] = {}
        self.levels = range(0)
        # Where the value of a parameter stands.
        self.origins: dict[str, Location | None] = {}
        self.faults: list[Diagnostic] = []
        self.failed: set[str] = set()

    def run(self) -> Bound:
        self._refuse_unknown()
        declared = self.document.parameters
        order = [name for name in declared if name not in (LEVELS, INPUT_CHANNELS)]
        if self.document.on_levels:
            order = [LEVELS, *([] if CHANNELS in declared else [CHANNELS]), *order]
        for name in order:
            self._attempt(name, self._parameter, name, declared.get(name, REQUIRED))
        input_channels: dict[int, int] = {}
        read = self._input_channels if self.document.on_levels else self._image_channels
        self._attempt(INPUT_CHANNELS, read, input_channels)
        if len(declared) + len(self.document.let) > MAX_NAMES:
            message = f"'{self.document.name}' has more than {MAX_NAMES:,} parameters and values"
            self.faults.append(Diagnostic("E304", message, self.document.key_at("let")))
            return self._bound(input_channels)
        for key, body in self.document.let.items():
            self._attempt(key.partition("(")[0].strip(), self._define, key, body)
        return self._bound(input_channels)

    def _bound(self, input_channels: Mapping[int, int]) -> Bound:
        return Bound(
            self.names,
            self.levels,
            input_channels,
            tuple(self.shown.items()),
            self.places,
            tuple(self.faults),
            frozenset(self.failed),
        )

    def _attempt(self, name: str, step: Callable[..., None], *args: object) -> None:
        """Give `name` its value. Where it gets none, what needs it is not reported again."""
        try:
            step(*args)
        except SpecError as error:
            found = [self._explained(name, each) for each in error.diagnostics]
            self.faults.extend(independent(found, self.failed))
            self.failed.update((name, "lo", "hi") if name == LEVELS else (name,))

    def _explained(self, name: str, found: Diagnostic) -> Diagnostic:
        """A name that is unknown, but declared: it comes after `name`, which needs it."""
        unknown = UNKNOWN_NAME.match(found.message) if found.code == "E302" else None
        later = {key.partition("(")[0].strip() for key in self.document.let}
        if not unknown or unknown[1] not in later.union(self.document.parameters):
            return found
        if found.hint.startswith("a function sees"):
            return found
        hint = f"'{unknown[1]}' comes later: a value sees what stands above it"
        hint = "a value sees what stands above it, so not itself" if unknown[1] == name else hint
        return replace(found, hint=hint)

    def _refuse_unknown(self) -> None:
        parameters = {INPUT_CHANNELS, *self.document.parameters}
        if self.document.on_levels:
            parameters |= {LEVELS, CHANNELS}
        for name, given in self.arguments.items():
            if name not in parameters:
                message = f"'{self.document.name}' has no parameter '{name}'"
                hint = suggest(name, parameters, "parameters")
                self.faults.append(Diagnostic("E112", message, given.location, hint))
        defined = [key.partition("(") for key in self.document.let]
        values = {name.strip() for name, paren, _ in defined if not paren}
        functions = {name.strip() for name, paren, _ in defined if paren}
        for name in self.row.values:
            if name in parameters or name in values:
                continue
            message = f"this variant sets '{name}', which is no parameter and no value"
            hint = suggest(name, parameters | values, "parameters and values")
            if name in functions:
                message = f"this variant sets '{name}', which is a function"
                hint = "let the function use a value, and set that"
            self.faults.append(Diagnostic("E112", message, self.row.key_at(name), hint))

    # --- parameters ------------------------------------------------------------------------

    def _given(self, name: str, form: ParameterForm) -> Written:
        """What a parameter is given: from outside, by the variant, else its default."""
        if name in self.arguments:
            given = self.arguments[name]
            return Written(given.value, given.location)
        if name not in self.row.values:
            return written(form, self.document.at("parameters", name), True)
        said = self.row.values[name]
        if said == REQUIRED:
            message = f"this variant says '{REQUIRED}' for '{name}'; a row gives values"
            raise SpecError(Diagnostic("E113", message, self.row.at(name)))
        fits = type(said) is type(form) or (name in _MAPS and isinstance(said, MapParameter))
        if isinstance(said, Located) and not fits:
            message = f"parameter '{name}' is set to {_KINDS[type(said)]}, and is declared as"
            declared = _KINDS[type(form)] if isinstance(form, Located) else "a number"
            raise SpecError(Diagnostic("E113", f"{message} {declared}", self.row.at(name)))
        return written(said, self.row.at(name), False)

    def _parameter(self, name: str, form: ParameterForm) -> None:
        fault = parameter_fault(name, self.document.key_at("parameters", name), ("lo", "hi"))
        if fault:
            raise SpecError(fault)
        given = self._given(name, form)
        where = self.origins[name] = given.where
        if given.default and form == REQUIRED:
            message = f"'{self.document.name}' needs a value for '{name}'"
            hint = f"set it: --set {name}=..., or give it a default under 'parameters'"
            raise SpecError(Diagnostic("E111", message, self.document.at("parameters", name), hint))
        if name != LEVELS and isinstance(form, LevelsParameter):
            message = f"parameter '{name}' holds a range, which only '{LEVELS}' may"
            hint = "declare its ends as numbers of their own"
            raise SpecError(Diagnostic("E107", message, self.document.at("parameters", name), hint))
        if name == LEVELS:
            self._bind_levels(name, given.value, where)
        elif isinstance(form, StepParameter):
            if not isinstance(given.value, str):
                raise self._wrong(name, given.value, "the text of a step", where)
            text = expand_template(given.value, self.names, where)
            self.places[name] = parse_step(text, where).location
            self.names[name] = self.shown[name] = text
        elif isinstance(form, MapParameter) or (name == CHANNELS and isinstance(given.value, dict)):
            self._bind_map(name, form, given)
        else:
            self._bind_number(name, form, given)

    def _bind_number(self, name: str, form: ParameterForm, given: Written) -> None:
        try:
            number = self._number(name, given.value, given.where)
        except SpecError as error:
            if given.default and isinstance(form, str) and form.isidentifier():
                hint = f"a parameter that holds a step is written {{step: {form}}}"
                first = error.diagnostics[0]
                raise SpecError(replace(first, hint=first.hint and hint)) from None
            raise
        if name == CHANNELS:
            _whole_channels(name, number, given.where)
        self.names[name] = self.shown[name] = number

    def _bind_map(self, name: str, form: ParameterForm, given: Written) -> None:
        """A map; one number is that number for every level that is known of."""
        if isinstance(given.value, dict):
            entries = self._entries(name, given)
        else:
            number = self._number(name, given.value, given.where)
            declared = self._entries(name, written(form, None, True))
            entries = dict.fromkeys(sorted({*self.levels, *declared}), number)
        if name == CHANNELS:
            for level, number in entries.items():
                _whole_channels(f"{name}({level})", number, given.where)
        self.names[name] = Table(entries)
        self.shown[name] = _map_text(entries)

    def _entries(self, name: str, given: Written) -> dict[int, Scalar]:
        """A map with its levels and numbers evaluated, levels ascending."""
        found: dict[int, Scalar] = {}
        for key, form in (given.value if isinstance(given.value, dict) else {}).items():
            key_place, place = given.entry_places(key)
            level = expression_of(key, key_place).evaluate(self.names)
            if isinstance(level, bool) or level != int(level):
                message = f"'{name}' has a value for '{key}', which is no level"
                hint = "a map goes from levels to numbers: {3: 256, 4: 512}"
                raise SpecError(Diagnostic("E113", message, key_place, hint))
            if int(level) in found:
                message = f"'{name}' has two values for level {int(level)}"
                raise SpecError(Diagnostic("E104", message, key_place))
            found[int(level)] = self._number(name, form, place)
        return dict(sorted(found.items()))

    def _bind_levels(self, name: str, value: Data, where: Location | None) -> None:
        if isinstance(value, int) and not isinstance(value, bool):
            value = f"{value}..{value}"
        if not isinstance(value, str):
            ends = isinstance(value, list) and value and f"write {value[0]}..{value[-1]}"
            raise self._wrong(name, value, "a range like 3..7", where, ends or "")
        try:
            start, stop, descending = parse_range(value, where)
        except SpecError as error:
            said = error.diagnostics
            hinted = [replace(d, hint=_LEVELS_HINT) if d.code == "E309" else d for d in said]
            raise SpecError(hinted) from None
        first, last = (bound.evaluate(self.names) for bound in (start, stop))
        if first != int(first) or last != int(last):
            raise self._wrong(name, value, "a range of whole numbers", where)
        if descending or not 0 <= first <= last < MAX_LEVELS:
            message = f"'{value}' is no range of levels"
            raise SpecError(Diagnostic("E113", message, where, _LEVELS_HINT))
        self.levels = range(int(first), int(last) + 1)
        self.names.update(lo=int(first), hi=int(last))
        self.shown[name] = f"{int(first)}..{int(last)}"

    def _number(self, name: str, value: Data, where: Location | None) -> Scalar:
        if isinstance(value, bool | int | float | str):
            return expression_of(value, where).evaluate(self.names)
        hint = ""
        if isinstance(value, dict):
            hint = f"only a parameter declared as '{name}: {{map: {{...}}}}' takes one per level"
        raise self._wrong(name, value, "a number", where, hint)

    def _input_channels(self, by_level: dict[int, int]) -> None:
        if LEVELS in self.failed:
            return
        declared = self.document.parameters.get(INPUT_CHANNELS, CHANNELS)
        given = self._given(INPUT_CHANNELS, declared)
        where, value = given.where, given.value
        if given.default and INPUT_CHANNELS not in self.document.parameters:
            where = self.origins.get(CHANNELS)
        same = self.names.get(value.strip()) if isinstance(value, str) else None
        if isinstance(value, dict) or isinstance(same, Table):
            entries = (
                same.entries if isinstance(same, Table) else self._entries(INPUT_CHANNELS, given)
            )
            numbers = [self._at_level(entries, level, where) for level in self.levels]
        else:
            values = value if isinstance(value, list) else [value] * len(self.levels)
            if len(values) != len(self.levels):
                message = (
                    f"'{INPUT_CHANNELS}' has {len(values)} values for {len(self.levels)} levels"
                )
                hint = f"give one number, or one for each of the levels {self.shown[LEVELS]}"
                raise SpecError(Diagnostic("E113", message, where, hint))
            numbers = [self._number(INPUT_CHANNELS, v, where) for v in values]
        channels = [_whole_channels(INPUT_CHANNELS, n, where) for n in numbers]
        by_level.update(zip(self.levels, channels, strict=True))
        self.names[INPUT_CHANNELS] = Table(by_level)
        equal = len(set(channels)) == 1
        shown = scalar_text(channels[0]) if equal else f"[{', '.join(map(str, channels))}]"
        self.shown[INPUT_CHANNELS] = channels[0] if equal else shown

    def _image_channels(self, by_level: dict[int, int]) -> None:
        declared = self.document.parameters.get(INPUT_CHANNELS, IMAGE_CHANNELS)
        given = self._given(INPUT_CHANNELS, declared)
        number = self._number(INPUT_CHANNELS, given.value, given.where)
        by_level[0] = _whole_channels(INPUT_CHANNELS, number, given.where)
        self.names[INPUT_CHANNELS] = self.shown[INPUT_CHANNELS] = by_level[0]

    def _at_level(
        self, entries: Mapping[int, Scalar], level: int, where: Location | None
    ) -> Scalar:
        if level in entries:
            return entries[level]
        declared = INPUT_CHANNELS in {*self.arguments, *self.document.parameters}
        name = INPUT_CHANNELS if declared else CHANNELS
        message = f"'{name}' has no value for level {level}"
        hint = f"it has values for {', '.join(map(str, entries))}"
        raise SpecError(Diagnostic("E113", message, where, hint))

    # --- let -------------------------------------------------------------------------------

    def _define(self, key: str, form: Scalar | str) -> None:
        where = self.document.key_at("let", key)
        name, parameters = split_definition(key, where)
        place = self.document.at("let", key)
        if parameters is None and name in self.row.values:
            said, place = self.row.values[name], self.row.at(name)
            if not isinstance(said, bool | int | float | str):
                raise self._wrong(name, "a mapping or a list", "a number", place)
            form = said
        body = expression_of(form, place)
        if name in self.names:
            raise SpecError(Diagnostic("E104", f"'{name}' is defined already", where))
        if parameters is None:
            self.names[name] = body.evaluate(self.names)
            return
        for used in sorted(body.names - set(self.names) - set(parameters)):
            spot = body.location.find(used) if body.location else None
            hint = suggest(used, {*self.names, *parameters}, "names here")
            if used == name:
                hint = "a function sees what stands before it, so not itself"
            raise SpecError(Diagnostic("E302", f"unknown name '{used}'", spot, hint))
        self.names[name] = Function(parameters, body, dict(self.names))

    def _wrong(
        self, name: str, value: object, expected: str, where: Location | None, hint: str = ""
    ) -> SpecError:
        message = f"parameter '{name}' is {value!r}; expected {expected}"
        return SpecError(Diagnostic("E113", message, where, hint))


def _whole_channels(name: str, value: Scalar, where: Location | None) -> int:
    if isinstance(value, bool) or value != int(value) or value < 1:
        message = f"'{name}' is {scalar_text(value)}; channels are whole numbers of at least 1"
        raise SpecError(Diagnostic("E113", message, where))
    return int(value)


def _map_text(entries: Mapping[int, Scalar]) -> str:
    """A map as a person would write it."""
    return f"{{{', '.join(f'{level}: {scalar_text(n)}' for level, n in entries.items())}}}"
