"""Learning rates are those of the references, worked out by hand."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from archgraph.train.fit.loop import make_plan
from archgraph.train.fit.recipes import EFFDET, recipe
from archgraph.train.fit.schedule import DROPS, KINDS, Schedule
from tests.train.fit.support import opened


def test_cosine_falls_from_the_end_of_the_warm_up_to_the_last_step() -> None:
    schedule = Schedule("cosine", 1.0, 12, 4, warmup_steps=4, final=0.2)
    # 0.2 + 0.8 (1 + cos(pi k / 8)) / 2
    expected = [0, 0.25, 0.5, 0.75, 1, 0.969552, 0.882843, 0.753073, 0.6, 0.446927, 0.317157]
    expected += [0.230448, 0.2]
    assert [schedule.rate(step) for step in range(13)] == pytest.approx(expected, abs=1e-6)


def test_automl_counts_the_warm_up_too_and_rises_at_the_end() -> None:
    """google/automl: 0.5 lr (1 + cos(pi step / (total - warmup))), from 0.008 over one epoch."""
    schedule = Schedule("automl-cosine", 0.08, 30, 10, warmup_steps=10, warmup_start=0.008)
    rates = [schedule.rate(step) for step in range(30)]
    assert rates[0] == 0.008
    assert rates[5] == pytest.approx(0.044)
    # Where the warm-up ends the cosine has already fallen for as long.
    assert rates[9] == pytest.approx(0.0728)
    assert rates[10] == pytest.approx(0.04)
    assert rates[15] == pytest.approx(0.04 * (1 - math.sqrt(0.5)))
    assert rates[20] == pytest.approx(0.0, abs=1e-12)
    assert rates[25] == pytest.approx(0.04 * (1 - math.sqrt(0.5)))
    assert rates[29] > rates[25] > rates[21] > rates[20]


def test_effdet_changes_once_an_epoch_and_cools_down() -> None:
    """timm's cosine as effdet's README calls it: 5 epochs from 1e-4, 300 to 1e-5, and 10 there."""
    plan = make_plan(opened("shapes:train", "dense"), None, replace(EFFDET, batch_size=4, lr=1.44))
    assert (plan.steps_per_epoch, plan.steps) == (3, 930)
    rates = [plan.schedule.rate(step) for step in range(plan.steps)]
    assert all(rates[3 * e] == rates[3 * e + 1] == rates[3 * e + 2] for e in range(310))
    epochs = rates[::3]
    warm = [1e-4, 0.01808, 0.03606, 0.05404, 0.07202]  # 1e-4 + e (0.09 - 1e-4) / 5
    assert epochs[:5] == pytest.approx(warm)
    by_hand = [1e-5 + 0.5 * (0.09 - 1e-5) * (1 + math.cos(math.pi * e / 300)) for e in range(300)]
    assert epochs[5:300] == pytest.approx(by_hand[5:])
    assert epochs[150] == pytest.approx(0.045005)
    assert epochs[300:] == [1e-5] * 10


def test_automl_drops_at_two_thirds_and_five_sixths() -> None:
    """200 and 250 epochs of 300."""
    schedule = Schedule("step", 0.08, 600, 2, warmup_steps=2, warmup_start=0.008)
    found = {step: schedule.rate(step) for step in (0, 1, 2, 399, 400, 499, 500, 599)}
    assert list(found.values()) == pytest.approx(
        [0.008, 0.044, 0.08, 0.08, 0.008, 0.008, 0.0008, 0.0008]
    )
    assert [round(300 * part) for part, _ in DROPS] == [200, 250]


def test_automl_falls_as_a_power() -> None:
    schedule = Schedule("poly", 0.1, 100, 10, warmup_steps=10)
    assert schedule.rate(5) == pytest.approx(0.05)
    assert schedule.rate(10) == pytest.approx(0.1 * 0.9**0.9)
    assert schedule.rate(75) == pytest.approx(0.0287174589)
    assert schedule.rate(100) == 0


def test_a_constant_rate_stays() -> None:
    schedule = Schedule("constant", 0.1, 100, 10, warmup_steps=2)
    assert [schedule.rate(step) for step in (0, 1, 2, 99)] == pytest.approx([0, 0.05, 0.1, 0.1])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", [(1, 1, 0, 0), (1, 1, 5, 0), (3, 4, 2, 0), (4, 2, 9, 1)])
def test_short_trainings_have_rates(kind: str, shape: tuple[int, int, int, int]) -> None:
    steps, each, warmup, cooldown = shape
    schedule = Schedule(kind, 1.0, steps, each, warmup, 0.1, 0.0, cooldown)  # type: ignore[arg-type]
    assert all(0 <= schedule.rate(step) <= 1 for step in range(steps + 1))


def test_a_time_limit_is_a_place_between_steps() -> None:
    schedule = Schedule("cosine", 1.0, 10, 10)
    assert schedule.rate(2.5) == pytest.approx(0.5 * (1 + math.cos(math.pi / 4)))


def test_the_recipe_of_automl_is_its_schedule() -> None:
    how = replace(recipe("efficientdet"), batch_size=4, epochs=3.0)
    schedule = make_plan(opened("shapes:train", "dense"), None, how).schedule
    assert schedule == Schedule("automl-cosine", 0.08 * 4 / 64, 9, 3, 3, 0.008, 0.0, 0)
