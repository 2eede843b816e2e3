"""One redis server, by redis-py (the extra ``redis``), which is imported where a server is configured and nowhere else.

Promises: every error of the library and of the network is SessionsUnavailableError; every wait is bounded, and a server that is
down is left alone for a moment (``breaker``).

Never: a password in a message or a log line; a value taken for anything but bytes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from gateway.access.breaker import REDIS, Breaker
from holdfast.errors import SessionsUnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.access.redisoptions import RedisOptions
    from holdfast.clock import Clock

Result = TypeVar("Result")


class RedisServer:
    """Shared by threads. Asks nothing before the first call. Every method raises SessionsUnavailableError."""

    def __init__(self, options: RedisOptions, clock: Clock) -> None:
        # See the module's docstring.
        import redis  # noqa: PLC0415

        self._errors = (redis.RedisError, OSError)
        self._redis = redis.Redis(connection_pool=_pool(options))
        place = options.place
        self._breaker = Breaker(place.socket or f"{place.host}:{place.port}", clock, service=REDIS)

    def add(self, key: str, value: bytes, milliseconds: int) -> bool:
        """Whether it was not there. Tried again after a lost answer, this may find its own."""
        return bool(self._asked(lambda: self._redis.set(key, value, px=milliseconds, nx=True)))

    def get(self, key: str) -> bytes | None:
        found: Any = self._asked(lambda: self._redis.get(key))
        return found if isinstance(found, bytes) else None

    def remove(self, key: str) -> None:
        self._asked(lambda: self._redis.delete(key))

    def close(self) -> None:
        self._redis.close()
        self._redis.connection_pool.disconnect()

    def _asked(self, work: Callable[[], Result]) -> Result:
        return self._breaker.run(lambda: self._translated(work))

    def _translated(self, work: Callable[[], Result]) -> Result:
        try:
            return work()
        except self._errors as error:
            # Its kind alone: what a server or a library says may quote anything.
            raise SessionsUnavailableError(reason=type(error).__name__) from error


def _pool(options: RedisOptions) -> Any:
    import redis  # noqa: PLC0415 - see the module's docstring
    from redis.backoff import ExponentialBackoff  # noqa: PLC0415
    from redis.maint_notifications import MaintNotificationsConfig  # noqa: PLC0415
    from redis.retry import Retry  # noqa: PLC0415

    place, patience = options.place, options.patience
    pause = ExponentialBackoff(patience.longest_pause_seconds, patience.pause_seconds)
    where: dict[str, Any] = {"host": place.host, "port": place.port}
    kind: Any = redis.Connection
    if place.socket:
        where, kind = {"path": place.socket}, redis.UnixDomainSocketConnection
    elif place.tls:
        kind = redis.SSLConnection
    make: Any = redis.BlockingConnectionPool  # the library types it in part
    return make(
        options.connections,
        patience.pool_seconds,
        kind,
        **where,
        db=options.db,
        username=options.username or None,
        password=options.password or None,
        client_name=options.client_name or None,
        protocol=options.protocol,
        socket_connect_timeout=patience.dial_seconds,
        socket_timeout=patience.read_seconds,
        # A server that is slow is not asked again: that would make the wait longer, and the server slower.
        retry=Retry(pause, patience.retries, (redis.ConnectionError,)),
        # For one vendor's service; any other server answers with an error.
        maint_notifications_config=MaintNotificationsConfig(enabled=False),
    )
