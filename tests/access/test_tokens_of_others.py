"""Tokens that others have signed, at a real registry: an issuer of ID tokens, a token service, keys at AWS."""

from __future__ import annotations

import base64
import contextlib
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.access.guarded import Guarded, basic
from tests.access.issuer import LocalIssuer
from tests.access.test_users import push
from tests.serving import serving, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

CONTROLLER = "system:serviceaccount:flux-system:source-controller"
EVERYTHING = ["read", "create", "update", "delete"]
RULES = {
    "repositories": {
        "**": {
            "policies": [
                {"users": [CONTROLLER], "actions": EVERYTHING},
                {"groups": ["readers"], "actions": ["read"]},
            ]
        },
        "open/**": {"anonymousPolicy": ["read"], "policies": [{"users": [CONTROLLER], "actions": EVERYTHING}]},
    }
}
MAPPING = {
    "variables": [{"name": "parts", "expression": "claims.sub.startsWith('system:')"}],
    "validations": [{"expression": "vars.parts || has(claims.email)", "message": "people need an e-mail address"}],
    "username": "claims.sub",
    "groups": "has(claims.groups) ? claims.groups : []",
}


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def oidc(issuer: LocalIssuer, **more: Any) -> dict[str, Any]:
    return {"issuer": issuer.url, "audiences": ["zot"], "certificateAuthority": issuer.authority, **more}


@contextlib.contextmanager
def trusting(root: Path, **bearer_settings: Any) -> Iterator[Guarded]:
    settings = {"realm": "zot", "service": "zot-service", **bearer_settings}
    # Each process of a gateway has keys of its own; with one, what it knows is what the last answer showed.
    http = {"auth": {"bearer": settings}, "accessControl": RULES, "workers": 1}
    with serving(root / "registry", http=http, log={"audit": str(root / "audit.log")}) as server:
        yield Guarded(server, root / "none")


@pytest.fixture(scope="module")
def issuer() -> Iterator[LocalIssuer]:
    with LocalIssuer() as local:
        yield local


@pytest.fixture(scope="module")
def away() -> LocalIssuer:
    with LocalIssuer() as local:
        return local


@pytest.fixture(scope="module")
def registry(issuer: LocalIssuer, away: LocalIssuer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    trusted = [oidc(issuer, claimMapping=MAPPING), oidc(away)]
    with trusting(tmp_path_factory.mktemp("oidc"), oidc=trusted) as guarded:
        yield guarded


def test_a_workload_pushes_and_pulls_with_its_id_token(registry: Guarded, issuer: LocalIssuer) -> None:
    token = issuer.token(sub=CONTROLLER, aud=["zot", "https://zot.example.com"])
    assert push(registry, bearer(token), "flux/app", "v1")[0] == 201
    assert registry.status("GET", "/v2/flux/app/manifests/v1", bearer(token)) == 200
    assert registry.status("GET", "/v2/", bearer(token)) == 200
    reader = bearer(issuer.token(sub="ann", email="ann@example.com", groups=["readers"], aud="zot"))
    assert registry.status("GET", "/v2/flux/app/manifests/v1", reader) == 200
    assert registry.status("DELETE", "/v2/flux/app/manifests/v1", reader) == 403
    assert registry.status("GET", "/v2/flux/app/manifests/v1") == 401
    (pushed,) = [one for one in registry.audit() if one["method"] == "PUT"]
    assert (pushed["user"], pushed["by"]) == (CONTROLLER, "oidc")


def test_the_claims_say_who_it_is_and_not_the_name_that_was_typed(registry: Guarded, issuer: LocalIssuer) -> None:
    reader = issuer.token(sub="bob", email="bob@example.com", groups=["readers"], aud="zot")
    got = registry.token(basic("admin", reader), "repository:flux/app:pull,push")
    claims = jwt.decode(got["Authorization"].removeprefix("Bearer "), options={"verify_signature": False})
    assert (claims["iss"], claims["sub"]) == ("holdfast", "bob")
    assert claims["access"] == [{"type": "repository", "name": "flux/app", "actions": ["pull"]}]
    assert registry.status("GET", "/v2/flux/app/tags/list", got) in {200, 404}
    assert registry.status("POST", "/v2/flux/app/blobs/uploads/", got) in {401, 403}
    assert registry.status("GET", "/v2/flux/app/tags/list", basic("x", reader)) in {200, 404}


def test_zots_address_of_the_token_endpoint_gives_tokens_too(registry: Guarded, issuer: LocalIssuer) -> None:
    who = basic("oidc", issuer.token(sub=CONTROLLER, aud="zot"))
    status, headers, body = registry.ask("GET", f"/zot/auth/token?scope={quote('repository:flux/two:pull,push')}", who)
    answer = json.loads(body)
    assert (status, headers["cache-control"], answer["expires_in"]) == (200, "no-store", 300)
    assert push(registry, bearer(answer["token"]), "flux/two", "v1")[0] == 201
    form = urlencode({"grant_type": "password", "username": "x", "password": issuer.token(sub=CONTROLLER, aud="zot")})
    assert registry.status("POST", "/zot/auth/token", None, form.encode()) == 200
    assert registry.status("GET", "/zot/auth/token", basic("ann", "a password")) == 401


def test_nobody_in_particular_reads_what_is_open(registry: Guarded, issuer: LocalIssuer) -> None:
    assert push(registry, bearer(issuer.token(sub=CONTROLLER, aud="zot")), "open/app", "v1")[0] == 201
    assert registry.status("GET", "/v2/open/app/manifests/v1") == 200
    anonymous = registry.token(None, "repository:open/app:pull")
    assert registry.status("GET", "/v2/open/app/manifests/v1", anonymous) == 200


def test_a_challenge_leads_to_an_endpoint_that_is_there(registry: Guarded) -> None:
    status, headers, _ = registry.ask("GET", "/v2/")
    assert status == 401
    assert f'Bearer realm="http://{registry.host}/auth/token",service="zot-service"' in headers["www-authenticate"]


def test_what_a_validation_refuses_is_told_why(registry: Guarded, issuer: LocalIssuer) -> None:
    status, _, body = registry.ask("GET", "/v2/", bearer(issuer.token(sub="ann", aud="zot")))
    assert status == 401
    assert "people need an e-mail address" in json.loads(body)["errors"][0]["message"]


def test_tokens_that_do_not_count_open_nothing_and_break_nothing(registry: Guarded, issuer: LocalIssuer) -> None:
    kid, key = issuer.keys[-1]
    good = issuer.claims(sub=CONTROLLER, aud="zot")
    pem = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    head, body, signature = issuer.token(sub=CONTROLLER, aud="zot").split(".")
    stranger = ec.generate_private_key(ec.SECP256R1())
    jwk = jwt.algorithms.ECAlgorithm.to_jwk(stranger.public_key(), as_dict=True)
    attacks = [
        jwt.encode(good, None, "none", headers={"kid": kid}),
        jwt.api_jws.encode(json.dumps(good).encode(), pem.hex(), "HS256", {"kid": kid}),
        jwt.encode(good, stranger, "ES256", headers={"kid": kid, "jwk": jwk, "jku": f"{issuer.url}/x", "x5u": "x"}),
        issuer.token({"kid": "../../../etc/passwd"}, sub=CONTROLLER, aud="zot"),
        issuer.token({"kid": ["a"]}, sub=CONTROLLER, aud="zot"),
        issuer.token({"crit": ["b64"], "b64": True}, sub=CONTROLLER, aud="zot"),
        issuer.token(sub=CONTROLLER, aud="other"),
        issuer.token(sub=CONTROLLER, aud="zot", exp=1),
        issuer.token(sub=CONTROLLER, aud="zot", iss=f"{issuer.url}/"),
        issuer.token(sub=["a"], email="x", aud="zot"),
        issuer.token(sub="system:\u0000", aud="zot"),
        f"{head}.{body}.",
        f"{head}.{body}.{signature[:-4]}AAAA",
        f"{head}.{body}.{signature}.{signature}",
        "..",
        "x" * 5_000,
    ]
    found = {registry.status("GET", "/v2/flux/app/tags/list", bearer(attack)) for attack in attacks}
    assert found == {401}
    assert {registry.status("GET", "/auth/token", basic("x", attack)) for attack in attacks} == {401}
    assert not [asked for asked in issuer.asked if asked[1] == "/x"]
    log = (registry.server.root / "log").read_text()
    assert "unexpected error" not in log
    assert signature not in log
    assert body not in log


def test_an_issuer_that_is_away_is_no_refusal_and_in_nobodys_way(
    registry: Guarded, issuer: LocalIssuer, away: LocalIssuer
) -> None:
    status, headers, _ = registry.ask("GET", "/v2/", bearer(away.token(aud="zot")))
    assert (status, headers["retry-after"]) == (503, "5")
    assert registry.status("GET", "/v2/", bearer(issuer.token(sub=CONTROLLER, aud="zot"))) == 200
    assert {line["source"] for line in registry.logged("cannot be fetched")} == {away.url}


def test_a_new_key_of_the_issuer_counts_without_a_restart(registry: Guarded, issuer: LocalIssuer) -> None:
    issuer.rotate()
    token = bearer(issuer.token(sub=CONTROLLER, aud="zot"))
    wait_for("the new key", lambda: registry.status("GET", "/v2/", token) == 200)


@contextlib.contextmanager
def acting(sample: str, root: Path, issuer: LocalIssuer) -> Iterator[Guarded]:
    """A registry on a sample of zot's; its issuer is ours, and so are its places."""
    path = Path(__file__).parents[3] / "shared" / "configs" / "zot" / sample
    if not path.exists() and os.environ.get("CI") != "true":
        pytest.skip("the folder shared/configs with the sample configurations is not beside this clone")
    http = json.loads(path.read_text())["http"]
    http["auth"]["bearer"]["oidc"][0]["issuer"] = issuer.url
    own = {name: value for name, value in http.items() if name not in {"address", "port"}}
    with serving(root / "registry", http=own) as server:
        yield Guarded(server, root / "none")


def test_zots_sample_for_workloads_acts(tmp_path: Path) -> None:
    with LocalIssuer(plain=True) as plain, acting("config-bearer-oidc-workload.json", tmp_path, plain) as registry:
        controller = bearer(plain.token(sub=CONTROLLER, aud="https://zot.example.com"))
        assert push(registry, controller, "flux/app", "v1")[0] == 201
        assert registry.status("DELETE", "/v2/flux/app/manifests/v1", controller) == 202
        other = bearer(plain.token(sub="system:serviceaccount:default:default", aud="zot"))
        assert registry.status("GET", "/v2/flux/app/tags/list", other) == 403
        assert registry.status("GET", "/v2/flux/app/tags/list", bearer(plain.token(sub=CONTROLLER, aud="x"))) == 401
        assert registry.status("GET", "/v2/flux/app/tags/list") == 401


class Service:
    """A token service with a key of its own."""

    def __init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())

    def pem(self) -> str:
        form = serialization.PublicFormat.SubjectPublicKeyInfo
        return self.key.public_key().public_bytes(serialization.Encoding.PEM, form).decode()

    def jwks(self, kid: str) -> str:
        jwk = jwt.algorithms.ECAlgorithm.to_jwk(self.key.public_key(), as_dict=True)
        return json.dumps({"keys": [{**jwk, "kid": kid, "alg": "ES256", "use": "sig"}]})

    def token(self, issuer: LocalIssuer, kid: str, *access: dict[str, Any], **changes: Any) -> dict[str, str]:
        claims = issuer.claims(aud="myauth", access=list(access), **changes)
        return bearer(jwt.encode(claims, self.key, "ES256", headers={"kid": kid}))


def entry(name: str, *actions: str, **more: Any) -> dict[str, Any]:
    return {"type": "repository", "name": name, "actions": list(actions), **more}


def test_a_token_service_and_an_issuer_side_by_side(issuer: LocalIssuer, tmp_path: Path) -> None:
    service, later, keys = Service(), Service(), tmp_path / "keys.json"
    keys.write_text(service.jwks("one"))
    asked: list[tuple[str | None, dict[str, list[str]]]] = []

    def give(handler: Any) -> None:
        asked.append((handler.headers.get("Authorization"), handler.query or handler.form))
        handler.say({"token": "theirs"} if handler.headers.get("Authorization") else {"errors": []}, 200)

    with LocalIssuer(plain=True) as upstream:
        upstream.route("/token", give)
        realm = "https://auth.example/token"
        settings = {
            "realm": realm,
            "service": "myauth",
            "cert": str(keys),
            "oidc": [oidc(issuer, claimMapping={"username": "claims.sub"})],
            "upstreamTokenEndpoint": {"realm": f"{upstream.url}/token", "service": "theirs"},
        }
        with trusting(tmp_path, **settings) as registry:
            scoped = service.token(issuer, "one", entry("flux/app", "pull", "push"), sub=CONTROLLER)
            assert push(registry, scoped, "flux/app", "v1")[0] == 201
            assert registry.status("GET", "/v2/other/tags/list", scoped) == 401
            ended = service.token(issuer, "one", entry("flux/app", "pull", exp=1), sub=CONTROLLER)
            assert registry.status("GET", "/v2/flux/app/tags/list", ended) == 401
            assert f'realm="{realm}"' in registry.ask("GET", "/v2/")[1]["www-authenticate"]
            whole = issuer.token(sub=CONTROLLER, aud="zot")
            assert registry.status("GET", "/v2/flux/app/tags/list", bearer(whole)) == 200
            assert registry.status("GET", "/v2/flux/app/tags/list") == 401

            mine = registry.token(basic("x", whole), "repository:flux/app:pull")
            assert registry.status("GET", "/v2/flux/app/tags/list", mine) == 200
            assert asked == []
            hidden = {"Cookie": "a=b", "X-Secret": "s"}
            status, headers, body = registry.ask(
                "GET", "/zot/auth/token?service=x&scope=a&scope=b&evil=1&account=ann", basic("ann", "pw"), **hidden
            )
            assert (status, json.loads(body), headers["content-type"]) == (200, {"token": "theirs"}, "application/json")
            assert asked == [
                (basic("ann", "pw")["Authorization"], {"service": ["theirs"], "scope": ["a", "b"], "account": ["ann"]})
            ]
            form = urlencode({"grant_type": "refresh_token", "refresh_token": "r", "service": "x", "evil": "1"})
            assert registry.status("POST", "/auth/token", None, form.encode()) == 200
            assert asked[-1][1] == {"service": ["theirs"], "grant_type": ["refresh_token"], "refresh_token": ["r"]}
            for bad in (
                lambda handler: handler.say({}, 302, Location=f"{upstream.url}/keys"),
                lambda handler: handler.say(b"x" * 600_000),
                lambda handler: handler.say({}, 500),
            ):
                upstream.route("/token", bad)
                assert registry.status("GET", "/auth/token", basic("ann", "pw")) == 503

            keys.write_text(later.jwks("two"))
            renewed = later.token(issuer, "two", entry("flux/app", "pull"), sub=CONTROLLER)
            wait_for("the file", lambda: registry.status("GET", "/v2/flux/app/tags/list", renewed) == 200)
            keys.write_text("nothing")
            wait_for("it to be noticed", lambda: _asked_and_told(registry, renewed))
            assert registry.status("GET", "/v2/flux/app/tags/list", renewed) == 200
            assert base64.b64encode(b"ann:pw").decode() not in (registry.server.root / "log").read_text()


def _asked_and_told(registry: Guarded, token: dict[str, str]) -> bool:
    registry.status("GET", "/v2/flux/app/tags/list", token)
    return bool(registry.logged("the last that could be hold"))
