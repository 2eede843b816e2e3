"""A peer that hangs without closing its connection, and one that is somebody else: nobody waits for ever, nobody is taken in."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from holdfast import digest as digests
from holdfast.errors import NodeUnreachableError
from holdfast.rpc import channel
from holdfast.rpc.client import Deadlines, GrpcNode
from holdfast.rpc.node import UploadKey, Want
from storagenode.disk.tree import Tree
from storagenode.options import NodeOptions
from storagenode.server import NodeServer

MIB = 1 << 20
SERVE = """
import sys
from pathlib import Path
from storagenode.options import NodeOptions
from storagenode.server import NodeServer
server = NodeServer(NodeOptions(Path(sys.argv[1]), "127.0.0.1:0", reserve_bytes=0))
print(server.start(), flush=True)
sys.stdin.read()
"""


@pytest.fixture(scope="module")
def process(tmp_path_factory):
    path = tmp_path_factory.mktemp("node")
    command = [sys.executable, "-c", SERVE, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        child.address = child.stdout.readline().strip()  # type: ignore[attr-defined]
        yield child
        child.send_signal(signal.SIGCONT)
        child.kill()


@pytest.fixture
def hang(process):
    yield lambda: process.send_signal(signal.SIGSTOP)
    process.send_signal(signal.SIGCONT)


def node_at(address: str, **how) -> GrpcNode:
    return GrpcNode(address, host_id="", **how)


def test_keep_alive_ends_a_call_without_a_deadline_in_the_time_that_is_stated(process, hang, monkeypatch):
    # The same options at a fortieth of their time: without the ping's own time-out this would take a minute all the same.
    quick = [
        (
            name,
            value // 40
            if name in {"grpc.keepalive_time_ms", "grpc.keepalive_timeout_ms", "grpc.http2.ping_timeout_ms"}
            else value,
        )
        for name, value in channel.CLIENT_OPTIONS
    ]
    monkeypatch.setattr(channel, "CLIENT_OPTIONS", quick)
    node = node_at(process.address)
    key = UploadKey(node.start_upload("r", "", None).upload_id, "r")
    node.append(key, 0, [b"some", b"bytes"])
    stream = node.follow_upload(key.upload_id, 0)
    next(iter(stream))
    hang()
    began = time.monotonic()
    with pytest.raises(NodeUnreachableError):
        list(stream)
    # Loose enough for any machine, and far below the minute: a bound that tells the two apart, not a measurement.
    assert time.monotonic() - began < channel.NOTICED_SECONDS
    node.close()


def test_a_copy_that_a_node_takes_no_more_of_is_given_up(process, hang):
    node = node_at(process.address, deadlines=Deadlines(push_seconds=0.3))
    sent = []

    def pieces():
        for number in range(64):
            if number == 4:
                hang()
            sent.append(number)
            yield os.urandom(MIB)

    with pytest.raises(NodeUnreachableError):
        node.receive(digests.of(b"whatever"), 64 * MIB, pieces())
    assert len(sent) < 64
    node.close()


def test_listings_and_sums_of_a_node_that_hangs_end(process, hang):
    node = node_at(process.address, deadlines=replace(Deadlines(), control_seconds=0.3, each_partition_seconds=0.0))
    node.status()
    hang()
    with pytest.raises(NodeUnreachableError):
        list(node.list_blobs(0, 0))
    with pytest.raises(NodeUnreachableError):
        node.sum_partitions(0, 0)
    with pytest.raises(NodeUnreachableError):
        node.stat_blobs([Want(digests.of(b"x"))] * 2)
    node.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    path = tmp_path_factory.mktemp("other")
    made = NodeServer(NodeOptions(path, "127.0.0.1:0", reserve_bytes=0))
    made.address = made.start()  # type: ignore[attr-defined]
    yield made
    made.stop(0)


def test_a_call_that_is_meant_for_another_node_changes_nothing_here(server):
    me = server.node.status().node_id
    digest = digests.of(b"for somebody else")
    stranger = node_at(server.address, node_id="n0123456789ab")
    for call in (
        lambda: stranger.put_blob(digest, b"for somebody else"),
        lambda: stranger.receive(digest, 17, [b"for somebody else"]),
        lambda: stranger.stat_blobs([Want(digest)]),
        lambda: stranger.start_upload("r", "", None),
        lambda: list(stranger.read_blob(Want(digest), 0, None)),
        lambda: list(stranger.list_blobs(0, 4095)),
    ):
        with pytest.raises(NodeUnreachableError):
            call()
    assert not Path(Tree(str(server._options.data_dir)).blob(digest)).exists()
    for known in (node_at(server.address, node_id=me), node_at(server.address)):
        assert known.put_blob(digest, b"for somebody else").digest == digest
        known.close()
    stranger.close()
