"""The JSON Schema says what the reader says about keys and forms, and nothing about meaning."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from archgraph.errors import SpecError
from archgraph.spec import Located
from archgraph.spec.documents import kind_of, make_document
from archgraph.spec.keys import _EVERYWHERE, _SPECIAL, describe
from archgraph.spec.names import DOCUMENT_NAME
from archgraph.spec.reader import RawDocument, read_documents
from archgraph.spec.schema import mappings, spec_schema

ROOT = Path(__file__).resolve().parents[2]
SPECS = sorted((ROOT / "specs").rglob("*.yaml"))
BAD = sorted((Path(__file__).parent / "bad").glob("*.yaml"))
SCHEMA = spec_schema({"fuse": ["sum"], "passes": ["lower"]})
VALIDATOR = Draft202012Validator(SCHEMA)


def complaints(text: str | bytes) -> list[str]:
    documents = [document.data for document in read_documents(text, "neck.yaml")]
    return [error.message for document in documents for error in VALIDATOR.iter_errors(document)]


def schemas(value: Any) -> Iterator[dict[str, Any]]:
    """Every mapping of a schema."""
    if isinstance(value, list):
        for each in value:
            yield from schemas(each)
    elif isinstance(value, dict):
        yield value
        for each in value.values():
            yield from schemas(each)


def test_it_is_a_schema() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    targets = {each["$ref"] for each in schemas(SCHEMA) if isinstance(each.get("$ref"), str)}
    assert targets == {f"#/$defs/{name}" for name in SCHEMA["$defs"]}


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.stem)
def test_the_library_fits(spec: Path) -> None:
    assert complaints(spec.read_bytes()) == []


def formal_faults(raw: RawDocument) -> list[str]:
    """What is wrong with the keys and forms of a document, and with its name."""
    try:
        kind = kind_of(raw)
        name = raw.data[kind]
        named = [] if isinstance(name, str) and DOCUMENT_NAME.match(name) else [str(name)]
        return [*named, *(fault.code for fault in make_document(raw).faults)]
    except SpecError as error:
        codes = [found.code for found in error.diagnostics]
        # what a document lacks may stand in the one that it extends
        return [code for code in codes if code != "E106" or "extends" not in raw.data]


@pytest.mark.parametrize("spec", BAD, ids=lambda spec: spec.stem)
def test_wrong_keys_and_forms_are_refused_and_nothing_else(spec: Path) -> None:
    try:
        documents = read_documents(spec.read_bytes(), spec.name)
    except SpecError:
        return  # no YAML: no schema is looked at
    for document in documents:
        found = [error.message for error in VALIDATOR.iter_errors(document.data)]
        ordered = spec.stem != "kind-not-first"  # a schema cannot see the order of keys
        assert bool(found) == (bool(formal_faults(document)) and ordered), found


def test_many_wrong_specs_are_wrong_in_form() -> None:
    refused = 0
    for spec in BAD:
        with suppress(SpecError):
            refused += bool(complaints(spec.read_bytes()))
    assert refused >= 15


HEAD = "topology: t\nparameters: {levels: {levels: 3..4}, channels: 8}\n"
NODES = "nodes:\n  - {for: l in lo..hi, name: p<l>, fuse: sum, from: in<l>}\n"
OUTPUTS = "outputs: p<l>\n"
GOOD = {
    "a version": "archgraph: 1\nblock: b\nnodes: [{name: a, use: act}]\n",
    "forms of steps": HEAD
    + NODES.replace("fuse: sum", "fuse: sum, block: [relu, {use: conv, with: {channels: 8}}]")
    + OUTPUTS,
    "forms of from": HEAD
    + "nodes: [{name: a, use: gate, from: {gate: in3, gated: {from: in4, up: resize}}}]\n"
    + OUTPUTS,
    "forms of outputs": HEAD + NODES + "outputs: {for: l in lo..hi, from: p<l>}\n",
    "outputs by level": HEAD + NODES + "outputs: {3: p3, hi: p4}\n",
    "forms of parameters": "block: b\nparameters: {a: required, b: 1.5, c: true, d: {map: {3: 4}},"
    " e: [1, 2], f: {step: none}}\nnodes: [{name: a, use: act}]\n",
    "a group": "block: b\nnodes: [{for: i in 0..3, nodes: [{name: a<i>, use: act}]}]\n",
    "a variant": "block: b\nvariants: {d0: {settings: {act: silu}, a: 3, doc: x}}\n"
    "nodes: [{name: a, use: act}]\n",
    "parts of what is extended": "topology: t\nextends: panet\nnodes: [{name: td<l>, pin: true}]\n"
    "defaults: {edge: {project: {when: x.channels > 8}}}\n",
}
WRONG = {
    "no kind": "nods: []\n",
    "a kind that is not read": "modle: b\n",
    "an unknown key": HEAD + NODES + OUTPUTS + "output: p<l>\n",
    "an unknown key of a node": HEAD + NODES.replace("fuse", "fuze") + OUTPUTS,
    "an unknown key of an edge": HEAD + NODES.replace("in<l>}", "[{from: in<l>, uo: resize}]}"),
    "an unknown key of the only edge": HEAD
    + NODES.replace("in<l>}", "{from: in<l>, uo: resize}}")
    + OUTPUTS,
    "an unknown key of a loop": HEAD + NODES + "outputs: {for: l in lo..hi, from: p<l>, to: p}\n",
    "a word that is not one of the words": HEAD + NODES + OUTPUTS + "settings: {padding: valid}\n",
    "a text for a truth value": HEAD + NODES.replace("fuse", "pin: maybe, fuse") + OUTPUTS,
    "a list for a mapping": "block: b\nparameters: [a]\nnodes: [{name: a, use: act}]\n",
    "an empty list": "block: b\nnodes: []\n",
    "nothing": "block: b\nnodes:\n",
    "no nodes": HEAD + OUTPUTS,
    "a node without a name": "block: b\nnodes: [{use: act}]\n",
    "a name that no document may have": "block: a b\nnodes: [{name: a, use: act}]\n",
    "an unknown key where much is inherited": "topology: t\nextends: panet\nnods: []\n",
}


@pytest.mark.parametrize("name", GOOD)
def test_good_documents_fit(name: str) -> None:
    assert complaints(GOOD[name]) == []


@pytest.mark.parametrize("name", WRONG)
def test_wrong_documents_are_refused(name: str) -> None:
    assert complaints(WRONG[name])


def test_words_are_offered_and_not_required() -> None:
    offered = SCHEMA["$defs"]["NodeModel"]["properties"]["fuse"]
    assert offered["examples"] == ["sum"]
    passes = SCHEMA["$defs"]["TopologyDocument"]["properties"]["passes"]
    assert passes["items"]["anyOf"][0]["examples"] == ["lower"]
    assert "examples" not in SCHEMA["$defs"]["BlockNodeModel"]["properties"]["use"]
    assert complaints(HEAD + NODES.replace("sum", "mine") + OUTPUTS) == []


def test_padding_is_one_of_two_words() -> None:
    padding = SCHEMA["$defs"]["SettingsModel"]["properties"]["padding"]
    assert padding["enum"] == ["same", "symmetric"]


@pytest.mark.parametrize("mapping", list(mappings()), ids=lambda mapping: mapping.__name__)
def test_every_key_and_mapping_is_described(mapping: type[Located]) -> None:
    definition = SCHEMA["$defs"].get(mapping.__name__, {"description": mapping.__doc__})
    assert definition["description"]
    for key in mapping.known_keys():
        assert describe(mapping.__name__, key), f"spec/keys.py says nothing of '{key}'"


def test_no_description_is_left_over() -> None:
    known = {(each.__name__, key) for each in mappings() for key in each.known_keys()}
    assert set(_SPECIAL) - known == set()
    assert set(_EVERYWHERE) - {key for _, key in known} == set()


def test_mappings_are_closed() -> None:
    for name, definition in SCHEMA["$defs"].items():
        if definition.get("type") == "object":
            assert definition.get("additionalProperties") not in (None, True), name


def test_no_null_is_accepted() -> None:
    assert not [each for each in schemas(SCHEMA) if "null" in (each.get("type") or ())]
