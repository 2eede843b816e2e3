"""What a sync worker counts, and what it remembers of a URL."""

from __future__ import annotations

import threading

from holdfast.clock import ManualClock
from syncworker.metrics import Counter, Histogram, Tally
from syncworker.upstream.ledger import Last, Ledger

URL = "https://registry.example/team"


def test_counts_are_kept_for_each_upstream_and_histograms_as_count_and_sum():
    tally = Tally()
    tally.add(Counter.FETCHES_BEGUN)
    tally.add(Counter.UPSTREAM_BYTES, 5, URL)
    tally.add(Counter.UPSTREAM_BYTES, 7, URL)
    tally.observe(Histogram.UPSTREAM_LATENCY, 0.25, URL)
    tally.observe(Histogram.UPSTREAM_LATENCY, 0.5, URL)
    assert tally.all() == [
        ("fetches_begun", "", 1.0),
        ("upstream_bytes", URL, 12.0),
        ("upstream_latency_seconds_count", URL, 2.0),
        ("upstream_latency_seconds_sum", URL, 0.75),
    ]
    assert tally.value(Counter.UPSTREAM_BYTES, URL) == 12
    assert tally.value(Counter.UPSTREAM_BYTES, "https://elsewhere.example") == 0


def test_nothing_is_lost_among_threads():
    tally = Tally()

    def count():
        for _ in range(2_000):
            tally.add(Counter.UPSTREAM_BYTES, 3)

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert tally.value(Counter.UPSTREAM_BYTES) == 4 * 2_000 * 3


def test_a_failure_stays_beside_the_success_that_came_after_it():
    clock, tally = ManualClock(), Tally()
    ledger = Ledger(URL, clock, tally)
    assert ledger.last == Last()
    ledger.failed("it was silent")
    failed_at = clock.wall()
    clock.advance(5)
    ledger.succeeded()
    assert ledger.last == Last(clock.wall(), failed_at, "it was silent")
    assert tally.value(Counter.UPSTREAM_FAILURES, URL) == 1


def test_what_was_refused_for_its_pace_is_counted_apart():
    tally = Tally()
    ledger = Ledger(URL, ManualClock(), tally)
    ledger.answered(200, 0.1)
    ledger.answered(429, 0.1)
    assert tally.value(Counter.UPSTREAM_REQUESTS, URL) == 2
    assert tally.value(Counter.UPSTREAM_THROTTLED, URL) == 1
