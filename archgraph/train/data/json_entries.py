"""A large JSON file, entry by entry: never more of it in memory than the entry that is read.

The standard library's decoder reads one value at a time out of a window of the text. That is as
fast as reading the whole, takes NaN and Infinity, which programs do write, and says which entry
and which line is wrong, which the parsers of events do not.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from archgraph.errors import DataError, Location
from archgraph.train.data.problems import failed

# Bytes that are read at once, and the characters of the largest entry: outlines are long.
CHUNK, MOST_CHARACTERS = 1 << 20, 1 << 25
_BLANK = re.compile(r"[ \t\n\r]*")
# What stands at the end of the window may be the beginning of a number, of Infinity, of an escape.
_PART_OF_A_WORD = re.compile(r"[-+.\w]{0,9}[ \t\n\r]*", re.ASCII)
_DECODER = json.JSONDecoder()
_HINT = "write it with json.dump, or get it again"


def json_entries(path: Path) -> Iterator[tuple[str, int, Any]]:
    """The entries of the lists of a JSON object, in the order of the file.

    Yields:
        The key of the list, the index of the entry from 0, and the entry. A value that is no list
        is an entry of index -1, as is an empty list.

    Raises:
        DataError: E501, the file cannot be read, is not UTF-8, not JSON, is cut off, or is no
            object.
    """
    try:
        with path.open("rb") as file:
            yield from _Window(file, path).sections()
    except OSError as error:
        raise failed("E501", f"cannot read '{path}': {error.strerror or error}") from None


class _Window:
    """The part of the text that is looked at."""

    def __init__(self, file: BinaryIO, path: Path) -> None:
        self._file, self._path = file, path
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")()
        self._text, self._at, self._ended = "", 0, False
        self._bytes, self._entry = 0, ""
        self._line, self._column = 1, 1

    def sections(self) -> Iterator[tuple[str, int, Any]]:
        if self._peek() != "{":
            empty = "is empty" if not self._peek() else "is no JSON object"
            raise self._wrong(empty, "a file of COCO has images, annotations and categories")
        self._skip()
        seen: set[str] = set()
        while self._peek() != "}":
            key = self._value()
            if not isinstance(key, str):
                raise self._wrong("has a key that is no text")
            if key in seen:
                raise self._wrong(f"has '{key}' twice")
            seen.add(key)
            self._expect(":")
            yield from self._section(key)
            self._next("}")
        self._skip()
        if self._peek():
            raise self._wrong("has more text after its end")

    def _section(self, key: str) -> Iterator[tuple[str, int, Any]]:
        if self._peek() != "[":
            yield key, -1, self._value()
            return
        self._skip()
        index = 0
        if self._peek() == "]":
            yield key, -1, []
        while self._peek() != "]":
            self._entry = f" in {key}[{index}]"
            yield key, index, self._value()
            index += 1
            self._next("]")
        self._skip()
        self._entry = ""

    def _next(self, end: str) -> None:
        """Go over a comma, which must come unless the end does."""
        if self._peek() == end:
            return
        self._expect(",")
        if self._peek() == end:
            raise self._wrong("has a comma before its closing bracket")

    def _expect(self, character: str) -> None:
        if self._peek() != character:
            cut = "is cut off" if not self._peek() else f"has '{self._peek()}'"
            raise self._wrong(f"{cut} where '{character}' should be")
        self._skip()

    def _skip(self) -> None:
        self._at += 1

    def _peek(self) -> str:
        """The next character that is not blank; "" at the end of the file."""
        while True:
            blank = _BLANK.match(self._text, self._at)
            self._at = blank.end() if blank else self._at
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._more(CHUNK):
                return ""

    def _value(self) -> Any:
        self._peek()
        size = CHUNK
        while True:
            try:
                value, end = _DECODER.raw_decode(self._text, self._at)
            except json.JSONDecodeError as error:
                cut = error.msg.startswith("Unterminated")
                cut |= _PART_OF_A_WORD.fullmatch(self._text, error.pos) is not None
                # It may be that only the rest is not here yet.
                if cut and self._more(size):
                    size *= 2
                    continue
                self._at = min(error.pos, len(self._text))
                what = (
                    "is cut off" if cut else f"is no JSON: {error.msg[:1].lower()}{error.msg[1:]}"
                )
                raise self._wrong(what) from None
            except RecursionError:
                raise self._wrong("has brackets in brackets without end") from None
            except ValueError:
                raise self._wrong("has a number of too many digits") from None
            if end < len(self._text) or not self._more(size):
                self._at = end
                return value

    def _more(self, size: int) -> bool:
        """Read on, and forget what was gone over; whether there was anything to read."""
        if self._ended:
            return False
        self._forget()
        if len(self._text) > MOST_CHARACTERS:
            raise self._wrong(f"has an entry of more than {MOST_CHARACTERS:,} characters")
        content = self._file.read(size)
        self._ended = not content
        before = self._bytes - len(self._decoder.getstate()[0])
        try:
            self._text += self._decoder.decode(content, final=self._ended)
        except UnicodeDecodeError as error:
            utf16 = "; it looks like UTF-16" if not self._bytes and content[:2] in _UTF16 else ""
            what = f"is not UTF-8 near byte {before + error.start:,}{utf16}"
            raise self._wrong(what, "save it as UTF-8") from None
        self._bytes += len(content)
        return not self._ended

    def _forget(self) -> None:
        gone = self._text[: self._at]
        self._line += gone.count("\n")
        last = gone.rfind("\n")
        self._column = self._column + len(gone) if last < 0 else len(gone) - last
        self._text, self._at = self._text[self._at :], 0

    def _wrong(self, what: str, hint: str = _HINT) -> DataError:
        self._forget()
        where = Location(str(self._path), self._line, self._column)
        return failed("E501", f"'{self._path.name}' {what}{self._entry}", hint, where)


_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
