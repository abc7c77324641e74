"""What a `fuse` node does with operands of its level: the fusion, then the node's block."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from archgraph.errors import Diagnostic, SpecError, suggest
from archgraph.expressions import Argument, Step
from archgraph.ir import Block, Scope
from archgraph.ir.ops import Add, Affine
from archgraph.ir.pyramid import Fuse
from archgraph.ir.signature import (
    AVERAGE,
    BUILTIN_NAMES,
    FUSIONS,
    argument_kinds,
    fusion_kinds,
    make_operator,
    unknown_argument,
    unknown_block,
)
from archgraph.passes.context import Context, Path, evaluate_argument, single
from archgraph.passes.instantiate import Builder


def keeps_channels(op: Fuse, blocks: Mapping[str, Block]) -> bool:
    """Whether all operands of a fusion have the channels of the node, which are its result's.

    Of the others the result follows: `concat` adds up what it is given, and a fusion written as
    a block does what it does.
    """
    return op.fusion.use not in blocks and FUSIONS.get(op.fusion.use, op.fusion).use != "concat"


def with_channels(step: Step, channels: int, blocks: Mapping[str, Block]) -> Step:
    """A step of a node, with the node's `channels` where it takes that and was given none."""
    kinds = argument_kinds(step, blocks)
    if kinds is None:
        raise SpecError(unknown_block(step.use, BUILTIN_NAMES | set(blocks), step.location))
    if "channels" not in kinds or step.argument("channels"):
        return step
    return replace(step, arguments=(Argument("channels", str(channels)), *step.arguments))


def fuse(builder: Builder, op: Fuse, operands: Sequence[str], path: Path, context: Context) -> str:
    """Add the operators of a `fuse` node below `path`; returns its value.

    Raises:
        SpecError: the fusion is unknown, or it or the block does not fit the operands.
    """
    value = _fuse(builder, op, operands, path.child("fuse"), context)
    steps = [with_channels(step, op.channels, builder.blocks) for step in op.block]
    if not steps:
        return value
    results = builder.chain(steps, [("", value)], path.child("block"), context)
    return single(results, steps[-1], context)


def _fuse(builder: Builder, op: Fuse, operands: Sequence[str], path: Path, context: Context) -> str:
    fusion = op.fusion
    where = fusion.location or context.location
    if fusion.use in builder.blocks:
        step = with_channels(fusion, op.channels, builder.blocks)
        results = builder.apply(step, [("", value) for value in operands], path, context)
        return single(results, step, context)
    kinds = fusion_kinds(fusion)
    if kinds is None:
        message = f"there is no fusion '{fusion.use}'"
        raise SpecError(Diagnostic("E109", message, where, suggest(fusion.use, FUSIONS, "fusions")))
    for argument in fusion.arguments:
        if argument.key not in kinds:
            raise unknown_argument(fusion, argument.key, list(kinds), argument.location or where)
    meaning = FUSIONS.get(fusion.use, Step(fusion.use))
    given = {a.key: evaluate_argument(a, kinds[a.key], context.names) for a in fusion.arguments}
    own = argument_kinds(Step(meaning.use), {}) or {}
    fixed = {a.key: evaluate_argument(a, own[a.key], context.names) for a in meaning.arguments}
    values = {**fixed, **given}
    if fusion.use != AVERAGE:
        operator = make_operator(meaning.use, values, where, fusion.arguments)
        return builder.add(path, operator, operands, context)
    inputs = tuple(f"x{i}" for i in range(len(operands)))
    scope = Scope(path.call, AVERAGE, (), inputs, ("mean",), module=path.module)
    builder.graph.scopes[path.call] = scope
    inner = replace(context, scope=path.call)
    total = builder.add(path.child("sum"), Add(), operands, inner)
    return builder.add(path.child("mean"), Affine(1 / len(operands)), [total], inner)
