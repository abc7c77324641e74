"""Texts and names that try to get out of where they stand, and specs that hold them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from archgraph.spec.reader import read_documents
from tests.codegen.random_specs import RandomSpec, random_specs

# What a free text may try: to end a string, a line or a comment, or to look like something else.
TEXTS = [
    *('"""', "'''", '"', "'", '""', '""""', 'a"""', 'a"', '"""a', '\\"""', '"""\nimport os\n"""'),
    *('"""); import os; ("""', "\\", "a\\", "\\\\", '\\"', "\\N{BULLET}", "\\N{", "\\x", "\\u", "\\U1"),
    *("\\x00", "\\u202e", "\\777", "a\nimport os", "a\rimport os", "a\r\nimport os", "\n\nimport os"),
    *("a\vimport os", "a\fimport os", "a\x1cimport os", "a\x85import os", "a\u2028import os"),
    *("# coding: utf-7", "\n# coding: utf-7\n", "#", "# type: ignore", "# noqa", "-*- coding: x -*-"),
    *("{x}", "{0.__class__}", "{", "}", "{{", "%s", "%(a)s", "%", "$(reboot)", "`reboot`", "<l>", "<x>"),
    *("\0", "\a", "\b", "\x1b[31m", "\x7f", "\x9b", "\ufeff", "\u200b", "\u200e", "\u202e tropmi"),
    *("\u2066a\u2069", "\U000e0041", "é", "\uff45\uff56\uff41\uff4c", "ﬁ", "\U0001d4ee", "\U0001f600", "\ue000", "\uffff", "\xad"),
    *("a" * 1000, '"' * 1000, "\\" * 1001, "a\n" * 100, " ", "", "None", "__import__('os')"),
]  # fmt: skip

# What a name may try: to be no name, to be another name, to be one that Python or torch has.
NAMES = [
    *("__init__", "__class__", "__dict__", "__builtins__", "__import__", "__debug__", "__getattr__"),
    *("_", "_a", "__a", "a__", "_modules", "_parameters", "_call_impl", "mro", "__slots__"),
    *("self", "super", "torch", "nn", "F", "Tensor", "math", "Any", "annotations", "archgraph", "os"),
    *("eval", "exec", "getattr", "setattr", "delattr", "globals", "vars", "open", "compile", "print"),
    *("list", "tuple", "range", "zip", "len", "max", "min", "sum", "int", "float", "str", "bool", "dict"),
    *("enumerate", "reversed", "round", "object", "type", "property", "ValueError", "NotImplemented"),
    *("None", "True", "False", "class", "def", "lambda", "match", "case", "import", "del", "async"),
    *("forward", "training", "parameters", "modules", "to", "cuda", "half", "apply", "register_buffer"),
    *("T_destination", "call_super_init", "weight", "bias", "features", "cells", "x", "levels"),
    *("channels", "in_channels", "in_levels", "size_multiple", "spec_hash", "FastFusion", "inputs"),
    *("Conv2dSame", "max_pool_same", "keys", "values", "items", "pop", "hook", "outputs", "block", "fuse"),
    *("a b", "a.b", "a-b", "a;b", "a\nb", "a\\", 'a"', "a'", "a#", "a(", "a=1", "a:b", "a,b", "a/b"),
    *("../a", "/a", "a\0", "a\u200b", "\u202ea", "\uff41", "\u0430", "ªb", "ﬁ", "é", "e\u0301", "1a", "1", "-", ""),
    *("a" * 100, "a" * 101, "a" * 10_000, "a<", "<a>", "<l", "<__import__>", "maybe", "else", "none"),
    *("{a}", "%s", "\ud7ff", "a\n", "\n", " ", "a ", "import os"),
]  # fmt: skip


def quoted(text: str) -> str:
    """A text as YAML reads it back to the letter."""
    plain = re.compile(r"[ !#-\[\]-~]")
    parts = (c if plain.match(c) else f"\\U{ord(c):08x}" for c in text)
    return f'"{"".join(parts)}"'


def yaml_of(data: object) -> str:
    """Plain data as YAML on one line."""
    if isinstance(data, Mapping):
        return f"{{{', '.join(f'{quoted(str(k))}: {yaml_of(v)}' for k, v in data.items())}}}"
    if isinstance(data, list):
        return f"[{', '.join(map(yaml_of, data))}]"
    if isinstance(data, bool):
        return "true" if data else "false"
    if data is None:
        return "~"
    return quoted(data) if isinstance(data, str) else repr(data)


def spec_text(documents: Sequence[Mapping[str, object]]) -> str:
    """Documents as a file, each key of a document on its own line."""
    return "---\n".join(
        "".join(f"{quoted(key)}: {yaml_of(value)}\n" for key, value in document.items())
        for document in documents
    )


@dataclass(frozen=True)
class HostileSpec:
    """A random spec, and the same with hostile texts; with hostile names it may be refused."""

    plain: RandomSpec
    text: str
    renamed: bool

    def __repr__(self) -> str:
        return f"\n{self.text}\n# from {self.plain!r}"


def _nodes(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The nodes of a document, also those in groups."""
    found: list[dict[str, Any]] = []
    pending = list(document["nodes"])
    while pending:
        node = pending.pop()
        if "nodes" in node:
            pending.extend(node["nodes"])
        else:
            found.append(node)
    return found


def _replaced(data: Any, old: str, new: str) -> Any:
    """The same data with a word replaced wherever it stands."""
    if isinstance(data, dict):
        return {k: _replaced(value, old, new) for k, value in data.items()}
    if isinstance(data, list):
        return [_replaced(value, old, new) for value in data]
    if isinstance(data, str):
        return re.sub(rf"\b{re.escape(old)}\b", lambda _: new, data)
    return data


@st.composite
def hostile_specs(draw: Any, most_names: int = 2) -> HostileSpec:
    """Random specs with hostile docs, and mostly with a few nodes and documents renamed."""
    plain = draw(random_specs())
    texts = st.sampled_from(TEXTS) | st.text(max_size=40)
    documents: list[Any] = [dict(raw.data) for raw in read_documents(plain.text, "plain.yaml")]
    for document in documents:
        document["doc"] = draw(texts)
        for node in _nodes(document):
            if draw(st.booleans()):
                node["doc"] = draw(texts)
    words = sorted(
        {word for d in documents for n in _nodes(d) for word in re.findall(r"^\w+$", n["name"])}
        | {d[key] for d in documents for key in ("block", "topology") if key in d}
    )
    count = draw(st.integers(0, most_names))
    for old in draw(st.lists(st.sampled_from(words), min_size=count, max_size=count)):
        documents = _replaced(documents, old, draw(st.sampled_from(NAMES)))
    return HostileSpec(plain, spec_text(documents), count > 0)
