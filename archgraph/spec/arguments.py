"""Parameters of a document and the arguments it is given: from Python, or as `--set` texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from archgraph.errors import Diagnostic, Location, SpecError, suggest
from archgraph.expressions import Function, Names, Scalar, Table, Value, scalar_text
from archgraph.expressions.template import parse_range
from archgraph.spec.forms import expression_of
from archgraph.spec.models import Document, LevelsParameter, ParameterForm, StepParameter
from archgraph.spec.reader import Data, read_documents

REQUIRED = "required"
# Parameters that every topology has, whether it says so or not.
LEVELS, CHANNELS, INPUT_CHANNELS = "levels", "channels", "in_channels"
MAX_LEVELS = 32


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
    write them.
    """

    names: Names
    levels: range
    input_channels: Mapping[int, int]
    shown: tuple[tuple[str, Scalar | str], ...]


def parse_setting(text: str) -> tuple[str, ArgumentValue]:
    """`KEY=VALUE` of the command line; the value is a YAML scalar, a range or a flow list.

    Raises:
        SpecError: E120, there is no `=`, or the value is no YAML.
    """
    key, equals, value = text.partition("=")
    key = key.strip()
    if not equals or not key:
        hint = "write --set KEY=VALUE, for example --set channels=64"
        raise SpecError(Diagnostic("E120", f"'{text}' is not KEY=VALUE", None, hint))
    raw = read_documents(f"{key}: {value}", "--set")[0]
    return key, ArgumentValue(raw.data[key], raw.place.at(key).location)


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

    Raises:
        SpecError: E111 a required parameter is missing, E112 an argument is unknown, E113 a
            value is of the wrong kind.
    """
    return _Binder(document, arguments).run()


class _Binder:
    def __init__(self, document: Document, arguments: Arguments) -> None:
        self.document = document
        self.arguments = arguments
        self.names: dict[str, Value] = {}
        self.shown: dict[str, Scalar | str] = {}
        self.levels = range(0)
        self.faults: list[Diagnostic] = []

    def run(self) -> Bound:
        self._refuse_unknown()
        declared = self.document.parameters
        order = [LEVELS, *(name for name in declared if name not in (LEVELS, INPUT_CHANNELS))]
        if CHANNELS not in declared:
            order.insert(1, CHANNELS)
        for name in order:
            try:
                self._parameter(name, declared.get(name, REQUIRED))
            except SpecError as error:
                self.faults.extend(error.diagnostics)
        if self.faults:
            raise SpecError(self.faults)
        input_channels = self._input_channels(declared.get(INPUT_CHANNELS, CHANNELS))
        for key, form in self.document.let.items():
            self._define(key, form)
        if self.faults:
            raise SpecError(self.faults)
        return Bound(self.names, self.levels, input_channels, tuple(self.shown.items()))

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
        if given is None and form == REQUIRED:
            message = f"'{self.document.name}' needs a value for '{name}'"
            hint = f"set it: --set {name}=..., or give it a default under 'parameters'"
            raise SpecError(Diagnostic("E111", message, self.document.at("parameters", name), hint))
        if name == LEVELS or isinstance(form, LevelsParameter):
            default = form.levels if isinstance(form, LevelsParameter) else _plain(form)
            self._bind_levels(name, given.value if given else default, where)
        elif isinstance(form, StepParameter):
            value = given.value if given else form.step
            if not isinstance(value, str):
                raise self._wrong(name, value, "the text of a step", where)
            self.names[name] = self.shown[name] = value
        else:
            number = self._number(name, given.value if given else form, where)
            if name == CHANNELS:
                _whole_channels(name, number, where)
            self.names[name] = self.shown[name] = number

    def _bind_levels(self, name: str, value: Data, where: Location | None) -> None:
        if isinstance(value, int) and not isinstance(value, bool):
            value = f"{value}..{value}"
        if not isinstance(value, str):
            raise self._wrong(name, value, "a range like 3..7", where)
        start, stop, descending = parse_range(value, where)
        first, last = (bound.evaluate(self.names) for bound in (start, stop))
        if first != int(first) or last != int(last):
            raise self._wrong(name, value, "a range of whole numbers", where)
        if descending or not 0 <= first <= last < MAX_LEVELS:
            message = f"'{value}' is no range of levels"
            hint = "levels ascend, from 0 at the finest: levels=3..7"
            raise SpecError(Diagnostic("E113", message, where, hint))
        self.levels = range(int(first), int(last) + 1)
        self.names.update(lo=int(first), hi=int(last))
        self.shown[name] = f"{int(first)}..{int(last)}"

    def _number(self, name: str, value: Data, where: Location | None) -> Scalar:
        if isinstance(value, bool | int | float | str):
            return expression_of(value, where).evaluate(self.names)
        raise self._wrong(name, value, "a number", where)

    def _input_channels(self, form: ParameterForm) -> Mapping[int, int]:
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
        by_level = dict(zip(self.levels, channels, strict=True))
        self.names[INPUT_CHANNELS] = Table(by_level)
        same = len(set(channels)) == 1
        shown = scalar_text(channels[0]) if same else f"[{', '.join(map(str, channels))}]"
        self.shown[INPUT_CHANNELS] = channels[0] if same else shown
        return by_level

    def _define(self, key: str, form: Scalar | str) -> None:
        where = self.document.at("let", key)
        try:
            name, parameters = split_definition(key, self.document.key_at("let", key))
            body = expression_of(form, where)
            if name in self.names:
                raise SpecError(Diagnostic("E104", f"'{name}' is defined already", where))
            if parameters is None:
                self.names[name] = body.evaluate(self.names)
            else:
                self.names[name] = Function(parameters, body, dict(self.names))
        except SpecError as error:
            self.faults.extend(error.diagnostics)

    def _wrong(self, name: str, value: object, expected: str, where: Location | None) -> SpecError:
        message = f"parameter '{name}' is {value!r}; expected {expected}"
        return SpecError(Diagnostic("E113", message, where))


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
    return form if isinstance(form, bool | int | float | str) else None
