"""What the tests of the reader share: reading, failing, and texts that are one value."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from archgraph.errors import Location, SpecError
from archgraph.spec import reader
from archgraph.spec.reader import Place, RawDocument, read_documents

LOADERS: list[type] = [yaml.SafeLoader]
if hasattr(yaml, "CSafeLoader"):
    LOADERS.append(yaml.CSafeLoader)


@pytest.fixture(autouse=True, params=LOADERS, ids=lambda loader: loader.__name__)
def loader(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Every test runs with the pure and with the C parser as the first choice."""
    monkeypatch.setattr(reader, "_FAST", request.param)
    return request.param


def read(text: bytes | str) -> Any:
    (document,) = read_documents(text, "f.yaml")
    return document.data


def failure(text: bytes | str) -> SpecError:
    with pytest.raises(SpecError) as caught:
        read_documents(text, "f.yaml")
    return caught.value


def found(text: bytes | str) -> list[tuple[str, int, int]]:
    """Code, line and column of every diagnostic."""
    places = [(d.code, d.location) for d in failure(text).diagnostics]
    return [(code, at.line, at.column) for code, at in places if at]


def marked(where: Location | None) -> str:
    """What a span covers."""
    assert where is not None
    return where.text[where.column - 1 : where.end_column - 1]


def agreed(text: str) -> list[RawDocument]:
    """The documents, after a check that each parser alone reads them, with equal places."""

    def flat(place: Place) -> list[object]:
        inner = [flat(child) for child in place.children.values()]
        return [repr(place.location), place.location.text, repr(place.key), inner]

    source = reader._Source(text.encode(), "f.yaml")
    results = [reader._Builder(source, each).documents() for each in LOADERS]
    for result in results:
        assert [d.data for d in result] == [d.data for d in results[0]]
        assert [flat(d.place) for d in result] == [flat(d.place) for d in results[0]]
    return results[0]


VALUES: list[tuple[str, object]] = [
    ("", None), ("~", None), ("null", None), ("Null", None), ("NULL", None),
    ("true", True), ("True", True), ("TRUE", True), ("false", False), ("FALSE", False),
    ("7", 7), ("-7", -7), ("+7", 7), ("012", 12), ("1.5", 1.5), ("-.5", -0.5), ("1.", 1.0),
    ("1e-4", 1e-4), ("1E3", 1000.0), ("+1.5e+3", 1500.0),
    ("on", "on"), ("no", "no"), ("yes", "yes"), ("Off", "Off"), ("nULL", "nULL"), ("y", "y"),
    ("3:7", "3:7"), ("12:30:45", "12:30:45"), ("0x10", "0x10"), ("0o7", "0o7"), ("1_000", "1_000"),
    ("2020-01-01", "2020-01-01"), ("=", "="), ("<<", "<<"), ("1e", "1e"), (".", "."), ("inf", "inf"),
    ("'1'", "1"), ('"true"', "true"), ("'~'", "~"), ("'.inf'", ".inf"), ('"\\u00e9"', "é"),
    ("in<l+1>", "in<l+1>"), ("max(1, c)", "max(1, c)"), ("a{k=3}[1]", "a{k=3}[1]"),
    ("[]", []), ("{}", {}), ("[1, [a]]", [1, ["a"]]), ("{x: {y: 1}}", {"x": {"y": 1}}),
    ("|\n  a\n  b", "a\nb"), (">-\n  a\n  b", "a b"), ("x\n  y", "x y"),
    ("{from: [f(a), g(b)], when: (a)}", {"from": ["f(a)", "g(b)"], "when": "(a)"}),
    ("{b, c: 1}", {"b": None, "c": 1}), ("'\ttab'", "\ttab"), ("|\n  \ttab", "\ttab"),
]  # fmt: skip
