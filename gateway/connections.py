"""How many connections a gateway holds, of all clients and of one: counted in memory that its worker processes share.

Each process writes its own counts only, and reads everybody's: nothing is locked, and nothing is lost. The counts of a process that
has ended are cleared by its parent. An address has a place in each of two rows, found by two hashes; the lower count is taken, so
that two addresses are confused only where they share both.

Promises: one address cannot take the places of all others. Trusted proxies count in the total alone, since many clients stand
behind each. Memory is bounded and fixed.
"""

from __future__ import annotations

import mmap
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, Final

from holdfast.errors import TooManyConnectionsError
from holdfast.networks import Ranges, party

if TYPE_CHECKING:
    from collections.abc import Callable

# Old and new workers live side by side for a while when the configuration is read again.
_PROCESSES: Final = 64
_COLUMNS: Final = 8192
_ROWS: Final = 2
_COUNT_BYTES: Final = 4
# The total of a process stands before its rows.
_SPAN: Final = 1 + _ROWS * _COLUMNS


@dataclass(frozen=True, slots=True)
class Crowding:
    """How many there may be, of all and of one address; ``proxies`` are no clients."""

    total: int
    of_one: int
    proxies: Ranges = Ranges()  # noqa: RUF009 - frozen

    def __post_init__(self) -> None:
        if self.total < 1 or self.of_one < 1:
            raise ValueError("a limit that lets nobody in")


class Connections:
    """Made before the fork. ``key``: random bytes, so that nobody can choose whose place is shared."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        # Anonymous and shared: untouched pages cost nothing.
        self._counts = memoryview(mmap.mmap(-1, _PROCESSES * _SPAN * _COUNT_BYTES)).cast("I")

    def clear(self, process: int) -> None:
        """A process has ended, or begins. ``process``: its running number."""
        start = process % _PROCESSES * _SPAN
        self._counts[start : start + _SPAN] = memoryview(bytes(_SPAN * _COUNT_BYTES)).cast("I")

    def count(self, place: int) -> int:
        """Of all processes together."""
        return sum(self._counts[place::_SPAN])

    def add(self, process: int, places: tuple[int, ...], change: int) -> None:
        start = process % _PROCESSES * _SPAN
        for place in places:
            self._counts[start + place] += change

    def places_of(self, address: str) -> tuple[int, ...]:
        """Of one party, a place in each row."""
        digest = blake2b(party(address).encode(), digest_size=8, key=self._key).digest()
        first, second = int.from_bytes(digest[:4]) % _COLUMNS, int.from_bytes(digest[4:]) % _COLUMNS
        return 1 + first, 1 + _COLUMNS + second


class Turnstile:
    """The door of one process; for its event loop alone."""

    def __init__(self, connections: Connections, process: int, crowding: Crowding) -> None:
        self._connections = connections
        self._process = process
        self._crowding = crowding
        connections.clear(process)

    def enter(self, address: str) -> Callable[[], None]:
        """What to call when the connection ends, once.

        Raises:
            TooManyConnectionsError: there is no place, and nothing has been counted.
        """
        held = self._connections
        if held.count(0) >= self._crowding.total:
            raise TooManyConnectionsError("this registry has no connection left")
        places: tuple[int, ...] = ()
        if not self._crowding.proxies.holds(address):
            places = held.places_of(address)
            if min(map(held.count, places)) >= self._crowding.of_one:
                raise TooManyConnectionsError("too many connections from this address")
        held.add(self._process, (0, *places), 1)
        return lambda: held.add(self._process, (0, *places), -1)
