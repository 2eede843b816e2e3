"""``http.auth.bearer``: whose tokens count here, and where clients get one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.access.fetching import Fetcher, require_address
from gateway.access.foreign import ForeignTokens
from gateway.access.issuer import Issuer
from gateway.access.keysources import AwsKeys, AwsSecret, KeyFile, require_botocore
from gateway.access.workloads import Trusted, Workloads
from holdfast.access.claims import DEFAULT_USERNAME, ClaimMapping, Expression, Validation
from holdfast.clock import SystemClock
from holdfast.errors import ConfigError, IssuerUnreachableError

if TYPE_CHECKING:
    from gateway.access.keysources import KeySource
    from holdfast.clock import Clock
    from holdfast.config.auth import AwsSecretsManager, Bearer, UpstreamTokenEndpoint, WorkloadClaims, WorkloadIssuer

_AT = "http.auth.bearer"


@dataclass(frozen=True, slots=True)
class TrustedOptions:
    """One entry of ``oidc``. ``authority``: PEM, "" for the system's."""

    issuer: str
    audiences: tuple[str, ...]
    mapping: ClaimMapping
    authority: str = ""
    any_name: bool = False


@dataclass(frozen=True, slots=True)
class UpstreamOptions:
    """A token service that requests for tokens are passed on to."""

    realm: str
    service: str
    insecure: bool = False


@dataclass(frozen=True, slots=True)
class BearerOptions:
    """``realm`` and ``service``: of the token service whose keys are in ``key`` or at AWS. ``trusted``: issuers of ID tokens."""

    realm: str
    service: str
    key: Path | None = None
    aws: AwsSecret | None = None
    trusted: tuple[TrustedOptions, ...] = ()
    upstream: UpstreamOptions | None = None

    @classmethod
    def of(cls, text: Bearer) -> BearerOptions:
        """Raises ConfigError: a key, a certificate, an address or an expression in it cannot be used."""
        made = cls(
            text.realm,
            text.service,
            Path(text.cert) if text.cert else None,
            _secret(text.aws_secrets_manager) if text.aws_secrets_manager is not None else None,
            tuple(_trusted(f"{_AT}.oidc[{number}]", one) for number, one in enumerate(text.oidc)),
            _upstream(text.upstream_token_endpoint) if text.upstream_token_endpoint is not None else None,
        )
        if made.key is not None:
            KeyFile(made.key, SystemClock())
        return made

    @property
    def asks_elsewhere(self) -> bool:
        """Whether another service's tokens say what their bearers may do."""
        return self.key is not None or self.aws is not None

    def key_source(self, clock: Clock) -> KeySource | None:
        """Of the other service. Raises ConfigError: the file with the keys cannot be used."""
        if self.key is not None:
            return KeyFile(self.key, clock)
        return None if self.aws is None else AwsKeys(self.aws, clock)

    def foreign(self, clock: Clock) -> ForeignTokens | None:
        """Raises as ``key_source``."""
        source = self.key_source(clock)
        return None if source is None else ForeignTokens(source, self.service, clock)

    def workloads(self, clock: Clock) -> Workloads | None:
        """Asks no issuer anything yet."""
        if not self.trusted:
            return None
        return Workloads([one_trusted(one, clock) for one in self.trusted])


def one_trusted(one: TrustedOptions, clock: Clock) -> Trusted:
    issuer = Issuer(one.issuer, Fetcher(clock, one.authority), clock, any_name=one.any_name)
    return Trusted(issuer, one.audiences, one.mapping)


def _secret(text: AwsSecretsManager) -> AwsSecret:
    require_botocore()
    return AwsSecret(text.region, text.secret_name, text.refresh_interval.seconds or 60.0)


def _upstream(text: UpstreamTokenEndpoint) -> UpstreamOptions:
    _require_address(f"{_AT}.upstreamTokenEndpoint.realm", text.realm, insecure=text.allow_insecure_http)
    return UpstreamOptions(text.realm, text.service, text.allow_insecure_http)


def _trusted(at: str, text: WorkloadIssuer) -> TrustedOptions:
    _require_address(f"{at}.issuer", text.issuer, insecure=False)
    authority = text.certificate_authority or _file(at, text.certificate_authority_file)
    try:
        Fetcher(SystemClock(), authority)
    except ValueError as error:
        key = "certificateAuthority" if text.certificate_authority else "certificateAuthorityFile"
        raise _fault(f"{at}.{key}", str(error), "write the authority's certificate, as PEM") from error
    mapping = _mapping(f"{at}.claimMapping", text.claim_mapping)
    return TrustedOptions(text.issuer, text.audiences, mapping, authority, text.skip_issuer_verification)


def _mapping(at: str, text: WorkloadClaims | None) -> ClaimMapping:
    if text is None:
        return ClaimMapping(Expression(DEFAULT_USERNAME, f"{at}.username"))
    return ClaimMapping(
        Expression(text.username or DEFAULT_USERNAME, f"{at}.username"),
        Expression(text.groups, f"{at}.groups") if text.groups else None,
        tuple(
            (one.name, Expression(one.expression, f"{at}.variables[{number}].expression"))
            for number, one in enumerate(text.variables)
        ),
        tuple(
            Validation(Expression(one.expression, f"{at}.validations[{number}].expression"), one.message)
            for number, one in enumerate(text.validations)
        ),
    )


def _file(at: str, path: str) -> str:
    if not path:
        return ""
    try:
        return Path(path).read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise _fault(f"{at}.certificateAuthorityFile", str(error), "write the authority's certificate there") from error


def _require_address(at: str, url: str, *, insecure: bool) -> None:
    try:
        require_address(url, insecure=insecure)
    except IssuerUnreachableError as error:
        raise _fault(at, error.message, "write its https address; http is for this machine's own loopback") from error


def _fault(at: str, message: str, remedy: str) -> ConfigError:
    return ConfigError(f"{at}: {message}", [{"path": at, "message": message, "remedy": remedy}])
