"""Names of a document filled into the steps it writes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Set
from dataclasses import replace

from archgraph.errors import Diagnostic, Location, SpecError, nearest, suggest
from archgraph.expressions import (
    Argument,
    Expression,
    Names,
    Step,
    expand_template,
    parse_expression,
    parse_step,
    squeezed,
)
from archgraph.expressions.template import HOLE
from archgraph.ir import NUMBER, WORD, Block
from archgraph.ir.ops import OPERATORS
from archgraph.ir.signature import operator_fields, unknown_argument
from archgraph.spec import SHARED, Document, name_fault, with_arguments


def insert_step(step: Step, names: Names, places: Mapping[str, Location | None]) -> Step:
    """A step whose name is `<parameter>` becomes the step that the parameter holds.

    It then stands where the value of the parameter stands: that is where a mistake in it is.
    """
    text = expand_template(step.use, names, step.location)
    if text == step.use:
        return step
    where = places.get(step.use[1:-1].strip()) or step.location
    inserted = parse_step(text, where)
    arguments = (*inserted.arguments, *step.arguments)
    return replace(step, use=inserted.use, arguments=arguments, location=where)


def step_faults(
    step: Step,
    kinds: Mapping[str, str],
    blocks: Mapping[str, Block],
    implied: Iterable[str] = (),
) -> list[Diagnostic]:
    """What is wrong with the arguments of a step, as far as can be told before types are known.

    Args:
        step: the step, whose name is known.
        kinds: what its arguments are.
        blocks: the blocks it may name.
        implied: arguments that are filled in where none is written.
    """
    found: list[Diagnostic] = []
    for argument in (*step.arguments, *step.first):
        if argument.key not in kinds:
            where = _key_place(argument) or step.location
            fault = unknown_argument(step, argument.key, list(kinds), where)
            found.extend(fault.diagnostics)
            continue
        words = _words(step).get(argument.key)
        if words and argument.text not in words and not HOLE.search(argument.text):
            expected = f"expected one of {', '.join(words)}"
            message = f"'{argument.key}' of '{step.use}' is {argument.text}; {expected}"
            where = argument.location or step.location
            match = nearest(argument.text, words)
            hint = f"did you mean '{match}'?" if match else ""
            found.append(Diagnostic("E113", message, where, hint))
    if found:
        return found  # what is missing may be misspelt
    for name in _required(step, blocks):
        if not step.argument(name) and name not in implied:
            hint = f"write '{step.use} {name}=...'"
            found.append(Diagnostic("E111", f"'{step.use}' needs '{name}'", step.location, hint))
    return found


def check_step(
    step: Step,
    kinds: Mapping[str, str],
    blocks: Mapping[str, Block],
    implied: Iterable[str] = (),
) -> None:
    """Raise what `step_faults` finds.

    Raises:
        SpecError: E111, E112 or E113.
    """
    if found := step_faults(step, kinds, blocks, implied):
        raise SpecError(found)


def _words(step: Step) -> Mapping[str, tuple[str, ...]]:
    if step.use not in OPERATORS:
        return {}
    return {name: words for name, (_, words, _) in operator_fields(step.use).items()}


def _required(step: Step, blocks: Mapping[str, Block]) -> list[str]:
    if step.use in OPERATORS:
        return [name for name, (_, _, required) in operator_fields(step.use).items() if required]
    block = blocks.get(step.use)
    return [parameter.name for parameter in block.parameters if parameter.required] if block else []


def _key_place(argument: Argument) -> Location | None:
    """Where the `key` of a written `key=value` or `key: value` stands; else that of the value."""
    where = argument.location
    before = where.text[: where.column - 1] if where else ""
    match = re.search(rf"\b{re.escape(argument.key)}(?:=|:\s+)[\"']?\Z", before)
    if where is None or match is None:
        return where
    return where.narrowed(match.start() - len(before), len(argument.key))


def bind_step(step: Step, kinds: Mapping[str, str], names: Names, keep: frozenset[str]) -> Step:
    """Fill the names of the document into a step; names in `keep` and their like stay open."""

    def bound(given: tuple[Argument, ...]) -> tuple[Argument, ...]:
        return tuple(_bound_argument(each, kinds, names, keep) for each in given)

    def closed(expression: Expression | None) -> Expression | None:
        if expression is None:
            return None
        used, where = expression.names, expression.location
        _check_names(used, names, keep, where, expression.text)
        return expression.bind(names)

    return replace(
        step,
        arguments=bound(step.arguments),
        when=closed(step.when),
        repeat=closed(step.repeat),
        first=bound(step.first),
        share=_bound_share(step, names, keep),
    )


def _bound_share(step: Step, names: Names, keep: frozenset[str]) -> str:
    """The name of a step's weights; holes with names in `keep` stay open."""

    def fill(match: re.Match[str]) -> str:
        expression = parse_expression(match[1], step.location)
        _check_names(expression.names, names, keep, step.location, match[1])
        if any(used in keep for used in expression.names):
            return f"<{expression.bind(names).text}>"
        return expand_template(match[0], names, step.location)

    share = HOLE.sub(fill, step.share)
    fault = None if not share or HOLE.search(share) else name_fault(share, step.location, SHARED)
    if fault:
        raise SpecError(fault)
    return share


def _bound_argument(
    argument: Argument, kinds: Mapping[str, str], names: Names, keep: frozenset[str]
) -> Argument:
    text = argument.text
    if kinds.get(argument.key) == WORD:
        text = expand_template(text, names, argument.location)
    elif kinds.get(argument.key) == NUMBER:
        text = _closed(text, argument.location, names, keep)
    return replace(argument, text=squeezed(text))


def _closed(text: str, where: Location | None, names: Names, keep: frozenset[str]) -> str:
    expression = parse_expression(text, where)
    _check_names(expression.names, names, keep, expression.location, text)
    return expression.bind(names).text


def _check_names(
    used: Iterable[str], names: Names, keep: frozenset[str], where: Location | None, text: str
) -> None:
    found = unknown_names(used, set(names) | keep, where, text)
    if found:
        raise SpecError(found)


def unknown_names(
    used: Iterable[str],
    known: Set[str],
    where: Location | None,
    text: str,
    later: Set[str] = frozenset(),
) -> list[Diagnostic]:
    """The names that an expression uses and nothing defines, or only `later` does."""
    found: list[Diagnostic] = []
    for name in sorted(used):
        if name not in known and name != "settings":
            hint = suggest(name, known, "names here")
            if name in later:
                hint = f"'{name}' comes later: a value sees what stands above it"
            message = f"unknown name '{name}'" + (f" in '{text}'" if text != name else "")
            found.append(Diagnostic("E302", message, _word_place(where, name), hint))
    return found


def _word_place(where: Location | None, name: str) -> Location | None:
    """The first place of `name` in the span that is not part of a longer name."""
    if where is None:
        return None
    span = where.text[where.column - 1 : max(where.end_column - 1, where.column)]
    match = re.search(rf"(?<![\w.]){re.escape(name)}(?!\w)", span)
    return where.narrowed(match.start(), len(name)) if match else where


def with_defaults(step: Step, document: Document) -> Step:
    """The step with the parameters that `defaults.<block>` of the document gives."""
    given = document.defaults.block_parameters(step.use)
    missing = {key: value for key, value in given.items() if not step.argument(key)}
    return with_arguments(step, missing, document, "defaults", step.use) if missing else step
