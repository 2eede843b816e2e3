"""One metadata store's keys into another: how a registry of one machine becomes a cluster, and how a backup comes into etcd.

    cluster/copying      what is being copied, by default the installation's id; there from the first key to the last

Promises
  * The target is empty when the copy begins, or holds an unfinished copy of the same (ConfigError otherwise); or it is to be
    replaced, and then no process lives on it.
  * While ``cluster/copying`` stands, no process of a cluster starts on the target (``holdfast.meta.versions``). It goes away in the
    end, after both stores were compared key by key and value by value.
  * A copy that broke off goes on when it is made again: what is there already is compared, not written.

Keys under a lease are left out: they say what a process of the old place does, and it has ended. Revisions are the target's own,
which harms nothing: whoever compares one (fences, removals, dirty marks, live layouts) has read it from the same store in the same
request, and no process lives through the move. Only that a key changed counts, never by how much.

Never here: which stores, and that nobody writes the source meanwhile is the caller's to see to.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from holdfast.errors import ConfigError, MetadataUnavailableError
from holdfast.meta import keys
from holdfast.meta.commit import insist
from holdfast.meta.store import MAX_OPS, MAX_TXN_BYTES, Delete, KeyAt, Put, RangeNotAfter, pages
from holdfast.meta.versions import living

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from holdfast.meta.store import Entry, Op, Store

# Pages hold whole values, and the longest manifest record has several hundred kilobytes.
_PAGE: Final = 100
_FEW: Final = 3


@dataclass(slots=True)
class Census:
    """What a store holds: keys by the first word of their name, and bytes of keys and values. ``leased`` keys are not in them."""

    kinds: Counter[str] = field(default_factory=Counter)
    size_bytes: int = 0
    leased: int = 0

    @property
    def keys(self) -> int:
        return self.kinds.total()


def census(store: Store) -> Census:
    """Reads everything once, in pages."""
    found = Census()
    for entry in pages(store, *keys.EVERYTHING, _PAGE):
        if entry.lease_id:
            found.leased += 1
        elif entry.key != keys.CLUSTER_COPYING:
            found.kinds[entry.key.partition(b"/")[0].decode(errors="replace")] += 1
            found.size_bytes += len(entry.key) + len(entry.value)
    return found


class Copying:
    """One copy of ``source`` into ``target``. After MetadataUnavailableError or OutcomeUnknownError, which all may raise: again."""

    def __init__(self, source: Store, target: Store, what: bytes = b"", *, replaces: bool = False) -> None:
        """``what``: is copied, for ``cluster/copying``. ``replaces``: whatever the target holds goes."""
        self._source = source
        self._target = target
        self._what = what
        self._replaces = replaces

    def check(self) -> bool:
        """Whether an unfinished copy of this installation is there to go on with; False: the target is empty.

        Raises:
            ConfigError: the source holds no installation, or the target holds something else.
        """
        what = self._marked()
        standing = self._target.get(keys.CLUSTER_COPYING)
        if standing is not None:
            if standing.value != what and not self._replaces:
                raise ConfigError(
                    f"the target holds an unfinished copy of another registry ({standing.value.decode(errors='replace')});"
                    " finish that one, or choose another cluster.etcd.prefix"
                )
            return True
        if self._replaces:
            require_nobody(self._target)
            return False
        there = self._target.range(*keys.EVERYTHING, _FEW, keys_only=True).entries
        if there:
            names = ", ".join(entry.key.decode(errors="replace") for entry in there)
            raise ConfigError(
                f"the target is not empty (it holds {names}): stop its processes and choose another cluster.etcd.prefix"
            )
        return False

    def run(self, moved: Callable[[int], None]) -> int:
        """Copy and compare; the number of keys. ``moved`` is told how many keys are done, every few of them.

        Raises:
            ConfigError: as ``check``.
        """
        goes_on = self.check()
        revision = self._mark(goes_on=goes_on)
        self._keep_out(revision, goes_on=goes_on)
        self._write(revision, moved)
        count = self._compare()
        mark = [KeyAt(keys.CLUSTER_COPYING, revision)]
        if not insist(self._target, mark, [Delete(keys.CLUSTER_COPYING)]) and self._target.get(keys.CLUSTER_COPYING):
            raise _interfered()
        return count

    def _marked(self) -> bytes:
        """What ``cluster/copying`` says meanwhile."""
        entry = self._source.get(keys.CLUSTER_ID)
        if entry is None:
            raise ConfigError("the source holds no registry: there is no cluster id in it")
        return self._what or entry.value

    def _keep_out(self, revision: int, *, goes_on: bool) -> None:
        """Who came while it was being marked is seen here, or has seen the mark (``holdfast.meta.versions``)."""
        try:
            if self._replaces:
                require_nobody(self._target)
        except ConfigError:
            if not goes_on:
                insist(self._target, [KeyAt(keys.CLUSTER_COPYING, revision)], [Delete(keys.CLUSTER_COPYING)])
            raise

    def _mark(self, *, goes_on: bool) -> int:
        what, standing = self._marked(), self._target.get(keys.CLUSTER_COPYING)
        if self._replaces:
            if standing is None or standing.value != what:
                as_seen = [KeyAt(keys.CLUSTER_COPYING, standing.mod_revision if standing else 0)]
                insist(self._target, as_seen, [Put(keys.CLUSTER_COPYING, what)])
        elif not goes_on:
            # Empty at this very moment: whoever came since it was looked at is not written over.
            empty = [RangeNotAfter(*keys.EVERYTHING, 0)]
            insist(self._target, empty, [Put(keys.CLUSTER_COPYING, what)])
        standing = self._target.get(keys.CLUSTER_COPYING)
        if standing is None or standing.value != what:
            raise _interfered()
        return standing.mod_revision

    def _write(self, revision: int, moved: Callable[[int], None]) -> None:
        done = 0
        for batch in batches(_ops(_pairs(self._source, self._target))):
            ops = [op for op in batch if op is not None]
            if ops and not insist(self._target, [KeyAt(keys.CLUSTER_COPYING, revision)], ops):
                raise _interfered()
            done += len(batch)
            moved(done)

    def _compare(self) -> int:
        count = 0
        for mine, other in _pairs(self._source, self._target):
            if mine is None or other is None or mine.value != other.value:
                key = b"".join({entry.key for entry in (mine, other) if entry is not None}).decode(errors="replace")
                raise MetadataUnavailableError(f"the copy differs from its source at {key}; make it again")
            count += 1
        return count


def require_nobody(store: Store) -> None:
    """Raises ConfigError: a process lives on it."""
    there = living(store)
    if there:
        names = ", ".join(map(str, there[:_FEW]))
        raise ConfigError(
            f"processes live on the target ({names}{', and others' if len(there) > _FEW else ''}): stop them all; one that was"
            " killed is gone when its lease ends, within a minute"
        )


def _pairs(source: Store, target: Store) -> Iterator[tuple[Entry | None, Entry | None]]:
    """Both stores side by side in the order of their keys; None where one of them lacks the key.

    The target may be written behind the pair that was given last: its next entry has been read by then.
    """
    mine, other = _lasting(source), _lasting(target)
    left, right = next(mine, None), next(other, None)
    while left is not None or right is not None:
        if right is None or (left is not None and left.key < right.key):
            yield left, None
            left = next(mine, None)
        elif left is None or right.key < left.key:
            yield None, right
            right = next(other, None)
        else:
            yield left, right
            left, right = next(mine, None), next(other, None)


def _lasting(store: Store) -> Iterator[Entry]:
    for entry in pages(store, *keys.EVERYTHING, _PAGE):
        if not entry.lease_id and entry.key != keys.CLUSTER_COPYING:
            yield entry


def _ops(pairs: Iterable[tuple[Entry | None, Entry | None]]) -> Iterator[Op | None]:
    """What each pair needs; None: nothing."""
    for mine, other in pairs:
        if mine is None:
            # Of a copy that broke off, after which the source went on.
            yield Delete(other.key) if other is not None else None
        else:
            yield None if other is not None and other.value == mine.value else Put(mine.key, mine.value)


def batches(ops: Iterable[Op | None]) -> Iterator[list[Op | None]]:
    """As many at a time as one transaction takes, the compare of ``cluster/copying`` included."""
    batch: list[Op | None] = []
    left = room = MAX_TXN_BYTES - len(keys.CLUSTER_COPYING)
    for op in ops:
        size = 0 if op is None else len(op.key) + (len(op.value) if isinstance(op, Put) else 0)
        if batch and (len(batch) == MAX_OPS or size > left):
            yield batch
            batch, left = [], room
        batch.append(op)
        left -= size
    if batch:
        yield batch


def _interfered() -> ConfigError:
    return ConfigError("somebody else writes the target at the same time; nothing of theirs was changed")
