"""From an entry of ``extensions.sync.registries`` to an :class:`Upstream`, or to a :class:`Target` that is pushed to.

Promises: keys mean what they mean to zot. A URL may name a path (``https://docker.io/library``): it is put before the names of
repositories. Docker Hub may be called by its short names.

Never: asks an upstream.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from holdfast import durations, names
from holdfast.errors import ConfigError, NameInvalidError
from syncworker.upstream import place as places
from syncworker.upstream import tls
from syncworker.upstream.authorizer import Authorizer
from syncworker.upstream.connections import Connections, resolve
from syncworker.upstream.credentials import InOrder
from syncworker.upstream.exchange import Exchange
from syncworker.upstream.pace import Mark, Pace, Patience, Retry, Time
from syncworker.upstream.registry import Registry
from syncworker.upstream.target import Target
from syncworker.upstream.upstream import Line, Upstream
from syncworker.upstream.writing import Writing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from holdfast.config.sync import SyncRegistry
    from syncworker.upstream.connections import Resolver
    from syncworker.upstream.credentials import CredentialSource
    from syncworker.upstream.place import Origin

_HUB: Final = frozenset({"docker.io", "index.docker.io", "www.docker.io"})
_HUB_HOST: Final = "registry-1.docker.io"
# One token for a repository, for looking and for writing.
_WRITING: Final = "pull,push"


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the worker brings along for all upstreams."""

    time: Time
    logins: Sequence[CredentialSource] = ()
    patience: Patience = field(default_factory=Patience)
    # Further hosts whose token services may see credentials, whatever the upstream.
    realms: frozenset[str] = frozenset()
    resolver: Resolver = resolve


def upstream(entry: SyncRegistry, around: Surroundings) -> Upstream:
    """Build it; nothing is connected to yet.

    Raises:
        ConfigError: a URL or certificates that cannot be used.
    """
    contexts = tls.contexts(Path(entry.cert_dir) if entry.cert_dir else None, verify=entry.tls_verify)
    lines = [Line(_registry(url, entry, contexts, around), Mark(around.time.clock)) for url in entry.urls]
    if not lines:
        raise ConfigError("an upstream without urls")
    return Upstream(lines, retry_of(entry), around.time)


def target(entry: SyncRegistry, around: Surroundings) -> Target:
    """The same for an entry that images are copied to; nothing is connected to yet. Its first URL is the one.

    Raises:
        ConfigError: a URL or certificates that cannot be used.
    """
    if not entry.urls:
        raise ConfigError("a target without urls")
    contexts = tls.contexts(Path(entry.cert_dir) if entry.cert_dir else None, verify=entry.tls_verify)
    registry = _registry(entry.urls[0], entry, contexts, around, _WRITING)
    reading = Upstream([Line(registry, Mark(around.time.clock))], retry_of(entry), around.time)
    return Target(reading, Writing(registry, around.time), retry_of(entry), around.time)


def retry_of(entry: SyncRegistry) -> Retry:
    """``maxRetries``, ``retryDelay`` and ``maxRetryDelay`` for single requests; what is absent stays as it is by default."""
    retry = Retry()
    if entry.max_retries is not None:
        retry = replace(retry, retries=entry.max_retries)
    if entry.retry_delay is not None:
        first = _seconds(entry.retry_delay)
        longest = first if entry.max_retry_delay is None else _seconds(entry.max_retry_delay)
        retry = replace(retry, first_seconds=first, longest_seconds=longest)
    return retry


def _registry(
    url: str, entry: SyncRegistry, contexts: tls.Contexts, around: Surroundings, actions: str = "pull"
) -> Registry:
    home, prefix = site(url)
    connections = Connections(home, contexts, around.patience, entry.req_concurrent, around.resolver)
    pace = Pace(entry.req_per_sec, around.time)
    exchange = Exchange(home, connections, pace, around.time, around.patience)
    authorizer = Authorizer(exchange, InOrder(around.logins), around.time, around.realms)
    return Registry(exchange, authorizer, around.time, prefix, actions)


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
