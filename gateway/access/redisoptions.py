"""``http.auth.sessionDriver`` as the gateway needs it: which redis, as whom, with how much patience.

Promises
  * A URL stands for everything but ``keyprefix``; what follows its ``?`` has the names of the other keys, and bare numbers of
    seconds for times, as go-redis reads it.
  * What would send sessions elsewhere than told is refused: several servers (a cluster), sentinels, keys that nobody knows.
    What only tunes another client's pool is taken and has no effect.

Never: says a password or a URL, in an error neither.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from pydantic import ValidationError

from holdfast.config.drivers import Redis
from holdfast.errors import ConfigError

if TYPE_CHECKING:
    from holdfast.config.auth import Auth
    from holdfast.durations import Duration

_AT: Final = "http.auth.sessionDriver"
_PREFIX: Final = "zotsession"
_PORT: Final = 6379
# Somebody waits for an answer meanwhile.
_DIAL_SECONDS: Final = 2.0
_READ_SECONDS: Final = 2.0
_POOL_SECONDS: Final = 2.0
_RETRIES: Final = 1
_CONNECTIONS: Final = 64
_MIN_BACKOFF_SECONDS: Final = 0.008
_MAX_BACKOFF_SECONDS: Final = 0.5
_LONGEST_PORT: Final = 65_535
_SCHEMES: Final = ("redis", "rediss", "unix")
_TIMES: Final = ("_timeout", "_backoff", "_time", "_lifetime")


@dataclass(frozen=True, slots=True)
class Place:
    """``socket``: a path, in place of host and port. ``tls``: its certificate is checked against what the system trusts."""

    host: str = "localhost"
    port: int = _PORT
    socket: str = ""
    tls: bool = False


@dataclass(frozen=True, slots=True)
class Patience:
    """``retries``: after the first try, with pauses that grow from ``pause_seconds`` to ``longest_pause_seconds``."""

    dial_seconds: float = _DIAL_SECONDS
    read_seconds: float = _READ_SECONDS
    pool_seconds: float = _POOL_SECONDS
    retries: int = _RETRIES
    pause_seconds: float = _MIN_BACKOFF_SECONDS
    longest_pause_seconds: float = _MAX_BACKOFF_SECONDS


@dataclass(frozen=True, slots=True)
class RedisOptions:
    """``connections``: at most, of each process."""

    place: Place
    prefix: str = _PREFIX
    username: str = ""
    password: str = field(default="", repr=False)
    db: int = 0
    client_name: str = ""
    protocol: int = 3
    connections: int = _CONNECTIONS
    patience: Patience = Patience()

    @classmethod
    def of(cls, auth: Auth | None) -> RedisOptions | None:
        """None: sessions are in the metadata. Raises ConfigError: redis-py is not installed, or this is not for one server."""
        text = auth.session_driver if auth is not None else None
        if not isinstance(text, Redis):
            return None
        _require_library()
        prefix = text.key_prefix or _PREFIX
        if text.url is not None and text.url.get_secret_value():
            text, place = _of_url(text.url.get_secret_value())
        else:
            place = _of_address(text.addr)
        if text.master_name:
            raise _refused("master_name", "sentinels are not asked", "name the one server by url or addr")
        if text.protocol not in (2, 3):
            raise _refused("protocol", "there is no such version", "write 2 or 3")
        return cls(
            place,
            prefix,
            text.username,
            text.password.get_secret_value() if text.password is not None else "",
            text.db,
            text.client_name,
            text.protocol,
            text.max_active_conns or text.pool_size or _CONNECTIONS,
            _patience(text),
        )


def _patience(text: Redis) -> Patience:
    retries = max(0, text.max_retries) if "max_retries" in text.model_fields_set else _RETRIES
    return Patience(
        _seconds(text.dial_timeout, _DIAL_SECONDS),
        _seconds(text.read_timeout or text.write_timeout, _READ_SECONDS),
        _seconds(text.pool_timeout, _POOL_SECONDS),
        retries,
        _seconds(text.min_retry_backoff, _MIN_BACKOFF_SECONDS),
        _seconds(text.max_retry_backoff, _MAX_BACKOFF_SECONDS),
    )


def _seconds(given: Duration | None, otherwise: float) -> float:
    """Zero and less mean no limit to go-redis; there is always one here."""
    return given.seconds if given is not None and given.nanoseconds > 0 else otherwise


def _of_address(addresses: tuple[str, ...]) -> Place:
    if len(addresses) > 1:
        raise _refused("addr", "several servers are a cluster, which is not spoken to", "name one server")
    if not addresses:
        raise _refused("url", "it is not said where redis is", 'write its URL, such as "rediss://host:6379"')
    try:
        return _host_and_port(urlsplit(f"//{addresses[0]}"))
    except ValueError:
        raise _refused("addr", "no address", 'write it as "host:6379"') from None


def _of_url(url: str) -> tuple[Redis, Place]:
    """The other keys as the URL has them, and where it leads."""
    # What went wrong is told without its cause, which would quote the URL.
    try:
        parts = urlsplit(url)
        asked = {name: values if name == "addr" else values[-1] for name, values in parse_qs(parts.query).items()}
        place = _host_and_port(parts)
    except ValueError:
        raise _no_url("no URL") from None
    if parts.scheme not in _SCHEMES:
        raise _no_url("neither redis, rediss nor unix")
    if "addr" in asked:
        raise _no_url("several servers are a cluster, which is not spoken to")
    path = unquote(parts.path)
    if parts.scheme == "unix":
        place = Place(socket=path)
    elif path.strip("/"):
        asked["db"] = path.strip("/")
    return _keys(parts, asked), place


def _keys(parts: SplitResult, asked: dict[str, str | list[str]]) -> Redis:
    forbidden = {"name", "url", "keyprefix", "username", "password"} & {name.lower() for name in asked}
    if forbidden:
        raise _no_url(f"{min(forbidden)} has no place after its ?")
    timed = {
        name: f"{text}s" if isinstance(text, str) and text.isdecimal() and name.endswith(_TIMES) else text
        for name, text in asked.items()
    }
    who = {"username": unquote(parts.username or ""), "password": unquote(parts.password or "")}
    try:
        return Redis.model_validate({**timed, **who, "name": "redis"})
    except ValidationError as error:
        named = sorted({str(step) for fault in error.errors() for step in fault["loc"][:1] if step in asked})
        raise _no_url(f"what stands after its ? cannot be used: {', '.join(named)}") from None


def _host_and_port(parts: SplitResult) -> Place:
    """Raises ValueError."""
    port = parts.port
    if port is not None and not 0 < port <= _LONGEST_PORT:
        raise ValueError("no port")
    return Place(parts.hostname or "localhost", port or _PORT, tls=parts.scheme == "rediss")


def _require_library() -> None:
    if importlib.util.find_spec("redis") is None:
        remedy = "install holdfast[redis], or remove the sessionDriver: sessions are then in the metadata"
        raise _refused("", "redis-py is not installed", remedy)


def _no_url(reason: str) -> ConfigError:
    return _refused("url", reason, 'write "redis://user:password@host:6379/0", or rediss:// for TLS')


def _refused(key: str, reason: str, remedy: str) -> ConfigError:
    path = f"{_AT}.{key}" if key else _AT
    fault = {"path": path, "message": reason, "remedy": remedy}
    return ConfigError(f"{path} cannot be used: {reason}; {remedy}", [fault])
