"""zot's three files about metrics act: who may read them, and that what happens is in them, whichever process it happened in."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from tests.access.conftest import line
from tests.access.guarded import basic
from tests.access.test_quotas import push
from tests.serving import serving, wait_for
from tests.unit.gateway.test_metrics import values

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.serving import Server

ANN, SCRAPER = basic("ann", "right"), basic("metrics", "pass")
READ = ["read"]
# What config-metrics-authz.json and config-metrics-authn-anonymous-access.json say; config-metrics.json says nothing of it.
NAMED = {
    "metrics": {"users": ["metrics"]},
    "repositories": {"**": {"anonymousPolicy": READ, "defaultPolicy": ["read", "create"]}},
}
EVERYBODY = {"metrics": {"anonymousPolicy": READ}}


def settings(root: Path, control: dict[str, Any] | None = None, **http: Any) -> dict[str, Any]:
    if control is not None:
        passwords = root / "htpasswd"
        passwords.write_text(line("ann", "right") + line("metrics", "pass"))
        http |= {"auth": {"htpasswd": {"path": str(passwords)}}, "accessControl": control}
    return {"http": http, "extensions": {"metrics": {"enable": True, "prometheus": {"path": "/metrics"}}}}


def status(server: Server, who: Mapping[str, str] | None = None) -> int:
    return server.request("GET", "/metrics", None, dict(who or {}))[0]


def told(server: Server, who: Mapping[str, str] | None = None) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    answer, headers, body = server.request("GET", "/metrics", None, dict(who or {}))
    assert answer == 200
    assert headers["content-type"].startswith("text/plain; version=")
    return values(body)


def test_what_both_workers_have_served_is_told_and_nothing_has_a_repository_s_name(tmp_path: Path) -> None:
    soon = {"gc": True, "gcDelay": "1s", "gcInterval": "300ms"}
    with serving(tmp_path / "registry", storage=soon, **settings(tmp_path, workers=2)) as server:
        data = os.urandom(1000)
        for _ in range(8):
            assert push(server, "team/secret", data)[0] == 201
        pushed = ("zot_http_requests_total", frozenset({("method", "POST"), ("code", "201"), ("route", "uploads")}))
        wait_for("all workers to have told", lambda: told(server).get(pushed) == 8)
        found = told(server)
        assert found["holdfast_http_received_bytes_total", frozenset({("route", "uploads")})] == 8000
        assert found["holdfast_transfers_in_flight", frozenset({("lane", "push")})] == 0
        assert not [labels for _, labels in found if "secret" in str(labels)]
        main = frozenset({("route", "/")})
        wait_for(
            "the node's collector to have told", lambda: told(server).get(("holdfast_gc_cycles_total", main), 0) > 0
        )
        assert told(server)["holdfast_disk_free_bytes", main] > 0
        assert server.request("POST", "/metrics", b"")[0] == 405


def test_only_the_users_that_are_named_read_the_metrics(tmp_path: Path) -> None:
    with serving(tmp_path / "registry", **settings(tmp_path, NAMED)) as server:
        assert (status(server), status(server, ANN), status(server, SCRAPER)) == (401, 403, 200)
        assert status(server, basic("metrics", "wrong")) == 401
        refused = ("holdfast_refusals_total", frozenset({("reason", "login")}))
        wait_for("the refusal to be told", lambda: told(server, SCRAPER).get(refused) == 1)


def test_everybody_reads_metrics_that_are_everybody_s_and_nothing_else(tmp_path: Path) -> None:
    with serving(tmp_path / "registry", **settings(tmp_path, EVERYBODY)) as server:
        assert (status(server), status(server, ANN)) == (200, 200)
        assert server.request("GET", "/v2/")[0] == 401
        assert server.request("GET", "/v2/_catalog")[0] == 401
