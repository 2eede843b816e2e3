"""When a mirror runs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from holdfast.meta.mirrorruns import Run, Standing
from syncworker.schedule import Schedule, Step

HOUR = 3600.0
NEVER = Run("entry")
UNDER_WAY = replace(NEVER, number=3, is_running=True, started_seconds=5000.0)
# By the wall clock.
ENDED = replace(UNDER_WAY, is_running=False, ended_seconds=6000.0)


def step(
    schedule: Schedule, run: Run, now: float, *, wall: float = 6000.0, asked: int = 0, paused: bool = False
) -> Step:
    return schedule.seen(run, now, wall).step(Standing(run, asked, paused), now)


def test_a_mirror_that_never_ran_begins_at_once():
    assert step(Schedule(HOUR), NEVER, 1.0) is Step.BEGIN


def test_a_run_under_way_is_joined_after_a_restart_too():
    assert step(Schedule(HOUR), UNDER_WAY, 1.0) is Step.JOIN


def test_the_next_run_is_due_an_interval_after_this_process_saw_the_last_one_end():
    watching = Schedule(HOUR).seen(UNDER_WAY, 0.0, 0.0).seen(ENDED, 100.0, 999_999.0)
    assert step(watching, ENDED, 99.0 + HOUR, wall=0.0) is Step.WAIT
    assert step(watching, ENDED, 100.0 + HOUR, wall=0.0) is Step.BEGIN


def test_a_new_process_waits_for_what_is_left_of_the_interval():
    watching = Schedule(HOUR).seen(ENDED, 50.0, 6000.0 + 600.0)
    assert step(watching, ENDED, 49.0 + HOUR - 600.0) is Step.WAIT
    assert step(watching, ENDED, 50.0 + HOUR - 600.0) is Step.BEGIN


@pytest.mark.parametrize(("wall", "first_due"), [(0.0, 50.0 + HOUR), (10_000_000.0, 50.0)])
def test_a_wall_clock_that_is_wrong_moves_the_next_run_by_one_interval_at_most(wall, first_due):
    watching = Schedule(HOUR).seen(ENDED, 50.0, wall)
    assert step(watching, ENDED, first_due - 1.0) is Step.WAIT
    assert step(watching, ENDED, first_due) is Step.BEGIN


def test_a_wish_begins_a_run_that_is_not_due_and_only_one():
    watching = Schedule(HOUR).seen(ENDED, 50.0, 6000.0)
    assert step(watching, replace(ENDED, answered=7), 51.0, asked=8) is Step.BEGIN
    assert step(watching, replace(ENDED, answered=8), 51.0, asked=8) is Step.WAIT


def test_without_an_interval_a_mirror_runs_when_asked_alone():
    assert step(Schedule(0.0), NEVER, 1e9) is Step.WAIT
    assert step(Schedule(0.0), NEVER, 1e9, asked=1) is Step.BEGIN


@pytest.mark.parametrize("run", [NEVER, UNDER_WAY, ENDED])
def test_a_paused_mirror_does_nothing(run):
    assert step(Schedule(HOUR), run, 1e9, asked=1, paused=True) is Step.WAIT


def test_one_looks_again_when_a_run_is_due_and_every_so_often():
    watching = Schedule(HOUR).seen(ENDED, 0.0, 6000.0)
    assert watching.wait_seconds(HOUR - 0.25, 1.0) == 0.25
    assert watching.wait_seconds(0.0, 1.0) == 1.0
    assert watching.wait_seconds(HOUR, 1.0) == 1.0
    assert Schedule(0.0).wait_seconds(0.0, 1.0) == 1.0
