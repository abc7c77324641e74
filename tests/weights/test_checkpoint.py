"""State dicts are found wherever training scripts put them, under whatever wrappers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from archgraph.errors import WeightsError
from archgraph.weights.checkpoint import Weights, read_weights

ONE, TWO = torch.ones(2), 2 * torch.ones(2)
STATE = {"backbone.a": ONE, "neck.b": TWO}


def read(folder: Path, content: object, *, averaged: bool = False) -> Weights:
    torch.save(content, folder / "a.pth")
    return read_weights(folder / "a.pth", averaged=averaged)


@pytest.mark.parametrize(
    "content",
    [
        STATE,
        {"state_dict": STATE, "epoch": 3, "optimizer": {"state": {}}},
        {"model": STATE},
        {"model": {"state_dict": STATE}},
        {f"module.{name}": value for name, value in STATE.items()},
        {f"model.{name}": value for name, value in STATE.items()},
        {f"module.model.{name}": value for name, value in STATE.items()},
        {f"_orig_mod.module.{name}": value for name, value in STATE.items()},
        {"anchors.boxes": torch.ones(3, 4), **{f"model.{n}": v for n, v in STATE.items()}},
        {
            "state_dict": {
                "module.anchors.boxes": ONE,
                **{f"module.model.{n}": v for n, v in STATE.items()},
            }
        },
    ],
)
def test_where_a_state_dict_is(tmp_path: Path, content: object) -> None:
    found = read(tmp_path, content)
    assert list(found.tensors) == list(STATE)
    assert all(torch.equal(found.tensors[name], STATE[name]) for name in STATE)
    assert (found.left_out, found.origin, found.notes) == ((), "", ())


def test_averaged_weights_are_taken_where_they_are_asked_for(tmp_path: Path) -> None:
    content = {"state_dict": {"a": ONE}, "state_dict_ema": {"module.a": TWO}}
    plain = read(tmp_path, content)
    assert torch.equal(plain.tensors["a"], ONE)
    assert plain.notes == (
        "took 'state_dict'; the averaged weights, 'state_dict_ema', are taken with --ema",
    )
    averaged = read(tmp_path, content, averaged=True)
    assert torch.equal(averaged.tensors["a"], TWO)
    assert averaged.notes == ("took the averaged weights, 'state_dict_ema'",)


@pytest.mark.parametrize(
    ("content", "averaged", "message"),
    [
        ([ONE], False, "holds a list, not tensors by name"),
        (ONE, False, "holds a Tensor, not tensors by name"),
        ({}, False, "holds no tensors"),
        ({"state_dict": {}}, False, "holds no tensors"),
        ({1: ONE}, False, "names a tensor 1, which is no text"),
        ({"a": ONE, "b": 3}, False, "'b' in '.*' is a int, not a tensor of floating-point"),
        ({"a": {"b": ONE}}, False, "'a' in '.*' is a dict"),
        ({"a": torch.ones(2, dtype=torch.int8)}, False, "'a' in '.*' is a tensor of int8"),
        ({"a": torch.ones(2).to_sparse()}, False, "'a' in '.*' is a sparse or quantized tensor"),
        ({"model": STATE, "epoch": 1}, True, "holds no averaged weights; it holds 'model' and"),
    ],
)
def test_what_is_no_state_dict(tmp_path: Path, content: Any, averaged: bool, message: str) -> None:
    with pytest.raises(WeightsError, match=message) as raised:
        read(tmp_path, content, averaged=averaged)
    assert raised.value.diagnostics[0].code == "E431"


def test_a_counter_may_be_whole(tmp_path: Path) -> None:
    content = {"norm.num_batches_tracked": torch.tensor(7), "norm.weight": ONE}
    assert list(read(tmp_path, content).tensors) == list(content)
