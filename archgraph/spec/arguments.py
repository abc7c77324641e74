"""Parameters of a document and the arguments it is given: from Python, or as `--set` texts."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from archgraph.errors import Diagnostic, Location, SpecError, suggest
from archgraph.expressions import (
    Function,
    Names,
    Scalar,
    Table,
    Value,
    parse_step,
    scalar_text,
)
from archgraph.expressions.template import parse_range
from archgraph.spec.documents import Document
from archgraph.spec.faults import independent
from archgraph.spec.forms import expression_of
from archgraph.spec.located import Located
from archgraph.spec.models import LevelsParameter, ParameterForm, StepParameter
from archgraph.spec.reader import Data, read_documents

REQUIRED = "required"
# Parameters that every topology has, whether it says so or not.
LEVELS, CHANNELS, INPUT_CHANNELS = "levels", "channels", "in_channels"
MAX_LEVELS = 32
MAX_NAMES = 1_000
# How messages call the place of a value from the command line.
OUTSIDE = "--set"
_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)?\Z")
_BREAK = re.compile(r"[\r\n]")
_LEVELS_HINT = "levels ascend, from 0 at the finest: 3..7"


@dataclass(frozen=True)
class ArgumentValue:
    """A value given from outside, and where its text stands if it was text."""

    value: Data
    location: Location | None = None


Arguments = Mapping[str, ArgumentValue]


@dataclass(frozen=True)
class Bound:
    """The names of a document with their values: parameters, `lo`, `hi`, then `let`.

    `levels` ascends; `input_channels` is by level; `shown` are the parameters as a person would
    write them; `places` says where the step stands that a parameter holds. With `faults` the
    names in `failed` have no value.
    """

    names: Names
    levels: range
    input_channels: Mapping[int, int]
    shown: tuple[tuple[str, Scalar | str], ...]
    places: Mapping[str, Location | None]
    faults: tuple[Diagnostic, ...]
    failed: frozenset[str]


def parse_setting(text: str) -> tuple[str, ArgumentValue]:
    """`KEY=VALUE` of the command line; the value is a YAML scalar, a range or a flow list.

    Raises:
        SpecError: E120, there is no `=`, or the value is no YAML.
    """
    key, equals, value = text.partition("=")
    key = key.strip()
    if not equals or not _KEY.match(key) or _BREAK.search(value):
        where = Location(OUTSIDE, 1, 1, len(text) + 1, text)
        hint = "write --set KEY=VALUE, for example --set channels=64"
        raise SpecError(Diagnostic("E120", f"'{text}' is not KEY=VALUE", where, hint))
    lead = "value: "
    shift = len(text) - len(value) - len(lead)
    try:
        raw = read_documents(lead + value, OUTSIDE)[0]
    except SpecError as error:
        moved = [replace(d, location=_shifted(d.location, shift, text)) for d in error.diagnostics]
        raise SpecError(moved) from None
    where = _shifted(raw.place.at("value").location, shift, text)
    return key, ArgumentValue(raw.data["value"], where)


def _shifted(where: Location | None, shift: int, text: str) -> Location:
    """A place in what was read, which has our own key before the value, as one in `text`."""
    start, end = (where.column, where.end_column) if where else (1, 1)
    start = max(start + shift, 1)
    return Location(OUTSIDE, 1, start, max(end + shift, start), text)


def python_argument(value: object) -> ArgumentValue:
    """A value given in Python: a number, text, a range of levels or a sequence of numbers.

    Raises:
        TypeError: the value is none of these.
    """
    if isinstance(value, range):
        if value.step != 1 or not len(value):
            raise TypeError(f"levels must ascend one by one, not {value}")
        return ArgumentValue(f"{value[0]}..{value[-1]}")
    if isinstance(value, bool | int | float | str):
        return ArgumentValue(value)
    if isinstance(value, Sequence) and all(isinstance(v, int | float | str) for v in value):
        return ArgumentValue(list(value))
    raise TypeError(f"a parameter is a number, text, range or sequence, not {value!r}")


def bind_parameters(document: Document, arguments: Arguments) -> Bound:
    """Give every parameter of a topology its value, then evaluate `let`.

    What is wrong stands in its `faults`: E111 a required parameter is missing, E112 an argument
    is unknown, E113 a value is of the wrong kind, and what expressions say.
    """
    return _Binder(document, arguments).run()


class _Binder:
    def __init__(self, document: Document, arguments: Arguments) -> None:
        self.document = document
        self.arguments = arguments
        self.names: dict[str, Value] = {}
        self.shown: dict[str, Scalar | str] = {}
        self.places: dict[str, Location | None] = {}
        self.levels = range(0)
        self.faults: list[Diagnostic] = []
        self.failed: set[str] = set()

    def run(self) -> Bound:
        self._refuse_unknown()
        declared = self.document.parameters
        order = [LEVELS, *(name for name in declared if name not in (LEVELS, INPUT_CHANNELS))]
        if CHANNELS not in declared:
            order.insert(1, CHANNELS)
        for name in order:
            self._attempt(name, self._parameter, name, declared.get(name, REQUIRED))
        input_channels: dict[int, int] = {}
        form = declared.get(INPUT_CHANNELS, CHANNELS)
        self._attempt(INPUT_CHANNELS, self._input_channels, form, input_channels)
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
            self.faults.extend(independent(error.diagnostics, self.failed))
            self.failed.update((name, "lo", "hi") if name == LEVELS else (name,))

    def _refuse_unknown(self) -> None:
        known = {LEVELS, CHANNELS, INPUT_CHANNELS, *self.document.parameters}
        for name, given in self.arguments.items():
            if name not in known:
                message = f"'{self.document.name}' has no parameter '{name}'"
                hint = suggest(name, known, "parameters")
                self.faults.append(Diagnostic("E112", message, given.location, hint))

    def _parameter(self, name: str, form: ParameterForm) -> None:
        given = self.arguments.get(name)
        where = given.location if given else self.document.at("parameters", name)
        if given is None and isinstance(form, Located):
            where = form.at("step" if isinstance(form, StepParameter) else "levels")
        if given is None and form == REQUIRED:
            message = f"'{self.document.name}' needs a value for '{name}'"
            hint = f"set it: --set {name}=..., or give it a default under 'parameters'"
            raise SpecError(Diagnostic("E111", message, self.document.at("parameters", name), hint))
        if name != LEVELS and isinstance(form, LevelsParameter):
            message = f"parameter '{name}' holds a range, which only '{LEVELS}' may"
            hint = "declare its ends as numbers of their own"
            raise SpecError(Diagnostic("E107", message, self.document.at("parameters", name), hint))
        if name == LEVELS:
            default = form.levels if isinstance(form, LevelsParameter) else _plain(form)
            self._bind_levels(name, given.value if given else default, where)
        elif isinstance(form, StepParameter):
            value = given.value if given else form.step
            if not isinstance(value, str):
                raise self._wrong(name, value, "the text of a step", where)
            self.places[name] = parse_step(value, where).location
            self.names[name] = self.shown[name] = value
        else:
            try:
                number = self._number(name, given.value if given else _plain(form), where)
            except SpecError as error:
                if given is None and isinstance(form, str) and form.isidentifier():
                    hint = f"a parameter that holds a step is written {{step: {form}}}"
                    first = error.diagnostics[0]
                    raise SpecError(replace(first, hint=first.hint and hint)) from None
                raise
            if name == CHANNELS:
                _whole_channels(name, number, where)
            self.names[name] = self.shown[name] = number

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
        raise self._wrong(name, value, "a number", where)

    def _input_channels(self, form: ParameterForm, by_level: dict[int, int]) -> None:
        if LEVELS in self.failed:
            return
        given = self.arguments.get(INPUT_CHANNELS)
        where = given.location if given else self.document.at("parameters", INPUT_CHANNELS)
        value: Data = given.value if given else _plain(form)
        values = value if isinstance(value, list) else [value] * len(self.levels)
        if len(values) != len(self.levels):
            message = f"'{INPUT_CHANNELS}' has {len(values)} values for {len(self.levels)} levels"
            hint = f"give one number, or one for each of the levels {self.shown[LEVELS]}"
            raise SpecError(Diagnostic("E113", message, where, hint))
        numbers = [self._number(INPUT_CHANNELS, v, where) for v in values]
        channels = [_whole_channels(INPUT_CHANNELS, n, where) for n in numbers]
        by_level.update(zip(self.levels, channels, strict=True))
        self.names[INPUT_CHANNELS] = Table(by_level)
        same = len(set(channels)) == 1
        shown = scalar_text(channels[0]) if same else f"[{', '.join(map(str, channels))}]"
        self.shown[INPUT_CHANNELS] = channels[0] if same else shown

    def _define(self, key: str, form: Scalar | str) -> None:
        where = self.document.key_at("let", key)
        name, parameters = split_definition(key, where)
        body = expression_of(form, self.document.at("let", key))
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


def split_definition(key: str, where: Location | None) -> tuple[str, tuple[str, ...] | None]:
    """The name and parameters of a key under `let`: `width` or `filters(c)`.

    Raises:
        SpecError: E105, the key is neither.
    """
    name, paren, rest = key.partition("(")
    parameters = tuple(p.strip() for p in rest[:-1].split(",")) if paren else None
    words = [name.strip(), *(parameters or ())]
    if not all(word.isidentifier() and word.isascii() for word in words) or (
        paren and not key.endswith(")")
    ):
        hint = "write 'name: expression' or 'name(a, b): expression'"
        raise SpecError(Diagnostic("E105", f"'{key}' cannot stand under 'let'", where, hint))
    return name.strip(), parameters


def _whole_channels(name: str, value: Scalar, where: Location | None) -> int:
    if isinstance(value, bool) or value != int(value) or value < 1:
        message = f"'{name}' is {scalar_text(value)}; channels are whole numbers of at least 1"
        raise SpecError(Diagnostic("E113", message, where))
    return int(value)


def _plain(form: ParameterForm) -> Data:
    if isinstance(form, list):
        return list(form)
    return form if isinstance(form, bool | int | float | str) else None
