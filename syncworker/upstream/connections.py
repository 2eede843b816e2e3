"""Connections to an upstream and to where it sends us: kept, bounded, and made only to addresses that the guard admits.

Promises: at most ``concurrent`` connections to one origin; more requests wait in line, for a bounded time. At most ``idle`` of them
stay open while nobody uses them (none said: all). The address that was
judged is the address that is connected to: names are resolved here, once for each connection.

Where a proxy stands between (:mod:`syncworker.upstream.proxies`), it resolves names, too. What resolves here is judged all the
same, and addresses always; a name that is known to the proxy alone is the proxy's to judge: it leads into the proxy's network.

Stands on private names of urllib3's: ``_new_conn`` and ``_dns_host`` of connections, ``_put_conn`` of pools. They are its own
places for what we do here.
"""

from __future__ import annotations

import contextlib
import http.client
import socket
import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Final

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, InsecureRequestWarning, NameResolutionError, NewConnectionError
from urllib3.util import connection as dialing

from syncworker.upstream import proxies as ways
from syncworker.upstream import trust
from syncworker.upstream.heads import Heads

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    from syncworker.upstream.pace import Patience
    from syncworker.upstream.place import Origin
    from syncworker.upstream.proxies import Proxies, Proxy
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

    def __init__(self, guard: Guard, resolver: Resolver, proxies: Proxies) -> None:
        self._guard = guard
        self._resolver = resolver
        self._proxies = proxies

    def tunnel(self, connection: HTTPConnection) -> socket.socket:
        """For https: through the proxy where there is one."""
        proxy = self._proxies.towards(connection.host, connection.port)
        if proxy is None:
            return self.dial(connection)
        with contextlib.suppress(NameResolutionError):
            self._guard.admit(connection.host, self._resolved(connection))
        return _through(proxy, connection)

    def dial(self, connection: HTTPConnection) -> socket.socket:
        addresses = self._resolved(connection)
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

    def _resolved(self, connection: HTTPConnection) -> list[str]:
        try:
            return self._resolver(connection._dns_host, connection.port)  # noqa: SLF001 - see the module's docstring
        except (socket.gaierror, UnicodeError) as error:
            failure = error if isinstance(error, socket.gaierror) else socket.gaierror(str(error))
            raise NameResolutionError(connection.host, connection, failure) from error


def _through(proxy: Proxy, connection: HTTPConnection) -> socket.socket:
    patience = connection.timeout if isinstance(connection.timeout, float | int) else None
    client = http.client.HTTPConnection(proxy.host, proxy.port, timeout=patience)
    client.set_tunnel(connection.host, connection.port, proxy.headers)
    try:
        client.connect()
    except TimeoutError as error:
        client.close()
        raise ConnectTimeoutError(connection, f"the proxy was silent about {connection.host}") from error
    except (OSError, http.client.HTTPException) as error:
        client.close()
        raise NewConnectionError(connection, f"the proxy makes no connection to {connection.host}") from error
    if client.sock is None:
        raise NewConnectionError(connection, f"the proxy makes no connection to {connection.host}")
    return client.sock


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
        return self._dialer.tunnel(self)


class _KeepsFew(urllib3.HTTPConnectionPool):
    """``idle``: connections kept open while nobody uses them. One that is closed is connected again when it is used."""

    idle = 0

    def _put_conn(self, conn: Any) -> None:
        if self.idle and self.pool is not None and conn is not None and not conn.is_closed:
            with self.pool.mutex:  # nobody takes one meanwhile
                open_ones = [other for other in self.pool.queue if other is not None and not other.is_closed]
                # The one that was used last is taken first, so the one at the bottom goes.
                for other in open_ones[: len(open_ones) + 1 - self.idle]:
                    other.close()
        super()._put_conn(conn)


class _PlainPool(_KeepsFew):
    ConnectionCls = _Plain


class _TlsPool(_KeepsFew, urllib3.HTTPSConnectionPool):
    ConnectionCls = _Tls


class Connections:
    """Pools by origin, for one upstream. Shared by threads."""

    def __init__(
        self,
        home: Origin,
        contexts: Contexts,
        patience: Patience,
        concurrent: int,
        idle: int = 0,
        resolver: Resolver = resolve,
        proxies: Proxies = ways.DIRECT,
    ) -> None:
        self._home = home
        self._contexts = contexts
        self._patience = patience
        self._concurrent = concurrent
        self._idle = idle
        self._dialer = _Dialer(trust.Guard(home), resolver, proxies)
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
        pool: _PlainPool | _TlsPool
        if origin.scheme == "http":
            pool = _PlainPool(origin.host, origin.port, **options)
        else:
            pool = _TlsPool(origin.host, origin.port, ssl_context=self._context(origin), **options)
        pool.idle = self._idle
        return pool

    def _context(self, origin: Origin) -> ssl.SSLContext:
        if origin == self._home:
            return self._contexts.home
        return self._contexts.kin if trust.is_kin(self._home.host, origin.host) else self._contexts.others
