"""The whole flow: `check_spec`, `compile_spec`, and what holds for every spec that comes along."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from archgraph.compiler import arguments_from_python, check_spec, compile_spec
from archgraph.errors import ArchgraphError, Diagnostic, PassError, SpecError
from archgraph.ir import Stage
from archgraph.spec import parse_setting

ROOT = Path(__file__).resolve().parents[1]
SPECS = sorted((ROOT / "specs").rglob("*.yaml"))
TOPOLOGIES = sorted(path.stem for path in SPECS if path.parent.name == "topologies")
NECK = """topology: neck
parameters: {levels: {levels: 3..5}, channels: 64}
defaults: {node: {fuse: sum, block: none}}
nodes:
  - {for: l in lo..hi, name: out<l>, from: in<l>}
outputs: out<l>
"""


def python(code: str, **environment: str) -> str:
    """What a fresh interpreter prints."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        check=True,
        cwd=ROOT,
        text=True,
        env={**os.environ, **environment},
    )
    return done.stdout


def written(folder: Path, text: str) -> str:
    path = folder / "neck.yaml"
    path.write_text(text, "utf-8")
    return path.as_posix()


def test_there_are_specs() -> None:
    assert {"fpn", "fpn-efficientdet", "panet", "bifpn"} <= set(TOPOLOGIES)


# Each with a score of variants; `tests/models` compiles them too.
LARGE = ("efficientdet", "efficientdet-symmetric")


@pytest.mark.parametrize(
    "spec",
    [
        pytest.param(spec, id=spec.stem, marks=pytest.mark.slow if spec.stem in LARGE else ())
        for spec in SPECS
    ],
)
def test_every_spec_is_clean(spec: Path) -> None:
    assert check_spec(os.fspath(spec)) == []


# Published with levels of their own; `tests/assemble/test_published.py` has them.
OWN_LEVELS = ("nas-fpn", "qufpn", "spinenet-49", "yolov8-pafpn")


@pytest.mark.parametrize("name", [name for name in TOPOLOGIES if name != "spinenet-49"])
@pytest.mark.parametrize("levels", ["3..7", "2..5", "4..4", "0..9"])
def test_every_topology_is_clean_for_any_levels(name: str, levels: str) -> None:
    if name in OWN_LEVELS and levels != "3..7":
        pytest.skip("its nodes are named by the levels that its authors chose")
    given = dict([parse_setting(f"levels={levels}"), parse_setting("channels=24")])
    assert check_spec(name, given) == []


@pytest.mark.parametrize("name", TOPOLOGIES)
def test_stages(name: str) -> None:
    found = compile_spec(name)
    assert found.name == name
    assert found.written.graph.stage is found.pyramid.graph.stage is Stage.PYRAMID
    assert found.operators.graph.stage is Stage.OPERATORS
    assert [result.name for result in found.results[-2:]] == ["resolve-edges", "lower"]
    assert found.warnings == ()


def test_arguments_from_python() -> None:
    given = {
        "levels": range(3, 6),
        "channels": 8,
        "in_channels": (4, 5, 6),
        "settings": {"act": "silu"},
    }
    found = compile_spec("bifpn", arguments_from_python(given))
    assert [node.name for node in found.written.graph.graph_inputs] == ["in3", "in4", "in5"]
    shown = dict(found.written.graph.scopes[""].arguments)
    assert (shown["levels"], shown["channels"]) == ("3..5", 8)
    assert shown["in_channels"] == "[4, 5, 6]"
    for wrong in ({"settings": "silu"}, {"levels": range(5, 3, -1)}, {"channels": None}):
        with pytest.raises(SpecError) as caught:
            arguments_from_python(wrong)
        assert [found.code for found in caught.value.diagnostics] == ["E113"]


# --- diagnostics -----------------------------------------------------------------------------


def test_compile_raises_what_check_returns(tmp_path: Path) -> None:
    spec = written(tmp_path, NECK.replace("fuse: sum", "fuse: sun").replace("from: in", "from: i"))
    with pytest.raises(SpecError) as caught:
        compile_spec(spec)
    assert list(caught.value.diagnostics) == check_spec(spec)
    assert [d.code for d in check_spec(spec)] == ["E109", "E102"]


def test_errors_of_passes_keep_their_kind(tmp_path: Path) -> None:
    text = NECK.replace("outputs: out<l>", "outputs: {3: out3}")
    with pytest.raises(PassError) as caught:
        compile_spec(written(tmp_path, text + "passes: [repeat-cells count=2]\n"))
    assert [d.code for d in caught.value.diagnostics] == ["E405"]


def test_only_topologies_stand_on_their_own() -> None:
    with pytest.raises(SpecError) as caught:
        compile_spec("conv-norm")
    (found,) = caught.value.diagnostics
    assert (found.code, str(found.location)) == ("E116", "specs/blocks/convolutions.yaml:3:8")
    assert check_spec("conv-norm") == []


def test_arguments_go_to_the_document_that_is_meant(tmp_path: Path) -> None:
    other = NECK.replace("neck", "other").replace("channels: 64", "channels: 64, depth: 3")
    spec = written(tmp_path, f"{NECK}---\n{other}")
    given = dict([parse_setting("depth=4")])
    assert [d.code for d in check_spec(spec, given)] == ["E112"]
    assert check_spec(f"{spec}#other", given) == []


def test_all_documents_of_a_file_are_checked_in_order(tmp_path: Path) -> None:
    wrong = "block: b\nnodes: [{name: a, use: rellu}]\n"
    spec = written(
        tmp_path,
        NECK.replace("sum", "sun")
        + "---\n"
        + wrong
        + "---\n"
        + NECK.replace("neck", "last").replace("from: in", "from: im"),
    )
    found = check_spec(spec)
    assert found == sorted(found, key=Diagnostic.sort_key)
    assert [(d.location and d.location.line, d.code) for d in found] == [
        (3, "E109"),
        (9, "E109"),
        (15, "E102"),
    ]


def test_warnings_are_returned_and_kept(tmp_path: Path) -> None:
    text = NECK.replace("nodes:", "nodes:\n  - {name: extra, from: in3}")
    spec = written(tmp_path, text)
    assert [d.code for d in check_spec(spec)] == ["W501"]
    assert list(compile_spec(spec).warnings) == check_spec(spec)


def test_a_mistake_in_a_loop_is_told_once_by_whichever_stage(tmp_path: Path) -> None:
    for text, code in [
        (NECK.replace("from: in<l>", "from: im<l>"), "E102"),  # expand
        (NECK.replace("from: in<l>", "from: in<l>, fuse: sun"), "E109"),  # assemble
        (NECK.replace("channels: 64", "channels: 64, in_channels: 8"), "E210"),  # resolve-edges
        (NECK.replace("from: in<l>", "from: in<l>, block: conv stride=3"), "E213"),  # lower
        (NECK.replace("outputs: out<l>", "outputs: in<l>"), "W501"),
    ]:
        (found,) = check_spec(written(tmp_path, text))
        assert found.code == code
        assert found.message.endswith(" (and 2 more like it)") == (code not in ("E109", "E213"))


def test_different_mistakes_at_one_place_stay(tmp_path: Path) -> None:
    text = NECK.replace("parameters: {levels: {levels: 3..5}, channels: 64}\n", "")
    assert [d.message for d in check_spec(written(tmp_path, text))] == [
        "'neck' needs a value for 'channels'",
        "'neck' needs a value for 'levels'",
    ]


def test_diagnostics_are_plain_data(tmp_path: Path) -> None:
    spec = written(tmp_path, NECK.replace("fuse: sum", "fuse: sun"))
    (found,) = check_spec(spec)
    assert json.loads(json.dumps(found.as_dict())) == {
        "code": "E109",
        "severity": "error",
        "message": "there is no fusion 'sun'",
        "hint": "did you mean 'sum'?",
        "file": found.location and found.location.file,
        "line": 3,
        "column": 25,
        "end_column": 28,
    }


def test_check_never_changes_its_arguments() -> None:
    given = dict([parse_setting("channels=8"), parse_setting("settings.act=silu")])
    before = dict(given)
    check_spec("bifpn", given)
    assert given == before


def test_one_error_for_all_mistakes_reads_like_their_sum(tmp_path: Path) -> None:
    spec = written(tmp_path, NECK.replace("fuse: sum", "fuse: sun").replace("from: in", "from: i"))
    with pytest.raises(ArchgraphError) as caught:
        compile_spec(spec)
    assert str(caught.value) == "\n".join(d.render() for d in check_spec(spec))


# --- processes -------------------------------------------------------------------------------

TEXTS = """
from archgraph.compiler import check_spec, compile_spec
from archgraph.ir.text import print_graph
for name in {names}:
    found = compile_spec(name)
    for model in (found.written, found.pyramid, found.operators):
        print(print_graph(model.graph))
    for result in found.results:
        print(*result.log, *result.kept, sep="\\n")
for bad in ("six-mistakes", "bad-names", "block-mistakes", "let"):
    for diagnostic in check_spec(f"tests/spec/bad/{{bad}}.yaml"):
        print(diagnostic.render())
"""


@pytest.mark.slow
def test_the_same_text_in_every_process() -> None:
    code = TEXTS.format(names=TOPOLOGIES)
    first, second = (python(code, PYTHONHASHSEED=seed) for seed in ("1", "4242"))
    assert first == second
    assert "td6" in first and "E109" in first


@pytest.mark.parametrize(
    "code",
    [
        "import archgraph",
        "import archgraph.compiler",
        "from archgraph.compiler import compile_spec; compile_spec('bifpn')",
        "from archgraph.compiler import check_spec; check_spec('tests/spec/bad/let.yaml')",
    ],
)
def test_torch_is_not_imported(code: str) -> None:
    heavy = "{'torch', 'numpy', 'typer', 'graphviz'}"
    assert python(f"{code}\nimport sys\nprint(sorted({heavy} & set(sys.modules)))") == "[]\n"
