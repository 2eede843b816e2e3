"""Rules of the credentials in ``extensions.sync`` (zot: the oauth2 helper)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from holdfast.addresses import stays_here
from holdfast.config.rules.finding import Finding, Rule
from holdfast.config.sync import TOKEN_EXCHANGE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from holdfast.config.faults import Steps
    from holdfast.config.settings import Settings
    from holdfast.config.sync import OAuth2Helper, SyncRegistry


def tokens_can_be_had(settings: Settings) -> Iterator[Finding]:
    sync = settings.extensions.sync
    for index, registry in enumerate(sync.registries if sync else ()):
        yield from _helper(registry, ("extensions", "sync", "registries", index))


def _helper(registry: SyncRegistry, at: Steps) -> Iterator[Finding]:
    here, helper = (*at, "oauth2CredentialHelper"), registry.oauth2_credential_helper
    reads: tuple[Steps, ...] = ((*at, "credentialHelper"),)
    if registry.credential_helper != "oauth2":
        if helper is not None:
            message = "not used: credentialHelper is not oauth2"
            yield Finding(here, message, 'write "credentialHelper": "oauth2"', reads, warning=True)
        return
    if helper is None:
        yield Finding(here, "missing: the oauth2 helper needs it", "give tokenURL and assertionFile", reads)
        return
    yield from _endpoint(helper, here)
    if bool(helper.assertion_file.strip()) == bool(helper.signing_file.strip()):
        message = "give exactly one of assertionFile and signingFile"
        yield Finding((*here, "assertionFile"), message, "keep one of the two", ((*here, "signingFile"),))
    yield from _exchange(helper, here)


def _endpoint(helper: OAuth2Helper, here: Steps) -> Iterator[Finding]:
    at, text = (*here, "tokenURL"), helper.token_url
    if not text.strip():
        yield Finding(at, "missing", "write the URL of the token endpoint")
        return
    try:
        url = urlsplit(text)
    except ValueError:
        url = urlsplit("")
    if url.scheme not in {"http", "https"} or not url.hostname:
        yield Finding(at, "no URL of a token endpoint", 'write it as "https://host/path"')
    elif url.scheme == "http" and not stays_here(f"{url.hostname}:0"):
        yield Finding(at, "secrets go there in plaintext", 'write "https://"', warning=True)


def _exchange(helper: OAuth2Helper, here: Steps) -> Iterator[Finding]:
    kinds = {"subjectTokenType": helper.subject_token_type, "requestedTokenType": helper.requested_token_type}
    if helper.grant_type == TOKEN_EXCHANGE and not helper.audience.strip():
        yield Finding((*here, "audience"), "missing: a token exchange needs it", "write the target's name")
    for key, value in ({"audience": helper.audience} | kinds).items():
        if value.strip() and helper.grant_type != TOKEN_EXCHANGE:
            remedy = f'remove it, or write "grantType": "{TOKEN_EXCHANGE}"'
            yield Finding((*here, key), "belongs to a token exchange", remedy, ((*here, "grantType"),))
    for key, value in kinds.items():
        if value.strip() and not _is_uri(value):
            yield Finding((*here, key), "no URI", 'write it as "urn:ietf:params:oauth:token-type:jwt"')


def _is_uri(text: str) -> bool:
    try:
        return bool(urlsplit(text).scheme)
    except ValueError:
        return False


SYNC_CREDENTIAL_RULES: Final[tuple[Rule, ...]] = (tokens_can_be_had,)
