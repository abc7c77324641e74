"""Colour for texts that people read on a terminal; the texts themselves stay as they are.

rich is imported by whoever is really coloured: in a pipe that is nobody.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.text import Text

# Patterns with a group `x`, and the style of that group.
Rules = tuple[tuple[str, str], ...]

_DIAGNOSTIC: Rules = (
    (r"^(?P<x>\S.*?:\d+:\d+:) (?:error|warning)\[", "bold"),
    (r"^(?:\S.*?:\d+:\d+: )?(?P<x>error\[\w+\]:)", "bold red"),
    (r"^(?:\S.*?:\d+:\d+: )?(?P<x>warning\[\w+\]:)", "bold yellow"),
    (r"^(?P<x>  +\d* \|)", "blue"),
    (r"^   +\|\s*(?P<x>\^+)$", "bold red"),
    (r"^  (?P<x>help:)", "bold cyan"),
)
_GRAPH: Rules = (
    (r"^ *(?P<x>graph|scope|settings|edges|return) ", "bold"),
    (r"^ +(?P<x>[\w.]+) = ", "cyan"),
    (r"^ +[\w.]+ = (?P<x>[\w-]+)", "bold magenta"),
    (r"(?P<x> : P-?\d+ x \d+)", "green"),
    (r"(?P<x>  # .*)$", "dim"),
)
_DIFF: Rules = (
    (r"^ *(?P<x>\+.*)$", "green"),
    (r"^ *(?P<x>-.*)$", "red"),
    (r"^ *(?P<x>@@.*)$", "cyan"),
)


def colour_diagnostic(text: str) -> Text:
    """A rendered diagnostic."""
    return _coloured(text, _DIAGNOSTIC)


def colour_graph(text: str) -> Text:
    """The text form of a graph."""
    return _coloured(text, _GRAPH)


def colour_diff(text: str) -> Text:
    """A unified diff, indented or not."""
    return _coloured(text, _DIFF)


def colour_python(text: str) -> Text:
    """Python source, in the terminal's own palette."""
    return _lexed(text, "python")


def colour_yaml(text: str) -> Text:
    """YAML, in the terminal's own palette."""
    return _lexed(text, "yaml")


def bold(text: str) -> Text:
    """Headings."""
    return _styled(text, "bold")


def dim(text: str) -> Text:
    """Remarks."""
    return _styled(text, "dim")


def _styled(text: str, style: str) -> Text:
    from rich.text import Text

    return Text(text, style)


def _coloured(text: str, rules: Rules) -> Text:
    coloured = _styled(text, "")
    for pattern, style in rules:
        for match in re.finditer(pattern, text, re.MULTILINE):
            coloured.stylize(style, *match.span("x"))
    return coloured


def _lexed(text: str, language: str) -> Text:
    from rich.syntax import Syntax

    coloured = Syntax(text, language, theme="ansi_dark").highlight(text)
    # the lexer ends a text with one line feed, whatever it ended with before
    coloured.rstrip()
    coloured.append(text[len(text.rstrip()) :])
    return coloured
