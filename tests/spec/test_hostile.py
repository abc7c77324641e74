"""Hostile text: whatever a file holds, `check` answers with placed diagnostics, and soon.

Specs of the library with characters, tokens and lines deleted, doubled and exchanged; random
YAML of known keys; and files made to be slow. `-m slow` looks at many more.
"""

from __future__ import annotations

import os
import random
import re
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from archgraph.compiler import check_spec
from archgraph.errors import SpecError
from archgraph.spec import Arguments, ArgumentValue, parse_setting

ROOT = Path(__file__).resolve().parents[2]
TEXTS = sorted(
    path.read_text("utf-8")
    for folder in ("specs/topologies", "specs/blocks", "tests/spec/bad")
    for path in (ROOT / folder).rglob("*.yaml")
    if path.stem not in ("not-utf-8",)
)
TOKENS = re.compile(r"\s+|\w+|.")
# What may stand anywhere, for better or worse.
PIECES = [
    *(
        "lo hi l l+1 <l> <l+1> < > in<l> maybe else for in downto .. 3..7 7..3 0 -1 1e9 9**9 1/0 none"
        " null ~ true x.channels x.level channels sum fast conv conv-norm max-pool resize act norm add"
        " kernel=3 kernel=4 stride=2 stride=3 channels=0 groups=7 { } [ ] , : # ' \" & * ! | > - ? % @ `"
        " <<: *a &a --- ... name: from: use: fuse: block: when: level: nodes: outputs: extends: remove:"
        " topology: settings: defaults: edge: node: up: down: project: passes: let: parameters: with:"
        " repeat-cells count=2 prune-single-input add-same-level-skips panet bifpn fpn required é \t \0"
    ).split(" "),
    *("\n", "\n  ", "\n- ", " ", "", "\u2028", "\ufeff"),
]


@contextmanager
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


def check(content: bytes, arguments: Arguments | None = None, seconds: float = 10) -> None:
    """Check a file of this content: only placed diagnostics may come of it."""
    with folder() as inside:
        path = inside / "neck.yaml"
        path.write_bytes(content)
        start = time.monotonic()
        found = check_spec(os.fspath(path), arguments)
        assert time.monotonic() - start < seconds
    for diagnostic in found:
        assert re.fullmatch(r"[EW]\d{3}", diagnostic.code)
        assert diagnostic.location is not None, diagnostic
        where = diagnostic.location
        assert where.line >= 1 and where.column >= 1
        assert diagnostic.message and diagnostic.render()
        # E401 says that the compiler broke a graph, which no spec may bring about
        assert diagnostic.code != "E401", diagnostic


@st.composite
def mutated(draw: st.DrawFn) -> str:
    text = draw(st.sampled_from(TEXTS))
    source = random.Random(draw(st.integers(0, 2**32)))
    for _ in range(draw(st.integers(1, 4))):
        split: Callable[[str], list[str]] = draw(
            st.sampled_from([list, TOKENS.findall, lambda value: value.splitlines(keepends=True)])
        )
        parts = split(text) or [""]
        i, j = source.randrange(len(parts)), source.randrange(len(parts))
        match draw(st.sampled_from(["delete", "double", "exchange", "insert", "replace", "copy"])):
            case "delete":
                del parts[i]
            case "double":
                parts.insert(i, parts[i])
            case "exchange":
                parts[i], parts[j] = parts[j], parts[i]
            case "insert":
                parts.insert(i, source.choice(PIECES))
            case "replace":
                parts[i] = source.choice(PIECES)
            case _:
                parts[i] = parts[j]
        text = "".join(parts)
    return text


WORDS = st.sampled_from([*PIECES, "a", "b", "in3", "out<l>", "l in lo..hi", "k in 1..3", "lo - 1"])
SCALARS = WORDS | st.integers(-2, 40) | st.booleans() | st.none() | st.floats(-2, 1e6)
STEPS = st.sampled_from(
    [
        "sum",
        "fast",
        "softmax eps=1",
        "conv channels=8",
        "conv-norm",
        "relu",
        "none",
        "act",
        "b",
        "max-pool kernel=3 stride=2",
        "resize",
        "<fuse>",
        "conv channels=x.channels groups=3",
        "add",
    ]
)
STEP = STEPS | st.fixed_dictionaries(
    {"use": STEPS}, optional={"when": WORDS, "with": st.dictionaries(WORDS, SCALARS, max_size=2)}
)
ENTRY = st.sampled_from(["in<l>", "in3", "a", "a<l>", "maybe a<l-1>", "a else in4", "b<l>", "c"])
EDGE = st.fixed_dictionaries(
    {"from": ENTRY},
    optional={
        "name": WORDS,
        "up": STEP,
        "down": STEP,
        "project": STEP,
        "resample": st.just("none"),
    },
)
FROM = ENTRY | st.lists(ENTRY | EDGE, max_size=3)
SETTINGS = st.fixed_dictionaries(
    {}, optional={"act": STEP, "norm": STEP, "padding": st.just("same"), "bias": st.booleans()}
)
NODE = st.fixed_dictionaries(
    {"name": st.sampled_from(["a", "a<l>", "b<l>", "c<k>", "b", "out<l>"])},
    optional={
        "for": st.sampled_from(["l in lo..hi", "l in hi downto lo", "k in 1..2", "l in lo+1..hi"]),
        "from": FROM,
        "fuse": STEP,
        "use": STEP | st.lists(STEP, max_size=2),
        "block": STEP | st.lists(STEP, max_size=2),
        "when": WORDS,
        "level": SCALARS,
        "settings": SETTINGS,
        "pin": st.booleans(),
        "with": st.dictionaries(WORDS, SCALARS, max_size=2),
    },
)
PARAMETERS = st.fixed_dictionaries(
    {"levels": st.just({"levels": "3..5"}), "channels": st.sampled_from([8, "4 * 2", "required"])},
    optional={"fuse": st.fixed_dictionaries({"step": STEPS}), "in_channels": SCALARS, "b": SCALARS},
)
OUTPUTS = st.sampled_from(["a<l>", "out<l> else in<l>", "maybe b<l>", {3: "a"}, {"lo": "in<lo>"}])
PASSES = st.lists(
    st.sampled_from(
        ["prune-single-input", "add-same-level-skips", "repeat-cells count=2", "lower"]
    ),
    max_size=3,
)
TOPOLOGY = st.fixed_dictionaries(
    {"parameters": PARAMETERS, "nodes": st.lists(NODE, max_size=4), "outputs": OUTPUTS},
    optional={
        "extends": st.sampled_from(["panet", "fpn", "neck", "b"]),
        "remove": st.lists(st.sampled_from(["td<l>", "a<l>"]), max_size=1),
        "let": st.dictionaries(
            st.sampled_from(["a", "f(c)", "lo", "g(a, b)"]), SCALARS, max_size=2
        ),
        "settings": SETTINGS,
        "defaults": st.fixed_dictionaries(
            {},
            optional={
                "node": st.fixed_dictionaries({}, optional={"fuse": STEP, "block": STEP}),
                "edge": st.fixed_dictionaries(
                    {}, optional={"up": STEP, "down": STEP, "project": STEP}
                ),
                "conv": st.dictionaries(WORDS, SCALARS, max_size=1),
            },
        ),
        "inputs": st.sampled_from(["in<l>", "c", {"for": "l in lo..hi", "name": "in<l>"}]),
        "passes": PASSES,
    },
)
INNER = st.fixed_dictionaries(
    {"name": st.sampled_from(["a", "b", "c"]), "use": STEP | st.lists(STEP, max_size=2)},
    optional={"from": ENTRY | st.lists(st.sampled_from(["x", "a", "maybe b"]), max_size=2)},
)
BLOCK = st.fixed_dictionaries(
    {"nodes": st.lists(INNER, max_size=3)},
    optional={"parameters": st.dictionaries(st.just("channels"), SCALARS), "settings": SETTINGS},
)


@st.composite
def structured(draw: st.DrawFn) -> str:
    import yaml

    documents = [{"topology": "neck", **draw(TOPOLOGY)}, {"block": "b", **draw(BLOCK)}]
    return yaml.safe_dump_all(documents, sort_keys=False, allow_unicode=True, width=10_000)


# --- the default run and the long one --------------------------------------------------------


@given(mutated())
@settings(max_examples=100, deadline=None)
def test_mutated_specs(text: str) -> None:
    check(text.encode("utf-8", "surrogatepass"))


@given(structured())
@settings(max_examples=100, deadline=None)
def test_structured_specs(text: str) -> None:
    check(text.encode())


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
@example(b"topology: neck\nnodes: [{name: a, from: b}]\noutputs: \xff")
@settings(max_examples=100, deadline=None)
def test_random_bytes(content: bytes) -> None:
    check(content)


def set_outside(texts: list[str]) -> None:
    arguments: dict[str, ArgumentValue] = {}
    for text in texts:
        with suppress(SpecError):
            arguments.update([parse_setting(text)])
    with folder() as inside:
        path = inside / "neck.yaml"
        path.write_text(
            "topology: neck\nextends: bifpn\nparameters: {deep: 2, levels: {levels: 3..5}}\n"
        )
        check_spec(os.fspath(path), arguments)


KEYS = st.sampled_from(
    [
        "levels",
        "channels",
        "in_channels",
        "fuse",
        "cells",
        "deep",
        "settings.act",
        "settings.norm",
        "settings.padding",
        "settings.bias",
        "settings.",
        "x",
        "",
        "lo",
        "a b",
    ]
)
VALUES = st.sampled_from(
    [
        "3..4",
        "4",
        "[1, 2, 3]",
        "relu",
        "<fuse>",
        "sum",
        "<l>",
        "none",
        "{a: 1}",
        "",
        "''",
        "-1",
        "b",
    ]
) | st.sampled_from(PIECES)


@given(st.lists(st.tuples(KEYS, VALUES).map("=".join), max_size=3))
@settings(max_examples=100, deadline=None)
def test_hostile_settings(texts: list[str]) -> None:
    set_outside(texts)


@pytest.mark.slow
@given(mutated())
@settings(max_examples=1000, deadline=None)
def test_many_mutated_specs(text: str) -> None:
    check(text.encode("utf-8", "surrogatepass"))


@pytest.mark.slow
@given(structured())
@settings(max_examples=1000, deadline=None)
def test_many_structured_specs(text: str) -> None:
    check(text.encode())


@pytest.mark.slow
@given(st.lists(st.tuples(KEYS, VALUES).map("=".join), max_size=3))
@settings(max_examples=1000, deadline=None)
def test_many_hostile_settings(texts: list[str]) -> None:
    set_outside(texts)
