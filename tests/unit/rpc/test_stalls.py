"""Streams from which nothing comes are cut; slow readers, and streams that nobody waits for, are not."""

from __future__ import annotations

import math
import threading

import pytest

from holdfast.clock import ManualClock
from holdfast.rpc import stalls
from holdfast.rpc.stalls import StallWatch


class Call:
    def __init__(self) -> None:
        self.cancelled = threading.Event()

    def cancel(self) -> None:
        self.cancelled.set()


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def watch(clock, monkeypatch):
    monkeypatch.setattr(stalls, "_STEP_SECONDS", 0.005)
    return StallWatch(clock)


def seen(watch, clock) -> None:
    """Until the thread has looked at everything as it is now."""
    marker = Call()
    with watch.waiting(marker, -1.0):
        assert marker.cancelled.wait(30)


def test_a_call_is_cut_when_the_patience_ends_and_not_before(watch, clock):
    call = Call()
    with watch.waiting(call, 10.0):
        clock.advance(9.9)
        seen(watch, clock)
        assert not call.cancelled.is_set()
        clock.advance(0.1)
        assert call.cancelled.wait(30)


def test_time_between_two_waits_does_not_count(watch, clock):
    call = Call()
    for _ in range(5):
        with watch.waiting(call, 10.0):
            clock.advance(6.0)
            seen(watch, clock)
        clock.advance(1000.0)  # the reader is slow
        seen(watch, clock)
    assert not call.cancelled.is_set()


def test_one_stalled_stream_does_not_cut_the_others(watch, clock):
    stalled, patient, endless = Call(), Call(), Call()
    with watch.waiting(stalled, 5.0), watch.waiting(patient, 50.0), watch.waiting(endless, math.inf):
        clock.advance(20.0)
        assert stalled.cancelled.wait(30)
        assert not patient.cancelled.is_set()
        assert not endless.cancelled.is_set()


def test_an_error_ends_the_wait_as_well(watch, clock):
    call = Call()
    with pytest.raises(RuntimeError), watch.waiting(call, 5.0):
        raise RuntimeError
    clock.advance(20.0)
    seen(watch, clock)
    assert not call.cancelled.is_set()


def test_the_thread_goes_when_it_has_had_nothing_to_do_and_comes_back(watch, clock, monkeypatch):
    with watch.waiting(Call(), 5.0):
        assert watch._runs
    monkeypatch.setattr(stalls, "_IDLE_SECONDS", 0.0)
    while watch._runs:
        threading.Event().wait(0.005)
    monkeypatch.undo()
    call = Call()
    with watch.waiting(call, -1.0):
        assert call.cancelled.wait(30)
