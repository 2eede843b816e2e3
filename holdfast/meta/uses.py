"""When API keys and robots were used last: a hint for whoever wonders which of them can go.

    used/<key of what was used>      a wall clock's seconds

Promises: what is revoked meanwhile gets no time, so nothing of it comes back; a time that is younger than ``every_seconds`` is not
written again, whichever gateway wrote it.

Never here: when it is worth asking; no proof of anything, for a crash loses what was not written yet.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from holdfast.meta import keys
from holdfast.meta.commit import insist
from holdfast.meta.records import Codec
from holdfast.meta.store import KeyAt, Put
from holdfast.wire import records_pb2 as wire

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import TypeAlias

    from holdfast.meta.store import Store

    # Its key in the metadata, and the revision of it.
    Place: TypeAlias = "tuple[bytes, int]"

_USE: Final = Codec(wire.UseRecord)


class UseTimes:
    """Every method may raise MetadataUnavailableError, ``write`` OutcomeUnknownError as well."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def write(self, times: Mapping[Place, float], every_seconds: float) -> None:
        """``times``: seconds of the wall clock."""
        known = self.read(place for place, _ in times)
        for (place, revision), seconds in times.items():
            if not 0.0 <= seconds - known.get(place, 0.0) < every_seconds:
                value = _USE.encode(wire.UseRecord(used_seconds=seconds))
                insist(self._store, [KeyAt(place, revision)], [Put(keys.used(place), value)])

    def read(self, places: Iterable[bytes]) -> dict[bytes, float]:
        """Those of them that were ever used."""
        wanted = {keys.used(place): place for place in places}
        entries = self._store.get_many(list(wanted)).entries
        return {wanted[key]: _USE.decode(entry.value).used_seconds for key, entry in entries.items()}
