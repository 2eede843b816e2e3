"""A node stops while it looks for bytes that are nobody's, which may take hours."""

from __future__ import annotations

import threading

from holdfast.clock import SystemClock
from holdfast.meta.sqlite import SqliteStore
from storagenode.collecting.assembly import CollectOptions
from storagenode.objects import keys
from tests.unit.storagenode.conftest import put


def test_a_look_for_what_is_nobodys_ends_when_the_node_stops(bench, monkeypatch):
    metadata = bench.path / "meta.db"
    SqliteStore(metadata, SystemClock()).close()
    bench.options |= {"metadata": metadata, "collect": CollectOptions()}
    node = bench.start()
    put(node, b"one of very many")
    bucket = node._store._bucket
    real, begun, never = bucket.list, threading.Event(), threading.Event()

    def endless(prefix):
        for found in real(prefix):
            yield found
            while prefix == keys.DATA and not never.wait(0.01):
                begun.set()
                yield found

    monkeypatch.setattr(bucket, "list", endless)
    bench.server.start()
    assert begun.wait(10)
    stopped = threading.Thread(target=bench.server.duties.stop, daemon=True)
    stopped.start()
    stopped.join(5)
    still_runs = stopped.is_alive()
    never.set()
    assert not still_runs
