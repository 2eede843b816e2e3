"""A node that fails is left alone for a while, for longer each time, and one answer ends that."""

from __future__ import annotations

import pytest

from holdfast.clock import ManualClock
from holdfast.replicas.pulse import Pulse


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def pulse(clock):
    return Pulse(clock)


def rest_of(pulse, clock) -> float:
    """How long the node rests from now on."""
    seconds = 0.0
    while pulse.is_resting("a"):
        clock.advance(0.5)
        seconds += 0.5
    return seconds


def test_a_node_that_nobody_knows_is_well(pulse):
    assert not pulse.is_resting("a")
    assert pulse.expected_seconds("a") < 0.01


def test_every_failure_in_a_row_doubles_the_rest_up_to_a_bound(pulse, clock):
    rests = []
    for _ in range(6):
        pulse.failed("a")
        rests.append(rest_of(pulse, clock))
    assert rests == [1.0, 2.0, 4.0, 8.0, 15.0, 15.0]


def test_many_calls_that_one_failure_cut_off_are_one_failure(pulse, clock):
    for _ in range(100):
        pulse.failed("a")
    assert rest_of(pulse, clock) == 1.0


def test_one_answer_ends_the_rest_and_the_next_failure_begins_anew(pulse, clock):
    for _ in range(4):
        pulse.failed("a")
        clock.advance(15)
    pulse.answered("a", 0.1)
    assert not pulse.is_resting("a")
    pulse.failed("a")
    assert rest_of(pulse, clock) == 1.0


def test_the_mean_follows_first_bytes_and_nothing_else(pulse):
    pulse.answered("a", 1.0)
    pulse.answered("a", None)
    assert pulse.expected_seconds("a") == 1.0
    pulse.answered("a", 2.0)
    assert pulse.expected_seconds("a") == pytest.approx(1.2)


def test_a_failure_leaves_the_mean(pulse):
    pulse.answered("a", 1.0)
    pulse.failed("a")
    assert pulse.expected_seconds("a") == 1.0
    assert not pulse.is_resting("b")


def test_of_a_node_with_streams_in_hand_the_next_answer_is_expected_later(pulse):
    pulse.answered("a", 1.0)
    pulse.answered("b", 1.5)
    pulse.began("a")
    assert pulse.expected_seconds("a") == 2.0 > pulse.expected_seconds("b")
    pulse.ended("a")
    assert pulse.expected_seconds("a") == 1.0
