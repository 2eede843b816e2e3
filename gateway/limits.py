"""What of the configuration bounds clients, whoever they are; one frozen value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from gateway.clients import Clients
from gateway.connections import Crowding
from gateway.rates import Paces

if TYPE_CHECKING:
    from holdfast.config.http import Http

# Idle connections are cheap, threads are what is bounded; open files are the limit behind this one.
CONNECTIONS: Final = 4096


@dataclass(frozen=True, slots=True)
class Limits:
    """``clients``: who they are; ``paces``: how fast they may ask; ``crowding``: how many may be connected."""

    clients: Clients = Clients()  # noqa: RUF009 - frozen
    paces: Paces = Paces()  # noqa: RUF009 - frozen
    crowding: Crowding = Crowding(CONNECTIONS, CONNECTIONS)  # noqa: RUF009 - frozen

    @classmethod
    def of(cls, http: Http, workers: int) -> Limits:
        clients = Clients.behind(http.trusted_proxies)
        total = http.max_connections or CONNECTIONS * workers
        of_one = http.max_connections_per_address or max(1, total * 3 // 4)
        return cls(clients, Paces.of(http.rate_limit), Crowding(total, of_one, clients.proxies))

    @property
    def of_one_worker(self) -> int:
        """Connections that a worker may hold: the kernel spreads them, and may give all to one."""
        return max(CONNECTIONS, self.crowding.total)
