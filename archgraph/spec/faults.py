"""What pydantic finds wrong with a document, said in the language's own words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from archgraph.errors import Diagnostic, suggest
from archgraph.spec.reader import Place


def fault(error: dict[str, Any], place: Place) -> Diagnostic:
    """One entry of a pydantic ValidationError as a placed diagnostic."""
    here = place
    key = "the document"
    missing = ""
    for part in error["loc"]:
        # Tags of unions stand in pydantic's path too; they are no part of the data.
        if part in here.children:
            here = here.children[part]
            key = f"'{part}'" if isinstance(part, str) else key
        elif isinstance(part, str):
            missing = part
    match error["type"]:
        case "unknown_key":
            name, known = error["ctx"]["key"], error["ctx"]["known"].split(", ")
            child = here.children.get(name)
            where = (child.key if child else None) or here.location
            return Diagnostic(
                "E101", f"unknown key '{name}'", where, suggest(name, known, "keys here")
            )
        case "missing":
            return Diagnostic("E106", f"{key} needs '{missing}'", here.key or here.location)
        case "too_short":
            return Diagnostic("E107", f"{key} is empty", here.location)
    wanted = _expected(error)
    found = _describe(error.get("input"))
    return Diagnostic("E107", f"{key} is {found}; expected {wanted}", here.location)


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


def _expected(error: dict[str, Any]) -> str:
    context = error.get("ctx", {})
    if error["type"] == "literal_error":
        return str(context["expected"]).replace("'", "")
    if error["type"] == "union_tag_not_found" or error["type"] == "union_tag_invalid":
        tags = str(context.get("expected_tags", "")).replace("'", "")
        return tags.replace(", ", " or ") if tags else "text, a number, a mapping or a list"
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
