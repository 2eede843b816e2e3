"""Settings about people with a browser: what is read from them, and what is refused with its place."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from gateway.access.browseroptions import BrowserOptions
from gateway.access.github import Places
from holdfast.config import parse
from holdfast.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

SCOPES = ["openid"]


def options(**auth: Any) -> BrowserOptions:
    return BrowserOptions.of(parse({"storage": {"rootDirectory": "/data"}, "http": {"auth": auth}}).http.auth)


def providers(**found: Any) -> BrowserOptions:
    return options(openid={"providers": found})


@pytest.fixture
def credentials(tmp_path: Path) -> str:
    file = tmp_path / "credentials.json"
    file.write_text(json.dumps({"clientid": "us", "clientsecret": "a secret"}))
    return str(file)


def test_a_client_is_named_in_its_file_or_in_the_settings(credentials: str) -> None:
    (google,) = providers(
        google={"credentialsFile": credentials, "issuer": "https://accounts.google.com", "scopes": SCOPES}
    ).providers
    assert (google.client.name, google.client.secret, google.issuer) == (
        "us",
        "a secret",
        "https://accounts.google.com",
    )
    (oidc,) = providers(
        oidc={"clientid": "we", "clientsecret": "s", "issuer": "https://id.example", "scopes": SCOPES}
    ).providers
    assert (oidc.client.name, oidc.client.secret, oidc.names.user) == ("we", "s", "email")
    assert "a secret" not in repr(google)


def test_keys_of_cookies_are_one_secret_that_changes_with_either(tmp_path: Path) -> None:
    def secret(hashed: str, encrypted: str | None) -> bytes:
        file = tmp_path / "keys.json"
        file.write_text(json.dumps({"hashKey": hashed, **({"encryptKey": encrypted} if encrypted else {})}))
        return options(sessionKeysFile=str(file)).secret

    found = {
        secret("h" * 64, "e" * 32),
        secret("h" * 63 + "x", "e" * 32),
        secret("h" * 64, "f" * 32),
        secret("h" * 64, None),
    }
    assert len(found) == 4
    assert options().secret == b""


def test_a_login_returns_to_everybody_at_nobodys_wish(credentials: str) -> None:
    made = options(openid={"callbackAllowOrigins": ["https://pages.example.com/"], "providers": {}})
    assert made.returns.leads_to("https://pages.example.com/home")
    assert not made.returns.everybody


@pytest.mark.parametrize(
    "wrong",
    [
        {"oidc": {"clientid": "us", "issuer": "id.example", "scopes": SCOPES}},
        {"gitlab": {"credentialsFile": "/nowhere/file.json", "issuer": "https://id.example", "scopes": SCOPES}},
        {"github": {"keypath": "/nowhere/key.pem", "clientid": "us", "scopes": SCOPES}},
    ],
)
def test_a_service_that_cannot_be_asked_is_refused(wrong: dict[str, Any]) -> None:
    auth = parse({"storage": {"rootDirectory": "/data"}, "http": {"auth": {"openid": {"providers": wrong}}}}).http.auth
    with pytest.raises(ConfigError):
        BrowserOptions.of(auth)


@pytest.mark.parametrize(
    ("authorize", "exchange", "places"),
    [
        ("", "", Places()),
        (
            "https://github.com/login/oauth/authorize",
            "https://github.com/login/oauth/access_token",
            Places(),
        ),
        (
            "https://git.example/login/oauth/authorize",
            "",
            Places(
                "https://git.example/login/oauth/authorize",
                "https://git.example/login/oauth/access_token",
                "https://git.example/api/v3",
            ),
        ),
    ],
)
def test_where_github_has_its_api(authorize: str, exchange: str, places: Places) -> None:
    assert Places.of(authorize, exchange) == places
