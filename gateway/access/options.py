"""What of the configuration is about who may do what; one frozen value, checked where it is made."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.access.audit import AuditLog
from gateway.access.bearer import BearerOptions
from gateway.access.browseroptions import BrowserOptions
from gateway.access.ldap.options import DirectoryOptions
from gateway.access.origins import Origins
from gateway.access.passwordfile import require_readable
from holdfast.access.actions import Action
from holdfast.access.certificates import certificate_names
from holdfast.access.places import Places
from holdfast.access.rights import Rights
from holdfast.access.scrapers import Scrapers
from holdfast.clock import SystemClock
from holdfast.errors import ConfigError

if TYPE_CHECKING:
    from holdfast.access.certificates import CertificateNames
    from holdfast.config import Settings
    from holdfast.config.access import AccessControl
    from holdfast.config.http import Allow


@dataclass(frozen=True, slots=True)
class AccessOptions:
    """``passwords`` and ``directory`` None: nobody can log in with a password. ``bearer``: tokens come from elsewhere, and
    passwords are not taken. ``fail_delay_seconds``: before each refusal of a password. ``pages``: of other origins that may ask.
    ``certificates`` None: client certificates name nobody. ``api_keys``: accounts may have some.
    ``places``: from where what may be done.
    """

    passwords: Path | None = None
    control: AccessControl | None = None
    external_url: str = ""
    audit: Path | None = None
    fail_delay_seconds: int = 0
    bearer: BearerOptions | None = None
    browser: BrowserOptions = BrowserOptions()  # noqa: RUF009 - frozen
    pages: Origins = Origins()  # noqa: RUF009 - frozen
    certificates: CertificateNames | None = None
    directory: DirectoryOptions | None = None
    api_keys: bool = False
    places: Places = Places()  # noqa: RUF009 - frozen

    @classmethod
    def of(cls, settings: Settings) -> AccessOptions:
        """Raises ConfigError: a file that it names cannot be used, or a condition is no expression."""
        auth = settings.http.auth
        path = auth.htpasswd.path if auth is not None and auth.htpasswd is not None else ""
        made = cls(
            Path(path) if path else None,
            settings.http.access_control,
            settings.http.external_url,
            Path(settings.log.audit) if settings.log.audit else None,
            auth.fail_delay if auth is not None else 0,
            BearerOptions.of(auth.bearer) if auth is not None and auth.bearer is not None else None,
            BrowserOptions.of(auth),
            Origins.of(settings.http.allow_origin.split(",")),
            certificate_names(auth.mtls if auth is not None else None) if settings.http.knows_certificates else None,
            api_keys=auth is not None
            and (auth.apikey or (auth.openid is not None and bool(auth.openid.providers.configured()))),
            places=_places(settings.http.allow),
        )
        made.rights()
        AuditLog(made.audit, SystemClock()).close()
        if made.bearer is not None:
            return made
        if made.passwords is not None:
            require_readable(made.passwords)
        if auth is not None and auth.ldap is not None:
            made = replace(made, directory=DirectoryOptions.of(auth.ldap))
        if made.api_keys and not made.knows_people:
            raise _nobody_to_have_keys()
        return made

    @property
    def knows_people(self) -> bool:
        """Whether anybody can log in who could have keys."""
        return self.passwords is not None or self.directory is not None or bool(self.browser.providers)

    def scrapers(self) -> Scrapers:
        knows_somebody = self.knows_people or self.certificates is not None or self.bearer is not None
        return Scrapers(self.control, knows_somebody=knows_somebody)

    def rights(self) -> Rights:
        """Raises ConfigError."""
        if self.bearer is not None:
            return Rights(self.control, knows_somebody=not self.bearer.asks_elsewhere)
        return Rights(self.control, knows_somebody=self.knows_people or self.certificates is not None)


def _nobody_to_have_keys() -> ConfigError:
    fault = {
        "path": "http.auth.apikey",
        "message": "there is no way to log in",
        "remedy": "say who may log in, for example by http.auth.htpasswd; keys are made with a login",
    }
    return ConfigError("API keys belong to accounts, and there are none", [fault])


def _places(allow: Allow | None) -> Places:
    if allow is None:
        return Places()
    return Places.of(
        {
            Action.READ: allow.read,
            Action.CREATE: allow.create,
            Action.UPDATE: allow.update,
            Action.DELETE: allow.delete,
        }
    )
