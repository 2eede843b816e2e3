"""Push and pull with blobs on the disk and in an object store, side by side: `python tests/bench/objects.py`.

Beside them what the object store gives by itself, asked by the same library with the same parts: a push cannot be faster than that
where it goes there as well. The object store is the one of the tests, in a process of its own on this machine: one Python process
that keeps everything in memory and hashes it, so it says what the node adds, not what a real one would give.

Exit codes: 0, or 1 when something could not be run.
"""

from __future__ import annotations

import argparse
import hashlib
import http.client
import json
import os
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.fakes.s3 import S3Server
from tests.serving import serving

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.fakes.s3 import Place
    from tests.serving import Server

MIB = 1 << 20
DISK, OBJECTS, ALONE = "disk", "object store", "object store alone"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size-mib", type=int, default=256)
    parser.add_argument("--small", type=int, default=100, help="how many blobs of 16 KiB")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    parsed = parser.parse_args()
    found: dict[tuple[str, str], list[float]] = defaultdict(list)
    server = S3Server.start()
    try:
        for number in range(parsed.rounds):
            order = [DISK, OBJECTS, ALONE]
            for name in order[number % 3 :] + order[: number % 3]:
                with tempfile.TemporaryDirectory() as root:
                    for figure, value in measured(
                        name, Path(root), server.place(), parsed.size_mib, parsed.small
                    ).items():
                        found[figure, name].append(value)
    finally:
        server.stop()
    medians = {key: statistics.median(values) for key, values in found.items()}
    show(medians, as_json=parsed.json)
    return 0


def measured(name: str, root: Path, place: Place, size_mib: int, small: int) -> dict[str, float]:
    if name == ALONE:
        return alone(place, size_mib, small)
    storage: dict[str, Any] = {"gc": False}
    if name == OBJECTS:
        driver = {key: value for key, value in place.driver.items() if key != "chunksize"}
        storage |= {"storageDriver": driver, "dedupe": False}
    with serving(root, storage=storage) as registry:
        large, data = os.urandom(MIB) * size_mib, [os.urandom(16384) for _ in range(small)]
        before = spent(registry)
        pushed = rate(large, lambda: push(registry, large))
        between = spent(registry)
        pulled = rate(large, lambda: pull(registry, large))
        gigabytes = len(large) / 1e9
        return {
            "push, MB/s": pushed,
            "pull, MB/s": pulled,
            "CPU of a push, s/GB": (between - before) / gigabytes,
            "CPU of a pull, s/GB": (spent(registry) - between) / gigabytes,
            "small pushes/s": small / timed(lambda: [push(registry, one) for one in data]),
            "small pulls/s": small / timed(lambda: [pull(registry, one) for one in data]),
        }


def alone(place: Place, size_mib: int, small: int) -> dict[str, float]:
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


def push(registry: Server, data: bytes) -> None:
    """As clients do: begin, one PATCH, the closing PUT."""
    connection = http.client.HTTPConnection("127.0.0.1", registry.port, blocksize=MIB)
    try:
        at = asked(connection, "POST", "/v2/bench/app/blobs/uploads/", 202).headers["Location"]
        at = asked(connection, "PATCH", at, 202, data).headers["Location"]
        asked(connection, "PUT", f"{at}{'&' if '?' in at else '?'}digest={digest(data)}", 201)
    finally:
        connection.close()


def pull(registry: Server, data: bytes) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", registry.port)
    try:
        connection.request("GET", f"/v2/bench/app/blobs/{digest(data)}")
        answer = connection.getresponse()
        size = 0
        while piece := answer.read(MIB):
            size += len(piece)
        assert size == len(data), f"{size} bytes instead of {len(data)}"
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


def show(medians: dict[tuple[str, str], float], *, as_json: bool) -> None:
    figures = list(dict.fromkeys(figure for figure, _ in medians))
    if as_json:
        rows = {figure: {name: medians[figure, name] for name in (DISK, OBJECTS, ALONE)} for figure in figures}
        print(json.dumps(rows, indent=2))
        return
    table = Table(
        "", DISK, OBJECTS, "to the disk", ALONE, "to that alone", title="Blobs on a disk and in an object store"
    )
    for figure in figures:
        disk, objects, by_itself = (medians[figure, name] for name in (DISK, OBJECTS, ALONE))
        table.add_row(
            figure,
            f"{disk:.3g}",
            f"{objects:.3g}",
            f"{objects / disk:.2f}",
            f"{by_itself:.3g}",
            f"{objects / by_itself:.2f}",
        )
    Console().print(table)


if __name__ == "__main__":
    sys.exit(main())
