from __future__ import annotations

import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from itertools import combinations, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archgraph.compiler import arguments_from_python, compile_spec
from archgraph.errors import Location
from archgraph.expressions import parse_step
from archgraph.ir import Edge, Graph, Node, Scope, Stage
from archgraph.ir.pyramid import Fuse, Input
from archgraph.render import draw_svg, style
from archgraph.render.layout import EdgeKind

SVG = "{http://www.w3.org/2000/svg}"
Box = tuple[float, float, float, float]  # left, top, right, bottom
FIGURES: list[tuple[str, dict[str, object]]] = [
    ("bifpn", {}),
    ("bifpn", {"cells": 3, "levels": "2..9"}),
    ("bifpn", {"levels": "4..5"}),
    ("bifpn", {"levels": "3..3"}),
    ("panet", {}),
    ("fpn", {}),
    ("fpn-efficientdet", {}),
    ("efficientdet", {}),
    ("efficientdet", {"neck": "qufpn"}),
    ("retinanet", {}),
    ("resnet", {}),
]


def figure(spec: str, **parameters: object) -> str:
    return draw_svg(compile_spec(spec, arguments_from_python(parameters)).pyramid.graph)


def texts(root: ET.Element, role: str) -> list[str]:
    return [e.text or "" for e in root.iter(f"{SVG}text") if e.get("class") == role]


def groups(root: ET.Element, shape: str) -> Iterator[tuple[str, ET.Element]]:
    """Nodes (`rect`) or edges (`path`) with the first line of their tooltip."""
    for group in root.iter(f"{SVG}g"):
        title, found = group.find(f"{SVG}title"), group.find(f"{SVG}{shape}")
        if title is not None and found is not None:
            yield (title.text or "").splitlines()[0], found


def boxes(root: ET.Element) -> dict[str, Box]:
    found: dict[str, Box] = {}
    for name, rect in groups(root, "rect"):
        x, y, width, height = (float(rect.get(key, "")) for key in ("x", "y", "width", "height"))
        found[name] = (x, y, x + width, y + height)
    return found


def points(path: ET.Element) -> list[tuple[float, float]]:
    """Points along a path; a bend is taken at its corner, which is further out than the line."""
    numbers = [float(number) for number in re.findall(r"-?[\d.]+", path.get("d", ""))]
    corners = list(zip(numbers[::2], numbers[1::2], strict=True))
    return [
        (ax + (bx - ax) * i / 40, ay + (by - ay) * i / 40)
        for (ax, ay), (bx, by) in pairwise(corners)
        for i in range(41)
    ]


def is_inside(point: tuple[float, float], box: Box) -> bool:
    left, top, right, bottom = box
    return left + 0.1 < point[0] < right - 0.1 and top + 0.1 < point[1] < bottom - 0.1


@pytest.mark.parametrize(("spec", "parameters"), FIGURES, ids=str)
def test_nothing_overlaps(spec: str, parameters: dict[str, object]) -> None:
    root = ET.fromstring(figure(spec, **parameters))
    found = boxes(root)
    for a, b in combinations(found.values(), 2):
        assert a[2] < b[0] or b[2] < a[0] or a[3] < b[1] or b[3] < a[1]
    for name, path in groups(root, "path"):
        for point in points(path):
            hit = [node for node, box in found.items() if is_inside(point, box)]
            # an outline has round corners: an edge may enter the box of its own ends there
            assert all(node in re.split(r" → | = | as ", name) for node in hit), (name, hit)


@pytest.mark.parametrize(("spec", "parameters"), FIGURES, ids=str)
def test_everything_lies_on_the_page(spec: str, parameters: dict[str, object]) -> None:
    root = ET.fromstring(figure(spec, **parameters))
    width, height = float(root.get("width", "")), float(root.get("height", ""))
    background = root.find(f"{SVG}rect")
    assert background is not None and background.get("fill") == style.BACKGROUND
    for element in root.iter(f"{SVG}text"):
        x, y = float(element.get("x", "")), float(element.get("y", ""))
        assert 0 < x < width and 0 < y < height
        if element.get("class") in ("output", "title"):
            assert x + 0.6 * style.SMALL_SIZE * len(element.text or "") < width
    for left, top, right, bottom in boxes(root).values():
        assert left > 0 and top > 0 and right < width and bottom < height


def test_what_the_figure_of_bifpn_says() -> None:
    root = ET.fromstring(figure("bifpn", cells=2, in_channels=[40, 112, 320, 64, 64]))
    assert root.get("role") == "img"
    assert root.get("aria-label") == (
        "bifpn: a feature pyramid, levels P3 to P7, 5 inputs, 16 nodes, 38 edges"
    )
    assert texts(root, "title") == ["bifpn"]
    assert texts(root, "level") == ["P7", "P6", "P5", "P4", "P3"]
    assert texts(root, "cell") == ["cells.0", "cells.1"]
    assert sorted(texts(root, "output")) == ["p3", "p4", "p5", "p6", "p7"]
    assert texts(root, "name").count("td6") == 2
    small = texts(root, "small")
    assert {"1/8", "1/128", "320 ch"} <= set(small)
    assert small[-4:] == ["top-down", "bottom-up", "same level", "skip"]


def test_what_the_figure_of_efficientdet_says() -> None:
    root = ET.fromstring(figure("efficientdet"))
    assert texts(root, "level") == ["P7", "P6", "P5", "P4", "P3", "P0"]
    assert texts(root, "cell") == [
        *("extra", "pooled-levels"),
        *(line for i in range(3) for line in (f"neck.cells.{i}", "bifpn")),
        *("classes", "detection-head", "boxes", "detection-head"),
        *("backbone", "efficientnet", "variant=b0"),
    ]
    assert texts(root, "small").count("shared weights") == 2
    outputs = [f"{head}.p{level}" for level in range(3, 8) for head in ("classes", "boxes")]
    assert texts(root, "output") == outputs
    found = boxes(root)
    # the levels of the backbone stand above one another, and the image below them
    columns = [[found[name][0] for name in names] for names in (BACKBONE, CLASSES, ["image"])]
    assert all(len(set(column)) == 1 for column in columns)
    assert columns[0][0] == columns[2][0] < columns[1][0]


BACKBONE = [f"backbone.p{level}" for level in range(3, 6)]
CLASSES = [f"classes.p{level}" for level in range(3, 8)]


def test_what_enters_a_backbone_ends_at_its_box() -> None:
    root = ET.fromstring(figure("efficientdet"))
    _, _, _, bottom = boxes(root)["backbone.p3"]
    (way,) = (path for name, path in groups(root, "path") if name.startswith("image → "))
    (_, start), (_, end) = points(way)[0], points(way)[-1]
    assert start > end > bottom + style.STACK_PADDING


@pytest.mark.parametrize(("spec", "parameters"), FIGURES, ids=str)
def test_no_arrow_crosses_what_boxes_are_called(spec: str, parameters: dict[str, object]) -> None:
    root = ET.fromstring(figure(spec, **parameters))
    captions = [
        (x, y - 9, x + style.MONO_WIDTH * style.SMALL_SIZE * len(e.text or ""), y + 2)
        for e in root.iter(f"{SVG}text")
        if e.get("class") == "cell"
        for x, y in [(float(e.get("x", "")), float(e.get("y", "")))]
    ]
    for name, path in groups(root, "path"):
        for point in points(path):
            assert not any(is_inside(point, box) for box in captions), name


def test_the_tooltip_of_a_node_says_the_rest() -> None:
    titles = [e.text or "" for e in ET.fromstring(figure("bifpn")).iter(f"{SVG}title")]
    (td6,) = [text for text in titles if text.startswith("cells.0.td6\n")]
    assert "fuse: fast, 64 channels" in td6
    assert "block: act-separable-conv-norm" in td6
    assert "P6, 1/64 of the image" in td6
    assert re.search(r"panet\.yaml:\d+$", td6)
    (edge,) = [text for text in titles if text.startswith("in7 → cells.0.td6")]
    assert "resize mode=nearest" in edge


def test_the_legend_shows_what_is_there_only() -> None:
    assert texts(ET.fromstring(figure("fpn")), "small")[-4:] == [
        "top-down",
        "same level",
        "fuse",
        "use",
    ]
    assert "skip" not in texts(ET.fromstring(figure("panet")), "small")


def test_a_skip_is_dashed_and_keeps_off_the_straight_line() -> None:
    root = ET.fromstring(figure("bifpn"))
    edges = dict(groups(root, "path"))
    straight, skip = edges["in6 → cells.0.td6"], edges["in6 → cells.0.out6"]
    assert skip.get("stroke-dasharray") and not straight.get("stroke-dasharray")
    assert skip.get("stroke") == style.EDGE_COLOURS[EdgeKind.SKIP]
    row = points(straight)[0][1]
    assert min(y for _, y in points(skip)) < row - style.NODE_HEIGHT / 2


def test_an_operand_that_is_read_twice_has_two_lines() -> None:
    root = ET.fromstring(draw_svg(wild_graph("x")))
    ways = [path.get("d") for name, path in groups(root, "path") if name.startswith("x →")]
    assert len(ways) == len(set(ways)) == 2


def test_edges_end_with_a_head_at_the_outline() -> None:
    root = ET.fromstring(figure("bifpn"))
    found = boxes(root)
    tips = {name: head.get("points", "").split()[0] for name, head in groups(root, "polygon")}
    x, y = (float(part) for part in tips["in6 → cells.0.td6"].split(","))
    left, top, _, bottom = found["cells.0.td6"]
    assert left - 3 < x < left
    assert y == (top + bottom) / 2


# --- text from outside ---------------------------------------------------------------------

WILD = "<script>&\"'\x00\x1b\ud800]]>\n"


def wild_graph(name: str, title: str = "g") -> Graph:
    graph = Graph(title, Stage.PYRAMID)
    for path in ("", name):
        graph.scopes[path] = Scope(path, "x")
    place = Location(f"{name}.yaml", 3, 1)
    graph.add(Node(name, Input(3, 8), "", name, place))
    op = Fuse(3, 8, parse_step("sum"))
    graph.add(Node(f"{name}!", op, name, name, place), [Edge(name, name), Edge(name, "again")])
    graph.set_outputs({name: f"{name}!"})
    return graph


@given(st.text(min_size=1) | st.just(WILD))
def test_any_text_gives_a_document_that_parses(name: str) -> None:
    root = ET.fromstring(draw_svg(wild_graph(name), title=name))
    assert not list(root.iter(f"{SVG}script"))
    assert len(list(groups(root, "rect"))) == 2


def test_text_is_escaped_where_it_stands() -> None:
    text = draw_svg(wild_graph("a&b"), title='<script>alert("1")</script>')
    assert "<script>" not in text
    root = ET.fromstring(text)
    assert texts(root, "title") == ['<script>alert("1")</script>']
    assert (root.get("aria-label") or "").startswith('<script>alert("1")</script>: ')
    assert "a&b" in texts(root, "name")


def test_long_names_are_shortened_and_the_tooltip_has_them_in_full() -> None:
    name = "bottom_up_path_of_level_four"
    root = ET.fromstring(draw_svg(wild_graph(name), title="t" * 500))
    assert f"{name[: style.LONGEST_NAME - 1]}…" in texts(root, "name")
    assert name in dict(groups(root, "rect"))
    assert len(texts(root, "title")[0]) == 100


# --- bytes ---------------------------------------------------------------------------------


def test_a_graph_without_nodes_has_a_figure() -> None:
    root = ET.fromstring(draw_svg(Graph("empty", Stage.PYRAMID)))
    assert texts(root, "title") == ["empty"]


def test_the_same_graph_gives_the_same_bytes_in_every_process() -> None:
    code = (
        "from archgraph.compiler import compile_spec as c; from archgraph.render import draw_svg\n"
    )
    code += "import sys; sys.stdout.buffer.write(draw_svg(c('bifpn').pyramid.graph).encode())"
    found = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert found == {figure("bifpn").encode()}
    assert re.search(rb"\d\.\d\d", next(iter(found))) is None
