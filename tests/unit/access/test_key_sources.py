"""Where keys of another service come from: what is taken, what is left out, and what holds while they cannot be got."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from gateway.access.bearer import BearerOptions
from gateway.access.foreign import ForeignTokens
from gateway.access.keysources import AwsKeys, AwsSecret, KeyFile
from holdfast.access.actions import Action
from holdfast.certs.keys import KeySet, key_set
from holdfast.clock import ManualClock
from holdfast.config.auth import Bearer
from holdfast.errors import IssuerUnreachableError, LoginRefusedError
from tests.access.secrets_manager import REGION, SecretsManager

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

RSA = rsa.generate_private_key(65537, 2048)
EC, OTHER = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
EDWARDS = ed25519.Ed25519PrivateKey.generate()
ACCESS = [{"type": "repository", "name": "a", "actions": ["pull"]}]


def pem(key: Any) -> str:
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return str(key.public_key().public_bytes(serialization.Encoding.PEM, form).decode())


def jwk(key: Any, **more: Any) -> dict[str, Any]:
    kinds: list[tuple[type, Any]] = [
        (rsa.RSAPrivateKey, jwt.algorithms.RSAAlgorithm),
        (ec.EllipticCurvePrivateKey, jwt.algorithms.ECAlgorithm),
        (ed25519.Ed25519PrivateKey, jwt.algorithms.OKPAlgorithm),
    ]
    algorithm = next(found for kind, found in kinds if isinstance(key, kind))
    return {**algorithm.to_jwk(key.public_key(), as_dict=True), **more}


def keys(*rows: dict[str, Any]) -> bytes:
    return json.dumps({"keys": rows}).encode()


def found(data: bytes) -> list[tuple[str, str]]:
    return [(key.name, key.algorithms[0]) for key in key_set(data).keys]


def test_pem_and_sets_and_names_are_read() -> None:
    assert found((pem(EC) + "words between\n" + pem(RSA)).encode()) == [("", "ES256"), ("", "RS256")]
    assert found(keys(jwk(EC, kid="a"), jwk(EDWARDS, kid="b"))) == [("a", "ES256"), ("b", "EdDSA")]
    assert found(json.dumps(jwk(RSA, kid="a", alg="PS256")).encode()) == [("a", "PS256")]
    assert found(json.dumps({"a": pem(EC), "b": pem(RSA)}).encode()) == [("a", "ES256"), ("b", "RS256")]


@pytest.mark.parametrize(
    "row",
    [
        {"kty": "oct", "k": "c2VjcmV0", "kid": "x"},
        jwk(OTHER, kid="x", use="enc"),
        jwk(OTHER, kid="x", alg="HS256"),
        jwk(OTHER, kid="x", alg="RS256"),
        {**jwt.algorithms.ECAlgorithm.to_jwk(OTHER, as_dict=True), "kid": "x"},
        {"kty": "RSA", "n": "AQAB", "e": "AQAB", "kid": "x"},
        {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"},
        {"kty": "EC", "crv": "secp256k1", "x": "A" * 43, "y": "A" * 43},
        {"kty": ["EC"]},
        {"kty": "magic"},
        "text",
        None,
        [],
    ],
    ids=str,
)
def test_a_row_that_cannot_be_used_does_not_spoil_the_others(row: Any) -> None:
    assert found(keys(row, jwk(EC, kid="good"))) == [("good", "ES256")]
    with pytest.raises(ValueError, match="it holds no"):
        key_set(keys(row))


@pytest.mark.parametrize(
    "data", [b"", b"{", b"{}", b'{"keys": 1}', b'{"keys": null}', b'{"a": 1}', b"[]", b"{" * 10**5]
)
def test_what_holds_no_key_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError):
        key_set(data)


def test_a_private_key_is_not_taken_for_a_public_one() -> None:
    text = EC.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    with pytest.raises(ValueError):
        key_set(text)


def test_an_id_chooses_among_keys_and_an_algorithm_belongs_to_one() -> None:
    known = key_set(keys(jwk(EC, kid="a"), jwk(OTHER, kid="b"), jwk(RSA, kid="c")))
    assert [key.name for key in known.fitting("b", "ES256")] == ["b"]
    assert [key.name for key in known.fitting("", "ES256")] == ["a", "b"]
    assert known.fitting("c", "ES256") == known.fitting("a", "HS256") == known.fitting("a", "none") == ()
    assert not known.has("d")
    assert KeySet(known.keys) != known


@dataclass
class Door:
    """A reader of tokens, and those who sign."""

    clock: ManualClock = field(default_factory=ManualClock)

    def token(self, key: Any, kid: str, **changes: Any) -> str:
        claims = {"sub": "ann", "aud": "us", "exp": self.clock.wall() + 3000, "access": ACCESS, **changes}
        return jwt.encode(claims, key, "ES256", headers={"kid": kid})

    def takes(self, tokens: ForeignTokens, text: str) -> bool:
        try:
            return tokens.read(text).limits[0].allows(Action.READ, "a")
        except LoginRefusedError:
            return False


@pytest.fixture
def door() -> Door:
    return Door()


def test_a_file_is_followed_and_what_is_wrong_with_it_is_told_once(
    door: Door, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "keys.json"
    path.write_bytes(keys(jwk(EC, kid="a")))
    tokens = ForeignTokens(KeyFile(path, door.clock), "us", door.clock)
    old, new = door.token(EC, "a"), door.token(OTHER, "b")
    assert door.takes(tokens, old)
    assert not door.takes(tokens, new)
    path.write_bytes(keys(jwk(OTHER, kid="b")) + b" ")
    door.clock.advance(1)
    assert door.takes(tokens, new)
    assert not door.takes(tokens, old)
    for broken in (b"nothing at all", None):
        caplog.clear()
        path.write_bytes(broken) if broken is not None else path.unlink()
        for _ in range(3):
            door.clock.advance(1)
            assert door.takes(tokens, new)
        assert len([line for line in caplog.records if line.levelname == "ERROR"]) == (1 if broken else 0)


def test_an_entry_that_has_ended_is_left_out(door: Door, tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    path.write_bytes(keys(jwk(EC, kid="a")))
    tokens = ForeignTokens(KeyFile(path, door.clock), "us", door.clock)
    now = door.clock.wall()
    assert door.takes(tokens, door.token(EC, "a", access=[{**ACCESS[0], "exp": now + 10}]))
    assert not door.takes(tokens, door.token(EC, "a", access=[{**ACCESS[0], "exp": now - 1}]))
    soon = door.token(EC, "a", access=[{**ACCESS[0], "exp": now + 10}])
    door.clock.advance(11)
    assert not door.takes(tokens, soon)
    for wrong in ("later", [1], {}):
        with pytest.raises(LoginRefusedError):
            tokens.read(door.token(EC, "a", access=[{**ACCESS[0], "exp": wrong}]))


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[SecretsManager]:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    with SecretsManager() as service:
        for name, value in service.environment.items():
            monkeypatch.setenv(name, value)
        yield service


def test_keys_at_aws_are_fetched_signed_and_renewed(
    door: Door, aws: SecretsManager, caplog: pytest.LogCaptureFixture
) -> None:
    aws.secrets["jwt/keys"] = json.dumps({"a": pem(EC)})
    secret = {"region": REGION, "secretName": "jwt/keys"}
    settings = Bearer.model_validate({"realm": "https://auth.example", "service": "us", "awsSecretsManager": secret})
    tokens = BearerOptions.of(settings).foreign(door.clock)
    assert tokens is not None
    assert aws.asked == []
    old, new = door.token(EC, "a"), door.token(OTHER, "b")
    assert door.takes(tokens, old)
    assert (aws.asked, aws.forged) == (["jwt/keys"], 0)
    aws.secrets["jwt/keys"] = keys(jwk(OTHER, kid="b")).decode()
    assert not door.takes(tokens, new)
    door.clock.advance(5)
    assert door.takes(tokens, new)
    assert not door.takes(tokens, old)
    aws.refuses = True
    for _ in range(3):
        door.clock.advance(5)
        assert not door.takes(tokens, old)
        assert door.takes(tokens, new)
    told = [line for line in caplog.records if line.levelname == "ERROR"]
    assert [vars(line)["reason"] for line in told] == ["AWS refuses the secret jwt/keys: AccessDeniedException"]


def test_keys_at_aws_that_were_never_got_are_no_refusal(
    door: Door, aws: SecretsManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokens = ForeignTokens(AwsKeys(AwsSecret(REGION, "jwt/keys", 60), door.clock), "us", door.clock)
    with pytest.raises(IssuerUnreachableError, match="ResourceNotFoundException"):
        tokens.read(door.token(EC, "a"))
    aws.secrets["jwt/keys"] = "no keys"
    door.clock.advance(5)
    with pytest.raises(IssuerUnreachableError, match="holds no keys"):
        tokens.read(door.token(EC, "a"))
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "another")
    door.clock.advance(5)
    with pytest.raises(IssuerUnreachableError, match="InvalidSignatureException"):
        tokens.read(door.token(EC, "a"))
    assert aws.forged == 1
