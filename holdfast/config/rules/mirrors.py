"""Rules of the upstreams in ``extensions.sync`` (zot: validateSync; those of our own keys are ours)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from holdfast.config.rules.finding import Finding, Rule
from holdfast.config.rules.storage import object_stores
from holdfast.config.sync import EVERYTHING, NOTHING, PUSH

if TYPE_CHECKING:
    from collections.abc import Iterator

    from holdfast.config.faults import Steps
    from holdfast.config.settings import Settings
    from holdfast.config.sync import SyncContent, SyncRegistry

_SYNC: Final[Steps] = ("extensions", "sync")


def mirrors_can_run(settings: Settings) -> Iterator[Finding]:
    sync = settings.extensions.sync
    if sync is None:
        return
    drivers = object_stores(settings)
    if sync.enable and drivers and not sync.download_dir:
        message = "missing: mirroring into an object store needs a local directory on the way"
        yield Finding((*_SYNC, "downloadDir"), message, "write a directory", reads=drivers)
    for index, registry in enumerate(sync.registries):
        at = (*_SYNC, "registries", index)
        yield from _registry(registry, at, converts=not settings.http.compat)
        yield from _push(registry, at) if registry.direction == PUSH else _pull(registry, at)


def _registry(registry: SyncRegistry, at: Steps, *, converts: bool) -> Iterator[Finding]:
    if not any(url.strip() for url in registry.urls):
        yield Finding((*at, "urls"), "missing: no upstream", 'write its URL, such as "https://registry.example.com"')
    if registry.max_retries is not None and registry.retry_delay is None:
        reads: tuple[Steps, ...] = ((*at, "maxRetries"),)
        yield Finding((*at, "retryDelay"), "missing: maxRetries needs it", 'write a duration, such as "1m"', reads)
    if registry.preserve_digest and converts:
        message = "Docker's manifests cannot be kept as they are without http.compat"
        yield Finding((*at, "preserveDigest"), message, 'write "compat": ["docker2s2"] in http', (("http", "compat"),))
    delay, longest = registry.retry_delay, registry.max_retry_delay
    if delay is not None and longest is not None and longest < delay:
        message, retry_reads = "shorter than retryDelay", ((*at, "retryDelay"),)
        yield Finding(
            (*at, "maxRetryDelay"), message, "write a longer duration, or remove it", retry_reads, warning=True
        )


def _pull(registry: SyncRegistry, at: Steps) -> Iterator[Finding]:
    reads: tuple[Steps, ...] = ((*at, "onDemand"), (*at, "pollInterval"))
    if registry.manifest_check_interval and not registry.on_demand:
        message = "without effect: only pulls on demand ask upstream again"
        yield Finding((*at, "manifestCheckInterval"), message, "turn onDemand on, or remove it", reads)
    for place in _ahead(registry, at) if not registry.on_demand else ():
        message = "without effect: only what is pulled on demand is fetched ahead"
        yield Finding((*place, "prefetch"), message, "turn onDemand on, or remove it", reads)
    if not registry.poll_interval:
        for place in _choosing(registry, at):
            message = "without effect: clients get any platform that they ask for, and no index is fetched ahead"
            yield Finding((*place, "platforms"), message, 'write "prefetch": "all", or remove it', reads, warning=True)
    if registry.docker_mirror and not registry.on_demand:
        message = "without effect: only pulls on demand are served by other names"
        yield Finding((*at, "dockerMirror"), message, "turn onDemand on, or remove it", reads)
    if not registry.on_demand and not registry.poll_interval:
        message = "mirrors nothing: neither onDemand nor a pollInterval"
        yield Finding(at, message, "give one of them", reads, warning=True)
    yield from _kept(registry, at, reads)


def _ahead(registry: SyncRegistry, at: Steps) -> Iterator[Steps]:
    """Where it says that something is fetched ahead."""
    places: list[tuple[Steps, str | None]] = [(at, registry.prefetch)]
    places += [((*at, "content", index), content.prefetch) for index, content in enumerate(registry.content)]
    yield from (place for place, prefetch in places if prefetch not in {None, NOTHING})


def _choosing(registry: SyncRegistry, at: Steps) -> Iterator[Steps]:
    """Where platforms are named of which none is fetched ahead."""
    depths = {registry.prefetch if content.prefetch is None else content.prefetch for content in registry.content}
    if registry.platforms and EVERYTHING not in (depths or {registry.prefetch}):
        yield at
    for index, content in enumerate(registry.content):
        if content.platforms and (content.prefetch or registry.prefetch) != EVERYTHING:
            yield (*at, "content", index)


def _kept(registry: SyncRegistry, at: Steps, reads: tuple[Steps, ...]) -> Iterator[Finding]:
    """What goes for lack of room comes back by a pull on demand, or with every round of a mirror."""
    places: list[tuple[Steps, SyncRegistry | SyncContent]] = [(at, registry)]
    places += [((*at, "content", index), content) for index, content in enumerate(registry.content)]
    for here, block in places:
        for key, value in (("cacheSize", block.cache_size), ("cacheMaxAge", block.cache_max_age)):
            if value is not None and not registry.on_demand:
                message = "nobody could pull again what goes, since onDemand is off"
                yield Finding((*here, key), message, "turn onDemand on, or remove it", reads)
            elif value is not None and registry.poll_interval and registry.content:
                message = "what goes is fetched again with the next poll"
                yield Finding((*here, key), message, "remove it, or the pollInterval", reads, warning=True)


def _push(registry: SyncRegistry, at: Steps) -> Iterator[Finding]:
    """Where images are copied to, nothing is pulled from."""
    meant_for_pulls = {
        "onDemand": registry.on_demand,
        "manifestCheckInterval": registry.manifest_check_interval,
        "prefetch": any(True for _ in _ahead(registry, ())),
        "dockerMirror": registry.docker_mirror,
        "namespaces": registry.namespaces,
        "allowPush": registry.allow_push is not None,
        "cacheSize": registry.cache_size is not None,
        "cacheMaxAge": registry.cache_max_age is not None,
    }
    reads: tuple[Steps, ...] = ((*at, "direction"),)
    for key, given in meant_for_pulls.items():
        if given:
            yield Finding((*at, key), "without effect: nothing is pulled from here", "remove it, or direction", reads)
    if len(registry.urls) > 1:
        message = "without effect beyond the first: copies go to one registry"
        yield Finding((*at, "urls"), message, "write an entry of its own for each", reads)
    if not registry.content:
        message = "missing: nothing says which repositories are copied there"
        yield Finding((*at, "content"), message, 'write [{"prefix": "**"}] for all', reads)


MIRROR_RULES: Final[tuple[Rule, ...]] = (mirrors_can_run,)
