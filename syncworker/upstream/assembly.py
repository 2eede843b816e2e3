"""From an entry of ``extensions.sync.registries`` to an :class:`Upstream`, or to a :class:`Target` that is pushed to.

Promises: keys mean what they mean to zot. A URL may name a path (``https://docker.io/library``): it is put before the names of
repositories. Docker Hub may be called by its short names.

Never: asks an upstream.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from holdfast import durations, names
from holdfast.errors import ConfigError, NameInvalidError
from syncworker.metrics import SILENT
from syncworker.upstream import logins, tls
from syncworker.upstream import place as places
from syncworker.upstream.authorized import Door
from syncworker.upstream.authorizer import Authorizer
from syncworker.upstream.connections import Connections, resolve
from syncworker.upstream.credentials import InOrder
from syncworker.upstream.exchange import Exchange
from syncworker.upstream.gate import Gate
from syncworker.upstream.ledger import Ledger
from syncworker.upstream.pace import Mark, Pace, Patience, Retry, Time
from syncworker.upstream.proxies import DIRECT
from syncworker.upstream.registry import Registry
from syncworker.upstream.target import Target
from syncworker.upstream.upstream import Line, Upstream
from syncworker.upstream.writing import Writing

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from holdfast.config.sync import SyncRegistry
    from syncworker.metrics import Metrics
    from syncworker.upstream.connections import Resolver
    from syncworker.upstream.credentials import CredentialSource
    from syncworker.upstream.place import Origin
    from syncworker.upstream.proxies import Proxies

_HUB: Final = frozenset({"docker.io", "index.docker.io", "www.docker.io"})
_HUB_HOST: Final = "registry-1.docker.io"
# One token for a repository, for looking and for writing.
_READING: Final = "pull"
_WRITING: Final = "pull,push"


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the worker brings along for all upstreams. ``new_id`` makes a word that nobody can guess."""

    time: Time
    logins: Sequence[CredentialSource] = ()
    patience: Patience = field(default_factory=Patience)
    resolver: Resolver = resolve
    proxies: Proxies = DIRECT
    new_id: Callable[[], str] = secrets.token_hex
    metrics: Metrics = SILENT


def upstream(entry: SyncRegistry, around: Surroundings) -> Upstream:
    """Build it; nothing is connected to yet.

    Raises:
        ConfigError: a URL, certificates or a credential helper that cannot be used.
    """
    if not entry.urls:
        raise ConfigError("an upstream without urls")
    return Upstream(_lines(entry, entry.urls, around), retry_of(entry).within_a_call, around.time)


def target(entry: SyncRegistry, around: Surroundings) -> Target:
    """The same for an entry that images are copied to; nothing is connected to yet. Its first URL is the one.

    Raises:
        ConfigError: a URL, certificates or a credential helper that cannot be used.
    """
    if not entry.urls:
        raise ConfigError("a target without urls")
    lines = _lines(entry, entry.urls[:1], around, _WRITING)
    retry = retry_of(entry).within_a_call
    return Target(Upstream(lines, retry, around.time), Writing(lines[0].registry, around.time), retry, around.time)


def retry_of(entry: SyncRegistry) -> Retry:
    """``maxRetries``, ``retryDelay`` and ``maxRetryDelay`` as written, for images; what is absent stays as it is by default."""
    retry = Retry()
    if entry.max_retries is not None:
        retry = replace(retry, retries=entry.max_retries)
    if entry.retry_delay is not None:
        first = _seconds(entry.retry_delay)
        longest = first if entry.max_retry_delay is None else _seconds(entry.max_retry_delay)
        retry = replace(retry, first_seconds=first, longest_seconds=longest)
    return retry


def shares_of(entry: SyncRegistry) -> tuple[int, int]:
    """Connections to one host, and how many of them blobs may take. What an operator writes is never exceeded; the default is
    zot's number of blobs, and one connection more for all else.
    """
    if "req_concurrent" in entry.model_fields_set:
        return entry.req_concurrent, max(1, entry.req_concurrent - 1)
    return entry.req_concurrent + 1, entry.req_concurrent


def _lines(entry: SyncRegistry, urls: Sequence[str], around: Surroundings, actions: str = _READING) -> list[Line]:
    contexts = tls.contexts(Path(entry.cert_dir) if entry.cert_dir else None, verify=entry.tls_verify)
    sites = [site(url) for url in urls]
    helper = logins.helper(entry, [home.authority for home, _ in sites], around.time, around.new_id, around.proxies)
    source = InOrder(around.logins if helper is None else (helper, *around.logins))
    return [_line(at, entry, contexts, source, around, actions) for at in sites]


def _line(
    at: tuple[Origin, str],
    entry: SyncRegistry,
    contexts: tls.Contexts,
    source: CredentialSource,
    around: Surroundings,
    actions: str,
) -> Line:
    home, prefix = at
    ledger = Ledger(f"{home}/{prefix}".rstrip("/"), around.time.clock, around.metrics)
    places, blobs = shares_of(entry)
    idle = entry.max_idle_conns_per_host
    connections = Connections(home, contexts, around.patience, places, idle, around.resolver, around.proxies)
    pace = Pace(entry.req_per_sec, around.time)
    exchange = Exchange(home, connections, pace, around.time, around.patience, ledger)
    door = Door(exchange, Authorizer(exchange, source, around.time, frozenset(entry.token_hosts)))
    registry = Registry(door, around.time, Gate(blobs, around.patience.queue_seconds), prefix, actions)
    return Line(registry, Mark(around.time.clock), ledger)


def site(url: str) -> tuple[Origin, str]:
    """Where a configured URL leads, and what it puts before repositories' names (with its slash).

    Raises:
        ConfigError: not a URL of a registry.
    """
    try:
        place = places.parse(url if "://" in url else f"https://{url}")
        path = place.target.strip("/").removeprefix("v2/")
        prefix = f"{names.repository(path)}/" if path and path != "v2" else ""
    except (ValueError, NameInvalidError) as error:
        raise ConfigError(f"the upstream {url[:200]!r} is {error}") from error
    origin = place.origin
    return (replace(origin, host=_HUB_HOST) if origin.host in _HUB else origin), prefix


def _seconds(value: durations.Duration) -> float:
    return value.seconds
