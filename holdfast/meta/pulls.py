"""When a repository was last asked for a digest: a hint for what to keep, written in batches.

    pulled/<partition>/<digest>//<name>      a wall clock's seconds

Promises: a time never goes back by more than the clocks of two gateways are apart; a batch costs one transaction for every
``MAX_OPS`` of it. The keys lie as the ``holder/`` keys do, so that whoever walks over all links finds the times beside them.

Never here: when a pull is worth a write (the gateway says), and no proof of anything: a crash loses what was not written yet.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from holdfast.meta import keys
from holdfast.meta.commit import insist
from holdfast.meta.records import Codec
from holdfast.meta.store import MAX_OPS, Put
from holdfast.wire import records_pb2 as wire

if TYPE_CHECKING:
    from collections.abc import Mapping
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
        """Remember them. Written twice they are the same."""
        puts = [
            Put(keys.pulled(digest, repository), _PULL.encode(wire.PullRecord(pulled_seconds=when)))
            for (repository, digest), when in seconds.items()
        ]
        for first in range(0, len(puts), MAX_OPS):
            insist(self._store, (), puts[first : first + MAX_OPS])

    def read(self, wanted: list[Pulled]) -> dict[Pulled, float]:
        """Those of them that were ever written."""
        by_key = {keys.pulled(digest, repository): (repository, digest) for repository, digest in wanted}
        entries = self._store.get_many(list(by_key)).entries
        return {by_key[key]: pulled_seconds(entry) for key, entry in entries.items()}


def pulled_seconds(entry: Entry | None) -> float:
    """What stands in a ``pulled/`` key; 0 where there is none."""
    return _PULL.decode(entry.value).pulled_seconds if entry else 0.0
