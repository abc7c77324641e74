"""`import-weights` and `export-weights`, and what they say."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from archgraph.cli.export_weights import Names
from archgraph.compiler import build
from archgraph.train.detector import make_detector
from archgraph.weights import SCHEMES
from archgraph.weights.checkpoint import read_weights
from tests.cli.support import Command
from tests.small_detector import toy_spec
from tests.weights.support import network, same, state_of

D0 = ("--model", "efficientdet", "--variant", "d0")


@pytest.fixture
def checkpoint(folder: Path) -> Path:
    """A training checkpoint of effdet."""
    state = state_of(network(), "effdet")
    averaged = {name: tensor + 1 for name, tensor in state.items()}
    torch.save({"state_dict": state, "state_dict_ema": averaged, "epoch": 3}, "effdet.pth")
    return folder / "effdet.pth"


def test_there_and_back(archgraph: Command, checkpoint: Path) -> None:
    outcome = archgraph("import-weights", "effdet.pth", *D0, "-o", "d0.safetensors")
    assert (outcome.code, outcome.out) == (0, "")
    assert outcome.err == (
        "wrote d0.safetensors (784 tensors, 3,927,203 numbers; names of effdet)\n"
        "  note: took 'state_dict'; the averaged weights, 'state_dict_ema', are taken with --ema\n"
    )
    found = read_weights("d0.safetensors")
    assert same(found.tensors, state_of(network()))
    assert found.metadata["model"] == "efficientdet"
    assert found.metadata["variant"] == "d0"

    outcome = archgraph("export-weights", "d0.safetensors", *D0, "--as", "effdet", "-o", "b.pth")
    assert (outcome.code, outcome.out) == (0, "")
    assert outcome.err == "wrote b.pth (784 tensors, 3,927,203 numbers; names of effdet)\n"
    assert same(torch.load("b.pth", weights_only=True), state_of(network(), "effdet"))


def test_the_moving_average(archgraph: Command, checkpoint: Path) -> None:
    outcome = archgraph("import-weights", "effdet.pth", *D0, "--ema", "-o", "d0.safetensors")
    assert outcome.err.endswith("  note: took the averaged weights, 'state_dict_ema'\n")
    expected = {name: tensor + 1 for name, tensor in state_of(network()).items()}
    assert same(read_weights("d0.safetensors").tensors, expected)


def test_another_number_of_classes_is_said(archgraph: Command, checkpoint: Path) -> None:
    outcome = archgraph(
        "import-weights", "effdet.pth", *D0, "--set", "classes=20", "-o", "d0.safetensors"
    )
    assert outcome.code == 0
    assert "'classes.predict.pointwise' keeps its initial weights" in outcome.err
    assert read_weights("d0.safetensors").metadata["set"] == ["classes=20"]


def test_another_network(archgraph: Command, checkpoint: Path) -> None:
    other = ("--model", "efficientdet", "--variant", "d1")
    outcome = archgraph("import-weights", "effdet.pth", *other, "-o", "d1.safetensors")
    assert (outcome.code, outcome.out) == (1, "")
    assert "error[E432]: 'effdet.pth' does not fit efficientdet d1: " in outcome.err
    assert "nothing was loaded or written" in outcome.err
    assert len(outcome.err) < 2000
    assert not Path("d1.safetensors").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("missing.pth", *D0, "-o", "a.safetensors"), 3, "error[E001]: cannot read 'missing.pth'"),
        (("good.yaml", *D0, "-o", "a.safetensors"), 1, "error[E430]: 'good.yaml' is neither"),
        (("effdet.pth", *D0, "-o", "a.pth"), 2, "error[E122]: cannot write weights to 'a.pth'"),
        (("effdet.pth", *D0, "-o", "-"), 2, "error[E122]"),
        (("effdet.pth", *D0, "-o", "no/a.safetensors"), 3, "error[E020]: cannot write 'no/a.saf"),
        (("effdet.pth", "--model", "efficientdett", "-o", "a.safetensors"), 1, "error[E109]"),
        (("effdet.pth", *D0, "--set", "classes", "-o", "a.safetensors"), 2, "error[E120]"),
        (("effdet.pth", "-o", "a.safetensors"), 2, "--model"),
    ],
)
def test_mistakes(
    archgraph: Command, checkpoint: Path, arguments: tuple[str, ...], code: int, message: str
) -> None:
    before = {path.name for path in Path().iterdir()}
    outcome = archgraph("import-weights", *arguments)
    assert (outcome.code, outcome.out) == (code, "")
    assert message in outcome.err
    assert {path.name for path in Path().iterdir()} == before


def test_export_refuses_what_others_do_not_have(archgraph: Command, folder: Path) -> None:
    neck = network("bifpn", "", channels=64)
    torch.save(state_of(neck), "neck.pth")
    outcome = archgraph(
        *("export-weights", "neck.pth", "--model", "bifpn", "--set", "channels=64"),
        *("--as", "effdet", "-o", "a.pth"),
    )
    assert outcome.code == 1
    assert "error[E433]: 'bifpn' is no detector of effdet" in outcome.err
    assert not Path("a.pth").exists()


def test_every_scheme_is_offered() -> None:
    assert {name.value for name in Names} == set(SCHEMES)


def test_names_of_classes_travel(archgraph: Command, folder: Path) -> None:
    torch.save(build(toy_spec()).state_dict(), "toy.pth")
    (folder / "names.txt").write_text("cat\ndog\nhen\n")
    call = ("import-weights", "toy.pth", "--model", toy_spec(), "-o", "toy.safetensors")
    assert archgraph(*call, "--names", "names.txt").code == 0
    assert make_detector(toy_spec(), weights="toy.safetensors").class_names == ("cat", "dog", "hen")
    (folder / "names.txt").write_text("cat\n")
    outcome = archgraph(*call, "--names", "names.txt")
    assert outcome.code == 1
    assert "error[E540]: 'toy' tells 3 classes apart, and there are 1 names" in outcome.err
