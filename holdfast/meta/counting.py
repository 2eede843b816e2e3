"""How a link is written and taken away: both directions, the repository's own key, and what its links come to, in one transaction.

    linked      what a transaction that makes or renews a link has to compare and to do
    unlinked    the same for one that takes a link away

Promises
  * Nobody else writes ``link/``, ``holder/``, ``repo/`` or ``usage/`` (a house test looks; ``holdfast.meta.usage`` repairs), so a
    count that was right stays right through every kill and every race: it changes with the links or not at all.
  * What was linked by a program that did not count takes a count down to nothing when it goes, never below.
  * Links of one repository that are made at the same moment disturb each other only in the same shard, one in eight; links of
    different repositories, and renewals of what was pushed, never.

Never here: I/O, and any limit on what is counted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from holdfast.meta import keys
from holdfast.meta.commit import revision_of
from holdfast.meta.records import LinkRecord, UsageRecord, encode_repository
from holdfast.meta.store import Delete, KeyAt, Put

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from holdfast.digest import Digest
    from holdfast.meta.ceilings import Room
    from holdfast.meta.store import Compare, Entry, Op
    from holdfast.names import Repository


@dataclass(frozen=True, slots=True)
class Write:
    """Part of a transaction."""

    compares: list[Compare]
    ops: list[Op]


def read_with(repository: Repository, digest: Digest) -> tuple[bytes, ...]:
    """The keys that have to be read, as of one revision, before ``linked`` or ``unlinked``."""
    return (
        keys.link(repository, digest),
        keys.usage_of(repository, digest),
        keys.repository(repository),
        keys.removals(repository),
    )


def linked(
    repository: Repository, digest: Digest, record: LinkRecord, standing: Mapping[bytes, Entry], room: Room
) -> Write:
    """Make or renew a link; five operations at most.

    Raises:
        TooManyRepositoriesError: it would be the first of its repository, and there are as many as there may be.
    """
    key, value = keys.link(repository, digest), record.encode()
    ops: list[Op] = [Put(key, value), Put(keys.holder(digest, repository), value)]
    made = _repository(repository, record, standing, room)
    known = standing.get(key)
    old_bytes = LinkRecord.decode(known.value).size_bytes if known else 0
    if known is not None and old_bytes == record.size_bytes:
        # It stands for as long as nothing is removed, so renewals need not compare the link, and do not disturb each other. Another
        # size they cannot give it: a digest has one.
        removals = keys.removals(repository)
        compares = [*made.compares, KeyAt(removals, revision_of(standing, removals))]
        if record.origin != "pushed":
            # What was pushed meanwhile stays so, or a cache would be free to drop it.
            compares.append(KeyAt(key, known.mod_revision))
        return Write(compares, [*ops, *made.ops])
    delta = UsageDelta(0 if known else 1, record.size_bytes - old_bytes, record.operation_id)
    counted = _counted(keys.usage_of(repository, digest), standing, delta)
    is_as_read = KeyAt(key, revision_of(standing, key))
    return Write([*made.compares, is_as_read, *counted.compares], [*ops, *made.ops, *counted.ops])


def unlinked(repository: Repository, digest: Digest, standing: Mapping[bytes, Entry], operation_id: bytes) -> Write:
    """Take a link away; three operations at most. ``removals/`` is the caller's to bump."""
    return all_unlinked(repository, [digest], standing, operation_id)


def all_unlinked(
    repository: Repository, digests: Sequence[Digest], standing: Mapping[bytes, Entry], operation_id: bytes
) -> Write:
    """Take these links away; two operations each, and one for each shard of the count."""
    compares: list[Compare] = []
    ops: list[Op] = []
    counts: dict[bytes, UsageRecord] = {}
    for digest in digests:
        key, usage_key = keys.link(repository, digest), keys.usage_of(repository, digest)
        known = standing.get(key)
        compares.append(KeyAt(key, revision_of(standing, key)))
        ops += [Delete(key), Delete(keys.holder(digest, repository))]
        if known is not None:
            count = counts[usage_key] if usage_key in counts else usage_at(standing, usage_key)
            counts[usage_key] = count.changed(-1, -LinkRecord.decode(known.value).size_bytes)
    for usage_key, count in counts.items():
        compares.append(KeyAt(usage_key, revision_of(standing, usage_key)))
        ops.append(put_usage(usage_key, count, operation_id))
    return Write(compares, ops)


@dataclass(frozen=True, slots=True)
class UsageDelta:
    """What a link adds to its count."""

    blobs: int
    size_bytes: int
    operation_id: bytes


def put_usage(key: bytes, count: UsageRecord, operation_id: bytes) -> Op:
    """A count of nothing is no key."""
    return Put(key, count.encode(operation_id)) if count != UsageRecord() else Delete(key)


def usage_at(entries: Mapping[bytes, Entry], key: bytes) -> UsageRecord:
    entry = entries.get(key)
    return UsageRecord.decode(entry.value) if entry else UsageRecord()


def _counted(key: bytes, standing: Mapping[bytes, Entry], delta: UsageDelta) -> Write:
    count = usage_at(standing, key).changed(delta.blobs, delta.size_bytes)
    return Write([KeyAt(key, revision_of(standing, key))], [put_usage(key, count, delta.operation_id)])


def _repository(repository: Repository, record: LinkRecord, standing: Mapping[bytes, Entry], room: Room) -> Write:
    """The repository's own key stands as read, or it is made now."""
    key = keys.repository(repository)
    revision = revision_of(standing, key)
    if revision:
        return Write([KeyAt(key, revision)], [])
    value = encode_repository(record.operation_id, record.renewed_seconds)
    return Write([KeyAt(key, 0), *room(repository)], [Put(key, value)])
