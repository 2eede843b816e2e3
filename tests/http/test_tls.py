"""HTTPS: every way of moving a body, of framing requests and of ending a connection, and what never gets as far as a request."""

from __future__ import annotations

import contextlib
import hashlib
import random
import socket
import ssl
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.certificates import Authority, Files
from tests.http import wire
from tests.serving import Server, free_port, serving, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

_LARGE = random.Random(5).randbytes(50 * 1024 * 1024)
_DIGEST = f"sha256:{hashlib.sha256(_LARGE).hexdigest()}"
_PATH = f"/v2/tls/blobs/{_DIGEST}"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def shown(authority: Authority) -> Files:
    return authority.server()


@pytest.fixture(scope="module")
def secured(authority: Authority, shown: Files, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One worker, so that whatever holds its threads would be noticed; it has the large blob."""
    http = {"tls": shown.settings, "workers": 1, "threads": 32}
    with serving(tmp_path_factory.mktemp("secured"), authority.trust, http=http) as server:
        status, _, body = server.request("POST", f"/v2/tls/blobs/uploads/?digest={_DIGEST}", _LARGE)
        assert status == 201, body
        yield server


def connect(server: Server, context: ssl.SSLContext) -> ssl.SSLSocket:
    raw = wire.connect(server.port)
    return context.wrap_socket(raw, server_hostname="127.0.0.1", suppress_ragged_eofs=False)


def exchange(server: Server, context: ssl.SSLContext, data: bytes) -> bytes:
    """Send all of it, read until TLS's own end; an end without one raises."""
    with connect(server, context) as sock:
        sock.sendall(data)
        return wire.read_all(sock)


def test_a_large_blob_comes_back_as_it_was_sent_whole_and_in_parts(secured: Server) -> None:
    connection = secured.connection()
    for headers, status, expected in (
        ({}, 200, _LARGE),
        ({"Range": "bytes=1000000-30999999"}, 206, _LARGE[1_000_000:31_000_000]),
        ({"Range": "bytes=-7"}, 206, _LARGE[-7:]),
        ({"Range": f"bytes={len(_LARGE)}-"}, 416, None),
    ):
        connection.request("GET", _PATH, headers=headers)
        answer = connection.getresponse()
        body = answer.read()
        assert answer.status == status
        assert expected is None or body == expected
    connection.request("HEAD", _PATH)
    answer = connection.getresponse()
    assert (answer.status, answer.getheader("Content-Length"), answer.read()) == (200, str(len(_LARGE)), b"")
    connection.close()


def test_a_chunked_push_with_and_without_a_length_keeps_every_byte(secured: Server) -> None:
    connection = secured.connection()
    connection.request("POST", "/v2/tls/chunked/blobs/uploads/")
    place = connection.getresponse()
    place.read()
    pieces = iter([_LARGE[:1], _LARGE[1:70_000], _LARGE[70_000:]])
    connection.request("PATCH", str(place.getheader("Location")), pieces, encode_chunked=True)
    place = connection.getresponse()
    place.read()
    assert (place.status, place.getheader("Range")) == (202, f"0-{len(_LARGE) - 1}")
    location = str(place.getheader("Location"))
    connection.request("PUT", f"{location}{'&' if '?' in location else '?'}digest={_DIGEST}")
    assert connection.getresponse().status == 201
    connection.close()


def test_who_waits_for_a_100_continue_gets_it(secured: Server, authority: Authority) -> None:
    place = secured.request("POST", "/v2/tls/waits/blobs/uploads/")[1]["location"]
    with connect(secured, authority.trust) as sock:
        sock.sendall(wire.request("PATCH", place, "Content-Length: 3", "Expect: 100-continue"))
        assert sock.recv(4096).startswith(b"HTTP/1.1 100 ")
        sock.sendall(b"abc")
        assert b" 202 " in wire.read_all(sock).partition(b"\r\n")[0]


@pytest.mark.parametrize("count", [2, 200])
def test_requests_that_come_in_one_piece_are_all_answered(secured: Server, authority: Authority, count: int) -> None:
    one = b"GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n"
    answers = exchange(secured, authority.trust, one * (count - 1) + wire.request("GET", "/v2/"))
    assert answers.count(b"HTTP/1.1 200 OK") == count


def test_a_request_that_comes_byte_by_byte_is_answered(secured: Server, authority: Authority) -> None:
    with connect(secured, authority.trust) as sock:
        for byte in wire.request("GET", "/v2/"):
            sock.sendall(bytes([byte]))
        assert wire.parse(wire.read_all(sock))[0] == 200


def test_a_body_that_nobody_read_does_not_cut_off_the_answer(secured: Server, authority: Authority) -> None:
    request = wire.request("PUT", "/v2/tls/manifests/big", f"Content-Length: {len(_LARGE)}", body=_LARGE[: 4 << 20])
    assert wire.parse(exchange(secured, authority.trust, request))[0] == 413


def test_clients_that_go_in_the_middle_of_a_pull_or_a_push_leave_nothing_behind(
    secured: Server, authority: Authority
) -> None:
    place = secured.request("POST", "/v2/tls/gone/blobs/uploads/")[1]["location"]
    for request in (
        wire.request("GET", _PATH),
        wire.request("PATCH", place, "Content-Length: 1000000", body=b"x" * 1000),
    ):
        with connect(secured, authority.trust) as sock:
            sock.sendall(request)
            if request.startswith(b"GET"):
                assert sock.recv(1000)
    for _ in range(40):  # more than it has threads
        assert secured.request("GET", "/v2/")[0] == 200
    assert not secured.told("unexpected error")


def is_ready(port: int) -> bool:
    """What the image's health check says."""
    program = Path(__file__).parents[2] / "compose" / "ready.py"
    return (
        subprocess.run([sys.executable, "-I", "-S", str(program), str(port)], check=False, timeout=60).returncode == 0
    )


def test_the_images_health_check_speaks_what_the_gateway_speaks(secured: Server, registry: Server) -> None:
    assert is_ready(secured.port)
    assert is_ready(registry.port)
    assert not is_ready(free_port())


def test_plain_http_on_the_secured_port_is_answered_with_400_in_plain_http(secured: Server) -> None:
    status, _, body = wire.ask(secured.port, "GET", "/v2/")
    assert status == 400
    assert b"this port speaks HTTPS" in body


@pytest.mark.parametrize("data", [b"", b"\x16", b"\x16\x03\x01\xff\xff" + b"\0" * 100, b"\x16" * 2000, b"\x80\x2e\x01"])
def test_what_is_no_handshake_ends_the_connection_and_nothing_else(secured: Server, data: bytes) -> None:
    with wire.connect(secured.port) as sock, contextlib.suppress(ConnectionError):
        sock.sendall(data)
        sock.shutdown(socket.SHUT_WR)
        assert b"HTTP/1.1 200" not in wire.read_all(sock)
    assert secured.request("GET", "/v2/")[0] == 200
    assert not secured.told("unexpected error")


@pytest.mark.parametrize("first", [b"", b"\x16"])
def test_two_hundred_clients_that_begin_and_say_no_more_do_not_stop_others(secured: Server, first: bytes) -> None:
    with contextlib.ExitStack() as stack:
        count = 200 if not first else 16  # each of these holds a thread for the length of a handshake
        silent = [stack.enter_context(wire.connect(secured.port)) for _ in range(count)]
        for sock in silent:
            sock.sendall(first)
        for _ in range(20):
            assert secured.request("GET", "/v2/")[0] == 200


def test_old_versions_weak_suites_and_other_protocols_are_refused(secured: Server, authority: Authority) -> None:
    new = ssl.create_default_context(cafile=str(authority.file))
    new.set_alpn_protocols(["h2", "http/1.1"])
    with connect(secured, new) as sock:
        assert (sock.version(), sock.selected_alpn_protocol()) == ("TLSv1.3", "http/1.1")
    middle = ssl.create_default_context(cafile=str(authority.file))
    middle.maximum_version = ssl.TLSVersion.TLSv1_2
    with connect(secured, middle) as sock:
        cipher = sock.cipher()
        assert cipher is not None
        assert cipher[0].startswith("ECDHE-")
    weak = ssl.create_default_context(cafile=str(authority.file))
    weak.maximum_version = ssl.TLSVersion.TLSv1_2
    weak.set_ciphers("AES128-SHA:ECDHE-ECDSA-AES128-SHA:@SECLEVEL=0")
    old = ssl.create_default_context(cafile=str(authority.file))
    old.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
    for context in (weak, old):
        with pytest.raises((ssl.SSLError, ConnectionError)):
            connect(secured, context)


def test_a_session_is_taken_up_again(secured: Server, authority: Authority) -> None:
    context = ssl.create_default_context(cafile=str(authority.file))
    context.maximum_version = ssl.TLSVersion.TLSv1_2  # whose session is there as soon as the handshake is over
    with connect(secured, context) as sock:
        session = sock.session
    raw = wire.connect(secured.port)
    with context.wrap_socket(raw, server_hostname="127.0.0.1", session=session) as again:
        assert again.session_reused


def replace(old: Path, content: bytes) -> None:
    fresh = old.with_suffix(".fresh")
    fresh.write_bytes(content)
    fresh.replace(old)


def serial(server: Server) -> str:
    seen = ssl.get_server_certificate(("127.0.0.1", server.port))
    return hashlib.sha256(seen.encode()).hexdigest()


def test_a_new_certificate_is_shown_while_a_client_pulls_and_half_of_one_is_not(
    authority: Authority, tmp_path: Path
) -> None:
    shown, second, third = (authority.server(name=name) for name in ("first", "second", "third"))
    # The pull stands still as long as it takes.
    http = {"tls": shown.settings, "workers": 1, "idleTimeout": "1h"}
    with serving(tmp_path / "registry", authority.trust, http=http) as server:

        def shows(files: Files, word: str) -> None:
            """Gives it a pair, one after the other, and waits until it is said to be taken."""
            said = len(server.told(word))
            replace(shown.certificate, files.certificate.read_bytes())
            replace(shown.key, files.key.read_bytes())
            wait_for(word, lambda: len(server.told(word)) > said)

        def is_told(word: str, certificate: bytes) -> None:
            said = len(server.told(word))
            replace(shown.certificate, certificate)
            wait_for(word, lambda: len(server.told(word)) > said)

        pushed = server.request("POST", f"/v2/tls/blobs/uploads/?digest={_DIGEST}", _LARGE)
        assert pushed[0] == 201
        connection = server.connection()
        connection.request("GET", _PATH)
        answer = connection.getresponse()
        begun = answer.read(1000)

        old = serial(server)
        shows(second, "took the new certificate")
        new = serial(server)
        assert new != old
        is_told("does not belong", third.certificate.read_bytes())
        is_told("no certificate in PEM", third.certificate.read_bytes()[:100])
        assert serial(server) == new
        shows(third, "took the new certificate")
        assert serial(server) not in {old, new}

        assert begun + answer.read() == _LARGE
        connection.request("GET", "/v2/")
        assert connection.getresponse().status == 200
        connection.close()
        assert "PRIVATE" not in server.log.read_text()
