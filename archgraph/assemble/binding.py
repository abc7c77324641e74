"""Names of a document filled into the steps it writes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from archgraph.errors import Diagnostic, Location, SpecError, suggest
from archgraph.expressions import (
    Argument,
    Names,
    Step,
    expand_template,
    parse_expression,
    parse_step,
)
from archgraph.ir import NUMBER, WORD
from archgraph.spec import Document, with_arguments


def insert_step(step: Step, names: Names) -> Step:
    """A step whose name is `<parameter>` becomes the step that the parameter holds."""
    text = expand_template(step.use, names, step.location)
    if text == step.use:
        return step
    inserted = parse_step(text)
    return replace(step, use=inserted.use, arguments=(*inserted.arguments, *step.arguments))


def bind_step(step: Step, kinds: Mapping[str, str], names: Names, keep: frozenset[str]) -> Step:
    """Fill the names of the document into a step; names in `keep` and their like stay open."""
    arguments: list[Argument] = []
    for argument in step.arguments:
        if kinds.get(argument.key) == WORD:
            text = expand_template(argument.text, names, argument.location)
        elif kinds.get(argument.key) == NUMBER:
            text = _closed(argument.text, argument.location, names, keep)
        else:
            text = argument.text  # an unknown argument; reported where the step is applied
        arguments.append(replace(argument, text=text.replace(" ", "")))
    when = step.when
    if when is not None:
        _check_names(when.names, names, keep, when.location, when.text)
        when = when.bind(names)
    return Step(step.use, tuple(arguments), when, step.location)


def _closed(text: str, where: Location | None, names: Names, keep: frozenset[str]) -> str:
    expression = parse_expression(text, where)
    _check_names(expression.names, names, keep, expression.location, text)
    return expression.bind(names).text


def _check_names(
    used: Iterable[str], names: Names, keep: frozenset[str], where: Location | None, text: str
) -> None:
    for name in sorted(used):
        if name not in names and name not in keep and name != "settings":
            hint = suggest(name, set(names) | keep, "names here")
            spot = where.find(name) if where else None
            raise SpecError(Diagnostic("E302", f"unknown name '{name}' in '{text}'", spot, hint))


def with_defaults(step: Step, document: Document) -> Step:
    """The step with the parameters that `defaults.<block>` of the document gives."""
    given = document.defaults.block_parameters(step.use)
    missing = {key: value for key, value in given.items() if not step.argument(key)}
    return with_arguments(step, missing, document) if missing else step
