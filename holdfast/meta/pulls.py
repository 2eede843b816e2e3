"""When a repository was last asked for a digest: a hint for what to keep, written in batches.

    pulled/<partition>/<digest>//<name>      a wall clock's seconds
    pulls-since/<name>                       since when pulls of it are counted, likewise

Promises: a time never goes back by more than the clocks of two gateways are apart; a batch costs one transaction for every
``MAX_OPS`` of it, and what was deleted meanwhile leaves no time behind. The keys lie as the ``holder/`` keys do, so that whoever
walks over all links finds the times beside them.

Never here: when a pull is worth a write (the gateway says), and no proof of anything: a crash loses what was not written yet.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from holdfast.meta import keys
from holdfast.meta.commit import ATTEMPTS, crowded, insist
from holdfast.meta.records import Codec
from holdfast.meta.store import MAX_OPS, Delete, KeyAt, Put, pages
from holdfast.wire import records_pb2 as wire

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import TypeAlias

    from holdfast.digest import Digest
    from holdfast.meta.store import Entry, Store
    from holdfast.names import Repository

    Pulled: TypeAlias = "tuple[Repository, Digest]"

_PULL: Final = Codec(wire.PullRecord)


class PullTimes:
    """Every method may raise MetadataUnavailableError, ``write`` OutcomeUnknownError as well."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def write(self, seconds: Mapping[Pulled, float]) -> None:
        """Remember them, where the repository links the digest still. Written twice they are the same."""
        puts = {
            keys.link(repository, digest): Put(
                keys.pulled(digest, repository), _PULL.encode(wire.PullRecord(pulled_seconds=when))
            )
            for (repository, digest), when in seconds.items()
        }
        links = list(puts)
        for first in range(0, len(links), MAX_OPS):
            self._write(links[first : first + MAX_OPS], puts)

    def _write(self, links: Sequence[bytes], puts: Mapping[bytes, Put]) -> None:
        """Nothing would ever take away the time of what is gone: links are compared as they stand, and renewals move them."""
        for _ in range(ATTEMPTS):
            found = self._store.get_many(links).entries
            standing = [link for link in links if link in found]
            compares = [KeyAt(link, found[link].mod_revision) for link in standing]
            if not standing or insist(self._store, compares, [puts[link] for link in standing]):
                return
        raise crowded()

    def read(self, wanted: list[Pulled]) -> dict[Pulled, float]:
        """Those of them that were ever written."""
        by_key = {keys.pulled(digest, repository): (repository, digest) for repository, digest in wanted}
        entries = self._store.get_many(list(by_key)).entries
        return {by_key[key]: pulled_seconds(entry) for key, entry in entries.items()}


class PullsSince:
    """Since when pulls are counted: a repository whose pulls nobody counted yet looks as if nobody had ever pulled from it.

    Every method may raise MetadataUnavailableError, ``begin`` and ``tidy`` OutcomeUnknownError as well.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def of(self, repository: Repository) -> float | None:
        """None: nobody has begun to."""
        entry = self._store.get(keys.pulls_since(repository))
        return pulled_seconds(entry) if entry is not None else None

    def begin(self, repository: Repository, now_seconds: float) -> None:
        """They are counted from now on, if nobody has begun before."""
        key = keys.pulls_since(repository)
        value = _PULL.encode(wire.PullRecord(pulled_seconds=now_seconds))
        insist(
            self._store, [KeyAt(key, 0), KeyAt(keys.repository(repository), self._made(repository))], [Put(key, value)]
        )

    def tidy(self, is_counted: Callable[[Repository], bool]) -> None:
        """Forget it of repositories that are gone, and of those whose pulls are counted no more."""
        for entry in pages(self._store, *keys.PULLS_SINCE, keys_only=True):
            repository = keys.pulls_since_in(entry.key)
            made = self._made(repository)
            if not made:
                insist(self._store, [KeyAt(keys.repository(repository), 0)], [Delete(entry.key)])
            elif not is_counted(repository):
                insist(self._store, [], [Delete(entry.key)])

    def _made(self, repository: Repository) -> int:
        entry = self._store.get(keys.repository(repository))
        return entry.mod_revision if entry else 0


def pulled_seconds(entry: Entry | None) -> float:
    """What stands in a ``pulled/`` key; 0 where there is none."""
    return _PULL.decode(entry.value).pulled_seconds if entry else 0.0
