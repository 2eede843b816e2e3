"""What of the configuration is about who may do what; one frozen value, checked where it is made."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.access.audit import AuditLog
from gateway.access.foreign import ForeignTokens
from gateway.access.passwordfile import require_readable
from holdfast.access.rights import Rights
from holdfast.access.scrapers import Scrapers
from holdfast.clock import SystemClock

if TYPE_CHECKING:
    from holdfast.config import Settings
    from holdfast.config.access import AccessControl
    from holdfast.config.auth import Bearer as BearerText


@dataclass(frozen=True, slots=True)
class ForeignOptions:
    """A token service: where it is, what its tokens are for, and the file with its key."""

    realm: str
    service: str
    key: Path


@dataclass(frozen=True, slots=True)
class AccessOptions:
    """``passwords`` None: nobody can log in. ``foreign``: tokens come from elsewhere, and passwords are not taken.
    ``fail_delay_seconds``: before each refusal of a password.
    """

    passwords: Path | None = None
    control: AccessControl | None = None
    external_url: str = ""
    audit: Path | None = None
    fail_delay_seconds: int = 0
    foreign: ForeignOptions | None = None

    @classmethod
    def of(cls, settings: Settings) -> AccessOptions:
        """Raises ConfigError: the password file cannot be read, the audit log not written, or a condition is no expression."""
        auth = settings.http.auth
        path = auth.htpasswd.path if auth is not None and auth.htpasswd is not None else ""
        made = cls(
            Path(path) if path else None,
            settings.http.access_control,
            settings.http.external_url,
            Path(settings.log.audit) if settings.log.audit else None,
            auth.fail_delay if auth is not None else 0,
            _foreign(auth.bearer) if auth is not None and auth.bearer is not None else None,
        )
        made.rights()
        AuditLog(made.audit, SystemClock()).close()
        if made.foreign is not None:
            ForeignTokens(made.foreign.key, made.foreign.service, SystemClock())
        elif made.passwords is not None:
            require_readable(made.passwords)
        return made

    def scrapers(self) -> Scrapers:
        return Scrapers(self.control, knows_somebody=self.passwords is not None or self.foreign is not None)

    def rights(self) -> Rights:
        """Raises ConfigError."""
        return Rights(self.control, knows_somebody=self.passwords is not None and self.foreign is None)


def _foreign(bearer: BearerText) -> ForeignOptions | None:
    return ForeignOptions(bearer.realm, bearer.service, Path(bearer.cert)) if bearer.cert else None
