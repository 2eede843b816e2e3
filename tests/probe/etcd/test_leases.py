"""The lease keeper over a real etcd: who is paused, etcd or the holder, the loss is noticed."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import threading
from pathlib import Path

from holdfast.clock import SystemClock
from holdfast.errors import MetadataUnavailableError
from holdfast.meta.leases import LeaseKeeper
from holdfast.meta.store import Put
from tests.serving import wait_for

ROOT = Path(__file__).parents[3]
TTL_SECONDS = 3.0


def test_a_holder_whose_etcd_is_stopped_knows_it_in_time_and_gets_another_lease(alone, prefix):
    cluster = alone()
    store = cluster.open(prefix, try_seconds=0.3, deadline_seconds=0.6)
    events, lost = [], threading.Event()

    def on_lost(lease_id):
        # Here the holder ends its work: before etcd can have let anybody else in.
        events.append(("lost", lease_id))
        lost.set()

    keeper = LeaseKeeper(
        store, TTL_SECONDS, SystemClock(), lambda held: events.append(("granted", held.lease_id)), on_lost
    )
    keeper.start()
    first = wait_for("a lease", keeper.held)
    store.txn([], [Put(b"member", b"", first.lease_id)])
    cluster.members[0].pause()
    assert lost.wait(30)
    assert keeper.held() is None
    cluster.members[0].resume()
    second = wait_for("another lease", keeper.held)
    assert events == [("granted", first.lease_id), ("lost", first.lease_id), ("granted", second.lease_id)]
    wait_for("the key of the first to go", lambda: gone(store))
    keeper.stop()
    assert store.keep_alive(second.lease_id) == 0.0
    store.close()


def gone(store):
    with contextlib.suppress(MetadataUnavailableError):
        return store.get(b"member") is None
    return False


def test_a_holder_that_was_stopped_itself_learns_what_it_has_slept_through(alone, prefix):
    cluster = alone()
    store = cluster.open(prefix)
    command = [sys.executable, "-m", "tests.probe.etcd.keeper", cluster.urls[0], prefix.decode(), str(TTL_SECONDS)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as holder:
        try:
            first = holder.stdout.readline().split()[1]
            assert str(store.get(b"member").lease_id) == first
            holder.send_signal(signal.SIGSTOP)
            wait_for("etcd to end the lease", lambda: store.get(b"member") is None)
            holder.send_signal(signal.SIGCONT)
            assert holder.stdout.readline().split() == ["lost", first]
            said, second = holder.stdout.readline().split()
            assert (said, second != first) == ("granted", True)
            assert str(store.get(b"member").lease_id) == second
        finally:
            holder.kill()
    store.close()


def test_a_lease_outlives_the_leader_that_granted_it(cluster, store):
    events = []
    keeper = LeaseKeeper(
        store, 12.0, SystemClock(), lambda held: events.append("granted"), lambda _: events.append("lost")
    )
    keeper.start()
    held = wait_for("a lease", keeper.held)
    cluster.leader().kill()
    wait_for("a renewal", lambda: keeper.held() and keeper.held().deadline > held.deadline)
    assert keeper.held().lease_id == held.lease_id
    assert events == ["granted"]
    keeper.stop()
