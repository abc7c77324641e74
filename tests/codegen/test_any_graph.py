"""Any graph prints, whatever its records say: circles, numbers, lies, limits, long names, sizes."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from types import FrameType

import pytest

from archgraph.codegen import emit
from archgraph.compiler import arguments_from_python, compile_spec
from archgraph.errors import CodegenError
from archgraph.ir import Graph
from tests.codegen.printed import class_of, formatted, graph_of, text_of


def test_scopes_that_depend_on_each_other_are_written_out() -> None:
    text = text_of(
        graph_of("""
  scope <root> = net(in3) -> (a)
  scope a = one(x) -> (q)
  scope b = two(x) -> (r)
  scope b.inner = deep(x) -> (c)
  in3 = input {level=3, channels=8}
  a.p = conv(in3) {channels=8}
  b.r = conv(a.p) {channels=8}
  b.inner.c = conv(b.r) {channels=8, kernel=3}
  a.q = conv(b.inner.c) {channels=8}
  return p3=a.q
""")
    )
    assert "b_r = self.b.r(a_p)" in text
    assert "self.b.inner(b_r)" in text


def test_numbers_inside_of_numbers_are_lists() -> None:
    text = text_of(
        graph_of("""
  scope <root> = net(in3) -> (pair)
  in3 = input {level=3, channels=8}
  tower.0.conv.0 = conv(in3) {channels=8} scope=<root>
  tower.0.conv.1 = conv(tower.0.conv.0) {channels=8} scope=<root>
  tower.1.conv.0 = conv(tower.0.conv.1) {channels=8} scope=<root>
  tower.1.act = activation(tower.1.conv.0) {function=relu} scope=<root>
  tower.1.conv.1 = conv(tower.1.act) {channels=8} scope=<root>
  pair.0.0 = conv(tower.1.conv.1) {channels=8} scope=<root>
  pair.0.1 = activation(pair.0.0) {function=relu} scope=<root>
  pair.1.0 = conv(pair.0.1) {channels=8} scope=<root>
  pair.1.1 = activation(pair.1.0) {function=relu} scope=<root>
  return p3=pair.1.1
""")
    )
    assert "self.tower = nn.Sequential(Tower0(), Tower())" in text
    assert "class Pair(nn.ModuleList):" in text


def test_records_that_lie_are_not_used() -> None:
    """Arguments and expressions are hints: what they say is printed only where it is exact."""
    body = """
  template twice {"channels": null, "kernel": "3"} {"conv.kernel": "kernel + 1"}
  scope <root> = net(in3) -> (c)
  scope a = twice(x) -> (conv) {"channels": 9, "kernel": 3}
  scope b = twice(x) -> (conv) {"channels": 12, "kernel": 5}
  in3 = input {level=3, channels=8}
  a.conv = conv(in3) {channels=10, kernel=3}
  b.conv = conv(a.conv) {channels=12, kernel=5}
  return p3=b.conv
"""
    twice = class_of(text_of(graph_of(body)), "Twice")
    assert "kernel + 1" not in twice
    assert "nn.Conv2d(in_channels, conv_channels, kernel, padding=kernel // 2)" in twice


def test_a_class_has_at_most_eight_parameters() -> None:
    lines = ["  scope <root> = net(in3) -> (b)"]
    lines += ["  in3 = input {level=3, channels=8}"]
    before = "in3"
    for name in "ab":
        lines.append(f"  scope {name} = many(x) -> (c9)")
        for i in range(10):
            width = 4 + i + (3 * i if name == "b" else 0)
            here = f"{name}.c{i}"
            lines.append(f"  {here} = conv({before}) {{channels={width}}}")
            before = here
    text = text_of(graph_of("\n".join([*lines, "  return p3=b.c9", ""])))
    names = re.findall(r"class (Many\w*)\(", text)
    assert len(names) == 2
    assert all("def __init__(self) -> None:" in class_of(text, name) for name in names)


@pytest.mark.parametrize("name", ["forward", "train", "levels", "_apply"])
def test_names_that_every_module_has_are_refused(name: str) -> None:
    graph = graph_of(f"""
  scope <root> = net(in3) -> ({name})
  in3 = input {{level=3, channels=8}}
  {name} = conv(in3) {{channels=8}}
  return p3={name}
""")
    with pytest.raises(CodegenError) as error:
        emit(graph)
    assert [found.code for found in error.value.diagnostics] == ["E412"]


def test_weights_inside_of_weights_are_refused() -> None:
    graph = graph_of("""
  scope <root> = net(in3) -> (a)
  in3 = input {level=3, channels=8}
  a = conv(in3) {channels=8}
  a.b = conv(a) {channels=8} scope=<root>
  return p3=a.b
""")
    with pytest.raises(CodegenError, match="inside of the module 'a'"):
        emit(graph)


# --- long names, many levels, many operators -----------------------------------------------


def wide(levels: int, name: str) -> Graph:
    """A top-down path over many levels whose names are long; each level has two outputs."""
    inputs = [f"{name}{i}" for i in range(levels)]
    lines = [f"  scope <root> = net({', '.join(inputs)}) -> ()"]
    lines += [f"  scope cells.0 = net-cell({', '.join(inputs)}) -> ()"]
    lines += [f"  {x} = input {{level={i}, channels=8}}" for i, x in enumerate(inputs)]
    outputs: list[str] = []
    for i in reversed(range(levels)):
        here = f"cells.0.{name}_td{i}"
        lines.append(f"  {here} = conv({inputs[i]}) {{channels=8, kernel=3}}")
        if outputs:
            lines.append(f"  {here}_up = resize({outputs[-1]}, {here})")
            lines.append(f"  {here}_sum = add({here}, {here}_up)")
            here += "_sum"
        outputs.append(here)
    shown = ", ".join(f"p{i}={value}" for i, value in enumerate(reversed(outputs)))
    return graph_of("\n".join([*lines, f"  return {shown}", ""]))


@pytest.mark.parametrize(("levels", "name"), [(15, "a_name_of_thirty_characters___"), (6, "p")])
def test_long_lines_are_those_of_the_formatter(levels: int, name: str) -> None:
    text_of(wide(levels, name))


def test_thirty_two_levels_print() -> None:
    formatted(emit(wide(31, "a_name_of_thirty_characters___")).text)


def lines_of(arguments: Mapping[str, object]) -> int:
    """How long the source of a BiFPN is."""
    graph = compile_spec("bifpn", arguments_from_python(arguments)).operators.graph
    return len(emit(graph).text.splitlines())


@pytest.mark.parametrize(
    "in_channels",
    [pytest.param([64] * 5, marks=pytest.mark.slow), [40, 112, 320, 64, 64]],
    ids=str,
)
def test_more_cells_are_no_longer_text(in_channels: list[int]) -> None:
    shape = {"channels": 64, "in_channels": in_channels}
    three = lines_of({**shape, "cells": 3})
    assert lines_of({**shape, "cells": 8}) <= 1.1 * three


@pytest.mark.slow
def test_a_hundred_cells_are_no_longer_text() -> None:
    three, many = (lines_of({"channels": 64, "cells": cells}) for cells in (3, 128))
    assert many <= 1.1 * three


def visits(graph: Graph) -> int:
    """How many functions of the printer are called, without the proof of its text."""
    count = 0
    outside = ("proof.py", "standins.py", "reference.py", "symbols.py")

    def look(frame: FrameType, event: str, _: object) -> None:
        nonlocal count
        file = frame.f_code.co_filename
        if event == "call" and "codegen" in file and not file.endswith(outside):
            count += 1

    before = sys.getprofile()
    sys.setprofile(look)
    try:
        emit(graph)
    finally:
        sys.setprofile(before)
    return count


def chain_of(count: int) -> Graph:
    """Blocks of ten operators, one after another."""
    lines = ["  scope <root> = net(in3) -> ()", "  in3 = input {level=3, channels=8}"]
    before = "in3"
    for block in range(count // 10):
        lines.append(f"  scope b{block} = block(x) -> (c9)")
        for i in range(10):
            lines.append(f"  b{block}.c{i} = conv({before}) {{channels=8}}")
            before = f"b{block}.c{i}"
    return graph_of("\n".join([*lines, f"  return p3={before}", ""]))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["blocks", "cells"])
def test_work_grows_with_the_graph(kind: str) -> None:
    if kind == "blocks":
        small, large = chain_of(300), chain_of(3000)
    else:
        arguments = {"channels": 8, "in_channels": [4, 6, 8, 8, 8]}
        small, large = (
            compile_spec("bifpn", arguments_from_python({**arguments, "cells": n})).operators.graph
            for n in (5, 50)
        )
    assert visits(large) <= 11 * visits(small)
