import io

import pytest
from rich.console import Console

from holdfast.errors import AnswerError, RequestInvalidError
from holdfast.ops.bench import report, wrk
from holdfast.ops.bench.measure import Figure, ServerUse, Tally
from holdfast.ops.bench.options import parse_size

WRK = """Running 3s test @ http://127.0.0.1:5000/v2/a/manifests/latest
  1 threads and 16 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     2.09ms    1.23ms  19.06ms   84.00%
  Latency Distribution
     50%    1.81ms
     75%    2.53ms
     99%    6.50ms
  24213 requests in 3.00s, 20.55MB read
  Socket errors: connect 0, read 3, write 0, timeout 0
  Non-2xx or 3xx responses: 10
Requests/sec:   8066.21
"""


def figures():
    tally = Tally(seconds=2.0)
    tally.succeed(0.5, 1_000_000, 0.0015)
    tally.fail("timeout")
    return [
        Figure("push", "1MB x1", tally, ServerUse(1.5, 10 << 20, 30 << 20)),
        Figure("catalog", "page", skipped="the registry offers none to us (404)"),
    ]


def test_the_table_shows_every_figure_once():
    out = io.StringIO()
    Console(file=out, width=140).print(report.as_table("http://h", figures()))
    text = out.getvalue()
    for wanted in ("1MB x1", "0.5", "499 ms", "1.49 ms", "30 MiB", "20 MiB", "1.5 s", "offers none"):
        assert wanted in text


def test_failures_are_named_below_the_table():
    assert report.failures_of(figures()) == ["push, 1MB x1: 1 x timeout"]


def test_the_record_counts_failures_and_tells_what_was_skipped():
    record = report.as_record("http://h", figures())
    assert record["failed_requests"] == 1
    assert record["figures"][1]["skipped"]
    assert record["figures"][0]["server_rss_peak_bytes"] == 30 << 20


@pytest.mark.parametrize(("seconds", "text"), [(None, "-"), (2.5, "2.50 s"), (0.0123, "12.3 ms"), (0.000_045, "45 us")])
def test_durations(seconds, text):
    assert report.duration(seconds) == text


def test_wrks_summary_is_read():
    tally = wrk.parse(WRK)
    assert tally.requests == 24_200
    assert tally.failures == {"connection": 3, "status not 2xx": 10}
    assert tally.seconds == 3.0
    assert tally.latency.quantile(0.5) == pytest.approx(0.00181, rel=0.01)
    assert tally.latency.quantile(0.99) == pytest.approx(0.0065, rel=0.01)


def test_anything_else_from_wrk_is_an_error():
    with pytest.raises(AnswerError):
        wrk.parse("unable to connect")


@pytest.mark.parametrize(
    ("text", "size_bytes"), [("1MB", 10**6), ("1MiB", 1 << 20), ("2GiB", 2 << 30), ("7", 7), ("3kB", 3000)]
)
def test_sizes(text, size_bytes):
    assert parse_size(text).size_bytes == size_bytes


@pytest.mark.parametrize("text", ["", "0", "MB", "-1MB", "1.5GB", "1TB", "1iB"])
def test_what_is_no_size(text):
    with pytest.raises(RequestInvalidError):
        parse_size(text)
