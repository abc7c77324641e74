"""Passes by name, and pipelines as a spec or the command line writes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import MISSING, fields

from archgraph.errors import ArchgraphError, Diagnostic, SpecError, suggest
from archgraph.expressions import Names, Step, parse_expression
from archgraph.ir.signature import unknown_argument
from archgraph.passes.base import Pass
from archgraph.passes.lower import Lower
from archgraph.passes.pyramid.add_same_level_skips import AddSameLevelSkips
from archgraph.passes.pyramid.prune_single_input import PruneSingleInput
from archgraph.passes.pyramid.repeat_cells import RepeatCells
from archgraph.passes.pyramid.resolve_edges import ResolveEdges

PASSES: dict[str, type[Pass]] = {
    "prune-single-input": PruneSingleInput,
    "add-same-level-skips": AddSameLevelSkips,
    "repeat-cells": RepeatCells,
    "resolve-edges": ResolveEdges,
    "lower": Lower,
}
# The compiler always ends with these two; a spec lists what comes before them.
FINAL = ("resolve-edges", "lower")


def make_passes(steps: Sequence[Step], names: Names) -> list[Pass]:
    """The passes that a document lists, with their options evaluated.

    Raises:
        SpecError: every step that names no pass or gives it a wrong option.
    """
    made: list[Pass] = []
    found: list[Diagnostic] = []
    for step in steps:
        try:
            made.append(_make_pass(step, names))
        except ArchgraphError as error:
            found.extend(error.diagnostics)
    if found:
        raise SpecError(found)
    return made


def _make_pass(step: Step, names: Names) -> Pass:
    if step.use not in PASSES or step.use in FINAL:
        known = [name for name in PASSES if name not in FINAL]
        what = "is run by the compiler itself" if step.use in FINAL else "is no pass"
        hint = suggest(step.use, known, "passes")
        raise SpecError(Diagnostic("E109", f"'{step.use}' {what}", step.name_location, hint))
    kind = PASSES[step.use]
    options = {field.name: field for field in fields(kind) if field.name != "location"}
    values: dict[str, int] = {}
    for argument in step.arguments:
        if argument.key not in options:
            where = argument.location or step.location
            raise unknown_argument(step, argument.key, list(options), where)
        value = parse_expression(argument.text, argument.location).evaluate(names)
        if isinstance(value, bool) or value != int(value) or value < 1:
            message = f"'{argument.key}' of '{step.use}' is {value}; expected a whole number of at"
            message += " least 1"
            raise SpecError(Diagnostic("E113", message, argument.location or step.location))
        values[argument.key] = int(value)
    for name, field in options.items():
        if name not in values and field.default is MISSING:
            hint = f"write '{step.use} {name}=...'"
            message = f"'{step.use}' needs '{name}'"
            raise SpecError(Diagnostic("E111", message, step.location, hint))
    return kind(**values, location=step.location)
