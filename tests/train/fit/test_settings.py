"""One object from a file, a command line or Python, and every mistake with its place."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from archgraph.errors import ArchgraphError, DataError, InputOutputError, SpecError
from archgraph.spec import ArgumentValue
from archgraph.train.fit import RECIPES, TrainSettings, make_settings, read_settings, recipe, train
from archgraph.train.fit.loop import make_plan
from archgraph.train.fit.settings import NAMES, checked
from tests.train.fit.support import SMALL, job, opened

CHANGED = replace(
    recipe("effdet"),
    epochs=0.1,
    lr=1e-7,
    freeze=("backbone", "neck.*"),
    jitter=(0.5, 1.5),
    compile=True,
    overlap="giou",
    seed=(1 << 32) - 1,
    recipe='a "name": with, signs # of YAML',
)


def refused(**given: Any) -> list[str]:
    with pytest.raises(DataError) as raised:
        make_settings({key: ArgumentValue(value) for key, value in given.items()})
    assert all(each.code == "E550" for each in raised.value.diagnostics)
    return [each.message for each in raised.value.diagnostics]


@pytest.mark.parametrize("how", [TrainSettings(), CHANGED, *[r.settings for r in RECIPES.values()]])
def test_settings_survive_their_file(how: TrainSettings, tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text(how.as_yaml())
    found = read_settings(tmp_path / "s.yaml", SMALL)
    assert found == how
    assert [type(value) for value in asdict(found).values()] == [
        type(value) for value in asdict(TrainSettings()).values()
    ]


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("epochs", "3", "'epochs' is \"3\"; expected a number"),
        ("epochs", 0, "'epochs' is 0; expected greater than 0"),
        ("lr", float("inf"), "'lr' is Infinity; expected a finite number"),
        ("lr", float("nan"), "'lr' is NaN; expected a finite number"),
        ("batch_size", 2.5, "'batch_size' is 2.5; expected a whole number"),
        ("batch_size", True, "'batch_size' is true; expected a whole number"),
        ("workers", -1, "'workers' is -1; expected greater than or equal to 0"),
        ("ema", 1.0, "'ema' is 1.0; expected less than 1"),
        ("compile", "yes", "'compile' is \"yes\"; expected true or false"),
        ("recipe", 3, "'recipe' is 3; expected text"),
        ("optimizer", "adam", "'optimizer' is \"adam\"; expected 'sgd' or 'adamw'"),
        ("freeze", "neck", "'freeze' is \"neck\"; expected a list"),
        ("freeze", [1], "'freeze' is [1]; expected text"),
        ("jitter", [1], "'jitter' is [1]; expected a longer list"),
        ("jitter", [1, 2, 3], "'jitter' is [1, 2, 3]; expected a shorter list"),
        ("jitter", [2, 1], "the smallest scale of 'jitter' is larger than the largest"),
        ("seed", None, "'seed' is null; expected a whole number"),
        ("epoch", 3, "there is no setting 'epoch'"),
    ],
)
def test_every_kind_of_mistake(key: str, value: object, said: str) -> None:
    assert refused(**{key: value}) == [said]


def test_settings_that_exclude_each_other() -> None:
    assert refused(compile=True, checkpoint=True) == [
        "'compile' and 'checkpoint' exclude each other"
    ]


def test_all_mistakes_of_a_file_have_their_places(tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    path.write_text("lr: 1e-3\nbatchsize: 3\nfreeze: [backbone]\nseed: -1\n")
    with pytest.raises(DataError) as raised:
        read_settings(path)
    places = [(d.location.line, d.location.column) for d in raised.value.diagnostics if d.location]
    assert places == [(2, 1), (4, 7)]
    assert raised.value.diagnostics[0].hint == "did you mean 'batch_size'?"


@pytest.mark.parametrize(
    ("content", "error"),
    [("", SpecError), ("- 1", SpecError), ("a: [", SpecError), (None, InputOutputError)],
)
def test_files_that_are_no_settings(
    content: str | None, error: type[ArchgraphError], tmp_path: Path
) -> None:
    if content is not None:
        (tmp_path / "s.yaml").write_text(content)
    with pytest.raises(error):
        read_settings(tmp_path / "s.yaml")


def test_a_file_is_over_what_it_starts_from(tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text("lr: 1e-3\nepochs: 7\n")
    assert read_settings(tmp_path / "s.yaml", SMALL) == replace(SMALL, lr=1e-3, epochs=7.0)


def test_an_unknown_key_is_pointed_at(tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text("lr: 1e-3\nepochs: 7\n  \nepocs : 3\njiter:\n  - 1\n  - 2\n")
    with pytest.raises(DataError) as raised:
        read_settings(tmp_path / "s.yaml")
    first, second = (each.location for each in raised.value.diagnostics)
    assert first and second
    assert (first.line, first.column, first.end_column) == (4, 1, 6)
    assert second.line == 6  # its value stands on a line of its own


def test_settings_made_in_python_are_checked(tmp_path: Path) -> None:
    assert checked(replace(SMALL, freeze=["neck"])).freeze == ("neck",)  # type: ignore[arg-type]
    with pytest.raises(DataError, match="'batch_size' is 0") as raised:
        train(job(), replace(SMALL, batch_size=0), tmp_path / "run", opened=opened)
    assert raised.value.diagnostics[0].code == "E550"
    assert not (tmp_path / "run").exists()


def test_every_setting_is_described() -> None:
    text = TrainSettings.__doc__ or ""
    described = text.partition("Attributes:")[2].replace(",", ":")
    assert [name for name in NAMES if f" {name}:" not in described] == []


def test_an_unknown_recipe() -> None:
    with pytest.raises(DataError, match="did you mean 'effdet'") as raised:
        recipe("efdet")
    assert raised.value.diagnostics[0].code == "E551"


# What the sources say, row by row: google/automl's hparams_config.py, the README and defaults of
# efficientdet-pytorch, the paper's section 5.1.
SGD = {"optimizer": "sgd", "momentum": 0.9, "weight_decay": 4e-5, "alpha": 0.25, "gamma": 1.5}
PUBLISHED: dict[str, dict[str, Any]] = {
    "efficientdet": {
        **SGD,
        **{"lr": 0.08, "lr_batch": 64, "batch_size": 64, "epochs": 300, "warmup": 1},
        **{"warmup_lr": 0.008, "schedule": "automl-cosine", "cooldown": 0},
        **{"clip_each": 10, "clip_norm": 10, "ema": 0.9998, "ema_warmup": True},
        **{"delta": 0.1, "box_weight": 50, "jitter": (0.1, 2.0), "augment": "reference"},
    },
    "effdet": {
        **SGD,
        **{"lr": 0.09, "batch_size": 4 * 16, "epochs": 300, "cooldown": 10, "warmup": 5},
        **{"warmup_lr": 1e-4, "final_lr": 1e-5, "schedule": "timm-cosine", "sync_norm": True},
        **{"clip_each": 0, "clip_norm": 10, "ema": 0.9998, "ema_warmup": False},
    },
    "paper": {
        **SGD,
        **{"lr": 0.16, "batch_size": 128, "epochs": 300, "warmup": 1, "warmup_lr": 0},
        **{"schedule": "cosine", "final_lr": 0, "ema": 0.9998, "jitter": (0.1, 2.0)},
        **{"clip_each": 0, "clip_norm": 0},
    },
    "finetune": {
        **SGD,
        **{"lr": 0.008, "batch_size": 4 * 16, "epochs": 150, "warmup": 3, "ema": 0.9966},
    },
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_recipes_are_what_was_published(name: str) -> None:
    settings = asdict(recipe(name))
    assert {key: settings[key] for key in PUBLISHED[name]} == PUBLISHED[name]
    assert settings["recipe"] == name
    assert RECIPES[name].source


@pytest.mark.parametrize("name", RECIPES)
def test_recipes_can_be_used(name: str) -> None:
    assert checked(recipe(name)) == recipe(name)
    assert recipe(name).peak_lr == pytest.approx(recipe(name).lr)


def test_the_rate_grows_with_the_batch() -> None:
    assert replace(TrainSettings(), batch_size=256).peak_lr == pytest.approx(0.32)
    assert replace(TrainSettings(), batch_size=16).peak_lr == pytest.approx(0.02)
    assert replace(TrainSettings(), batch_size=16, lr_batch=0).peak_lr == 0.08
    assert replace(recipe("paper"), batch_size=64).peak_lr == pytest.approx(0.08)


def test_too_few_images_for_a_batch() -> None:
    with pytest.raises(DataError, match="has 12 images, too few for a batch of 13") as raised:
        make_plan(opened("shapes:train", "dense"), None, replace(SMALL, batch_size=13))
    assert raised.value.diagnostics[0].code == "E552"


def test_a_batch_that_cannot_be_divided() -> None:
    with pytest.raises(DataError, match="of 4 images cannot be divided into 3 parts") as raised:
        make_plan(opened("shapes:train", "dense"), None, replace(SMALL, accumulate=3))
    assert raised.value.diagnostics[0].code == "E553"
    assert raised.value.diagnostics[0].hint == "set batch_size to a multiple of 3"


def test_evaluations_of_a_plan() -> None:
    train_set = opened("shapes:train", "dense")
    plan = make_plan(train_set, train_set, replace(SMALL, epochs=3.5, eval_every=1.0))
    assert (plan.steps_per_epoch, plan.steps) == (3, 10)
    assert [step for step in range(12) if plan.due(step)] == [3, 6, 9, 10]
    assert not make_plan(train_set, None, SMALL).due(12)
