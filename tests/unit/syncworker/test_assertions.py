"""Assertions from files and from keys: what they claim, and that nothing secret is told when they cannot be had."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from holdfast.clock import ManualClock
from holdfast.errors import ConfigError
from syncworker.upstream.assertions import Kept, Signed

if TYPE_CHECKING:
    from pathlib import Path

KEYS = {
    "RS256": rsa.generate_private_key(65537, 2048),
    "ES256": ec.generate_private_key(ec.SECP256R1()),
    "EdDSA": ed25519.Ed25519PrivateKey.generate(),
}


def signed(directory: Path, algorithm: str = "ES256", pem: bytes | None = None, **claims: str) -> Signed:
    key = directory / "key.pem"
    key.write_bytes(
        pem
        or KEYS[algorithm].private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    path = directory / "signing.json"
    path.write_text(json.dumps({"privateKeyFile": str(key), "algorithm": algorithm, **claims}))
    numbers = iter(range(10))
    return Signed(path, "the-client", "https://idp.example/token", ManualClock(), lambda: f"id-{next(numbers)}")


@pytest.mark.parametrize("algorithm", KEYS)
def test_an_assertion_is_signed_with_the_key_and_lasts_five_minutes(tmp_path: Path, algorithm: str) -> None:
    make = signed(tmp_path, algorithm, keyId="k1", issuer="i", subject="s", audience="a")
    text = make()
    assert jwt.get_unverified_header(text) == {"alg": algorithm, "kid": "k1", "typ": "JWT"}
    options = {"verify_exp": False, "verify_iat": False}
    claims = jwt.decode(text, KEYS[algorithm].public_key(), [algorithm], options, audience="a")
    now = int(make.clock.wall())
    assert claims == {"iss": "i", "sub": "s", "aud": "a", "iat": now, "exp": now + 300, "jti": "id-0"}


def test_what_the_file_leaves_out_is_the_client_and_the_endpoint(tmp_path: Path) -> None:
    make = signed(tmp_path)
    first, second = (jwt.decode(make(), options={"verify_signature": False}) for _ in range(2))
    assert (first["iss"], first["sub"], first["aud"]) == ("the-client", "the-client", "https://idp.example/token")
    assert first["jti"] != second["jti"]


@pytest.mark.parametrize("algorithm", ["HS256", "none", "RS1"])
def test_an_algorithm_that_proves_nothing_is_refused(tmp_path: Path, algorithm: str) -> None:
    with pytest.raises(ConfigError, match="algorithm"):
        signed(tmp_path, algorithm, b"s3cret")()


@pytest.mark.parametrize("pem", [b"s3cret", b"-----BEGIN PRIVATE KEY-----\ns3cret\n-----END PRIVATE KEY-----\n"])
def test_a_key_that_is_none_is_named_and_not_shown(tmp_path: Path, pem: bytes) -> None:
    with pytest.raises(ConfigError, match=r"key\.pem") as caught:
        signed(tmp_path, pem=pem)()
    assert "s3cret" not in str(caught.value)


def test_a_key_of_another_kind_than_the_algorithm_is_refused(tmp_path: Path) -> None:
    path = signed(tmp_path, "RS256").path
    path.write_text(path.read_text().replace("RS256", "ES256"))
    with pytest.raises(ConfigError, match="ES256"):
        Signed(path, "c", "https://idp.example", ManualClock(), lambda: "x")()


def test_a_kept_assertion_is_read_anew_each_time(tmp_path: Path) -> None:
    path = tmp_path / "assertion.jwt"
    path.write_text("one\n")
    make = Kept(path)
    assert make() == "one"
    path.write_text("two")
    assert make() == "two"


@pytest.mark.parametrize("content", [b"", b"\n", b"a\nb", b"\xff\xfe", b"x" * 100_000])
def test_a_file_that_holds_no_single_secret_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "assertion.jwt"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"assertion\.jwt"):
        Kept(path)()


def test_a_file_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.jwt cannot be read: No such file"):
        Kept(tmp_path / "none.jwt")()
