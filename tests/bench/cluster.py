"""What a cluster reaches: ``python -m tests.bench.cluster [FIGURE ...]``, as root. Prints figures; asserts nothing.

    links    pulls through two gateways from 1, 2 and 4 storage nodes whose links carry 200 Mbit/s each
    repair   filling an emptied disk over such a link, and what clients keep of their throughput meanwhile: the node that is
             filled has nothing for them at first, so they are compared with clients while it was away
    copies   pushes with three copies, two of them acknowledged, beside pushes with one
    hop      a pull by one gRPC hop beside the short circuit of a node on the same host

Each process runs on a machine of its own, made of a network namespace, but for ``copies`` and the short circuit of ``hop``: those
are on loopback, where only this machine's cores are shared. The clients are threads of this process.
"""

from __future__ import annotations

import hashlib
import http.client
import os
import shutil
import statistics
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING

from holdfast.placement.layout import Rules
from tests.probe.cluster import running

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.probe.cluster import Cluster, Gateway

MIB = 1 << 20
LINK_KILOBITS = 200_000
LINK_BYTES_PER_SECOND = LINK_KILOBITS * 1000 / 8
REPOSITORY = "bench/blobs"
CLIENTS = 16
SECONDS = 12.0


def push(gateway: Gateway, data: bytes) -> str:
    digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
    connection = http.client.HTTPConnection(*gateway.address, timeout=120)
    try:
        connection.request("POST", f"/v2/{REPOSITORY}/blobs/uploads/")
        opened = connection.getresponse()
        opened.read()
        place = opened.headers["Location"]
        connection.request("PATCH", place, data, {"Content-Type": "application/octet-stream"})
        connection.getresponse().read()
        connection.request("PUT", f"{place}?digest={digest}")
        closed = connection.getresponse()
        closed.read()
        assert closed.status == 201, closed.status
    finally:
        connection.close()
    return digest


def pull(gateway: Gateway, digest: str, count: Callable[[int], None]) -> None:
    connection = http.client.HTTPConnection(*gateway.address, timeout=120)
    try:
        connection.request("GET", f"/v2/{REPOSITORY}/blobs/{digest}")
        answer = connection.getresponse()
        assert answer.status == 200, answer.status
        while data := answer.read(MIB):
            count(len(data))
    finally:
        connection.close()


def pulling(cluster: Cluster, blobs: Sequence[str], seconds: float = SECONDS) -> float:
    """Bytes a second that so many clients get over both gateways together."""
    total, lock = [0], threading.Lock()
    began = time.monotonic()
    end = began + seconds

    def count(size_bytes: int) -> None:
        with lock:
            total[0] += size_bytes

    def client(number: int) -> None:
        gateways, wanted = cycle(cluster.gateways.values()), cycle(blobs[number:] + blobs[:number])
        for _ in range(number):
            next(gateways)
        while time.monotonic() < end:
            pull(next(gateways), next(wanted), count)

    with ThreadPoolExecutor(CLIENTS) as pool:
        list(pool.map(client, range(CLIENTS)))
    return total[0] / (time.monotonic() - began)


def links(directory: Path) -> None:
    reached: dict[int, float] = {}
    for nodes in (1, 2, 4):
        names = [f"n{number}" for number in range(nodes)]
        rules = Rules(min(2, nodes), min(2, nodes))
        with running(directory / f"links{nodes}", names, ("g1", "g2"), rules=rules) as cluster:
            gateway = cluster.gateways["g1"]
            blobs = [push(gateway, os.urandom(4 * MIB)) for _ in range(32)]
            for node in cluster.nodes.values():
                cluster.network.slow(node.host, LINK_KILOBITS)
            reached[nodes] = pulling(cluster, blobs)
        linear = reached[nodes] / (reached[1] * nodes)
        share = reached[nodes] / (LINK_BYTES_PER_SECOND * nodes)
        print(
            f"links   {nodes} nodes: {reached[nodes] / 1e6:6.1f} MB/s, {linear:.2f} of linear, {share:.2f} of the links",
            flush=True,
        )


def repair(directory: Path) -> None:
    with running(directory / "repair", ("a", "b", "c"), ("g1", "g2")) as cluster:
        blobs = [push(cluster.gateways["g1"], os.urandom(4 * MIB)) for _ in range(75)]
        for node in cluster.nodes.values():
            cluster.network.slow(node.host, LINK_KILOBITS)
        emptied = cluster.nodes["c"]
        whole = pulling(cluster, blobs)
        emptied.stop()
        quiet = pulling(cluster, blobs)
        print(
            f"repair  clients of all nodes: {whole / 1e6:.1f} MB/s, without the one: {quiet / 1e6:.1f} MB/s", flush=True
        )
        for is_busy in (False, True):
            emptied.stop()
            shutil.rmtree(emptied.data / "blobs")
            began = time.monotonic()
            emptied.begin()
            if is_busy:
                beside = pulling(cluster, blobs)
                print(
                    f"repair  clients beside it: {beside / 1e6:.1f} MB/s, {beside / quiet:.2f} of while the node was away",
                    flush=True,
                )
            while len(emptied.held()) < len(blobs):
                time.sleep(0.1)
            seconds = time.monotonic() - began
            rate = len(blobs) * 4 * MIB / seconds
            print(
                f"repair  {'beside clients' if is_busy else 'alone'}: {seconds:.1f} s from start to full, {rate / 1e6:.1f} MB/s, "
                f"{rate / LINK_BYTES_PER_SECOND:.2f} of the link",
                flush=True,
            )


def copies(directory: Path) -> None:
    rates: dict[str, float] = {}
    for name, rules in (("R=1", Rules(1, 1)), ("R=3 W=2", Rules(3, 2))):
        with running(
            directory / name.replace(" ", ""), ("a", "b", "c"), ("g1",), rules=rules, machines=False
        ) as cluster:
            gateway = cluster.gateways["g1"]
            for size_mib, rounds in ((1, 20), (16, 10), (256, 3)):
                took = []
                for _ in range(rounds):
                    data = os.urandom(size_mib * MIB)
                    began = time.monotonic()
                    push(gateway, data)
                    took.append(time.monotonic() - began)
                rate = size_mib * MIB / statistics.median(took)
                rates[f"{name} {size_mib}"] = rate
                beside = rate / rates[f"R=1 {size_mib}"]
                print(f"copies  {name}, {size_mib:3} MiB: {rate / 1e6:6.1f} MB/s, {beside:.2f} of R=1", flush=True)


def hop(directory: Path) -> None:
    rates = {}
    for name, machines in (("short circuit", False), ("one hop", True)):
        with running(
            directory / name.replace(" ", ""), ("a",), ("g1",), rules=Rules(1, 1), machines=machines
        ) as cluster:
            gateway = cluster.gateways["g1"]
            digest = push(gateway, os.urandom(512 * MIB))
            took = []
            for _ in range(5):
                began = time.monotonic()
                pull(gateway, digest, lambda _size: None)
                took.append(time.monotonic() - began)
            rates[name] = 512 * MIB / statistics.median(took)
            print(
                f"hop     {name}: {rates[name] / 1e6:.0f} MB/s, {rates[name] / rates['short circuit']:.2f} of the short circuit",
                flush=True,
            )


FIGURES = {"links": links, "repair": repair, "copies": copies, "hop": hop}


def main() -> None:
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DIR")) as folder:
        for name in sys.argv[1:] or FIGURES:
            FIGURES[name](Path(folder))


if __name__ == "__main__":
    main()
