"""``http.auth.ldap`` as the gateway needs it: where the directory is, how to speak to it, whom to look for.

Without ``insecure`` and ``startTLS`` it is LDAPS; with ``startTLS`` (beside ``insecure`` or not) plain until StartTLS, and nothing
is said before; with ``insecure`` alone it is never encrypted.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sansldap import LDAPFilter

from holdfast.config.secretfiles import load_ldap_credentials
from holdfast.errors import ConfigError

if TYPE_CHECKING:
    from holdfast.config.auth import Ldap

_AT: Final = "http.auth.ldap"


class Transport(Enum):
    """How bytes reach the directory."""

    LDAPS = "ldaps"
    START_TLS = "startTLS"
    PLAIN = "plain"


@dataclass(frozen=True, slots=True)
class DirectoryOptions:
    """``authority`` None: those that the system trusts. ``credentials`` None: nobody in particular looks users up.
    ``subtree``: users may be anywhere below ``base``, not only directly below it.
    """

    host: str
    port: int
    transport: Transport
    base: str
    user_attribute: str
    group_attribute: str = ""
    user_filter: str = ""
    subtree: bool = False
    skip_verify: bool = False
    authority: Path | None = None
    credentials: Path | None = None

    @classmethod
    def of(cls, text: Ldap) -> DirectoryOptions:
        """Raises ConfigError: the filter is none, the authority's certificate or the credentials cannot be used."""
        made = cls(
            host=text.address.strip("[]"),
            port=text.effective_port,
            transport=_transport(text),
            base=text.base_dn,
            user_attribute=text.user_attribute,
            group_attribute=text.user_group_attribute,
            user_filter=text.user_filter,
            subtree=text.subtree_search,
            skip_verify=text.skip_verify,
            authority=Path(text.ca_cert) if text.ca_cert else None,
            credentials=Path(text.credentials_file) if text.credentials_file else None,
        )
        made._require_usable()
        return made

    def tls(self) -> ssl.SSLContext:
        """Made anew of the file as it is now. Raises OSError (ssl.SSLError is one)."""
        context = ssl.create_default_context(cafile=str(self.authority) if self.authority else None)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if self.skip_verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context

    def _require_usable(self) -> None:
        if self.user_filter:
            try:
                LDAPFilter.from_string(self.user_filter)
            except (ValueError, RecursionError) as error:
                remedy = 'write it as RFC 4515 does, such as "(!(nsAccountLock=TRUE))"'
                raise _refused("userFilter", str(error), remedy) from error
        if self.transport is not Transport.PLAIN:
            try:
                self.tls()
            except OSError as error:
                raise _refused("caCert", str(error), "name a PEM file with the authority's certificate") from error
        if self.credentials is not None:
            try:
                load_ldap_credentials(self.credentials)
            except ConfigError as error:
                remedy = "write bindDN and bindPassword into it, as JSON, readable for the registry"
                raise _refused("credentialsFile", error.message, remedy) from error


def _transport(text: Ldap) -> Transport:
    if text.start_tls:
        return Transport.START_TLS
    return Transport.PLAIN if text.insecure else Transport.LDAPS


def _refused(key: str, reason: str, remedy: str) -> ConfigError:
    fault = {"path": f"{_AT}.{key}", "message": reason, "remedy": remedy}
    return ConfigError(f"{_AT}.{key} cannot be used: {reason}", [fault])
