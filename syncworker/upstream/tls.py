"""Certificates for an upstream, from a directory as docker keeps it in ``certs.d``.

    *.crt            authorities, besides the system's
    *.cert, *.key    our certificate for this upstream and its key, a pair by name

Three contexts come of it. Our certificate is shown to the upstream alone. ``tlsVerify: false`` holds for the upstream and hosts of
its domain; strangers that it redirects to are always checked.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING

from holdfast.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Contexts:
    """For the upstream itself, for hosts of its domain, for all others."""

    home: ssl.SSLContext
    kin: ssl.SSLContext
    others: ssl.SSLContext


def contexts(directory: Path | None, *, verify: bool) -> Contexts:
    """Read the directory, if there is one.

    Raises:
        ConfigError: it cannot be read, or holds what is no certificate, or half a pair.
    """
    home, kin, others = _context(verify=verify), _context(verify=verify), _context(verify=True)
    if directory is not None:
        try:
            _load(directory, home, kin, others)
        except (OSError, ssl.SSLError) as error:
            reason = error.reason if isinstance(error, ssl.SSLError) else error.strerror
            raise ConfigError(f"the certificates in {directory} cannot be used: {reason or error}") from error
    return Contexts(home, kin, others)


def _context(*, verify: bool) -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _load(directory: Path, home: ssl.SSLContext, kin: ssl.SSLContext, others: ssl.SSLContext) -> None:
    names = sorted(directory.iterdir())
    for path in names:
        if path.suffix == ".crt":
            for context in (home, kin, others):
                context.load_verify_locations(path)
    for path in names:
        if path.suffix == ".key" and path.with_suffix(".cert") not in names:
            raise ConfigError(f"{path} lacks its certificate {path.with_suffix('.cert').name}")
        if path.suffix == ".cert":
            key = path.with_suffix(".key")
            if key not in names:
                raise ConfigError(f"{path} lacks its key {key.name}")
            home.load_cert_chain(path, key)
