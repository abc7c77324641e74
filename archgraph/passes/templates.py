"""What a block says of all its instances, as text for the printer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from archgraph.errors import SpecError
from archgraph.expressions import Definitions, Expression, parse_expression
from archgraph.ir import Block, BlockNode, Template
from archgraph.ir.signature import SPLIT


def template_of(block: Block) -> Template:
    """The parameters of a block with the texts of their defaults, and what its nodes say.

    Values and functions of `let` are written out, so that the texts speak of parameters, inputs
    and settings only. What is too long that way, or stands in a loop, is left out: these are
    hints, and nothing depends on them.
    """
    definitions = Definitions()
    for definition in block.definitions:
        definitions.add(definition.name, definition.parameters, definition.body)
    expressions: dict[str, str] = {}

    parameters = {parameter.name for parameter in block.parameters}
    known = {*parameters, *block.inputs, "settings"}

    def say(key: str, expression: Expression) -> None:
        text = definitions.written_out(expression)
        if text is not None and parse_expression(text).names <= known:
            expressions[key] = text

    for node in block.nodes:
        if isinstance(node, BlockNode) and node.loop is None:
            for key, expression in _said(node):
                say(key, expression)
    defaults = []
    for parameter in block.parameters:
        default = parameter.default
        defaults.append(
            (parameter.name, default.text if isinstance(default, Expression) else default)
        )
    return Template(block.name, tuple(defaults), tuple(expressions.items()))


def _said(node: BlockNode) -> list[tuple[str, Expression]]:
    """Every expression of a node, under `node.argument`, `node.when` or `node.repeat`."""
    found: list[tuple[str, Expression]] = []
    if node.when:
        found.append((f"{node.name}.when", node.when))
    for i, step in enumerate(node.use):
        prefix = node.name if len(node.use) == 1 else f"{node.name}.{i}"
        if step.when:
            found.append((f"{prefix}.when", step.when))
        if step.repeat:
            found.append((f"{prefix}.repeat", step.repeat))
        arguments: list[tuple[str, Expression]] = []
        for argument in step.arguments:
            try:
                arguments.append((argument.key, parse_expression(argument.text)))
            except SpecError:
                continue  # a word
        if step.use == SPLIT:
            arguments = list(_parts(arguments))
        found += [(f"{prefix}.{key}", expression) for key, expression in arguments]
    return found


def _parts(widths: Sequence[tuple[str, Expression]]) -> Iterator[tuple[str, Expression]]:
    """The fields of the `slice` for each part of a `split`."""
    before: list[str] = []
    for part, width in widths:
        yield f"{part}.channels", width
        if before:
            yield f"{part}.start", parse_expression(" + ".join(before))
        before.append(f"({width.text})")
