"""What of the configuration is about who may do what; one frozen value, checked where it is made."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.access.audit import AuditLog
from gateway.access.passwordfile import require_readable
from holdfast.access.rights import Rights
from holdfast.clock import SystemClock

if TYPE_CHECKING:
    from holdfast.config import Settings
    from holdfast.config.access import AccessControl


@dataclass(frozen=True, slots=True)
class AccessOptions:
    """``passwords`` None: nobody can log in. ``fail_delay_seconds``: before each refusal of a password."""

    passwords: Path | None = None
    control: AccessControl | None = None
    external_url: str = ""
    audit: Path | None = None
    fail_delay_seconds: int = 0

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
        )
        made.rights()
        AuditLog(made.audit, SystemClock()).close()
        if made.passwords is not None:
            require_readable(made.passwords)
        return made

    def rights(self) -> Rights:
        """Raises ConfigError."""
        return Rights(self.control, knows_somebody=self.passwords is not None)
