"""What a worker says of itself arrives as it was said."""

from __future__ import annotations

from holdfast import digest as digests
from holdfast.rpc import syncstatus
from holdfast.rpc.syncstatus import RunningFetch, Sample, UpstreamSeen, WorkerStatus
from holdfast.wire import sync_pb2

FETCH = RunningFetch(
    digests.of(b"layer"), ("up/app", "up/other"), "n1-abc", "https://registry.example", 100, 10, 60, 1.5, 2.0, 3
)


def travelled(status: WorkerStatus) -> WorkerStatus:
    return syncstatus.from_wire(sync_pb2.SyncStatus.FromString(syncstatus.to_wire(status).SerializeToString()))


def test_everything_that_can_be_said():
    seen = UpstreamSeen("https://registry.example", 5.0, 6.0, "it was silent", 7.0, True, 8, 9, 10)
    status = WorkerStatus("w1", "0.1.0", (FETCH,), (seen,), (Sample("fetches_begun", "", 4.0),))
    assert travelled(status) == status


def test_what_is_not_known_stays_unknown():
    status = WorkerStatus("w1", "0.1.0", (RunningFetch(FETCH.digest, ()),), (UpstreamSeen("https://registry.example"),))
    assert travelled(status) == status
    assert status.fetches[0].followers is None


def test_nobody_following_is_no_unknown_number():
    fetch = RunningFetch(FETCH.digest, (), followers=0)
    assert travelled(WorkerStatus("w1", "0.1.0", (fetch,))).fetches[0].followers == 0


def test_speed_counts_what_this_worker_has_brought():
    assert FETCH.bytes_per_second == 25.0
    assert RunningFetch(FETCH.digest, ()).bytes_per_second == 0.0
