"""Where the keys of another token service are: a file that is followed, or a secret at AWS.

Promises
  * A change of the file acts within a second or so, the secret's within its interval and for a key that is not known at once.
  * While what is found cannot be used, the last keys that could be hold, and the log says so once.

botocore (the extra ``aws``) finds our own AWS identity where every AWS program does, signs (SigV4), and heeds AWS_ENDPOINT_URL.
It is loaded with the first fetch, since it takes a good part of a second.

Never: AWS's words in a message; a key in a log.
"""

from __future__ import annotations

import importlib.util
import logging
import re
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

from gateway.access.kept import Kept, Pace
from holdfast.certs.keys import KeySet, key_set
from holdfast.errors import ConfigError, IssuerUnreachableError

if TYPE_CHECKING:
    from pathlib import Path

    from holdfast.clock import Clock

_log: Final = logging.getLogger("holdfast.access")
_LOOK_SECONDS: Final = 1.0
_MOST_BYTES: Final = 1024 * 1024
_CONNECT_SECONDS: Final = 5
_READ_SECONDS: Final = 10
_TRIES: Final = 2


class KeySource(Protocol):
    """Keys as they are now."""

    def keys(self) -> KeySet:
        """Those at hand. Raises IssuerUnreachableError: none were ever got."""
        ...

    def keys_for(self, kid: str) -> KeySet:
        """With that of this id, if there is one anywhere. Raises as ``keys``."""
        ...


class KeyFile:
    """PEM of certificates and public keys, or a set of keys (JWKS). Shared by threads."""

    def __init__(self, path: Path, clock: Clock) -> None:
        """Raises ConfigError: the file holds no key that can be used."""
        self._path = path
        self._clock = clock
        self._lock = threading.Lock()
        self._looked_at = clock.monotonic()
        self._is_lost = False
        self._stamp = (0, 0, 0)
        try:
            self._keys = self._read()
        except (OSError, ValueError) as error:
            raise _unusable(path, str(error)) from error

    def keys_for(self, kid: str) -> KeySet:  # noqa: ARG002 - a file is looked at for every key alike
        return self.keys()

    def keys(self) -> KeySet:
        with self._lock:
            if self._clock.monotonic() >= self._looked_at + _LOOK_SECONDS:
                self._looked_at = self._clock.monotonic()
                self._look()
            return self._keys

    def _look(self) -> None:
        try:
            state = self._path.stat()
            if (state.st_mtime_ns, state.st_size, state.st_ino) != self._stamp:
                self._keys = self._read()
                _log.info(
                    "read the token service's keys", extra={"path": str(self._path), "keys": len(self._keys.keys)}
                )
        except (OSError, ValueError) as error:
            if not self._is_lost:
                _log.error(
                    "the token service's keys cannot be read; the last that could be hold",
                    extra={"path": str(self._path), "reason": str(error)},
                )
            self._is_lost = True
        else:
            self._is_lost = False

    def _read(self) -> KeySet:
        state = self._path.stat()
        with self._path.open("rb") as file:
            keys = key_set(file.read(_MOST_BYTES))
        self._stamp = (state.st_mtime_ns, state.st_size, state.st_ino)
        return keys


@dataclass(frozen=True, slots=True)
class AwsSecret:
    """Where it is, and how often it is fetched."""

    region: str
    name: str
    refresh_seconds: float


class AwsKeys:
    """The secret's text is a JSON object of key ids and PEM, a set of keys (JWKS), or PEM alone."""

    def __init__(self, secret: AwsSecret, clock: Clock) -> None:
        """Raises ConfigError: botocore is not there. Asks AWS nothing yet."""
        require_botocore()
        self._secret = secret
        pace = Pace(lasts_seconds=secret.refresh_seconds)
        self._kept: Kept[KeySet] = Kept(f"the secret {secret.name} at AWS", self._fetched, clock, pace)

    def keys(self) -> KeySet:
        return self._kept.get()

    def keys_for(self, kid: str) -> KeySet:
        keys = self._kept.get()
        return keys if keys.has(kid) else self._kept.anew()

    def _fetched(self) -> KeySet:
        text = _asked(self._secret)
        try:
            return key_set(text.encode())
        except ValueError as error:
            raise IssuerUnreachableError(f"the secret {self._secret.name} at AWS holds no keys: {error}") from error


def require_botocore() -> None:
    """Raises ConfigError."""
    if importlib.util.find_spec("botocore") is None:
        fault = {
            "path": "http.auth.bearer.awsSecretsManager",
            "message": "botocore is not installed",
            "remedy": "install holdfast[aws], or give http.auth.bearer.cert",
        }
        raise ConfigError("keys at AWS are fetched by botocore, which is not installed", [fault])


def _asked(secret: AwsSecret) -> str:
    import botocore.session  # noqa: PLC0415 - see the module's docstring
    from botocore import exceptions as foreign  # noqa: PLC0415
    from botocore.config import Config  # noqa: PLC0415

    patience = Config(
        connect_timeout=_CONNECT_SECONDS,
        read_timeout=_READ_SECONDS,
        retries={"total_max_attempts": _TRIES, "mode": "standard"},
    )
    try:
        client = botocore.session.Session().create_client("secretsmanager", region_name=secret.region, config=patience)
        found: Any = client.get_secret_value(SecretId=secret.name)
        return str(found["SecretString"])
    except foreign.ClientError as error:
        code = re.sub(r"[^A-Za-z]", "", str(error.response.get("Error", {}).get("Code", "")))[:60]
        raise IssuerUnreachableError(f"AWS refuses the secret {secret.name}: {code}") from error
    except (foreign.BotoCoreError, KeyError, TypeError, ValueError) as error:
        raise IssuerUnreachableError(f"AWS gives no secret {secret.name}: {type(error).__name__}") from error


def _unusable(file: Path, reason: str) -> ConfigError:
    fault = {
        "path": "http.auth.bearer.cert",
        "message": reason,
        "remedy": "write the token service's certificate or public key there as PEM, or its set of keys as JSON",
    }
    return ConfigError(f"the key of the token service in {file} cannot be used: {reason}", [fault])
