"""Two inputs of one level, and what is no fusion: both are refused by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from archgraph.errors import PassError
from archgraph.passes import run_pass
from archgraph.passes.pyramid.repeat_cells import RepeatCells
from tests.assemble.necks import assembled
from tests.assemble.test_named_inputs import neck
from tests.spec.written import mistakes, told


def test_passes_that_go_by_level_refuse_two_inputs_of_one(tmp_path: Path) -> None:
    head = "inputs: [{name: b0, level: 3}, {name: b1, level: lo}]\n"
    model = assembled(tmp_path, neck("{name: a, level: 3, from: [b0, b1]}", "{3: a}", head))
    with pytest.raises(PassError) as caught:
        run_pass(RepeatCells(2), model)
    assert "'b0' and 'b1' share level 3" in caught.value.diagnostics[0].message


@pytest.mark.parametrize(
    ("fuse", "expected"),
    [
        ("gate", "E116 7:49 'gate' is no fusion: it does not take any number of inputs"),
        ("conv-norm", "E116 7:49 'conv-norm' is no fusion"),
        ("relu", "E109 7:49 there is no fusion 'relu'"),
        ("wides", "E109 7:49 there is no fusion 'wides'"),
        ("widest a=1", "E112 7:56 'widest' has no argument 'a'"),
    ],
)
def test_what_is_no_fusion(fuse: str, expected: str, tmp_path: Path) -> None:
    nodes = f"{{name: a, level: 4, from: [in4, in5], fuse: {fuse}}}"
    found = told(mistakes(tmp_path, neck(nodes, "{4: a}")))
    errors = [line for line in found if line.startswith("E")]
    assert len(errors) == 1 and errors[0].startswith(expected), found
