"""Names that steps may use, what their arguments are, and how operators are made from them."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import MISSING, dataclass, fields, replace
from functools import cache
from typing import Any, Literal, get_args, get_origin, get_type_hints

from archgraph.errors import Diagnostic, Location, SpecError, suggest
from archgraph.expressions import Argument, Scalar, Step, parse_step, scalar_text
from archgraph.ir.block import NUMBER, WORD, Block
from archgraph.ir.op import Op, least
from archgraph.ir.ops import OPERATORS, ActivationFunction, Slice

# A fusion is a name for a variadic operation: an operator with its options. `average` is an
# addition followed by a constant factor, which depends on the number of operands.
FUSIONS: dict[str, Step] = {
    "sum": parse_step("add"),
    "average": parse_step("add"),
    "max": parse_step("maximum"),
    "concat": parse_step("concat"),
    "softmax": parse_step("weighted-sum normalize=softmax"),
    "fast": parse_step("weighted-sum normalize=fast"),
    "unbounded": parse_step("weighted-sum normalize=none"),
}
AVERAGE = "average"
# The argument of a step that names a variant of its block.
VARIANT = "variant"
# Operators by the names people know them by.
ALIASES: dict[str, Step] = {
    name: parse_step(f"activation function={name}") for name in get_args(ActivationFunction)
}
LEAKY = "leaky-relu"
# `use: act` and `use: norm` mean whatever is inherited.
INHERITED = ("act", "norm")
# `split kept=32 deep=32` has a result for each of its arguments, whatever they are called, with
# that many channels each; it stands for one `slice` per result.
SPLIT = "split"
# A view: operators that are added later are in it.
BUILTIN_NAMES: Set[str] = ChainMap[str, Any](
    OPERATORS, ALIASES, dict.fromkeys((*INHERITED, SPLIT))
).keys()


@cache
def operator_fields(kind: str) -> Mapping[str, tuple[type, tuple[str, ...], bool]]:
    """The arguments of an operator: name to (type, allowed words, required)."""
    op = OPERATORS[kind]
    hints = get_type_hints(op)
    found: dict[str, tuple[type, tuple[str, ...], bool]] = {}
    for field in fields(op):
        hint = hints[field.name]
        words = get_args(hint) if get_origin(hint) is Literal else ()
        found[field.name] = (str if words else hint, words, field.default is MISSING)
    return found


def argument_kinds(step: Step, blocks: Mapping[str, Block]) -> Mapping[str, str] | None:
    """How the arguments of `step` are read: name to number or word; None for unknown names."""
    if step.use in ALIASES or step.use in INHERITED:
        return {"slope": NUMBER} if step.use == LEAKY else {}
    if step.use == SPLIT:
        return {argument.key: NUMBER for argument in step.arguments}
    if step.use in OPERATORS:
        kinds = operator_fields(step.use)
        return {name: WORD if words else NUMBER for name, (_, words, _) in kinds.items()}
    if step.use in blocks:
        block = blocks[step.use]
        found = {p.name: p.kind for p in block.parameters}
        return {**found, VARIANT: WORD} if block.variants else found
    return None


def input_names(step: Step, blocks: Mapping[str, Block]) -> tuple[str, ...]:
    """The names of the inputs of `step`; none where it takes any number, or is not known."""
    if step.use in blocks:
        block = blocks[step.use]
        return () if block.variadic else block.inputs
    if step.use in OPERATORS:
        op = OPERATORS[step.use]
        return op.ports or (("x",) if op.arity[1] == 1 else ())
    return ("x",) if step.use in BUILTIN_NAMES else ()


def too_many(name: str, most: int, given: int, where: Location | None) -> SpecError:
    """More operands than something takes."""
    inputs = "1 input" if most == 1 else f"{most} inputs"
    hint = "a 'fuse' node takes any number of inputs" if most == 1 else ""
    return SpecError(Diagnostic("E215", f"'{name}' takes {inputs}, not {given}", where, hint))


def result_names(step: Step, blocks: Mapping[str, Block]) -> tuple[str, ...]:
    """The names of what `step` gives, if it gives several values."""
    if step.use == SPLIT:
        return tuple(argument.key for argument in step.arguments)
    return blocks[step.use].results if step.use in blocks else ()


def alias_meaning(step: Step) -> Step:
    """The operator that the name of an activation stands for, with the arguments of `step`."""
    operator = ALIASES[step.use]
    arguments = (*operator.arguments, *step.arguments)
    return replace(step, use=operator.use, arguments=arguments)


def fusion_kinds(step: Step) -> Mapping[str, str] | None:
    """The same for a fusion: the options of its operator that its name leaves open."""
    if step.use not in FUSIONS and not _takes_any_number(step.use):
        return None
    meaning = FUSIONS.get(step.use, step)
    taken = {a.key for a in meaning.arguments} if step.use in FUSIONS else set()
    kinds = argument_kinds(Step(meaning.use), {}) or {}
    return {name: kind for name, kind in kinds.items() if name not in taken}


def _takes_any_number(kind: str) -> bool:
    return kind in OPERATORS and OPERATORS[kind].arity[1] is None


def split_parts(
    widths: Mapping[str, Scalar | str], channels: int, where: Location | None
) -> dict[str, Slice]:
    """The `slice` for each result of a `split`, in order.

    Args:
        widths: the evaluated arguments: result to channels.
        channels: the channels of the value that is split.
        where: the place of the step.

    Raises:
        SpecError: E111 there is no result, E113 a width is no whole number, E218 the widths are
            not together those of the value.
    """
    if not widths:
        hint = "name the results and their channels: 'split kept=32 deep=32'"
        raise SpecError(Diagnostic("E111", f"'{SPLIT}' has no results", where, hint))
    parts: dict[str, Slice] = {}
    start = 0
    for name, value in widths.items():
        width = _checked(SPLIT, name, value, _Kind(int), where)
        assert isinstance(width, int)
        parts[name] = Slice(width, start)
        start += width
    if start != channels:
        given = " + ".join(str(part.channels) for part in parts.values())
        shown = given if len(parts) == 1 else f"{given} = {start}"
        message = f"'{SPLIT}' takes {shown} channels of a value with {channels}"
        hint = "its results are all channels of the value, in order"
        raise SpecError(Diagnostic("E218", message, where, hint))
    return parts


# What other libraries call the same thing.
SYNONYMS: dict[str, str] = {
    "swish": "silu",
    "hswish": "hard-swish",
    "hardswish": "hard-swish",
    "bn": "batch-norm",
    "batchnorm": "batch-norm",
    "groupnorm": "group-norm",
    "gn": "group-norm",
    "layernorm": "layer-norm",
    "ln": "layer-norm",
    "leakyrelu": "leaky-relu",
    "hsigmoid": "hard-sigmoid",
    "hardsigmoid": "hard-sigmoid",
    "maxpool": "max-pool",
    "avgpool": "avg-pool",
    "gap": "global-pool",
    "upsample": "resize",
    "interpolate": "resize",
    "nearest": "resize mode=nearest",
    "bilinear": "resize mode=bilinear",
    "conv2d": "conv",
    "deconv": "conv-transpose",
    "convtranspose2d": "conv-transpose",
    "dcn": "deform-conv",
    "pixelshuffle": "pixel-shuffle",
    "depth-to-space": "pixel-shuffle",
    "space-to-depth": "pixel-unshuffle",
    "mul": "multiply",
    "cat": "concat",
    "chunk": "split",
    "dropblock": "drop-block",
    "droppath": "drop-path",
    "drop-connect": "drop-path",
}


def name_hint(name: str, known: Iterable[str]) -> str:
    """What to write instead of a name that is neither a block nor an operator."""
    if name in FUSIONS:
        operator = FUSIONS[name].use
        return f"'{name}' is a fusion, for 'fuse:' in a topology; an operator is '{operator}'"
    if name in SYNONYMS:
        return f"here it is called '{SYNONYMS[name]}'"
    return suggest(name, known)


def unknown_block(name: str, known: Iterable[str], where: Location | None) -> Diagnostic:
    """A step names something that is neither a block nor an operator."""
    return Diagnostic("E109", f"there is no block '{name}'", where, name_hint(name, known))


def unknown_argument(
    step: Step, key: str, known: Sequence[str], where: Location | None
) -> SpecError:
    """A step was given an argument it does not have."""
    hint = suggest(key, known, f"'{step.use}' takes") or f"'{step.use}' takes no arguments"
    return SpecError(Diagnostic("E112", f"'{step.use}' has no argument '{key}'", where, hint))


def make_operator(
    kind: str,
    values: Mapping[str, Scalar | str],
    where: Location | None,
    written: Iterable[Argument] = (),
) -> Op:
    """An operator from evaluated arguments, every one checked.

    Args:
        kind: the name of the operator.
        values: its arguments.
        where: the place of the step.
        written: the arguments that are written there, which have places of their own.

    Raises:
        SpecError: E111 a required argument is missing, E112 unknown, E113 of the wrong type.
    """
    known = operator_fields(kind)
    smallest = {field.name: least(field) for field in fields(OPERATORS[kind])}
    arguments: dict[str, Scalar | str] = {}
    places = {argument.key: argument.location or where for argument in written}
    for name, value in values.items():
        if name not in known:
            raise unknown_argument(Step(kind), name, list(known), where)
        hint, words, _ = known[name]
        allowed = _Kind(hint, words, smallest[name])
        arguments[name] = _checked(kind, name, value, allowed, places.get(name, where))
    for name, (_, _, required) in known.items():
        if required and name not in arguments:
            message = f"'{kind}' needs '{name}'"
            raise SpecError(Diagnostic("E111", message, where, f"write '{kind} {name}=...'"))
    return OPERATORS[kind](**arguments)


@dataclass(frozen=True)
class _Kind:
    """What an argument may be: its type, its words if it has any, its smallest value."""

    type: type
    words: tuple[str, ...] = ()
    least: int | None = None


def _checked(
    kind: str, name: str, value: Scalar | str, allowed: _Kind, where: Location | None
) -> Scalar | str:
    """`value` as the type of the field, or a placed error."""
    shown = value if isinstance(value, str) else scalar_text(value)

    def wrong(expected: str, help_text: str = "") -> SpecError:
        message = f"'{name}' of '{kind}' is {shown}; expected {expected}"
        return SpecError(Diagnostic("E113", message, where, help_text))

    if allowed.words:
        if value not in allowed.words:
            words = ", ".join(allowed.words)
            raise wrong(f"one of {words}", suggest(str(value), allowed.words))
        return value
    if allowed.type is bool:
        if not isinstance(value, bool):
            raise wrong("true or false")
        return value
    if isinstance(value, bool | str):
        raise wrong("a number")
    if allowed.type is int:
        smallest = 1 if allowed.least is None else allowed.least
        if value != int(value) or value < smallest:
            raise wrong(f"a whole number of at least {smallest}")
        return int(value)
    if allowed.least is not None and value < allowed.least:
        raise wrong(f"a number of at least {allowed.least}")
    return float(value)
