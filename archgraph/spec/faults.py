"""What pydantic finds wrong with a document, said in the language's own words."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence, Set
from typing import Any

from archgraph.errors import Diagnostic, Location, nearest, suggest
from archgraph.spec.reader import Data, Place

UNKNOWN_KEYS = "unknown_keys"
GIVEN = "is given already"
PARAMETER_FORMS = frozenset("levels map".split())
DOCUMENT_KINDS = frozenset("block backbone topology model".split())
# Mistakes that stay mistakes whatever the values of names are. After a fault that leaves names
# without a value only these are reported: the others may be its consequences.
CERTAIN = frozenset("E101 E105 E109 E110 E112 E116 E119 E301 E306 E307 E308 E310".split())
UNKNOWN_NAME = re.compile(r"unknown (?:name|function) '(\w+)'")


def certain(found: Iterable[Diagnostic]) -> list[Diagnostic]:
    """The diagnostics that no earlier fault can have caused."""
    return [diagnostic for diagnostic in found if diagnostic.code in CERTAIN]


def independent(found: Iterable[Diagnostic], failed: Collection[str]) -> Iterator[Diagnostic]:
    """The diagnostics but those of names that have no value because of an earlier fault."""
    for diagnostic in found:
        match = UNKNOWN_NAME.match(diagnostic.message) if diagnostic.code == "E302" else None
        if not match or match[1] not in failed:
            yield diagnostic


def fits(name: str, parts: list[str]) -> bool:
    """Whether a template whose literal parts are these could have given `name`."""
    first, *rest = parts
    if not rest:
        return name == first
    if not name.startswith(first):
        return False
    position = len(first)
    for part in rest[:-1]:
        position = name.find(part, position) + len(part)
        if position < len(part):
            return False
    return name.endswith(rest[-1]) and len(name) - len(rest[-1]) >= position


def faults_of(
    errors: Sequence[Mapping[str, Any]],
    place: Place,
    data: dict[str, Data],
    excused: set[tuple[str | int, ...]],
) -> tuple[list[Diagnostic], dict[str, Data]]:
    """The entries of a pydantic ValidationError, and the data without its unknown keys.

    Paths of mappings with unknown keys join `excused`: what these lack was probably misspelt.
    """
    found: list[Diagnostic] = []
    bad: dict[tuple[str | int, ...], list[str]] = {}
    if not isinstance(data.get("extends", ""), str):
        excused.add(())  # what it lacks is in the document that it meant
    for error in errors:
        if error["type"] == UNKNOWN_KEYS:
            path, _ = _path(error, place)
            if path and not set(error["ctx"]["keys"]) & set(place.at(*path).children):
                path = path[:-1]  # the tag of a form is called like a key of it: {step: ...}
            bad[path] = error["ctx"]["keys"]
            found.extend(_unknown(error, place.at(*path)))
        elif error["type"] != "missing" or _path(error, place)[0] not in excused:
            found.append(_fault(error, place))
    excused.update(bad)
    rest: dict[str, Data] = _without(data, bad, ())
    return found, rest


def _without(
    data: Any, bad: Mapping[tuple[str | int, ...], list[str]], path: tuple[str | int, ...]
) -> Any:
    """A copy of `data` without the keys in `bad`."""
    if isinstance(data, list):
        return [_without(value, bad, (*path, i)) for i, value in enumerate(data)]
    if isinstance(data, dict):
        gone = bad.get(path, ())
        return {k: _without(v, bad, (*path, k)) for k, v in data.items() if k not in gone}
    return data


def _path(error: Mapping[str, Any], place: Place) -> tuple[tuple[str | int, ...], str]:
    """The keys and indexes that lead to an error, and what is missing there, if anything is.

    Tags of unions stand in pydantic's path too; they are no part of the data.
    """
    path: list[str | int] = []
    missing = ""
    for part in error["loc"]:
        if part in place.children:
            place = place.children[part]
            path.append(part)
        elif isinstance(part, str):
            missing = part
    return tuple(path), missing


def _unknown(error: Mapping[str, Any], here: Place) -> Iterator[Diagnostic]:
    for name in error["ctx"]["keys"]:
        child = here.children.get(name)
        where: Location = (child.key if child else None) or here.location
        free, known = error["ctx"]["free"], error["ctx"]["known"]
        given = None if nearest(name, free) else nearest(name, known)
        hint = f"'{given}' {GIVEN}" if given else suggest(name, free, "keys here")
        hint = _misplaced(name, set(free), set(known)) or hint
        yield Diagnostic("E101", f"unknown key '{name}'", where, hint)


def _misplaced(name: str, free: Set[str], known: Set[str]) -> str:
    """What to do about a key that means something, but nothing here."""
    if name in DOCUMENT_KINDS and "extends" in known:
        return "a document has one kind; '---' stands between two documents"
    if known == {"step"} and not nearest(name, known | PARAMETER_FORMS):
        return "its arguments are part of the text: {step: name key=value}"
    if {"use", "with"} <= free and "name" not in known and not nearest(name, {"use", "with"}):
        return f"a step is written '{name} key=value', or {{use: {name}, with: {{...}}}}"
    return ""


def _fault(error: Mapping[str, Any], place: Place) -> Diagnostic:
    """One entry of a pydantic ValidationError as a placed diagnostic."""
    path, missing = _path(error, place)
    here = place.at(*path)
    key = "the document"
    for part in path:
        key = f"'{part}'" if isinstance(part, str) else f"entry {part + 1} of {key}"
    if error["type"] == "missing":
        return Diagnostic("E106", f"{key} needs '{missing}'", here.key or here.location)
    if error["type"] == "too_short":
        return Diagnostic("E107", f"{key} is empty", here.location)
    found = _describe(error.get("input"))
    hint = _HINTS.get(next((part for part in reversed(path) if isinstance(part, str)), ""), "")
    return Diagnostic("E107", f"{key} is {found}; expected {_expected(error)}", here.location, hint)


_HINTS: Mapping[str, str] = {
    "nodes": "a node is a mapping: {name: ..., use: ..., from: ...}",
    "from": "what a node reads is said by name, never by position: from: in3",
    "archgraph": "version 1 of the language is the only one so far",
    "inputs": "write 'inputs: [x]' or 'inputs: [many x]'",
    "passes": "write 'passes: [name, name key=value]'",
    "for": "write 'for: l in lo..hi'; a loop in a loop is a group: {for: ..., nodes: [...]}",
    "extends": "a document extends one other: 'extends: NAME'",
    "outputs": "write 'outputs: out<l>' or 'outputs: {3: out3, 4: out4}'",
}
_EXPECTED: Mapping[str, str] = {
    "string_type": "text",
    "int_type": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "dict_type": "a mapping",
    "list_type": "a list",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
}
_FORMS = {"number": "a number", "mapping": "a mapping", "list": "a list", "step": "{step: ...}"}
_FORMS |= {"levels": "{levels: ...}", "map": "{map: ...}"}
_FORMS |= dict.fromkeys(("group", "ports", "loop"), "a mapping")


def _expected(error: Mapping[str, Any]) -> str:
    context = error.get("ctx", {})
    if error["type"] == "literal_error":
        return str(context["expected"]).replace("'", "")
    if error["type"] in ("union_tag_not_found", "union_tag_invalid"):
        tags = str(context.get("expected_tags", "")).replace("'", "").split(", ")
        forms = [_FORMS.get(tag, tag) for tag in tags if tag]
        return " or ".join(dict.fromkeys(forms)) or "text, a number, a mapping or a list"
    return _EXPECTED.get(error["type"], error["msg"])


def _describe(value: object) -> str:
    match value:
        case None:
            return "empty"
        case bool():
            return str(value).lower()
        case int() | float():
            return f"the number {value}"
        case str():
            return f"the text '{value}'"
        case list():
            return "a list"
        case dict():
            return "a mapping"
        case _:
            return "something else"
