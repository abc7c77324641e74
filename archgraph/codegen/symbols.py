"""Symbols for tensors, for modules of torch and for its names: they record what is done to them.

The same function of the same operands has the same number, so that two programs compute the same
where their numbers are equal. No law of arithmetic is assumed: `a + b` is not `b + a`.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import EllipsisType
from typing import NoReturn

Key = tuple[object, ...]
Keywords = tuple[tuple[str, object], ...]
MODULE_CALL, CALL = "module", "call"


class Recorder:
    """Numbers values by what they are.

    Attributes:
        keys: what each number means.
        seen: the numbers that were computed since this was emptied.
        calls: how often a module or function was called for a value since this was emptied.
    """

    def __init__(self) -> None:
        self.keys: list[Key] = []
        self.seen: set[int] = set()
        self.calls: dict[int, int] = {}
        self._numbers: dict[Key, int] = {}
        self._equal: dict[int, int] = {}

    def value(self, *key: object) -> Value:
        """The value that this key means: what is done, then to what."""
        number = self._numbers.get(key)
        if number is None:
            number = self._numbers[key] = len(self.keys)
            self.keys.append(key)
        while number in self._equal:
            number = self._equal[number]
        self.seen.add(number)
        return Value(self, number)

    def equate(self, value: Value, other: Value) -> None:
        """Let `other` have the number of `value` from now on."""
        self._equal[other._number] = value._number

    def call(self, what: str, of: object, args: tuple[object, ...], kwargs: Keywords) -> Value:
        """The result of calling a function or a module."""
        result = self.value(what, of, tuple([canonical(arg) for arg in args]), kwargs)
        self.calls[result._number] = self.calls.get(result._number, 0) + 1
        return result


def canonical(value: object) -> object:
    """A constant with its type (`True` is not 1), a value by its number, a name of torch."""
    match value:
        case Value():
            return value._number
        case Leaf():
            return value._value()._number
        case Name():
            return (Name, value._path)
        case Training():
            return (Training,)
        case bool() | int() | str() | None | EllipsisType():
            return (type(value), value)
        case float():
            return (float, repr(value))
        case tuple() | list():
            return (type(value), *[canonical(part) for part in value])
        case slice():
            return (slice, *[canonical(part) for part in (value.start, value.stop, value.step)])
        case _:
            raise TypeError(f"{type(value).__name__} is no argument of a call")


def keywords(kwargs: Mapping[str, object]) -> Keywords:
    """Keyword arguments, in one order."""
    if kwargs.get("inplace"):
        raise TypeError("values are never changed in place")
    return tuple([(name, canonical(kwargs[name])) for name in sorted(kwargs)])


def shown(value: object) -> str:
    """A canonical argument as text."""
    match value:
        case (kind, *parts) if kind in (tuple, list):
            texts = ", ".join([shown(part) for part in parts])
            return f"[{texts}]" if kind is list else f"({texts})"
        case (kind, text) if kind in (float, Name):
            return str(text).replace("torch.nn.functional.", "F.").replace("torch.nn.", "nn.")
        case (_, constant):
            return repr(constant)
        case str():
            return f"'{value}'"
        case _:
            return "a tensor"


def written(target: str, args: tuple[object, ...], kwargs: Keywords) -> str:
    """A call as text."""
    texts = [shown(arg) for arg in args] + [f"{name}={shown(arg)}" for name, arg in kwargs]
    return f"{shown((Name, target))}({', '.join(texts)})"


def _refuse_special(name: str) -> None:
    if name.startswith("__"):
        raise AttributeError(name)
    if name.endswith("_"):
        raise TypeError(f"'{name}' changes a value in place")


# --- tensors -------------------------------------------------------------------------------


class Symbolic:
    """What arithmetic can be done with."""

    __slots__ = ()
    __hash__ = None  # type: ignore[assignment]

    def _value(self) -> Value:
        raise NotImplementedError

    def _do(self, what: str, *parts: object) -> Value:
        recorder = self._value()._recorder
        return recorder.value(what, *[canonical(part) for part in parts])

    def __add__(self, other: object) -> Value:
        return self._do("+", self, other)

    def __radd__(self, other: object) -> Value:
        return self._do("+", other, self)

    def __sub__(self, other: object) -> Value:
        return self._do("-", self, other)

    def __rsub__(self, other: object) -> Value:
        return self._do("-", other, self)

    def __mul__(self, other: object) -> Value:
        return self._do("*", self, other)

    def __rmul__(self, other: object) -> Value:
        return self._do("*", other, self)

    def __truediv__(self, other: object) -> Value:
        return self._do("/", self, other)

    def __rtruediv__(self, other: object) -> Value:
        return self._do("/", other, self)

    def __floordiv__(self, other: object) -> Value:
        return self._do("//", self, other)

    def __rfloordiv__(self, other: object) -> Value:
        return self._do("//", other, self)

    def __mod__(self, other: object) -> Value:
        return self._do("%", self, other)

    def __pow__(self, other: object) -> Value:
        return self._do("**", self, other)

    def __matmul__(self, other: object) -> Value:
        return self._do("@", self, other)

    def __neg__(self) -> Value:
        return self._do("neg", self)

    def __getitem__(self, index: object) -> Value:
        return self._do("[]", self, index)

    def _in_place(self, _: object) -> NoReturn:
        raise TypeError("a value is changed in place")

    __iadd__ = __isub__ = __imul__ = __itruediv__ = __ifloordiv__ = __ipow__ = _in_place

    def __bool__(self) -> NoReturn:
        raise TypeError("a condition depends on a tensor")

    def __eq__(self, other: object) -> NoReturn:
        raise TypeError("a tensor is compared")

    def __iter__(self) -> NoReturn:
        raise TypeError("a tensor is taken apart")


class Value(Symbolic):
    """A tensor, or what one has: a shape, a method."""

    __slots__ = ("_number", "_recorder")

    def __init__(self, recorder: Recorder, number: int) -> None:
        self._recorder = recorder
        self._number = number

    def _value(self) -> Value:
        return self

    def __getattr__(self, name: str) -> Value:
        _refuse_special(name)
        return self._recorder.value(".", self._number, name)

    def __call__(self, *args: object, **kwargs: object) -> Value:
        return self._recorder.call(CALL, self._number, args, keywords(kwargs))


# --- torch ---------------------------------------------------------------------------------


class Name:
    """A name of torch or of the prelude; called, it makes a module or a value.

    A function that returns nothing (`is_check`) only looks at its arguments; it is not recorded.
    """

    __slots__ = ("_is_check", "_is_module", "_path", "_recorder")

    def __init__(
        self, recorder: Recorder, path: str, is_module: bool = False, is_check: bool = False
    ) -> None:
        self._recorder = recorder
        self._path = path
        self._is_module = is_module
        self._is_check = is_check

    def __getattr__(self, name: str) -> object:
        _refuse_special(name)
        return Name(self._recorder, f"{self._path}.{name}")

    def __call__(self, *args: object, **kwargs: object) -> Leaf | Value | None:
        if self._is_module:
            return Leaf(self._recorder, self._path, args, kwargs)
        if self._is_check:
            return None
        return self._recorder.call(CALL, (Name, self._path), args, keywords(kwargs))

    def __mro_entries__(self, bases: object) -> NoReturn:
        raise TypeError(f"a class is derived from {self._path}")


class Leaf(Symbolic):
    """A module of torch or of the prelude: its constructor's arguments, and where it is held."""

    __slots__ = ("_args", "_bias", "_kwargs", "_path", "_recorder", "_start", "_target")

    def __init__(
        self,
        recorder: Recorder,
        target: str,
        args: tuple[object, ...],
        kwargs: Mapping[str, object],
    ) -> None:
        self._recorder = recorder
        self._target = target
        self._args = tuple([canonical(arg) for arg in args])
        self._kwargs = keywords(kwargs)
        self._path: str | None = None
        self._start = ""
        self._bias: float | None = None

    def apply(self, function: object) -> Leaf:
        """Let a function of the prelude initialise the module; it sets the bias to 0."""
        if not isinstance(function, Name) or not function._is_check:
            raise TypeError("only functions of the prelude initialise modules")
        self._start, self._bias = function._path, None
        return self

    def _value(self) -> Value:
        if self._path is None:
            raise TypeError(f"a {self._target} that no module holds is used")
        return self._recorder.value("held", self._path)

    def __getattr__(self, name: str) -> Value:
        _refuse_special(name)
        return self._do(".", self, (name,))

    def __call__(self, *args: object, **kwargs: object) -> Value:
        if self._path is None:
            raise TypeError(f"a {self._target} that no module holds is called")
        return self._recorder.call(MODULE_CALL, self._path, args, keywords(kwargs))


class Training:
    """Whether a module is in training: known at run time only."""

    def __bool__(self) -> NoReturn:
        raise TypeError("a condition depends on 'training'")
