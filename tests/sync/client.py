"""Upstreams as the tests make them: from a registry entry, on a time in which pauses are noted and not waited for."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from holdfast.clock import ManualClock
from holdfast.config.sync import SyncRegistry
from syncworker.upstream import assembly
from syncworker.upstream.assembly import Surroundings
from syncworker.upstream.connections import resolve
from syncworker.upstream.credentials import Credentials, Listed
from syncworker.upstream.pace import Patience, Time
from syncworker.upstream.proxies import DIRECT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from syncworker.upstream.connections import Resolver
    from syncworker.upstream.credentials import CredentialSource
    from syncworker.upstream.proxies import Proxies
    from syncworker.upstream.upstream import Upstream

# Closed after each test, by the fixture in conftest.py.
MADE: list[Upstream] = []
ALICE = Credentials("alice", "s3cret")


@dataclass
class Pauses:
    """Time that passes only in pauses. ``taken`` holds their lengths in seconds."""

    clock: ManualClock = field(default_factory=ManualClock)
    taken: list[float] = field(default_factory=list)

    def pause(self, seconds: float) -> None:
        self.taken.append(seconds)
        self.clock.advance(seconds)

    @property
    def time(self) -> Time:
        return Time(self.clock, self.pause, lambda: 0.0)


def upstream_of(
    *urls: str,
    pauses: Pauses | None = None,
    logins: Sequence[CredentialSource] = (),
    resolver: Resolver = resolve,
    silence_seconds: float = 20.0,
    queue_seconds: int = 300,
    time: Time | None = None,
    proxies: Proxies = DIRECT,
    **entry: Any,
) -> Upstream:
    around = Surroundings(
        time or (pauses or Pauses()).time,
        logins,
        Patience(connect_seconds=5.0, silence_seconds=silence_seconds, queue_seconds=queue_seconds),
        resolver=resolver,
        proxies=proxies,
    )
    made = assembly.upstream(SyncRegistry.model_validate({"urls": list(urls), **entry}), around)
    MADE.append(made)
    return made


def alice_at(*hosts: str) -> Listed:
    return Listed(dict.fromkeys(hosts, ALICE))
