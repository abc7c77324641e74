from __future__ import annotations

import math
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archgraph.analysis import image_size_of, level_size, parse_image_size
from archgraph.errors import SpecError
from archgraph.expressions import Scalar
from archgraph.ir import Graph, Scope, Stage


def halved(side: int, times: int) -> int:
    for _ in range(times):
        side = math.ceil(side / 2)
    return side


@pytest.mark.parametrize(
    ("image", "sizes"),
    [
        # efficientdet.md 2.2: sizes of lite0 and lite2, P3 to P7
        ((320, 320), [40, 20, 10, 5, 3]),
        ((448, 448), [56, 28, 14, 7, 4]),
        ((512, 512), [64, 32, 16, 8, 4]),
    ],
)
def test_sizes_of_published_models(image: tuple[int, int], sizes: list[int]) -> None:
    assert [level_size(image, level) for level in range(3, 8)] == [(s, s) for s in sizes]


def test_height_comes_first() -> None:
    assert level_size((500, 333), 0) == (500, 333)
    assert level_size((500, 333), 3) == (63, 42)
    assert level_size((500, 333), 7) == (4, 3)


@given(st.integers(1, 10_000), st.integers(1, 10_000), st.integers(0, 40))
def test_a_level_is_its_image_halved_with_ceil(height: int, width: int, level: int) -> None:
    assert level_size((height, width), level) == (halved(height, level), halved(width, level))


@pytest.mark.parametrize(("image", "level"), [((0, 5), 1), ((5, -1), 1), ((5, 5), -1)])
def test_what_has_no_size_is_refused(image: tuple[int, int], level: int) -> None:
    with pytest.raises(ValueError, match=r"no size|finer"):
        level_size(image, level)


@pytest.mark.parametrize(
    ("value", "size"),
    [
        (512, (512, 512)),
        ("512", (512, 512)),
        ("512x640", (512, 640)),
        ("1x1", (1, 1)),
        ("999999", (999_999, 999_999)),
    ],
)
def test_an_image_size_as_people_write_it(value: int | str, size: tuple[int, int]) -> None:
    assert parse_image_size(value) == size


@pytest.mark.parametrize(
    "value",
    [
        *("", "0", "-3", "512x", "x512", "512x0", "512x640x3", "5e2", "512,640", "\u0663", "1\n"),
        *("9" * 5000, 0, -1, 1_000_000, True),
    ],
)
def test_what_is_no_image_size_is_an_error_with_a_fix(value: int | str) -> None:
    with pytest.raises(SpecError) as caught:
        parse_image_size(value)
    (found,) = caught.value.diagnostics
    assert found.code == "E121"
    assert len(found.message) < 80
    assert "512x640" in found.hint


def test_analysis_and_render_do_not_import_torch() -> None:
    code = "import archgraph.analysis, archgraph.render, sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    ("said", "size"),
    [(640, (640, 640)), (512.0, (512, 512)), (True, None), (0, None), (1e9, None), ("640", None)],
)
def test_the_image_that_a_model_is_meant_for(said: Scalar | str, size: object) -> None:
    graph = Graph("m", Stage.OPERATORS)
    assert image_size_of(graph) is None
    graph.scopes[""] = Scope("", "m", (("image_size", said),))
    assert image_size_of(graph) == size
