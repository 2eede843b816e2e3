"""Users in a file (U1, U4, U5), anonymous reading (U15), tokens, rights and the audit log, over HTTP."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

import bcrypt
import pytest

from tests.access.conftest import line, starting
from tests.access.guarded import basic
from tests.conformance.content import DataSet
from tests.serving import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.access.guarded import Guarded

ANN = basic("ann", "right")
BOB = basic("bob", "builder")
ROOT = basic("root", "toor")
USERS = {"ann": "right", "bob": "builder", "root": "toor"}
RULES = {
    "repositories": {
        "open/**": {"anonymousPolicy": ["read"]},
        "team/**": {
            "policies": [
                {"users": ["ann"], "actions": ["read", "create", "update"]},
                {"users": ["bob"], "actions": ["read", "create"]},
            ]
        },
        "shared/**": {
            "policies": [
                {"users": ["ann"], "actions": ["read", "create", "update", "delete", "detectManifestCollision"]},
            ]
        },
        "prod/**": {
            "policies": [
                {
                    "users": ["ann"],
                    "actions": ["create"],
                    "conditions": [{"expression": 'req.referenceType == "digest"', "message": "push by digest"}],
                }
            ]
        },
    },
    "adminPolicy": {"users": ["root"], "actions": ["read", "create", "update", "delete"]},
}


@pytest.fixture(scope="module")
def team(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    """One registry for the tests that leave its users alone; they use repositories of their own."""
    with starting(tmp_path_factory.mktemp("team"), USERS, RULES) as registry:
        yield registry


def push(registry: Guarded, who: dict[str, str], repo: str, tag: str) -> tuple[int, str]:
    """An image of its own; the status of the manifest's PUT, and its digest."""
    data = DataSet()
    digest = data.add_image()["digest"]
    for blob, content in data.blobs.items():
        status = registry.status("POST", f"/v2/{repo}/blobs/uploads/?digest={blob}", who, content)
        assert status == 201, status
    manifest = data.manifests[digest]
    kind = json.loads(manifest)["mediaType"]
    return registry.ask("PUT", f"/v2/{repo}/manifests/{tag}", who, manifest, **{"Content-Type": kind})[0], digest


def test_who_logs_in_gets_in_and_a_wrong_password_does_not(guarded: Callable[..., Guarded]) -> None:
    registry = guarded({"admin": "123456"})
    status, headers, body = registry.ask("GET", "/v2/")
    assert (status, json.loads(body)["errors"][0]["code"]) == (401, "UNAUTHORIZED")
    realm = f'realm="http://127.0.0.1:{registry.server.port}/auth/token"'
    assert headers["www-authenticate"] == f'Bearer {realm},service="holdfast"'
    assert registry.status("GET", "/v2/", basic("admin", "123456")) == 200
    assert registry.status("GET", "/v2/", registry.token(basic("admin", "123456"))) == 200
    for wrong in (
        basic("admin", "12345"),
        basic("nobody", "123456"),
        {"Authorization": "Basic ?"},
        {"Authorization": "X y"},
    ):
        status, headers, _ = registry.ask("GET", "/v2/", wrong)
        assert status == 401
        assert 'error="invalid_token"' in headers["www-authenticate"]
        assert registry.status("GET", "/auth/token?service=holdfast", wrong) == 401
    assert registry.status("GET", "/v2/_catalog") == 401
    assert registry.status("GET", "/v2/a/tags/list") == 401


def test_a_line_that_is_no_good_is_told_once_with_its_number_and_remedy(guarded: Callable[..., Guarded]) -> None:
    registry = guarded({"ann": "right"})
    with registry.passwords.open("a") as file:
        file.write("old:$apr1$abcdefgh$Rv5w0YpQ5lq2mCqNqz1Xx/\n")
    wait_for("the line to be told", lambda: registry.logged("left out"))
    assert registry.status("GET", "/v2/", basic("old", "secret word")) == 401
    assert registry.status("GET", "/v2/", ANN) == 200
    (told,) = registry.logged("left out")
    assert (told["line"], told["user"], told["reason"]) == (2, "old", "an MD5 hash")
    assert "htpasswd -B" in told["remedy"]
    everything = (registry.server.root / "log").read_text()
    assert "secret word" not in everything
    assert "$apr1$" not in everything


def test_who_is_added_gets_in_and_who_is_removed_is_out_without_a_restart(guarded: Callable[..., Guarded]) -> None:
    registry = guarded({"ann": "right"})
    token = registry.token(ANN)
    assert registry.status("GET", "/v2/", token) == 200
    registry.passwords.write_text(line("bob", "builder"))
    # A token costs no comparison, so asking again and again is no flood of wrong passwords.
    wait_for("ann to be out everywhere", lambda: {registry.status("GET", "/v2/", token) for _ in range(8)} == {401})
    assert registry.status("GET", "/v2/", ANN) == 401
    assert registry.status("GET", "/v2/", BOB) == 200


def test_while_the_file_is_away_its_last_version_holds(guarded: Callable[..., Guarded]) -> None:
    registry = guarded({"ann": "right"})
    registry.passwords.unlink()
    wait_for("the log to say so", lambda: registry.logged("cannot be read; its last version holds"))
    assert registry.status("GET", "/v2/", ANN) == 200


def test_everybody_reads_and_only_the_admin_deletes(team: Guarded) -> None:
    status, digest = push(team, ROOT, "open/kube-proxy", "v1.26.0")
    assert status == 201
    path = "/v2/open/kube-proxy/manifests/v1.26.0"
    assert team.status("GET", path) == 200
    assert team.status("GET", path, team.token(None, "repository:open/kube-proxy:pull")) == 200
    assert team.status("DELETE", path) == 401
    assert team.status("DELETE", path, ANN) == 403
    assert team.status("DELETE", path, ROOT) == 202
    assert team.status("GET", path) == 404
    assert (
        team.status(
            "DELETE", f"/v2/open/kube-proxy/manifests/{digest}", team.token(ROOT, "repository:open/kube-proxy:delete")
        )
        == 202
    )


def test_creating_is_not_updating(team: Guarded) -> None:
    first, digest = push(team, BOB, "team/app", "v1")
    assert first == 201
    status, _ = push(team, BOB, "team/app", "v1")
    assert status == 403
    assert push(team, BOB, "team/app", "v2")[0] == 201
    _, headers, body = team.ask("GET", "/v2/team/app/manifests/v1", BOB)
    assert headers["docker-content-digest"] == digest
    # The same again moves nothing, so it needs no right to move.
    kind = {"Content-Type": json.loads(body)["mediaType"]}
    assert team.ask("PUT", "/v2/team/app/manifests/v1", BOB, body, **kind)[0] == 201
    # Nor does the way by digest lead around it.
    _, other = push(team, BOB, "team/app", "v3")
    _, _, newer = team.ask("GET", f"/v2/team/app/manifests/{other}", BOB)
    assert team.ask("PUT", f"/v2/team/app/manifests/{other}?tag=v1", BOB, newer, **kind)[0] == 403
    assert push(team, ANN, "team/app", "v1")[0] == 201


def test_what_is_forbidden_and_what_is_missing_look_the_same(team: Guarded) -> None:
    assert push(team, ROOT, "hidden/app", "v1")[0] == 201
    for who in (None, ANN, team.token(ANN, "repository:hidden/app:pull", "repository:hidden/none:pull")):
        answers = []
        for repo in ("hidden/app", "hidden/none"):
            for path in ("tags/list", "manifests/v1", "referrers/sha256:" + "0" * 64, "blobs/sha256:" + "0" * 64):
                status, headers, body = team.ask("GET", f"/v2/{repo}/{path}", who)
                answers.append(
                    (
                        repo,
                        status,
                        headers.get("www-authenticate", "").replace(repo, "R"),
                        body.replace(repo.encode(), b"R"),
                    )
                )
        assert [one[1:] for one in answers[:4]] == [one[1:] for one in answers[4:]]
        assert {one[1] for one in answers} == ({401} if who is None else {403})


def test_lists_and_mounts_show_only_what_the_caller_may_read(team: Guarded) -> None:
    for repo in ("open/listed", "hidden/listed", "team/listed"):
        assert push(team, ROOT, repo, "v1")[0] == 201

    def names(who: dict[str, str] | None) -> list[str]:
        found: list[str] = json.loads(team.ask("GET", "/v2/_catalog?n=100", who)[2])["repositories"]
        return [name for name in found if name.endswith("listed")]

    assert names(None) == ["open/listed"]
    assert names(ANN) == ["open/listed", "team/listed"]
    assert names(ROOT) == ["hidden/listed", "open/listed", "team/listed"]
    secret = b"a layer of hidden/listed"
    digest = "sha256:" + hashlib.sha256(secret).hexdigest()
    assert team.status("POST", f"/v2/hidden/listed/blobs/uploads/?digest={digest}", ROOT, secret) == 201
    for query in (f"mount={digest}&from=hidden/listed", f"mount={digest}"):
        assert team.status("POST", f"/v2/team/listed/blobs/uploads/?{query}", ANN) == 202
    assert team.status("HEAD", f"/v2/team/listed/blobs/{digest}", ANN) == 404
    assert team.status("POST", f"/v2/team/listed/blobs/uploads/?mount={digest}&from=hidden/listed", ROOT) == 201


def test_an_upload_is_nobody_elses(team: Guarded) -> None:
    place = team.ask("POST", "/v2/team/uploads/blobs/uploads/", ANN)[1]["location"]
    assert team.status("PATCH", place, BOB, b"x") == 404
    assert team.status("GET", place, BOB) == 404
    assert team.status("DELETE", place, BOB) == 404
    assert team.status("PATCH", place, team.token(ANN, "repository:team/uploads:push,pull"), b"x") == 202


def test_a_token_is_good_for_what_it_was_asked_for_alone(team: Guarded) -> None:
    assert push(team, ANN, "team/tokens", "v1")[0] == 201
    narrow = team.token(ANN, "repository:team/tokens:pull")
    assert team.status("GET", "/v2/team/tokens/manifests/v1", narrow) == 200
    status, headers, _ = team.ask("POST", "/v2/team/tokens/blobs/uploads/", narrow)
    assert status == 401
    assert headers["www-authenticate"].endswith('scope="repository:team/tokens:pull,push",error="insufficient_scope"')
    assert (
        team.status("POST", "/v2/team/tokens/blobs/uploads/", team.token(ANN, "repository:team/tokens:pull,push"))
        == 202
    )
    assert team.status("GET", "/v2/team/other/tags/list", narrow) == 401
    assert team.answer(BOB, "repository:team/tokens:pull,push,delete")["scope"] == "repository:team/tokens:pull,push"
    assert team.answer(None, "repository:team/tokens:pull")["scope"] == ""
    assert team.status("GET", "/v2/", team.token(None)) == 200


def test_a_refresh_token_stands_for_its_owner_until_the_password_changes(guarded: Callable[..., Guarded]) -> None:
    registry = guarded(USERS, RULES)
    assert "refresh_token" not in registry.answer(ANN)
    assert "refresh_token" not in registry.answer(None, offline_token="true")
    refresh = registry.answer(ANN, offline_token="true")["refresh_token"]

    def renewed() -> int:
        form = f"grant_type=refresh_token&service=holdfast&client_id=x&refresh_token={refresh}&scope=repository:team/app:pull"
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        status, _, body = registry.ask("POST", "/auth/token", None, form.encode(), **kind)
        renewals.append(body)
        return status

    renewals: list[bytes] = []
    assert renewed() == 200
    token = {"Authorization": f"Bearer {json.loads(renewals[0])['access_token']}"}
    assert registry.status("POST", "/v2/team/app/blobs/uploads/", token) == 401
    assert registry.status("GET", "/v2/team/app/tags/list", token) == 404
    assert registry.status("GET", "/v2/", {"Authorization": f"Bearer {refresh}"}) == 401
    registry.passwords.write_text(line("ann", "another"))
    wait_for("it to end", lambda: {renewed() for _ in range(4)} == {401})


@pytest.mark.parametrize(
    "form", [b"", b"grant_type=magic", b"grant_type=password", b"\xff", b"a=b&" * 1000, b"x" * 70_000]
)
def test_a_bad_form_is_refused_in_the_protocols_words(team: Guarded, form: bytes) -> None:
    status, _, body = team.ask("POST", "/auth/token", None, form)
    assert status in {400, 401, 413}
    assert json.loads(body)["errors"][0]["code"]


def test_changes_and_refusals_are_in_the_audit_log_and_nothing_secret(guarded: Callable[..., Guarded]) -> None:
    registry = guarded(USERS, RULES)
    assert push(registry, ANN, "team/app", "v1")[0] == 201
    registry.status("GET", "/v2/team/app/manifests/v1", ANN)
    registry.status("DELETE", "/v2/team/app/manifests/v1", BOB)
    registry.status("GET", "/v2/", basic("ann", "wrong pass phrase"))
    lines = registry.audit()
    assert not [one for one in lines if one["method"] == "GET" and one["status"] == "200"]
    (pushed,) = [one for one in lines if one["method"] == "PUT"]
    assert (pushed["user"], pushed["by"], pushed["status"]) == ("ann", "htpasswd", "201")
    assert (pushed["path"], pushed["address"]) == ("/v2/team/app/manifests/v1", "127.0.0.1")
    (denied,) = [one for one in lines if one["status"] == "403"]
    assert (denied["user"], denied["method"], denied["reason"]) == ("bob", "DELETE", "you may not delete in team/app")
    (refused,) = [one for one in lines if one["status"] == "401"]
    assert refused["reason"] == "unknown user, or wrong password"
    everything = (registry.server.root / "log").read_text() + (registry.server.root.parent / "audit.log").read_text()
    for secret in ("right", "builder", "wrong pass phrase", bcrypt.hashpw(b"x", bcrypt.gensalt(4)).decode()[:7]):
        assert secret not in everything.replace("copyright", "")


def test_a_message_of_a_condition_is_told_to_whom_it_refuses(team: Guarded) -> None:
    status, _, body = team.ask("PUT", "/v2/prod/app/manifests/v1", ANN, b"{}")
    assert status == 403
    assert json.loads(body)["errors"][0]["detail"]["reason"] == "push by digest"
    digest = "sha256:" + hashlib.sha256(b"{}").hexdigest()
    status, _, body = team.ask("PUT", f"/v2/prod/app/manifests/{digest}?tag=v1", ANN, b"{}")
    assert status == 403
    assert json.loads(body)["errors"][0]["detail"]["reason"] == "push by digest"
    assert team.status("PUT", f"/v2/prod/app/manifests/{digest}", ANN, b"{}") == 400  # no manifest, but let through


def test_a_digest_that_several_tags_name_is_kept_from_whom_the_rules_tell_so(team: Guarded) -> None:
    _, digest = push(team, ANN, "shared/app", "v1")
    _, _, manifest = team.ask("GET", "/v2/shared/app/manifests/v1", ANN)
    kind = {"Content-Type": json.loads(manifest)["mediaType"]}
    assert team.ask("PUT", "/v2/shared/app/manifests/v2", ANN, manifest, **kind)[0] == 201
    assert team.status("DELETE", f"/v2/shared/app/manifests/{digest}", ANN) == 409
    assert team.status("DELETE", "/v2/shared/app/manifests/v2", ANN) == 202
    assert team.status("DELETE", f"/v2/shared/app/manifests/{digest}", ANN) == 202
