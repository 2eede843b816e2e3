"""A process that holds a lease: ``python -m tests.probe.etcd.keeper URL PREFIX TTL``. Prints what it is told."""

from __future__ import annotations

import sys
import threading

from holdfast.clock import SystemClock
from holdfast.errors import UnavailableError
from holdfast.meta.etcd import EtcdOptions, EtcdStore, endpoint
from holdfast.meta.leases import LeaseKeeper
from holdfast.meta.store import Put


def main() -> None:
    url, prefix, ttl_seconds = sys.argv[1:]
    store = EtcdStore(EtcdOptions((endpoint(url),), prefix=prefix.encode()), SystemClock())
    granted, ids = threading.Event(), []

    def on_granted(held):
        ids.append(held.lease_id)
        granted.set()

    keeper = LeaseKeeper(
        store, float(ttl_seconds), SystemClock(), on_granted, lambda lease_id: print("lost", lease_id, flush=True)
    )
    keeper.start()
    while granted.wait():
        granted.clear()
        try:
            if store.txn([], [Put(b"member", b"", ids[-1])]).succeeded:
                print("granted", ids[-1], flush=True)
        except UnavailableError:
            granted.set()


if __name__ == "__main__":
    main()
