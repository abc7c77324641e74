"""What users of other model languages get wrong, and what comes of it here.

Each test is a mistake that was made in the YAML of Ultralytics, where five of these build another
network without a word and most others end in an exception of torch. It is transcribed to this
language: either it cannot be written, and the nearest thing is looked at, or it is reported with
its line.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from archgraph.compiler import Compilation, compile_spec
from archgraph.errors import Diagnostic, Severity, SpecError
from archgraph.ir import print_graph
from archgraph.ir.ops import Conv
from tests.spec.written import mistakes, pointed

# A neck of the YOLO kind: a way down and a way up over concatenated maps.
YOLO = """\
topology: yolo
parameters: {levels: {levels: 3..5}, channels: 16}
variants: {n: {channels: 16}, s: {channels: 32}}
defaults:
  node: {fuse: concat, block: c2f channels=channels}
  edge: {up: resize mode=nearest, down: conv-norm-act kernel=3 stride=2}
nodes:
  - {name: t4, level: 4, from: [in5, in4]}
  - {name: t3, level: 3, from: [t4, in3]}
  - {name: o4, level: 4, from: [t3, t4]}
  - {name: o5, level: 5, from: [o4, in5]}
outputs: {3: t3, 4: o4, 5: o5}
"""


def changed(before: str, after: str) -> str:
    """The neck with one part written differently."""
    assert YOLO.count(before) == 1
    return YOLO.replace(before, after)


def after(node: str, line: str) -> str:
    """The neck with one more node, right after another."""
    row = next(row for row in YOLO.splitlines() if f"name: {node}," in row)
    return changed(row, f"{row}\n  - {line}")


def compiled(folder: Path, text: str, variant: str = "") -> Compilation:
    path = folder / "yolo.yaml"
    path.write_text(text, "utf-8")
    return compile_spec(path.as_posix(), variant=variant)


def only(folder: Path, text: str) -> Diagnostic:
    """The one thing that is said of a spec, which must have a place."""
    (found,) = mistakes(folder, text)
    assert found.location is not None and found.location.file.endswith("neck.yaml")
    return found


def line_of(found: Diagnostic) -> str:
    """The line that a diagnostic shows."""
    assert found.location is not None
    return found.location.text.strip()


def wiring(compilation: Compilation) -> dict[str, tuple[str, ...]]:
    graph = compilation.pyramid.graph
    return {node.name: tuple(edge.source for edge in graph.inputs(node.name)) for node in graph}


def test_the_neck_is_right(tmp_path: Path) -> None:
    assert mistakes(tmp_path, YOLO) == []


def test_insert_one_conv_row_without_renumbering(tmp_path: Path) -> None:
    """There: builds silently, and every later index points one row too early.

    Nodes are read by name, so a new one changes nothing else; that nobody reads it is said.
    """
    text = after("t4", "{name: extra, use: conv channels=channels, from: t4}")
    before, now = wiring(compiled(tmp_path, YOLO)), wiring(compiled(tmp_path, text))
    assert now.pop("extra") == ("t4",)
    assert now == before
    found = only(tmp_path, text)
    assert (found.code, pointed(found)) == ("W501", "extra")


def test_detect_on_layers_of_wrong_strides(tmp_path: Path) -> None:
    """There: builds silently with strides 16, 16, 32. Here outputs stand under their levels."""
    found = only(tmp_path, changed("{3: t3, 4: o4, 5: o5}", "{3: t4, 4: o4, 5: o5}"))
    assert found.code == "E115"
    assert found.message == "the output of level 3 is 't4', which is at level 4"
    assert pointed(found) == "t4" and found.hint == "at level 3: in3, t3"


def test_detect_order_reversed(tmp_path: Path) -> None:
    """There: builds silently with strides 32, 16, 8. Here outputs are sorted by level."""
    reversed_ = compiled(tmp_path, changed("{3: t3, 4: o4, 5: o5}", "{5: o5, 4: o4, 3: t3}"))
    assert list(reversed_.pyramid.graph.outputs.items()) == [
        ("p3", "t3"),
        ("p4", "o4"),
        ("p5", "o5"),
    ]
    assert print_graph(reversed_.pyramid.graph) == print_graph(
        compiled(tmp_path, YOLO).pyramid.graph
    )


def test_a_dead_row(tmp_path: Path) -> None:
    """There: builds silently, with weights that never learn."""
    found = only(tmp_path, changed("{3: t3, 4: o4, 5: o5}", "{3: t3, 4: o4, 5: in5}"))
    assert (found.code, found.severity) == ("W501", Severity.WARNING)
    assert pointed(found) == "o5" and "left out of the module" in found.hint


def test_scale_not_given(tmp_path: Path) -> None:
    """There: builds silently at `n`. Here no variant means no variant; what is needed is asked for."""
    text = changed("channels: 16}\n", "channels: required}\n")
    with pytest.raises(SpecError) as caught:
        compiled(tmp_path, text)
    (found,) = caught.value.diagnostics
    assert found.code == "E111" and pointed(found) == "required"
    assert found.message == "'yolo' needs a value for 'channels'"
    assert compiled(tmp_path, text, "s").pyramid.graph["t3"].op == (
        compiled(tmp_path, changed("channels: 16}\n", "channels: 32}\n")).pyramid.graph["t3"].op
    )


def test_typo_in_a_module(tmp_path: Path) -> None:
    """There: KeyError 'C2ff'."""
    found = only(tmp_path, changed("block: c2f channels", "block: c2ff channels"))
    assert (found.code, pointed(found)) == ("E109", "c2ff")
    assert found.message == "there is no block 'c2ff'" and found.hint == "did you mean 'c2f'?"


def test_wrong_stride_concat(tmp_path: Path) -> None:
    """There: torch.cat complains of sizes when data flows. Here a level is part of a type."""
    first, second = mistakes(tmp_path, changed("up: resize mode=nearest, ", ""))
    assert first.code == second.code == "E202"
    assert (pointed(first), pointed(second)) == ("in5", "t4")
    assert first.message.startswith("'in5' is at level 5; node 't4' needs level 4,")


def test_concat_of_two_levels_where_none_is_brought(tmp_path: Path) -> None:
    text = after(
        "t3", "{name: cat, level: 4, use: concat, from: [{from: in3, resample: none}, in4]}"
    )
    found = only(tmp_path, text.replace("[t3, t4]", "[t3, cat]"))
    assert found.code == "E211" and "name: cat" in line_of(found)
    assert found.message == "operands of different levels are concatenated: P3, P4"


def test_forward_reference(tmp_path: Path) -> None:
    """There: IndexError, list index out of range."""
    found = only(tmp_path, changed("[in5, in4]", "[o5, in4]"))
    assert (found.code, pointed(found)) == ("E103", "o5")
    assert found.message == "node 't4' reads 'o5', which comes later"


def test_list_input_to_a_conv(tmp_path: Path) -> None:
    """There: TypeError, list indices must be integers or slices."""
    text = after("t3", "{name: c, use: conv channels=8, from: [in3, t3]}")
    found = only(tmp_path, text)
    assert found.code == "E215" and found.message == "'conv' takes 1 input, not 2"
    assert "name: c," in line_of(found) and "'fuse' node" in found.hint


def test_three_fields_in_a_row(tmp_path: Path) -> None:
    """There: ValueError, not enough values to unpack. Keys have names here, and none is left out."""
    found = only(tmp_path, after("t4", "{name: a, use: conv, from: in4}"))
    assert found.code == "E111" and found.message == "'conv' needs 'channels'"
    found = only(tmp_path, after("t4", "{name: a, use: conv channels=8}"))
    assert found.code == "E106" and found.message == "node 'a' does not say what it reads"
    found = only(tmp_path, after("t4", "[-1, 1, Conv]"))
    assert found.code == "E107" and pointed(found) == "[-1, 1, Conv]"
    assert found.hint.startswith("a node is a mapping")


def test_five_fields_in_a_row(tmp_path: Path) -> None:
    """There: ValueError, too many values to unpack."""
    found = only(tmp_path, after("t4", "{name: a, use: relu, from: in4, number: 3}"))
    assert (found.code, pointed(found)) == ("E101", "number")
    found = only(tmp_path, after("t4", "{name: a, use: conv channels=8 3, from: in4}"))
    assert (found.code, pointed(found)) == ("E306", "3")


def test_a_text_that_is_the_name_of_a_variable(tmp_path: Path) -> None:
    """There: the text "n" for the mode of Upsample becomes the number 1.

    Words are words, whatever is defined; only `<n>` inserts a value, and modes are checked.
    """
    text = changed("channels: 16}\n", "channels: 16, n: 1, nearest: 2}\n")
    assert mistakes(tmp_path, text) == []
    for mode, shown in (("n", "n"), ("<n>", "1")):
        found = only(tmp_path, text.replace("mode=nearest", f"mode={mode}"))
        assert found.code == "E113"
        assert found.message == f"'mode' of 'resize' is {shown}; expected one of nearest, bilinear"


def test_unknown_scale(tmp_path: Path) -> None:
    """There: KeyError 'q'. Names of files mean nothing here."""
    with pytest.raises(SpecError) as caught:
        compiled(tmp_path, YOLO, "q")
    (found,) = caught.value.diagnostics
    assert found.code in ("E109", "E123") and found.message == "'yolo' has no variant 'q'"
    assert found.hint == "variants: n, s"


def test_channels_as_a_product(tmp_path: Path) -> None:
    """There: TypeError, '<' not supported between int and str. Every number is an expression."""
    text = after("t3", "{name: wide, use: conv, with: {channels: '256*2'}, from: t3}")
    text = text.replace("3: t3", "3: wide")
    assert mistakes(tmp_path, text) == []
    wide = compiled(tmp_path, text).operators.graph["wide"].op
    assert isinstance(wide, Conv) and wide.channels == 512
    found = only(tmp_path, text.replace("'256*2'", "256 * two"))
    assert (found.code, pointed(found)) == ("E302", "two")


WEIGHTED = """\
---
block: weighted-add
doc: Two maps, added with a weight each.
inputs: [many x]
nodes:
  - {name: total, use: weighted-sum}
"""


def test_own_two_input_weighted_add(tmp_path: Path) -> None:
    """There: TypeError in the parser, which knows concatenations only. Here it is a block."""
    text = after("t4", "{name: both, fuse: weighted-add, from: [in4, t4]}")
    text = text.replace("[t3, t4]", "[t3, both]") + WEIGHTED
    assert mistakes(tmp_path, text) == []
    found = only(tmp_path, text.replace("[many x]", "[x]"))
    assert found.code == "E116" and "'weighted-add' is no fusion" in found.message


def test_own_block_that_the_parser_does_not_know(tmp_path: Path) -> None:
    """There: a missing positional argument, since only registered blocks are told their widths."""
    block = "---\nblock: mine\nparameters: {channels: required}\nnodes:\n"
    block += "  - {name: conv, use: conv channels=channels}\n"
    text = (
        after("t3", "{name: own, use: mine channels=8, from: t3}").replace("3: t3", "3: own")
        + block
    )
    assert mistakes(tmp_path, text) == []
    found = only(tmp_path, text.replace("mine channels=8", "mine"))
    assert (found.code, pointed(found)) == ("E111", "mine")
    assert found.message == "'mine' needs 'channels'" and found.hint == "write 'mine channels=...'"


WIDEN = "---\nblock: widen\nnodes:\n  - {name: conv, use: conv channels=2*x.channels}\n"


def test_own_block_that_changes_channels(tmp_path: Path) -> None:
    """There: the *next* layer fails in torch. Widths follow from what is read, and are compared."""
    text = after("t3", "{name: wide, use: widen, from: t3}") + WIDEN
    followed = text.replace("[t3, t4]", "[wide, t4]")
    assert mistakes(tmp_path, followed) == []
    where = after(
        "t3", "{name: wide, use: widen, from: t3}\n  - {name: s, fuse: sum, from: [t3, wide]}"
    )
    found = only(tmp_path, where.replace("3: t3", "3: s") + WIDEN)
    assert found.code == "E210" and "name: s," in line_of(found) and pointed(found) == "wide"
    kept = after("t3", "{name: s, fuse: sum, from: t3, block: widen}").replace("3: t3", "3: s")
    found = only(tmp_path, kept + WIDEN)
    assert (found.code, pointed(found)) == ("E214", "widen")
