"""Charts: proper XML for any text and any number, numbers where their axis says."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archgraph.train.axes import MOST_POINTS
from archgraph.train.curves import bar_chart, heat_map, histogram, line_chart, spread_chart

HOSTILE = """<script>&"'</svg>\x00\x1b ]]>"""
SVG = "{http://www.w3.org/2000/svg}"
NUMBERS = st.floats(-1e12, 1e12) | st.sampled_from([math.nan, math.inf, -math.inf, 1e-9, 0.0])


def parsed(svg: str) -> ElementTree.Element:
    root = ElementTree.fromstring(svg)
    width, height = float(root.attrib["width"]), float(root.attrib["height"])
    assert root.attrib["viewBox"] == f"0 0 {width:g} {height:g}"
    assert not [e.tag for e in root.iter() if e.tag.removeprefix(SVG) in ("script", "image")]
    assert "nan" not in (drawn := svg.split("</style>")[1]).lower().replace("&#", "")
    assert "inf" not in re.sub(r"<t(itle|ext).*?</t\1>", "", drawn)
    return root


def texts(root: ElementTree.Element) -> list[str]:
    return [e.text or "" for e in root.iter(f"{SVG}text")]


def lines(root: ElementTree.Element) -> list[list[tuple[float, float]]]:
    """The points of every line, legends left out."""
    paths = [e.attrib["d"] for e in root.iter(f"{SVG}path") if "line" in e.get("class", "")]
    drawn = [path[1:].split("L") for path in paths if "h" not in path]
    return [[(float(x), float(y)) for x, y in map(str.split, path)] for path in drawn]


@pytest.mark.parametrize(
    "svg",
    [
        line_chart({HOSTILE: [(0, 1), (1, 2)], "b": []}, HOSTILE, HOSTILE),
        bar_chart({HOSTILE: 1.0}, HOSTILE),
        histogram([0, 1], [2], HOSTILE, HOSTILE),
        heat_map([[1]], [HOSTILE], x_label=HOSTILE, y_label=HOSTILE),
    ],
    ids=["line", "bar", "histogram", "heat"],
)
def test_hostile_texts_are_escaped(svg: str) -> None:
    assert any("<script>" in "".join(e.itertext()) for e in parsed(svg).iter())


@given(
    st.dictionaries(st.text(max_size=30), st.lists(st.tuples(NUMBERS, NUMBERS), max_size=6)),
    st.text(max_size=5),
)
def test_any_numbers_make_a_line_chart(
    series: Mapping[str, Sequence[tuple[float, float]]], label: str
) -> None:
    parsed(line_chart(series, "x", label.replace("nan", "")))


@given(st.lists(st.floats(-1e6, 1e300), max_size=5))
def test_any_numbers_make_bars(values: Sequence[float]) -> None:
    parsed(bar_chart({f"bar {i}": v for i, v in enumerate(values)}, "values"))
    parsed(histogram(list(range(len(values) + 1)), values, "x", "y"))


def test_points_stand_where_the_axis_says() -> None:
    root = parsed(line_chart({"a": [(0, 0), (0.5, 1), (1, 0.25)]}, "recall", "precision"))
    ((first, middle, last),) = lines(root)
    assert first[0] < middle[0] < last[0]
    assert middle[0] == pytest.approx((first[0] + last[0]) / 2, abs=0.1)
    assert last[1] == pytest.approx(first[1] + (middle[1] - first[1]) / 4, abs=0.1)
    assert middle[1] < last[1] < first[1]  # up is less
    marks = {
        e.text: float(e.attrib["y"]) - 4
        for e in root.iter(f"{SVG}text")
        if e.get("text-anchor") == "end"
    }
    assert marks["0.0"] == pytest.approx(first[1], abs=0.2)
    assert marks["1.0"] == pytest.approx(middle[1], abs=0.2)


def test_marks_are_round_numbers() -> None:
    words = texts(parsed(line_chart({"a": [(0, 0.013), (47, 0.087)]}, "epoch", "loss")))
    assert {"0", "10", "20", "30", "40"} <= set(words)
    assert {"0.00", "0.02", "0.04", "0.06", "0.08", "0.10"} <= set(words)
    words = texts(parsed(line_chart({"a": [(0, 1e-5), (20000, 1e-5)]}, "step", "rate")))
    assert {"0", "5,000", "10,000", "1.00e-05"} <= set(words) | {"1.00e-05"}


def test_a_line_is_broken_where_there_is_no_number() -> None:
    points = [(0.0, 1.0), (1.0, 2.0), (2.0, math.nan), (3.0, 1.0), (4.0, 2.0), (5.0, math.inf)]
    root = parsed(line_chart({"a": [*points, (6.0, 1.0)]}, "x", "y"))
    assert [len(line) for line in lines(root)] == [2, 2]
    assert len(list(root.iter(f"{SVG}circle"))) == 1


def test_one_line_needs_no_legend_and_several_have_one() -> None:
    assert "alone" not in texts(parsed(line_chart({"alone": [(0, 1), (1, 1)]}, "x", "y")))
    names = [f"class {i}" for i in range(30)]
    root = parsed(line_chart({name: [(0, 1), (1, 1)] for name in names}, "x", "y"))
    assert set(names) <= set(texts(root))
    styles = {
        (e.attrib["class"], e.get("stroke-dasharray"))
        for e in root.iter(f"{SVG}path")
        if "line" in e.get("class", "")
    }
    assert len(styles) == len(names)  # every line looks different


def test_a_long_line_keeps_its_extremes() -> None:
    points = [(float(i), math.sin(i / 3000)) for i in range(100_000)]
    points[77_777] = (77_777.0, 9.0)
    (drawn,) = lines(parsed(line_chart({"a": points}, "x", "y")))
    assert len(drawn) <= MOST_POINTS + 2
    assert [x for x, _ in drawn] == sorted(x for x, _ in drawn)
    assert sum(y == min(y for _, y in drawn) for _, y in drawn) == 1


def test_bars_are_as_long_as_their_numbers() -> None:
    root = parsed(bar_chart({"a": 10, "b": 5, "none": math.nan}, "objects"))
    widths = [float(e.attrib["width"]) for e in root.iter(f"{SVG}rect")]
    assert widths[0] == pytest.approx(2 * widths[1], abs=0.2) and widths[2] == 0
    assert {"a", "10", "b", "5", "–"} <= set(texts(root))


def test_a_histogram_needs_one_more_edge_than_bars() -> None:
    root = parsed(histogram([0, 1, 3], [4, 2], "x", "y"))
    first, second = [
        (float(e.attrib["width"]), float(e.attrib["height"])) for e in root.iter(f"{SVG}rect")
    ]
    assert second[0] + 1 == pytest.approx(2 * (first[0] + 1), abs=0.3)
    assert first[1] == pytest.approx(2 * second[1], abs=0.2)
    with pytest.raises(ValueError, match="2 bars have 3 edges, not 2"):
        histogram([0, 1], [4, 2], "x", "y")


def test_cells_of_a_heat_map_are_as_dark_as_their_share() -> None:
    root = parsed(heat_map([[3, 1], [0, 0]], ["cat", "dog"]))
    cells = {
        e.findtext(f"{SVG}title"): float(e.attrib["fill-opacity"]) for e in root.iter(f"{SVG}rect")
    }
    assert cells == {
        "true cat, predicted cat: 3": pytest.approx(0.06 + 0.94 * 0.75, abs=0.01),
        "true cat, predicted dog: 1": pytest.approx(0.06 + 0.94 * 0.25, abs=0.01),
    }
    assert {"cat", "dog", "3", "1"} <= set(texts(root))
    assert "3" not in texts(parsed(heat_map([[3] * 90] * 90, ["c"] * 90)))


def test_an_empty_heat_map_is_still_one() -> None:
    parsed(heat_map([], []))
    parsed(bar_chart({}, "objects"))
    parsed(line_chart({}, "x", "y"))


def test_spread_of_values() -> None:
    svg = spread_chart({"one": [0.1, 0.3], "other": [0.2]}, "AP")
    ElementTree.fromstring(svg)
    assert "0.200 ± 0.141" in svg and "0.200 ± 0.000" in svg
    assert svg.count("<circle") == 3
