from __future__ import annotations

import pytest

from archgraph.analysis import cost
from archgraph.cli.cost import human
from archgraph.compiler import compile_spec
from tests.cli.support import Command


def test_the_table_ends_with_its_total_and_says_what_macs_are(archgraph: Command) -> None:
    outcome = archgraph("cost", "bifpn")
    assert outcome.code == 0
    lines = outcome.out.splitlines()
    assert lines[0] == "bifpn for an image of 512 x 512 pixels"
    assert lines[2].split() == "level size parameters MACs elementwise activations".split()
    assert [line.split()[0] for line in lines[3:9]] == ["3", "4", "5", "6", "7", "total"]
    assert "MACs: multiply-adds" in outcome.out


@pytest.mark.parametrize("by", ["section", "level", "node", "cell", "operator"])
def test_json_is_exact_and_its_rows_add_up(archgraph: Command, by: str) -> None:
    outcome = archgraph("cost", "bifpn", "--image-size", "512x640", "--by", by, "--json")
    assert (outcome.code, outcome.err) == (0, "")
    found = cost(compile_spec("bifpn").operators.graph, (512, 640))
    total = outcome.json["total"]
    assert total["macs"] == found.total.macs
    assert total["parameters"] == found.total.parameters
    assert outcome.json["image_size"] == [512, 640]
    assert outcome.json["by"] == by
    for quantity, whole in total.items():
        assert sum(row[quantity] for row in outcome.json["rows"]) == whole
    assert all(by in row for row in outcome.json["rows"])


def test_a_model_is_counted_by_section_for_its_image(archgraph: Command) -> None:
    """Multiply-adds of EfficientDet-D0's convolutions by section, as counted in effdet's."""
    outcome = archgraph("cost", "efficientdet", "--variant", "d0", "--json")
    assert (outcome.json["by"], outcome.json["image_size"]) == ("section", [512, 512])
    macs = {row["section"]: round(row["macs"] / 1e9, 3) for row in outcome.json["rows"]}
    assert macs.pop("extra") + macs.pop("neck") == pytest.approx(0.136)
    assert macs == {"backbone": 1.901, "classes": 0.362, "boxes": 0.092}
    assert archgraph("cost", "efficientdet", "--variant", "d1", "--json").json["image_size"] == [
        640,
        640,
    ]


def test_nodes_and_cells_of_a_model_are_those_of_its_topologies(archgraph: Command) -> None:
    nodes = archgraph("cost", "efficientdet", "--by", "node", "--json").json["rows"]
    names = [row["node"] for row in nodes]
    assert names[:4] == ["backbone", "extra.p6", "extra.p7", "neck.cells.0.td6"]
    assert names[-2:] == ["classes", "boxes"]
    cells = archgraph("cost", "efficientdet", "--by", "cell", "--json").json["rows"]
    assert [row["cell"] for row in cells] == ["", *(f"neck.cells.{i}" for i in range(3))]


def test_what_stands_in_no_cell(archgraph: Command) -> None:
    lines = archgraph("cost", "panet", "--by", "cell").out.splitlines()
    assert lines[3].startswith("(in no cell) ")


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0"),
        (999, "999"),
        (1000, "1.00K"),
        (9994, "9.99K"),
        (9995, "10.0K"),
        (99_949, "99.9K"),
        (99_950, "100K"),
        (999_499, "999K"),
        (999_500, "1.00M"),
        (95_330_304, "95.3M"),
        (7 * 10**9, "7.00G"),
        (12 * 10**15, "12000T"),
    ],
)
def test_three_digits_and_a_unit(number: int, text: str) -> None:
    assert human(number) == text
