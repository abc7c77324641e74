"""Documents as data: which keys there are, what may stand under them, and how texts are read."""

from __future__ import annotations

from pathlib import Path

import pytest

from archgraph.errors import SpecError
from archgraph.spec import AnyDocument, BlockDocument, TopologyDocument
from archgraph.spec.documents import KINDS, make_document
from archgraph.spec.names import MAX_LENGTH, MODULE_ATTRIBUTES, name_fault
from archgraph.spec.reader import read_documents
from tests.spec.written import DEFAULTS, HEAD, mistakes, pointed, told

NODES = "nodes:\n  - {for: l in lo..hi, name: out<l>, from: in<l>}\noutputs: out<l>\n"
NECK = HEAD + DEFAULTS + NODES


def document(text: str) -> AnyDocument:
    (raw,) = read_documents(text, "neck.yaml")
    return make_document(raw)


def test_kinds() -> None:
    assert isinstance(document(NECK), TopologyDocument)
    assert isinstance(document("block: b\nnodes: [{name: a, use: relu}]\n"), BlockDocument)
    assert list(KINDS) == ["block", "backbone", "topology", "model"]


def test_the_language_version_may_stand_first() -> None:
    found, other = document("archgraph: 1\n" + NECK), document(NECK)
    assert found.name == other.name
    assert all(getattr(found, key) == getattr(other, key) for key in ("doc", "extends", "let"))


@pytest.mark.parametrize("version", ["2", "0", "'1'", "1.5", ""])
def test_other_versions_are_refused(version: str, tmp_path: Path) -> None:
    (found,) = mistakes(tmp_path, f"archgraph: {version}\n{NECK}")
    assert found.code == "E107"
    assert found.hint == "version 1 of the language is the only one so far"


def test_values_know_their_places() -> None:
    found = document(NECK)
    assert isinstance(found, TopologyDocument)
    where = found.nodes[0].at("from")
    assert where is not None and (where.line, where.column) == (7, 44)
    assert where.text[where.column - 1 : where.end_column - 1] == "in<l>"
    key = found.defaults.edge.key_at("down")
    assert key is not None and (key.line, key.column) == (5, 22)
    # what is not there is placed at what would hold it
    assert found.nodes[0].at("settings", "act") == found.nodes[0].at()


@pytest.mark.parametrize(
    ("plain", "quoted"),
    [
        ("name: out<l>", "name: 'out<l>'"),
        ("for: l in lo..hi", 'for: "l in lo..hi"'),
        ("channels: 64", "channels: '64'"),
        ("levels: 3..5", "levels: '3..5'"),
        ("fuse: sum", "fuse: 'sum'"),
        ("block: none", "block: 'none'"),
        ("from: in<l>", "from: ['in<l>']"),
        ("topology: neck", "topology: 'neck'"),
        ("outputs: out<l>", "outputs: {'3': out3, '4': out4, 5: out5}"),
    ],
)
def test_quotes_make_no_difference(plain: str, quoted: str, tmp_path: Path) -> None:
    assert plain in NECK
    assert told(mistakes(tmp_path, NECK)) == []
    assert told(mistakes(tmp_path, NECK.replace(plain, quoted))) == []


def test_all_mistakes_of_form_come_at_once(tmp_path: Path) -> None:
    text = NECK.replace("{fuse: sum, block: none}", "{fuze: sum, blok: none, block: 3}")
    text = text.replace("up: resize", "up: 3").replace("outputs: out<l>", "outputs: [out3]")
    assert told(mistakes(tmp_path, text)) == [
        "E101 4:10 unknown key 'fuze'",
        "E101 4:21 unknown key 'blok'",
        "E107 4:40 'block' is the number 3; expected text or a mapping or a list",
        "E107 5:14 'up' is the number 3; expected text or a mapping or a list",
        "E107 8:10 'outputs' is a list; expected text or a mapping",
    ]


def test_an_unknown_key_hides_no_other_mistake(tmp_path: Path) -> None:
    text = NECK.replace("up: resize", "upp: resize").replace("block: none", "block: conv-nrom")
    assert told(mistakes(tmp_path, text)) == [
        "E109 4:28 there is no block 'conv-nrom'",
        "E101 5:10 unknown key 'upp'",
    ]


def test_defaults_name_blocks_that_exist(tmp_path: Path) -> None:
    found = mistakes(tmp_path, NECK.replace("edge:", "egde:"))
    assert told(found) == ["E109 5:3 'defaults' names a block 'egde', which does not exist"]
    assert found[0].hint == "did you mean 'edge'?"


def test_a_misspelt_key_is_not_also_missing(tmp_path: Path) -> None:
    (found,) = mistakes(tmp_path, NECK.replace("name: out<l>", "nmae: out<l>"))
    assert (found.code, pointed(found)) == ("E101", "nmae")
    assert found.hint == "did you mean 'name'?"


def test_a_misspelt_key_causes_no_unknown_name(tmp_path: Path) -> None:
    more = "  - {name: last, whne: hi > 4, form: out4}\noutputs: {4: last}\n"
    found = mistakes(tmp_path, NECK.replace("outputs: out<l>\n", more))
    assert told(found) == ["E101 8:18 unknown key 'whne'", "E101 8:32 unknown key 'form'"]


def test_the_suggestion_is_a_key_that_is_not_there_yet(tmp_path: Path) -> None:
    (found,) = mistakes(tmp_path, NECK.replace("from: in<l>", "form: in<l>"))
    assert found.hint == "did you mean 'from'?"
    (found,) = mistakes(tmp_path, NECK + "output: out<l>\n")
    assert found.hint == "'outputs' is given already"


def test_a_block_may_be_named_like_a_key_of_defaults(tmp_path: Path) -> None:
    text = NECK.replace("  edge:", "  conv-norm: {kernel: 3}\n  edge:")
    assert told(mistakes(tmp_path, text)) == []


def test_empty_values_are_as_good_as_none(tmp_path: Path) -> None:
    text = NECK.replace("from: in<l>", "from: in<l>, block: , fuse: ~")
    assert told(mistakes(tmp_path, text)) == []


@pytest.mark.parametrize(
    "form", ["conv-norm", "{use: conv-norm}", "[conv-norm]", "[{use: conv-norm}]"]
)
def test_forms_of_a_step(form: str, tmp_path: Path) -> None:
    assert told(mistakes(tmp_path, NECK.replace("block: none", f"block: {form}"))) == []


# --- names -----------------------------------------------------------------------------------


def test_module_attributes_are_those_of_torch() -> None:
    from torch import nn

    attributes = set(vars(nn.Module())) | set(dir(nn.Module)) | set(nn.Module.__annotations__)
    assert {name for name in attributes if not name.startswith("_")} == MODULE_ATTRIBUTES


@pytest.mark.parametrize("name", ["a", "A1", "in_5", "td5", "print", "a" * MAX_LENGTH])
def test_names_that_nodes_may_have(name: str) -> None:
    assert name_fault(name, None) is None


@pytest.mark.parametrize(
    "name",
    [
        *"5a _a a-b a.b é class None match _ training forward to x self cells".split(),
        "",
        "a b",
        "a\n",
        "a" * 101,
    ],
)
def test_names_that_nodes_may_not_have(name: str) -> None:
    fault = name_fault(name, None)
    assert fault is not None and fault.code == "E105"


def test_no_document_without_its_name() -> None:
    with pytest.raises(SpecError) as caught:
        document("topology:\nnodes: [{name: a, from: b}]\noutputs: a\n")
    assert told(list(caught.value.diagnostics)) == ["E107 1:10 'topology' is empty; expected text"]
