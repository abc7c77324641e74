"""The small texts inside a spec: expressions, templates, ranges and steps.

Comes in: text from a spec, with its place. Goes out: parsed, bounded values that can be
evaluated or printed again. May import only `errors`. Nothing here ever runs Python code of a
spec: expressions are a whitelist over Python's grammar. Start at `expression.py`.
"""

from archgraph.expressions.definitions import Definitions
from archgraph.expressions.expression import (
    Attributes,
    Expression,
    Function,
    Names,
    Table,
    Value,
    scalar_text,
)
from archgraph.expressions.grammar import Scalar
from archgraph.expressions.parser import parse_expression, squeezed
from archgraph.expressions.step import Argument, Step, parse_step, parse_steps
from archgraph.expressions.template import Entry, Loop, expand_template, parse_entry, parse_loop

__all__ = [
    "Argument",
    "Attributes",
    "Definitions",
    "Entry",
    "Expression",
    "Function",
    "Loop",
    "Names",
    "Scalar",
    "Step",
    "Table",
    "Value",
    "expand_template",
    "parse_entry",
    "parse_expression",
    "parse_loop",
    "parse_step",
    "parse_steps",
    "scalar_text",
    "squeezed",
]
