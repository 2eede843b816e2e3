"""Rules of ``extensions`` (zot: validateSync, validateExtensionsConfig; metrics path; oauth2 helper)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from holdfast.config.extensions import SHORTEST_INTERVAL
from holdfast.config.rules.finding import Finding, Rule
from holdfast.config.sync import TOKEN_EXCHANGE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from holdfast.config.faults import Steps
    from holdfast.config.settings import Settings
    from holdfast.config.sync import OAuth2Helper, SyncRegistry

_SYNC: Final[Steps] = ("extensions", "sync")
# Paths that belong to the registry itself; metrics there would hide it.
_TAKEN: Final = ("/v2", "/livez", "/readyz", "/startupz")


def _in_object_store(settings: Settings) -> tuple[Steps, ...]:
    return tuple(
        ("storage", "subPaths", route, "storageDriver") if route else ("storage", "storageDriver")
        for route, store in settings.storage.stores.items()
        if store.storage_driver is not None
    )


def pages_need_search(settings: Settings) -> Iterator[Finding]:
    if settings.extensions.runs("ui") and not settings.extensions.runs("search"):
        message = "the pages cannot do without search"
        remedy = 'write "search": {} beside it, or remove it'
        yield Finding(("extensions", "ui"), message, remedy, reads=(("extensions", "search"),))


def scanning_needs_a_local_disk(settings: Settings) -> Iterator[Finding]:
    search = settings.extensions.search
    drivers = _in_object_store(settings)
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


def mirrors_can_run(settings: Settings) -> Iterator[Finding]:
    sync = settings.extensions.sync
    if sync is None:
        return
    drivers = _in_object_store(settings)
    if sync.enable and drivers and not sync.download_dir:
        message = "missing: mirroring into an object store needs a local directory on the way"
        yield Finding((*_SYNC, "downloadDir"), message, "write a directory", reads=drivers)
    for index, registry in enumerate(sync.registries):
        at = (*_SYNC, "registries", index)
        yield from _registry(registry, at, converts=not settings.http.compat)
        yield from _content(registry, at)
        yield from _helper(registry, at)


def _registry(registry: SyncRegistry, at: Steps, *, converts: bool) -> Iterator[Finding]:
    if not any(url.strip() for url in registry.urls):
        yield Finding((*at, "urls"), "missing: no upstream", 'write its URL, such as "https://registry.example.com"')
    if registry.max_retries is not None and registry.retry_delay is None:
        reads: tuple[Steps, ...] = ((*at, "maxRetries"),)
        yield Finding((*at, "retryDelay"), "missing: maxRetries needs it", 'write a duration, such as "1m"', reads)
    if registry.preserve_digest and converts:
        message = "Docker's manifests cannot be kept as they are without http.compat"
        yield Finding((*at, "preserveDigest"), message, 'write "compat": ["docker2s2"] in http', (("http", "compat"),))
    if registry.manifest_check_interval and not registry.on_demand:
        message = "without effect: only pulls on demand ask upstream again"
        yield Finding((*at, "manifestCheckInterval"), message, "turn onDemand on, or remove it", ((*at, "onDemand"),))
    if not registry.on_demand and not registry.poll_interval:
        message, reads = (
            "mirrors nothing: neither onDemand nor a pollInterval",
            ((*at, "onDemand"), (*at, "pollInterval")),
        )
        yield Finding(at, message, "give one of them", reads, warning=True)


def _content(registry: SyncRegistry, at: Steps) -> Iterator[Finding]:
    for index, content in enumerate(registry.content):
        here = (*at, "content", index)
        if content.strip_prefix and content.destination == "/" and "/*" not in content.prefix:
            message = "leaves no name: the prefix is the whole name and the destination is the root"
            reads: tuple[Steps, ...] = ((*here, "prefix"), (*here, "destination"))
            yield Finding((*here, "stripPrefix"), message, "give a destination, or a prefix with a glob", reads)


def _helper(registry: SyncRegistry, at: Steps) -> Iterator[Finding]:
    here, helper = (*at, "oauth2CredentialHelper"), registry.oauth2_credential_helper
    reads: tuple[Steps, ...] = ((*at, "credentialHelper"),)
    if registry.credential_helper != "oauth2":
        if helper is not None:
            message = "not used: credentialHelper is not oauth2"
            yield Finding(here, message, 'write "credentialHelper": "oauth2"', reads, warning=True)
        return
    if helper is None:
        yield Finding(here, "missing: the oauth2 helper needs it", "give tokenURL and assertionFile", reads)
        return
    if not helper.token_url.strip():
        yield Finding((*here, "tokenURL"), "missing", "write the URL of the token endpoint")
    if bool(helper.assertion_file.strip()) == bool(helper.signing_file.strip()):
        message = "give exactly one of assertionFile and signingFile"
        yield Finding((*here, "assertionFile"), message, "keep one of the two", ((*here, "signingFile"),))
    yield from _exchange(helper, here)


def _exchange(helper: OAuth2Helper, here: Steps) -> Iterator[Finding]:
    kinds = {"subjectTokenType": helper.subject_token_type, "requestedTokenType": helper.requested_token_type}
    if helper.grant_type == TOKEN_EXCHANGE and not helper.audience.strip():
        yield Finding((*here, "audience"), "missing: a token exchange needs it", "write the target's name")
    for key, value in ({"audience": helper.audience} | kinds).items():
        if value.strip() and helper.grant_type != TOKEN_EXCHANGE:
            remedy = f'remove it, or write "grantType": "{TOKEN_EXCHANGE}"'
            yield Finding((*here, key), "belongs to a token exchange", remedy, ((*here, "grantType"),))
    for key, value in kinds.items():
        if value.strip() and not _is_uri(value):
            yield Finding((*here, key), "no URI", 'write it as "urn:ietf:params:oauth:token-type:jwt"')


def _is_uri(text: str) -> bool:
    try:
        return bool(urlsplit(text).scheme)
    except ValueError:
        return False


EXTENSION_RULES: Final[tuple[Rule, ...]] = (
    pages_need_search,
    scanning_needs_a_local_disk,
    rounds_are_not_too_many,
    metrics_have_a_place,
    sinks_are_complete,
    replaced_blocks_are_named,
    mirrors_can_run,
)
