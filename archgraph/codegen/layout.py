"""Lines as the formatter would leave them: 100 columns, trailing commas where they wrap."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

WIDTH = 100
INDENT = "    "


def statement(head: str, parts: Sequence[str], tail: str, depth: int) -> Iterator[str]:
    """`head` + parts + `tail` on one line, or wrapped.

    Wrapped, the parts stand on one line of their own if they fit there, else one on each line.
    """
    indent = INDENT * depth
    line = f"{indent}{head}{', '.join(parts)}{tail}"
    if len(line) <= WIDTH:
        yield line
        return
    yield f"{indent}{head}"
    inner = f"{indent}{INDENT}{', '.join(parts)}"
    if len(inner) <= WIDTH:
        yield inner
    else:
        yield from (f"{indent}{INDENT}{part}," for part in parts)
    yield f"{indent}{tail}"


def collection(
    head: str, brackets: str, parts: Sequence[str], depth: int, solo: bool = False
) -> Iterator[str]:
    """A call whose one argument is a list or a mapping; `solo` is a comprehension."""
    indent = INDENT * depth
    display = f"{brackets[0]}{', '.join(parts)}{brackets[1]}"
    if len(f"{indent}{head}{display})") <= WIDTH:
        yield f"{indent}{head}{display})"
        return
    yield f"{indent}{head}"
    if len(f"{indent}{INDENT}{display}") <= WIDTH:
        yield f"{indent}{INDENT}{display}"
    else:
        comma = "" if solo else ","
        yield f"{indent}{INDENT}{brackets[0]}"
        for part in parts:
            yield from _element(part, depth + 2, comma)
        yield f"{indent}{INDENT}{brackets[1]}"
    yield f"{indent})"


def _element(part: str, depth: int, comma: str) -> Iterator[str]:
    """An element of a list on lines of its own: a call, or a comprehension of one."""
    call, loop, rest = part.partition(" for _ in ")
    if not loop or len(INDENT * depth + part + comma) <= WIDTH:
        yield from _wrapped(part, depth, comma)
        return
    starred = call.startswith("*(")
    if starred:
        yield f"{INDENT * depth}*("
        yield from _wrapped(call[2:], depth + 1)
        yield f"{INDENT * (depth + 1)}for _ in {rest[:-1]}"
        yield f"{INDENT * depth}){comma}"
    else:
        yield from _wrapped(call, depth)
        yield f"{INDENT * depth}for _ in {rest}"


def assignment(head: str, arguments: Sequence[str], comment: str, depth: int) -> Iterator[str]:
    """A constructor call with its place at the end of the line, or above it where it is long."""
    line = f"{INDENT * depth}{head}({', '.join(arguments)})"
    if comment and len(line) + len(comment) + 4 <= WIDTH:
        yield f"{line}  # {comment}"
        return
    if comment:
        yield f"{INDENT * depth}# {comment}"
    yield from statement(f"{head}(", arguments, ")", depth)


def comment_lines(text: str, comment: str, depth: int) -> Iterator[str]:
    """A statement with its comment beside it, or above it where the line would be too long."""
    line = f"{INDENT * depth}{text}"
    if not comment:
        yield from _wrapped(text, depth)
    elif len(line) + len(comment) + 4 <= WIDTH:
        yield f"{line}  # {comment}"
    else:
        yield f"{INDENT * depth}# {comment}"
        yield from _wrapped(text, depth)


def _wrapped(text: str, depth: int, comma: str = "") -> Iterator[str]:
    """A long statement or element: a call, wrapped as the formatter does."""
    if len(INDENT * depth + text + comma) <= WIDTH or not text.endswith(")"):
        yield INDENT * depth + text + comma
        return
    target, _, value = text.partition(" = ")
    terms = _terms(value)
    if len(terms) > 2:
        indent = INDENT * depth
        yield f"{indent}{target} = ("
        if len(f"{indent}{INDENT}{value}") <= WIDTH:
            yield f"{indent}{INDENT}{value}"
        else:
            yield f"{indent}{INDENT}{terms[0]}"
            yield from (f"{indent}{INDENT}+ {term}" for term in terms[1:])
        yield f"{indent})"
        return
    head, _, rest = text.partition("(")
    yield from statement(f"{head}(", rest[:-1].split(", "), f"){comma}", depth)


def _terms(value: str) -> list[str]:
    """The terms of a sum; what stands in brackets belongs to one term."""
    terms: list[str] = []
    for part in value.split(" + "):
        if terms and terms[-1].count("(") > terms[-1].count(")"):
            terms[-1] += f" + {part}"
        else:
            terms.append(part)
    return terms


def docstring(paragraphs: Sequence[str], depth: int) -> str:
    """A docstring; text of a spec is escaped, wrapped, and can never end the string."""
    indent = INDENT * depth
    lines: list[str] = []
    for paragraph in paragraphs:
        safe = _escape(paragraph)
        lines += textwrap.wrap(safe, WIDTH - len(indent) - 8, break_on_hyphens=False) or [""]
    if len(lines) == 1:
        return f'{indent}"""{lines[0]}"""'
    body = "\n".join(f"{indent}{line}".rstrip() for line in lines[1:])
    return f'{indent}"""{lines[0]}\n{body}\n{indent}"""'


def _escape(text: str) -> str:
    plain = " ".join(text.split())
    safe = plain.encode("ascii", "backslashreplace").decode() if not plain.isprintable() else plain
    return safe.replace("\\", "\\\\").replace('"', "'")
