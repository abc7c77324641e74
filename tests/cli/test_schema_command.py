from __future__ import annotations

import json
from pathlib import Path

from jsonschema import Draft202012Validator

from tests.cli.support import Command


def test_a_file_and_standard_output_are_the_same(archgraph: Command, folder: Path) -> None:
    printed = archgraph("schema")
    assert (printed.code, printed.err) == (0, "")
    Draft202012Validator.check_schema(printed.json)
    outcome = archgraph("schema", "-o", "archgraph.schema.json")
    assert (outcome.code, outcome.out) == (0, "")
    assert json.loads((folder / "archgraph.schema.json").read_text("utf-8")) == printed.json


def test_it_offers_the_names_of_the_library(archgraph: Command) -> None:
    definitions = archgraph("schema").json["$defs"]
    fuse = definitions["NodeModel"]["properties"]["fuse"]["examples"]
    assert "fast" in fuse
    use = definitions["BlockNodeModel"]["properties"]["use"]["examples"]
    assert {"conv", "conv-norm", "silu", "act"} <= set(use)
    passes = definitions["TopologyDocument"]["properties"]["passes"]["items"]["anyOf"][0][
        "examples"
    ]
    assert "repeat-cells" in passes
    assert "lower" not in passes


def test_another_suffix(archgraph: Command) -> None:
    outcome = archgraph("schema", "-o", "schema.yaml")
    assert (outcome.code, outcome.out) == (2, "")
    assert "ends in .json" in outcome.err
