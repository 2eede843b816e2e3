"""Tokens of another service: its key alone decides, and nothing that a token says of itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from gateway.access.foreign import ForeignTokens
from holdfast.access.actions import Action
from holdfast.access.scopes import Grant
from holdfast.clock import ManualClock
from holdfast.errors import ConfigError, LoginRefusedError

if TYPE_CHECKING:
    from pathlib import Path

ACCESS = [{"type": "repository", "name": "team/app", "actions": ["pull"]}]
RSA = rsa.generate_private_key(65537, 2048)
EC = ec.generate_private_key(ec.SECP256R1())
OTHER = ec.generate_private_key(ec.SECP256R1())
EDWARDS = ed25519.Ed25519PrivateKey.generate()


def public(key: Any) -> bytes:
    found: bytes = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return found


@dataclass
class Door:
    path: Path
    clock: ManualClock = field(default_factory=ManualClock)

    def knows(self, key: Any) -> ForeignTokens:
        self.path.write_bytes(public(key))
        return ForeignTokens(self.path, "myauth", self.clock)

    def claims(self, **changes: Any) -> dict[str, Any]:
        now = int(self.clock.wall())
        made = {"iss": "x", "sub": "ann", "aud": "myauth", "nbf": now, "exp": now + 300, "access": ACCESS, **changes}
        return {name: value for name, value in made.items() if value is not None}

    def refuses(self, tokens: ForeignTokens, text: str) -> bool:
        try:
            tokens.read(text)
        except LoginRefusedError:
            return True
        return False


@pytest.fixture
def door(tmp_path: Path) -> Door:
    return Door(tmp_path / "key.pem")


@pytest.mark.parametrize(("key", "algorithm"), [(RSA, "RS256"), (RSA, "PS512"), (EC, "ES256"), (EDWARDS, "EdDSA")])
def test_a_token_is_good_for_what_it_names(door: Door, key: Any, algorithm: str) -> None:
    bearer = door.knows(key).read(jwt.encode(door.claims(aud=["x", "myauth"]), key, algorithm))
    assert bearer.identity.name == "ann"
    assert bearer.limits[0].allows(Action.READ, "team/app")
    assert not bearer.limits[0].allows(Action.CREATE, "team/app")
    assert not bearer.limits[0].allows(Action.READ, "team/other")


def test_a_token_for_nobody_in_particular_and_one_for_nothing(door: Door) -> None:
    tokens = door.knows(EC)
    assert tokens.read(jwt.encode(door.claims(sub=None), EC, "ES256")).identity.is_anonymous
    assert tokens.read(jwt.encode(door.claims(access=None), EC, "ES256")).limits == (Grant(()),)


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": "other"},
        {"aud": None},
        {"exp": None},
        {"exp": 1},
        {"exp": "soon"},
        {"nbf": 4_000_000_000},
        {"access": "everything"},
        {"access": [{"type": "repository"}]},
    ],
)
def test_claims_that_are_not_for_us_or_not_for_now(door: Door, changes: dict[str, Any]) -> None:
    assert door.refuses(door.knows(EC), jwt.encode(door.claims(**changes), EC, "ES256"))


def test_a_token_ends(door: Door) -> None:
    tokens, text = door.knows(EC), jwt.encode(door.claims(), EC, "ES256")
    assert not door.refuses(tokens, text)
    door.clock.advance(361)
    assert door.refuses(tokens, text)


def test_the_key_in_a_header_is_nobodys(door: Door) -> None:
    """CVE-2025-24976."""
    tokens = door.knows(EC)
    jwk = jwt.algorithms.ECAlgorithm.to_jwk(OTHER.public_key(), as_dict=True)
    for headers in ({}, {"jwk": jwk}, {"kid": "1"}, {"jku": "http://127.0.0.1/keys"}, {"x5c": ["MIIB"]}):
        assert door.refuses(tokens, jwt.encode(door.claims(), OTHER, "ES256", headers=headers))


def test_neither_no_signature_nor_the_public_key_as_a_secret_counts(door: Door) -> None:
    tokens = door.knows(RSA)
    assert door.refuses(tokens, jwt.encode(door.claims(), None, "none"))
    head, body, _ = jwt.encode(door.claims(), "k" * 32, "HS256").split(".")
    assert door.refuses(tokens, f"{head}.{body}.")
    assert door.refuses(tokens, jwt.encode(door.claims(), EC, "ES256"))


@pytest.mark.parametrize("text", ["", "a.b.c", "\0", "x" * 100_000, "é"])
def test_what_is_no_token(door: Door, text: str) -> None:
    assert door.refuses(door.knows(EC), text)


@pytest.mark.parametrize(
    "data", [b"", b"nothing", b"-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n", None]
)
def test_a_key_that_cannot_be_used_is_told_with_its_place(door: Door, data: bytes | None) -> None:
    if data is not None:
        door.path.write_bytes(data)
    with pytest.raises(ConfigError) as refused:
        ForeignTokens(door.path, "myauth", door.clock)
    assert refused.value.detail[0]["path"] == "http.auth.bearer.cert"  # type: ignore[index]


def test_a_weak_key_is_refused(door: Door) -> None:
    with pytest.raises(ConfigError, match="2048 bits"):
        door.knows(rsa.generate_private_key(65537, 1024))
