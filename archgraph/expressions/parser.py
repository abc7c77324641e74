"""Text to expressions, everything outside the whitelist refused."""

from __future__ import annotations

import ast
import re
import warnings

from archgraph.errors import Location
from archgraph.expressions.expression import Expression
from archgraph.expressions.grammar import HINTS, MAX_LENGTH, MAX_NODES, objection

# What other languages write -> what is written here.
_SLIPS = (
    (r"&&", "write 'and'"),
    (r"\|\|", "write 'or'"),
    (r"\?", "a choice is written 'a if condition else b'"),
    (r"!(?!=)", "write 'not'"),
    (r"(?<![<>=!])=(?!=)", "equality is '=='"),
    (r"\bin\.", "the input of a block is called 'x', unless it says 'inputs'"),
)


def parse_expression(text: str, location: Location | None = None) -> Expression:
    """Parse `text`, whose value stands somewhere inside `location`.

    Raises:
        SpecError: E301 for what is no expression or not on the whitelist, E304 for one that
            is too long, too large or too deep.
    """
    text = text.strip()
    place = location.find(text) if location else None
    exact = place is not None and place.end_column - place.column == len(text)
    blank = Expression(text, ast.Constant(value=0), place, exact)
    if len(text) > MAX_LENGTH:
        raise blank.error("E304", f"expression of {len(text)} characters; at most {MAX_LENGTH}")
    if not text.isascii():
        raise blank.error("E301", f"'{text[:40]}' is not plain ASCII")
    if not text:
        raise blank.error("E301", "an expression is missing here")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(text, mode="eval").body
    except SyntaxError as error:
        offset = min(max((error.offset or 1) - 1, 0), len(text) - 1)
        spot = ast.Constant(value=0, col_offset=offset, end_col_offset=offset + 1)
        slip = next((hint for slip, hint in _SLIPS if re.search(slip, text)), "")
        raise blank.error("E301", f"'{text}' is not an expression", spot, slip) from None
    except (ValueError, RecursionError, MemoryError):
        raise blank.error("E301", f"'{text[:40]}' is not an expression") from None
    _check(Expression(text, tree, place, exact))
    return Expression(ast.unparse(tree), tree, place, exact)


def _check(expression: Expression) -> None:
    """Refuse every node that is not on the whitelist, and anything too large."""
    nodes = list(ast.walk(expression.tree))
    if len(nodes) > 3 * MAX_NODES:
        raise expression.error("E304", f"expression of more than {MAX_NODES} parts")
    for node in nodes:
        message = objection(node)
        if message:
            raise expression.error("E301", message, node, HINTS.get(message, ""))


def squeezed(text: str) -> str:
    """An expression without blanks, as steps write it; words like `if` need theirs."""
    return text if re.search(r"\b(if|else|and|or|not)\b", text) else text.replace(" ", "")
