"""`archgraph variants` and `archgraph cost --variants`: families beside what was published."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.cli.support import GOOD, Command

FAMILY = """\
model: family
parameters: {scale: 1, same: 7, backbone: {step: stem width=<scale>}}
let: {image_size: 32 * scale, width: 8 + 4 * scale, half(n): n / 2}
variants:
  small: {doc: As published.}
  wide: {scale: 2, width: 20}
  odd: {scale: 3, image_size: 64, backbone: stem width=5, settings: {act: silu, bias: true}}
nodes:
  - {name: backbone, use: <backbone>}
  - {name: head, use: conv channels=width, share: levels}
outputs: head
---
backbone: stem
parameters: {width: 1}
nodes:
  - {name: a, use: conv-norm-act channels=8*width kernel=3 stride=2}
  - {name: b, use: conv-norm-act channels=8*width kernel=3 stride=2}
outputs: {1: a, 2: b}
"""


@pytest.fixture
def spec(folder: Path) -> str:
    (folder / "family.yaml").write_text(FAMILY, "utf-8")
    return "family.yaml"


def rows(out: str) -> dict[str, list[str]]:
    """The cells of a table by the first of each line; cells are two blanks apart at least."""
    lines = [line for line in out.splitlines() if line]
    return {line.split("  ")[0]: [cell.strip() for cell in line.split("  ") if cell.strip()][1:]
            for line in lines}  # fmt: skip


def test_what_formulas_give_and_what_rows_say(archgraph: Command, spec: str) -> None:
    outcome = archgraph("variants", spec)
    assert (outcome.code, outcome.err) == (0, "")
    found = rows(outcome.out)
    assert found["variant"] == ["scale", "backbone", "image_size", "width", "settings"]
    assert found["small"] == ["1", "stem width=1", "32", "12"]
    assert found["wide"] == ["2", "stem width=2", "64", "16 -> 20"]
    assert found["odd"] == [
        "3", "stem width=3 -> width=5", "96 -> 64", "20", "act: silu, bias: true"
    ]  # fmt: skip
    assert "the row of the variant says 7 and wins" in outcome.out


def test_what_is_set_from_outside_counts_first(archgraph: Command, spec: str) -> None:
    found = rows(archgraph("variants", spec, "--set", "scale=4", "--set", "settings.act=relu").out)
    assert found["variant"] == ["backbone", "image_size", "width", "settings"]
    assert found["wide"] == ["stem width=4", "128", "24 -> 20"]
    wrong = archgraph("variants", spec, "--set", "scael=4")
    assert (wrong.code, wrong.out) == (1, "")
    assert "did you mean 'scale'?" in wrong.err


def test_variants_as_data(archgraph: Command, spec: str) -> None:
    small, wide, odd = archgraph("variants", spec, "--json").json["variants"]
    assert (small["variant"], small["doc"], small["settings"]) == ("small", "As published.", {})
    assert odd["settings"] == {"act": "silu", "bias": True}
    assert wide["values"]["width"] == {
        "value": 20, "given": 16, "said": True, "formula": True, "departs": True
    }  # fmt: skip
    assert wide["values"]["scale"] == {
        "value": 2, "given": 1, "said": True, "formula": False, "departs": False
    }  # fmt: skip


def test_published_deviations_of_efficientdet(archgraph: Command) -> None:
    """The paper's formulas, and where the released models leave them (efficientdet, table 1)."""
    members: list[dict[str, Any]] = archgraph("variants", "efficientdet", "--json").json["variants"]
    departs = {
        (member["variant"], name): (choice["given"], choice["value"])
        for member in members
        for name, choice in member["values"].items()
        if choice["departs"] and not member["variant"].startswith(("lite", "nano"))
    }
    assert departs == {
        ("d2", "width"): (120, 112),
        ("d4", "width"): (216, 224),
        ("d5", "image_size"): (1152, 1280),
        ("d5", "cells"): (8, 7),
        ("d6", "cells"): (9, 8),
        ("d7", "backbone"): ("efficientnet variant=b7", "efficientnet variant=b6"),
        ("d7", "image_size"): (1408, 1536),
        ("d7", "width"): (520, 384),
        ("d7", "cells"): (10, 8),
        ("d7", "anchor_scale"): (4, 5),
        ("d7x", "image_size"): (1408, 1536),
        ("d7x", "width"): (520, 384),
        ("d7x", "cells"): (10, 8),
        ("d7x", "top"): (7, 8),
    }


def test_a_template_says_what_it_can(archgraph: Command, folder: Path) -> None:
    text = "block: b\nlet: {half: x.channels / 2, two: 2}\nvariants: {a: {two: 3}}\n"
    (folder / "b.yaml").write_text(text + "nodes: [{name: a, use: relu}]\n", "utf-8")
    outcome = archgraph("variants", "b.yaml")
    assert (outcome.code, rows(outcome.out)["a"]) == (0, ["2 -> 3"])


def test_no_variants(archgraph: Command) -> None:
    assert archgraph("variants", "bifpn").out == "bifpn has no variants\n"
    assert archgraph("variants", "bifpn", "--json").json == {"name": "bifpn", "variants": []}
    outcome = archgraph("cost", "bifpn", "--variants", "all")
    assert (outcome.code, outcome.out) == (1, "")
    assert "error[E109]: 'bifpn' has no variants" in outcome.err


def test_costs_by_variant(archgraph: Command, spec: str) -> None:
    outcome = archgraph("cost", spec, "--variants", "all")
    assert (outcome.code, outcome.err) == (0, "")
    found = rows(outcome.out)
    assert found["variant"][0] == "image"
    assert found["variant"][-1] == "doc"
    assert found["small"][0] == "32 x 32"
    assert found["small"][-1] == "As published."
    # 3x3 convolutions of 3 -> 8 -> 8 channels at half and at a quarter; heads of 12 on both
    macs = 16 * 16 * (27 * 8 + 8 * 12) + 8 * 8 * (72 * 8 + 8 * 12)
    (row,) = archgraph("cost", spec, "--variants", "small", "--json").json["variants"]
    assert (row["macs"], row["image_size"], row["doc"]) == (macs, [32, 32], "As published.")


def test_an_image_size_for_all(archgraph: Command, spec: str) -> None:
    arguments = ("cost", spec, "--variants", "odd,wide", "--image-size", "16x24", "--json")
    found = archgraph(*arguments).json["variants"]
    assert [(row["variant"], row["image_size"]) for row in found] == [
        ("odd", [16, 24]), ("wide", [16, 24])
    ]  # fmt: skip


def test_wrong_variants(archgraph: Command, spec: str) -> None:
    outcome = archgraph("cost", spec, "--variants", "small,wid")
    assert (outcome.code, outcome.out) == (1, "")
    assert "'family' has no variant 'wid'" in outcome.err
    for more in (["--variant", "small"], ["--by", "node"]):
        assert archgraph("cost", spec, "--variants", "all", *more).code == 2


def test_warnings_come_once(archgraph: Command, folder: Path) -> None:
    text = GOOD.replace("outputs:", "  - {name: lost, level: 3, from: [in3]}\noutputs:")
    (folder / "odd.yaml").write_text(text + "variants: {a: {}, b: {channels: 4}}\n", "utf-8")
    assert archgraph("cost", "odd.yaml", "--variants", "all").err.count("W501") == 1
