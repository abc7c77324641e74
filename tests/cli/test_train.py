"""`archgraph train`: what it asks for, which setting wins, how it ends."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest

import archgraph.train.data
from archgraph.errors import DataError, Diagnostic
from archgraph.train.fit import RunFolder
from archgraph.train.fit.recipes import recipe
from archgraph.train.fit.trainer import Trainer
from tests.cli.support import Command
from tests.small_detector import toy_spec
from tests.train.fit.support import opened, same, steps_of, weights

TRAIN = ("train", toy_spec(), "--set", "classes=6", "--data", "shapes", "-o", "run")
SHORT = ("--recipe", "small", "--epochs", "2", "--batch-size", "4", "--workers", "0")


@pytest.fixture(autouse=True)
def few_images(monkeypatch: pytest.MonkeyPatch) -> None:
    def few(source: str, *, ids: Any = "dense", progress: object = None) -> object:
        return opened(source, ids)

    monkeypatch.setattr(archgraph.train.data, "open_dataset", few)
    monkeypatch.delenv("RANK", raising=False)


def test_a_training(archgraph: Command, folder: Path) -> None:
    outcome = archgraph(*TRAIN, *SHORT)
    assert outcome.code == 0, outcome.err
    first, best, last = outcome.out.splitlines()
    assert first.startswith("6 steps in ") and best.startswith("best AP 0.")
    assert last == "the run is in run"
    assert "step 1/6  epoch 0.33  loss " in outcome.err and "images/s" in outcome.err
    assert "step 6: AP 0." in outcome.err and "(best so far)" in outcome.err
    again = archgraph("train", "--resume", "run")
    assert again.code == 0 and again.out.startswith("6 steps in ")
    assert steps_of(folder / "run", "eval") == [3, 6]
    failed = archgraph(*TRAIN, *SHORT)
    assert (failed.code, failed.out) == (3, "")
    assert "error[E020]: the folder 'run' is not empty" in failed.err
    assert "archgraph train --resume run" in failed.err


@pytest.mark.slow
def test_a_signal_and_how_to_go_on(
    archgraph: Command, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert archgraph(*TRAIN, *SHORT).code == 0
    (folder / "run").rename(folder / "whole")
    real, calls = Trainer.step, 0

    def step(self: Trainer, *given: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 2:
            os.kill(os.getpid(), signal.SIGTERM)
        return real(self, *given)

    monkeypatch.setattr(Trainer, "step", step)
    outcome = archgraph(*TRAIN, *SHORT)
    assert (outcome.code, outcome.out) == (130, "")
    assert outcome.err.endswith(
        "interrupted after step 2; go on with\n  archgraph train --resume run\n"
    )
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    assert archgraph("train", "--resume", "run").code == 0
    names = [folder / each / "last.safetensors" for each in ("run", "whole")]
    assert same(*map(weights, names))


@pytest.mark.slow
def test_which_setting_wins(archgraph: Command, folder: Path) -> None:
    """A recipe, under a file, under options, under `--with`."""
    (folder / "s.yaml").write_text("lr: 5e-4\nepochs: 9\nseed: 5\nmomentum: 0.8\n")
    options = ("--settings", "s.yaml", *SHORT, "--lr", "0.001", "--epochs", "1")
    given = ("--with", "lr=0.002", "--with", "freeze=[backbone]", "--minutes", "7")
    assert archgraph(*TRAIN, *options, *given).code == 0
    found = RunFolder(folder / "run").settings
    assert (found.recipe, found.optimizer) == ("small", recipe("small").optimizer)
    assert (found.seed, found.momentum) == (5, 0.8)
    assert (found.epochs, found.batch_size, found.time_limit) == (1.0, 4, 7.0)
    assert (found.lr, found.freeze) == (0.002, ("backbone",))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "there is nothing to train"),
        (("toy.yaml",), "there are no images to learn from"),
        (("toy.yaml", "--data", "shapes"), "there is no folder for the run"),
        (("toy.yaml", "--resume", "run"), "'SPEC' says something else"),
        (("--resume", "run", "--minutes", "3"), "'--minutes' says something else"),
        (("--resume", "run", "--weights", "w"), "'--weights' says something else"),
        (("--resume", "run", "--with", "lr=1"), "'--with' says something else"),
        (("--resume", "run", "--set", "a=1"), "'--set' says something else"),
        (("--resume", "run", "--ids", "coco"), "'--ids' says something else"),
    ],
)
def test_options_that_are_of_no_use(archgraph: Command, arguments: Any, said: str) -> None:
    outcome = archgraph("train", *arguments)
    assert outcome.code == 2
    assert "error[E125]: " in outcome.err and said in outcome.err


def test_mistakes_are_told_with_their_places(archgraph: Command, folder: Path) -> None:
    outcome = archgraph(*TRAIN, "--with", "epochs=none", "--with", "ema=2")
    assert outcome.code == 1
    assert "--with:1:8: error[E550]: 'epochs' is \"none\"; expected a number" in outcome.err
    assert "--with:1:5: error[E550]: 'ema' is 2; expected less than 1" in outcome.err
    outcome = archgraph(*TRAIN, "--with", "epocs=3")
    assert "--with:1:1: error[E550]: there is no setting 'epocs'" in outcome.err
    outcome = archgraph(*TRAIN, "--with", "epochs")
    assert outcome.code == 2
    assert "--with:1:1: error[E120]: 'epochs' is not KEY=VALUE" in outcome.err
    assert "write --with KEY=VALUE, for example --with lr=0.01" in outcome.err
    assert "E001" in archgraph("train", "--resume", "nowhere").err
    assert not (folder / "run").exists()


def test_boards_need_their_package(archgraph: Command, folder: Path) -> None:
    pytest.importorskip("torch")
    try:
        import tensorboard  # type: ignore[import-not-found,import-untyped,unused-ignore]  # noqa: F401
    except ImportError:
        outcome = archgraph(*TRAIN, *SHORT, "--tensorboard")
        assert outcome.code == 1
        assert "error[E556]" in outcome.err and "pip install tensorboard" in outcome.err
        assert not (folder / "run").exists()


def test_later_processes_leave_it_to_the_first_to_speak(
    archgraph: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RANK", "1")
    outcome = archgraph(*TRAIN, *SHORT, "--with", "ema=2")
    assert (outcome.code, outcome.out, outcome.err) == (1, "", "")

    def lost(*_: object, **__: object) -> None:
        raise DataError(Diagnostic("E559", "they lost one another"))

    monkeypatch.setattr("archgraph.train.fit.train", lost)
    assert "they lost one another" in archgraph(*TRAIN, *SHORT).err
