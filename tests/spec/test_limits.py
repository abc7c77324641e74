"""No spec keeps the compiler busy: work is counted in calls of functions, not by the clock."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import pytest

from archgraph.compiler import check_spec
from archgraph.errors import Diagnostic
from archgraph.ir import MAX_NODES
from archgraph.passes import block_instance, instantiate
from archgraph.spec import expansion

HEAD = "topology: busy\nparameters: {levels: {levels: 3..4}, channels: 8}\n"
OUTPUTS = "outputs: {3: in3, 4: in4}\n"
# Calls of functions at the real limits. In the default run those of loops and nodes are a tenth.
MOST_CALLS = 30_000_000


class TooBusyError(Exception):
    """The compiler did more than it should."""


def counted(work: Callable[[], list[Diagnostic]], most: int) -> list[Diagnostic]:
    """What `work` gives, if it calls no more functions of Python than `most`."""
    calls = 0

    def count(frame: FrameType, event: str, argument: object) -> None:
        nonlocal calls
        if event == "call":
            calls += 1
            if calls > most:
                raise TooBusyError

    sys.setprofile(count)
    try:
        return work()
    finally:
        sys.setprofile(None)


def nodes(text: str, let: str = "") -> str:
    return f"{HEAD}{let}nodes:\n{text}{OUTPUTS}"


def doubling(form: str, levels: int = 60) -> str:
    """Definitions of which each uses the one before it twice."""
    lines = [form.format(new="f0", old="(1 + 1)").replace("(1 + 1)(c)", "c")]
    lines += [form.format(new=f"f{i}", old=f"f{i - 1}") for i in range(1, levels)]
    return "let:\n" + "".join(f"  {line}\n" for line in lines)


def bomb(width: int = 10, depth: int = 9) -> str:
    """Lists of aliases of lists of aliases."""
    lines = [f"a0: &a0 [{', '.join(['x'] * width)}]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * width)}]" for i in range(1, depth)]
    return HEAD + "\n".join(lines) + "\n"


BLOCKS = "---\nblock: b0\nnodes:\n  - {name: a, use: relu}\n" + "".join(
    f"---\nblock: b{i}\nnodes:\n  - {{name: a, use: b{i - 1}}}\n  - {{name: b, use: b{i - 1}}}\n"
    for i in range(1, 60)
)
LOOPS = "".join(
    f"{'    ' * i}- for: v{i} in 1..100\n{'    ' * i}  nodes:\n" for i in range(8)
) + f"{'    ' * 8}- {{name: n<v0>, when: false, use: relu, from: in3}}\n"  # fmt: skip

BUSY: dict[str, tuple[str, str]] = {
    "an alias bomb": (bomb(), "E007"),
    "deep nesting": (HEAD + "doc: " + "[" * 5000 + "]" * 5000 + "\n", "E007"),
    "deep mappings": (HEAD + "doc: " + "{a: " * 5000 + "}" * 5000 + "\n", "E007"),
    "a deep expression": (nodes("- {name: a, use: relu, from: in3, when: " + "abs(" * 400 + "1" + ")" * 400 + "}\n"), "E304"),
    "a long expression": (nodes("- {name: a, use: relu, from: in3, when: " + "1+" * 400 + "1}\n"), "E304"),
    "a tower of powers": (nodes("- {name: a, use: conv channels=9**9**9**9, from: in3}\n"), "E304"),
    "loops in loops": (nodes(LOOPS), "E304"),
    "a long range": (nodes("- {for: i in 0..1e12, name: a<i>, use: relu, from: in3}\n"), "E304"),
    "doubling functions": (nodes("- {name: a, use: conv channels=f59(1), from: in3}\n", doubling("{new}(c): {old}(c) + {old}(c)")), "E304"),
    "doubling values": (nodes("- {name: a, use: conv channels=f59, from: in3}\n", doubling("{new}: {old} + {old}")), "E304"),
    "10,000 x 10,000": (nodes("- {name: a, use: many, from: in3, repeat: 10000}\n") + "---\nblock: many\nnodes: [{name: b, use: relu, repeat: 10000}]\n", ""),
    "a repeat without an end": (nodes("- {name: a, use: relu, from: in3, repeat: 1e12}\n"), ""),
    "blocks that double": (nodes("- {name: a, use: b59, from: in3}\n").replace("outputs: {3: in3", "outputs: {3: a") + BLOCKS, "E304"),
    "blocks that double, unread": (nodes("- {name: a, use: b59, from: in3}\n") + BLOCKS, ""),
    "a block given itself": (nodes("- {name: a, use: again p=again, from: in3}\n") + "---\nblock: again\nparameters: {p: {step: relu}}\nnodes: [{name: b, use: <p> p=<p>}]\n", ""),
    "variadic loops": (nodes("".join(f"- {{name: a{j}, use: add, from: [{{for: i in 1..10000, name: e<i>, from: in3}}]}}\n" for j in range(30))), "E304"),
    "entries of loops in loops": (nodes("- {for: k in 1..9000, name: a<k>, use: add, from: [{for: i in 1..9000, name: e<i>, from: in3}]}\n"), "E304"),
    "100,000 nodes": (nodes("".join(f"- {{for: i in 1..10000, name: n{j}_<i>, use: relu, from: in3}}\n" for j in range(10))), "E304"),
    "many cells": (HEAD.replace("busy", "busy\nextends: panet") + "passes: [repeat-cells count=1e6]\n", "E304"),
    "a long name": (nodes(f"- {{name: {'a' * 500_000}, use: {'b' * 300_000}, from: in3}}\n"), "E105"),
    "a long template": (nodes("- {for: l in lo..hi, name: " + "<l>" * 20_000 + ", use: relu, from: in3}\n"), "E105"),
    "names that are almost there": (nodes("- {for: i in 1..3000, name: abcdefgh<i>, use: relu, from: in3}\n- {for: i in 1..3000, name: z<i>, level: 3, use: relu, from: abcdefhg<i>}\n"), "E102"),
    "a thousand variants": (nodes("- {name: a, use: relu, from: in3}\n", "variants:\n" + "".join(f"  v{i}: {{channels: {i + 1}}}\n" for i in range(1000))), ""),
    "a thousand parameters": (HEAD.replace("8}", "8" + "".join(f", p{i}: p{i - 1} + 1" if i else ", p0: 1" for i in range(2000)) + "}") + "nodes: [{name: a, use: relu, from: in3}]\n" + OUTPUTS, "E304"),
}  # fmt: skip


def check(name: str, folder: Path, most: int) -> None:
    text, code = BUSY[name]
    path = folder / "busy.yaml"
    path.write_text(text, "utf-8")
    found = counted(lambda: check_spec(path.as_posix()), most)
    assert len(found) <= 130
    assert all(len(each.message) <= 1100 and len(each.hint) <= 1100 for each in found)
    assert code in {"", *(each.code for each in found)}, found[:3]


# What takes seconds even within a tenth of the limits.
LONG = {
    *("blocks that double", "blocks that double, unread", "variadic loops", "100,000 nodes"),
    *("entries of loops in loops", "a long template", "names that are almost there"),
    "a thousand variants",
}


@pytest.mark.parametrize("name", [name for name in BUSY if name not in LONG])
def test_work_is_bounded_by_the_limits(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(instantiate, "MAX_NODES", MAX_NODES // 10)
    monkeypatch.setattr(block_instance, "MAX_WORK", block_instance.MAX_WORK // 10)
    monkeypatch.setattr(expansion, "MAX_WORK", expansion.MAX_WORK // 10)
    check(name, tmp_path, MOST_CALLS // 5)


@pytest.mark.slow
@pytest.mark.parametrize("name", BUSY)
def test_the_limits_bound_the_work(name: str, tmp_path: Path) -> None:
    check(name, tmp_path, MOST_CALLS)


def test_counting_counts() -> None:
    def busy() -> list[Diagnostic]:
        def nothing() -> None: ...

        while True:
            nothing()

    with pytest.raises(TooBusyError):
        counted(busy, 1000)
