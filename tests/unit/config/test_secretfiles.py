"""Secret files: unknown and missing keys are refused, and no message holds a secret."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from holdfast.config.secretfiles import (
    load_ldap_credentials,
    load_openid_credentials,
    load_password,
    load_session_keys,
    load_signing_key,
    load_upstream_credentials,
)
from holdfast.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Find = Callable[[str], Path]

LDAP = {"bindDN": "cn=x", "bindPassword": "hunter2"}
OPENID = {"clientid": "c", "clientsecret": "hunter2"}
KEYS = {"hashKey": "hunter2", "encryptKey": "hunter2"}
SIGNING = {"privateKeyFile": "f", "algorithm": "RS256", "issuer": "i", "subject": "s", "audience": "a"}
UPSTREAM = {"registry:5000": {"username": "u", "password": "hunter2"}}

LOADERS = [
    (load_ldap_credentials, LDAP, ("bindDN", "bindPassword")),
    (load_openid_credentials, OPENID, ("clientid", "clientsecret")),
    (load_session_keys, KEYS, ("hashKey",)),
    (load_signing_key, SIGNING, ("privateKeyFile", "algorithm")),
]


def test_the_sample_secret_files_load(secret_file: Find) -> None:
    assert load_ldap_credentials(secret_file("config-ldap-credentials.json")).bind_dn.startswith("cn=")
    for provider in ("github", "gitlab", "google", "oidc"):
        loaded = load_openid_credentials(secret_file(f"config-openid-{provider}-credentials.json"))
        assert loaded.client_id == "client_id"
        assert loaded.client_secret.get_secret_value() == "client_secret"
    keys = load_session_keys(secret_file("sessionKeys.json"))
    assert keys.encrypt_key is not None
    assert len(keys.encrypt_key.get_secret_value()) == 32
    upstream = load_upstream_credentials(secret_file("sync-auth-filepath.json"))
    assert set(upstream) == {"127.0.0.1:8080", "registry2:5000"}
    assert load_signing_key(secret_file("sync-oauth2-signing.json")).key_id == "EXAMPLE"


def written(tmp_path: Path, content: Any) -> Path:
    path = tmp_path / "secret.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


@pytest.mark.parametrize(("loader", "content", "required"), LOADERS)
def test_keys_are_matched_without_case(loader: Any, content: dict[str, str], required: Any, tmp_path: Path) -> None:
    respelled = {key.upper(): value for key, value in content.items()}
    assert loader(written(tmp_path, respelled)) == loader(written(tmp_path, content))


@pytest.mark.parametrize(("loader", "content", "required"), LOADERS)
def test_an_unknown_key_is_refused(loader: Any, content: dict[str, str], required: Any, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as raised:
        loader(written(tmp_path, {**content, "zz": "hunter2"}))
    assert [fault["path"] for fault in raised.value.detail] == ["zz"]  # type: ignore[attr-defined]
    assert "hunter2" not in str(raised.value) + json.dumps(raised.value.detail)


@pytest.mark.parametrize(("loader", "content", "required"), LOADERS)
def test_a_missing_or_empty_key_is_refused(loader: Any, content: dict[str, str], required: Any, tmp_path: Path) -> None:
    for key in required:
        for broken in ({k: v for k, v in content.items() if k != key}, {**content, key: ""}, {**content, key: []}):
            with pytest.raises(ConfigError) as raised:
                loader(written(tmp_path, broken))
            assert [fault["path"] for fault in raised.value.detail] == [key]  # type: ignore[attr-defined]
            assert "hunter2" not in str(raised.value)


def test_the_encryption_key_of_sessions_may_be_missing(tmp_path: Path) -> None:
    assert load_session_keys(written(tmp_path, {"hashKey": "k"})).encrypt_key is None


def test_logins_at_upstreams_are_complete(tmp_path: Path) -> None:
    assert load_upstream_credentials(written(tmp_path, UPSTREAM))["registry:5000"].username == "u"
    for broken in ({"r": {"username": "u"}}, {"r": {**UPSTREAM["registry:5000"], "zz": 1}}, {"r": "x"}, {"r": None}):
        with pytest.raises(ConfigError, match="r"):
            load_upstream_credentials(written(tmp_path, broken))


@pytest.mark.parametrize("loader", [row[0] for row in LOADERS] + [load_upstream_credentials])
def test_what_cannot_be_read_is_refused(loader: Any, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        loader(tmp_path / "none.json")
    for content in ([], "text", 1, None):
        with pytest.raises(ConfigError, match="no object"):
            loader(written(tmp_path, content))


@pytest.mark.parametrize("content", [b"hunter2", b"hunter2\n", b"hunter2\r\n"])
def test_a_password_file_holds_the_password_alone(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "password"
    path.write_bytes(content)
    password = load_password(path)
    assert password.get_secret_value() == "hunter2"
    assert "hunter2" not in repr(password)


@pytest.mark.parametrize(
    "content", [b"", b"\n", b"hunter2\nhunter2", b"hunter2" * 1000, b"hunter2\xff", b"hunter2\n\n"]
)
def test_anything_else_is_no_password_file(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "password"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=str(path)) as raised:
        load_password(path)
    assert "hunter2" not in str(raised.value)


def test_a_password_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load_password(tmp_path / "none")
