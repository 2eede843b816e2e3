"""JWT assertions, by which we prove to a token endpoint who we are (RFC 7521, RFC 7523).

    assertionFile    one that somebody else keeps renewing, as platforms do with their workload tokens
    signingFile      a key and claims, from which one is signed for each request

Promises: files are read anew each time, so that a rotated key needs no restart. A signed assertion is good for five minutes, and
once: its ``jti`` is random. Only asymmetric algorithms sign.

Never: a key or an assertion in a message.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

import jwt

from holdfast.config.secretfiles import load_signing_key
from holdfast.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

    from holdfast.clock import Clock

_LIFE_SECONDS: Final = 300
_LARGEST_FILE_BYTES: Final = 64 << 10
# With a shared secret the file would hold what the endpoint checks with, and whoever reads one could be the other.
_ALGORITHMS: Final = frozenset(
    {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}
)


class Assertion(Protocol):
    """Makes or finds an assertion; raises ConfigError when it cannot."""

    def __call__(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Kept:
    """In a file that somebody else writes."""

    path: Path

    def __call__(self) -> str:
        return secret_of(self.path)


@dataclass(frozen=True, slots=True)
class Signed:
    """Of a signing file. What it leaves out of issuer and subject is ``client_id``, of the audience ``token_url``."""

    path: Path
    client_id: str
    token_url: str
    clock: Clock
    new_id: Callable[[], str]

    def __call__(self) -> str:
        how = load_signing_key(self.path)
        if how.algorithm not in _ALGORITHMS:
            raise ConfigError(
                f"the secret file {self.path} is refused: its algorithm is none of {', '.join(sorted(_ALGORITHMS))}"
            )
        now = int(self.clock.wall())
        claims = {
            "iss": how.issuer or self.client_id,
            "sub": how.subject or self.client_id,
            "aud": how.audience or self.token_url,
            "iat": now,
            "exp": now + _LIFE_SECONDS,
            "jti": self.new_id(),
        }
        key = _read(Path(how.private_key_file))
        try:
            return jwt.encode(claims, key, how.algorithm, {"kid": how.key_id} if how.key_id else None)
        except (jwt.PyJWTError, ValueError, TypeError, NotImplementedError) as error:
            # The library's own words may hold parts of the key.
            raise ConfigError(
                f"the key {how.private_key_file} cannot sign by {how.algorithm}; it is a private key in PEM, without a passphrase"
            ) from error


def secret_of(path: Path) -> str:
    """The one secret that a file holds, without the blanks and line ends around it.

    Raises:
        ConfigError: unreadable, empty, or no single line of ASCII.
    """
    try:
        secret = _read(path).decode("ascii").strip()
    except UnicodeDecodeError as error:
        raise ConfigError(f"the secret file {path} is refused: it is no text") from error
    if not secret or not secret.isprintable():
        raise ConfigError(f"the secret file {path} is refused: write the secret into it, as its only line")
    return secret


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST_FILE_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"the secret file {path} cannot be read: {error.strerror or 'no reason given'}") from error
    if len(content) > _LARGEST_FILE_BYTES:
        raise ConfigError(f"the secret file {path} is refused: it is longer than {_LARGEST_FILE_BYTES} bytes")
    return content
