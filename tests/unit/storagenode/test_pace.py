"""A collection at its pace: it rests in proportion to what it has worked."""

from __future__ import annotations

import pytest

from holdfast.clock import ManualClock
from storagenode.collecting.pace import Pace


class Walk:
    """So many steps that compute for so many seconds."""

    def __init__(self, steps, seconds):
        self.clock = ManualClock(0.0)
        self.rests = []
        goes_on = Pace(self.clock.monotonic, self.rests.append).of(lambda: True)
        for _ in range(steps):
            assert goes_on()
            self.clock.advance(seconds)
        self.worked_seconds = steps * seconds


def test_three_of_four_milliseconds_are_somebody_elses():
    walk = Walk(steps=100, seconds=0.004)
    assert sum(walk.rests) >= 2.9 * walk.worked_seconds


def test_small_steps_add_up_to_a_rest():
    walk = Walk(steps=1000, seconds=0.0001)
    assert sum(walk.rests) >= 2.9 * walk.worked_seconds
    assert min(walk.rests) >= 0.006


def test_what_is_short_does_not_rest_at_all():
    assert Walk(steps=15, seconds=0.0001).rests == []


def test_no_rest_is_long_also_after_a_long_step():
    assert max(Walk(steps=3, seconds=30.0).rests) <= 0.1


@pytest.mark.parametrize("answer", [True, False])
def test_the_answer_is_the_same(answer):
    assert Pace(lambda: 0.0, lambda _seconds: None).of(lambda: answer)() is answer
