"""Connections to an upstream and to where it sends us: kept, bounded, and made only to addresses that the guard admits.

Promises: at most ``concurrent`` connections to one origin; more requests wait in line, for a bounded time. The address that was
judged is the address that is connected to: names are resolved here, once for each connection.

Stands on two private names of urllib3's connections (``_new_conn``, ``_dns_host``): its own place for what we do here.
"""

from __future__ import annotations

import socket
import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Final

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, InsecureRequestWarning, NameResolutionError, NewConnectionError
from urllib3.util import connection as dialing

from syncworker.upstream import trust
from syncworker.upstream.heads import Heads

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    from syncworker.upstream.pace import Patience
    from syncworker.upstream.place import Origin
    from syncworker.upstream.tls import Contexts
    from syncworker.upstream.trust import Guard

    # Host and port to numerical addresses; raises socket.gaierror.
    Resolver = Callable[[str, int], list[str]]

# Content networks hand out many host names; connections to more than this many are not kept.
_KEPT_ORIGINS: Final = 16


def resolve(host: str, port: int) -> list[str]:
    """What the machine's name service says, in its order."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class _Dialer:
    """Resolves, asks the guard, connects."""

    def __init__(self, guard: Guard, resolver: Resolver) -> None:
        self._guard = guard
        self._resolver = resolver

    def dial(self, connection: HTTPConnection) -> socket.socket:
        try:
            addresses = self._resolver(connection._dns_host, connection.port)  # noqa: SLF001 - see the module's docstring
        except (socket.gaierror, UnicodeError) as error:
            failure = error if isinstance(error, socket.gaierror) else socket.gaierror(str(error))
            raise NameResolutionError(connection.host, connection, failure) from error
        was_silent = False
        for address in self._guard.admit(connection.host, addresses):
            try:
                return dialing.create_connection(
                    (address, connection.port), connection.timeout, socket_options=connection.socket_options
                )
            except OSError as error:
                was_silent = isinstance(error, TimeoutError)
        if was_silent:
            raise ConnectTimeoutError(connection, f"{connection.host} was silent")
        raise NewConnectionError(connection, f"{connection.host} takes no connection")


class _Plain(Heads, HTTPConnection):
    def __init__(self, *args: Any, dialer: _Dialer, **options: Any) -> None:
        super().__init__(*args, **options)
        self._dialer = dialer

    def _new_conn(self) -> socket.socket:
        return self._dialer.dial(self)


class _Tls(Heads, HTTPSConnection):
    def __init__(self, *args: Any, dialer: _Dialer, **options: Any) -> None:
        super().__init__(*args, **options)
        self._dialer = dialer

    def _new_conn(self) -> socket.socket:
        return self._dialer.dial(self)


class _PlainPool(urllib3.HTTPConnectionPool):
    ConnectionCls = _Plain


class _TlsPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _Tls


class Connections:
    """Pools by origin, for one upstream. Shared by threads."""

    def __init__(
        self, home: Origin, contexts: Contexts, patience: Patience, concurrent: int, resolver: Resolver = resolve
    ) -> None:
        self._home = home
        self._contexts = contexts
        self._patience = patience
        self._concurrent = concurrent
        self._dialer = _Dialer(trust.Guard(home), resolver)
        self._lock = threading.Lock()
        self._pools: OrderedDict[Origin, urllib3.HTTPConnectionPool] = OrderedDict()
        if not contexts.home.check_hostname:
            # The operator said so in the configuration; a line for every request would tell nothing more.
            urllib3.disable_warnings(InsecureRequestWarning)

    def to(self, origin: Origin) -> urllib3.HTTPConnectionPool:
        """The pool of an origin, made when there is none."""
        with self._lock:
            pool = self._pools.get(origin)
            if pool is None:
                pool = self._pools[origin] = self._make(origin)
            self._pools.move_to_end(origin)
            self._pools.move_to_end(self._home) if self._home in self._pools else None
            dropped = [self._pools.popitem(last=False)[1] for _ in range(len(self._pools) - _KEPT_ORIGINS)]
        for old in dropped:
            old.close()
        return pool

    def close(self) -> None:
        """Close what is idle; connections in use are closed by whoever uses them."""
        with self._lock:
            pools = list(self._pools.values())
            self._pools.clear()
        for pool in pools:
            pool.close()

    def _make(self, origin: Origin) -> urllib3.HTTPConnectionPool:
        timeout = urllib3.Timeout(connect=self._patience.connect_seconds, read=self._patience.silence_seconds)
        options: dict[str, Any] = {
            "timeout": timeout,
            "maxsize": self._concurrent,
            "block": True,
            "retries": False,
            "dialer": self._dialer,
            "head_seconds": self._patience.head_seconds,
        }
        if origin.scheme == "http":
            return _PlainPool(origin.host, origin.port, **options)
        return _TlsPool(origin.host, origin.port, ssl_context=self._context(origin), **options)

    def _context(self, origin: Origin) -> ssl.SSLContext:
        if origin == self._home:
            return self._contexts.home
        return self._contexts.kin if trust.is_kin(self._home.host, origin.host) else self._contexts.others
