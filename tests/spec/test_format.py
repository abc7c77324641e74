"""The canonical layout: what it looks like, and that nothing else changes."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import given, reject
from hypothesis import strategies as st

from archgraph.errors import Diagnostic, SpecError
from archgraph.spec import KINDS, Library, Located, models, read_documents
from archgraph.spec import format as formatter
from archgraph.spec.format import format_spec
from archgraph.spec.format.grammar import Role, in_order

T = TypeVar("T")
SPECS = sorted((Path(__file__).resolve().parents[2] / "specs").rglob("*.yaml"))
BAD = sorted((Path(__file__).parent / "bad").glob("*.yaml"))


def formatted(text: str) -> str:
    once = format_spec(text.encode(), "neck.yaml")
    assert format_spec(once.encode(), "neck.yaml") == once
    return once


def data(text: str) -> list[Any]:
    return [document.data for document in read_documents(text, "neck.yaml")]


def outcome(do: Callable[[], T]) -> tuple[T | None, tuple[Diagnostic, ...]]:
    """What comes of it, or what is wrong."""
    try:
        return do(), ()
    except SpecError as error:
        return None, error.diagnostics


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.stem)
def test_the_library_is_formatted(spec: Path) -> None:
    assert format_spec(spec.read_bytes(), spec.name) == spec.read_text("utf-8")


def test_the_whole_library_is_looked_at() -> None:
    library = Library()
    assert {library.open(name)[0].path for name in library.names()} == set(SPECS)


@pytest.mark.parametrize("spec", BAD, ids=lambda spec: spec.stem)
def test_what_the_reader_reads_is_formatted_and_the_rest_refused(spec: Path) -> None:
    content = spec.read_bytes()
    before, wrong = outcome(lambda: read_documents(content, spec.name))
    if before is None:
        assert outcome(lambda: format_spec(content, spec.name)) == (None, wrong)
        return
    after = formatted(content.decode())
    assert data(after) == [document.data for document in before]
    assert sorted(re.findall("#.*", after)) == sorted(re.findall("#.*", content.decode()))


CASES = {
    "keys in the order of the grammar, quotes where they are needed": (
        """\
        topology: 'neck'
        outputs: {"3": out3, '05': "in<l>"}
        nodes:
        - from: ["in3",  in4]
          name: out3
          when: "max(1, 2) > 1"
          for: 'l in lo..hi'
        parameters: {channels: 64, levels: {levels: 3..5}}
        """,
        """\
        topology: neck
        parameters: {channels: 64, levels: {levels: 3..5}}
        nodes:
          - {for: l in lo..hi, name: out3, when: "max(1, 2) > 1", from: [in3, in4]}
        outputs: {3: out3, "05": in<l>}
        """,
    ),
    "let has a line for each value, long nodes one for each key": (
        """\
        block: b
        let: {z: 1, a: "max(1, 2)"}
        nodes: [{name: depthwise, use: conv channels=x.channels groups=x.channels kernel=kernel bias=settings.bias}, {name: a, use: act}]
        """,
        """\
        block: b
        let:
          z: 1
          a: max(1, 2)
        nodes:
          - name: depthwise
            use: conv channels=x.channels groups=x.channels kernel=kernel bias=settings.bias
          - {name: a, use: act}
        """,
    ),
    "defaults have a line each, edges with a mapping in them several": (
        """\
        topology: t
        defaults: {edge: {up: resize, project: {when: a, use: b}}, node: {block: none, fuse: sum}}
        """,
        """\
        topology: t
        defaults:
          node: {fuse: sum, block: none}
          edge:
            project: {use: b, when: a}
            up: resize
        """,
    ),
    "comments stay with what they are about": (
        """\
        # head
        block: b   # name

        # above nodes
        nodes:   # beside
        # above a
        - {name: a, use: act}  # after a


        -   # dash
          use: relu # use
          name: b
          # end of b
        # end of file
        """,
        """\
        # head
        block: b  # name

        # above nodes
        nodes:  # beside
          # above a
          - {name: a, use: act}  # after a

          # dash
          - name: b
            use: relu  # use
            # end of b
        # end of file
        """,
    ),
    "a comment inside braces opens them": (
        "block: b\nnodes: [ # first\n {name: a, # n\n use: act}\n # last\n ]\n",
        """\
        block: b
        nodes:  # first
          - name: a  # n
            use: act
          # last
        """,
    ),
    "texts of several lines": (
        'block: b\ndoc: "one\\n  two\\n"\nnodes: [{name: a, use: act, doc: "x\\ny"}]\n',
        """\
        block: b
        doc: |
          one
            two
        nodes:
          - name: a
            use: act
            doc: |-
              x
              y
        """,
    ),
    "a long doc is folded": (
        f"block: b\ndoc: {'word ' * 30}\n",
        f"block: b\ndoc: >-\n  {'word ' * 18}word\n  {'word ' * 10}word\n",
    ),
    "aliases keep keys where they are": (
        "block: b\nparameters: &p {k: 1}\ndoc: x\nlet: *p\n",
        "block: b\nparameters: &p {k: 1}\ndoc: x\nlet: *p\n",
    ),
    "markers, line ends and documents of nothing": (
        "\ufeff%YAML 1.2\n---\r\nblock: b\r\n...\n---\n# c\n---\nblock: c\n---\n",
        "block: b\n---\n# c\nblock: c\n",
    ),
    "values as they are": (
        "block: b\nlet: {a: 1e-3, b: True, c: 0012, d: '12', e: 'on', f: ~, g: 'null', h: 3:7, i: {}}\n",
        """\
        block: b
        let:
          a: 1e-3
          b: true
          c: 0012
          d: "12"
          e: on
          f: null
          g: "null"
          h: 3:7
          i: {}
        """,
    ),
    "groups, ports, edges": (
        """\
        topology: t
        nodes:
        - nodes: [{from: {gated: {up: resize, from: b}, gate: a}, name: x, use: gate}]
          for: l in lo..hi
        """,
        """\
        topology: t
        nodes:
          - for: l in lo..hi
            nodes:
              - {name: x, use: gate, from: {gated: {from: b, up: resize}, gate: a}}
        """,
    ),
    "comments above a key that comes to stand beside the dash": (
        "topology: t\nnodes:\n- name: a  # 1\n  # 2\n\n  # 3\n  for: l in lo..hi\n",
        "topology: t\nnodes:\n  # 2\n\n  # 3\n  - for: l in lo..hi\n    name: a  # 1\n",
    ),
}


def dedented(text: str) -> str:
    return re.sub("^        ", "", text, flags=re.MULTILINE)


@pytest.mark.parametrize("name", CASES)
def test_layout(name: str) -> None:
    before, after = map(dedented, CASES[name])
    assert formatted(before) == after


GRAMMAR: list[tuple[Role, type[Located]]] = [
    *((Role.DOCUMENT, kind) for kind in KINDS.values()),
    (Role.NODE, models.NodeModel),
    (Role.NODE, models.BlockNodeModel),
    (Role.NODE, models.GroupModel),
    (Role.NODE, models.BlockGroupModel),
    (Role.ENTRIES, models.EdgeModel),
    (Role.ENTRIES, models.BlockEntryModel),
    (Role.STEP, models.StepMapping),
    (Role.SETTINGS, models.SettingsModel),
    (Role.INPUT, models.InputModel),
    (Role.DEFAULTS, models.TopologyDefaults),
    (Role.POLICY, models.NodeDefaults),
    (Role.POLICY, models.EdgeDefaults),
]


@pytest.mark.parametrize(("role", "mapping"), GRAMMAR)
def test_every_key_has_its_place(role: Role, mapping: type[Located]) -> None:
    keys = mapping.known_keys()
    (*_, last) = in_order(role, ["zzz", *keys])
    assert last == "zzz", f"{last} has no place in spec/format/grammar.py"


@pytest.mark.parametrize("broken", ["data", "comments"])
def test_a_result_that_says_something_else_is_refused(
    broken: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = "block: c\n" if broken == "data" else "block: b\n"
    monkeypatch.setattr(formatter, "lay_out", lambda _: wrong)
    with pytest.raises(SpecError) as refused:
        format_spec(b"block: b  # c\n", "b.yaml")
    (found,) = refused.value.diagnostics
    assert found.code == "E131"
    assert ("comment" in found.message) == (broken == "comments")


# --- random documents --------------------------------------------------------------------------

WORDS = st.sampled_from(
    "name use from for nodes let doc fuse when with block parameters defaults edge node up levels"
    " 3 05 true null ~ <<".split()
)
TEXTS = st.one_of(
    WORDS,
    st.text(st.sampled_from("ab 3.-:#,[]{}()&*!|>'\"%@`?\\<=\n\té"), max_size=12),
    st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=6),
)
SCALARS = st.one_of(
    TEXTS, st.booleans(), st.none(), st.integers(), st.floats(allow_nan=False, allow_infinity=False)
)
KEYS = TEXTS.filter(bool)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=8,
)
DOCUMENTS = st.lists(
    st.tuples(st.sampled_from(["block", "topology"]), st.dictionaries(KEYS, VALUES, max_size=5)),
    min_size=1,
    max_size=2,
)


class Scribe:
    """Writes data as YAML of no style at all, with comments wherever they may stand."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.comments: list[str] = []

    def chance(self, of: int) -> bool:
        return self.random.randrange(of) == 0

    def comment(self) -> str:
        self.comments.append(f"#{' ' * self.random.randrange(2)}{len(self.comments)}")
        return self.comments[-1]

    def scalar(self, value: object) -> str:
        text = json.dumps(value)
        if isinstance(value, str):
            if re.fullmatch("[a-z][a-z ]*[a-z]", value) and value not in ("true", "null"):
                return self.random.choice([value, text, f"'{value}'"])
            return re.sub("\\\\u([0-9a-f]{4})", r"\\u\1", text)
        return text

    def flow(self, value: object, indent: str) -> str:
        """On one line, or broken at every place by comments and line ends."""
        if not isinstance(value, dict | list):
            return self.scalar(value)
        if isinstance(value, dict):
            items = [f"{self.scalar(k)}: {self.flow(v, indent)}" for k, v in value.items()]
        else:
            items = [self.flow(each, indent) for each in value]
        inside = "".join(f"{self.gap(indent)}{item},{self.gap(indent)} " for item in items)
        first, last = "{}" if isinstance(value, dict) else "[]"
        return f"{first}{self.gap(indent)}{inside}{self.gap(indent)}{last}"

    def gap(self, indent: str) -> str:
        if not self.chance(8):
            return ""
        return f" {self.comment() if self.chance(2) else ''}\n{indent} "

    def above(self, indent: str) -> list[str]:
        """What may stand above an entry."""
        lines = [""] if self.chance(6) else []
        return [*lines, *(f"{indent}{self.comment()}" for _ in range(2) if self.chance(6))]

    def block(self, value: Any, indent: str) -> list[str]:
        pairs = list(value.items()) if isinstance(value, dict) else [(None, v) for v in value]
        lines: list[str] = []
        for key, each in pairs:
            lines += self.above(indent)
            head = f"{indent}-" if key is None else f"{indent}{self.scalar(key)}:"
            beside = f"  {self.comment()}" if self.chance(6) else ""
            if isinstance(each, dict | list) and each and self.chance(2):
                lines += [
                    f"{head}{beside}",
                    *self.block(each, indent + self.random.choice(["  ", "   "])),
                ]
            elif beside and self.chance(3):
                lines += [f"{head}{beside}", f"{indent}  {self.flow(each, indent + '  ')}"]
            else:
                lines.append(f"{head} {self.flow(each, indent + '  ')}{beside}")
        return [*lines, *self.above(indent)]

    def write(self, documents: list[tuple[str, dict[str, Any]]]) -> str:
        parts: list[str] = []
        for index, (kind, rest) in enumerate(documents):
            document = {kind: f"n{index}", **rest}
            lines = self.block(document, "") if self.chance(3) else [self.flow(document, "")]
            parts.append("\n".join(["---", *self.above(""), *lines, *self.above("")]))
        return "\n".join(parts) + "\n"


@given(DOCUMENTS, st.integers(0, 2**32))
def test_random_documents(documents: list[tuple[str, dict[str, Any]]], seed: int) -> None:
    scribe = Scribe(seed)
    text = scribe.write(documents)
    try:
        before = data(text)
    except SpecError:
        reject()
    after = formatted(text)
    assert json.dumps(data(after), sort_keys=True) == json.dumps(before, sort_keys=True)
    written = re.findall(r"(?:^|\s)(# ?\d+)$", after, re.MULTILINE)
    assert sorted(written) == sorted(scribe.comments)


@given(st.dictionaries(KEYS, VALUES, max_size=5))
def test_the_order_of_names_stays(names: dict[str, Any]) -> None:
    text = json.dumps({"block": "b", "let": names, "parameters": names, "nodes": [{"with": names}]})
    try:
        data(text)
    except SpecError:
        reject()
    (after,) = data(formatted(text))
    found = [after["let"], after["parameters"], after["nodes"][0]["with"]]
    assert json.dumps(found) == json.dumps([names] * 3)
