"""The folder of a run, and what is said where it is damaged, missing or of something else."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from archgraph.errors import ArchgraphError, DataError, InputOutputError
from archgraph.train.data import Ids
from archgraph.train.fit import RunFolder, load_detector, resume, train
from archgraph.train.fit.checkpoint import Checkpoint, read_checkpoint, write_checkpoint
from archgraph.train.fit.metrics import Metrics, read_metrics
from archgraph.train.records import Dataset
from archgraph.train.samples.shapes import Shapes
from tests.train.fit.support import SMALL, job, network, opened, same, steps_of, weights

SHORT = replace(SMALL, epochs=2.0, ema=0.0)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two epochs."""
    path = tmp_path_factory.mktemp("runs") / "finished"
    outcome = train(job(), SHORT, path, opened=opened)
    assert (outcome.steps, outcome.interrupted) == (6, False)
    return path


@pytest.fixture
def copied(finished: Path, tmp_path: Path) -> Path:
    """The files of a run that it takes to go on."""
    path = tmp_path / "run"
    path.mkdir()
    for each in finished.iterdir():
        if each.is_file():
            (path / each.name).write_bytes(each.read_bytes())
    (path / "samples").mkdir()
    return path


def refused(path: Path, error: type[ArchgraphError], code: str) -> str:
    with pytest.raises(error) as raised:
        resume(path, opened=opened)
    (found,) = raised.value.diagnostics
    assert found.code == code
    return found.message


def test_a_folder_has_all_that_a_run_is(finished: Path) -> None:
    names = {each.name for each in finished.iterdir()}
    assert names >= {"spec.yaml", "model.py", "graph.txt", "settings.yaml", "run.json"}
    assert names >= {"metrics.jsonl", "last.pt", "last.safetensors", "best.safetensors", "samples"}
    folder = RunFolder(finished)
    assert folder.settings == SHORT
    assert folder.facts.class_names == opened("shapes:train", "dense").class_names
    assert (folder.facts.train, folder.facts.val) == ("shapes:train", "shapes:val")
    assert "model: toy" in (finished / "spec.yaml").read_text()
    assert steps_of(finished, "train") == list(range(1, 7))
    assert steps_of(finished, "eval") == [6]


def test_the_detector_of_a_run_is_the_network_that_was_trained(finished: Path) -> None:
    detector = load_detector(finished)
    last = weights(finished / "last.safetensors")
    assert same(dict(detector.network.state_dict()), last)
    state = read_checkpoint(finished / "last.pt").trainer
    assert same(last, state["network"])
    assert state["average"] is None


@pytest.mark.parametrize(
    "harm", [lambda b: b[: len(b) // 2], lambda b: b"", lambda b: b"no archive at all" * 100]
)
def test_a_damaged_state(harm: Callable[[bytes], bytes], copied: Path) -> None:
    path = copied / "last.pt"
    path.write_bytes(harm(path.read_bytes()))
    assert "is damaged" in refused(copied, DataError, "E555")


@pytest.mark.parametrize(
    "content",
    [
        {"version": 0, "trainer": {}, "seconds": 0.0},
        {"version": 1, "trainer": {}, "seconds": 0.0},
        {"version": 1, "trainer": 5, "seconds": 0.0},
        {"version": 1, "trainer": {"network": {"x": torch.zeros(2)}}, "seconds": 0.0},
        [],
    ],
)
def test_a_state_of_something_else(content: object, copied: Path) -> None:
    torch.save(content, copied / "last.pt")
    assert "last.pt' is damaged" in refused(copied, DataError, "E555")


@pytest.mark.parametrize(
    ("name", "code", "said"),
    [("model.py", "E001", "model.py': No such"), ("run.json", "E001", "is no folder of a run")],
)
def test_a_missing_file(name: str, code: str, said: str, copied: Path) -> None:
    (copied / name).unlink()
    assert said in refused(copied, InputOutputError, code)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("run.json", "{}"),
        ("run.json", "{"),
        ("run.json", "[1]"),
        ("model.py", "raise ValueError('no')"),
        ("model.py", "x = 1"),
    ],
)
def test_a_damaged_file(name: str, text: str, copied: Path) -> None:
    (copied / name).write_text(text)
    assert f"{name}' is damaged: " in refused(copied, DataError, "E555")


def test_a_folder_that_is_none(tmp_path: Path) -> None:
    assert "is no folder of a run" in refused(tmp_path, InputOutputError, "E001")
    assert "is not there" in refused(tmp_path / "missing", InputOutputError, "E001")


def test_data_that_has_changed(copied: Path) -> None:
    def more(source: str, ids: Ids) -> Dataset:
        return Shapes("train", 13, 96)

    with pytest.raises(DataError, match="'shapes:train' is not what it was") as raised:
        resume(copied, opened=more)
    assert raised.value.diagnostics[0].code == "E558"


def test_images_of_evaluations_that_have_changed(copied: Path) -> None:
    def fewer(source: str, ids: Ids) -> Dataset:
        return opened(source, ids) if source == "shapes:train" else Shapes("val", 3, 96)

    with pytest.raises(DataError, match="'shapes:val' is not what it was"):
        resume(copied, opened=fewer)


def test_a_run_that_goes_on_keeps_the_numbers_in_its_report(copied: Path) -> None:
    before = (copied / "report.html").read_text()
    resume(copied, opened=opened)
    assert (copied / "report.html").read_text() == before


def test_a_folder_that_is_not_empty(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "thesis.tex").write_text("")
    with pytest.raises(InputOutputError, match=r"is not empty: it has 'thesis\.tex'") as raised:
        train(job(), SMALL, tmp_path / "run", opened=opened)
    assert raised.value.diagnostics[0].hint == "name another folder"
    assert [each.name for each in (tmp_path / "run").iterdir()] == ["thesis.tex"]


@pytest.mark.parametrize(
    "changes", [{"batch_size": 13}, {"accumulate": 3}, {"freeze": ("nek",)}, {"freeze": ("*",)}]
)
def test_what_cannot_begin_leaves_no_folder(changes: dict[str, object], tmp_path: Path) -> None:
    with pytest.raises(DataError):
        train(job(), replace(SMALL, **changes), tmp_path / "run", opened=opened)  # type: ignore[arg-type]
    assert not (tmp_path / "run").exists()


def test_a_folder_that_cannot_be_written_whole_is_empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Path.replace

    def full(path: Path, target: Path) -> Path:
        if target.name == "settings.yaml":
            raise OSError(28, "No space left on device")
        return real(path, target)

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(InputOutputError, match="No space left"):
        train(job(), SMALL, tmp_path / "run", opened=opened)
    assert list((tmp_path / "run").iterdir()) == []


@pytest.mark.slow
def test_a_run_with_weights_to_begin_with(finished: Path, tmp_path: Path) -> None:
    """Also where it stops before its first state: the weights are taken again."""
    begun = job(weights=finished / "last.safetensors")
    frozen = replace(SHORT, freeze=("backbone", "neck", "classes"), epochs=1.0, ema=0.5)
    train(begun, frozen, tmp_path / "run", opened=opened)
    before, after = (weights(p / "last.safetensors") for p in (finished, tmp_path / "run"))
    kept = [name for name in before if not name.startswith("boxes.")]
    assert same({name: before[name] for name in kept}, {name: after[name] for name in kept})
    assert not same(before, after)
    (tmp_path / "run" / "last.pt").unlink()
    resume(tmp_path / "run", opened=opened)
    assert same(after, weights(tmp_path / "run" / "last.safetensors"))


def test_a_state_is_replaced_or_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "last.pt"
    state = {"network": network().state_dict(), "steps": 3}
    write_checkpoint(path, Checkpoint(state, 1.5))
    content = path.read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(InputOutputError, match="No space left on device"):
        write_checkpoint(path, Checkpoint(state, 2.5))
    assert [each.name for each in tmp_path.iterdir()] == ["last.pt"]
    assert path.read_bytes() == content
    found = read_checkpoint(path)
    assert found.seconds == 1.5 and same(found.trainer["network"], state["network"])  # type: ignore[arg-type]


def test_lines_of_lost_work_and_torn_lines_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    lines = [{"kind": "train", "step": step} for step in (1, 2, 3)]
    text = "\n".join([json.dumps(line) for line in lines])
    path.write_text(f'{text}\nnull\n[1]\n{{"kind": "eval"}}\n{{"kind": "train", "st')
    assert read_metrics(path) == lines
    metrics = Metrics(path, 2)
    assert metrics.add({"kind": "eval", "step": 2, "ap": float("nan"), "loss": 0.1 + 0.2})
    assert path.read_text().splitlines() == [
        '{"kind": "train", "step": 1}',
        '{"kind": "train", "step": 2}',
        '{"kind": "eval", "step": 2, "ap": null, "loss": 0.3}',
    ]
    assert read_metrics(tmp_path / "missing") == []


def test_lines_wait_for_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "metrics.jsonl"
    metrics = Metrics(path)
    assert metrics.add({"kind": "train", "step": 1})
    with monkeypatch.context() as full:
        full.setattr("os.fsync", lambda _: (_ for _ in ()).throw(OSError(28, "full")))
        assert not metrics.add({"kind": "train", "step": 2})
        assert [line["step"] for line in read_metrics(path)] == [1]
    assert metrics.add({"kind": "train", "step": 3})
    assert [line["step"] for line in read_metrics(path)] == [1, 2, 3]


def test_files_of_a_killed_process_do_not_count_but_others_do(
    finished: Path, tmp_path: Path
) -> None:
    facts = RunFolder(finished).facts
    path = tmp_path / "run"
    path.mkdir()
    for name in ("model.py", ".settings.yaml.0a1b2c3d.tmp"):
        (path / name).write_text("half")
    # Somebody's own file of such a name stays as it is.
    with pytest.raises(InputOutputError, match="is not empty") as raised:
        RunFolder.make(path, facts, SHORT, {"model.py": ""})
    assert raised.value.diagnostics[0].hint == "name another folder"
    (path / "samples").mkdir()
    (path / "thesis.tex").write_text("")
    with pytest.raises(InputOutputError, match=r"it has 'thesis\.tex'"):
        RunFolder.make(path, facts, SHORT, {"model.py": ""})
    (path / "thesis.tex").unlink()
    assert RunFolder.make(path, facts, SHORT, {"model.py": ""}).settings == SHORT
    with pytest.raises(InputOutputError, match="is not empty") as raised:
        RunFolder.make(path, facts, SHORT, {"model.py": ""})
    assert "--resume" in raised.value.diagnostics[0].hint
