"""``holdfast token inspect``: what is told of a token, and what is not."""

from __future__ import annotations

import contextlib
import json
import os
from typing import TYPE_CHECKING, Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from typer.testing import CliRunner

from gateway.access.tokens import Tokens
from gateway.access.ways import Proven, Standing
from holdfast.access.identity import Identity
from holdfast.access.scopes import Scope
from holdfast.cli import app
from holdfast.clock import SystemClock
from holdfast.meta.signing import SigningKeys, known_keys
from holdfast.meta.sqlite import SqliteStore
from tests.access.issuer import LocalIssuer
from tests.unit.access.test_key_sources import jwk, pem

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KEY, OTHER = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())


def told(text: str, *arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["token", "inspect", *arguments], input=text)
    return result.exit_code, result.output


@pytest.fixture(scope="module")
def issuer() -> Iterator[LocalIssuer]:
    with LocalIssuer() as local:
        yield local


def config(root: Path, **bearer: Any) -> str:
    path = root / "config.json"
    http = {"auth": {"bearer": {"realm": "https://auth.example/token", "service": "us", **bearer}}}
    path.write_text(json.dumps({"storage": {"rootDirectory": str(root / "data")}, "http": http}))
    return str(path)


def trusting(root: Path, issuer: LocalIssuer, **more: Any) -> str:
    entry = {"issuer": issuer.url, "audiences": ["registry"], "certificateAuthority": issuer.authority}
    return config(root, oidc=[{**entry, "claimMapping": {"username": "claims.sub", "groups": "claims.roles"}}], **more)


def test_what_a_token_says_is_shown_without_its_signature(issuer: LocalIssuer) -> None:
    access = [{"type": "repository", "name": "team/app", "actions": ["pull", "push"]}]
    text = issuer.token(access=access, nbf=1_700_000_000, odd="\u001b[31m")
    code, said = told(f"Bearer {text}\n")
    assert code == 0
    for line in ("header alg        ES256", "sub               ann", "repository:team/app:pull,push", "in 9 minutes ("):
        assert line in said
    assert "2023-11-14 22:13:20 UTC" in said
    assert "give --config" in said
    assert "\u001b" not in said
    assert text.split(".")[2] not in said
    assert "sub               ann" in told("", text)[1]


def test_a_token_of_an_issuer_that_is_trusted_counts_and_names_its_user(issuer: LocalIssuer, tmp_path: Path) -> None:
    code, said = told(issuer.token(roles=["makers"]), "--config", trusting(tmp_path, issuer))
    assert (code, f"by the issuer {issuer.url}\nfor ann, in makers\nit counts\n" in said) == (0, True)


def test_every_reason_why_a_token_does_not_count_is_told(issuer: LocalIssuer, tmp_path: Path) -> None:
    file = trusting(tmp_path, issuer)
    forged = jwt.encode(
        issuer.claims(aud="others", exp=1_700_000_000, roles=[]), OTHER, "ES256", headers={"kid": issuer.keys[-1][0]}
    )
    code, said = told(forged, "--config", file, "--json")
    answer = json.loads(said)
    assert (code, answer["counts"]) == (1, False)
    assert answer["reasons"][:2] == [
        "the signature is not by that key, or the token was changed",
        "it is for others, and not for registry",
    ]
    assert "days ago (2023-11-14" in answer["reasons"][2]
    assert (
        told(issuer.token({"kid": "?"}, roles=[]), "-c", file)[1].count("none of its signer's 1 keys has the id") == 1
    )
    assert "HS256 is no algorithm of the key" in told(issuer.token({"alg": "HS256"}, roles=[]), "-c", file)[1]
    assert "it begins in" in told(issuer.token(nbf=4_000_000_000, roles=[]), "-c", file)[1]
    assert "it has no end" in told(issuer.token(exp=None, roles=[]), "-c", file)[1]
    assert "lacks what" in told(issuer.token(), "-c", file)[1]
    assert "trusts no issuer of that name" in told(issuer.token(iss="https://x"), "-c", file)[1]


def test_a_token_service_and_its_keys_are_named(issuer: LocalIssuer, tmp_path: Path) -> None:
    keys = tmp_path / "keys.json"
    keys.write_text(json.dumps({"keys": [jwk(KEY, kid="one")]}))
    file = trusting(tmp_path, issuer, cert=str(keys))
    mine = jwt.encode(issuer.claims(aud="us"), KEY, "ES256", headers={"kid": "one"})
    code, said = told(mine, "-c", file)
    assert (code, "by the token service at https://auth.example/token\nit counts" in said) == (0, True)
    keys.write_text(pem(OTHER))
    assert told(mine, "-c", file)[0] == 1


@pytest.mark.parametrize("text", ["", "a password", "a.b.c", "e30.e30.e30"])
def test_what_is_no_token_is_not_repeated(text: str) -> None:
    code, said = told(text)
    assert (code, "no signed token" in said) == (1, True)
    assert "password" not in said


def test_a_configuration_that_is_refused_is_told_so(issuer: LocalIssuer, tmp_path: Path) -> None:
    assert told(issuer.token(), "-c", config(tmp_path, cert="/nonexistent"))[0] == 78


def test_ours_are_known_by_the_keys_in_the_metadata(tmp_path: Path, issuer: LocalIssuer) -> None:
    file, clock = trusting(tmp_path, issuer), SystemClock()
    database = tmp_path / "data" / "meta" / "holdfast.db"
    database.parent.mkdir(parents=True)
    empty = jwt.encode(issuer.claims(iss="holdfast", aud="holdfast"), "k" * 32, "HS256", headers={"kid": "1"})
    with contextlib.closing(SqliteStore(database, clock)) as store:
        assert "none of its signer's 0 keys" in told(empty, "-c", file)[1]
        assert known_keys(store) == []  # looking makes none
        keys = SigningKeys(store, lambda: os.urandom(16), lambda: os.urandom(32), clock)
        tokens = Tokens(keys, lambda _: Standing("mark"), clock)
        ann = Proven(Identity("ann"), account="htpasswd:ann")
        token = tokens.access(ann, [Scope("repository", "a", ("pull",))])
        code, said = told(token, "-c", file)
        assert (code, "by this installation\nit counts" in said) == (0, True)
        assert "allows            repository:a:pull" in said
        mark = jwt.decode(token, options={"verify_signature": False})["by"]
        assert mark not in said + told(token, "--json")[1]
        assert "is a refresh token" in told(tokens.refresh(ann), "-c", file)[1]
        assert "the signature is not by that key" in told(empty, "-c", file)[1]
