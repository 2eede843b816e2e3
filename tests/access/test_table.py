"""Every endpoint, every method, everybody, in what is theirs and what is not (CVE-2026-31801, CVE-2026-41888, CVE-2026-27771).

What is asserted is the door: whether a request is let through to the endpoint (whatever that then says), told to log in, or
refused.
"""

from __future__ import annotations

import json
import time
from http.cookies import SimpleCookie
from typing import TYPE_CHECKING, Any, Final

import pytest
from falcon import inspect

from gateway.app import create_app
from gateway.http.paths import Kind
from gateway.http.router import Resources, Router
from holdfast.clock import SystemClock
from tests.access.conftest import starting
from tests.access.guarded import basic
from tests.access.test_users import push

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.access.guarded import Guarded

PASSWORDS: Final = {"reader": "r", "writer": "w", "deleter": "d", "admin": "a"}
RULES: Final = {
    "repositories": {
        "own/**": {
            "policies": [
                {"users": ["reader"], "actions": ["read"]},
                {"users": ["writer"], "actions": ["read", "create", "update"]},
                {"users": ["deleter"], "actions": ["read", "delete"]},
            ]
        },
        "other/**": {"policies": [{"users": ["nobody"], "actions": ["read"]}]},
    },
    "adminPolicy": {"users": ["admin"], "actions": ["read", "create", "update", "delete"]},
}
MAY: Final = {"reader": {"read"}, "writer": {"read", "create"}, "deleter": {"read", "delete"}}
ZERO: Final = "sha256:" + "0" * 64
PATHS: Final[dict[Kind, tuple[str, ...]]] = {
    Kind.BASE: ("/v2/", "/v2"),
    Kind.BLOB: (f"/v2/{{repo}}/blobs/{ZERO}",),
    Kind.MANIFEST: ("/v2/{repo}/manifests/v1", f"/v2/{{repo}}/manifests/{ZERO}", "/v2/{repo}/manifests/none"),
    Kind.UPLOADS: ("/v2/{repo}/blobs/uploads/", f"/v2/{{repo}}/blobs/uploads/?mount={ZERO}"),
    Kind.UPLOAD: ("/v2/{repo}/blobs/uploads/none",),
    Kind.TAGS: ("/v2/{repo}/tags/list",),
    Kind.REFERRERS: (f"/v2/{{repo}}/referrers/{ZERO}",),
    Kind.CATALOG: ("/v2/_catalog",),
    Kind.DISCOVER: ("/v2/_oci/ext/discover",),
}
NEEDS: Final = {
    (Kind.BLOB, "GET"): "read",
    (Kind.BLOB, "HEAD"): "read",
    (Kind.BLOB, "DELETE"): "delete",
    (Kind.MANIFEST, "GET"): "read",
    (Kind.MANIFEST, "HEAD"): "read",
    (Kind.MANIFEST, "PUT"): "create",
    (Kind.MANIFEST, "DELETE"): "delete",
    (Kind.UPLOADS, "POST"): "create",
    (Kind.UPLOAD, "GET"): "create",
    (Kind.UPLOAD, "PATCH"): "create",
    (Kind.UPLOAD, "PUT"): "create",
    (Kind.UPLOAD, "DELETE"): "create",
    (Kind.TAGS, "GET"): "read",
    (Kind.TAGS, "HEAD"): "read",
    (Kind.REFERRERS, "GET"): "read",
    (Kind.REFERRERS, "HEAD"): "read",
}
SOMEBODY_ONLY: Final = {Kind.BASE, Kind.CATALOG, Kind.DISCOVER}
REPOSITORIES: Final = ("own/app", "other/app", "other/none")


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    with starting(tmp_path_factory.mktemp("table"), PASSWORDS, RULES, {"apikey": True}) as started:
        for repo in ("own/app", "other/app"):
            assert push(started, basic("admin", "a"), repo, "v1")[0] == 201
        yield started


@pytest.fixture(scope="module")
def programs(registry: Guarded) -> dict[str, tuple[dict[str, str], set[str]]]:
    """Robots and API keys: what a request of each carries, and what it may in own/app."""
    writer = basic("writer", "w")
    pulls = registry.key(writer, "own/**:pull", "other/**:*")["apiKey"]
    return {
        "robot": (registry.robot("own/ci", "own/**:pull,push"), {"read", "create"}),
        "robot by the rules": (registry.robot("own/ruled"), set()),
        "another namespace's robot": (registry.robot("third/ci", "third/**:*"), set()),
        "key": (basic("writer", registry.key(writer)["apiKey"]), {"read", "create"}),
        "key for pulling": (basic("writer", pulls), {"read"}),
    }


@pytest.fixture(scope="module")
def ended(registry: Guarded) -> list[dict[str, str]]:
    """An expired robot, and an API key that was revoked."""
    writer = basic("writer", "w")
    key = registry.key(writer, "**:*")
    assert registry.status("DELETE", f"/zot/auth/apikey?id={key['uuid']}", writer) == 200
    return [registry.robot("own/old", "own/**:*", ends_seconds=time.time() - 1), basic("writer", key["apiKey"])]


@pytest.fixture(scope="module")
def foreign(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """A token for everything, of another registry with the same users."""
    with starting(tmp_path_factory.mktemp("foreign"), PASSWORDS, RULES) as other:
        yield other.token(basic("admin", "a"), *(f"repository:{repo}:pull,push,delete" for repo in REPOSITORIES))


@pytest.fixture(scope="module")
def session(registry: Guarded) -> dict[str, str]:
    """The writer's, as a browser sends it."""
    page = {**basic("writer", "w"), "X-ZOT-API-CLIENT": "zot-ui"}
    cookies = SimpleCookie(registry.ask("GET", "/v2/", page)[1]["set-cookie"])
    return {"Cookie": f"session={cookies['session'].value}"}


def routes() -> dict[Kind, list[str]]:
    """The product's own table."""
    nobody = Nobody()
    return Router(Resources(nobody, nobody, nobody, nobody), nobody, nobody, nobody, SystemClock(), nobody).routes()  # type: ignore[arg-type]


class Nobody:
    """Has every attribute, and does nothing."""

    # Where nobody asked for them: who may read metrics is in test_metrics.py.
    metrics = None
    bearer = None

    def __getattr__(self, name: str) -> Nobody:
        return self

    def __call__(self, *_: object) -> None:
        return None


ROUTES: Final = [
    (kind, method, path) for kind, methods in routes().items() for method in methods for path in PATHS[kind]
]


def test_no_endpoint_is_missing_from_this_table() -> None:
    table = routes()
    assert set(table) == set(Kind) == set(PATHS)
    assert {
        (kind, method) for kind, methods in table.items() for method in methods if kind not in SOMEBODY_ONLY
    } == set(NEEDS)


def outcome(registry: Guarded, method: str, path: str, who: dict[str, str] | None) -> str:
    status, headers, body = registry.ask(method, path, who, b"{}" if method in {"PUT", "PATCH"} else None)
    if status == 401:
        assert headers["www-authenticate"].startswith('Bearer realm="')
        return "log in"
    if method != "HEAD" and status == 403:
        assert json.loads(body)["errors"][0]["code"] == "DENIED"
    return {403: "refused", 429: "wait"}.get(status, "through")


@pytest.mark.parametrize(("kind", "method", "path"), ROUTES)
def test_everybody_at_every_door(
    registry: Guarded, foreign: dict[str, str], kind: Kind, method: str, path: str
) -> None:
    for repo in REPOSITORIES if "{repo}" in path else ("",):
        place = path.format(repo=repo)
        for who in (None, foreign, {"Authorization": "Bearer x"}):
            assert outcome(registry, method, place, who) == "log in", who
        for who in (basic("reader", "wrong"), basic("", "x")):  # so often that it is not looked at any more
            assert outcome(registry, method, place, who) in {"log in", "wait"}, who
        for user, password in PASSWORDS.items():
            may = kind in SOMEBODY_ONLY or user == "admin" or (NEEDS[kind, method] in MAY[user] and repo == "own/app")
            # The admin's own requests would take away what the next one asks for.
            if user == "admin" and method == "DELETE":
                continue
            assert outcome(registry, method, place, basic(user, password)) == ("through" if may else "refused"), user


@pytest.mark.parametrize(
    ("kind", "method", "path"), [one for one in ROUTES if "{repo}" in one[2] and one[1] != "DELETE"]
)
def test_a_token_opens_no_other_door(registry: Guarded, kind: Kind, method: str, path: str) -> None:
    word = {"read": "pull", "create": "push"}[NEEDS[kind, method]]
    fits = registry.token(basic("admin", "a"), f"repository:own/app:{word}")
    assert outcome(registry, method, path.format(repo="own/app"), fits) == "through"
    assert outcome(registry, method, path.format(repo="other/app"), fits) == "log in"
    other = registry.token(basic("admin", "a"), "repository:own/app:delete")
    assert outcome(registry, method, path.format(repo="own/app"), other) == "log in"
    nobody = registry.token(None, f"repository:own/app:{word}")
    assert outcome(registry, method, path.format(repo="own/app"), nobody) == "log in"


@pytest.mark.parametrize(("kind", "method", "path"), [one for one in ROUTES if one[1] != "DELETE"])
def test_a_session_opens_its_owners_doors_and_no_others(
    registry: Guarded, session: dict[str, str], kind: Kind, method: str, path: str
) -> None:
    page = {**session, "X-ZOT-API-CLIENT": "zot-ui"}
    for repo in REPOSITORIES if "{repo}" in path else ("",):
        place = path.format(repo=repo)
        may = kind in SOMEBODY_ONLY or repo == "own/app"
        assert outcome(registry, method, place, page) == ("through" if may else "refused"), repo
        # What changes something could come from a page of another site.
        if method not in {"GET", "HEAD"}:
            assert outcome(registry, method, place, session) == "log in", repo


@pytest.mark.parametrize(("kind", "method", "path"), ROUTES)
def test_robots_and_keys_at_every_door(
    registry: Guarded,
    programs: dict[str, tuple[dict[str, str], set[str]]],
    ended: list[dict[str, str]],
    kind: Kind,
    method: str,
    path: str,
) -> None:
    for repo in REPOSITORIES if "{repo}" in path else ("",):
        place = path.format(repo=repo)
        for who in ended:
            assert outcome(registry, method, place, who) in {"log in", "wait"}, who
        for name, (who, rights) in programs.items():
            may = kind in SOMEBODY_ONLY or (NEEDS[kind, method] in rights and repo == "own/app")
            assert outcome(registry, method, place, who) == ("through" if may else "refused"), name


PROBES: Final = ("/livez", "/readyz", "/startupz")
ELSEWHERE: Final = {
    "/auth/token": {"GET", "POST"},
    "/zot/auth/token": {"GET", "POST"},
    "/zot/auth/login": {"GET"},
    "/zot/auth/logout": {"POST"},
    "/zot/auth/callback/{provider}": {"GET"},
    "/zot/auth/apikey": {"GET", "POST", "DELETE"},
    "/_holdfast/whoami": {"GET"},
    **{path: {"GET", "HEAD"} for path in PROBES},
}


def test_no_route_beside_the_registrys_api_is_missing_from_these_tests() -> None:
    nobody: Any = Nobody()
    app = create_app(nobody, nobody, nobody, nobody, nobody, nobody)
    found = {
        route.path: {one.method for one in route.methods if not one.internal} for route in inspect.inspect_routes(app)
    }
    assert found == ELSEWHERE


def test_keys_are_made_listed_and_revoked_by_people_alone(
    registry: Guarded, programs: dict[str, tuple[dict[str, str], set[str]]], ended: list[dict[str, str]]
) -> None:
    doors = (("GET", None), ("POST", b'{"scopes": ["own/**:pull"]}'), ("DELETE", None))
    token = registry.token(basic("writer", "w"), "repository:own/app:pull")
    callers: list[tuple[int, dict[str, str] | None]] = [(401, None), (403, token)]
    callers += [(401, who) for who in ended]
    callers += [(403, who) for who, _ in programs.values()]
    for method, body in doors:
        for expected, who in callers:
            status = registry.status(method, "/zot/auth/apikey", who, body)
            # So often wrong that it is not looked at any more.
            assert status == expected or (who in ended and status == 429), (method, who)
        assert registry.status(method, "/zot/auth/apikey", basic("reader", "r"), body) in {200, 201, 404}


def test_everybody_is_told_who_they_are_and_a_wrong_password_is_refused(
    registry: Guarded, programs: dict[str, tuple[dict[str, str], set[str]]], ended: list[dict[str, str]]
) -> None:
    assert registry.whoami(None, "own/app")["user"] == ""
    for user, password in PASSWORDS.items():
        told = registry.whoami(basic(user, password), "own/app")
        assert (told["user"], told["by"], told["limited"]) == (user, "htpasswd", False)
    for who, rights in programs.values():
        told = registry.whoami(who, "own/app", "other/none")
        assert told["by"] in {"robot", "apikey"}
        assert told["limited"]
        allowed = set(told["repositories"][0]["may"]) - {"update"}
        assert (allowed, told["repositories"][1]["may"]) == (rights, [])
    for who in ended:
        assert registry.status("GET", "/_holdfast/whoami", who) in {401, 429}


def test_probes_are_everybodys_and_nothing_else_is(registry: Guarded) -> None:
    for path in PROBES:
        assert registry.status("GET", path) == 200
    for path in ("/", "/metrics", "/v1/", "/v2/../livez", "/debug"):
        assert registry.status("GET", path) in {401, 404}
