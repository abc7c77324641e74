"""The reader: texts and the plain data they are, documents and aliases; what was dumped comes back."""

from __future__ import annotations

import json
import string
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from archgraph.spec.reader import read_documents
from tests.spec.reading import (
    VALUES,
    agreed,
    loader,  # noqa: F401  # a fixture for every test of this file
    marked,
    read,
)


@pytest.mark.parametrize(("text", "value"), VALUES)
def test_value(text: str, value: object) -> None:
    result = read(f"a: {text}")["a"]
    assert result == value
    assert type(result) is type(value)


@pytest.mark.parametrize(
    ("key", "name"),
    [("3", "3"), ("012", "12"), ("'012'", "012"), ("on", "on"), ("true", "true"), ("1.50", "1.50"),
     ("a b", "a b"), ('"<<"', "<<"), ("'null'", "null"), ("? a\n", "a"), ("3:7", "3:7")],
)  # fmt: skip
def test_keys_are_strings(key: str, name: str) -> None:
    assert read(f"{key}: 1") == {name: 1}


@pytest.mark.parametrize(
    "text",
    [b"\xef\xbb\xbfa: 1", "\ufeffa: 1", "a: 1\r\n", "%YAML 1.2\n---\na: 1", "---\na: 1\n---\n",
     "---\n---\na: 1\n...\n", "# c\na: 1 # c", "a: 1\n---\n# only a comment\n"],
)  # fmt: skip
def test_accepted_file(text: bytes | str) -> None:
    assert read(text) == {"a": 1}


def test_several_documents() -> None:
    documents = read_documents("a: &x 1\n---\n---\nb: &x 2\nc: *x\n", "f.yaml")
    assert [document.data for document in documents] == [{"a": 1}, {"b": 2, "c": 2}]
    assert [document.place.location.line for document in documents] == [1, 4]


def test_aliases_are_copies_with_the_alias_as_place() -> None:
    (document,) = read_documents("a: &x {k: [1]}\nb: *x\nc: &x 2\n*x : 3\n", "f.yaml")
    data: Any = document.data
    assert data == {"a": {"k": [1]}, "b": {"k": [1]}, "c": 2, "2": 3}
    data["a"]["k"].append(2)
    assert data["b"] == {"k": [1]}
    assert marked(document.place.at("b").location) == "*x"
    assert document.place.at("b", "k", 0).location.line == 1


class Quoting(yaml.SafeDumper):
    """Writes text in double quotes, as JSON does, and repeats what is shared."""

    def ignore_aliases(self, data: object) -> bool:
        """No anchors."""
        return True


Quoting.add_representer(
    str, lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style='"')
)
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.text(),
    st.floats(allow_nan=False, allow_infinity=False),
)  # fmt: skip
KEYS = st.text(min_size=1)
DATA = st.recursive(
    SCALARS, lambda inner: st.lists(inner) | st.dictionaries(KEYS, inner), max_leaves=12
)


@settings(max_examples=30, deadline=None, derandomize=True)
@given(st.dictionaries(KEYS, DATA), st.booleans())
def test_what_was_dumped_is_read_back(data: dict[str, object], flow: bool) -> None:
    text = yaml.dump(data, Dumper=Quoting, default_flow_style=flow)
    assert read(text) == data


@settings(max_examples=25, deadline=None, derandomize=True)
@given(st.dictionaries(st.text(string.ascii_letters + "é😀", min_size=1), DATA))
def test_json_is_read_with_places_that_agree(data: dict[str, object]) -> None:
    text = json.dumps(data, ensure_ascii=True)
    if "\\ud" not in text:  # YAML has no pairs of escapes
        assert [document.data for document in agreed(text)] == [data]
