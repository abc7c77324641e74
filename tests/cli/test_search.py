"""`--search` and `--variant`, which every command that takes a spec has."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.support import GOOD, Command


@pytest.fixture
def neck(folder: Path) -> str:
    """A spec whose block stands in the folder `shared/blocks`, with a variant `small`."""
    (folder / "shared" / "blocks").mkdir(parents=True)
    block = "block: own\nnodes:\n  - {name: conv, use: conv channels=x.channels}\n"
    (folder / "shared" / "blocks" / "own.yaml").write_text(block)
    text = GOOD.replace("block: none", "block: [own, norm]")
    (folder / "neck.yaml").write_text(f"{text}variants: {{small: {{channels: 4}}}}\n")
    return "neck.yaml"


@pytest.mark.parametrize("command", ["check", "show", "draw", "emit", "passes", "cost"])
def test_every_command_has_them(command: str, neck: str, archgraph: Command) -> None:
    assert archgraph(command, neck, "--variant", "small").code == 1
    assert archgraph(command, neck, "--search", "shared", "--variant", "small").code == 0
    assert archgraph(command, neck, "--search", ".", "--search", "shared").code == 0
    missing = archgraph(command, neck, "--search", "nowhere")
    assert missing.code == 3 and "'nowhere' is no folder" in missing.out + missing.err
    unknown = archgraph(command, neck, "--search", "shared", "--variant", "smal")
    assert unknown.code == 1 and "did you mean 'small'?" in unknown.out + unknown.err


def test_the_variant_is_what_is_shown(neck: str, archgraph: Command) -> None:
    told = archgraph("show", neck, "--search", "shared", "--variant", "small")
    assert "in3 = input {level=3, channels=4}" in told.out
    # what is set counts before it
    told = archgraph(
        "show", neck, "--search", "shared", "--variant", "small", "--set", "channels=6"
    )
    assert "in3 = input {level=3, channels=6}" in told.out


def test_a_map_may_be_set(neck: str, archgraph: Command) -> None:
    outcome = archgraph(
        "show", neck, "--search", "shared", "--set", "in_channels={3: 1, 4: 2, 5: 3}"
    )
    assert outcome.code == 1  # nothing projects them
    assert "channels differ" in outcome.err


def test_show_says_where_everything_was_found(neck: str, archgraph: Command) -> None:
    told = archgraph("show", neck, "--search", "shared").err
    assert "# topology neck: neck.yaml:1\n" in told
    assert "# block own: shared/blocks/own.yaml:1 (search path shared)\n" in told
