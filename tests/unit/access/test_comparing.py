"""Comparisons give way, are few, and keep nobody waiting for ever."""

from __future__ import annotations

import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from gateway.access.comparing import Comparing
from holdfast.errors import OverloadedError


@pytest.mark.skipif(sys.platform != "linux", reason="niceness is a thread's own on Linux alone")
def test_a_comparison_gives_way_to_everybody_else_and_nobody_else_does() -> None:
    before = os.getpriority(os.PRIO_PROCESS, 0)
    niceness: list[int] = []

    def compare() -> bool:
        niceness.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))
        return True

    assert Comparing().run(compare)
    assert niceness[0] > before
    assert os.getpriority(os.PRIO_PROCESS, threading.get_native_id()) == before


def test_what_a_comparison_says_and_what_breaks_it_reach_whoever_waits() -> None:
    comparing = Comparing()
    assert comparing.run(lambda: False) is False
    with pytest.raises(ZeroDivisionError):
        comparing.run(lambda: bool(1 // 0))


def test_a_comparison_that_does_not_come_to_its_turn_is_given_up() -> None:
    comparing, go = Comparing(patience_seconds=0.05), threading.Event()

    def never() -> bool:
        return go.wait(30)

    try:
        for _ in range(3):
            with pytest.raises(OverloadedError):
                comparing.run(never)
    finally:
        go.set()


def test_who_comes_when_too_many_wait_is_refused_at_once_and_let_in_later() -> None:
    comparing, go, waiting = Comparing(waiting=2), threading.Event(), threading.Barrier(3)

    def work() -> bool:
        waiting.wait(30)
        return go.wait(30)

    with ThreadPoolExecutor(2) as pool:
        going = [pool.submit(comparing.admitted, work) for _ in range(2)]
        waiting.wait(30)
        with pytest.raises(OverloadedError):
            comparing.admitted(lambda: True)
        go.set()
        assert [one.result(30) for one in going] == [True, True]
    assert comparing.admitted(lambda: True)
