"""From the texts and mappings of documents to steps, settings and entries, with their places."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from archgraph.errors import Diagnostic, Location, SpecError
from archgraph.expressions import (
    Argument,
    Expression,
    Scalar,
    Step,
    parse_expression,
    parse_step,
    scalar_text,
)
from archgraph.expressions.step import NONE
from archgraph.spec.located import Located
from archgraph.spec.models import StepMapping

Form = str | StepMapping | list[str | StepMapping]


def expression_of(form: Scalar | str, location: Location | None) -> Expression:
    """A number, truth value or text as an expression."""
    text = form if isinstance(form, str) else scalar_text(form)
    return parse_expression(text, location)


def steps_of(form: Form | None, owner: Located, *path: str | int) -> tuple[Step, ...] | None:
    """The chain of steps under `path` of `owner`: None if absent, empty for `none`.

    Raises:
        SpecError: a text is no step, or two steps of a chain are the same.
    """
    if form is None:
        return None
    if isinstance(form, list):
        chain = tuple(_step_of(part, owner.at(*path, i)) for i, part in enumerate(form))
        uses = [step.use for step in chain]
        for i, use in enumerate(uses):
            if use in uses[:i]:
                message = f"'{use}' stands twice in one chain"
                hint = "write a block, so that the two have names"
                raise SpecError(Diagnostic("E310", message, owner.at(*path, i), hint))
        return chain
    if isinstance(form, str) and form.strip() == NONE:
        return ()
    return (_step_of(form, owner.at(*path)),)


def _step_of(form: str | StepMapping, location: Location | None) -> Step:
    if isinstance(form, str):
        return parse_step(form, location)
    step = parse_step(form.use, form.at("use"))
    step = with_arguments(step, form.with_, form)
    when = None if form.when is None else expression_of(form.when, form.at("when"))
    return replace(step, when=when)


def with_arguments(
    step: Step, given: Mapping[str, Scalar | str], owner: Located, *path: str
) -> Step:
    """The step with the arguments `given`, which stand under `path` (`with`) of `owner`.

    Raises:
        SpecError: an argument stands in the step's text already.
    """
    arguments = list(step.arguments)
    path = path or ("with",)
    for key, value in given.items():
        if step.argument(key):
            message = f"'{key}' is given in the step and under 'with'"
            hint = "delete one of the two"
            raise SpecError(Diagnostic("E306", message, owner.key_at(*path, key), hint))
        text = value if isinstance(value, str) else scalar_text(value)
        arguments.append(Argument(key, text, owner.at(*path, key)))
    return replace(step, arguments=tuple(arguments))
