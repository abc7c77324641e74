"""A comparison says everything that is wrong, and says it short."""

from __future__ import annotations

import pytest

from archgraph.weights.match import changed_predictor, match, report
from archgraph.weights.tensors import grouped

WANTED = {
    "stem.weight": (8, 3),
    "stem.norm.weight": (8,),
    "stem.norm.num_batches_tracked": (),
    "head.0.weight": (4, 8),
    "head.0.bias": (4,),
    "head.1.weight": (2, 4),
}


def test_equal_shapes_match() -> None:
    assert match(WANTED, WANTED).is_complete
    fewer = {name: shape for name, shape in WANTED.items() if "num_batches" not in name}
    assert match(WANTED, fewer).is_complete


def test_groups_are_the_largest_modules() -> None:
    every = list(WANTED)
    assert grouped(["head.0.bias", "head.0.weight"], every) == [("head.0", 2)]
    assert grouped(["head.0.bias", "head.1.weight"], every) == [("head.0.bias", 1), ("head.1", 1)]
    assert grouped(every, every) == [("stem", 3), ("head", 3)]
    assert grouped([], every) == []


def test_everything_that_is_wrong_is_found() -> None:
    given = {"stem.weight": (16, 3), "stem.norm.weight": (8,), "tail.a": (1,), "tail.b": (1,)}
    found = match(WANTED, given)
    assert found.missing == [("head", 3)]
    assert found.extra == [("tail", 2)]
    assert found.misshapen == [("stem.weight", (16, 3), (8, 3))]
    assert not found.is_complete
    assert str(report(found, "x.pth", "net d0", "'net' 'd1'")) == (
        "error[E432]: 'x.pth' does not fit net d0: 1 tensor is of another shape: "
        "stem.weight is [16, 3], not [8, 3]\n"
        "error[E432]: 'x.pth' does not fit net d0: 2 tensors are too many: tail (2)\n"
        "error[E432]: 'x.pth' does not fit net d0: 3 tensors are missing: head (3)\n"
        "  help: the file was made for 'net' 'd1': model, variant and --set; "
        "nothing was loaded or written"
    )


def test_a_long_report_is_cut() -> None:
    wanted = {f"m{i}.a": (1,) for i in range(2000)}
    wanted |= {f"m{i}.b": (1,) for i in range(2000)}
    text = str(report(match(wanted, dict.fromkeys(list(wanted)[:2000], (2,))), "x", "y"))
    assert "2,000 tensors are missing: m0.b; m1.b; m2.b; m3.b; m4.b; m5.b; and 1,994 more" in text
    assert "m5.a is [2], not [1]; and 1,994 more" in text
    assert len(text) < 1200


def test_modules_that_may_be_missing() -> None:
    given = {name: shape for name, shape in WANTED.items() if not name.startswith("head.0")}
    assert match(WANTED, given, ["head.0"]).is_complete
    assert match(WANTED, given, ["head"]).is_complete
    assert match(WANTED, given, ["hea"]).missing == [("head.0", 2)]


@pytest.mark.parametrize(
    ("changes", "changed"),
    [
        ({"head.0.weight": (9, 8), "head.0.bias": (9,)}, True),
        ({"head.0.weight": (9, 8)}, True),
        ({"head.0.weight": (9, 7), "head.0.bias": (9,)}, False),
        ({"head.0.weight": (9, 8), "head.1.weight": (2, 5)}, False),
        ({"head.0.weight": (9, 8), "more": (1,)}, False),
        ({}, False),
    ],
)
def test_another_number_of_classes(changes: dict[str, tuple[int, ...]], changed: bool) -> None:
    assert changed_predictor(match(WANTED, {**WANTED, **changes}), "head.0") is changed


def test_another_number_of_classes_is_no_excuse_for_what_is_missing() -> None:
    given = {"head.0.weight": (9, 8), "head.0.bias": (9,)}
    assert not changed_predictor(match(WANTED, given), "head.0")
