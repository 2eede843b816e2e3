"""Client certificates as identities (U16), SPIFFE names (U32), and zot's sample configurations of TLS as they act."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
from cryptography import x509

from tests.access.conftest import line
from tests.access.guarded import basic
from tests.certificates import Authority, Files
from tests.http import wire
from tests.http.test_tls import is_ready
from tests.serving import Server, serving, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

SAMPLES: Final = Path(__file__).parents[3] / "shared" / "configs" / "zot"
SPIFFE: Final = "^spiffe://example[.]org/ns/prod/sa/([a-z]+)$"
RULES: Final = {
    "repositories": {
        "open/**": {"anonymousPolicy": ["read"], "defaultPolicy": ["read"]},
        "team/**": {
            "policies": [
                {"users": ["ann", "builder"], "actions": ["read", "create"]},
                {
                    "users": ["bob"],
                    "actions": ["read", "create"],
                    "conditions": [
                        {"expression": 'req.tls.client.subject.endsWith("O=example")', "message": "show a certificate"}
                    ],
                },
            ]
        },
    }
}


@dataclass(frozen=True, slots=True)
class Secured:
    """A registry that asks for certificates, and who has some."""

    server: Server
    authority: Authority
    shown: Files

    def ask(
        self,
        context: ssl.SSLContext,
        method: str,
        path: str,
        headers: Mapping[str, str] | None = None,
    ) -> tuple[int, Mapping[str, str], bytes]:
        """One request on a connection of its own."""
        connection = self.connection(context)
        try:
            connection.request(method, path, headers=dict(headers or {}))
            answer = connection.getresponse()
            return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
        finally:
            connection.close()

    def status(self, context: ssl.SSLContext, method: str, path: str, headers: Mapping[str, str] | None = None) -> int:
        return self.ask(context, method, path, headers)[0]

    def connection(self, context: ssl.SSLContext) -> http.client.HTTPSConnection:
        return http.client.HTTPSConnection("127.0.0.1", self.server.port, timeout=60, context=context)

    def is_let_in(self, context: ssl.SSLContext) -> bool:
        """Whether the handshake succeeds; in TLS 1.3 a client learns of a refusal when it reads."""
        try:
            return self.status(context, "GET", "/livez") == 200
        except (ssl.SSLError, ConnectionError, http.client.RemoteDisconnected):
            return False

    def audit(self) -> list[dict[str, str]]:
        return [json.loads(one) for one in (self.server.root.parent / "audit.log").read_text().splitlines()]


def client(authority: Authority, name: str, *names: x509.GeneralName, **more: Any) -> ssl.SSLContext:
    return authority.client(authority.issue(name, names, **more))


@contextlib.contextmanager
def asking(root: Path, *, require: bool = False, **settings: Any) -> Iterator[Secured]:
    """A registry that believes the authority beside it."""
    authority = Authority(root / "authority")
    shown = authority.server()
    tls = {**shown.settings, "cacert": str(authority.file), "requireClient": require}
    more = {"workers": 1, "accessControl": RULES, "tls": tls, **settings}
    trust = authority.client(authority.issue("probe")) if require else authority.trust
    with serving(root / "registry", trust, http=more, log={"audit": str(root / "audit.log")}) as server:
        yield Secured(server, authority, shown)


@pytest.fixture(scope="module")
def team(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    """By password, and by a URI that is a workload's or else a common name."""
    root = tmp_path_factory.mktemp("team")
    (root / "htpasswd").write_text(line("bob", "builder") + line("ann", "right"))
    mtls = {"identityAttributes": ["URI", "CommonName"], "uriSanPattern": SPIFFE}
    auth = {"htpasswd": {"path": str(root / "htpasswd")}, "mtls": mtls}
    with asking(root, auth=auth) as secured:
        yield secured


UPLOADS: Final = "/v2/team/app/blobs/uploads/"


def test_a_certificate_is_its_owner_where_no_other_name_is_given(team: Secured) -> None:
    ann = client(team.authority, "ann")
    assert team.status(ann, "GET", "/v2/") == 200
    assert team.status(ann, "POST", UPLOADS) == 202
    assert team.status(ann, "POST", "/v2/open/app/blobs/uploads/") == 403
    pushed = [one for one in team.audit() if (one["user"], one["method"]) == ("ann", "POST")]
    assert {(one["by"], one["certificate"], one["status"]) for one in pushed} == {
        ("mtls", "CN=ann,O=example", "202"),
        ("mtls", "CN=ann,O=example", "403"),
    }


def test_a_workload_is_named_by_its_spiffe_id_and_has_the_rights_of_its_name(team: Secured) -> None:
    builder = client(team.authority, "job-1", x509.UniformResourceIdentifier("spiffe://example.org/ns/prod/sa/builder"))
    other = client(team.authority, "job-2", x509.UniformResourceIdentifier("spiffe://example.org/ns/test/sa/builder"))
    assert team.status(builder, "POST", UPLOADS) == 202
    assert team.status(other, "POST", UPLOADS) == 403  # it is "job-2", by its common name
    assert {one["user"] for one in team.audit() if one["by"] == "mtls"} >= {"builder", "job-2"}


def test_without_a_certificate_everybody_reads_what_is_open_and_logs_in_for_the_rest(team: Secured) -> None:
    nobody = team.authority.trust
    assert team.status(nobody, "GET", "/v2/open/app/tags/list") == 404
    status, headers, _ = team.ask(nobody, "POST", UPLOADS)
    assert status == 401
    assert headers["www-authenticate"].startswith(f'Bearer realm="https://127.0.0.1:{team.server.port}/auth/token"')
    assert team.status(nobody, "POST", UPLOADS, basic("ann", "right")) == 202
    assert team.status(nobody, "POST", UPLOADS, basic("ann", "wrong")) == 401


def test_a_login_goes_before_a_certificate_and_an_empty_one_does_not(team: Secured) -> None:
    job = client(team.authority, "job-3")
    assert team.status(job, "POST", UPLOADS) == 403
    assert team.status(job, "POST", UPLOADS, basic("ann", "right")) == 202
    assert team.status(job, "POST", UPLOADS, basic("ann", "wrong")) == 401
    assert team.status(client(team.authority, "ann"), "POST", UPLOADS, basic("", "")) == 202


def test_a_token_got_with_a_certificate_is_for_its_owner(team: Secured) -> None:
    path = "/auth/token?service=holdfast&scope=repository:team/app:pull,push"
    _, _, body = team.ask(client(team.authority, "ann"), "GET", path)
    token = {"Authorization": f"Bearer {json.loads(body)['token']}"}
    assert team.status(team.authority.trust, "POST", UPLOADS, token) == 202
    assert team.status(team.authority.trust, "POST", "/v2/team/other/blobs/uploads/", token) == 401


def test_a_condition_asks_for_a_certificate_whoever_logs_in(team: Secured) -> None:
    status, _, body = team.ask(team.authority.trust, "POST", UPLOADS, basic("bob", "builder"))
    assert status == 403
    assert json.loads(body)["errors"][0]["detail"]["reason"] == "show a certificate"
    assert team.status(client(team.authority, "job-4"), "POST", UPLOADS, basic("bob", "builder")) == 202


def test_certificates_of_others_expired_ones_and_those_of_servers_are_refused_in_the_handshake(
    team: Secured, tmp_path: Path
) -> None:
    stranger = Authority(tmp_path, "strangers").issue("ann")
    foreign = ssl.create_default_context(cafile=str(team.authority.file))
    foreign.load_cert_chain(stranger.certificate, stranger.key)
    old = client(team.authority, "old", days=-1)
    server = team.authority.client(team.authority.server(name="other"))
    for context in (foreign, old, server):
        assert not team.is_let_in(context)
    assert team.is_let_in(team.authority.trust)
    assert team.server.told("certificate verify failed")


def test_one_that_names_nobody_is_refused_even_for_what_is_open(team: Secured) -> None:
    nameless = client(team.authority, "two", common_names=["ann", "builder"])
    status, _, body = team.ask(nameless, "GET", "/v2/open/app/tags/list")
    assert status == 401
    assert "names nobody" in json.loads(body)["errors"][0]["message"]


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_certificate_counts_when_a_session_is_taken_up_again(team: Secured, version: ssl.TLSVersion) -> None:
    ann = client(team.authority, "ann")
    ann.minimum_version = ann.maximum_version = version
    first = team.connection(ann)
    first.request("GET", "/v2/")
    sock = first.sock
    first.getresponse().read()  # in TLS 1.3 the session comes with the first answer
    session = sock.session
    first.close()
    again = team.connection(ann)
    again.sock = ann.wrap_socket(wire.connect(team.server.port), server_hostname="127.0.0.1", session=session)
    assert again.sock.session_reused
    again.request("POST", UPLOADS)
    assert again.getresponse().status == 202
    again.close()


def test_where_one_is_required_nobody_comes_in_without(tmp_path: Path) -> None:
    with asking(tmp_path, require=True) as secured:
        wait_for("it to be announced", lambda: secured.server.told('"event": "serving"'))
        assert not secured.is_let_in(secured.authority.trust)
        assert secured.is_let_in(client(secured.authority, "ann"))
        assert is_ready(secured.server.port)


def sample(name: str, **paths: str) -> dict[str, Any]:
    """A sample configuration's http block with its paths rewritten."""
    path = SAMPLES / name
    if not path.exists() and os.environ.get("CI") != "true":
        pytest.skip("the folder shared/configs with the sample configurations is not beside this clone")
    found: dict[str, Any] = json.loads(path.read_text())["http"]
    found["tls"] = {key: paths[key] for key in found["tls"]}
    del found["address"], found["port"]
    return found


def test_zots_sample_of_tls_serves_https_and_ends_a_handshake_that_stops(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "authority")
    settings = sample("config-tls.json", **authority.server().settings)
    with serving(tmp_path / "registry", authority.trust, http=settings | {"workers": 1, "idleTimeout": "2s"}) as server:
        assert server.request("GET", "/v2/")[0] == 200
        wait_for("it to be announced", lambda: server.told(f"https://127.0.0.1:{server.port}"))
        with wire.connect(server.port) as sock:
            sock.sendall(b"\x16\x03\x01")
            assert wire.read_all(sock) == b""


def test_zots_sample_of_mutual_tls_lets_its_user_create_and_others_read_until_they_are_revoked(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "authority")
    shown = authority.server()
    settings = sample("config-mtls.json", **shown.settings, cacert=str(authority.file))
    with serving(tmp_path / "registry", authority.trust, http=settings | {"workers": 1}) as server:
        secured = Secured(server, authority, shown)
        assert secured.status(authority.trust, "GET", "/v2/a/tags/list") == 401
        user, other = client(authority, "clientuser"), client(authority, "other")
        assert secured.status(user, "POST", "/v2/a/blobs/uploads/") == 202
        assert secured.status(other, "GET", "/v2/a/tags/list") == 404
        assert secured.status(other, "POST", "/v2/a/blobs/uploads/") == 403

        standing = secured.connection(other)
        assert ended_with(standing) == "keep-alive"
        fresh = tmp_path / "fresh"
        fresh.write_bytes(authority.file.read_bytes() + authority.revocations("other"))
        fresh.replace(authority.file)
        wait_for("the list to be read", lambda: server.told("took the new certificate"))
        assert not secured.is_let_in(other)
        assert secured.is_let_in(user)
        assert ended_with(standing) == "close"
        standing.close()


def ended_with(connection: http.client.HTTPSConnection) -> str | None:
    """What the server says of this connection after one more answer."""
    connection.request("GET", "/v2/")
    answer = connection.getresponse()
    assert (answer.status, answer.read()) == (200, b"{}")
    return answer.getheader("Connection")
