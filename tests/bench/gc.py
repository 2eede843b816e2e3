"""What collecting garbage costs when much is stored: ``python -m tests.bench.gc [--directory D] [COUNT ...]``. Prints only.

For each count a registry is filled with so many blobs of 100 bytes, a manifest for each hundred of them, in a thousand repositories
at most; then

    links    reading all links partition by partition as a cycle does, and whether SQLite reads ranges for it
    cycle    seconds of two collections, and the node's memory before and after them
    pulls    GETs of manifests and of small blobs on 16 connections, without any collection and while one goes on
    churn    pushes, retags, mounts and deletes by 16 clients through three collections: whether anything is missing, and when they
             have deleted all that they pushed, whether anything is left

A registry that was filled before is used again. The clients are threads of this process.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import random
import sqlite3
import statistics
import tempfile
import threading
import time
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from holdfast import digest as digests
from holdfast.clock import SystemClock
from holdfast.digest import PARTITIONS
from holdfast.manifest import OCI_MANIFEST, Reference
from holdfast.meta import keys
from holdfast.meta.holders import Held
from holdfast.meta.records import LinkRecord, ManifestRecord, encode_repository, pack_references
from holdfast.meta.sqlite import SqliteStore
from holdfast.names import repository
from storagenode.disk.tree import Tree
from tests.gc.soaking import Cycles, Team, reporting
from tests.gc.test_on_one_machine import stored
from tests.serving import serving, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from holdfast.digest import Digest
    from tests.serving import Server

IMAGE = 100  # blobs, the manifest not among them
BLOB_BYTES = 100
REPOSITORIES = 1000
CLIENTS = 16
COLLECTIONS = 3
SECONDS = 8.0
WANTED = 500  # images that somebody asks for
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"
QUIET, SOON = {"gc": False}, {"gc": True, "gcDelay": "1h", "gcInterval": "100ms"}
AT_ONCE = {"gc": True, "gcDelay": "5s", "gcInterval": "1s", "uploadExpiry": "30s"}
CHURN_SECONDS, LEFT_SECONDS, LOOK_SECONDS = 3600.0, 1800.0, 10.0
ID = bytes(16)


def blob(number: int) -> bytes:
    return b"%0*d" % (BLOB_BYTES, number)


@dataclass(frozen=True)
class Image:
    """The number'th hundred of all blobs, and the manifest that names them."""

    number: int

    @property
    def repository(self) -> str:
        return f"bench/r{self.number % REPOSITORIES}"

    @property
    def blobs(self) -> list[bytes]:
        return [blob(number) for number in range(self.number * IMAGE, (self.number + 1) * IMAGE)]

    def manifest(self) -> bytes:
        parts = [{"digest": f"sha256:{sha256(data).hexdigest()}", "size": BLOB_BYTES} for data in self.blobs]
        config, *layers = ({"mediaType": LAYER, **part} for part in parts)
        config["mediaType"] = CONFIG
        return json.dumps({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": layers}).encode()


def fill(root: Path, number: int) -> None:
    """Files and rows written directly: a million pushes would take an hour."""
    if (root / "filled").exists():
        return
    with serving(root, storage=QUIET):
        pass  # has made the directories and the tables
    began = time.monotonic()
    tree = Tree(str(root / "data/node"))
    with contextlib.closing(sqlite3.connect(root / "data/meta/holdfast.db")) as database:
        database.execute("BEGIN")
        for image in range(number // IMAGE):
            database.executemany("INSERT OR REPLACE INTO kv VALUES (?, ?, 2, 2, 0)", rows(tree, Image(image)))
        database.execute("UPDATE state SET revision = 2")
        database.execute("COMMIT")
    (root / "filled").touch()
    print(f"fill    {number} blobs in {time.monotonic() - began:.0f} s", flush=True)


def rows(tree: Tree, image: Image) -> Iterator[tuple[bytes, bytes]]:
    """What a push would have written. Links, refs, records."""
    name, data = repository(image.repository), image.manifest()
    manifest, children = store(tree, data), [store(tree, one) for one in image.blobs]
    now = time.time()
    yield keys.repository(name), encode_repository(ID, now)
    for digest, size_bytes in ((manifest, len(data)), *((child, BLOB_BYTES) for child in children)):
        link = LinkRecord(size_bytes, ID, now).encode()
        yield keys.link(name, digest), link
        yield keys.holder(digest, name), link
    for child in children:
        yield keys.ref(name, child, manifest), b""
    packed = pack_references(Reference(child, BLOB_BYTES) for child in children)
    record = ManifestRecord(manifest, OCI_MANIFEST, len(data), ID, ID, now, packed_references=packed)
    yield keys.manifest(name, manifest), record.encode()


def store(tree: Tree, data: bytes) -> Digest:
    digest = digests.of(data)
    Path(tree.blob(digest)).write_bytes(data)
    return digest


def read_links(root: Path) -> None:
    path = root / "data/meta/holdfast.db"
    with contextlib.closing(SqliteStore(path, SystemClock())) as metadata:
        began, held = time.monotonic(), Held(metadata)
        number = sum(1 for partition in range(PARTITIONS) for _ in held.in_partition(partition))
        print(f"links   {number} in {time.monotonic() - began:.1f} s", flush=True)
    with contextlib.closing(sqlite3.connect(path)) as database:
        query = "EXPLAIN QUERY PLAN SELECT key FROM kv WHERE key >= ? AND key < ? ORDER BY key LIMIT 1000"
        for *_, step in database.execute(query, keys.HOLDERS):
            print(f"        {step}")


def memory_mib(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS:"))


def cycles(root: Path) -> None:
    (root / "log").unlink(missing_ok=True)  # of a run that was broken off
    with serving(root, storage=SOON) as server:
        pid = server.child("storagenode")
        before = memory_mib(pid)
        wait_for("two collections", lambda: len(server.told("a collection is over")) >= 2, 1200)
        seconds = [line["seconds"] for line in server.told("a collection is over")]
        print(
            f"cycle   {seconds} s; the node has {before:.0f} MiB before and {memory_mib(pid):.0f} MiB after", flush=True
        )


@dataclass
class Puller(threading.Thread):
    """Asks for one thing after the other on one connection."""

    server: Server
    paths: list[str]
    end: float
    taken: list[float] = field(default_factory=list)
    wrong: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(daemon=True)

    def __hash__(self) -> int:
        return id(self)

    def run(self) -> None:
        line = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=60)
        for path in self.paths:
            began = time.monotonic()
            if began > self.end:
                break
            line.request("GET", path)
            answer = line.getresponse()
            answer.read()
            self.taken.append(time.monotonic() - began)
            if answer.status != 200:
                self.wrong.append(answer.status)
        line.close()


def pull(server: Server, paths: list[str], seconds: float) -> list[float]:
    """Seconds for each."""
    orders = [random.Random(number).choices(paths, k=10_000) for number in range(CLIENTS)]
    end = time.monotonic() + seconds
    team = [Puller(server, order, end) for order in orders]
    for one in team:
        one.start()
    for one in team:
        one.join()
    assert not any(one.wrong for one in team), [one.wrong[:3] for one in team]
    return [taken for one in team for taken in one.taken]


def pulls(root: Path, number: int, rounds: int) -> None:
    """Alternately without and with collections, so that what else the machine does falls on both."""
    images = [Image(random.Random(one).randrange(number // IMAGE)) for one in range(WANTED)]
    manifest = [f"/v2/{one.repository}/manifests/sha256:{sha256(one.manifest()).hexdigest()}" for one in images]
    small = [
        f"/v2/{one.repository}/blobs/sha256:{sha256(data).hexdigest()}" for one in images for data in one.blobs[:10]
    ]
    kinds = {"manifests": manifest, "blobs": small}
    worst: dict[tuple[str, str], list[float]] = {}
    for _ in range(rounds):
        for mode, storage in (("without", QUIET), ("with", SOON)):
            with serving(root, storage=storage) as server:
                pull(server, small, 2)
                for kind, paths in kinds.items():
                    taken = sorted(pull(server, paths, SECONDS))
                    p50, p99 = (taken[int(len(taken) * share)] * 1000 for share in (0.5, 0.99))
                    worst.setdefault((kind, mode), []).append(p99)
                    print(f"pulls   {kind:9} {mode:7} {len(taken):6} p50 {p50:6.1f} ms p99 {p99:6.1f} ms", flush=True)
            server.log.unlink()  # a line for each request
    for kind in kinds:
        alone, beside = (statistics.median(worst[kind, mode]) for mode in ("without", "with"))
        print(
            f"pulls   {kind}: p99 {alone:.1f} ms, while collecting {beside:.1f} ms: {beside / alone:.2f} times",
            flush=True,
        )


def churn(root: Path, operations: int) -> None:
    """Ends as it began, but for what keeps garbage below half of all bytes."""
    (root / "log").unlink(missing_ok=True)
    with serving(root, storage=AT_ONCE) as server:
        before, began = stored(server), time.monotonic()
        pid, team, cycles = server.child("storagenode"), Team.at([server], CLIENTS, operations, 1.0), Cycles(server.log)
        tell = reporting(team, cycles)

        def is_enough() -> bool:
            tell()
            return cycles.each()[0] >= COLLECTIONS

        team.work(is_enough, CHURN_SECONDS)
        team.look_at_all()
        seconds, counted = time.monotonic() - began, cycles.each()[0]
        print(f"churn   {team.told()}, {counted} collections in {seconds:.0f} s: 0 missing", flush=True)
        team.delete_all()
        wait_for(
            "all garbage to go",
            lambda: time.sleep(LOOK_SECONDS) or stored(server) == before | team.needed,
            LEFT_SECONDS,
        )
        print(f"churn   0 of {len(stored(server))} left over; the node has {memory_mib(pid):.0f} MiB", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("counts", nargs="*", type=int, default=[100_000, 1_000_000])
    parser.add_argument("--directory", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", choices=("fill", "links", "cycle", "pulls", "churn"), action="append")
    parser.add_argument("--operations", type=int, default=20_000)
    words = parser.parse_args()
    wanted = words.only or ["fill", "links", "cycle", "pulls", "churn"]
    with tempfile.TemporaryDirectory() as temporary:
        for number in words.counts:
            root = (words.directory or Path(temporary)) / str(number)
            fill(root, number)
            if "links" in wanted:
                read_links(root)
            if "cycle" in wanted:
                cycles(root)
            if "pulls" in wanted:
                pulls(root, number, words.rounds)
            if "churn" in wanted:
                churn(root, words.operations)


if __name__ == "__main__":
    main()
