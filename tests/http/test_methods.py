"""Every route with every method: who answers, who does not, and that HEAD says what GET says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from tests.conformance.content import random_blob
from tests.conformance.oci import Client
from tests.http import wire
from tests.http.images import push_image

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.serving import Server

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "PROPFIND")
READ = frozenset({"GET", "HEAD"})
ROUTES: dict[str, frozenset[str]] = {
    "/v2": READ,
    "/v2/": READ,
    "/v2/_catalog": READ,
    "/v2/_oci/ext/discover": READ,
    "/v2/{repo}/_oci/ext/discover": READ,
    "/v2/{repo}/tags/list": READ,
    "/v2/{repo}/referrers/{manifest}": READ,
    "/v2/{repo}/blobs/{blob}": READ | {"DELETE"},
    "/v2/{repo}/manifests/{manifest}": READ | {"PUT", "DELETE"},
    "/v2/{repo}/manifests/v1": READ | {"PUT", "DELETE"},
    "/v2/{repo}/blobs/uploads/": frozenset({"POST"}),
    "/v2/{repo}/blobs/uploads": frozenset({"POST"}),
    "{upload}": frozenset({"GET", "PATCH", "PUT", "DELETE"}),
}
UNSUPPORTED = [(route, method) for route, allowed in ROUTES.items() for method in METHODS if method not in allowed]
READABLE = [route for route, allowed in ROUTES.items() if allowed >= READ]


@dataclass(frozen=True, slots=True)
class Content:
    """What the routes of this file lead to."""

    port: int
    names: dict[str, str]

    def ask(self, method: str, route: str) -> tuple[int, dict[str, str], bytes]:
        return wire.ask(self.port, method, route.format_map(self.names))


@pytest.fixture(scope="module")
def content(registry: Server) -> Iterator[Content]:
    client, repo = Client(registry.host), "http/methods"
    manifest, _ = push_image(client, repo, "v1")
    blob, data = random_blob(500)
    client.push_blob(repo, blob, data)
    names = {"repo": repo, "manifest": manifest, "blob": blob, "upload": client.start_upload(repo).location}
    yield Content(registry.port, names)
    client.close()


@pytest.mark.parametrize(("route", "method"), UNSUPPORTED)
def test_a_method_that_a_route_lacks_is_405_and_says_which_it_has(content: Content, route: str, method: str) -> None:
    status, headers, body = content.ask(method, route)
    assert status == 405
    assert {allowed.strip() for allowed in headers["allow"].split(",")} == ROUTES[route]
    assert headers["content-type"] == "application/json"
    assert b'"UNSUPPORTED"' in body or method == "HEAD"


@pytest.mark.parametrize("route", READABLE)
def test_head_says_what_get_says(content: Content, route: str) -> None:
    got, head = content.ask("GET", route), content.ask("HEAD", route)
    assert (got[0], head[0]) == (200, 200)
    assert int(got[1]["content-length"]) == len(got[2]) > 0
    assert head[2] == b""
    assert lasting(head[1]) == lasting(got[1])


@pytest.mark.parametrize(
    "route",
    [
        "/v2/{repo}/manifests/none",
        "/v2/{repo}/manifests/sha256:" + "0" * 64,
        "/v2/{repo}/blobs/sha256:" + "0" * 64,
        "/v2/{repo}/blobs/sha256:nonsense",
        "/v2/no/such/tags/list",
        "/v2/{repo}/tags/list?n=nonsense",
        "/v2/{repo}/referrers/nonsense",
        "/v2/UPPER/tags/list",
        "/v2/nothing/here",
        "/elsewhere",
    ],
)
def test_head_fails_as_get_fails(content: Content, route: str) -> None:
    got, head = content.ask("GET", route), content.ask("HEAD", route)
    assert got[0] == head[0]
    assert got[0] in (400, 404)
    assert lasting(head[1]) == lasting(got[1])
    assert (head[2], b'{"errors": [' in got[2]) == (b"", True)


def lasting(headers: dict[str, str]) -> dict[str, Any]:
    return {name: value for name, value in headers.items() if name not in ("date", "x-request-id")}


def test_every_answer_has_an_id_of_its_own(content: Content) -> None:
    ids = {content.ask("GET", "/v2/")[1]["x-request-id"] for _ in range(5)}
    assert len(ids) == 5
