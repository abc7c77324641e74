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
from archgraph.spec.models import BlockNodeModel, NodeModel, StepMapping
from archgraph.spec.names import is_word

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
    return with_repetition(replace(step, when=when, share=form.share), form)


def with_repetition(step: Step, owner: StepMapping | NodeModel | BlockNodeModel) -> Step:
    """The step with the `repeat` and `first` of what it is written in.

    Raises:
        SpecError: E119, there is a `first` but nothing is repeated.
    """
    if owner.repeat is None:
        if owner.first:
            message = "'first' has nothing to act on here"
            hint = "it is what the first of several repetitions does: write 'repeat' too"
            raise SpecError(Diagnostic("E119", message, owner.key_at("first"), hint))
        return step
    repeat = expression_of(owner.repeat, owner.at("repeat"))
    first = tuple(
        Argument(
            key, value if isinstance(value, str) else scalar_text(value), owner.at("first", key)
        )
        for key, value in owner.first.items()
    )
    return replace(step, repeat=repeat, first=first)


def used_steps(model: NodeModel | BlockNodeModel) -> tuple[Step, ...]:
    """The steps of a node's `use`, with what else the node says of a single one.

    Raises:
        SpecError: E106, it uses nothing; E119, `with`, `repeat` or `first` beside a chain.
    """
    chain = steps_of(model.use, model, "use") or ()
    if not chain:
        message = f"node '{model.name}' uses nothing"
        raise SpecError(Diagnostic("E106", message, model.at("use")))
    if len(chain) == 1:
        return (with_repetition(with_arguments(chain[0], model.with_, model), model),)
    for key in ("with", "repeat", "first"):
        if key in model.model_fields_set or f"{key}_" in model.model_fields_set:
            message = f"'{key}' has nothing to act on here"
            hint = "it belongs to a single 'use'; write a block for a chain"
            raise SpecError(Diagnostic("E119", message, model.key_at(key), hint))
    return chain


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


def split_definition(key: str, where: Location | None) -> tuple[str, tuple[str, ...] | None]:
    """The name and parameters of a key under `let`: `width` or `filters(c)`.

    Raises:
        SpecError: E105, the key is neither.
    """
    name, paren, rest = key.partition("(")
    parameters = tuple(p.strip() for p in rest[:-1].split(",")) if paren else None
    words = [name.strip(), *(parameters or ())]
    if not all(map(is_word, words)) or (paren and not key.endswith(")")):
        hint = "write 'name: expression' or 'name(a, b): expression'; no name is a word of Python"
        raise SpecError(Diagnostic("E105", f"'{key}' cannot stand under 'let'", where, hint))
    return name.strip(), parameters
