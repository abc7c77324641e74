"""A small XML file as a tree. Entities are refused, so nothing is expanded and nothing fetched."""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from archgraph.train.data.problems import failed

MOST_BYTES, DEEPEST = 1 << 24, 64


class _Refused(Exception):
    """What a file may not hold."""


def parse_xml(path: Path) -> Element:
    """The outermost element of a file.

    Raises:
        DataError: E501, the file cannot be read, is no XML, is larger than annotations are, or
            declares a document type or entities.
    """
    try:
        if path.stat().st_size > MOST_BYTES:
            raise failed("E501", f"'{path}' has more than {MOST_BYTES:,} bytes")
        content = path.read_bytes()
    except OSError as error:
        raise failed("E501", f"cannot read '{path}': {error.strerror or error}") from None
    if not content.strip():
        raise failed("E501", f"'{path}' is empty")
    try:
        return _parsed(content)
    except expat.ExpatError as error:
        said = f"line {error.lineno}: {expat.ErrorString(error.code)}"
        raise failed("E501", f"'{path}' is no XML, {said}") from None
    except (_Refused, ValueError, LookupError) as error:
        raise failed("E501", f"'{path}' {error}") from None


def _parsed(content: bytes) -> Element:
    builder, parser, depth = TreeBuilder(), expat.ParserCreate(), 0

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > DEEPEST:
            raise _Refused(f"has elements in elements, more than {DEEPEST} deep")
        builder.start(tag, attributes)

    def end(tag: str) -> None:
        nonlocal depth
        depth -= 1
        builder.end(tag)

    def refuse(*_: object) -> NoReturn:
        raise _Refused("declares a document type, whose entities are not read")

    parser.buffer_text = True
    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler = builder.data
    parser.StartDoctypeDeclHandler = parser.EntityDeclHandler = refuse
    parser.Parse(content, True)
    return builder.close()
