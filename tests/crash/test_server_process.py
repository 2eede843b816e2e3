"""``holdfast serve`` as its operator meets it: two on one directory, stopping, reloading, dying, moving."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest

from tests.crash.ledger import MANIFEST_TYPE, Content, Image
from tests.crash.victims import children
from tests.serving import Server, free_port, serving, start, wait_for

if TYPE_CHECKING:
    from pathlib import Path

_LARGE = Content.random("large", 24 << 20)
_SMALL = Content.random("small", 1000)
_DRAIN_SECONDS = 20


def push(server: Server, content: Content, repository: str = "library/alpine") -> None:
    path = f"/v2/{repository}/blobs/uploads/?digest={content.digest}"
    assert server.request("POST", path, content.data)[0] == 201


def push_image(server: Server, image: Image, tag: str) -> int:
    headers = {"Content-Type": MANIFEST_TYPE}
    return server.request("PUT", f"/v2/library/alpine/manifests/{tag}", image.content.data, headers)[0]


class SlowPull:
    """Has asked for a blob and taken the first of it; ``rest`` takes what is left."""

    def __init__(self, port: int, content: Content) -> None:
        self._content = content
        self._socket = socket.socket()
        # Small, so that the blob is not in the kernel's buffers and the server still has to send it.
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        self._socket.settimeout(30)
        self._socket.connect(("127.0.0.1", port))
        self._socket.sendall(f"GET /v2/library/alpine/blobs/{content.digest} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        self._head, self._body = b"", b""
        while b"\r\n\r\n" not in self._head:
            self._head += self._socket.recv(4096)
        self._head, _, self._body = self._head.partition(b"\r\n\r\n")

    def rest(self) -> bytes:
        got = bytearray(self._body)
        with self._socket:
            while len(got) < len(self._content.data):
                data = self._socket.recv(1 << 20)
                assert data, f"the connection ended after {len(got)} bytes"
                got += data
        return bytes(got)


class SlowPush:
    """Has sent half of a blob; ``rest`` sends the other half and gives the status."""

    def __init__(self, server: Server, content: Content) -> None:
        self._content = content
        location = server.request("POST", "/v2/library/alpine/blobs/uploads/")[1]["location"]
        self._socket = socket.create_connection(("127.0.0.1", server.port), 30)
        head = (
            f"PUT {location}?digest={content.digest} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(content.data)}\r\n\r\n"
        )
        self._half = len(content.data) // 2
        self._socket.sendall(head.encode() + content.data[: self._half])

    def rest(self) -> bytes:
        with self._socket:
            self._socket.sendall(self._content.data[self._half :])
            return self._socket.recv(4096).split(b" ")[1]


def refuses_connections(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def test_a_second_server_on_the_same_directory_refuses_and_the_first_goes_on(tmp_path):
    with serving(tmp_path) as server:
        other = json.loads(server.config.read_text())
        other["http"]["port"] = str(free_port())
        second = tmp_path / "second.json"
        second.write_text(json.dumps(other))
        command = [sys.executable, "-m", "holdfast.cli", "serve", str(second)]
        ended = subprocess.run(command, check=False, capture_output=True, text=True, timeout=30)
        assert ended.returncode != 0
        assert f"another server (process {server.process.pid}) uses" in ended.stderr
        assert "choose another storage.rootDirectory" in ended.stderr
        push(server, _SMALL)


def test_a_second_server_on_the_same_port_refuses_and_the_first_goes_on(tmp_path):
    with serving(tmp_path / "one") as server:
        other = start(tmp_path / "two", server.port, wait=False)
        assert other.process.wait(30) != 0
        assert f"cannot listen on 127.0.0.1:{server.port}" in other.log.read_text()
        push(server, _SMALL)


def test_a_stop_lets_transfers_end_and_nobody_else_begin(tmp_path):
    server = start(tmp_path, http={"drainSeconds": _DRAIN_SECONDS})
    push(server, _LARGE)
    pull, pushing = SlowPull(server.port, _LARGE), SlowPush(server, Content.random("pushed", 12 << 20))
    began = time.monotonic()
    server.process.send_signal(signal.SIGTERM)
    wait_for("the port to be closed", lambda: refuses_connections(server.port), 5)
    assert server.process.poll() is None
    assert pushing.rest() == b"201"
    assert hashlib.sha256(pull.rest()).hexdigest() == _LARGE.digest.removeprefix("sha256:")
    assert server.process.wait(_DRAIN_SECONDS) == 0
    assert time.monotonic() - began < _DRAIN_SECONDS


def test_a_stop_waits_no_longer_than_it_was_told(tmp_path):
    server = start(tmp_path, http={"drainSeconds": 2})
    push(server, _LARGE)
    stuck = SlowPull(server.port, _LARGE)
    began = time.monotonic()
    assert server.stop() == 0
    assert 1 < time.monotonic() - began < 10
    # Cut, and short of its Content-Length: no client takes that for all of it.
    with pytest.raises((AssertionError, ConnectionResetError), match=r"ended after|reset"):
        stuck.rest()


def test_a_stop_while_it_starts_is_heard(tmp_path):
    for delay_seconds in (0.2, 0.5, 0.8):
        server = start(tmp_path, wait=False)
        time.sleep(delay_seconds)  # the moment itself is what is tried
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(10) in {0, -signal.SIGTERM}


def test_a_reload_changes_what_can_be_and_breaks_no_request(tmp_path):
    with serving(tmp_path) as server:
        push(server, _LARGE)
        sparse = Image.of([_SMALL], None)
        assert push_image(server, sparse, "sparse") == 400
        pull, pushing = SlowPull(server.port, _LARGE), SlowPush(server, Content.random("pushed", 12 << 20))
        statuses: set[int] = set()
        over = threading.Event()
        asking = threading.Thread(target=_ask_until, args=(server, over, statuses))
        asking.start()
        try:
            reload(server, {"sparseManifests": True})
            wait_for("the new configuration", lambda: push_image(server, sparse, "sparse") == 201)
            assert pushing.rest() == b"201"
            assert hashlib.sha256(pull.rest()).hexdigest() == _LARGE.digest.removeprefix("sha256:")
        finally:
            over.set()
            asking.join()
        assert statuses == {200}


def _ask_until(server: Server, over: threading.Event, statuses: set[int]) -> None:
    while not over.is_set():
        try:
            statuses.add(server.request("GET", "/v2/")[0])
        except OSError:
            statuses.add(0)


def reload(server: Server, http: dict[str, object]) -> None:
    changed = json.loads(server.config.read_text())
    changed["http"].update(http)
    server.config.write_text(json.dumps(changed))
    server.process.send_signal(signal.SIGHUP)


def test_a_refused_configuration_changes_nothing_and_is_told(tmp_path):
    with serving(tmp_path) as server:
        reload(server, {"sparseManifests": True, "drainSecond": 1})
        wait_for("the log to tell", lambda: "the new configuration is refused" in server.log.read_text())
        (told,) = (line for line in server.log.read_text().splitlines() if "the new configuration is refused" in line)
        assert "http.drainSecond" in told
        assert push_image(server, Image.of([_SMALL], None), "sparse") == 400


def test_the_children_of_a_killed_supervisor_end_and_the_next_one_starts_at_once(tmp_path):
    server = start(tmp_path)
    push(server, _LARGE)
    stuck = SlowPull(server.port, _LARGE)  # also with a transfer under way
    family = children(server.process.pid)
    family += [worker for child in family for worker in children(child)]
    assert len(family) >= 3
    server.stop(signal.SIGKILL)
    began = time.monotonic()
    server = start(tmp_path, server.port)
    started_seconds = time.monotonic() - began
    push(server, _SMALL)
    assert stuck.rest() == _LARGE.data
    wait_for("the children to end", lambda: not any(_is_alive(pid) for pid in family), 10)
    assert server.stop() == 0
    assert started_seconds < 5


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_data_directory_can_be_moved_and_copied_while_no_server_runs(tmp_path):
    image = Image.of([_SMALL], None)
    with serving(tmp_path / "old") as server:
        push(server, _SMALL)
        assert push_image(server, image, "v1") == 201
        upload = server.request("POST", "/v2/library/alpine/blobs/uploads/")[1]["location"]
        assert server.request("PATCH", upload, _SMALL.data[:500])[0] == 202
    for place, bring in (("moved", shutil.move), ("a/far/longer/path" * 5, shutil.copytree)):
        came_from = tmp_path / ("old" if place == "moved" else "moved") / "data"
        (tmp_path / place).mkdir(parents=True)
        bring(came_from, tmp_path / place / "data")
        assert_holds(tmp_path / place, image, upload)


def assert_holds(root: Path, image: Image, upload: str) -> None:
    with serving(root) as server:
        assert server.request("GET", "/v2/library/alpine/manifests/v1")[2] == image.content.data
        assert server.request("GET", f"/v2/library/alpine/blobs/{_SMALL.digest}")[2] == _SMALL.data
        assert server.request("GET", upload)[1]["range"] == "0-499"


def test_what_is_kept_changes_with_a_restart_only_and_a_node_is_started_again_as_it_was(tmp_path):
    """Gateways count pulls for the node's policies; a file that is half edited ends nothing."""
    with serving(tmp_path) as server:
        changed = json.loads(server.config.read_text())
        changed["storage"]["retention"] = {"policies": [{"repositories": ["**"]}]}
        server.config.write_text(json.dumps(changed))
        server.process.send_signal(signal.SIGHUP)
        wait_for("the log to tell", lambda: "the new configuration is refused" in server.log.read_text())
        assert "storage.retention" in server.log.read_text()
        server.config.write_text("{")
        node = server.child("storagenode")
        os.kill(node, signal.SIGKILL)
        wait_for("another node", lambda: server.child("storagenode") != node)
        wait_for("a push", lambda: _is_taken(server))


def _is_taken(server: Server) -> bool:
    try:
        push(server, _SMALL)
    except (OSError, AssertionError):
        return False
    return True
