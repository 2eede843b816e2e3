"""API keys and robots over HTTP: made, used, limited, revoked; with zot's names of fields."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import pytest

from tests.access.conftest import starting
from tests.access.guarded import basic
from tests.access.test_users import push
from tests.serving import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.access.guarded import Guarded

ANN = basic("ann", "right")
BOB = basic("bob", "builder")
RULES = {
    "repositories": {
        "team/**": {"policies": [{"users": ["ann", "bob"], "actions": ["read", "create", "update"]}]},
        "ann/**": {"policies": [{"users": ["ann"], "actions": ["read", "create"]}]},
    }
}
NEVER = "0001-01-01T00:00:00Z"


@pytest.fixture(scope="module")
def team(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    with starting(
        tmp_path_factory.mktemp("keys"), {"ann": "right", "bob": "builder"}, RULES, {"apikey": True}
    ) as registry:
        yield registry


def wish(**members: object) -> bytes:
    return json.dumps(members).encode()


def test_a_key_is_shown_once_and_listed_to_its_owner_with_zots_fields(team: Guarded) -> None:
    status, headers, body = team.ask(
        "POST", "/zot/auth/apikey", ANN, wish(label="ci", scopes=["team/**:pull"]), **{"User-Agent": "curl/8"}
    )
    assert (status, headers["cache-control"]) == (201, "no-store")
    made = json.loads(body)
    assert made["apiKey"].startswith("hfk_")
    assert made["createdAt"] == datetime.fromisoformat(made["createdAt"]).astimezone(UTC).isoformat().replace(
        "+00:00", "Z"
    )
    (listed,) = json.loads(team.ask("GET", "/zot/auth/apikey", ANN)[2])["apiKeys"]
    assert listed == {
        "uuid": made["uuid"],
        "label": "ci",
        "scopes": ["team/**:pull"],
        "createdAt": made["createdAt"],
        "expirationDate": NEVER,
        "isExpired": False,
        "lastUsed": NEVER,
        "creatorUa": "curl/8",
        "generatedBy": "manual",
    }
    assert json.loads(team.ask("GET", "/zot/auth/apikey", BOB)[2]) == {"apiKeys": []}
    assert team.status("DELETE", f"/zot/auth/apikey?id={made['uuid']}", BOB) == 404
    assert team.status("DELETE", f"/zot/auth/apikey?id={made['uuid']}", ANN) == 200
    assert team.status("DELETE", f"/zot/auth/apikey?id={made['uuid']}", ANN) == 404


def test_a_key_for_pulling_pulls_and_is_refused_a_push(team: Guarded) -> None:
    assert push(team, ANN, "team/pulled", "v1")[0] == 201
    key = team.key(ANN, "repository:team/pulled:pull")["apiKey"]
    for who in (basic("ann", key), {"Authorization": f"Bearer {key}"}):
        assert team.status("GET", "/v2/team/pulled/manifests/v1", who) == 200
        assert team.status("POST", "/v2/team/pulled/blobs/uploads/", who) in {401, 403}
        assert team.status("GET", "/v2/team/other/manifests/v1", who) in {401, 403}
    assert team.status("POST", "/v2/team/pulled/blobs/uploads/", basic("ann", key)) == 403
    assert team.status("GET", "/v2/team/pulled/manifests/v1", basic("bob", key)) == 401
    token = team.token(basic("ann", key), "repository:team/pulled:pull,push")
    assert team.status("GET", "/v2/team/pulled/manifests/v1", token) == 200
    assert team.status("POST", "/v2/team/pulled/blobs/uploads/", token) == 401
    assert json.loads(team.ask("GET", "/v2/_catalog", basic("ann", key))[2]) == {"repositories": ["team/pulled"]}


def test_a_revoked_key_and_what_was_got_by_it_end_at_every_worker(team: Guarded) -> None:
    key = team.key(ANN, "team/**:pull")
    who = basic("ann", key["apiKey"])
    answer = team.answer(who, "repository:team/revoked:pull", offline_token="true")
    token = {"Authorization": f"Bearer {answer['token']}"}
    assert {team.status("GET", "/v2/", token) for _ in range(8)} == {200}
    assert team.status("DELETE", f"/zot/auth/apikey?id={key['uuid']}", ANN) == 200
    wait_for("the token to end everywhere", lambda: {team.status("GET", "/v2/", token) for _ in range(8)} == {401})
    assert team.status("GET", "/v2/", who) == 401
    form = urlencode({"grant_type": "refresh_token", "refresh_token": answer["refresh_token"], "service": "holdfast"})
    assert team.status("POST", "/auth/token", None, form.encode()) == 401


@pytest.mark.parametrize(
    "body",
    [
        b"[]",
        b"{",
        b'{"scopes": "team/**"}',
        b'{"scopes": ["team/**:fly"]}',
        b'{"label": 1}',
        b'{"expirationDate": "soon"}',
        b'{"expirationDate": "2001-01-01T00:00:00Z"}',
        b'{"label": "a\\u0000b"}',
        wish(label="x" * 300),
    ],
)
def test_a_wish_that_is_none_makes_no_key(team: Guarded, body: bytes) -> None:
    assert team.status("POST", "/zot/auth/apikey", ANN, body) == 400


def test_a_key_ends_by_its_date(team: Guarded) -> None:
    ends = datetime.fromtimestamp(time.time() + 3600, UTC).isoformat()
    key = team.key(ANN, "**:*", expirationDate=ends, label="an hour")
    assert not key["isExpired"]
    assert datetime.fromisoformat(key["expirationDate"]).timestamp() == int(datetime.fromisoformat(ends).timestamp())


def test_wrong_keys_are_counted_as_wrong_passwords_are(team: Guarded) -> None:
    # With a name of its own, so that the count is nobody else's.
    key = team.key(ANN, "**:*")["apiKey"]
    assert team.status("GET", "/v2/", basic("mallory", key)) == 401
    wait_for("mallory not to be looked at", lambda: team.status("GET", "/v2/", basic("mallory", key)) == 429)


def test_the_audit_log_knows_which_key_and_no_log_knows_a_secret(team: Guarded) -> None:
    key = team.key(ANN, "team/**:pull")
    robot = team.robot("team/audited", "team/**:pull,push")
    assert push(team, robot, "team/audited", "v1")[0] == 201
    assert team.status("POST", "/v2/team/audited/blobs/uploads/", basic("ann", key["apiKey"])) == 403
    assert team.status("DELETE", f"/zot/auth/apikey?id={key['uuid']}", ANN) == 200
    lines = [one for one in team.audit() if key["uuid"] in json.dumps(one)]
    assert [(one["method"], one["status"], one["by"], one.get("about"), one.get("account")) for one in lines] == [
        ("POST", "201", "htpasswd", f"apikey:{key['uuid']}", None),
        ("POST", "403", "apikey", None, f"apikey:{key['uuid']}"),
        ("DELETE", "200", "htpasswd", f"apikey:{key['uuid']}", None),
    ]
    (pushed,) = [one for one in team.audit() if one["path"] == "/v2/team/audited/manifests/v1"]
    assert (pushed["user"], pushed["by"]) == ("robot$team+audited", "robot")
    logs = [team.server.root / "log", team.server.root.parent / "audit.log"]
    everything = "".join(path.read_text() for path in logs)
    assert "hfk_" not in everything
    assert "hfr_" not in everything
