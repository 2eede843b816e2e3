"""Lanes, the manifest cache and the watch over flights: what keeps threads and memory bounded."""

from __future__ import annotations

import socket

import pytest

from gateway.cache import ManifestCache
from gateway.flights import CLIENT, HANDSHAKE, HEAD, SERVER, Watch
from gateway.lanes import Lanes
from holdfast import digest, names
from holdfast.clock import ManualClock
from holdfast.errors import OverloadedError

REPO = names.repository("a/b")


def test_a_full_lane_refuses_and_the_other_goes_on() -> None:
    lanes = Lanes(pulls=2, pushes=2, together=3)
    leave = lanes.enter("pull")
    lanes.enter("pull")
    with pytest.raises(OverloadedError):
        lanes.enter("pull")
    lanes.enter("push")
    with pytest.raises(OverloadedError):
        lanes.enter("push")  # both together
    leave()
    leave()  # a second call gives nothing back
    lanes.enter("push")
    with pytest.raises(OverloadedError):
        lanes.enter("pull")


def test_the_cache_never_holds_more_than_its_bytes() -> None:
    cache = ManifestCache(100)
    blobs = [bytes([i]) * 40 for i in range(3)]
    for data in blobs:
        cache.put(REPO, digest.of(data), data)
    assert cache.get(REPO, digest.of(blobs[0])) is None
    assert cache.get(REPO, digest.of(blobs[2])) == blobs[2]
    cache.put(REPO, digest.of(b"x" * 101), b"x" * 101)
    assert cache.get(REPO, digest.of(b"x" * 101)) is None


def test_a_hit_grants_nothing_to_another_repository() -> None:
    cache = ManifestCache(100)
    cache.put(REPO, digest.of(b"x"), b"x")
    assert cache.get(names.repository("other"), digest.of(b"x")) is None


def pair() -> tuple[socket.socket, socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname())
        server, _ = listener.accept()
    return client, server


def test_a_request_head_has_a_deadline_of_its_own() -> None:
    client, server = pair()
    with client, server:
        clock = ManualClock()
        watch = Watch(clock, idle_seconds=60, head_seconds=10)
        flight = watch.enter(server)
        watch.look()
        watch.look()
        clock.advance(11)
        client.sendall(b"x" * 5000)  # bytes do not help a head
        watch.look()
        assert flight.cut


@pytest.mark.parametrize(("head_seconds", "limit"), [(30, 10), (5, 5)])
def test_a_handshake_has_a_deadline_that_is_shorter_than_a_heads(head_seconds: float, limit: float) -> None:
    client, server = pair()
    with client, server:
        clock = ManualClock()
        watch = Watch(clock, idle_seconds=60, head_seconds=head_seconds)
        flight = watch.enter(server)
        flight.turn = HANDSHAKE
        watch.look()
        clock.advance(limit - 0.1)
        watch.look()
        assert not flight.cut
        clock.advance(0.2)
        watch.look()
        assert flight.cut
        assert client.recv(1) == b""


def test_a_client_that_moves_is_left_alone_and_one_that_stops_is_not() -> None:
    client, server = pair()
    with client, server:
        clock = ManualClock()
        watch = Watch(clock, idle_seconds=60, head_seconds=10)
        flight = watch.enter(server)
        flight.turn = CLIENT
        watch.look()
        for _ in range(5):
            clock.advance(50)
            client.sendall(b"x" * 2000)
            assert server.recv(2000, socket.MSG_WAITALL)
            watch.look()
        assert not flight.cut
        clock.advance(61)
        watch.look()
        assert flight.cut
        assert client.recv(1) == b""


def test_our_own_slowness_is_not_the_clients() -> None:
    client, server = pair()
    with client, server:
        clock = ManualClock()
        watch = Watch(clock, idle_seconds=60, head_seconds=10)
        flight = watch.enter(server)
        flight.turn = SERVER
        for _ in range(5):
            watch.look()
            clock.advance(1000)
        assert not flight.cut
        flight.turn = HEAD
        watch.look()
        assert not flight.cut  # its time begins when the turn does


def test_a_connection_with_many_short_requests_is_not_taken_for_one_long_head() -> None:
    client, server = pair()
    with client, server:
        clock = ManualClock()
        watch = Watch(clock, idle_seconds=60, head_seconds=10)
        flight = watch.enter(server)
        for _ in range(5):
            watch.look()  # each look finds it waiting for a head, never the same one
            clock.advance(9)
            flight.turn = SERVER
            flight.await_head()
        assert not flight.cut


def test_a_flight_that_has_left_is_not_looked_at() -> None:
    client, server = pair()
    with client, server:
        clock = ManualClock()
        watch = Watch(clock, idle_seconds=1, head_seconds=1)
        flight = watch.enter(server)
        watch.look()
        watch.leave(flight)
        clock.advance(100)
        watch.look()
        assert not flight.cut
