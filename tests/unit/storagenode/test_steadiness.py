"""When the wall clock is believed: it has gone evenly for an hour, and nobody else's shows another time."""

from __future__ import annotations

import pytest

from holdfast.clock import ManualClock
from storagenode.collecting.steadiness import STEADY_SECONDS, Steadiness

DAY = 86_400.0
# A moment before the hour is over.
ALMOST = STEADY_SECONDS - 1


class Skewed(ManualClock):
    """Its wall clock is so far ahead."""

    ahead_seconds = 0.0

    def wall(self):
        return super().wall() + self.ahead_seconds


class World:
    def __init__(self):
        self.clock = Skewed()
        self.others = {}
        self.steadiness = Steadiness(self.clock, lambda: self.others)

    def after(self, seconds, *, is_noted=True):
        self.clock.advance(seconds)
        return self.steadiness.now(is_noted=is_noted)


def test_a_clock_is_believed_after_an_hour():
    made = World()
    assert made.after(0).doubt_seconds == STEADY_SECONDS
    assert made.after(ALMOST).doubt_seconds == 1
    now = made.after(1)
    assert (now.is_doubted, now.wall_seconds) == (False, made.clock.wall())


@pytest.mark.parametrize("jump", [30 * DAY, -30 * DAY, 400.0])
def test_a_jump_begins_the_hour_anew_and_is_told_once(jump, caplog):
    made = World()
    made.after(2 * STEADY_SECONDS)
    made.clock.ahead_seconds = jump
    made.steadiness.look()
    made.steadiness.look()
    assert [(one.message.split(":")[0], one.seconds) for one in caplog.records] == [
        ("the wall clock has jumped", round(jump))
    ]
    assert made.after(ALMOST).is_doubted
    assert not made.after(1).is_doubted


def test_a_jump_there_and_back_between_two_passes_is_seen_by_who_looks_every_second():
    made = World()
    made.after(2 * STEADY_SECONDS)
    made.clock.ahead_seconds = DAY
    made.steadiness.look()
    made.clock.ahead_seconds = 0.0
    made.steadiness.look()
    assert made.after(ALMOST).is_doubted


def test_many_small_steps_add_up_to_a_jump():
    made = World()
    made.after(2 * STEADY_SECONDS)
    for _ in range(4):
        made.clock.ahead_seconds += 100.0
        made.steadiness.look()
    assert made.after(0).is_doubted


def test_a_small_step_is_none():
    made = World()
    made.after(2 * STEADY_SECONDS)
    made.clock.ahead_seconds = 100.0
    assert not made.after(0).is_doubted


@pytest.mark.parametrize("away", [DAY, -DAY])
def test_a_clock_that_differs_from_another_nodes_is_not_believed_until_both_have_agreed_for_an_hour(away, caplog):
    made = World()
    made.others = {"b": made.clock.wall() + 2 * STEADY_SECONDS, "c": made.clock.wall() + 2 * STEADY_SECONDS + away}
    assert made.after(2 * STEADY_SECONDS).doubt_seconds == STEADY_SECONDS
    assert [(one.node, one.seconds) for one in caplog.records] == [("c", round(-away))]
    made.others = {}
    assert made.after(ALMOST).is_doubted
    assert not made.after(1).is_doubted


def test_who_only_asks_changes_nothing_and_tells_nothing(caplog):
    made = World()
    made.after(2 * STEADY_SECONDS)
    made.others = {"b": 0.0}
    assert made.after(0, is_noted=False).is_doubted
    made.others = {}
    made.clock.ahead_seconds = DAY
    assert made.after(0, is_noted=False).is_doubted
    made.clock.ahead_seconds = 0.0
    assert not made.after(0, is_noted=False).is_doubted
    assert not caplog.records
