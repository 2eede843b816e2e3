"""Push and pull with blobs on the disk and in an object store, side by side: `python tests/bench/objects.py`.

Beside them what the object store gives by itself, asked by the same library with the same parts: a push cannot be faster than that
where it goes there as well. The object stores are on this machine: moto is one Python process that keeps everything in memory and
hashes it; versitygw is an S3 server that keeps it in a directory beside the disk's.

Exit codes: 0, or 1 when something could not be run.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import http.client
import json
import os
import statistics
import sys
import tempfile
import threading
import time
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.fakes.object_servers import versity
from tests.fakes.s3 import S3Server
from tests.serving import serving

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tests.fakes.places import Prefix
    from tests.serving import Server

MIB = 1 << 20
DISK = "disk"
ALONE = "alone"
MOST_MEMORY = "memory of the node, MiB"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--server", action="append", choices=SERVERS, help="both, if not given")
    parser.add_argument("--size-mib", type=int, default=256)
    parser.add_argument("--small", type=int, default=100, help="how many blobs of 16 KiB")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    parsed = parser.parse_args()
    names = tuple(parsed.server or SERVERS)
    found: dict[tuple[str, str], list[float]] = defaultdict(list)
    order = [DISK, *names, *(f"{name} {ALONE}" for name in names)]
    with contextlib.ExitStack() as stack:
        places = {name: stack.enter_context(SERVERS[name]()) for name in names}
        for number in range(parsed.rounds):
            for turn in range(len(order)):
                name = order[(turn + number) % len(order)]
                with tempfile.TemporaryDirectory() as root:
                    place = places[name.removesuffix(f" {ALONE}")]() if name != DISK else None
                    if place is not None and name.endswith(ALONE):
                        figures = alone(place, parsed.size_mib, parsed.small)
                    else:
                        figures = measured(place, Path(root), parsed.size_mib, parsed.small)
                    for figure, value in figures.items():
                        found[figure, name].append(value)
    medians = {key: statistics.median(values) for key, values in found.items()}
    print(f"load of the machine: {os.getloadavg()[0]:.1f}", file=sys.stderr)
    show(medians, names, as_json=parsed.json)
    return 0


@contextlib.contextmanager
def _moto() -> Iterator[Callable[[], Prefix]]:
    server = S3Server.start()
    try:
        yield server.place
    finally:
        server.stop()


@contextlib.contextmanager
def _versity() -> Iterator[Callable[[], Prefix]]:
    with tempfile.TemporaryDirectory() as directory, versity(Path(directory)) as server:
        yield server.place


SERVERS = {"moto": _moto, "versitygw": _versity}


def measured(place: Prefix | None, root: Path, size_mib: int, small: int) -> dict[str, float]:
    storage: dict[str, Any] = {"gc": False}
    if place is not None:
        driver = {key: value for key, value in place.driver.items() if key != "chunksize"}
        storage |= {"storageDriver": driver, "dedupe": False}
    with serving(root, storage=storage) as registry, watched(registry) as most:
        piece, data = os.urandom(MIB), [os.urandom(16384) for _ in range(small)]
        large = piece * size_mib
        named = digest(large)
        before = spent(registry)
        pushed = rate(large, lambda: push(registry, large, named))
        between = spent(registry)
        pulled = rate(large, lambda: pull(registry, named, len(large)))
        gigabytes = len(large) / 1e9
        return {
            "push, MB/s": pushed,
            "pull, MB/s": pulled,
            "CPU of a push, s/GB": (between - before) / gigabytes,
            "CPU of a pull, s/GB": (spent(registry) - between) / gigabytes,
            MOST_MEMORY: max(most) / MIB,
            "small pushes/s": small / timed(lambda: [push(registry, one, digest(one)) for one in data]),
            "small pulls/s": small / timed(lambda: [pull(registry, digest(one), len(one)) for one in data]),
        }


@contextlib.contextmanager
def watched(registry: Server) -> Iterator[list[int]]:
    """The node's resident memory, every tenth of a second."""
    children = psutil.Process(registry.process.pid).children(recursive=True)
    node = next(child for child in children if "storagenode" in child.cmdline())
    sizes, ended = [node.memory_info().rss], threading.Event()

    def watch() -> None:
        while not ended.wait(0.1):
            sizes.append(node.memory_info().rss)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield sizes
    finally:
        ended.set()
        watcher.join()


def alone(place: Prefix, size_mib: int, small: int) -> dict[str, float]:
    bucket = place.bucket()
    bucket._part_bytes = 8 * MIB
    piece, data = os.urandom(MIB), os.urandom(16384)

    def put() -> None:
        writing = bucket.writing("large")
        for _ in range(size_mib):
            writing.write(piece)
        writing.finish()

    def get() -> None:
        assert sum(map(len, bucket.read("large", 0, size_mib * MIB, size_mib * MIB))) == size_mib * MIB

    before = spent(None)
    pushed = rate(piece * size_mib, put)
    between = spent(None)
    pulled = rate(piece * size_mib, get)
    gigabytes = size_mib * MIB / 1e9
    return {
        "push, MB/s": pushed,
        "pull, MB/s": pulled,
        "CPU of a push, s/GB": (between - before) / gigabytes,
        "CPU of a pull, s/GB": (spent(None) - between) / gigabytes,
        "small pushes/s": small / timed(lambda: [bucket.put(f"small/{number}", data) for number in range(small)]),
        "small pulls/s": small / timed(lambda: [bucket.get(f"small/{number}") for number in range(small)]),
    }


def spent(registry: Server | None) -> float:
    """Seconds of CPU so far: of the registry and all that it started; None: of this process, which is the client of ``alone``."""
    one = psutil.Process(registry.process.pid if registry is not None else None)
    found = [one, *(one.children(recursive=True) if registry is not None else ())]
    return sum(times.user + times.system for times in (process.cpu_times() for process in found))


def timed(act: Callable[[], object]) -> float:
    begun = time.monotonic()
    act()
    return time.monotonic() - begun


def rate(data: bytes, act: Callable[[], object]) -> float:
    return len(data) / 1e6 / timed(act)


def digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def push(registry: Server, data: bytes, named: str) -> None:
    """As clients do: begin, one PATCH, the closing PUT."""
    connection = http.client.HTTPConnection("127.0.0.1", registry.port, blocksize=MIB)
    try:
        at = asked(connection, "POST", "/v2/bench/app/blobs/uploads/", 202).headers["Location"]
        at = asked(connection, "PATCH", at, 202, data).headers["Location"]
        asked(connection, "PUT", f"{at}{'&' if '?' in at else '?'}digest={named}", 201)
    finally:
        connection.close()


def pull(registry: Server, named: str, size_bytes: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", registry.port)
    try:
        connection.request("GET", f"/v2/bench/app/blobs/{named}")
        answer = connection.getresponse()
        size = 0
        while piece := answer.read(MIB):
            size += len(piece)
        assert size == size_bytes, f"{size} bytes instead of {size_bytes}"
    finally:
        connection.close()


def asked(
    connection: http.client.HTTPConnection, method: str, path: str, status: int, body: bytes = b""
) -> http.client.HTTPResponse:
    headers = {"Content-Type": "application/octet-stream"}
    connection.request(method, path.removeprefix(f"http://127.0.0.1:{connection.port}"), body, headers)
    answer = connection.getresponse()
    assert answer.status == status, (method, answer.status, answer.read())
    answer.read()
    return answer


def show(medians: dict[tuple[str, str], float], names: Sequence[str], *, as_json: bool) -> None:
    figures = list(dict.fromkeys(figure for figure, _ in medians))
    if as_json:
        rows = {figure: {name: value for (one, name), value in medians.items() if one == figure} for figure in figures}
        print(json.dumps(rows, indent=2))
        return
    for name in names:
        table = Table("", DISK, name, "to the disk", ALONE, f"to that {ALONE}", title=f"Blobs on a disk and in {name}")
        for figure in figures:
            disk, objects = medians[figure, DISK], medians[figure, name]
            by_itself = medians.get((figure, f"{name} {ALONE}"))
            last = ("", "") if by_itself is None else (f"{by_itself:.3g}", f"{objects / by_itself:.2f}")
            table.add_row(figure, f"{disk:.3g}", f"{objects:.3g}", f"{objects / disk:.2f}", *last)
        Console().print(table)


if __name__ == "__main__":
    sys.exit(main())
