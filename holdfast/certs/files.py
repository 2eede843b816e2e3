"""Certificates and keys in files.

    <directory>/ca.crt  ca.key             the authority
    <directory>/<name>.crt  <name>.key     a process

Promises: a file appears whole or not at all, fsynced; a key is readable by its owner alone from its first byte on. A key
is written before its certificate, so that whoever watches the certificate finds the key.

Never: replaces a file unless told to, follows a name out of the directory, puts contents into a message.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from holdfast.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

    from holdfast.certs.authority import Issued

AUTHORITY: Final = "ca"
LARGEST_BYTES: Final = 1 << 20

_CERTIFICATE_MODE: Final = 0o644
_KEY_MODE: Final = 0o600


@dataclass(frozen=True, slots=True)
class Pair:
    """The two files of one name."""

    certificate: Path
    key: Path


def pair(directory: Path, name: str) -> Pair:
    return Pair(directory / f"{name}.crt", directory / f"{name}.key")


def read(path: Path) -> bytes:
    """What is in a certificate or key file.

    Raises:
        ConfigError: unreadable, or larger than such a file can be.
    """
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from error
    if len(content) > LARGEST_BYTES:
        raise ConfigError(f"{path} is larger than a certificate or key can be; name another file")
    return content


def write_pair(at: Pair, issued: Issued, *, replace: bool) -> None:
    """Write both files.

    Raises:
        ConfigError: one of them is there and ``replace`` is False, or the directory refuses.
    """
    if not replace:
        for path in (at.certificate, at.key):
            if os.path.lexists(path):
                raise _is_there(path)
    try:
        _make_directory(at.key.parent)
        _write(at.key, issued.key, _KEY_MODE, replace=replace)
        _write(at.certificate, issued.certificate, _CERTIFICATE_MODE, replace=replace)
    except OSError as error:
        raise ConfigError(f"{error.filename or at.key.parent} cannot be written: {error.strerror}") from error


def _make_directory(path: Path) -> None:
    path.mkdir(mode=0o700, parents=True, exist_ok=True)


def _write(path: Path, content: bytes, mode: int, *, replace: bool) -> None:
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _KEY_MODE)
    try:
        with open(descriptor, "wb") as file:  # noqa: PTH123 - a descriptor, made with its mode
            file.write(content)
            file.flush()
            os.fchmod(descriptor, mode)
            os.fsync(descriptor)
        if replace:
            fresh.replace(path)
        else:
            _link(fresh, path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            fresh.unlink()
    _sync_directory(path.parent)


def _link(fresh: Path, path: Path) -> None:
    """A link fails where a rename would replace what somebody else has just written."""
    try:
        path.hardlink_to(fresh)
    except FileExistsError as error:
        raise _is_there(path) from error


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _is_there(path: Path) -> ConfigError:
    return ConfigError(f"{path} is there already; --force replaces it")
