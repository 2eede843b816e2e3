"""Clients that stall, trickle or vanish cost a thread for a bounded time, and never the others their turn.

Two servers of their own: an impatient one, where a connection may stand still for two seconds, and a narrow one with so few
threads that a test can take them all.
"""

from __future__ import annotations

import hashlib
import json
import select
import socket
import time
from collections import deque
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.http.hostile.manifests import INDEX
from tests.serving import Server, serving, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.slow

_IDLE_SECONDS: Final = 2.0
# The watch looks every quarter of the time-out; a busy machine looks late.
_CUT_SECONDS: Final = 15.0
_THREADS: Final = 16
_TRANSFERS: Final = 4
_LARGE: Final = hashlib.sha256(b"large").digest() * (1024 * 1024)  # 32 MiB: more than any socket buffer
_DIGEST: Final = f"sha256:{hashlib.sha256(_LARGE).hexdigest()}"
_REPOSITORY: Final = "slow/one"
_CLOSED: Final = select.POLLHUP | select.POLLERR | select.POLLRDHUP


def _started(server: Server) -> Server:
    status, _, body = server.request("POST", f"/v2/{_REPOSITORY}/blobs/uploads/?digest={_DIGEST}", _LARGE)
    assert status == 201, body
    return server


@pytest.fixture(scope="module")
def impatient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(
        tmp_path_factory.mktemp("impatient"), http={"idleTimeout": f"{_IDLE_SECONDS}s", "workers": 1}
    ) as server:
        yield _started(server)


@pytest.fixture(scope="module")
def few_threads(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    http = {"idleTimeout": "60s", "workers": 1, "threads": _THREADS, "maxTransfers": _TRANSFERS, "drainSeconds": 1}
    with serving(tmp_path_factory.mktemp("narrow"), http=http) as server:
        yield _started(server)


@pytest.fixture
def narrow(few_threads: Server) -> Server:
    """With every place free: the test before may have left it busy."""
    wait_for("a free place", lambda: few_threads.request("GET", f"/v2/{_REPOSITORY}/blobs/{_DIGEST}")[0] == 200)
    return few_threads


def connect(server: Server, receive_bytes: int = 0) -> socket.socket:
    sock = socket.socket()
    if receive_bytes:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
    sock.settimeout(30)
    sock.connect(("127.0.0.1", server.port))
    return sock


def closed(sock: socket.socket) -> bool:
    """Whether the server has ended the connection; nothing is read."""
    poll = select.poll()
    poll.register(sock, _CLOSED)
    return bool(poll.poll(0))


def requests_logged(server: Server, since_bytes: int) -> list[dict[str, Any]]:
    lines = server.log.read_bytes()[since_bytes:].decode().splitlines()
    return [line for line in map(json.loads, lines) if line["event"] == "request"]


def answered(sock: socket.socket, seconds: float = 5.0) -> bytes:
    """What comes first, or nothing when the time is out."""
    readable, _, _ = select.select([sock], [], [], seconds)
    return sock.recv(65536) if readable else b""


def upload(server: Server) -> str:
    return server.request("POST", f"/v2/{_REPOSITORY}/blobs/uploads/")[1]["location"]


def begin_upload(server: Server, *headers: str) -> tuple[socket.socket, str]:
    location = upload(server)
    sock = connect(server)
    sock.sendall("\r\n".join([f"PATCH {location} HTTP/1.1", "Host: x", *headers, "", ""]).encode())
    return sock, location


def begin_pull(server: Server) -> socket.socket:
    """Asks for the large blob and reads nothing of it."""
    sock = connect(server, 16 * 1024)
    sock.sendall(f"GET /v2/{_REPOSITORY}/blobs/{_DIGEST} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    return sock


def pace(pause_seconds: float, for_seconds: float) -> Iterator[None]:
    """The speed of a slow client: one step, one pause."""
    end = time.monotonic() + for_seconds
    while time.monotonic() < end:
        yield
        time.sleep(pause_seconds)


@pytest.mark.parametrize(
    ("framing", "first"),
    [
        ("Content-Length: 500000", b"x" * 5000),
        ("Content-Length: 50000000", b"x" * 5000),
        ("Transfer-Encoding: chunked", b"1388\r\n" + b"x" * 5000 + b"\r\n"),
        ("Transfer-Encoding: chunked", b"fffff\r\n" + b"x" * 5000),
    ],
    ids=["short", "long", "between chunks", "in a chunk"],
)
def test_a_stalled_upload_is_cut_and_its_session_goes_on(impatient: Server, framing: str, first: bytes) -> None:
    sock, location = begin_upload(impatient, framing)
    with sock:
        sock.sendall(first)
        wait_for("the stalled upload to be cut", lambda: closed(sock), _CUT_SECONDS)
    status, headers, _ = impatient.request("GET", location)
    assert status == 204
    reached = int(headers["range"].partition("-")[2]) + 1
    assert reached in {1, 5000}
    offset = 0 if reached == 1 else reached
    resumed = impatient.request("PATCH", location, b"y" * 10, {"Content-Range": f"{offset}-{offset + 9}"})
    assert resumed[0] == 202, resumed


def test_a_slow_upload_that_moves_is_left_alone(impatient: Server) -> None:
    pieces = 30
    sock, location = begin_upload(impatient, f"Content-Length: {pieces * 2048}")
    with sock:
        for _ in range(pieces):  # three times as long as a connection may stand still
            sock.sendall(b"z" * 2048)
            time.sleep(_IDLE_SECONDS * 3 / pieces)
        assert answered(sock).startswith(b"HTTP/1.1 202 ")
    data = b"z" * 2048 * pieces
    assert impatient.request("PUT", f"{location}?digest=sha256:{hashlib.sha256(data).hexdigest()}")[0] == 201


def test_a_slow_pull_that_moves_is_left_alone(impatient: Server) -> None:
    with begin_pull(impatient) as sock:
        received = bytearray()
        for _ in pace(0.1, _IDLE_SECONDS * 3):
            received += sock.recv(64 * 1024)
        head, _, body = bytes(received).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 ")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)  # the rest may come at once
        while len(body) < len(_LARGE):
            came = sock.recv(1 << 20)
            assert came, "cut although it moved"
            body += came
    assert body == _LARGE


def test_a_client_that_never_reads_its_pull_is_cut_hard(impatient: Server) -> None:
    logged_bytes = impatient.log.stat().st_size
    with begin_pull(impatient) as sock:
        # The log tells: a kernel that gives up on a closed window says nothing to the client until that moves again.
        wait_for("the pull that nobody reads to be cut", lambda: requests_logged(impatient, logged_bytes), _CUT_SECONDS)
        (cut,) = requests_logged(impatient, logged_bytes)
        assert cut["bytes"] < len(_LARGE)
        with pytest.raises(ConnectionResetError):
            deque(iter(lambda: sock.recv(1 << 20), b""), 0)


def test_a_client_that_asks_on_and_on_without_reading_is_cut(impatient: Server) -> None:
    logged_bytes = impatient.log.stat().st_size
    with connect(impatient, 4096) as sock:
        sock.setblocking(False)
        request = b"GET /v2/_catalog HTTP/1.1\r\nHost: x\r\n\r\n" * 100

        def cut() -> bool:
            try:
                sock.send(request)
            except BlockingIOError:
                pass
            except OSError:
                return True
            return closed(sock)

        wait_for("the greedy client to be cut", cut, 4 * _CUT_SECONDS)
    levels = {json.loads(line)["level"] for line in impatient.log.read_bytes()[logged_bytes:].decode().splitlines()}
    assert levels <= {"info", "warning"}


@pytest.mark.parametrize("first", ["GET /v2/ HTTP/1.1\r\nX-Slow: ", "GET /v2/", "\r\n", "G"])
def test_a_head_that_trickles_in_is_cut(impatient: Server, first: str) -> None:
    with connect(impatient) as sock:
        sock.sendall(first.encode())
        began = time.monotonic()
        for _ in pace(0.1, _CUT_SECONDS):
            if closed(sock):
                break
            try:
                sock.sendall(b"a")
            except OSError:
                break
        assert time.monotonic() - began < _CUT_SECONDS


def test_a_connection_in_constant_use_outlives_the_time_out(impatient: Server) -> None:
    with connect(impatient) as sock:
        for _ in pace(0.01, _IDLE_SECONDS * 4):
            sock.sendall(b"GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n")
            assert answered(sock).startswith(b"HTTP/1.1 200 ")


def test_pulls_beyond_the_cap_are_told_to_come_back_and_the_rest_goes_on(narrow: Server) -> None:
    pulls = [begin_pull(narrow) for _ in range(_TRANSFERS)]
    try:
        assert all(answered(sock).startswith(b"HTTP/1.1 200 ") for sock in pulls)
        status, headers, body = narrow.request("GET", f"/v2/{_REPOSITORY}/blobs/{_DIGEST}")
        assert status == 429
        assert int(headers["retry-after"]) >= 1
        assert [error["code"] for error in json.loads(body)["errors"]] == ["TOOMANYREQUESTS"]
        assert narrow.request("HEAD", f"/v2/{_REPOSITORY}/blobs/{_DIGEST}")[0] == 200
        small = {"Range": "bytes=0-99"}
        assert narrow.request("GET", f"/v2/{_REPOSITORY}/blobs/{_DIGEST}", None, small)[2] == _LARGE[:100]
        assert narrow.request("PATCH", upload(narrow), _LARGE[: 5 << 20])[0] == 202
        index = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": []}).encode()
        assert narrow.request("PUT", f"/v2/{_REPOSITORY}/manifests/latest", index)[0] == 201
        assert narrow.request("GET", f"/v2/{_REPOSITORY}/manifests/latest")[2] == index
    finally:
        for sock in pulls:
            sock.close()
    wait_for("the places to be free", lambda: narrow.request("GET", f"/v2/{_REPOSITORY}/blobs/{_DIGEST}")[0] == 200)


def test_pushes_beyond_the_cap_are_told_to_come_back_and_pulls_go_on(narrow: Server) -> None:
    pushes = [begin_upload(narrow, "Content-Length: 50000000")[0] for _ in range(_TRANSFERS)]
    try:
        location = upload(narrow)
        wait_for("the lane to be full", lambda: narrow.request("PATCH", location, _LARGE[: 2 << 20])[0] == 429)
        status, headers, body = narrow.request("PATCH", location, _LARGE[: 2 << 20])
        assert (status, json.loads(body)["errors"][0]["code"]) == (429, "TOOMANYREQUESTS")
        assert int(headers["retry-after"]) >= 1
        assert narrow.request("PATCH", upload(narrow), b"small")[0] == 202
        assert narrow.request("GET", f"/v2/{_REPOSITORY}/blobs/{_DIGEST}")[2] == _LARGE
    finally:
        for sock in pushes:
            sock.close()


def test_health_is_answered_although_every_thread_is_taken(narrow: Server) -> None:
    with connect(narrow) as opened:
        opened.sendall(b"GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n")
        assert answered(opened).startswith(b"HTTP/1.1 200 ")
        takers = [connect(narrow) for _ in range(_THREADS)]
        try:
            for sock in takers:
                sock.sendall(b"GET /v2/ HTTP/1.1\r\nHost:")
            with connect(narrow) as waiting:
                waiting.sendall(b"GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n")
                assert not answered(waiting, 1), "the threads are not all taken; this test shows nothing"
                for path in ("/livez", "/readyz", "/startupz"):
                    assert narrow.request("GET", path)[0] == 200
                opened.sendall(b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n")
                assert answered(opened).startswith(b"HTTP/1.1 200 ")
                for sock in takers:
                    sock.sendall(b" x\r\n\r\n")
                assert answered(waiting).startswith(b"HTTP/1.1 200 ")
        finally:
            for sock in takers:
                sock.close()


def test_connections_that_say_nothing_never_take_all_threads(narrow: Server) -> None:
    silent = [connect(narrow) for _ in range(_THREADS * 4)]
    try:
        with connect(narrow) as sock:
            sock.sendall(b"GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n")
            assert answered(sock, 2).startswith(b"HTTP/1.1 200 ")
    finally:
        for sock in silent:
            sock.close()
