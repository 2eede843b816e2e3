"""Rules of ``http.auth`` and ``http.accessControl`` (zot: validateLDAP, validateMTLS, validateOpenIDConfig, ...)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from holdfast.config.drivers import Redis
from holdfast.config.rules.finding import Finding, Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from holdfast.config.auth import Auth, Bearer, Mtls, WorkloadIssuer
    from holdfast.config.faults import Steps
    from holdfast.config.settings import Settings

_AUTH: Final[Steps] = ("http", "auth")
_URI_NAMES: Final = frozenset({"uri", "url"})
_IDENTITY: Final = (
    frozenset({"commonname", "cn", "subject", "dn", "email", "rfc822name", "dnsname", "dns"}) | _URI_NAMES
)


def _missing(at: Steps, keys: dict[str, bool], why: str) -> Iterator[Finding]:
    for key, present in keys.items():
        if not present:
            yield Finding((*at, key), f"missing: {why} needs it", "write it")


def directories_are_complete(settings: Settings) -> Iterator[Finding]:
    ldap = settings.http.auth.ldap if settings.http.auth else None
    if ldap is None:
        return
    at = (*_AUTH, "ldap")
    needed = {"address": ldap.address, "baseDN": ldap.base_dn, "userAttribute": ldap.user_attribute}
    yield from _missing(at, {key: bool(value) for key, value in needed.items()}, "LDAP")
    if ldap.insecure and not ldap.start_tls:
        yield Finding(
            (*at, "insecure"), "passwords go to the directory unencrypted", "use startTLS or LDAPS", warning=True
        )
    if ldap.user_filter and not _balanced(ldap.user_filter):
        yield Finding(
            (*at, "userFilter"), "no LDAP filter", 'write it with its brackets, such as "(memberOf=cn=staff)"'
        )


def _balanced(text: str) -> bool:
    depth = 0
    for character in text:
        depth += {"(": 1, ")": -1}.get(character, 0)
        if depth < 0:
            return False
    return depth == 0 and text.startswith("(") and text.endswith(")")


def tokens_can_be_checked(settings: Settings) -> Iterator[Finding]:
    bearer = settings.http.auth.bearer if settings.http.auth else None
    if bearer is None:
        return
    at = (*_AUTH, "bearer")
    if bearer.cert and bearer.aws_secrets_manager is not None:
        yield Finding((*at, "awsSecretsManager"), "given beside cert", "keep one source of keys")
    if not bearer.cert and bearer.aws_secrets_manager is None and not bearer.oidc:
        reads: tuple[Steps, ...] = ((*at, "awsSecretsManager"), (*at, "oidc"))
        message = "missing: without cert, awsSecretsManager or oidc no token could be checked"
        yield Finding((*at, "cert"), message, "write the file with the token service's certificate", reads)
    elif not bearer.oidc:
        yield from _missing(at, {"realm": bool(bearer.realm), "service": bool(bearer.service)}, "a token service")
    yield from _token_sources(bearer, at)


def _token_sources(bearer: Bearer, at: Steps) -> Iterator[Finding]:
    if aws := bearer.aws_secrets_manager:
        needed = {"region": bool(aws.region), "secretName": bool(aws.secret_name)}
        yield from _missing((*at, "awsSecretsManager"), needed, "AWS")
    for index, issuer in enumerate(bearer.oidc):
        needed = {"issuer": bool(issuer.issuer), "audiences": bool(issuer.audiences)}
        yield from _missing((*at, "oidc", index), needed, "checking a workload's token")
        yield from _claims(issuer, (*at, "oidc", index))
    if (upstream := bearer.upstream_token_endpoint) is not None:
        needed = {"realm": bool(upstream.realm), "service": bool(upstream.service)}
        yield from _missing((*at, "upstreamTokenEndpoint"), needed, "passing token requests on")


def _claims(issuer: WorkloadIssuer, at: Steps) -> Iterator[Finding]:
    for number, audience in enumerate(issuer.audiences):
        if not audience.strip():
            yield Finding(
                (*at, "audiences", number), "empty: no token is for nobody", "write an audience, or remove it"
            )
    if issuer.certificate_authority and issuer.certificate_authority_file:
        message = "given beside certificateAuthority"
        yield Finding((*at, "certificateAuthorityFile"), message, "keep one of the two")
    mapping, at = issuer.claim_mapping, (*at, "claimMapping")
    for number, variable in enumerate(mapping.variables if mapping else ()):
        given = {"name": bool(variable.name), "expression": bool(variable.expression)}
        yield from _missing((*at, "variables", number), given, "a variable")
    for number, validation in enumerate(mapping.validations if mapping else ()):
        given = {"expression": bool(validation.expression), "message": bool(validation.message)}
        yield from _missing((*at, "validations", number), given, "a validation")


def providers_are_complete(settings: Settings) -> Iterator[Finding]:
    openid = settings.http.auth.openid if settings.http.auth else None
    if openid is None:
        return
    at = (*_AUTH, "openid", "providers")
    for name, provider in openid.providers.configured().items():
        needed = {
            "credentialsFile": bool(provider.credentials_file or provider.client_id),
            "issuer": bool(provider.issuer) or name == "github",
            "scopes": bool(provider.scopes),
        }
        yield from _missing((*at, name), needed, name)


def certificates_identify(settings: Settings) -> Iterator[Finding]:
    mtls = settings.http.auth.mtls if settings.http.auth else None
    if mtls is None:
        return
    tls, at = settings.http.tls, (*_AUTH, "mtls")
    if tls is None or not tls.ca_cert:
        message = "client certificates cannot be checked without http.tls and its cacert"
        yield Finding(at, message, "give http.tls cert, key and cacert", reads=(("http", "tls"),))
    for index, attribute in enumerate(mtls.identity_attributes):
        if attribute.strip().lower() not in _IDENTITY:
            remedy = "write CommonName, Subject, Email, URI or DNSName"
            yield Finding((*at, "identityAttributes", index), "no part of a certificate that names somebody", remedy)
    yield from _indexes(mtls, at)


def _indexes(mtls: Mtls, at: Steps) -> Iterator[Finding]:
    attributes = {attribute.strip().lower() for attribute in mtls.identity_attributes}
    rows = (
        ("uriSanPattern", bool(mtls.uri_san_pattern), "URI", _URI_NAMES),
        ("uriSanIndex", mtls.uri_san_index > 0, "URI", _URI_NAMES),
        # zot takes the next two with URI only, which its documentation does not mean; both are taken here.
        ("dnsSanIndex", mtls.dns_san_index > 0, "DNSName", {"dns", "dnsname"} | _URI_NAMES),
        ("emailSanIndex", mtls.email_san_index > 0, "Email", {"email", "rfc822name"} | _URI_NAMES),
    )
    for key, given, name, names in rows:
        if given and not attributes & names:
            reads: tuple[Steps, ...] = ((*at, "identityAttributes"),)
            yield Finding((*at, key), f"without effect: identityAttributes has no {name}", f"add {name} there", reads)


def sessions_fit_their_store(settings: Settings) -> Iterator[Finding]:
    auth = settings.http.auth
    if auth is not None and isinstance(auth.session_driver, Redis) and auth.session_keys_file:
        message = "sessions in redis have no keys of their own"
        yield Finding((*_AUTH, "sessionKeysFile"), message, "remove it, or the sessionDriver")


def somebody_can_be_known(settings: Settings) -> Iterator[Finding]:
    """Rules for users that nobody can be would shut everybody out."""
    control = settings.http.access_control
    if control is None or not control.needs_logins or _knows(settings.http.auth) or settings.http.knows_certificates:
        return
    at = ("http", "accessControl")
    yield Finding(
        at,
        "has rules for users, but nobody can log in",
        "give http.auth, or keep to anonymousPolicy",
        reads=(_AUTH, ("http", "tls"), *((*at, key) for key in ("repositories", "metrics") if not control.anonymous)),
    )


def _knows(auth: Auth | None) -> bool:
    return auth is not None and auth.knows_somebody


ACCESS_RULES: Final[tuple[Rule, ...]] = (
    directories_are_complete,
    tokens_can_be_checked,
    providers_are_complete,
    certificates_identify,
    sessions_fit_their_store,
    somebody_can_be_known,
)
