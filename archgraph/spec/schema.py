"""The language as JSON Schema, made from the models of its documents, for editors.

Comes in: the models, and words that editors may offer. Goes out: one schema, draft 2020-12.

The schema knows keys and the forms of values. What a text means (names, expressions, levels) is
checked by `archgraph check` alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from typing import Any, TypeAlias

from pydantic import TypeAdapter
from pydantic.json_schema import models_json_schema

from archgraph.spec.documents import KINDS, Document
from archgraph.spec.keys import describe
from archgraph.spec.located import Located
from archgraph.spec.models import StepForm
from archgraph.spec.names import DOCUMENT_NAME

Schema: TypeAlias = dict[str, Any]

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_REF = "#/$defs/{model}"
# Mappings that stand beside a mapping with a `from` of its own, and are told from it by that.
_WITHOUT_FROM = ("PortsModel", "BlockPortsModel")
_MERGED = "Merged"
_SIMPLE = {"boolean", "integer", "null", "number", "string"}


def spec_schema(words: Mapping[str, Sequence[str]] | None = None) -> Schema:
    """The schema of every document of the language.

    Args:
        words: what an editor may offer for the value of a key, such as `fuse: [sum, fast]`; other
            values are as good.
    """
    definitions = _definitions(words or {})
    for name, definition in list(definitions.items()):
        definitions[name + _MERGED] = _merged(definition)
    kinds = list(KINDS.items())
    schema = _unknown_kind(kinds)
    for kind, model in reversed(kinds):
        name = model.__name__
        definitions[name]["properties"][kind]["pattern"] = _pattern()
        definitions[name + _MERGED]["properties"][kind]["pattern"] = _pattern()
        extending = _choice("extends", _ref(name + _MERGED), _ref(name))
        schema = _choice(kind, extending, schema)
    return {
        "$schema": DIALECT,
        "title": "archgraph spec",
        "type": "object",
        **schema,
        "$defs": dict(sorted(_reachable(schema, definitions).items())),
    }


def mappings(base: type[Located] = Located) -> Iterator[type[Located]]:
    """Every mapping of the language."""
    for each in base.__subclasses__():
        if each is not Document:
            yield each
        yield from mappings(each)


# --- definitions -----------------------------------------------------------------------------


def _definitions(words: Mapping[str, Sequence[str]]) -> dict[str, Schema]:
    """Every mapping by the name of its class, and `Step`."""
    _, whole = models_json_schema(
        [(model, "validation") for model in KINDS.values()], by_alias=True, ref_template=_REF
    )
    step = TypeAdapter(StepForm).json_schema(ref_template=_REF)
    step.pop("$defs")
    step = _simple(step)
    definitions: dict[str, Schema] = {"Step": step}
    for name, raw in whole["$defs"].items():
        definition = _simple(raw)
        for key, value in definition.get("properties", {}).items():
            value = _ref("Step") if value == step else value
            definition["properties"][key] = _described(name, key, value, words)
        if name in _WITHOUT_FROM:
            definition["not"] = {"required": ["from"]}
        definitions[name] = {"title": _title(name), **definition}
    return definitions


def _title(mapping: str) -> str:
    """How editors call a mapping: `block node` for BlockNodeModel."""
    words = re.findall("[A-Z][a-z]+", mapping)
    return " ".join(word.lower() for word in words if word not in ("Model", "Document"))


def _described(mapping: str, key: str, value: Schema, words: Mapping[str, Sequence[str]]) -> Schema:
    """The schema of a key's value, with what editors show and offer."""
    examples = words.get(key, ())
    if examples and value.get("type") == "array":
        # the server of VS Code offers what stands in the very form that a text has
        text, *others = value["items"]["anyOf"]
        forms = [{**text, "examples": list(examples)}, *others]
        value = {**value, "items": {**value["items"], "anyOf": forms}}
    elif examples and key != mapping.removesuffix("Document").lower():
        value = {**value, "examples": list(examples)}
    text = describe(mapping, key)
    return {"description": text, **value} if text else value


def _simple(raw: Any) -> Any:
    """What pydantic says, without what no editor needs: titles, nulls, empty defaults."""
    if isinstance(raw, list):
        return [_simple(item) for item in raw]
    if not isinstance(raw, dict):
        return raw
    found: Schema = {}
    for key, value in raw.items():
        if key == "properties":  # names, which may be any word
            found[key] = {name: _simple(each) for name, each in value.items()}
        elif key in ("anyOf", "oneOf"):
            found.update(_union(_simple(value)))
        elif key == "default":
            if isinstance(value, bool | int | str) and value != "":
                found[key] = value
        elif key not in ("title", "discriminator"):
            found[key] = _simple(value)
    return found


def _union(choices: list[Schema]) -> Schema:
    """One of several forms: simple types as one list, one form as itself."""
    types: list[str] = []
    rest: list[Schema] = []
    for choice in choices:
        kinds = choice.get("type", ())
        kinds = [kinds] if isinstance(kinds, str) else list(kinds)
        if set(choice) == {"type"} and set(kinds) <= _SIMPLE:
            types += [kind for kind in kinds if kind not in (*types, "null")]
        elif set(choice) == {"anyOf"}:
            rest += choice["anyOf"]
        else:
            rest.append(choice)
    if "number" in types:
        types = [kind for kind in types if kind != "integer"]
    plain = [{"type": types[0] if len(types) == 1 else types}] if types else []
    forms = [*plain, *map(_told_apart, rest)]
    return dict(forms[0]) if len(forms) == 1 else {"anyOf": forms}


def _told_apart(form: Schema) -> Schema:
    """A mapping with free keys has no key `from`, by which an edge or a loop is known."""
    if form.get("type") == "object" and "properties" not in form:
        return {**form, "not": {"required": ["from"]}}
    return form


def _merged(definition: Schema) -> Schema:
    """The same mapping in a document that extends another, from which it has what it lacks."""

    def relaxed(value: Any) -> Any:
        if isinstance(value, list):
            return [relaxed(item) for item in value]
        if not isinstance(value, dict):
            return value
        found = {key: relaxed(each) for key, each in value.items()}
        if isinstance(reference := found.get("$ref"), str):
            found["$ref"] = reference + _MERGED
        return found

    found: Schema = relaxed(deepcopy(definition))
    names = {*KINDS, "name"}
    if required := [key for key in found.pop("required", ()) if key in names]:
        found["required"] = required
    return found


# --- kinds of document -----------------------------------------------------------------------


def _choice(key: str, then: Schema, otherwise: Schema) -> Schema:
    return {"if": {"required": [key]}, "then": then, "else": otherwise}


def _unknown_kind(kinds: Sequence[tuple[str, type[Document]]]) -> Schema:
    """A document that says no kind yet: the keys it may begin with."""
    heads = {kind: {"type": "string", "description": model.__doc__} for kind, model in kinds}
    version = {"const": 1, "description": describe("", "archgraph")}
    return {
        "properties": {"archgraph": version, **heads},
        "additionalProperties": False,
        "anyOf": [{"required": [kind]} for kind in heads],
    }


def _pattern() -> str:
    return f"^{DOCUMENT_NAME.pattern.removesuffix(chr(92) + 'Z')}$"


def _ref(name: str) -> Schema:
    return {"$ref": _REF.format(model=name)}


def _reachable(root: Schema, definitions: Mapping[str, Schema]) -> dict[str, Schema]:
    """The definitions that a schema refers to, directly or not."""
    found: dict[str, Schema] = {}
    waiting: list[Any] = [root]
    while waiting:
        value = waiting.pop()
        if isinstance(value, list):
            waiting += value
        elif isinstance(value, dict):
            name = str(value.get("$ref", "")).removeprefix(_REF.format(model=""))
            if name in definitions and name not in found:
                found[name] = definitions[name]
                waiting.append(definitions[name])
            waiting += value.values()
    return found
