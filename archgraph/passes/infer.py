"""What steps give, asked without keeping what they build."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from archgraph.expressions import Argument, Names, Step, scalar_text
from archgraph.ir import NUMBER, Block, FeatureType, Graph, Stage
from archgraph.ir.pyramid import Input
from archgraph.ir.signature import argument_kinds
from archgraph.passes.context import LIKE, ROOT, Context, evaluate_argument, single
from archgraph.passes.instantiate import Builder


def concrete(step: Step, names: Names, blocks: Mapping[str, Block]) -> Step:
    """The step with every argument evaluated and its condition, which holds, dropped."""
    kinds = argument_kinds(step, blocks) or {}

    def evaluated(arguments: Sequence[Argument]) -> tuple[Argument, ...]:
        found: list[Argument] = []
        for argument in arguments:
            value = evaluate_argument(argument, kinds.get(argument.key, NUMBER), names)
            text = value if isinstance(value, str) else scalar_text(value)
            found.append(replace(argument, text=text))
        return tuple(found)

    repeat = step.repeat.bind(names) if step.repeat else None
    return replace(
        step,
        arguments=evaluated(step.arguments),
        when=None,
        repeat=repeat,
        first=evaluated(step.first),
    )


def scratch(
    operands: Sequence[FeatureType], blocks: Mapping[str, Block], context: Context
) -> tuple[Builder, list[str]]:
    """A builder whose graph nobody keeps, and the names of values of these types in it."""
    builder = Builder(Graph("scratch", Stage.OPERATORS), blocks)
    names = [f"x{i}" for i in range(len(operands))]
    for name, operand in zip(names, operands, strict=True):
        builder.add(ROOT.child(name), Input(operand.level, operand.channels), (), context)
        builder.types[name] = operand
    return builder, names


def infer_results(
    steps: Sequence[Step],
    operands: Sequence[tuple[str, FeatureType]],
    blocks: Mapping[str, Block],
    context: Context,
    like: FeatureType | None = None,
) -> Mapping[str, FeatureType]:
    """The types that a chain of steps gives, without keeping what was built."""
    builder, names = scratch([operand for _, operand in operands], blocks, context)
    if like:
        builder.add(ROOT.child(LIKE), Input(like.level, like.channels), (), context)
        context = replace(context, like=LIKE)
    given = [(port, name) for (port, _), name in zip(operands, names, strict=True)]
    results = builder.chain(steps, given, ROOT.child("y"), context)
    return {name: builder.types[value] for name, value in results.items()}


def infer_chain(
    steps: Sequence[Step],
    operands: Sequence[tuple[str, FeatureType]],
    blocks: Mapping[str, Block],
    context: Context,
    like: FeatureType | None = None,
) -> FeatureType:
    """The type of the one value that a chain of steps gives.

    Raises:
        SpecError: E220, it gives several.
    """
    found = infer_results(steps, operands, blocks, context, like)
    if "" not in found:
        single({name: name for name in found}, steps[-1], context)
    return found[""]
