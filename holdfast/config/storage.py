"""``storage``: where bytes live, what is collected, what is kept.

Promises: zot's keys with zot's defaults, and ours (``freeSpaceReserve``, ``uploadExpiry``). Values that zot derives
from others (``remoteCache``, ``retention.delay``) are properties here, so that "not said" stays visible.

Never: looks at a disk.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

from holdfast.config.casemap import CaseMap
from holdfast.config.drivers import CacheDriver, StorageDriver
from holdfast.config.reserve import Reserve, read_reserve
from holdfast.config.scalars import (
    ByteSize,
    Count,
    Flag,
    Glob,
    Globbed,
    Listed,
    Named,
    NotNegativeTime,
    Positive,
    PositiveTime,
    Regex,
    Text,
    Time,
    TimeWindow,
)
from holdfast.config.section import Section, Switched, field
from holdfast.durations import Duration, seconds

if TYPE_CHECKING:
    from collections.abc import Mapping

HOUR = seconds(3600)

SpaceReserve = Annotated[
    Reserve,
    BeforeValidator(read_reserve),
    PlainSerializer(str, return_type=str),
    WithJsonSchema({"type": ["string", "integer"], "examples": ["256MiB", "1%"]}),
]


class KeepUntagged(Section):
    """Which manifests without a tag stay. The rules are alternatives: one that holds is enough."""

    pulled_within: NotNegativeTime | None = field(None, "Pulled this recently.")
    pushed_within: NotNegativeTime | None = field(None, "Pushed this recently.")
    most_recently_pushed_count: Count = field(0, "Among this many pushed last; 0 for no such rule.")
    most_recently_pulled_count: Count = field(0, "Among this many pulled last; 0 for no such rule.")


class KeepTags(KeepUntagged):
    """Which tags stay. The rules are alternatives, for tags that match a pattern."""

    patterns: Listed[Regex] = field((), "Regular expressions; a tag that matches one is judged. None: every tag is.")


class RetentionPolicy(Section):
    """What is kept in some repositories. The first policy that matches a repository counts."""

    repositories: Listed[Glob] = field((), "Globs of repositories. None: all that no policy before it takes.")
    delete_referrers: Flag = field(False, "Delete referrers whose subject is gone.")
    delete_untagged: Flag = field(True, "Delete manifests without a tag.")
    keep_tags: Listed[KeepTags] = field((), "Tags that stay. With any rule here, a tag that matches none is deleted.")
    keep_untagged: KeepUntagged | None = field(None, "Untagged manifests that stay.")


class Retention(Section):
    """What goes when nobody needs it."""

    dry_run: Flag = field(False, "Only log what would go.")
    delay: NotNegativeTime | None = field(None, "Age below which nothing goes but tags. When absent: gcDelay.")
    policies: Listed[RetentionPolicy] = field((), "Policies by repository, first match wins.")


class Store(Section):
    """What a store and a sub-store have in common."""

    root_directory: Text = field(
        "",
        "Directory of the data; beside a storageDriver, of names and uploads on their way. A gateway of a cluster needs none.",
    )
    max_repos: Count = field(0, "Repositories at most; 0 for no limit.")
    dedupe: Flag = field(True, "Store equal blobs once. Bytes are content-addressed here, so they always are.")
    remote_cache: Flag | None = field(
        None, "Cache in the cacheDriver. When absent: true with dedupe and a storageDriver."
    )
    redirect_blob_url: Flag = field(False, "Answer pulls by a redirect to the object store.", alias="redirectBlobURL")
    commit: Flag = field(False, "fsync before answering. It is always done here.")
    gc: Flag = field(True, "Collect what nothing references.")
    gc_delay: Time = field(HOUR, "Age below which nothing is collected.")
    gc_interval: Time = field(HOUR, "Time between collections; 0: one after the start, and then only by `holdfast gc`.")
    gc_time_window: TimeWindow = field("", 'Daily window in UTC in which a collection may start: "HH:MM-HH:MM".')
    retention: Retention = field(Retention, "What is kept.")
    storage_driver: StorageDriver | None = field(None, "An object store in place of the local disk.")
    cache_driver: CacheDriver | None = field(None, "A remote database in place of the local one.")

    @property
    def uses_remote_cache(self) -> bool:
        """``remoteCache`` as zot derives it."""
        if self.remote_cache is None:
            return self.dedupe and self.storage_driver is not None
        return self.remote_cache

    @property
    def retention_delay(self) -> Duration:
        """``retention.delay``, which is ``gcDelay`` when nothing is said."""
        return self.gc_delay if self.retention.delay is None else self.retention.delay


class SubStore(Store):
    """A store for the repositories under one route. Unlike at the top, dedupe and gc are off unless said, as in zot."""

    dedupe: Flag = field(False, "Store equal blobs once. Bytes are content-addressed here, so they always are.")
    gc: Flag = field(False, "Collect what nothing references.")


class MetadataBackups(Switched):
    """Backups of the metadata that storage nodes make by themselves, beside their blobs. On unless said otherwise."""

    interval: PositiveTime = field(seconds(86_400), "Time between two; where nothing has changed, none is made.")
    count: Positive = field(7, "How many each node keeps.")


class Storage(Store):
    """The store of all repositories that no sub-store takes."""

    fast_restart: Flag = field(False, "Skip the walk at start when nothing changed. There is no such walk here.")
    sub_paths: Named[SubStore] = field(
        CaseMap, "Stores of their own for the repositories below routes such as /infra; on one machine."
    )
    free_space_reserve: SpaceReserve = field(
        Reserve(256 << 20),
        'Free space below which nothing more is accepted (ours): a byte size such as "256MiB", or a share such as "1%".',
    )
    quotas: Globbed[ByteSize] = field(
        CaseMap,
        'Bytes that the repositories which a glob matches may hold together (ours): {"team/**": "50GB"}. All that match count.',
    )
    metadata_backups: MetadataBackups = field(
        MetadataBackups,
        "Backups of the metadata that a few storage nodes make (ours): for `holdfast recover`, when no other is left.",
    )
    upload_expiry: PositiveTime = field(seconds(86_400), "An upload nobody touched for this long is dropped (ours).")

    @property
    def stores(self) -> Mapping[str, Store]:
        """Every store by its route; the top one's is the empty string."""
        return {"": self, **self.sub_paths}

    @property
    def most_repositories(self) -> Mapping[str, int]:
        """``maxRepos`` by route; 0 for no limit."""
        return {route: store.max_repos for route, store in self.stores.items()}
