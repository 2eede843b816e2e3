"""What of the configuration is about people with a browser; one frozen value, its secret files read.

Which service has which rules is decided here: github speaks OAuth 2 alone, every other is an OpenID Connect issuer.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from gateway.access.oauth import Client, key_in
from gateway.access.openidconnect import Names
from gateway.access.origins import Origins, origin_of
from gateway.access.redisoptions import RedisOptions
from holdfast.config.secretfiles import load_openid_credentials, load_session_keys
from holdfast.errors import ConfigError

if TYPE_CHECKING:
    from holdfast.config.auth import Auth, OpenIdProvider

GITHUB: Final = "github"
_AT: Final = "http.auth.openid.providers"


@dataclass(frozen=True, slots=True)
class ProviderOptions:
    """``word``: what stands in addresses. ``issuer`` "": it is GitHub, which signs nothing."""

    word: str
    client: Client
    issuer: str
    names: Names


@dataclass(frozen=True, slots=True)
class BrowserOptions:
    """``secret``: what cookies are sealed with, b"" for a key of the installation's own. ``secure`` None: as it is reached.
    ``redis`` None: sessions are in the metadata.
    """

    providers: tuple[ProviderOptions, ...] = ()
    returns: Origins = Origins()  # noqa: RUF009 - frozen
    secret: bytes = field(default=b"", repr=False)
    secure: bool | None = None
    redis: RedisOptions | None = None

    @classmethod
    def of(cls, auth: Auth | None) -> BrowserOptions:
        """Raises ConfigError: a secret file cannot be used, a service cannot be asked."""
        if auth is None:
            return cls()
        configured = auth.openid.providers.configured() if auth.openid is not None else {}
        returns = auth.openid.callback_allow_origins if auth.openid is not None else ()
        return cls(
            tuple(_provider(word, text) for word, text in configured.items()),
            # Where a login may return to is never everybody's to say.
            replace(Origins.of(returns), everybody=False),
            _session_secret(auth.session_keys_file),
            auth.secure_session,
            RedisOptions.of(auth),
        )


def _provider(word: str, text: OpenIdProvider) -> ProviderOptions:
    issuer = "" if word == GITHUB else text.issuer
    asked = [url for url in (issuer, text.auth_url, text.token_url) if url]
    if not all(map(origin_of, asked)):
        raise _refused(word, "issuer", "it is not said where the login service is", "write its https URL")
    claims = text.claim_mapping
    names = Names(claims.username, claims.groups, text.auth_url, text.token_url)
    return ProviderOptions(word, _client(word, text), issuer, names)


def _client(word: str, text: OpenIdProvider) -> Client:
    name = text.client_id
    secret = text.client_secret.get_secret_value() if text.client_secret is not None else ""
    if text.credentials_file:
        told = load_openid_credentials(Path(text.credentials_file))
        name, secret = told.client_id, told.client_secret.get_secret_value()
    key = None
    if text.key_path:
        key, named = key_in(Path(text.key_path))
        name = name or named
    if not name:
        raise _refused(word, "clientid", "who we are to the service is not said", "write credentialsFile")
    return Client(name, tuple(text.scopes), secret, key)


def _session_secret(path: str) -> bytes:
    """Of both keys: whoever changes either ends every session, as in zot."""
    if not path:
        return b""
    keys = load_session_keys(Path(path))
    encrypt = keys.encrypt_key.get_secret_value() if keys.encrypt_key is not None else ""
    hashed = keys.hash_key.get_secret_value()
    return f"{len(hashed)}:{hashed}:{encrypt}".encode()


def _refused(word: str, key: str, message: str, remedy: str) -> ConfigError:
    fault = {"path": f"{_AT}.{word}.{key}", "message": message, "remedy": remedy}
    return ConfigError(f"{_AT}.{word}: {message}", [fault])
