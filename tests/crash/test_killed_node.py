"""SIGKILL at each step of storing a blob: what was acknowledged is there, nothing is half there, and the client can go on."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from holdfast import digest as digests
from holdfast.errors import NodeUnreachableError, UploadUnknownError
from holdfast.rpc.client import GrpcNode
from holdfast.rpc.host import host_id
from holdfast.rpc.node import UploadKey, Want
from tests.serving import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

BEFORE = b"acknowledged before"
DATA = b"being stored when the node died " * 1000
DIGEST = digests.of(DATA)


@contextlib.contextmanager
def running(folder: Path, point: str | None = None) -> Iterator[tuple[GrpcNode, subprocess.Popen[bytes]]]:
    target = f"unix:{folder}/s"
    command = [sys.executable, "-m", "tests.crash.node_child", str(folder / "data"), target]
    process = subprocess.Popen([*command, point] if point else command, cwd=Path(__file__).parents[2])
    client = GrpcNode(target, host_id=host_id())
    try:
        wait_for("the node", lambda: process.poll() is None and _answers(client))
        yield client, process
    finally:
        client.close()
        process.kill()
        process.wait()


def _answers(client: GrpcNode) -> bool:
    try:
        return bool(client.status().node_id)
    except NodeUnreachableError:
        return False


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """One directory for all points: what one kill leaves is the next one's past."""
    made = tmp_path_factory.mktemp("k")
    with running(made) as (client, _process):
        client.put_blob(digests.of(BEFORE), BEFORE)
    return made


def put(client: GrpcNode) -> None:
    client.put_blob(DIGEST, DATA)


def upload(client: GrpcNode, key: UploadKey | None = None) -> None:
    key = key or UploadKey(client.start_upload("library/alpine", "", None).upload_id, "library/alpine")
    at = client.upload_state(key).offset_bytes
    client.append(key, at, [DATA[at:]])
    client.finish_upload(key, DIGEST)


def short_circuit(client: GrpcNode) -> None:
    key = UploadKey(client.start_upload("library/alpine", "", None).upload_id, "library/alpine")
    local = client.open_append(key, 0)
    Path(local.file.path).write_bytes(DATA)
    local.advance(len(DATA))
    local.close(len(DATA))
    client.finish_upload(key, DIGEST)


POINTS = [
    *((put, point) for point in ("create:put.", "write:put.", "sync:put.", "rename:/blobs/", "sync_directory:/blobs/")),
    *(
        (upload, point)
        for point in ("create:.data.0", "write:uploads", "write:.data.0", "open:.data.0", "sync:.data.0")
    ),
    *((upload, point) for point in ("rename:/blobs/", "sync_directory:/blobs/")),
    *((short_circuit, point) for point in ("rename:lent.", "rename:data.", "sync:data.", "sync_directory:/blobs/")),
]


@pytest.mark.parametrize(("store", "point"), POINTS, ids=[f"{store.__name__} {point}" for store, point in POINTS])
def test_a_kill_loses_nothing_and_leaves_nothing_half_done(folder, store, point):
    with running(folder, point) as (client, process):
        with pytest.raises(NodeUnreachableError):
            store(client)
        assert process.wait(20) == -signal.SIGKILL
    with running(folder) as (client, process):
        assert b"".join(client.read_blob(Want(digests.of(BEFORE)), 0, None)) == BEFORE
        (found,) = client.stat_blobs([Want(DIGEST, len(DATA))])
        if found is not None:
            assert b"".join(client.read_blob(Want(DIGEST), 0, None)) == DATA
        for listed in client.list_blobs(0, 4095):
            assert b"".join(client.read_blob(Want(listed.digest), 0, None))
        store(client)  # a retry cures it
        stored = client.stat_blobs([Want(DIGEST, len(DATA))])[0]
        assert client.delete_blob(DIGEST, stored.stamp)  # the next point begins without it
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0


def test_an_upload_goes_on_where_the_killed_node_stood(folder):
    with running(folder) as (client, process):
        key = UploadKey(client.start_upload("library/alpine", "", None).upload_id, "library/alpine")
        client.append(key, 0, [DATA[:1000]])
        process.kill()
        process.wait()
    with running(folder) as (client, _process):
        assert client.upload_state(key).offset_bytes == 1000
        upload(client, key)
        with pytest.raises(UploadUnknownError):
            client.upload_state(key)
