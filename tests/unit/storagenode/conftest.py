"""A storage node without a transport, on a real directory, with a clock that stands still."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from holdfast import digest as digests
from holdfast.clock import ManualClock
from holdfast.rpc.node import UploadKey, Want
from storagenode.disk.tree import Tree
from storagenode.options import NodeOptions
from storagenode.server import NodeServer
from tests.fakes.files import HookedFiles

if TYPE_CHECKING:
    from collections.abc import Iterator

    from holdfast.digest import Digest
    from storagenode.disk.fsio import Files
    from storagenode.node import StorageNode

REPOSITORY = "library/alpine"
HOST = "this-host"


@dataclass
class Bench:
    """Makes nodes on one directory, one after the other, and closes them."""

    path: Path
    files: Files
    clock: ManualClock = field(default_factory=ManualClock)
    options: dict[str, object] = field(default_factory=dict)
    server: NodeServer | None = None

    def start(self) -> StorageNode:
        settings = {"data_dir": self.path / "data", "listen": f"unix:{self.path}/s", "reserve_bytes": 0, **self.options}
        self.server = NodeServer(NodeOptions(**settings), self.files, self.clock)  # type: ignore[arg-type]
        self.server.node._host_id = HOST
        return self.server.node

    def restart(self) -> StorageNode:
        """As after a kill: nothing of the old process is told anything, its descriptors are simply gone."""
        self.stop()
        return self.start()

    def stop(self) -> None:
        if self.server is not None:
            self.server._server.stop(0).wait()
            self.server.node.close()
            self.server._rooms.close()
            if self.server._lock is not None:
                os.close(self.server._lock)
            self.server = None

    @property
    def tree(self) -> Tree:
        return Tree(str(self.path / "data"))


@pytest.fixture
def files() -> HookedFiles:
    return HookedFiles()


@pytest.fixture
def folder() -> Iterator[Path]:
    """In memory where that can be: 4096 partition directories for every test are much to ask of a disk."""
    shared = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=shared if shared.is_dir() else None) as made:
        yield Path(made)


@pytest.fixture
def bench(folder: Path, files: HookedFiles) -> Iterator[Bench]:
    made = Bench(folder, files)
    yield made
    made.stop()


@pytest.fixture
def node(bench: Bench) -> StorageNode:
    return bench.start()


def begin(node: StorageNode, *pieces: bytes, algorithm: str | None = None) -> UploadKey:
    key = UploadKey(node.start_upload(REPOSITORY, "", algorithm).upload_id, REPOSITORY)
    if pieces:
        node.append(key, 0, pieces, lambda: None)
    return key


def put(node: StorageNode, data: bytes) -> Digest:
    return node.put_blob(digests.of(data), data).digest


def read(node: StorageNode, digest: Digest) -> bytes:
    return b"".join(node.read_blob(Want(digest), 0, None))
