"""Metadata on SQLite by the microsecond: ``python -m tests.bench.metadata [DIRECTORY]``. Prints; asserts nothing."""

from __future__ import annotations

import os
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from holdfast import digest as digests
from holdfast.clock import SystemClock
from holdfast.manifest import OCI_MANIFEST, Reference
from holdfast.meta import keys
from holdfast.meta.repos import NewManifest, Repositories
from holdfast.meta.sqlite import SqliteStore
from holdfast.meta.store import Put
from holdfast.names import repository, tag

if TYPE_CHECKING:
    from collections.abc import Callable

    from holdfast.meta.store import Store

REPO = repository("library/alpine")
LATEST = tag("latest")


def fill(repos: Repositories, tags: int) -> NewManifest:
    layers = [digests.of(b"layer %d" % number) for number in range(10)]
    for layer in layers:
        repos.add_link(REPO, layer, 10, repos.fence(layer))
    new = NewManifest(digests.of(b"m"), OCI_MANIFEST, 500, tuple(Reference(layer, 10) for layer in layers))
    for first in range(0, tags, 100):
        names = [tag(f"t{number}") for number in range(first, min(first + 100, tags))]
        repos.put_manifest(REPO, new, [*names[:99], LATEST], repos.fence(new.digest), repos.removals(REPO))
    return new


def microseconds(call: Callable[[], object], times: int) -> float:
    rounds = []
    for _ in range(5):
        start = time.perf_counter()
        for _ in range(times // 5):
            call()
        rounds.append((time.perf_counter() - start) / (times // 5) * 1e6)
    return sorted(rounds)[2]


def transactions_per_second(store: Store, threads: int, each: int) -> float:
    def write() -> None:
        key = b"bench/%d" % threading.get_ident()
        for _ in range(each):
            store.txn([], [Put(key, b"x" * 200)])

    workers = [threading.Thread(target=write) for _ in range(threads)]
    start = time.perf_counter()
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return threads * each / (time.perf_counter() - start)


def measure(store: Store, repos: Repositories, new: NewManifest) -> None:
    pair = [keys.tag(REPO, LATEST), keys.manifest(REPO, new.digest)]

    def put() -> object:
        return repos.put_manifest(REPO, new, [LATEST], repos.fence(new.digest), repos.removals(REPO))

    for name, call, times in (
        ("get", lambda: store.get(pair[0]), 20_000),
        ("get_many of 2", lambda: store.get_many(pair), 20_000),
        ("manifest by digest", lambda: repos.manifest(REPO, new.digest), 20_000),
        ("manifest by tag", lambda: repos.manifest_by_tag(REPO, LATEST), 20_000),
        ("page of 100 tags", lambda: repos.tags(REPO, "t5", 100), 500),
        ("put_manifest", put, 300),
    ):
        print(f"  {name:20} {microseconds(call, times):9.1f} us")


def main() -> None:
    with tempfile.TemporaryDirectory(dir=sys.argv[1] if len(sys.argv) > 1 else None) as directory:
        store = SqliteStore(Path(directory) / "metadata.db", SystemClock())
        repos = Repositories(store, lambda: os.urandom(16), SystemClock())
        for tags in (10, 10_000):
            print(f"{tags} tags")
            measure(store, repos, fill(repos, tags))
        for threads in (1, 32, 256):
            rate = transactions_per_second(store, threads, 200 if threads == 1 else 100)
            print(f"{threads:3} threads {rate:9.0f} txn/s")
        store.close()


if __name__ == "__main__":
    main()
