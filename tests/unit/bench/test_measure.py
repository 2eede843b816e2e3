import random
import statistics

import pytest

from holdfast.ops.bench.measure import Figure, Histogram, ServerUse, Tally


def test_percentiles_are_within_one_percent_of_the_exact_ones():
    chance = random.Random(1)
    times = [chance.lognormvariate(-6, 1.5) for _ in range(20_000)]
    histogram = Histogram()
    for seconds in times:
        histogram.add(seconds)
    exact = statistics.quantiles(times, n=100, method="inclusive")
    assert histogram.quantile(0.5) == pytest.approx(exact[49], rel=0.01)
    assert histogram.quantile(0.99) == pytest.approx(exact[98], rel=0.01)
    assert histogram.quantile(1.0) == pytest.approx(max(times), rel=0.01)


def test_nothing_measured_has_no_percentile():
    assert Histogram().quantile(0.5) is None


def test_one_time_is_every_percentile():
    histogram = Histogram()
    histogram.add(0.25)
    assert histogram.quantile(0.0) == histogram.quantile(1.0) == pytest.approx(0.25, rel=0.01)


def test_a_percentile_never_exceeds_the_longest_time():
    histogram = Histogram()
    for _ in range(10):
        histogram.add(0.1)
    assert histogram.quantile(0.99) <= 0.1


@pytest.mark.parametrize("seconds", [0.0, -1.0, 1e-9, 1e9])
def test_times_beyond_the_scale_are_kept_at_its_ends(seconds):
    histogram = Histogram()
    histogram.add(seconds)
    assert len(histogram) == 1


def test_merged_histograms_equal_one_that_saw_everything():
    one, other, whole = Histogram(), Histogram(), Histogram()
    for number in range(1, 200):
        (one if number % 3 else other).add(number / 1000)
        whole.add(number / 1000)
    one.merge(other)
    assert one.counts == whole.counts
    assert one.quantile(0.9) == whole.quantile(0.9)


def test_a_failure_has_no_latency():
    tally = Tally()
    tally.succeed(0.1, 10, 0.01)
    tally.fail("timeout")
    tally.fail("timeout")
    assert (tally.requests, tally.failures["timeout"], tally.moved_bytes) == (1, 2, 10)


def test_throughput_counts_what_succeeded_over_all_of_the_time():
    tally = Tally(seconds=2.0)
    tally.succeed(0.5, 100)
    tally.fail("status 500")
    figure = Figure("push", "1MB x1", tally)
    assert (figure.bytes_per_second, figure.requests_per_second, figure.failed) == (50, 0.5, 1)


def test_growth_is_peak_over_what_was_there_before():
    assert ServerUse(1.0, 100, 150).rss_growth_bytes == 50
