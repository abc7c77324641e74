"""Files, lookup of names, and `extends`."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from archgraph.compiler import check_spec, compile_spec
from archgraph.errors import InputOutputError, SpecError
from archgraph.ir.ops import Conv
from archgraph.spec import Library, TopologyDocument
from archgraph.spec.models import NodeModel
from tests.spec.written import DEFAULTS, HEAD, mistakes, pointed, told

NODES = """nodes:
  - {for: l in lo..hi, name: mid<l>, from: in<l>}
  - {for: l in lo..hi, name: out<l>, from: mid<l>}
outputs: out<l>
"""
NECK = HEAD + DEFAULTS + NODES


def block(name: str, kernel: int) -> str:
    return f"block: {name}\nnodes:\n  - {{name: conv, use: conv channels=x.channels kernel={kernel}}}\n"


def kernels(reference: str, library: Library | None = None) -> set[int]:
    """The kernels of the convolutions that a topology compiles to."""
    graph = compile_spec(reference, None, library).operators.graph
    return {node.op.kernel for node in graph if isinstance(node.op, Conv)}


# --- which document is meant -----------------------------------------------------------------


def test_a_file_means_the_document_named_like_it(tmp_path: Path) -> None:
    library = Library()
    for text, main in [
        (NECK + "---\n" + NECK.replace("neck", "last"), "neck"),
        (NECK.replace("neck", "first") + "---\n" + NECK.replace("neck", "last"), "last"),
        (NECK.replace("neck", "first") + "---\n" + block("b", 3), "first"),
        (block("a", 3) + "---\n" + block("b", 3), "b"),
    ]:
        path = tmp_path / str(len(text)) / "neck.yaml"
        path.parent.mkdir()
        path.write_text(text)
        assert library.open(str(path))[1] == main


def test_a_document_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "necks.yaml"
    path.write_text(NECK + "---\n" + NECK.replace("neck", "last").replace("mid<l>", "m<l>"))
    assert compile_spec(f"{path}#neck").name == "neck"
    assert compile_spec(f"{path}#last").name == "last"
    (found,) = check_spec(f"{path}#lst")
    assert (found.code, found.hint) == ("E109", "did you mean 'last'?")


def test_only_the_document_that_is_meant_is_checked(tmp_path: Path) -> None:
    path = tmp_path / "necks.yaml"
    path.write_text(NECK + "---\n" + NECK.replace("neck", "last").replace("[mid<l>", "mdi<l>"))
    path.write_text(NECK + "---\n" + NECK.replace("neck", "last").replace("sum", "sun"))
    assert check_spec(f"{path}#neck") == []
    assert [d.code for d in check_spec(str(path))] == ["E109"]


def test_library_names_work_from_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = str(compile_spec("bifpn").operators.graph.outputs)
    monkeypatch.chdir(tmp_path)
    assert str(compile_spec("bifpn").operators.graph.outputs) == text
    (found,) = check_spec("bifpnn")
    assert (found.code, found.hint) == ("E109", "did you mean 'bifpn'?")


def test_a_file_without_its_suffix_is_recognised(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine.yaml").write_text(NECK)
    monkeypatch.chdir(tmp_path)
    (found,) = check_spec("mine")
    assert found.hint == "did you mean the file 'mine.yaml'?"


@pytest.mark.parametrize("name", ["missing.yaml", "folder.yaml", "no/such/folder/a.yaml"])
def test_files_that_cannot_be_read(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "folder.yaml").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputOutputError) as caught:
        check_spec(name)
    assert caught.value.exit_code == 3
    assert caught.value.diagnostics[0].message.startswith(f"cannot read '{name}': ")


# --- the order of lookup ---------------------------------------------------------------------


def test_same_file_then_beside_then_library(tmp_path: Path) -> None:
    neck = NECK.replace("block: none", "block: conv-norm")
    path = tmp_path / "neck.yaml"
    path.write_text(neck)
    assert kernels(str(path)) == {1}
    (tmp_path / "blocks.yaml").write_text(block("other", 9) + "---\n" + block("conv-norm", 5))
    assert kernels(str(path)) == {5}
    path.write_text(neck + "---\n" + block("conv-norm", 7))
    assert kernels(str(path)) == {7}


def test_a_library_block_keeps_its_own_blocks(tmp_path: Path) -> None:
    """A user's block shadows the name for the user's file only."""
    root = tmp_path / "root"
    root.mkdir()
    inner = block("inner", 3)
    outer = "block: outer\nnodes: [{name: a, use: inner}]\n"
    (root / "lib.yaml").write_text(inner + "---\n" + outer)
    path = tmp_path / "neck.yaml"
    both = NECK.replace("mid<l>, from: in<l>", "mid<l>, from: in<l>, block: outer")
    both = both.replace("out<l>, from: mid<l>", "out<l>, from: mid<l>, block: inner")
    path.write_text(both + "---\n" + block("inner", 5))
    compilation = compile_spec(str(path), None, Library(root))
    graph = compilation.operators.graph
    found = {node.name: node.op.kernel for node in graph if isinstance(node.op, Conv)}
    assert found["mid3.block.a.conv"] == 3
    assert found["out3.block.conv"] == 5
    assert set(compilation.written.blocks) == {"outer", "inner", "inner-2"}


def test_settings_mean_the_block_that_the_user_wrote(tmp_path: Path) -> None:
    """Two blocks of one name: the setting must not take the library's."""
    root = tmp_path / "root"
    root.mkdir()
    outer = "block: outer\nnodes: [{name: a, use: hard}, {name: b, use: act}]\n"
    (root / "lib.yaml").write_text(block("hard", 3) + "---\n" + outer)
    path = tmp_path / "neck.yaml"
    text = NECK.replace("block: none", "block: outer").replace(
        "defaults:", "settings: {act: hard}\ndefaults:"
    )
    path.write_text(text + "---\n" + block("hard", 5))
    graph = compile_spec(str(path), None, Library(root)).operators.graph
    found = {node.name: node.op.kernel for node in graph if isinstance(node.op, Conv)}
    assert found["out3.block.a.conv"] == 3
    assert found["out3.block.b.conv"] == 5


def test_a_parameter_means_a_block_of_the_file_that_gives_it(tmp_path: Path) -> None:
    base = NECK.replace("channels: 64", "channels: 64, mix: {step: conv-norm}")
    base = base.replace("block: none", "block: <mix>").replace("neck", "base")
    (tmp_path / "deep").mkdir()
    root = tmp_path / "root"
    root.mkdir()
    (root / "base.yaml").write_text(base + "---\n" + block("conv-norm", 1))
    path = tmp_path / "neck.yaml"
    path.write_text(
        "topology: neck\nextends: base\nparameters: {mix: {step: mine}}\n---\n" + block("mine", 7)
    )
    assert kernels(str(path), Library(root)) == {7}


def test_quoted_names_are_found_beside(tmp_path: Path) -> None:
    (tmp_path / "blocks.yml").write_text(block("'mine'", 5) + "---\n" + block('"yours"', 7))
    path = tmp_path / "neck.yaml"
    path.write_text(NECK.replace("block: none", "block: [mine, yours]"))
    assert kernels(str(path)) == {5, 7}


def test_text_that_looks_like_a_document_is_none(tmp_path: Path) -> None:
    """The head stands in a text of the neighbour, which has no such document."""
    (tmp_path / "aside.yaml").write_text('block: aside\ndoc: "\nblock: conv-norm\n"\n')
    path = tmp_path / "neck.yaml"
    path.write_text(NECK.replace("block: none", "block: conv-norm"))
    assert kernels(str(path)) == {1}


def test_a_broken_neighbour_matters_only_where_it_is_used(tmp_path: Path) -> None:
    (tmp_path / "broken.yaml").write_text("block: broken\nnodes: [\n")
    (tmp_path / "list.yaml").write_text("- 1\n")
    assert mistakes(tmp_path, NECK.replace("block: none", "block: conv-norm")) == []
    found = mistakes(tmp_path, NECK.replace("block: none", "block: broken"))
    assert [d.location and Path(d.location.file).name for d in found] == ["broken.yaml"]


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "secret.yaml", "folder/secret"])
def test_names_are_no_paths(name: str, tmp_path: Path) -> None:
    (tmp_path / "secret.yaml").write_text(NECK.replace("neck", "hidden"))
    inner = tmp_path / "folder"
    inner.mkdir()
    text = f"topology: neck\nextends: '{name}'\n"
    assert told(mistakes(inner, text)) == [f"E109 2:10 there is no '{name}' to extend"]
    found = mistakes(inner, NECK.replace("block: none", f"block: {name}"))
    assert {d.code for d in found} <= {"E109", "E306"} and found


def test_files_that_are_no_files_are_passed_over(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.yaml")  # reading it would wait for ever
    (tmp_path / "folder.yaml").mkdir()
    (tmp_path / "gone.yaml").symlink_to(tmp_path / "nowhere")
    assert mistakes(tmp_path, NECK.replace("block: none", "block: conv-norm")) == []


# --- extends ---------------------------------------------------------------------------------


def extended(folder: Path, text: str) -> TopologyDocument:
    path = folder / "neck.yaml"
    path.write_text(NECK.replace("neck", "base") + "---\n" + text)
    library = Library()
    document = library.document(library.read(path), "neck")
    assert isinstance(document, TopologyDocument)
    return document


def test_mappings_merge_by_key(tmp_path: Path) -> None:
    found = extended(
        tmp_path,
        "topology: neck\nextends: base\nparameters: {channels: 32, cells: 2}\n"
        "defaults: {node: {fuse: fast}, edge: {up: {use: resize, with: {mode: bilinear}}}}\n"
        "settings: {act: silu}\n",
    )
    assert found.name == "neck"
    assert list(found.parameters) == ["levels", "channels", "cells"]
    assert found.parameters["channels"] == 32
    assert (found.defaults.node.fuse, found.defaults.node.block) == ("fast", "none")
    assert found.defaults.edge.down == "max-pool kernel=3 stride=2"
    assert found.settings.act == "silu"
    assert found.outputs == "out<l>"


def test_nodes_merge_by_name_and_new_ones_are_appended(tmp_path: Path) -> None:
    found = extended(
        tmp_path,
        "topology: neck\nextends: base\n"
        "nodes: [{name: last<l>, for: l in lo..hi, from: out<l>}, {name: mid<l>, pin: true}]\n"
        "outputs: last<l>\n",
    )
    nodes = [node for node in found.nodes if isinstance(node, NodeModel)]
    assert [node.name for node in nodes] == ["mid<l>", "out<l>", "last<l>"]
    assert [node.pin for node in nodes] == [True, False, False]
    assert nodes[0].from_ == "in<l>"
    assert found.outputs == "last<l>"


def test_remove_takes_nodes_away(tmp_path: Path) -> None:
    found = extended(tmp_path, "topology: neck\nextends: base\nremove: [out<l>]\noutputs: mid<l>\n")
    assert [node.name for node in found.nodes if isinstance(node, NodeModel)] == ["mid<l>"]
    path = tmp_path / "neck.yaml"
    path.write_text(path.read_text().replace("[out<l>]", "[oot<l>, mid<l>, md]"))
    assert [(d.code, pointed(d)) for d in check_spec(f"{path}#neck")] == [
        ("E117", "oot<l>"),
        ("E117", "md"),
    ]


def test_passes_are_inherited_unless_given(tmp_path: Path) -> None:
    bifpn = "topology: neck\nextends: bifpn\n"
    assert extended(tmp_path, bifpn).passes == [
        "prune-single-input",
        "add-same-level-skips",
        "repeat-cells count=cells",
    ]
    assert extended(tmp_path, bifpn + "passes: [prune-single-input]\n").passes == [
        "prune-single-input"
    ]
    assert extended(tmp_path, bifpn + "passes: []\n").passes == []


def test_a_document_may_extend_one_of_its_own_name(tmp_path: Path) -> None:
    """The library's: what is being extended is passed over."""
    path = tmp_path / "bifpn.yaml"
    path.write_text("topology: bifpn\nextends: bifpn\nparameters: {channels: 48}\n")
    assert compile_spec(str(path)).written.graph["td3"].op.infer(()).channels == 48


def test_mistakes_are_placed_in_the_file_that_makes_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    base = NECK.replace("neck", "base").replace("from: mid<l>", "from: mdi<l>")
    Path("base.yaml").write_text(base.replace("block: none", "block: none, blok: 3"))
    found = mistakes(Path(), "topology: neck\nextends: base\nsettings: {act: rellu}\n")
    assert [(str(d.location), d.code) for d in found] == [
        ("base.yaml:4:34", "E101"),
        ("base.yaml:8:44", "E102"),
        ("neck.yaml:3:17", "E109"),
    ]


def test_what_a_document_replaces_is_placed_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("base.yaml").write_text(NECK.replace("neck", "base"))
    (found,) = mistakes(
        Path(), "topology: neck\nextends: base\nnodes: [{name: mid<l>, from: inn<l>}]\n"
    )
    assert str(found.location) == "neck.yaml:3:30"


def test_a_long_chain_is_refused_not_followed(tmp_path: Path) -> None:
    path = tmp_path / "chain.yaml"
    chain = (f"topology: t{i}\nextends: t{i - 1}\n" for i in range(1, 99))
    path.write_text("---\n".join(["topology: t0\nextends: fpn\n", *chain]))
    codes = {d.code for d in check_spec(f"{path}#t98")}
    assert codes == {"E110"}
    assert check_spec(f"{path}#t20") == []


def test_documents_of_one_name(tmp_path: Path) -> None:
    path = tmp_path / "two.yaml"
    path.write_text(block("b", 3) + "---\n" + NECK.replace("neck", "b"))
    with pytest.raises(SpecError) as caught:
        Library().read(path)
    assert told(list(caught.value.diagnostics)) == [
        "E104 5:11 'b' is defined twice, first on line 1"
    ]
