"""Rules of ``extensions`` other than mirroring (zot: validateExtensionsConfig; metrics path)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from holdfast.config.extensions import SHORTEST_INTERVAL
from holdfast.config.rules.finding import Finding, Rule
from holdfast.config.rules.storage import object_stores

if TYPE_CHECKING:
    from collections.abc import Iterator

    from holdfast.config.settings import Settings

# Paths that belong to the registry itself; metrics there would hide it.
_TAKEN: Final = ("/v2", "/livez", "/readyz", "/startupz", "/auth", "/zot")


def pages_need_search(settings: Settings) -> Iterator[Finding]:
    if settings.extensions.runs("ui") and not settings.extensions.runs("search"):
        message = "the pages cannot do without search"
        remedy = 'write "search": {} beside it, or remove it'
        yield Finding(("extensions", "ui"), message, remedy, reads=(("extensions", "search"),))


def scanning_needs_a_local_disk(settings: Settings) -> Iterator[Finding]:
    search = settings.extensions.search
    drivers = object_stores(settings)
    if search is None or not search.enable or search.cve is None:
        return
    at = ("extensions", "search", "cve")
    if drivers:
        yield Finding(
            at, "images in an object store cannot be scanned", "remove it, or the storageDriver", reads=drivers
        )
    if search.cve.update_interval < SHORTEST_INTERVAL:
        yield Finding((*at, "updateInterval"), "raised to 2h", 'write "2h" or more', warning=True)


def rounds_are_not_too_many(settings: Settings) -> Iterator[Finding]:
    scrub = settings.extensions.scrub
    if scrub is not None and scrub.enable and scrub.interval < SHORTEST_INTERVAL:
        yield Finding(("extensions", "scrub", "interval"), "raised to 2h", 'write "2h" or more', warning=True)


def metrics_have_a_place(settings: Settings) -> Iterator[Finding]:
    metrics = settings.extensions.metrics
    if metrics is None:
        return
    path = metrics.prometheus.path
    taken = any(path.rstrip("/") == own or path.startswith(f"{own}/") for own in _TAKEN)
    if taken or not path.startswith("/") or not path.strip("/"):
        at = ("extensions", "metrics", "prometheus", "path")
        yield Finding(
            at, "no place for metrics: the registry is there, or it is no path", 'write a path such as "/metrics"'
        )


def sinks_are_complete(settings: Settings) -> Iterator[Finding]:
    events = settings.extensions.events
    for index, sink in enumerate(events.sinks if events else ()):
        needed = {
            "type": bool(sink.type),
            "address": bool(sink.address),
            "channel": bool(sink.channel) or sink.type != "nats",
        }
        for key, present in needed.items():
            if not present:
                at = ("extensions", "events", "sinks", index)
                yield Finding((*at, key), "missing: a receiver of events needs it", "write it", reads=((*at, "type"),))


def replaced_blocks_are_named(settings: Settings) -> Iterator[Finding]:
    if settings.extensions.mgmt is not None:
        yield Finding(("extensions", "mgmt"), "ignored: it follows search", "remove it", warning=True)
    if settings.extensions.apikey is not None:
        yield Finding(("extensions", "apikey"), "ignored: API keys are under http.auth.apikey", "move it", warning=True)


EXTENSION_RULES: Final[tuple[Rule, ...]] = (
    pages_need_search,
    scanning_needs_a_local_disk,
    rounds_are_not_too_many,
    metrics_have_a_place,
    sinks_are_complete,
    replaced_blocks_are_named,
)
