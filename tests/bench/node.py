"""How fast one storage node is: ``python -m tests.bench.node [MiB] [unix|tcp|tls]``. Prints MB/s; asserts nothing.

The node runs as a process of its own, on a Unix socket unless told otherwise. The fsync at the end of a write is counted.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from holdfast import digest as digests
from holdfast.certs.peer import Role
from holdfast.errors import NodeUnreachableError
from holdfast.rpc.client import GrpcNode
from holdfast.rpc.host import host_id
from holdfast.rpc.node import UploadKey, Want
from tests.fakes.papers import Papers
from tests.serving import free_port

if TYPE_CHECKING:
    from holdfast.rpc.credentials import Credentials

MIB = 1 << 20
ROUNDS = 3
ANNOUNCE = 8
STATUS_CALLS = 3000
CONNECTIONS = 51


def main() -> None:
    size_mib = int(sys.argv[1]) if len(sys.argv) > 1 else 256
    piece = os.urandom(MIB)
    hasher = hashlib.sha256()
    for _ in range(size_mib):
        hasher.update(piece)
    digest = digests.parse(f"sha256:{hasher.hexdigest()}")
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DIR")) as folder:
        way = sys.argv[2] if len(sys.argv) > 2 else "unix"
        target = f"unix:{folder}/s" if way == "unix" else f"127.0.0.1:{free_port()}"
        command = [sys.executable, "-m", "storagenode", "--data-dir", f"{folder}/data", "--listen", target]
        credentials = None
        if way == "tls":
            papers = Papers(Path(folder) / "certs")
            tls = papers.issue(Role.NODE, ["127.0.0.1"])
            command += [
                "--ca-file",
                str(tls.authority),
                "--cert-file",
                str(tls.certificate),
                "--key-file",
                str(tls.key),
            ]
            credentials = papers.credentials(Role.GATEWAY)
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        node = GrpcNode(target, host_id=host_id(), credentials=credentials)
        try:
            _wait(node)
            for name, measure in {
                "append over gRPC": lambda: _append(node, piece, size_mib, digest),
                "short-circuit write": lambda: _short_circuit(node, piece, size_mib, digest),
                "read over gRPC": lambda: _read(node, digest),
            }.items():
                rates = sorted(size_mib * MIB / 1e6 / measure() for _ in range(ROUNDS))
                print(f"{name:22} {rates[ROUNDS // 2]:8.0f} MB/s   ({', '.join(f'{rate:.0f}' for rate in rates)})")
            print(f"{'status':22} {_status(node):8.0f} calls/s")
            node.close()  # channels of one process share connections to one target
            print(f"{'first call':22} {_first_call(target, credentials):8.1f} ms, a new connection each")
        finally:
            node.close()
            process.terminate()
            process.wait()


def _wait(node: GrpcNode) -> None:
    deadline = time.monotonic() + 20
    while True:
        try:
            node.status()
        except NodeUnreachableError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return


def _key(node: GrpcNode) -> UploadKey:
    return UploadKey(node.start_upload("bench", "", None).upload_id, "bench")


def _append(node: GrpcNode, piece: bytes, size_mib: int, digest: digests.Digest) -> float:
    start = time.perf_counter()
    key = _key(node)
    node.append(key, 0, (piece for _ in range(size_mib)))
    node.finish_upload(key, digest)
    return time.perf_counter() - start


def _short_circuit(node: GrpcNode, piece: bytes, size_mib: int, digest: digests.Digest) -> float:
    start = time.perf_counter()
    key = _key(node)
    local = node.open_append(key, 0)
    if local is None:
        raise SystemExit("the node offers no file: is it on another host?")
    with Path(local.file.path).open("r+b", buffering=0) as file:
        for number in range(1, size_mib + 1):
            file.write(piece)
            if number % ANNOUNCE == 0:
                local.advance(number * MIB)
    local.close(size_mib * MIB)
    node.finish_upload(key, digest)
    return time.perf_counter() - start


def _read(node: GrpcNode, digest: digests.Digest) -> float:
    start = time.perf_counter()
    for _ in node.read_blob(Want(digest), 0, None):
        pass
    return time.perf_counter() - start


def _status(node: GrpcNode) -> float:
    start = time.perf_counter()
    for _ in range(STATUS_CALLS):
        node.status()
    return STATUS_CALLS / (time.perf_counter() - start)


def _first_call(target: str, credentials: Credentials | None) -> float:
    took = []
    for _ in range(CONNECTIONS):
        node = GrpcNode(target, host_id="", credentials=credentials)
        start = time.perf_counter()
        node.status()
        took.append(time.perf_counter() - start)
        node.close()
    return sorted(took)[CONNECTIONS // 2] * 1000


if __name__ == "__main__":
    main()
