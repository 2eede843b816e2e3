"""What processes count is told together, in Prometheus' format, with few labels and for little time."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from prometheus_client.parser import text_string_to_metric_families

from gateway.metrics import REFUSED, ROUTE, RequestMeter, node_errors, transfers
from holdfast.access.identity import ANONYMOUS, Identity
from holdfast.access.scrapers import Scrapers
from holdfast.config import parse
from holdfast.errors import BlobUnknownError, DeniedError, LoginNeededError, NodeUnreachableError
from holdfast.exposition import shown
from holdfast.meters import Family, Meters, emptied, merged
from holdfast.rpc.failures import Seen
from syncworker.metrics import Counter, Histogram, Tally

if TYPE_CHECKING:
    from pathlib import Path


def values(text: bytes) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


def value(text: bytes, name: str, **labels: str) -> float:
    return values(text)[name, frozenset(labels.items())]


def noted(meter: RequestMeter, route: str = "blob", method: str = "GET", status: str = "200", **environ: str) -> None:
    meter.note({ROUTE: route, **environ}, method, status, 100, 7, 0.003)


def test_requests_are_told_by_route_method_and_status_with_bytes_and_times() -> None:
    meter = RequestMeter()
    for _ in range(3):
        noted(meter)
    noted(meter, status="404")
    noted(meter, "manifest", "PUT", "403", **{REFUSED: "quota"})
    text = shown(meter.families())
    assert value(text, "zot_http_requests_total", method="GET", code="200", route="blob") == 3
    assert value(text, "zot_http_requests_total", method="GET", code="404", route="blob") == 1
    assert value(text, "holdfast_http_sent_bytes_total", route="blob") == 400
    assert value(text, "holdfast_http_received_bytes_total", route="manifest") == 7
    buckets = {"method": "GET", "route": "blob"}
    assert value(text, "zot_http_method_latency_seconds_bucket", le="0.0025", **buckets) == 0
    assert value(text, "zot_http_method_latency_seconds_bucket", le="0.005", **buckets) == 4
    assert value(text, "zot_http_method_latency_seconds_bucket", le="+Inf", **buckets) == 4
    assert value(text, "zot_http_method_latency_seconds_count", **buckets) == 4
    assert value(text, "zot_http_method_latency_seconds_sum", **buckets) == pytest.approx(0.012)
    assert value(text, "holdfast_refusals_total", reason="quota") == 1


def test_whatever_clients_invent_makes_no_new_series() -> None:
    meter = RequestMeter()
    for number in range(50):
        noted(meter, method=f"BREW{number}", status="405")
        meter.note({}, "GET", "404", 0, 0, 0.0)
    assert len(values(shown(meter.families()))) == 1 + 2 * 3 + 2 * (17 + 2)


def test_all_processes_are_told_together_and_those_that_ended_with_what_they_had_counted(tmp_path: Path) -> None:
    child = (
        "import sys; from pathlib import Path; from gateway.metrics import *; from holdfast.meters import Meters;"
        "meter = RequestMeter(); meter.note({'holdfast.route': 'blob'}, 'GET', '200', 100, 7, 0.003);"
        "Meters(Path(sys.argv[1]), 'ended', (meter.families, transfers(lambda: {'pull': 5}))).save()"
    )
    subprocess.run([sys.executable, "-c", child, str(tmp_path)], check=True)
    meter = RequestMeter()
    noted(meter)
    text = shown(Meters(tmp_path, "lives", (meter.families, transfers(lambda: {"pull": 2, "push": 1}))).together())
    assert value(text, "zot_http_requests_total", method="GET", code="200", route="blob") == 2
    assert value(text, "holdfast_transfers_in_flight", lane="pull") == 2
    assert value(text, "holdfast_transfers_in_flight", lane="push") == 1


def test_what_cannot_be_read_or_is_measured_otherwise_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("{")
    one = Family("counter", "c", "C.", ("a",))
    one.add(("x",), [1])
    Meters(tmp_path, "b", (lambda: (one,),)).save()
    other = Family("counter", "c", "C.", ("a", "b"))
    other.add(("x", "y"), [1])
    Meters(tmp_path, "c", (lambda: (other,),)).save()
    assert [family.samples for family in merged(tmp_path)] == [{("x",): [1.0]}]
    assert merged(emptied(tmp_path)) == []


def test_a_file_that_cannot_be_written_costs_nobody_anything(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    meters = Meters(tmp_path / "file", "x", (RequestMeter().families,))
    meters.start()
    meters.save()
    meters.stop()


def test_the_last_numbers_are_there_when_a_process_ends(tmp_path: Path) -> None:
    meter = RequestMeter()
    meters = Meters(tmp_path, "x", (meter.families,))
    meters.start()
    noted(meter)
    meters.stop()
    assert value(shown(merged(tmp_path)), "zot_http_requests_total", method="GET", code="200", route="blob") == 1


def test_what_a_sync_worker_counts_is_told_by_upstream() -> None:
    tally = Tally()
    tally.add(Counter.FETCHES_STORED, 3, "https://up.example")
    tally.observe(Histogram.UPSTREAM_LATENCY, 0.25, "https://up.example")
    text = shown(tally.families())
    assert value(text, "holdfast_sync_fetches_stored_total", upstream="https://up.example") == 3
    assert value(text, "holdfast_sync_upstream_latency_seconds_sum", upstream="https://up.example") == 0.25
    assert value(text, "holdfast_sync_upstream_latency_seconds_count", upstream="https://up.example") == 1


def test_failed_calls_to_nodes_are_told_and_what_is_not_there_is_no_failure() -> None:
    seen = Seen()
    seen.note(NodeUnreachableError("away"))
    seen.note(BlobUnknownError("none"))
    assert values(shown(node_errors(seen.counts)())).keys() >= {
        ("holdfast_node_errors_total", frozenset({("error", "NodeUnreachableError")}))
    }
    assert seen.counts() == {"NodeUnreachableError": 1}


READ = {"anonymousPolicy": ["read"]}


@pytest.mark.parametrize(
    ("control", "knows_somebody", "nobody", "named", "another"),
    [
        (None, False, "in", "in", "in"),
        (None, True, "log in", "in", "in"),
        ({}, True, "log in", "refused", "refused"),
        ({"metrics": {"users": ["ann"]}}, True, "log in", "in", "refused"),
        ({"metrics": {"users": ["ann"]}}, False, "refused", "in", "refused"),
        ({"metrics": READ}, True, "in", "in", "in"),
        ({"metrics": {"anonymousPolicy": ["create"]}}, True, "log in", "refused", "refused"),
        ({"adminPolicy": {"users": ["bob"], "actions": ["read"]}}, True, "log in", "refused", "refused"),
    ],
)
def test_who_may_read_the_metrics(control, knows_somebody, nobody, named, another) -> None:
    config = None
    if control is not None:
        http = {"accessControl": control, "auth": {"htpasswd": {"path": "f"}}}
        config = parse({"storage": {"rootDirectory": "/d"}, "http": http}).http.access_control
    scrapers = Scrapers(config, knows_somebody=knows_somebody)

    def outcome(identity: Identity) -> str:
        try:
            scrapers.require(identity)
        except LoginNeededError:
            return "log in"
        except DeniedError:
            return "refused"
        return "in"

    assert (outcome(ANONYMOUS), outcome(Identity("ann")), outcome(Identity("bob"))) == (nobody, named, another)
