"""Users of a directory (U17), over HTTP: groups, tokens, a password file beside it, and the sample configuration of zot."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import pytest

from tests.access.conftest import line
from tests.access.guarded import Guarded, basic
from tests.access.slapd import GROUPS, PEOPLE, group, slapd
from tests.serving import serving, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.access.slapd import Slapd

ALICE = basic("alice", "alicepw")
BOB = basic("bob", "bobpw")
CARL = basic("carl", "filed")
DEVS = f"cn=devs,{GROUPS}"
RULES = {
    "repositories": {
        "dev/**": {"policies": [{"groups": ["devs"], "actions": ["read", "create"]}]},
        "whole/**": {"policies": [{"groups": [DEVS], "actions": ["read", "create"]}]},
        "all/**": {"policies": [{"groups": ["staff"], "users": ["carl"], "actions": ["read"]}]},
    }
}
SAMPLES = Path(__file__).parents[3] / "shared" / "configs" / "zot"


@pytest.fixture(scope="module")
def ldap(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slapd]:
    with slapd(tmp_path_factory.mktemp("slapd") / "d") as directory:
        yield directory


@pytest.fixture(scope="module")
def registry(ldap: Slapd, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    with beside_a_file(tmp_path_factory.mktemp("registry"), ldap) as made:
        yield made


@contextlib.contextmanager
def beside_a_file(root: Path, ldap: Slapd) -> Iterator[Guarded]:
    """A registry where carl is in the password file, and alice too with another password than in the directory."""
    passwords = root / "htpasswd"
    passwords.write_text(line("carl", "filed") + line("alice", "filed"))
    auth = {"htpasswd": {"path": str(passwords)}, "ldap": ldap.settings()}
    http = {"auth": auth, "accessControl": RULES, "workers": 1}
    with serving(root / "registry", http=http, log={"audit": str(root / "audit.log")}) as server:
        yield Guarded(server, passwords)


def test_users_of_the_directory_and_of_the_file_log_in_each_by_their_own_way(registry: Guarded) -> None:
    for who in (ALICE, BOB, CARL):
        assert registry.status("GET", "/v2/", who) == 200
        assert registry.status("GET", "/v2/", registry.token(who)) == 200
    for who in (basic("alice", "filed"), basic("alice", ""), basic("*", "alicepw"), basic("nobody", "alicepw")):
        assert registry.status("GET", "/v2/", who) == 401
    assert registry.status("POST", "/v2/dev/a/blobs/uploads/", ALICE) == 202
    assert registry.audit()[-1]["by"] == "ldap"


@pytest.mark.parametrize("by_token", [False, True])
def test_groups_of_the_directory_decide_by_short_name_and_by_whole_name(registry: Guarded, by_token: bool) -> None:
    for repo, allowed in (("dev/a", [ALICE]), ("whole/a", [ALICE])):
        for who in (ALICE, BOB, CARL):
            shown = registry.token(who, f"repository:{repo}:pull,push") if by_token else who
            status = registry.status("POST", f"/v2/{repo}/blobs/uploads/", shown)
            assert status in ((202,) if who in allowed else (401, 403))
    for who in (ALICE, BOB, CARL):
        shown = registry.token(who, "repository:all/a:pull") if by_token else who
        assert registry.status("GET", "/v2/all/a/manifests/v1", shown) == 404


def test_no_secret_of_the_directory_or_of_its_users_is_logged(registry: Guarded) -> None:
    registry.status("GET", "/v2/", ALICE)
    registry.status("GET", "/v2/", basic("alice", "mistyped"))
    written = (registry.server.root / "log").read_text() + (registry.server.root.parent / "audit.log").read_text()
    assert "alice" in written
    for secret in ("readerpw", "alicepw", "bobpw", "mistyped"):
        assert secret not in written


def refreshed(registry: Guarded, refresh: str) -> int:
    form = urlencode({"grant_type": "refresh_token", "service": "holdfast", "refresh_token": refresh}).encode()
    kind = "application/x-www-form-urlencoded"
    return registry.ask("POST", "/auth/token", None, form, **{"Content-Type": kind})[0]


def test_with_the_directory_down_file_users_go_on_and_tokens_stand_and_fall_with_its_entries(tmp_path: Path) -> None:
    with slapd(tmp_path / "d") as ldap:
        with beside_a_file(tmp_path, ldap) as registry:
            alice, bob = (registry.answer(who, offline_token="true")["refresh_token"] for who in (ALICE, BOB))
            assert [refreshed(registry, one) for one in (alice, bob)] == [200, 200]
        ldap.remove("alice")
        ldap.stop()
        with beside_a_file(tmp_path, ldap) as registry:
            assert registry.status("GET", "/v2/", CARL) == 200
            assert registry.status("GET", "/v2/", registry.token(CARL)) == 200
            status, headers, body = registry.ask("GET", "/v2/", BOB)
            assert (status, "retry-after" in headers) == (503, True)
            assert json.loads(body)["errors"][0]["code"] == "UNAVAILABLE"
            assert refreshed(registry, bob) == 503
            ldap.start()
            wait_for("the directory to be asked again", lambda: refreshed(registry, bob) == 200)
            assert registry.status("GET", "/v2/", BOB) == 200
            assert refreshed(registry, alice) == 401
            assert registry.status("GET", "/v2/", ALICE) == 401
            told = [one["event"] for one in registry.logged("directory of users")]
            assert [("cannot be asked" in event, "answers again" in event) for event in told] == [
                (True, False),
                (False, True),
            ]


def test_the_sample_configuration_with_a_directory_acts(ldap: Slapd, tmp_path: Path) -> None:
    path = SAMPLES / "config-ldap.json"
    if not path.exists() and os.environ.get("CI") != "true":
        pytest.skip("the folder shared/configs with the sample configurations is not beside this clone")
    # Its names become those of our directory.
    text = path.read_text().replace("ou=Users,dc=example,dc=org", PEOPLE).replace("ou=Groups,dc=example,dc=org", GROUPS)
    http = json.loads(text)["http"]
    del http["tls"], http["address"], http["port"]
    http["auth"]["failDelay"] = 0
    http["auth"]["ldap"] |= {"address": "localhost", "port": ldap.tls_port, "credentialsFile": str(ldap.credentials)}
    ldap.change(*group("ldap-group", "bob"), "", *group("admins", "alice"))
    with serving(tmp_path / "registry", http=http) as server:
        registry = Guarded(server, tmp_path / "none")
        assert registry.status("GET", "/v2/", basic("alice", "bobpw")) == 401
        assert registry.status("GET", "/v2/") == 401
        for who, status in ((ALICE, 202), (BOB, 202), (basic("w*ld", "w*ldpw"), 403)):
            assert registry.status("POST", "/v2/app/blobs/uploads/", who) == status
        assert registry.status("GET", "/v2/repos2/repo/manifests/v1", basic("w*ld", "w*ldpw")) == 404
        for user, status in (("faraway", 200), ("locked", 401), ("twice", 401)):
            assert registry.status("GET", "/v2/", basic(user, f"{user}pw")) == status
