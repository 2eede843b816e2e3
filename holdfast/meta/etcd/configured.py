"""From ``cluster.etcd`` of a configuration to options, secrets read from their files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from holdfast.config.secretfiles import load_password
from holdfast.errors import ConfigError
from holdfast.meta.etcd.options import EtcdOptions, Login, Tls, endpoint

if TYPE_CHECKING:
    from holdfast.config.cluster import Etcd


def configured(etcd: Etcd) -> EtcdOptions:
    """Raises ConfigError: a file cannot be read, or the values contradict each other."""
    try:
        return EtcdOptions(
            endpoints=tuple(endpoint(url) for url in etcd.endpoints),
            tls=_tls(etcd),
            login=_login(etcd),
            prefix=etcd.prefix.encode(),
            try_seconds=min(1.0, etcd.request_timeout.seconds),
            deadline_seconds=etcd.request_timeout.seconds,
            quota_bytes=etcd.quota,
        )
    except ValueError as error:
        raise ConfigError(f"cluster.etcd is refused: {error}") from error


def _tls(etcd: Etcd) -> Tls | None:
    if not etcd.endpoints[0].startswith("https:"):
        return None
    return Tls(_read(etcd.ca_file), _read(etcd.cert_file), _read(etcd.key_file))


def _login(etcd: Etcd) -> Login | None:
    if not etcd.username:
        return None
    return Login(etcd.username, load_password(Path(etcd.password_file)).get_secret_value())


def _read(path: str) -> bytes | None:
    if not path:
        return None
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from error
