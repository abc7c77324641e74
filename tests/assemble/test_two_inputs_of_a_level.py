"""Two inputs of one level: what goes by level refuses them by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from archgraph.errors import PassError
from archgraph.passes import run_pass
from archgraph.passes.pyramid.repeat_cells import RepeatCells
from tests.assemble.necks import assembled
from tests.assemble.test_named_inputs import neck


def test_passes_that_go_by_level_refuse_two_inputs_of_one(tmp_path: Path) -> None:
    head = "inputs: [{name: b0, level: 3}, {name: b1, level: lo}]\n"
    model = assembled(tmp_path, neck("{name: a, level: 3, from: [b0, b1]}", "{3: a}", head))
    with pytest.raises(PassError) as caught:
        run_pass(RepeatCells(2), model)
    assert "'b0' and 'b1' share level 3" in caught.value.diagnostics[0].message
