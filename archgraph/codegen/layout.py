"""Lines as the formatter would leave them: 100 columns, trailing commas where they wrap.

A statement that is too long is parsed and opened from the outside inwards: arguments on a line of
their own if they fit there, else one on each line; displays one on each line; conditions and sums
in brackets.
"""

from __future__ import annotations

import ast
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from archgraph.errors import visible

WIDTH = 100
INDENT = "    "
# The path of an item in its module, and `file.yaml:line` (empty where no file says it).
Origin = tuple[str, str]
DISPLAYS = (ast.List, ast.Dict, ast.Tuple, ast.ListComp, ast.DictComp, ast.GeneratorExp)
Opened = Iterator[tuple[int, str]]


@dataclass(frozen=True)
class Line:
    """A line of a file (or the lines of one docstring), with the item that it comes from."""

    text: str
    origin: Origin | None = None


def lines(text: str, depth: int, comment: str = "", origin: Origin | None = None) -> Iterator[Line]:
    """A statement at a depth, with its comment beside it, or above it where it would not fit."""
    line = f"{INDENT * depth}{text}"
    if comment and len(line) + len(comment) + 4 <= WIDTH:
        yield Line(f"{line}  # {comment}", origin)
        return
    if comment:
        yield Line(f"{INDENT * depth}# {comment}", origin)
    for inner, opened in wrapped(text, depth):
        yield Line(f"{INDENT * inner}{opened}", origin)


def wrapped(text: str, depth: int) -> Opened:
    """A statement, opened if it does not fit on its line."""
    if _fits(text, depth) or text.endswith(":"):
        yield depth, text
        return
    tree = ast.parse(text).body[0]
    match tree:
        case ast.Return(value=ast.expr() as value):
            yield from _value("return ", value, text, depth)
        case ast.Assign(targets=[target], value=value):
            yield from _assigned(target, value, text, depth)
        case ast.AnnAssign(value=ast.expr() as value):
            yield from _value(text[: value.col_offset], value, text, depth)
        case ast.Expr(value=value):
            yield from _value("", value, text, depth)
        case _:
            yield depth, text


def _fits(text: str, depth: int) -> bool:
    return len(INDENT) * depth + len(text) <= WIDTH


def _text(node: ast.AST, text: str) -> str:
    assert isinstance(node, ast.expr | ast.keyword)
    start = node.col_offset
    # Brackets around a tuple belong to it; those around anything else are not in its place.
    return text[start : node.end_col_offset]


def _assigned(target: ast.expr, value: ast.expr, text: str, depth: int) -> Opened:
    head = f"{_text(target, text)} = "
    opening = len(head) + len(_opening(value, text))
    if not isinstance(target, ast.Tuple) or len(INDENT) * depth + opening <= WIDTH:
        yield from _value(head, value, text, depth)
        return
    yield depth, "("
    for part in target.elts:
        yield depth + 1, f"{_text(part, text)},"
    yield from _value(") = ", value, text, depth)


def _opening(value: ast.expr, text: str) -> str:
    """What stands before the first line break of a value that is opened."""
    if isinstance(value, ast.Call) and (value.args or value.keywords):
        return f"{_text(value.func, text)}("
    if isinstance(value, ast.Subscript):
        return _opening(value.value, text)
    whole = _text(value, text)
    return whole[0] if _opens_itself(value) else "(" if isinstance(value, ast.Call) else whole


def _value(head: str, value: ast.expr, text: str, depth: int, tail: str = "") -> Opened:
    """The value of a statement: calls and displays open by themselves, others in brackets."""
    whole = _text(value, text)
    if _fits(head + whole + tail, depth):
        yield depth, head + whole + tail
    elif isinstance(value, ast.Tuple) and not whole.startswith("("):
        yield depth, f"{head}("
        yield from _elements([(_text(e, text), e) for e in value.elts], text, depth + 1)
        yield depth, f"){tail}"
    elif _opens_itself(value) and _fits(head + _opening(value, text), depth):
        yield from _element(head, value, text, depth, tail)
    elif _ends_open(value) and _fits(head + _until_last(value, text), depth):
        assert isinstance(value, ast.BinOp)
        last = _text(value.right, text)
        before = whole[: len(whole) - len(last)]
        yield from _element(head + before, value.right, text, depth, tail)
    elif isinstance(value, ast.Name | ast.Attribute | ast.Constant):
        yield depth, head + whole + tail
    else:
        yield depth, f"{head}("
        yield from _split(value, text, depth + 1)
        yield depth, f"){tail}"


def _opens_itself(value: ast.expr) -> bool:
    if isinstance(value, ast.Call):
        return bool(value.args or value.keywords)
    if isinstance(value, ast.Subscript):
        return isinstance(value.value, ast.Call)
    return isinstance(value, DISPLAYS)


def _ends_open(value: ast.expr) -> bool:
    """Whether a value is `a + f(...)`: opened at its end."""
    simple = isinstance(value, ast.BinOp) and isinstance(value.left, ast.Name | ast.Attribute)
    return simple and isinstance(value, ast.BinOp) and _opens_itself(value.right)


def _until_last(value: ast.expr, text: str) -> str:
    assert isinstance(value, ast.BinOp)
    whole, last = _text(value, text), _text(value.right, text)
    return whole[: len(whole) - len(last)] + _opening(value.right, text)


def _split(value: ast.expr, text: str, depth: int, tail: str = "", head: str = "") -> Opened:
    """A condition or a sum, on one line or broken before its words and operators."""
    whole = _text(value, text)
    if _fits(head + whole + tail, depth):
        yield depth, whole + tail
    elif isinstance(value, ast.IfExp):
        yield from _element("", value.body, text, depth)
        yield from _element("if ", value.test, text, depth)
        yield from _element("else ", value.orelse, text, depth, tail)
    elif isinstance(value, ast.BinOp):
        terms = _terms(value, type(value.op))
        signs = [""] + [_sign(value)] * (len(terms) - 1)
        for i, (sign, term) in enumerate(zip(signs, terms, strict=True)):
            end = tail if i == len(terms) - 1 else ""
            yield from _element(sign, term, text, depth, end)
    elif isinstance(value, ast.BoolOp):
        sign = "and " if isinstance(value.op, ast.And) else "or "
        for i, term in enumerate(value.values):
            end = tail if i == len(value.values) - 1 else ""
            yield from _element(sign if i else "", term, text, depth, end)
    else:
        yield depth, whole + tail


def _terms(value: ast.expr, kind: type[ast.operator]) -> list[ast.expr]:
    if isinstance(value, ast.BinOp) and isinstance(value.op, kind):
        return [*_terms(value.left, kind), value.right]
    return [value]


def _sign(value: ast.BinOp) -> str:
    signs = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.FloorDiv: "//"}
    return f"{signs.get(type(value.op), '%')} "


def _elements(parts: Sequence[tuple[str, ast.expr]], text: str, depth: int) -> Opened:
    """Elements on lines of their own, each with a comma; `parts` are (text, value)."""
    for shown, value in parts:
        whole = _text(value, text)
        yield from _element(shown[: len(shown) - len(whole)], value, text, depth, ",")


def _element(head: str, value: ast.expr, text: str, depth: int, tail: str = "") -> Opened:
    """A value inside of brackets that are open already."""
    whole = _text(value, text)
    if _fits(head + whole + tail, depth):
        yield depth, head + whole + tail
        return
    match value:
        case ast.Call() if value.args or value.keywords:
            yield depth, f"{head}{_text(value.func, text)}("
            yield from _arguments(value, text, depth + 1)
            yield depth, f"){tail}"
        case ast.Subscript(value=ast.Call() as inner):
            end = whole[len(_text(inner, text)) :]
            yield from _element(head, inner, text, depth, end + tail)
        case ast.Starred():
            yield from _element(f"{head}*", value.value, text, depth, tail)
        case ast.List() | ast.Tuple():
            yield depth, head + whole[0]
            yield from _elements([(_text(e, text), e) for e in value.elts], text, depth + 1)
            yield depth, whole[-1] + tail
        case ast.Dict():
            yield depth, f"{head}{{"
            pairs = zip(value.keys, value.values, strict=True)
            shown = [(f"{_text(k, text)}: {_text(v, text)}", v) for k, v in pairs if k]
            yield from _elements(shown, text, depth + 1)
            yield depth, f"}}{tail}"
        case ast.ListComp() | ast.GeneratorExp():
            yield depth, head + whole[0]
            yield from _element("", value.elt, text, depth + 1)
            loop = text[value.elt.end_col_offset : value.end_col_offset].strip()[:-1]
            yield depth + 1, loop.lstrip(") ")
            yield depth, whole[-1] + tail
        case ast.DictComp():
            yield depth, head + whole[0]
            yield from _element(f"{_text(value.key, text)}: ", value.value, text, depth + 1)
            loop = text[value.value.end_col_offset : value.end_col_offset].strip()[:-1]
            yield depth + 1, loop.lstrip(") ")
            yield depth, whole[-1] + tail
        case ast.IfExp() | ast.BinOp() | ast.BoolOp():
            opened = list(_split(value, text, depth, tail, head))
            yield depth, head + opened[0][1]
            yield from opened[1:]
        case _:
            yield depth, head + whole + tail


def _arguments(call: ast.Call, text: str, depth: int) -> Opened:
    """Arguments on one line if they fit there, else one on each line."""
    found: list[tuple[str, ast.expr]] = [(_text(a, text), a) for a in call.args]
    found += [(_text(k, text), k.value) for k in call.keywords]
    joined = ", ".join(shown for shown, _ in found)
    if _fits(joined, depth):
        yield depth, joined
    elif len(found) == 1 and not call.keywords:
        yield from _element("", found[0][1], text, depth)
    else:
        yield from _elements(found, text, depth)


def signature(name: str, parameters: Sequence[str], result: str, depth: int) -> Iterator[str]:
    """The head of a function, its parameters on lines of their own where they do not fit."""
    indent = INDENT * depth
    line = f"{indent}def {name}({', '.join(parameters)}) -> {result}:"
    if len(line) <= WIDTH:
        yield line
        return
    yield f"{indent}def {name}("
    inner = f"{indent}{INDENT}{', '.join(parameters)}"
    if len(inner) <= WIDTH:
        yield inner
    else:
        yield from (f"{indent}{INDENT}{parameter}," for parameter in parameters)
    yield f"{indent}) -> {result}:"


def docstring(paragraphs: Sequence[str], depth: int) -> str:
    """A docstring; text of a spec is escaped, wrapped, and can never end the string."""
    indent = INDENT * depth
    found: list[str] = []
    for paragraph in paragraphs:
        safe = _escape(paragraph)
        # One line has its quotes on both sides, several have them on their own.
        room = WIDTH - len(indent) - 6 if len(paragraphs) == 1 else WIDTH - len(indent) - 3
        found += textwrap.wrap(safe, room, break_on_hyphens=False) or [""]
    if len(found) == 1:
        return f'{indent}"""{found[0]}"""'
    body = "\n".join(f"{indent}{line}".rstrip() for line in found[1:])
    return f'{indent}"""{found[0]}\n{body}\n{indent}"""'


def _escape(text: str) -> str:
    plain = visible(" ".join(text.split()))
    return plain.replace("\\", "\\\\").replace('"', "'")
