"""How fast one storage node is: ``python -m tests.bench.node [MiB]``. Prints MB/s; asserts nothing.

The node runs as a process of its own. The fsync at the end of a write is counted.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from holdfast import digest as digests
from holdfast.errors import NodeUnreachableError
from holdfast.rpc.client import GrpcNode
from holdfast.rpc.host import host_id
from holdfast.rpc.node import UploadKey, Want

MIB = 1 << 20
ROUNDS = 3
ANNOUNCE = 8


def main() -> None:
    size_mib = int(sys.argv[1]) if len(sys.argv) > 1 else 256
    piece = os.urandom(MIB)
    hasher = hashlib.sha256()
    for _ in range(size_mib):
        hasher.update(piece)
    digest = digests.parse(f"sha256:{hasher.hexdigest()}")
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DIR")) as folder:
        target = f"unix:{folder}/s"
        command = [sys.executable, "-m", "storagenode", "--data-dir", f"{folder}/data", "--listen", target]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        node = GrpcNode(target, host_id=host_id())
        try:
            _wait(node)
            for name, measure in {
                "append over gRPC": lambda: _append(node, piece, size_mib, digest),
                "short-circuit write": lambda: _short_circuit(node, piece, size_mib, digest),
                "read over gRPC": lambda: _read(node, digest),
            }.items():
                rates = sorted(size_mib * MIB / 1e6 / measure() for _ in range(ROUNDS))
                print(f"{name:22} {rates[ROUNDS // 2]:8.0f} MB/s   ({', '.join(f'{rate:.0f}' for rate in rates)})")
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


if __name__ == "__main__":
    main()
