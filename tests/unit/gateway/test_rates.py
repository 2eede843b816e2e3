"""Token buckets, and what of the configuration fills them."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from typing import TYPE_CHECKING

import pytest

from gateway.buckets import Buckets, Pace
from gateway.rates import Paces, Rates
from holdfast.clock import ManualClock
from holdfast.config.http import RateLimit
from holdfast.errors import TooManyRequestsError

if TYPE_CHECKING:
    from multiprocessing.sharedctypes import Synchronized
    from multiprocessing.synchronize import Barrier, Event

KEY = b"k" * 32


def rates(clock: ManualClock, **limit: object) -> Rates:
    return Rates(Paces.of(RateLimit.model_validate(limit)), Buckets(clock, KEY))


def admitted(limits: Rates, method: str = "GET", address: str = "192.0.2.7", tries: int = 100) -> int:
    """How many of many requests at once are taken."""
    taken = 0
    for _ in range(tries):
        try:
            limits.admit(method, address)
        except TooManyRequestsError:
            continue
        taken += 1
    return taken


def test_as_many_are_taken_as_a_second_has_and_then_as_time_gives() -> None:
    clock = ManualClock()
    limits = rates(clock, rate=10)
    assert admitted(limits) == 10
    clock.advance(0.35)
    assert admitted(limits) == 3
    clock.advance(3600)
    assert admitted(limits) == 10, "a pause must not add up to more than the burst"


def test_a_burst_is_its_own_number() -> None:
    clock = ManualClock()
    limits = rates(clock, rate=10, burst=25)
    assert admitted(limits) == 25
    clock.advance(1)
    assert admitted(limits) == 10


def test_who_is_refused_learns_when_to_come_back() -> None:
    clock = ManualClock()
    limits = rates(clock, perAddress={"rate": 1, "burst": 1})
    limits.admit("GET", "192.0.2.7")
    with pytest.raises(TooManyRequestsError) as refused:
        limits.admit("GET", "192.0.2.7")
    assert refused.value.retry_after_seconds == 1
    clock.advance(refused.value.retry_after_seconds)
    limits.admit("GET", "192.0.2.7")


def test_a_refused_request_takes_nothing_from_the_others() -> None:
    clock = ManualClock()
    limits = rates(clock, rate=10, methods=[{"method": "PUT", "rate": 2}])
    assert admitted(limits, "PUT") == 2
    assert admitted(limits, "GET") == 8, "98 refused PUTs must not have taken what was left to all"


def test_each_method_has_its_own_limit_within_that_of_all() -> None:
    limits = rates(ManualClock(), rate=10, methods=[{"method": "GET", "rate": 5}])
    assert (admitted(limits, "GET"), admitted(limits, "HEAD"), admitted(limits, "GET")) == (5, 5, 0)


def test_each_address_has_its_own_bucket_and_an_ipv6_network_has_one() -> None:
    limits = rates(ManualClock(), perAddress={"rate": 3})
    assert [admitted(limits, address=f"192.0.2.{last}") for last in (7, 8)] == [3, 3]
    assert [admitted(limits, address=f"2001:db8::{last}") for last in (7, 8)] == [3, 0]
    assert admitted(limits, address="::ffff:192.0.2.7") == 0, "the same machine, written in another way"


def test_each_user_has_a_bucket_and_nobody_in_particular_has_none() -> None:
    limits = rates(ManualClock(), perUser={"rate": 1})
    for name in ("ann", "bob", "", "", ""):
        limits.admit_user(name)
    with pytest.raises(TooManyRequestsError):
        limits.admit_user("ann")


def test_no_configured_limit_limits_nothing() -> None:
    limits = Rates(Paces.of(None), Buckets(ManualClock(), KEY))
    assert admitted(limits, tries=10_000) == 10_000
    limits.admit_user("ann")


def test_many_addresses_share_a_bounded_table_and_none_is_refused_for_another() -> None:
    clock = ManualClock()
    limits = rates(clock, perAddress={"rate": 1000, "burst": 1})
    refused = 0
    for number in range(20_000):
        clock.advance(0.002)
        try:
            limits.admit("GET", f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}")
        except TooManyRequestsError:
            refused += 1
    assert refused == 0


def test_a_pace_that_lets_nothing_through_cannot_be_written() -> None:
    for rate, burst in ((0, 1), (-1, 1), (1, 0)):
        with pytest.raises(ValueError, match="above zero"):
            Pace(rate, burst)


def _hammer(buckets: Buckets, together: Barrier, taken: Synchronized[int]) -> None:
    pace = Pace(1, 20_000)
    together.wait()
    count = 0
    while buckets.take([("one", pace)]) == 0.0:
        count += 1
    with taken.get_lock():
        taken.value += count


def test_several_processes_share_one_bucket() -> None:
    processes = multiprocessing.get_context("fork")
    buckets = Buckets(ManualClock(), KEY)
    taken, together = processes.Value("i", 0), processes.Barrier(4)
    crowd = [processes.Process(target=_hammer, args=(buckets, together, taken)) for _ in range(4)]
    for one in crowd:
        one.start()
    for one in crowd:
        one.join()
    # No second passes, so that nothing is refilled. One that got no core for long while it counted may have been passed over.
    assert 20_000 <= taken.value <= 20_020


def _hold(buckets: Buckets, holds: Event) -> None:
    with buckets._alone():
        holds.set()
        time.sleep(60)


@pytest.mark.parametrize("how", [signal.SIGSTOP, signal.SIGKILL])
def test_nobody_waits_for_a_process_that_ended_or_froze_while_it_counted(how: signal.Signals) -> None:
    processes = multiprocessing.get_context("fork")
    buckets = Buckets(ManualClock(), KEY)
    holds = processes.Event()
    holder = processes.Process(target=_hold, args=(buckets, holds))
    holder.start()
    try:
        assert holds.wait(10)
        os.kill(holder.pid or 0, how)
        limits = Rates(Paces.of(RateLimit.model_validate({"perAddress": {"rate": 1, "burst": 3}})), buckets)
        assert admitted(limits, tries=5) == 3
    finally:
        holder.kill()
        holder.join()
