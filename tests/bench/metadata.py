"""Metadata by the microsecond and by the byte. Prints; asserts nothing.

python -m tests.bench.metadata [DIRECTORY]                       SQLite
python -m tests.bench.metadata --etcd MEMBERS [DIRECTORY]        a real etcd of so many members
python -m tests.bench.metadata --images COUNT --etcd MEMBERS     what an image of 10 layers costs an etcd, by its own counters
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import tempfile
import threading
import time
import urllib.request
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
from tests.etcd_cluster import EtcdCluster

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from holdfast.meta.etcd import EtcdStore
    from holdfast.meta.store import Store
    from holdfast.names import Repository

REPO = repository("library/alpine")
LATEST = tag("latest")
LAYERS = 10
COUNTED = (
    "etcd_mvcc_put_total",
    "etcd_mvcc_range_total",
    "etcd_mvcc_txn_total",
    "etcd_disk_wal_fsync_duration_seconds_count",
)
GIB = 1 << 30
MARK = 0.8  # of the quota: beyond it pushes are refused


def fill(repos: Repositories, tags: int) -> NewManifest:
    layers = [digests.of(b"layer %d" % number) for number in range(10)]
    for layer in layers:
        repos.add_link(REPO, layer, 10, repos.fence(layer))
    new = NewManifest(digests.of(b"m"), OCI_MANIFEST, 500, tuple(Reference(layer, 10) for layer in layers))
    for first in range(0, tags, 100):
        names = [tag(f"t{number}") for number in range(first, min(first + 100, tags))]
        repos.put_manifest(REPO, new, [*names[:99], LATEST], repos.fence(new.digest), repos.removals(REPO))
    return new


def push(repos: Repositories, name: Repository, number: int, layers: list[bytes]) -> None:
    """As a gateway does it: each layer and the config linked by itself, then the manifest under one tag."""
    children = [digests.of(layer) for layer in (*layers, b"config %d" % number)]
    for child in children:
        repos.add_link(name, child, 10_000_000, repos.fence(child))
    references = tuple(Reference(child, 10_000_000) for child in children)
    new = NewManifest(digests.of(b"manifest %d" % number), OCI_MANIFEST, 2_500, references)
    removals = repos.removals(name)
    repos.links(name, children)
    repos.put_manifest(name, new, [tag(f"v1.{number}")], repos.fence(new.digest), removals)


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


def measure(store: Store, repos: Repositories, new: NewManifest, share: float) -> None:
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
        print(f"  {name:20} {microseconds(call, max(int(times * share), 50)):9.1f} us")


def measure_times(store: Store, share: float) -> None:
    repos = Repositories(store, lambda: os.urandom(16), SystemClock())
    for tags in (10, 10_000):
        print(f"{tags} tags")
        measure(store, repos, fill(repos, tags), share)
    for threads in (1, 32, 256):
        rate = transactions_per_second(store, threads, 200 if threads == 1 else 100)
        print(f"{threads:3} threads {rate:9.0f} txn/s")


def counters(url: str) -> dict[str, float]:
    with urllib.request.urlopen(f"{url}/metrics") as page:
        lines = page.read().decode()
    return {name: float(re.search(rf"^{name} (\S+)$", lines, re.MULTILINE)[1]) for name in COUNTED}


def settled_bytes(store: EtcdStore) -> int:
    """What one member's file holds when history is forgotten and gaps are given back."""
    store.compact(0)
    for member in store.status().members:
        store.defragment(member.endpoint)
    return store.status().size_bytes


def measure_images(cluster: EtcdCluster, count: int, shared: int) -> None:
    """``shared`` of the layers are the same for all images of a repository; ten images a repository."""
    with contextlib.closing(cluster.open(b"holdfast/")) as store:
        repos = Repositories(store, lambda: os.urandom(16), SystemClock())
        before, size_before = counters(cluster.urls[0]), settled_bytes(store)
        start = time.perf_counter()
        for number in range(count):
            base = [b"shared %d %d" % (shared, number // 10 * 100 + layer) for layer in range(shared)]
            own = [b"own %d %d %d" % (shared, number, layer) for layer in range(LAYERS - shared)]
            push(repos, repository(f"team-{shared}/service-{number // 10:05}"), number, base + own)
        seconds = time.perf_counter() - start
        after, history_bytes = counters(cluster.urls[0]), store.status().size_bytes
        grown = (settled_bytes(store) - size_before) / count
    print(
        f"{count} images of {LAYERS} layers, {shared} of them shared by 10 images; {seconds / count * 1e3:.1f} ms an image"
    )
    for name in COUNTED:
        print(f"  {name:45} {(after[name] - before[name]) / count:8.1f} an image")
    print(f"  bytes an image: {grown:.0f} kept; with all history {(history_bytes - size_before) / count:.0f}")
    for quota in (2 * GIB, 8 * GIB):
        print(f"  a quota of {quota // GIB} GiB, to four fifths: {quota * MARK / grown:,.0f} images")


@contextlib.contextmanager
def opened(arguments: argparse.Namespace) -> Iterator[tuple[Store, EtcdCluster | None]]:
    with tempfile.TemporaryDirectory(dir=arguments.directory) as directory:
        if not arguments.etcd:
            with contextlib.closing(SqliteStore(Path(directory) / "metadata.db", SystemClock())) as store:
                yield store, None
            return
        cluster = EtcdCluster.start(Path(directory) / "etcd", arguments.etcd)
        try:
            with contextlib.closing(cluster.open()) as store:
                yield store, cluster
        finally:
            cluster.stop()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", nargs="?", type=Path)
    parser.add_argument("--etcd", type=int, default=0, metavar="MEMBERS")
    parser.add_argument("--images", type=int, default=0, metavar="COUNT")
    arguments = parser.parse_args()
    if arguments.images and not arguments.etcd:
        parser.error("--images counts what etcd itself tells: give --etcd MEMBERS as well")
    with opened(arguments) as (store, cluster):
        if arguments.images:
            for shared in (0, 6):
                measure_images(cluster, arguments.images, shared)
        else:
            measure_times(store, 0.1 if arguments.etcd else 1.0)


if __name__ == "__main__":
    main()
