"""From where what may be done, and how fast: a real gateway behind a proxy that tells it about its clients.

The proxy is the test: loopback is trusted, so each request can come from any address.
"""

from __future__ import annotations

import json
import select
import socket
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from tests.access.conftest import starting
from tests.access.guarded import Guarded, basic
from tests.serving import serving, wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.serving import Server

OFFICE = "192.0.2.7"
ELSEWHERE = "198.51.100.1"
UPLOADS = "/v2/team/app/blobs/uploads/"
# As in the file that zot ships, config-ratelimit.json.
ZOTS_LIMIT = {"rate": 10, "methods": [{"method": "GET", "rate": 5}]}
ANN = basic("ann", "a password")
ALLOW = {"create": ["192.0.2.0/24", "2001:db8::/32"], "delete": []}


def asked(server: Server, method: str, path: str, address: str = "", **headers: str) -> tuple[int, dict[str, str], Any]:
    """Status, headers and JSON of one request."""
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    if address:
        sent["X-Forwarded-For"] = address
    status, found, body = server.request(method, path, None, sent)
    return status, dict(found), json.loads(body) if body else {}


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    """Pushes come from the office; nothing is deleted from anywhere."""
    root = tmp_path_factory.mktemp("office")
    policy = {"repositories": {"**": {"anonymousPolicy": ["read"], "defaultPolicy": ["read", "create", "delete"]}}}
    http = {"allow": ALLOW, "trustedProxies": ["127.0.0.0/8"]}
    with starting(root, {"ann": "a password"}, policy, **http) as guarded:
        yield guarded


@pytest.mark.parametrize(
    "address", [OFFICE, f"::ffff:{OFFICE}", "2001:db8::1", f"{ELSEWHERE}, {OFFICE}", f"{OFFICE}:9"]
)
def test_a_push_from_where_it_is_allowed_goes_through(office: Guarded, address: str) -> None:
    assert asked(office.server, "POST", UPLOADS, address, **ANN)[0] == 202


@pytest.mark.parametrize(
    "address", [ELSEWHERE, "2001:db9::1", f"{OFFICE}, {ELSEWHERE}", f"{OFFICE}, {ELSEWHERE}, 127.0.0.9", "nonsense", ""]
)
def test_a_push_from_elsewhere_is_refused_whoever_asks(office: Guarded, address: str) -> None:
    for who in (ANN, {}):
        status, headers, body = asked(office.server, "POST", UPLOADS, address, **who)
        assert (status, body["errors"][0]["code"]) == (403, "DENIED")
        assert "www-authenticate" not in {name.lower() for name in headers}, "no login helps"


def test_a_token_from_elsewhere_is_good_for_what_is_allowed_there(office: Guarded) -> None:
    token = office.token(ANN, "repository:team/app:pull,push")
    assert asked(office.server, "POST", UPLOADS, ELSEWHERE, **token)[0] == 403
    assert asked(office.server, "GET", "/v2/team/app/tags/list", ELSEWHERE, **token)[0] == 404
    assert asked(office.server, "POST", UPLOADS, OFFICE, **token)[0] == 202


def test_an_empty_list_is_nowhere(office: Guarded) -> None:
    path = "/v2/team/app/manifests/latest"
    assert asked(office.server, "DELETE", path, OFFICE, **ANN)[0] == 403


def test_a_client_is_not_invited_to_send_what_will_be_refused(office: Guarded) -> None:
    with socket.create_connection(("127.0.0.1", office.server.port), 30) as sock:
        head = [
            f"POST {UPLOADS}?digest=sha256:{'0' * 64} HTTP/1.1",
            "Host: registry",
            f"X-Forwarded-For: {ELSEWHERE}",
            f"Authorization: {ANN['Authorization']}",
            "Content-Length: 50000000",
            "Expect: 100-continue",
        ]
        sock.sendall("\r\n".join([*head, "", ""]).encode())
        answer = b"".join(iter(lambda: sock.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 403 "), answer[:100]
    assert b"100 Continue" not in answer


def test_a_client_who_is_welcome_is_invited_and_then_heard(office: Guarded) -> None:
    path = asked(office.server, "POST", UPLOADS, OFFICE, **ANN)
    location = next(value for name, value in path[1].items() if name.lower() == "location")
    with socket.create_connection(("127.0.0.1", office.server.port), 30) as sock:
        head = [
            f"PATCH {location} HTTP/1.1",
            "Host: registry",
            f"X-Forwarded-For: {OFFICE}",
            f"Authorization: {ANN['Authorization']}",
            "Content-Length: 5",
            "Expect: 100-continue",
            "Connection: close",
        ]
        sock.sendall("\r\n".join([*head, "", ""]).encode())
        assert sock.recv(25, socket.MSG_WAITALL) == b"HTTP/1.1 100 Continue\r\n\r\n"
        sock.sendall(b"bytes")
        assert b"".join(iter(lambda: sock.recv(65536), b"")).startswith(b"HTTP/1.1 202 ")


def test_both_logs_name_the_client_and_not_its_proxy(office: Guarded) -> None:
    asked(office.server, "POST", UPLOADS, f"{OFFICE}, 203.0.113.9", **ANN)
    asked(office.server, "POST", UPLOADS, "203.0.113.10", **basic("ann", "a wrong password"))
    audited = {(line["address"], line["status"]) for line in office.audit()}
    assert {("203.0.113.9", "403"), ("203.0.113.10", "401")} <= audited
    assert office.logged("203.0.113.9")


def test_a_challenge_leads_back_through_the_proxy(office: Guarded) -> None:
    through = {"X_Forwarded_Proto": "https", "X_Forwarded_Host": "registry.example.com"}
    _, headers, _ = asked(office.server, "GET", "/v2/", OFFICE, **through)
    challenge = next(value for name, value in headers.items() if name.lower() == "www-authenticate")
    assert 'realm="https://registry.example.com/auth/token"' in challenge


def hurried(
    ask: Callable[[int], tuple[int, dict[str, str], Any]], times: int = 120
) -> list[tuple[int, dict[str, str], Any]]:
    """Many answers as fast as sixteen clients get them."""
    with ThreadPoolExecutor(16) as crowd:
        return list(crowd.map(ask, range(times)))


def counted(answers: list[tuple[int, dict[str, str], Any]]) -> Counter[int]:
    return Counter(status for status, _, _ in answers)


def test_zots_own_sample_of_a_rate_limit_acts(tmp_path: Path) -> None:
    with serving(tmp_path, http={"ratelimit": ZOTS_LIMIT}) as server:
        gets = counted(hurried(lambda _: asked(server, "GET", "/v2/")))
        assert gets[200] >= 5
        assert gets[429] >= 1
        assert 429 in counted(hurried(lambda _: asked(server, "HEAD", "/v2/")))
        assert set(counted(hurried(lambda _: asked(server, "GET", "/readyz")))) == {200}, "probes are not counted"


def test_who_is_too_fast_is_told_when_to_come_back_and_others_are_served(tmp_path: Path) -> None:
    slow = {"rate": 1, "burst": 3}
    http = {
        "ratelimit": {"perAddress": {"rate": 1, "burst": 60}, "perUser": slow},
        "trustedProxies": ["127.0.0.1"],
        "workers": 2,
    }
    with starting(tmp_path, {"ann": "a password", "bob": "b password"}, None, **http) as guarded:
        server = guarded.server
        answers = hurried(lambda _: asked(server, "GET", "/auth/token", OFFICE))
        assert counted(answers)[200] >= 60, "of the whole burst, whichever process a connection came to"
        headers, body = next((headers, body) for status, headers, body in answers if status == 429)
        assert body["errors"][0]["code"] == "TOOMANYREQUESTS"
        assert int(headers["retry-after"]) >= 1
        assert asked(server, "GET", "/auth/token", ELSEWHERE)[0] == 200
        # A user is counted by name, from wherever it comes.
        moving = counted(hurried(lambda turn: asked(server, "GET", "/v2/", f"203.0.113.{turn}", **ANN)))
        assert moving[200] >= 3
        assert moving[429] >= 1
        assert asked(server, "GET", "/v2/", "203.0.113.200", **basic("bob", "b password"))[0] == 200


@pytest.fixture(scope="module")
def direct(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """No proxies, and few connections."""
    http = {"allow": {"create": [OFFICE]}, "maxConnections": 400, "maxConnectionsPerAddress": 300}
    with serving(tmp_path_factory.mktemp("direct"), http=http) as server:
        yield server


@pytest.mark.parametrize("name", ["X-Forwarded-For", "Forwarded", "X-Real-IP", "X_Forwarded_For", "CF-Connecting-IP"])
def test_without_trusted_proxies_no_header_moves_a_client(direct: Server, name: str) -> None:
    assert direct.request("POST", UPLOADS, None, {name: f"for={OFFICE}" if name == "Forwarded" else OFFICE})[0] == 403


def readable(socks: list[socket.socket]) -> list[socket.socket]:
    """Not by ``select``, which takes no descriptor above 1023: the whole run of tests has many open."""
    poll, by_number = select.poll(), {sock.fileno(): sock for sock in socks}
    for number in by_number:
        poll.register(number, select.POLLIN)
    return [by_number[number] for number, _ in poll.poll(0)]


def test_a_thousand_connections_of_one_address_leave_another_address_served(direct: Server) -> None:
    held: list[socket.socket] = []
    try:
        for number in range(1000):
            held.append(socket.create_connection(("127.0.0.1", direct.port), 30))
            if number % 50 == 0:  # whoever is turned away is told so; open files are few
                for sock in readable(held):
                    sock.close()
                held = [sock for sock in held if sock.fileno() >= 0]
        other = socket.create_connection(("127.0.0.1", direct.port), 30, source_address=("127.0.0.2", 0))
        with other:
            other.sendall(b"GET /v2/ HTTP/1.1\r\nHost: registry\r\nConnection: close\r\n\r\n")
            answer = b"".join(iter(lambda: other.recv(65536), b""))
        assert answer.startswith(b"HTTP/1.1 200 "), answer[:200]
        told = "too many connections from this address"
        wait_for("most of them to be turned away", lambda: direct.log.read_text().count(told) >= 690)
    finally:
        for sock in held:
            sock.close()
