"""Rules of ``storage`` (zot: validateStorageConfig, validateCacheConfig, validateGC)."""

from __future__ import annotations

import posixpath
from itertools import combinations
from typing import TYPE_CHECKING, Final

from holdfast.config.drivers import S3, Azure, DynamoDb, Gcs, Redis
from holdfast.config.rules.finding import Finding, Rule
from holdfast.config.storage import SubStore

if TYPE_CHECKING:
    from collections.abc import Iterator

    from holdfast.config.faults import Steps
    from holdfast.config.settings import Settings
    from holdfast.config.storage import Storage, Store


def _place(route: str) -> Steps:
    return ("storage", "subPaths", route) if route else ("storage",)


def object_stores(settings: Settings) -> tuple[Steps, ...]:
    """The places of every driver of an object store, for rules of features that cannot do with one."""
    return tuple(
        ("storage", "subPaths", route, "storageDriver") if route else ("storage", "storageDriver")
        for route, store in settings.storage.stores.items()
        if store.storage_driver is not None
    )


def roots_are_named(settings: Settings) -> Iterator[Finding]:
    in_cluster = settings.cluster is not None and settings.cluster.etcd is not None
    for route, store in settings.storage.stores.items():
        if store.storage_driver is None and not store.root_directory and not (in_cluster and not route):
            at = _place(route)
            yield Finding(
                (*at, "rootDirectory"),
                "missing: a store on the local disk needs a directory",
                'write the directory of the data, such as "/var/lib/holdfast"',
                reads=((*at, "storageDriver"), ("cluster", "etcd")),
            )


def nodes_have_a_directory(settings: Settings) -> Iterator[Finding]:
    """Of a cluster's processes only a storage node keeps anything, and whose file this is the file does not say."""
    cluster, storage = settings.cluster, settings.storage
    if cluster is None or cluster.etcd is None or storage.storage_driver is not None:
        return
    if not storage.root_directory and not cluster.node.data_dir:
        yield Finding(
            ("storage", "rootDirectory"),
            "not given: this does for gateways and for the operator's commands, and `holdfast storagenode` refuses it",
            "leave it so where no storage node runs; else write a directory here, or in cluster.node.dataDir",
            reads=(("storage", "storageDriver"), ("cluster", "etcd"), ("cluster", "node", "dataDir")),
            warning=True,
        )


def roots_are_apart(settings: Settings) -> Iterator[Finding]:
    """Two stores in one directory, or one inside the other, would each take the other's files for rubbish."""
    for (route, store), (other_route, other) in combinations(settings.storage.stores.items(), 2):
        for key, root, other_root in _comparable(store, other):
            relation = _relation(root, other_root)
            if relation:
                yield Finding(
                    (*_place(other_route), *key),
                    f"{relation} of {f'the store of {route}' if route else 'the main store'}",
                    "give every store a directory of its own, none inside another",
                    reads=((*_place(route), *key),),
                )


def _comparable(store: Store, other: Store) -> Iterator[tuple[Steps, str, str]]:
    mine, theirs = store.storage_driver, other.storage_driver
    if type(mine) is not type(theirs):
        return
    if store.root_directory and other.root_directory:
        yield ("rootDirectory",), store.root_directory, other.root_directory
    if mine is not None and theirs is not None and _bucket(mine) == _bucket(theirs):
        yield ("storageDriver", "rootdirectory"), f"/{mine.root_directory}", f"/{theirs.root_directory}"


def _bucket(driver: S3 | Gcs | Azure) -> tuple[str, ...]:
    if isinstance(driver, Azure):
        return driver.account_name, driver.container
    return (driver.bucket, driver.region_endpoint) if isinstance(driver, S3) else (driver.bucket,)


def _relation(root: str, other: str) -> str | None:
    """How ``other`` stands to ``root``, in words; None when they are apart."""
    first, second = (posixpath.normpath(path).replace("//", "/") for path in (root, other))
    if first == second:
        return "the same directory as that"
    if second.startswith(first.rstrip("/") + "/") or (first == "." and second[:1] not in {"/", "."}):
        return "inside the directory"
    if first.startswith(second.rstrip("/") + "/") or (second == "." and first[:1] not in {"/", "."}):
        return "around the directory"
    return None


def routes_are_routes(settings: Settings) -> Iterator[Finding]:
    for route in settings.storage.sub_paths:
        parts = route.removeprefix("/").split("/")
        if not route.startswith("/") or any(part in {"", ".", ".."} for part in parts):
            yield Finding(
                _place(route), "no route", 'write a slash and the first part of repository names, such as "/infra"'
            )


def routes_are_of_one_machine(settings: Settings) -> Iterator[Finding]:
    """In a cluster the layout says which node keeps a blob, by its digest; a repository has no disk of its own there."""
    if settings.cluster is None or settings.cluster.etcd is None:
        return
    for route in settings.storage.sub_paths:
        yield Finding(
            _place(route),
            "not in a cluster: there the layout gives every blob its nodes by its digest, whatever repository it is of",
            "remove it, or run a registry of one machine by `holdfast serve`",
            reads=(("cluster", "etcd"),),
        )


def caches_fit_stores(settings: Settings) -> Iterator[Finding]:
    for route, store in settings.storage.stores.items():
        at = _place(route)
        reads: tuple[Steps, ...] = tuple(
            (*at, key) for key in ("storageDriver", "cacheDriver", "dedupe", "remoteCache")
        )
        if store.cache_driver is None:
            if store.storage_driver is not None and store.dedupe and store.uses_remote_cache:
                yield Finding(
                    (*at, "cacheDriver"),
                    "missing: dedupe in an object store with a remote cache needs to know which cache",
                    'give a cacheDriver, or write "remoteCache": false, or "dedupe": false',
                    reads,
                )
        elif store.remote_cache is False or (store.storage_driver is not None and not store.uses_remote_cache):
            yield Finding(
                (*at, "cacheDriver"),
                "not used: remoteCache is off",
                "turn remoteCache on, or remove it",
                reads,
                warning=True,
            )
        else:
            yield from _cache_driver(store, at, reads)


def _cache_driver(store: Store, at: Steps, reads: tuple[Steps, ...]) -> Iterator[Finding]:
    if isinstance(store, SubStore) and isinstance(store.cache_driver, Redis):
        yield Finding(
            (*at, "cacheDriver"), "redis cannot be the cache of a sub-store", "move it to storage itself", reads
        )
    elif isinstance(store.cache_driver, DynamoDb) and store.storage_driver is None:
        message = "a local store cannot have its cache in dynamodb"
        yield Finding((*at, "cacheDriver"), message, 'remove it, or write "remoteCache": false', reads)


def redirects_need_an_object_store(settings: Settings) -> Iterator[Finding]:
    for route, store in settings.storage.stores.items():
        if store.redirect_blob_url and store.storage_driver is None:
            at = _place(route)
            yield Finding(
                (*at, "redirectBlobURL"),
                "a local store has no URL to redirect to",
                "remove it, or give a storageDriver",
                reads=((*at, "storageDriver"),),
            )


def collection_times_make_sense(settings: Settings) -> Iterator[Finding]:
    storage = settings.storage
    for key, delay in (("gcDelay", storage.gc_delay), ("gcInterval", storage.gc_interval)):
        if delay.nanoseconds < 0:
            yield Finding(("storage", key), "a negative duration", 'write a duration of zero or more, such as "1h"')
    yield from _ignored_without_gc(storage)
    for route, store in storage.sub_paths.items():
        if store.gc and store.gc_delay.nanoseconds <= 0:
            yield Finding(
                (*_place(route), "gcDelay"),
                "not above zero while gc is on",
                'write a duration above zero, such as "1h"',
            )
        if store.gc_interval.nanoseconds < 0:
            yield Finding((*_place(route), "gcInterval"), "a negative duration", 'write a duration such as "1h"')


def _ignored_without_gc(storage: Storage) -> Iterator[Finding]:
    for key, name in (("gcDelay", "gc_delay"), ("gcInterval", "gc_interval"), ("retention", "retention")):
        if not storage.gc and name in storage.model_fields_set and getattr(storage, name):
            yield Finding(("storage", key), "ignored: gc is off", "turn gc on, or remove it", warning=True)


STORAGE_RULES: Final[tuple[Rule, ...]] = (
    roots_are_named,
    nodes_have_a_directory,
    roots_are_apart,
    routes_are_routes,
    routes_are_of_one_machine,
    caches_fit_stores,
    redirects_need_an_object_store,
    collection_times_make_sense,
)
