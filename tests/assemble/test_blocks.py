"""Blocks as templates: what is checked before they are used, and who is blamed after."""

from __future__ import annotations

from pathlib import Path

import pytest

from archgraph.compiler import check_spec
from tests.assemble.necks import neck
from tests.spec.written import DEFAULTS, HEAD, mistakes, told


def block(folder: Path, text: str) -> list[str]:
    path = folder / "mine.yaml"
    path.write_text(f"block: mine\n{text}", "utf-8")
    return told(check_spec(path.as_posix()))


def test_a_block_alone_is_checked_as_a_template(tmp_path: Path) -> None:
    assert (
        block(
            tmp_path,
            "parameters: {channels: required, act: {step: relu}, deep: false, wide: 2 * channels}\n"
            "let: {half: wide // 2, f(c): c + half}\n"
            "nodes:\n"
            "  - {name: conv, use: conv-norm channels=f(x.channels)}\n"
            "  - {name: act, when: deep and half > 3, use: <act>}\n"
            "  - {name: sum, use: add, from: [x, act else conv, maybe act]}\n"
            "outputs: act else sum\n",
        )
        == []
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("nodes: [{name: a, use: conv chanels=3}]", "E112 2:29 'conv' has no argument 'chanels'"),
        ("nodes: [{name: a, use: conv channels=w}]", "E302 2:38 unknown name 'w'"),
        ("nodes: [{name: a, use: conv}]", "E111 2:24 'conv' needs 'channels'"),
        ("nodes: [{name: a, use: conv-norm}]", "E111 2:24 'conv-norm' needs 'channels'"),
        ("nodes: [{name: a, use: relu, when: w > 1}]", "E302 2:36 unknown name 'w' in 'w > 1'"),
        ("let: {a: b, b: 1}\nnodes: [{name: a, use: relu}]", "E302 2:10 unknown name 'b'"),
        (
            "let: {a: 1 +}\nnodes: [{name: a, use: conv channels=a}]",
            "E301 2:10 '1 +' is not an expression",
        ),
        ("parameters: {a: b, b: 1}\nnodes: [{name: a, use: relu}]", "E302 2:17 unknown name 'b'"),
        ("nodes: [{name: a, use: none}]", "E106 2:24 node 'a' uses nothing"),
        (
            "nodes: [{name: a, use: resize mode=neer}]",
            "E113 2:36 'mode' of 'resize' is neer; expected one of nearest, bilinear",
        ),
        (
            "nodes: [{name: a, use: relu, from: b}]",
            "E102 2:36 node 'a' reads 'b', which does not exist before it",
        ),
        (
            "nodes: [{name: a, use: relu, from: [x or b]}]",
            "E308 2:37 'x or b' is not an entry of 'from'",
        ),
        (
            "nodes: [{name: a, use: relu}]\noutputs: b",
            "E102 3:10 this block gives 'b', which does not exist",
        ),
        (
            "nodes: [{name: a, use: [relu, conv kernel=3 channel=4]}]",
            "E112 2:45 'conv' has no argument 'channel'",
        ),
        ("nodes: [{name: a, use: panet}]", "E116 2:24 'panet' is a topology, not a block"),
        ("nodes: [{name: a, use: mine}]", "E110 2:24 'use' goes in a circle: mine -> mine"),
        (
            "settings: {act: mine}\nnodes: [{name: a, use: act}]",
            "E110 2:17 'act' goes in a circle: 'mine' uses 'act' or 'norm' itself",
        ),
    ],
)
def test_mistakes_in_a_block(text: str, expected: str, tmp_path: Path) -> None:
    assert block(tmp_path, text + "\n") == [expected]


def test_a_block_in_the_library_that_fails_is_blamed_on_its_use(tmp_path: Path) -> None:
    for given in ("kernel=4", "kernel=0", "channels=2.5"):
        found = mistakes(tmp_path, neck(block=f"conv-norm {given}"))
        assert found
        for diagnostic in found:
            assert diagnostic.location and diagnostic.location.file.endswith("neck.yaml")
            assert "in block 'conv-norm' (specs/blocks/convolutions.yaml:" in diagnostic.message


def test_blocks_in_blocks_are_bounded(tmp_path: Path) -> None:
    chain = "".join(
        f"---\nblock: b{i}\nnodes: [{{name: a, use: b{i - 1}}}]\n" for i in range(1, 99)
    )
    text = "---\nblock: b0\nnodes: [{name: a, use: relu}]\n" + chain
    assert mistakes(tmp_path, neck(block="b50", more=text[: text.index("block: b60") - 4])) == []
    path = tmp_path / "neck.yaml"
    path.write_text(neck(block="b98", more=text))
    assert {d.code for d in check_spec(f"{path}#neck")} == {"E110"}
    # also where each of them is known already when the next one uses it
    nodes = "".join(f"  - {{name: n{i}, use: b{i}, from: in3}}\n" for i in range(99))
    path.write_text(f"{HEAD}{DEFAULTS}nodes:\n{nodes}outputs: {{3: n9}}\n{text}")
    assert {d.code for d in check_spec(f"{path}#neck") if d.code.startswith("E")} == {"E110"}


def test_every_mistake_in_a_library_file_is_found_through_its_user(tmp_path: Path) -> None:
    more = "---\nblock: mine\nnodes:\n  - {name: a, use: convv}\n  - {name: a, use: silo}\n"
    found = mistakes(tmp_path, neck(block="mine", more=more))
    assert [d.code for d in found] == ["E109", "E104", "E109"]
