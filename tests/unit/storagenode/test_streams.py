"""Streams over gRPC: newer writers end older ones, and readers never take an append's thread."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from holdfast import digest as digests
from holdfast.errors import (
    NodeUnreachableError,
    OffsetError,
    OverloadedError,
    StaleWriterError,
    UnavailableError,
    UploadUnknownError,
)
from holdfast.rpc.client import GrpcNode
from holdfast.rpc.host import host_id
from holdfast.rpc.node import UploadKey, Want
from tests.unit.storagenode.conftest import REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Iterator

MIB = 1 << 20


@pytest.fixture
def client(bench) -> Iterator[GrpcNode]:
    bench.options.update(read_threads=210, write_threads=8)
    node = bench.start()
    node._host_id = host_id()
    made = GrpcNode(bench.server.start(), host_id=host_id())
    yield made
    made.close()
    bench.server.stop(0)
    bench.server = None


def begin(client) -> UploadKey:
    return UploadKey(client.start_upload(REPOSITORY, "", None).upload_id, REPOSITORY)


def until(condition, seconds=20.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.01)


class SlowBody:
    """Chunks that come when the test says so."""

    def __init__(self, first: bytes) -> None:
        self._first = first
        self.go_on = threading.Event()

    def __iter__(self):
        yield self._first
        assert self.go_on.wait(20)
        yield b"too late"


def test_a_newer_stream_ends_the_older_one_first(client):
    key, body = begin(client), SlowBody(b"abc")
    with ThreadPoolExecutor(1) as pool:
        older = pool.submit(client.append, key, 0, body)
        until(lambda: client.upload_state(key).offset_bytes == 3)
        assert client.append(key, 3, [b"def"]).offset_bytes == 6
        body.go_on.set()
        with pytest.raises(StaleWriterError):
            older.result(20)
    assert client.finish_upload(key, digests.of(b"abcdef")).size_bytes == 6


def test_a_wrong_offset_does_not_disturb_the_stream_that_is_writing(client):
    key, body = begin(client), SlowBody(b"abc")
    with ThreadPoolExecutor(1) as pool:
        writer = pool.submit(client.append, key, 0, body)
        until(lambda: client.upload_state(key).offset_bytes == 3)
        with pytest.raises(OffsetError):
            client.append(key, 1, [b"x"])
        body.go_on.set()
        assert writer.result(20).offset_bytes == len(b"abctoo late")


def test_a_short_circuit_write_ends_a_stream_and_a_cancel_ends_both(client):
    key, body = begin(client), SlowBody(b"abc")
    with ThreadPoolExecutor(1) as pool:
        older = pool.submit(client.append, key, 0, body)
        until(lambda: client.upload_state(key).offset_bytes == 3)
        local = client.open_append(key, 3)
        body.go_on.set()
        with pytest.raises(StaleWriterError):
            older.result(20)
    client.cancel_upload(key)
    with pytest.raises(UploadUnknownError):
        local.close(3)


def test_a_client_that_vanishes_leaves_what_arrived(client, bench):
    key, body = begin(client), SlowBody(b"abc")
    other = GrpcNode(bench.server._options.listen, host_id="")
    with ThreadPoolExecutor(1) as pool:
        append = pool.submit(other.append, key, 0, body)
        until(lambda: client.upload_state(key).offset_bytes == 3)
        other.close()
        body.go_on.set()
        with pytest.raises(UnavailableError):
            append.result(20)
    assert client.append(key, None, [b"def"]).offset_bytes == 6


def test_two_hundred_followers_do_not_starve_the_append_they_wait_for(client):
    key = begin(client)
    client.append(key, 0, [b"first"])
    whole = b"first" + b"x" * MIB + b"last"
    with ThreadPoolExecutor(200) as pool:
        followers = [pool.submit(lambda: b"".join(client.follow_upload(key.upload_id, 0))) for _ in range(200)]
        until(lambda: _reading(client) >= 200)
        client.append(key, 5, [b"x" * MIB, b"last"])
        client.finish_upload(key, digests.of(whole))
        assert {follower.result(60) for follower in followers} == {whole}


def _reading(client) -> int:
    return sum(thread.name.startswith("read") for thread in threading.enumerate())


def test_a_reader_beyond_the_bound_is_refused_at_once(bench):
    bench.options.update(read_threads=2)
    bench.start()
    client = GrpcNode(bench.server.start(), host_id="")
    key = begin(client)
    client.append(key, 0, [b"abc"])
    streams = [client.follow_upload(key.upload_id, 0) for _ in range(2)]
    for stream in streams:
        assert next(stream) == b"ab"
    started = time.monotonic()
    with pytest.raises(OverloadedError):
        list(client.follow_upload(key.upload_id, 0))
    assert time.monotonic() - started < 5
    assert client.status().uploads == 1  # the other lanes are open
    streams.pop().close()
    client.put_blob(digests.of(b"small"), b"small")
    until(lambda: _readable(client))
    client.cancel_upload(key)
    client.close()


def _readable(client) -> bool:
    try:
        return b"".join(client.read_blob(Want(digests.of(b"small")), 0, None)) == b"small"
    except OverloadedError:
        return False


def test_a_node_that_is_gone_is_unreachable_in_every_call(bench, client):
    key = begin(client)
    local = client.open_append(key, 0)
    stream = client.follow_upload(key.upload_id, 0)
    bench.server.stop(0)
    for ask in (
        lambda: client.status(),  # noqa: PLW0108 - all alike
        lambda: client.upload_state(key),
        lambda: client.append(key, 0, [b"abc"]),
        lambda: client.append(key, 0, iter([b"x" * MIB] * 50)),
        lambda: local.close(0),
        lambda: list(stream),
        lambda: list(client.list_blobs(0, 4095)),
    ):
        with pytest.raises(NodeUnreachableError):
            ask()


def test_a_client_finds_a_node_that_came_back(bench, client):
    digest = client.put_blob(digests.of(b"stays"), b"stays").digest
    bench.server.stop(0)
    bench.server = None
    with pytest.raises(NodeUnreachableError):
        client.status()
    bench.start()
    bench.server.start()

    def back() -> bool:
        try:
            return client.stat_blobs([Want(digest)])[0] is not None
        except NodeUnreachableError:
            return False

    until(back)


def test_a_file_the_client_cannot_see_is_given_back_and_streamed(client, monkeypatch, bench):
    monkeypatch.setattr("holdfast.rpc.client._is_here", lambda *_: False)
    key = begin(client)
    assert client.open_append(key, 0) is None
    client.append(key, 0, [b"abc"])
    assert next(iter(bench.server.node._uploads)).stage.generation == 0  # no copy was needed


def test_the_short_circuit_write_over_grpc(client):
    key = begin(client)
    local = client.open_append(key, 0)
    with open(local.file.path, "r+b", buffering=0) as file:  # noqa: PTH123 - a string path
        for number in range(1, 5):
            file.write(b"x" * MIB)
            local.advance(number * MIB)
    assert local.close(4 * MIB).offset_bytes == 4 * MIB
    assert client.finish_upload(key, digests.of(b"x" * 4 * MIB)).size_bytes == 4 * MIB


def test_a_displaced_short_circuit_writer_hears_so_at_its_next_announcement_but_one(client):
    key = begin(client)
    local = client.open_append(key, 0)
    client.append(key, 0, [b"newer"])
    local.advance(0)
    with pytest.raises(StaleWriterError):
        local.advance(0)
    with pytest.raises(StaleWriterError):
        local.close(0)
