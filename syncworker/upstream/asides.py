"""Requests to hosts that are no upstream but hand out logins for one: token endpoints, a cloud's metadata service.

Promises: their certificates are always checked, our certificate for the upstream is not shown to them, and they are reached through
the proxy of the environment as the upstreams are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from syncworker.metrics import SILENT
from syncworker.upstream import tls
from syncworker.upstream.connections import Connections
from syncworker.upstream.exchange import Exchange
from syncworker.upstream.ledger import Ledger
from syncworker.upstream.pace import Pace, Patience

if TYPE_CHECKING:
    from pathlib import Path

    from syncworker.upstream.pace import Time
    from syncworker.upstream.place import Origin
    from syncworker.upstream.proxies import Proxies

# Somebody waits for a pull meanwhile, and these are near or built to answer at once.
_PATIENCE: Final = Patience(connect_seconds=5.0, silence_seconds=15.0)


@dataclass(frozen=True, slots=True)
class Asides:
    """``authorities``: a certDir, whose authorities count besides the system's."""

    time: Time
    proxies: Proxies
    authorities: Path | None = None

    def to(self, origin: Origin) -> Exchange:
        """One request at a time; raises ConfigError: the directory cannot be used."""
        context = tls.contexts(self.authorities, verify=True).others
        contexts = tls.Contexts(context, context, context)
        connections = Connections(origin, contexts, _PATIENCE, 1, proxies=self.proxies)
        ledger = Ledger(str(origin), self.time.clock, SILENT)
        return Exchange(origin, connections, Pace(0, self.time), self.time, _PATIENCE, ledger)
