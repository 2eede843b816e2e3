"""What a storage node does by itself shows in its metrics; and the alerts that are shipped ask for nothing that is not there."""

from __future__ import annotations

import re
import socket
import subprocess
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from holdfast import digest as digests
from holdfast.errors import ConfigError
from holdfast.exposition import Port, shown
from holdfast.meta.members import Progress
from holdfast.meta.scrubs import Finding, Report, Round, State
from holdfast.rpc.collecting import Amount, StoreReport, Waiting
from storagenode import metrics
from storagenode.collecting.part import Counted
from storagenode.collecting.unlinking import Unlinked
from storagenode.disk.space import Space
from storagenode.scrubbing.walk import Counters
from storagenode.tidying import Trashed
from syncworker.metrics import Counter, Tally
from tests.clients.programs import need
from tests.cluster.nodes import Nodes
from tests.serving import wait_for
from tests.unit.gateway.test_metrics import value, values
from tests.unit.storagenode.conftest import REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from holdfast.meters import Family
    from storagenode.duties import Duties
    from tests.unit.storagenode.conftest import Bench

ALERTS = Path(__file__).parents[3] / "compose/alerts.yml"


def everything() -> Iterator[Family]:
    """With a number for whatever there may be one of."""
    counted = Counted(succeeded_seconds=1.0)
    last = Round(1.0, 2.0)
    yield from metrics.node(1, 0, 1.0)
    yield from metrics.disks({"": Space("/", 0)}, {"": Trashed()})
    yield from metrics.collected({"": counted})
    yield from metrics.scrubbed(Counters(), Report(0, None, last))
    yield from metrics.backed_up(1.0)
    yield from metrics.repaired(0, Progress())
    tally = Tally()
    for counter in Counter:
        tally.add(counter)
    yield from tally.families()


def names_of(families: Iterator[Family]) -> set[str]:
    return {name for name, _ in values(shown(families))}


def scraped(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return answer.read()


def test_a_collection_is_counted_and_one_that_was_refused_is_no_success() -> None:
    counted = Counted()
    report = StoreReport(
        swept=Amount(3, 300), held_back=Amount(7, 70), refused="too much", waiting=Waiting(Amount(2, 20), 1.0, 2.0)
    )
    unlinked = Unlinked()
    unlinked.retained.tags, unlinked.retained.manifests, unlinked.loosened.removed = 4, 5, 6
    counted.note(unlinked, report, 1.5)
    counted.note(unlinked, report, 2.5)
    text = shown(metrics.collected({"": counted, "/infra": Counted(succeeded_seconds=9.0)}))
    expected = {
        "holdfast_gc_cycles_total": 2,
        "holdfast_gc_swept_blobs_total": 6,
        "holdfast_gc_swept_bytes_total": 600,
        "holdfast_gc_links_removed_total": 12,
        "holdfast_retention_removed_tags_total": 8,
        "holdfast_retention_removed_manifests_total": 10,
        "holdfast_gc_held_back_bytes": 70,
        "holdfast_gc_waiting_blobs": 2,
        "holdfast_gc_last_cycle_seconds": 2.5,
    }
    assert {name: value(text, name, route="/") for name in expected} == expected
    assert value(text, "holdfast_gc_last_success_timestamp_seconds", route="/infra") == 9.0
    main = "holdfast_gc_last_success_timestamp_seconds", frozenset({("route", "/")})
    assert main not in values(text)


def test_a_scrub_tells_how_far_it_is_and_what_became_of_what_it_found() -> None:
    digest = digests.of(b"any")
    findings = (Finding(digest, "size"), Finding(digest, "gone", State.LOST), Finding(digest, "gone", State.LOST))
    report = Report(0, Round(5.0, partitions_done=1024), Round(1.0, 2.0, findings=findings))
    text = shown(metrics.scrubbed(Counters(rounds=1, blobs=10, size_bytes=1000, wrong=1, missing=2), report))
    assert value(text, "holdfast_scrub_partitions_done") == 1024
    assert value(text, "holdfast_scrub_last_round_timestamp_seconds") == 2.0
    assert value(text, "holdfast_scrub_findings", state="lost") == 2
    assert value(text, "holdfast_scrub_findings", state="healed") == 0
    assert value(text, "holdfast_scrub_missing_total") == 2


def test_a_node_serves_what_it_counts_on_a_port_of_its_own_and_no_longer_than_it_runs(bench: Bench) -> None:
    port = Port("127.0.0.1:0", ())
    number = port.start()
    port.stop()
    bench.options["metrics_listen"] = f"127.0.0.1:{number}"
    node = bench.start()
    node.start_upload(REPOSITORY, "ann", None)
    assert bench.server is not None
    bench.server.duties.start()
    try:
        text = scraped(f"http://127.0.0.1:{number}/metrics")
        assert value(text, "holdfast_node_uploads_open") == 1
        assert value(text, "holdfast_disk_read_only", route="/") == 0
        assert value(text, "holdfast_disk_free_bytes", route="/") > 0
        with pytest.raises(ConfigError, match="name another port"):
            Port(f"127.0.0.1:{number}", ()).start()
    finally:
        bench.server.duties.stop()
    with pytest.raises(OSError, match="refused"):
        scraped(f"http://127.0.0.1:{number}/metrics")


def test_a_node_whose_port_for_metrics_is_taken_says_so_and_goes_on(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        bench.options["metrics_listen"] = f"127.0.0.1:{taken.getsockname()[1]}"
        node = bench.start()
        assert bench.server is not None
        bench.server.duties.start()
        try:
            node.start_upload(REPOSITORY, "ann", None)
        finally:
            bench.server.duties.stop()
    assert "metrics are not served" in caplog.text


def test_a_disk_that_does_not_answer_costs_its_own_numbers_and_no_others(tmp_path: Path) -> None:
    spaces = {"": Space(str(tmp_path), 5), "/gone": Space(str(tmp_path / "gone"), 6)}
    text = shown(metrics.disks(spaces, {"": Trashed(Amount(1, 10), Amount(2, 20))}))
    assert value(text, "holdfast_disk_reserve_bytes", route="/gone") == 6
    assert value(text, "holdfast_disk_capacity_bytes", route="/") > 0
    assert ("holdfast_disk_capacity_bytes", frozenset({("route", "/gone")})) not in values(text)
    assert value(text, "holdfast_trash_bytes", route="/") == 20
    assert value(text, "holdfast_trash_emptied_bytes_total", route="/") == 10


def test_a_node_of_a_cluster_tells_what_repair_has_to_do_as_well(folder: Path) -> None:
    cluster = Nodes(folder)
    try:
        duties = cluster.add("one").server.duties
        there = names_of(duties._measured())
        assert {"holdfast_repair_short_partitions", "holdfast_repair_copied_bytes_total"} <= there
        cluster.directory.start()
        cluster.wait_until(lambda: cluster.directory.refresh().alive)
        cluster.apply("one")
        layouts = cluster.book.live().layouts
        # Of a layout that is not there yet: nothing can be done about it.
        cluster.book.mark_dirty(7, layouts.newest.version + 1)
        wait_for("the mark to be seen", lambda: repairs(duties) == 1)
    finally:
        cluster.close()


def repairs(duties: Duties) -> float:
    return value(shown(duties._measured()), "holdfast_repair_short_partitions")


def test_the_alerts_ask_for_what_there_is() -> None:
    there = names_of(everything())
    rules = [rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]]
    for rule in rules:
        asked = set(re.findall(r"holdfast_\w+", rule["expr"]))
        assert asked, rule["alert"]
        assert asked <= there, rule["alert"]
    assert len({rule["alert"] for rule in rules}) == len(rules) > 0


def test_prometheus_itself_takes_the_alerts_and_the_metrics() -> None:
    promtool = need("promtool")
    said = subprocess.run([promtool, "check", "rules", ALERTS], check=False, capture_output=True, text=True, timeout=60)
    assert said.returncode == 0, said.stdout + said.stderr
    text = shown(everything())
    linted = subprocess.run([promtool, "check", "metrics"], check=False, input=text, capture_output=True, timeout=60)
    assert linted.returncode == 0, linted.stdout.decode() + linted.stderr.decode()
    assert list(text_string_to_metric_families(text.decode()))
