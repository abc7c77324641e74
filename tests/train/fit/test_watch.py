"""What is said of a training, and that nobody who listens can end it."""

from __future__ import annotations

from dataclasses import replace
from io import StringIO

import pytest

from archgraph.train.fit import Lines, Losses
from archgraph.train.fit.watch import Progress, Silent, Watchers, duration, speed, where

LOSSES = Losses(4.5, 1.25, 0.065, 0.0, 9.0, 120, 0.0021)
PROGRESS = Progress(1500, 3000, 1.5, 3.0, 0.5, 60.0, 3725.0, 12.345, 0.25, 3 << 29)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.4, "0 s"),
        (59.6, "1 min 00 s"),
        (200, "3 min 20 s"),
        (7500, "2 h 05 min"),
        (93_600, "1 d 02 h"),
        (-3, "0 s"),
    ],
)
def test_durations(seconds: float, said: str) -> None:
    assert duration(seconds) == said


def test_a_line_says_where_a_training_is() -> None:
    stream = StringIO()
    now = iter([0.0, 5.0, 11.0, 12.0])
    lines = Lines(stream, 10.0, lambda: next(now))
    for step in (1500, 1501, 1502, 3000):
        lines.stepped(replace(PROGRESS, step=step), LOSSES)
    written = stream.getvalue().splitlines()
    assert [line.split()[1] for line in written] == ["1,500/3,000", "1,502/3,000", "3,000/3,000"]
    assert written[0] == (
        "step 1,500/3,000  epoch 1.50  loss 4.5000 (classes 1.2500, boxes 0.06500)  lr 0.0021  "
        "12.3 images/s (25% waiting)  1.5 GiB  1 h 02 min left"
    )


def test_steps_that_time_will_cut_short_have_no_total() -> None:
    assert where(replace(PROGRESS, share=0.75)) == "step 1,500  epoch 1.50"


def test_what_is_not_known_is_not_said() -> None:
    assert speed(replace(PROGRESS, left=None, waiting=0.05)) == "12.3 images/s  1.5 GiB"


def test_one_that_cannot_write_ends_nothing() -> None:
    class Full(Silent):
        def stepped(self, progress: Progress, losses: Losses) -> None:
            raise OSError(28, "No space left on device")

        def noted(self, text: str) -> None:
            raise OSError(28, "No space left on device")

    stream = StringIO()
    watchers = Watchers([Full(), Lines(stream)])
    watchers.stepped(PROGRESS, LOSSES)
    watchers.noted("here")
    assert stream.getvalue().count("\n") == 2
